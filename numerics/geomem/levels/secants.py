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
from geomem.core.status import InputError, Status
from geomem.laws.manifold import Manifold
from geomem.laws.sphere import Nodes, Sphere
from geomem.levels.lanes import in_threads
from geomem.levels.pool import AT_ONCE, OF_PAIRS, nodes_in_xi, quenched_sphere
from geomem.lowering import lower

_weight = jnp.vectorize(lower("pool_weight"))
_complement = jnp.vectorize(lower("pool_complement"))
_density = jnp.vectorize(lower("joint_mean_density"))
_log_weight = jnp.vectorize(lower("sphere_log_weight"))
_coordinate = jnp.vectorize(lower("sphere_coordinate"))
_other_coordinate = jnp.vectorize(lower("sphere_other_coordinate"))
_pair_density = lower("sphere_pair_density")
_value = lower("secant_value")
_spread = lower("secant_spread")
_transposed = lower("secant_transposed")
_TOLERANCE = 1e-6  # of what is accepted, relative
_STEP, _WEIGHT_STEP = 0.2, 0.4  # in rho and in the logarithm of a weight, of the nodes of two coordinates
_FILLED = 128  # numbers of nodes are filled up to multiples of this, so that few shapes are compiled


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
        InputError: for what is no normalized manifold, or for noise variances or sizes that are none.
    """
    return _of_lanes(manifold, noise_variance, as_log_sizes(num_samples, log_num_samples), exact=True)


def leading_secants(manifold: Manifold, *, noise_variance: Numbers) -> Secants:
    """The same to leading order at many samples: means of the population, and N times variances and covariances.

    Raises:
        InputError: as `secants`.
    """
    return _of_lanes(manifold, noise_variance, np.zeros(()), exact=False)


def _of_lanes(manifold: Manifold, noise_variance: Numbers, log_sizes: Array | np.ndarray, *, exact: bool) -> Secants:
    if not isinstance(manifold, Manifold) or not manifold.normalized:
        raise InputError("central differences at the origin are known of a Manifold with normalized=True")
    times = as_noise_variances(noise_variance)
    lanes = list(product(np.ravel(np.asarray(times, dtype=float)), np.ravel(np.asarray(log_sizes, dtype=float))))
    rows = in_threads(lambda lane: _moments(manifold, *lane, exact=exact), lanes)
    shape = np.shape(times) + np.shape(log_sizes)
    return jax.tree.map(lambda *fields: np.stack(fields).reshape(shape + np.shape(fields[0])), *rows)


def _moments(manifold: Manifold, time: float, log_size: float, *, exact: bool) -> Secants:
    count, directions = manifold.num_blocks, np.asarray(manifold.multiplicities)
    axes = [_axis(manifold, block, time, log_size) for block in range(count)]
    of_axis, of_pair = (_exact_row, _exact_products) if exact else (_leading_row, _leading_products)
    rows, errors, offsets = map(np.array, zip(*(of_axis(axis, time, log_size) for axis in axes), strict=True))
    mean, diagonal, variance = rows[:, 0], rows[:, 1], rows[:, 2:]
    (transposed, between), error = np.full((2, count, count), np.nan), float(errors.max())
    for k, i in product(range(count), repeat=2):
        if k > i or (k == i and directions[k] == 1):
            continue
        pair = _pair(manifold, axes[k], axes[i], time)
        # Averages along the axes are measured from the posterior means.
        products = of_pair(pair, axes[k], axes[i], log_size) - np.array([0.0, offsets[k] * offsets[i]])
        value, by_half = np.vectorize(_transposed)(products, time)
        scales = np.sqrt([variance[k, i] * variance[i, k], diagonal[k] * diagonal[i]])
        error = max(error, float(np.max(((by_half - value) / scales) ** 2)), abs(float(jnp.sum(pair.shares)) - 1.0))
        transposed[k, i], between[k, i] = transposed[i, k], between[i, k] = value
    variance = np.where(np.diag(directions == 1), np.nan, variance)
    fields, known = (mean, diagonal, variance, transposed, between), error <= _TOLERANCE
    status = np.int8(Status.CONVERGED if known else Status.NOT_CONVERGED)
    return Secants(*(np.where(known, field, np.nan) for field in fields), np.asarray(error), np.asarray(status))


class _Axis(NamedTuple):
    """A direction of a block as the axis, and what averages at x_k = sqrt(t) e_k are sums over."""

    block: int
    view: Sphere  # along the axis, and then along another direction of every block
    nodes: Nodes
    reference: float  # the posterior mean of y_k
    xi: Float[np.ndarray, " xi"]


def _axis(manifold: Manifold, block: int, time: float, log_size: float) -> _Axis:
    count = manifold.num_blocks
    along, across = jnp.eye(1, count + 1)[0], jnp.concatenate([jnp.zeros((1, count)), jnp.eye(count)])
    others = manifold.multiplicities - manifold.indicator(block)
    place = jnp.sqrt(jnp.asarray(time))
    view = Sphere(manifold.variances, others, manifold.variances[block], place, along, across)
    whole = _nodes(view, np.float64(time), np.float64(log_size))
    used = np.flatnonzero(np.isfinite(whole.log_weights))
    nodes = Nodes(whole.coordinates[used], whole.shares[:, used], whole.squares[used], whole.log_weights[used])
    energies, lighter = -nodes.log_weights, jnp.append(jnp.zeros(1), jnp.cumsum(nodes.shares[0]))
    log_mean = jax.nn.logsumexp(-energies, b=nodes.shares[0])
    sizes, nothing = jnp.asarray([log_size]), jnp.array(-jnp.inf)
    low, blocks = nodes_in_xi(energies, lighter, log_mean, sizes, nothing, OF_PAIRS)
    steps = -(-int(blocks) * AT_ONCE // _FILLED) * _FILLED
    # What is filled up has no weight.
    missing = (0, -len(used) % _FILLED)
    padded = Nodes(
        jnp.pad(nodes.coordinates, missing),
        jnp.pad(nodes.shares, ((0, 0), missing)),
        jnp.pad(nodes.squares, (missing, (0, 0))),
        jnp.pad(nodes.log_weights, missing),
    )
    reference = float(jnp.sum(nodes.shares[0] * jnp.exp(nodes.log_weights - log_mean) * nodes.coordinates))
    return _Axis(block, view, padded, reference, float(low) + OF_PAIRS.step * np.arange(steps))


@jax.jit
def _nodes(view: Sphere, time: Array, log_size: Array) -> Nodes:
    return view.nodes(time, log_size)


def _exact_row(axis: _Axis, time: float, log_size: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean and variance of A_kk, variances of A_ki for i of every block; errors; what y_k is from the reference."""
    found = quenched_sphere(axis.view, np.float64(time), jnp.asarray([log_size]), jnp.array(-jnp.inf))
    own = np.asarray(found.score_variance)[:, 0] * time**2
    mean = float(found.score_mean[0, 0]) * time + np.sqrt(time)
    mirrored, by_half = np.array(
        _mirrored(axis.nodes, jnp.asarray(axis.xi), np.float64(log_size), np.float64(axis.reference))
    )
    errors = np.append(0.0, ((by_half - mirrored) / own) ** 2)
    # Of what is measured from the reference the means at x and -x are opposite.
    offset = mean - axis.reference
    mirrored[0] += offset**2
    return _row(time, mean, own, mirrored), np.maximum(errors, float(np.max(found.error))), offset


def _leading_row(axis: _Axis, time: float, log_size: float) -> tuple[np.ndarray, np.ndarray, float]:
    """The same of many samples, and times N what is no mean."""
    nodes = axis.nodes
    tilted = nodes.shares[0] * jnp.exp(nodes.log_weights - _log_mean(axis))
    own = jnp.exp(nodes.log_weights - _log_mean(axis)) * tilted
    mirrored = jnp.exp(-nodes.log_weights - _log_mean(axis)) * tilted
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


def _log_mean(axis: _Axis) -> float:
    return float(jax.nn.logsumexp(axis.nodes.log_weights, b=axis.nodes.shares[0]))


@jax.jit
def _mirrored(
    nodes: Nodes, xi: Float[Array, " xi"], log_size: Float[Array, ""], reference: Float[Array, ""]
) -> Float[Array, "all_and_half moments"]:
    """Means over data sets of products of Gibbs averages at x and at -x, of the axis and of a direction of every block.

    Along the axis they are measured from the posterior means.
    """
    there, back = (_powers(xi, sign * nodes.log_weights) for sign in (1.0, -1.0))
    share = nodes.shares[0][None, :]
    g, h = (nodes.coordinates - reference)[None, :], (nodes.coordinates + reference)[None, :]
    psi = _both(there.taken @ share[0], back.taken @ share[0], (there.taken * share) @ back.taken.T)
    of_g, of_h = (there.first * share * g) @ back.left.T, (there.left * share * h) @ back.first.T
    nothing = jnp.zeros_like(psi)
    found = [_summed(log_size, psi, of_g, of_h, (there.first * share * g * h) @ back.first.T)]
    found += [
        _summed(log_size, psi, nothing, nothing, (there.first * share * square[None, :]) @ back.first.T)
        for square in nodes.squares.T
    ]
    return jnp.stack(found, axis=1)


class _Powers(NamedTuple):
    """Of w = u v at every xi and node: 1 - exp(-w), exp(-w) and w exp(-w)."""

    taken: Float[Array, "xi nodes"]
    left: Float[Array, "xi nodes"]
    first: Float[Array, "xi nodes"]


def _powers(xi: Float[Array, " xi"], log_weights: Float[Array, " nodes"]) -> _Powers:
    weights = jnp.minimum(_weight(jnp.minimum(xi[:, None], 600.0 - log_weights[None, :]), -log_weights[None, :]), 1e3)
    taken = _complement(weights)
    return _Powers(taken, 1.0 - taken, weights * (1.0 - taken))


def _both(one: Float[Array, " xi"], other: Float[Array, " more_xi"], common: Float[Array, "xi more_xi"]) -> Array:
    """1 - phi at two probes, from what the weights at each take, and both."""
    return one[:, None] + other[None, :] - common


def _summed(
    log_size: Array, psi: Float[Array, "xi more_xi"], of_g: Array, of_h: Array, of_both: Array
) -> Float[Array, " all_and_half"]:
    """The double integral by all nodes in xi, and by every other one of both."""
    log_phi = jnp.where(psi < 0.5, jnp.log1p(-jnp.minimum(psi, 0.5)), jnp.log(jnp.maximum(1.0 - psi, 1e-300)))
    density = _density(log_size, log_phi, of_g, of_h, of_both)
    cell = OF_PAIRS.step**2
    return jnp.stack([cell * jnp.sum(density), 4.0 * cell * jnp.sum(density[::2, ::2])])


class _Pair(NamedTuple):
    """Nodes of the coordinates along two axes k and i, and the logarithms of weights at x_k and x_i."""

    first: Float[Array, " nodes"]
    second: Float[Array, "nodes more_nodes"]
    shares: Float[Array, "nodes more_nodes"]
    log_first: Float[Array, " nodes"]
    log_second: Float[Array, "nodes more_nodes"]


def _pair(manifold: Manifold, axis: _Axis, other: _Axis, time: float) -> _Pair:
    others = axis.view.others - manifold.indicator(other.block)
    grids = [_grid(view, time) for view in (axis.view, other.view._replace(others=others))]
    scales = (manifold.variances[axis.block], manifold.variances[other.block])
    return _pair_of(*grids, *scales, manifold.variances, others, jnp.asarray(time))


def _grid(view: Sphere, time: float) -> Float[np.ndarray, "values_and_measures nodes"]:
    """Values of W and the measure there, of equal steps in rho."""
    amplitude, scale, end = map(float, _extent(view, np.float64(time)))
    steepest = max(float(jnp.sqrt(view.axis_variance)) / scale, 0.4)
    step = min(_STEP, _WEIGHT_STEP / max(amplitude * steepest, 1e-9))
    last = int(np.ceil(end / step))
    rho = step * np.arange(-last, last + 1)
    found = np.stack([np.sinh(rho) / scale, step * np.cosh(rho) / scale])
    return np.pad(found, ((0, 0), (0, -len(rho) % _FILLED)))


@jax.jit
def _extent(view: Sphere, time: Array) -> tuple[Array, Array, Array]:
    return view.extent(time, jnp.zeros_like(time))


@jax.jit
def _pair_of(
    of_first: Float[Array, "values_and_measures nodes"],
    of_second: Float[Array, "values_and_measures more_nodes"],
    first_variance: Array,
    second_variance: Array,
    variances: Float[Array, " blocks"],
    others: Float[Array, " blocks"],
    time: Array,
) -> _Pair:
    ratios, more_ratios = of_first[0], of_second[0]

    def density(one: Array) -> Array:
        return jax.vmap(lambda two: _pair_density(one, two, second_variance, variances, others))(more_ratios)

    shares = jax.lax.map(density, ratios) * of_first[1][:, None] * of_second[1][None, :]
    first = _coordinate(ratios, first_variance)
    second = _other_coordinate(first[:, None], more_ratios[None, :], second_variance)
    place = jnp.sqrt(time)
    return _Pair(first, second, shares, _log_weight(first, place, time), _log_weight(second, place, time))


def _leading_products(pair: _Pair, axis: _Axis, other: _Axis, log_size: float) -> np.ndarray:
    """The products below to leading order, times N."""
    found = _leading_means(pair, np.float64(axis.reference), np.float64(other.reference))
    return np.tile(np.asarray(found), (2, 1))


@jax.jit
def _leading_means(pair: _Pair, first: Float[Array, ""], second: Float[Array, ""]) -> Float[Array, " products"]:
    at_first = jax.nn.logsumexp(pair.log_first, b=pair.shares.sum(axis=1))
    at_second = jax.nn.logsumexp(pair.log_second, b=pair.shares)
    weights = pair.shares * jnp.exp(pair.log_first[:, None] - at_first + pair.log_second - at_second)
    crossed = jnp.sum(weights * pair.first[:, None] * pair.second)
    return jnp.stack([crossed, jnp.sum(weights * (pair.first - first)[:, None] * (pair.second - second))])


def _exact_products(pair: _Pair, axis: _Axis, other: _Axis, log_size: float) -> np.ndarray:
    """Means over data sets of products of Gibbs averages at x_k and x_i, by all and by every other node in xi.

    They are of y_i and y_k, and of y_k and y_i measured from their references.
    """
    references = (np.float64(axis.reference), np.float64(other.reference))
    return np.asarray(_exact_means(pair, axis.xi, other.xi, np.float64(log_size), *references))


@jax.jit
def _exact_means(
    pair: _Pair,
    xi: Float[Array, " xi"],
    more_xi: Float[Array, " more_xi"],
    log_size: Float[Array, ""],
    of_first: Float[Array, ""],
    of_second: Float[Array, ""],
) -> Float[Array, "all_and_half products"]:
    def over_second(lane: tuple[Array, Array, Array]) -> tuple[Array, ...]:
        second, share, log_second = lane
        at = _powers(more_xi, log_second)
        rows = jnp.stack([share, share * second, share * (second - of_second)], axis=1)
        return at.taken @ share, at.first @ rows, at.left @ rows

    taken, first, left = jax.lax.map(over_second, (pair.second, pair.shares, pair.log_second))
    at = _powers(xi, pair.log_first)
    psi = _both(at.taken @ pair.shares.sum(axis=1), taken.sum(axis=0), at.taken @ taken)
    along, away = pair.first[None, :], (pair.first - of_first)[None, :]
    parts = (
        (at.first @ left[..., 1], (at.left * along) @ first[..., 0], (at.first * along) @ first[..., 1]),
        ((at.first * away) @ left[..., 0], at.left @ first[..., 2], (at.first * away) @ first[..., 2]),
    )
    return jnp.stack([_summed(log_size, psi, *part) for part in parts], axis=1)
