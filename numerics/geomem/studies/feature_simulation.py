"""Networks of random features that are drawn and trained, beside what level random_features says of them."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from geomem.core.arguments import check_key, whole_number
from geomem.core.kinds import one_number, refuse_beyond_memory, refuse_other
from geomem.core.provenance import key_record, provenance
from geomem.core.results import described
from geomem.laws.law import check_law
from geomem.laws.manifold import Manifold
from geomem.levels.activations import ACTIVATIONS
from geomem.levels.feature_networks import random_features
from geomem.levels.random_features import RandomFeatures

OBSERVABLES = ("response", "second_moment")

# Averages over noise are sums over Hermite orders: of two hidden units, whose inputs' correlation is small, up to this
# order; of one with itself all of them. They are integrals over a Gaussian, by the trapezoidal rule.
_ORDERS, _NODES, _REACH = 12, 97, 8.0
_FEWEST = 2  # networks that an error bar needs


def simulate_random_features(
    manifold: Manifold,
    *,
    noise_variance: float | int,
    num_samples: int,
    network: RandomFeatures,
    num_networks: int,
    key: Array,
) -> xr.Dataset:
    """Response and size of the score of drawn networks of random features, trained on drawn samples, and the theory's.

    Averages over noise, in training and of fresh points, are taken exactly, and training is an eigendecomposition: what
    is random is W and the samples. A smooth activation's averages are right to 1e-6, a kinked one's to 2e-3.

    Args:
        manifold: the data's law.
        noise_variance: noise variance t, in squared units of the data.
        num_samples: number of training samples N, from 1.
        network: width, ridge or training time, and activation.
        num_networks: networks to draw, each with samples of its own, from 2.

    Returns:
        A data set over `observable` (response, second_moment) and `block`, with `value` (the mean over the block's
        directions and the networks), `prediction`, the `standard_error` of the value from the networks' spread, and
        `z`, the difference in standard errors. The prediction is that of many dimensions: the value is off by about
        1/d of it beside the error.

    Raises:
        InputError: for a law that is no `Manifold`, a number or a key that is none, or as `random_features`.
    """
    check_law(manifold)
    check_key(key)
    refuse_other(network, RandomFeatures, "the network", "RandomFeatures(width, ...)")
    noise_variance = one_number(noise_variance, "noise_variance")
    size = whole_number(num_samples, "num_samples", 1)
    count = whole_number(num_networks, "num_networks", _FEWEST)
    whole = int(network.width) if float(network.width).is_integer() else network.width
    width = whole_number(whole, "width", 1)
    numbers = {"ridge": network.ridge, "training_time": network.training_time}
    predicted = random_features(
        manifold,
        noise_variance=noise_variance,
        num_samples=size,
        width=width,
        activation=network.activation,
        **numbers,
    )
    deviations = np.asarray(manifold.axis_deviations())
    refuse_beyond_memory(float(max(size, width)) * max(width, len(deviations)), "the features of the samples")
    blocks = np.repeat(np.arange(manifold.num_blocks), np.asarray(manifold.multiplicities, dtype=int))
    drawn = []
    for own in jax.random.split(key, count):
        for_weights, for_data = jax.random.split(own)
        weights = np.asarray(jax.random.normal(for_weights, (width, len(deviations)))) / np.sqrt(len(deviations))
        data = deviations * np.asarray(jax.random.normal(for_data, (size, len(deviations))))
        along = _trained(weights, data, deviations**2, float(noise_variance), network)
        drawn.append([[row[blocks == block].mean() for block in range(manifold.num_blocks)] for row in along])
    values = np.array(drawn)
    error = values.std(axis=0, ddof=1) / np.sqrt(count)
    prediction = np.stack([np.asarray(getattr(predicted, name)) for name in OBSERVABLES])
    inputs = manifold.record() | network.record()
    inputs |= {"noise_variance": float(noise_variance), "num_samples": size, "key": key_record(key)}
    axes = ("observable", "block")
    return xr.Dataset(
        {
            "value": (axes, values.mean(axis=0), described("mean over networks", "units of the score")),
            "prediction": (axes, prediction, described("for many dimensions", "units of the score")),
            "standard_error": (axes, error, described("standard error", "units of the score")),
            "z": (axes, (values.mean(axis=0) - prediction) / error, described("difference", "standard errors")),
        },
        {"observable": list(OBSERVABLES), "block": np.arange(manifold.num_blocks)},
        {"provenance": provenance(inputs | {"num_networks": count})},
    )


def _trained(
    weights: Float[np.ndarray, "width dims"],
    data: Float[np.ndarray, "samples dims"],
    variances: Float[np.ndarray, " dims"],
    time: float,
    network: RandomFeatures,
) -> tuple[Float[np.ndarray, " dims"], Float[np.ndarray, " dims"]]:
    """Response and mean square of the score along every coordinate axis."""
    chosen = network.activation
    activation = jax.jit(ACTIVATIONS[chosen] if isinstance(chosen, str) else chosen)
    training, slopes = feature_moments(activation, data @ weights.T, time * weights @ weights.T)
    fresh, fresh_slopes = feature_moments(
        activation, np.zeros((1, len(weights))), weights * (variances + time) @ weights.T
    )
    values, vectors = np.linalg.eigh(training)
    if network.training_time is None:
        inverses = 1.0 / (values + float(network.ridge or 0.0))
    else:
        inverses = -np.expm1(-values * float(network.training_time)) / values
    # By Stein's lemma the mean of a feature times a noise is its mean slope times the weight.
    target = slopes[:, None] * weights
    second_layer = -(vectors * inverses) @ (vectors.T @ target)
    response = np.sum(second_layer * (fresh_slopes[:, None] * weights), axis=0)
    return response, np.sum(second_layer * (fresh @ second_layer), axis=0)


def feature_moments(
    activation: Callable[[Array], Array],
    means: Float[np.ndarray, "samples width"],
    covariance: Float[np.ndarray, "width width"],
) -> tuple[Float[np.ndarray, "width width"], Float[np.ndarray, " width"]]:
    """Means of the features' products and slopes over samples of these mean inputs, and noise of this covariance."""
    deviations = np.sqrt(np.diagonal(covariance))
    coefficients, squares = map(np.asarray, _hermite(activation, jnp.asarray(means), jnp.asarray(deviations)))
    correlation = covariance / (deviations[:, None] * deviations)
    total, power = np.zeros_like(covariance), np.ones_like(covariance)
    for row in coefficients:
        total += power * (row.T @ row)
        power = power * correlation
    np.fill_diagonal(total, squares.sum(axis=0))
    return total / len(means), coefficients[1].mean(axis=0) / deviations


@partial(jax.jit, static_argnums=0)
def _hermite(
    activation: Callable[[Array], Array], means: Float[Array, "samples width"], deviations: Float[Array, " width"]
) -> tuple[Float[Array, "orders samples width"], Float[Array, "samples width"]]:
    """Hermite coefficients of every feature in its own noise, and its mean square."""
    nodes = np.linspace(-_REACH, _REACH, _NODES)
    rule = np.exp(-(nodes**2) / 2) * (nodes[1] - nodes[0]) / np.sqrt(2 * np.pi)
    rows = [np.ones(_NODES), nodes]
    for order in range(1, _ORDERS):
        rows.append((nodes * rows[order] - np.sqrt(order) * rows[order - 1]) / np.sqrt(order + 1))
    table = np.array(rows) * rule

    def of_sample(inputs: Array) -> tuple[Array, Array]:
        values = activation(inputs[None, :] + nodes[:, None] * deviations[None, :])
        return table @ values, rule @ values**2

    coefficients, squares = jax.lax.map(of_sample, means)
    return jnp.swapaxes(coefficients, 0, 1), squares
