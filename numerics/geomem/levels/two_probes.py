"""Averages over the same data sets at two probes, of data divided by their norm: double integrals over xi.

Of single samples they are sums over nodes, of the coordinate along one axis or of those along two. Equations:
`geomem_theory`, chapter `unit_normalized`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.laws.manifold import Manifold
from geomem.laws.sphere import Nodes, Sphere
from geomem.levels.pool import OF_PAIRS, capped_weights, log_phi_of, nodes_in_xi
from geomem.lowering import lower

_complement = jnp.vectorize(lower("pool_complement"))
_density = jnp.vectorize(lower("joint_mean_density"))
_log_weight = jnp.vectorize(lower("sphere_log_weight"))
_coordinate = jnp.vectorize(lower("sphere_coordinate"))
_other_coordinate = jnp.vectorize(lower("sphere_other_coordinate"))
_pair_density = lower("sphere_pair_density")
_STEP, _WEIGHT_STEP = 0.2, 0.4  # in rho and in the logarithm of a weight, of the nodes of two coordinates
_FILLED = 128  # numbers of nodes are filled up to multiples of this, so that few shapes are compiled


class Axis(NamedTuple):
    """A direction of a block as the axis, and what averages at x_k = sqrt(t) e_k are sums over."""

    block: int
    view: Sphere  # along the axis, and then along another direction of every block
    nodes: Nodes
    reference: float  # the posterior mean of y_k
    xi: Float[np.ndarray, " xi"]


def axis_of(manifold: Manifold, block: int, time: float, log_size: float) -> Axis:
    count = manifold.num_blocks
    along, across = jnp.eye(1, count + 1)[0], jnp.concatenate([jnp.zeros((1, count)), jnp.eye(count)])
    others = manifold.multiplicities - manifold.indicator(block)
    place = jnp.sqrt(jnp.asarray(time))
    view = Sphere(manifold.variances, others, manifold.variances[block], place, along, across)
    whole = jax.tree.map(np.asarray, _nodes(view, np.float64(time), np.float64(log_size)))
    used = np.flatnonzero(np.isfinite(whole.log_weights))
    # What is filled up has no weight. NumPy does it: JAX would compile for every number of nodes that are used.
    missing = (0, -len(used) % _FILLED)
    nodes = Nodes(
        jnp.asarray(np.pad(whole.coordinates[used], missing)),
        jnp.asarray(np.pad(whole.shares[:, used], ((0, 0), missing))),
        jnp.asarray(np.pad(whole.squares[used], (missing, (0, 0)))),
        jnp.asarray(np.pad(whole.log_weights[used], missing)),
    )
    energies = jnp.asarray(np.pad(-whole.log_weights[used], missing, constant_values=np.inf))
    lighter = jnp.append(jnp.zeros(1), jnp.cumsum(nodes.shares[0]))
    log_mean = jax.nn.logsumexp(-energies, b=nodes.shares[0])
    low, blocks = nodes_in_xi(energies, lighter, log_mean, jnp.asarray([log_size]), jnp.array(-jnp.inf), OF_PAIRS)
    steps = -(-int(blocks) * OF_PAIRS.at_once // _FILLED) * _FILLED
    reference = float(jnp.sum(nodes.shares[0] * jnp.exp(nodes.log_weights - log_mean) * nodes.coordinates))
    return Axis(block, view, nodes, reference, float(low) + OF_PAIRS.step * np.arange(steps))


@jax.jit
def _nodes(view: Sphere, time: Array, log_size: Array) -> Nodes:
    return view.nodes(time, log_size)


def log_mean_weight(axis: Axis) -> float:
    return float(jax.nn.logsumexp(axis.nodes.log_weights, b=axis.nodes.shares[0]))


@jax.jit
def mirrored_products(
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
    weights = capped_weights(xi, -log_weights)
    taken = _complement(weights)
    return _Powers(taken, 1.0 - taken, weights * (1.0 - taken))


def _both(one: Float[Array, " xi"], other: Float[Array, " more_xi"], common: Float[Array, "xi more_xi"]) -> Array:
    """1 - phi at two probes, from what the weights at each take, and both."""
    return one[:, None] + other[None, :] - common


def _summed(
    log_size: Array, psi: Float[Array, "xi more_xi"], of_g: Array, of_h: Array, of_both: Array
) -> Float[Array, " all_and_half"]:
    """The double integral by all nodes in xi, and by every other one of both."""
    density = _density(log_size, log_phi_of(psi), of_g, of_h, of_both)
    cell = OF_PAIRS.step**2
    return jnp.stack([cell * jnp.sum(density), 4.0 * cell * jnp.sum(density[::2, ::2])])


class Pair(NamedTuple):
    """Nodes of the coordinates along two axes k and i, and the logarithms of weights at x_k and x_i."""

    first: Float[Array, " nodes"]
    second: Float[Array, "nodes more_nodes"]
    shares: Float[Array, "nodes more_nodes"]
    log_first: Float[Array, " nodes"]
    log_second: Float[Array, "nodes more_nodes"]


def pair_of(manifold: Manifold, axis: Axis, other: Axis, time: float) -> Pair:
    others = axis.view.others - manifold.indicator(other.block)
    grids = [_grid(view, time) for view in (axis.view, other.view._replace(others=others))]
    scales = (manifold.variances[axis.block], manifold.variances[other.block])
    return _pair_at(*grids, *scales, manifold.variances, others, jnp.asarray(time))


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
def _pair_at(
    of_first: Float[Array, "values_and_measures nodes"],
    of_second: Float[Array, "values_and_measures more_nodes"],
    first_variance: Array,
    second_variance: Array,
    variances: Float[Array, " blocks"],
    others: Float[Array, " blocks"],
    time: Array,
) -> Pair:
    ratios, more_ratios = of_first[0], of_second[0]

    def density(one: Array) -> Array:
        return jax.vmap(lambda two: _pair_density(one, two, second_variance, variances, others))(more_ratios)

    shares = jax.lax.map(density, ratios) * of_first[1][:, None] * of_second[1][None, :]
    first = _coordinate(ratios, first_variance)
    second = _other_coordinate(ratios[:, None], first_variance, more_ratios[None, :], second_variance)
    place = jnp.sqrt(time)
    return Pair(first, second, shares, _log_weight(first, place, time), _log_weight(second, place, time))


def leading_products(pair: Pair, axis: Axis, other: Axis, log_size: float) -> np.ndarray:
    """The products below to leading order, times N."""
    found = _leading_means(pair, np.float64(axis.reference), np.float64(other.reference))
    return np.tile(np.asarray(found), (2, 1))


@jax.jit
def _leading_means(pair: Pair, first: Float[Array, ""], second: Float[Array, ""]) -> Float[Array, " products"]:
    at_first = jax.nn.logsumexp(pair.log_first, b=pair.shares.sum(axis=1))
    at_second = jax.nn.logsumexp(pair.log_second, b=pair.shares)
    weights = pair.shares * jnp.exp(pair.log_first[:, None] - at_first + pair.log_second - at_second)
    crossed = jnp.sum(weights * pair.first[:, None] * pair.second)
    return jnp.stack([crossed, jnp.sum(weights * (pair.first - first)[:, None] * (pair.second - second))])


def exact_products(pair: Pair, axis: Axis, other: Axis, log_size: float) -> np.ndarray:
    """Means over data sets of products of Gibbs averages at x_k and x_i, by all and by every other node in xi.

    They are of y_i and y_k, and of y_k and y_i measured from their references.
    """
    references = (np.float64(axis.reference), np.float64(other.reference))
    return np.asarray(_exact_means(pair, axis.xi, other.xi, np.float64(log_size), *references))


@jax.jit
def _exact_means(
    pair: Pair,
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
