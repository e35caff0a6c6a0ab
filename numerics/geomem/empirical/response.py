"""What a score keeps of every direction, measured on fresh points: beside level random_features, of any network.

Equations: `geomem_theory`, chapter `random_features`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from geomem.core.arguments import check_key, positive_noise_variances, whole_number
from geomem.core.kinds import check_score, one_number, refuse_beyond_memory
from geomem.core.provenance import key_record, provenance
from geomem.core.results import described
from geomem.core.status import InputError
from geomem.empirical.scores import Score
from geomem.laws.law import check_law
from geomem.laws.manifold import Manifold
from geomem.lowering import lower

_second, _log_ratio = jnp.vectorize(lower("network_second_moment")), jnp.vectorize(lower("network_log_signal_to_noise"))
_excess = jnp.vectorize(lower("network_excess_loss"))
_GROUPS = 20  # of points, one of which the jackknife leaves out
_CHUNK = 2048  # points that a score is asked at once
_TEXTS = {
    "response": ("response of the score along a direction", "1/squared units of the data"),
    "second_moment": ("mean square of the score along it", "1/squared units of the data"),
    "signal_to_noise": ("its signal-to-noise ratio", "1"),
    "excess_loss": ("mean squared difference from the exact score", "1/squared units of the data"),
}


def measure_response(
    score: Score, manifold: Manifold, *, noise_variance: float | int, num_points: int = 20_000, key: Array
) -> xr.Dataset:
    """Response, size and signal to noise of a score along the directions of every block, on fresh noised points.

    J_v is the slope of the score along v in the point's coordinate, and the noise is what the slope leaves: the
    quantities that `random_features` predicts of a network of random features, here of any score.

    Args:
        score: takes points (n, dims) and a noise variance to scores (n, dims).
        manifold: the data's law, in whose coordinates the points are.
        noise_variance: noise variance t, in squared units of the data.
        num_points: points to draw from the law with the noise, from 40.
        key: for the points.

    Returns:
        A data set over `block` with `response`, `second_moment`, `signal_to_noise` and `excess_loss`, as in
        `NetworkResponse`, averaged over the directions of a block, and of each its standard error, `response_error`
        and so on, over the points: a jackknife of 20 groups.

    Raises:
        InputError: for a law that is no flat `Manifold`, what is no score, or one whose values are not finite or of
            another shape.
    """
    check_score(score)
    check_law(manifold)
    manifold.require("one_gaussian", "the response of a score")
    check_key(key)
    time = float(positive_noise_variances(one_number(noise_variance, "noise_variance")))
    count = whole_number(num_points, "num_points", 2 * _GROUPS)
    variances = np.asarray(manifold.axis_deviations()) ** 2
    refuse_beyond_memory(2.0 * count * len(variances), "the points")
    points = np.sqrt(variances + time) * np.asarray(jax.random.normal(key, (count, len(variances))))
    scores = np.concatenate([_scores(score, part, time) for part in np.array_split(points, -(-count // _CHUNK))])
    blocks = np.repeat(np.arange(manifold.num_blocks), np.asarray(manifold.multiplicities, dtype=int))
    groups = np.arange(count) % _GROUPS
    sums = np.zeros((3, _GROUPS, manifold.num_blocks))
    for place, products in enumerate((scores * points, points**2, scores**2)):
        by_block = np.zeros((count, manifold.num_blocks))
        np.add.at(by_block.T, blocks, products.T)
        np.add.at(sums[place], groups, by_block)
    numbers = np.bincount(groups)[:, None] * np.bincount(blocks)
    whole = _kept(manifold, time, sums.sum(axis=1), numbers.sum(axis=0))
    without = _kept(manifold, time, sums.sum(axis=1, keepdims=True) - sums, numbers.sum(axis=0) - numbers)
    data = {}
    for (name, (text, units)), value, others in zip(_TEXTS.items(), whole, without, strict=True):
        with np.errstate(invalid="ignore"):  # a ratio without noise is infinite, and has no error
            error = np.sqrt((_GROUPS - 1) * others.var(axis=0))
        data[name] = ("block", value, described(text, units))
        data[f"{name}_error"] = ("block", error, described("its standard error", units))
    inputs = manifold.record() | {"noise_variance": time, "num_points": count, "key": key_record(key)}
    return xr.Dataset(data, {"block": np.arange(manifold.num_blocks)}, {"provenance": provenance(inputs)})


def _scores(score: Score, points: Float[np.ndarray, "points dims"], time: float) -> np.ndarray:
    values = np.asarray(score(points, time), dtype=float)
    if values.shape != points.shape or not np.isfinite(values).all():
        raise InputError(
            f"of points {points.shape} the score gives values of shape {values.shape}; they must be as many, and finite"
        )
    return values


def _kept(
    manifold: Manifold, time: float, sums: Float[np.ndarray, "3 *groups blocks"], numbers: np.ndarray
) -> list[np.ndarray]:
    """Response, second moment, signal to noise and excess loss from sums of s x, x^2 and s^2."""
    response = sums[0] / sums[1]
    noise = np.maximum(sums[2] - response * sums[0], 0.0) / numbers  # none, up to rounding, of a linear score
    about = (jnp.broadcast_to(manifold.variances, response.shape), jnp.asarray(time))
    given = (*about, jnp.asarray(response), jnp.asarray(noise))
    found = (jnp.asarray(response), _second(*given), jnp.exp(_log_ratio(*given)), _excess(*given))
    return [np.asarray(one) for one in found]
