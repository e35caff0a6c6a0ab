"""Central differences of the empirical score at the origin, of data divided by their norm: moments over data sets.

A = -t S has the rows S_k = [score(x_k) - score(-x_k)]/(2 sqrt(t)) with x_k = sqrt(t) e_k, along the principal
directions. Equations: `geomem_theory`, chapter `unit_normalized`.
"""

from itertools import product
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8

from geomem.core.arguments import Numbers, as_log_sizes, as_noise_variances
from geomem.core.status import Status
from geomem.laws.law import check_law
from geomem.laws.manifold import Manifold
from geomem.levels.lanes import in_threads
from geomem.levels.pool import quenched_sphere
from geomem.levels.two_probes import (
    Axis,
    axis_of,
    exact_products,
    leading_products,
    log_mean_weight,
    mirrored_products,
    pair_of,
)
from geomem.lowering import lower

_value = lower("secant_value")
_spread = lower("secant_spread")
_transposed = lower("secant_transposed")
_TOLERANCE = 1e-6  # of what is accepted, relative


class Secants(NamedTuple):
    """Moments of A over data sets, of shape noise variances + sizes, and blocks of directions.

    Every direction of a block has the same: `mean` of A_kk, beside which no mean is other than zero, `diagonal` the
    variance of A_kk, `variance` that of A_ki for a direction k of the first block and another one i of the second, and
    `transposed` the covariance of A_ki with A_ik, `between` that of A_kk with A_ii. A block of one direction has no
    other: NaN. Two directions that are all there are have nothing beside them, and no answer. `error` is the largest
    relative one of what is known.
    """

    mean: Float[np.ndarray, "*lanes blocks"]
    diagonal: Float[np.ndarray, "*lanes blocks"]
    variance: Float[np.ndarray, "*lanes blocks blocks"]
    transposed: Float[np.ndarray, "*lanes blocks blocks"]
    between: Float[np.ndarray, "*lanes blocks blocks"]
    error: Float[np.ndarray, "*lanes"]
    status: Int8[np.ndarray, "*lanes"]


def secants(
    manifold: Manifold,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
) -> Secants:
    """The moments at every size N, exactly; NaN and NOT_CONVERGED where they are not known to 1e-6.

    Every pair of blocks takes about a second for a noise variance and a size.

    Raises:
        InputError: for what is no manifold of normalized data, or for noise variances or sizes that are none.
    """
    return _of_lanes(manifold, noise_variance, as_log_sizes(num_samples, log_num_samples), exact=True)


def leading_secants(manifold: Manifold, *, noise_variance: Numbers) -> Secants:
    """The same to leading order at many samples: means of the population, and N times variances and covariances.

    Raises:
        InputError: as `secants`.
    """
    return _of_lanes(manifold, noise_variance, np.zeros(()), exact=False)


def _of_lanes(manifold: Manifold, noise_variance: Numbers, log_sizes: Array | np.ndarray, *, exact: bool) -> Secants:
    check_law(manifold)
    manifold.require("secants", "the law of central differences at the origin")
    times = as_noise_variances(noise_variance)
    lanes = list(product(np.ravel(np.asarray(times, dtype=float)), np.ravel(np.asarray(log_sizes, dtype=float))))
    rows = in_threads(lambda lane: _moments(manifold, *lane, exact=exact), lanes)
    shape = np.shape(times) + np.shape(log_sizes)
    return jax.tree.map(lambda *fields: np.stack(fields).reshape(shape + np.shape(fields[0])), *rows)


def _moments(manifold: Manifold, time: float, log_size: float, *, exact: bool) -> Secants:
    count, directions = manifold.num_blocks, np.asarray(manifold.multiplicities)
    axes = [axis_of(manifold, block, time, log_size) for block in range(count)]
    of_axis, of_pair = (_exact_row, exact_products) if exact else (_leading_row, leading_products)
    rows, errors, offsets = map(np.array, zip(*(of_axis(axis, time, log_size) for axis in axes), strict=True))
    mean, diagonal, variance = rows[:, 0], rows[:, 1], rows[:, 2:]
    (transposed, between), error = np.full((2, count, count), np.nan), errors.max()
    for k, i in product(range(count), repeat=2):
        if k > i or (k == i and directions[k] == 1):
            continue
        pair = pair_of(manifold, axes[k], axes[i], time)
        # Averages along the axes are measured from the posterior means.
        products = of_pair(pair, axes[k], axes[i], log_size) - np.array([0.0, offsets[k] * offsets[i]])
        value, by_half = np.vectorize(_transposed)(products, time)
        scales = np.sqrt([variance[k, i] * variance[i, k], diagonal[k] * diagonal[i]])
        off = (by_half - value) / np.where(scales > 0, scales, 1.0)  # nothing fluctuates of what has no variance
        # NumPy's maximum is not a number where one is none, and then nothing is known.
        error = np.max([error, *(off**2).ravel(), abs(float(jnp.sum(pair.shares)) - 1.0)])
        transposed[k, i], between[k, i] = transposed[i, k], between[i, k] = value
    variance = np.where(np.diag(directions == 1), np.nan, variance)
    fields, known = (mean, diagonal, variance, transposed, between), error <= _TOLERANCE
    status = np.int8(Status.CONVERGED if known else Status.NOT_CONVERGED)
    return Secants(*(np.where(known, field, np.nan) for field in fields), np.asarray(error), np.asarray(status))


def _exact_row(axis: Axis, time: float, log_size: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean and variance of A_kk, variances of A_ki for i of every block; errors; what y_k is from the reference."""
    found = quenched_sphere(axis.view, np.float64(time), jnp.asarray([log_size]), jnp.array(-jnp.inf))
    own = np.asarray(found.score_variance)[:, 0] * time**2
    mean = float(found.score_mean[0, 0]) * time + np.sqrt(time)
    mirrored, by_half = np.array(
        mirrored_products(axis.nodes, jnp.asarray(axis.xi), np.float64(log_size), np.float64(axis.reference))
    )
    errors = np.append(0.0, ((by_half - mirrored) / own) ** 2)
    # Of what is measured from the reference the means at x and -x are opposite.
    offset = mean - axis.reference
    mirrored[0] += offset**2
    return _row(time, mean, own, mirrored), np.maximum(errors, float(np.max(found.error))), offset


def _leading_row(axis: Axis, time: float, log_size: float) -> tuple[np.ndarray, np.ndarray, float]:
    """The same of many samples, and times N what is no mean."""
    nodes = axis.nodes
    tilted = nodes.shares[0] * jnp.exp(nodes.log_weights - log_mean_weight(axis))
    own = jnp.exp(nodes.log_weights - log_mean_weight(axis)) * tilted
    mirrored = jnp.exp(-nodes.log_weights - log_mean_weight(axis)) * tilted
    mean = axis.reference
    values = [own @ (nodes.coordinates - mean) ** 2, *(own @ nodes.squares)]
    opposite = [mirrored @ (nodes.coordinates**2 - mean**2), *(mirrored @ nodes.squares)]
    return _row(time, mean, np.array(values), np.array(opposite)), np.zeros(len(values) + 1), 0.0


def _row(time: float, mean: float, own: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    at, means = jnp.asarray(time), np.append(mean, np.zeros(len(own) - 1))
    spread = [
        _spread(*map(jnp.asarray, (one + m**2, m, other)), at)
        for one, m, other in zip(own, means, mirrored, strict=True)
    ]
    return np.array([_value(jnp.asarray(mean), at), *spread])
