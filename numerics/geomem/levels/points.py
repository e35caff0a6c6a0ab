"""Averages over data sets at a given point, along several directions: of mixtures of any covariances, and of pools.

Single-sample averages serve all directions and all sizes. Equations: `geomem_theory`, chapters `finite_n` and
`points`.
"""

from collections.abc import Callable
from functools import partial
from math import factorial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from geomem.laws.setting import Components
from geomem.laws.views import Gaussians, Pool
from geomem.levels.contours import Averages, centered_second_moment, first_power, integrals
from geomem.levels.saddles import interpolate, log_mixture, log_psi, nodes_of, panels_of, transform_of
from geomem.levels.sums import DENSITIES, Quenched, averages_of, judged, sums_of_directions, usable_sizes
from geomem.lowering import lower

_response = lower("tilted_response")
_response_slope = lower("tilted_response_slope")
_spread = lower("tilted_spread")
_planted_offset = lower("planted_offset")
_pool_weight = jnp.vectorize(lower("pool_weight"))
_pool_average = jnp.vectorize(lower("pool_average"))
# A component is left out of the nodes of a panel where what it adds is below this share of the whole, by bounds of
# averages at these tilts.
_LEFT_OUT, _TILTS = 1e-11, (0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1.0)
# Of a pool: the step in xi, nodes and samples worked on at once, and ends of the sum over xi beyond the first and last
# samples that count, in e-folds. Weights beyond exp(_HEAVY) add nothing, or only 1, to a mean; of those below
# exp(-_LIGHT) so many powers are enough for some 1e-11 of it.
_STEP, _NODES, _CHUNK, _BEFORE, _AFTER = 0.4, 16, 2048, 24.0, 4.0
_HEAVY, _LIGHT, _POWERS = 3.8, 4.0, 6
_FAR = 45.0  # e-folds before the next sample, where there is nothing yet
# Series of 1 - exp(-x), x exp(-x) and x^2 exp(-x).
_SERIES = np.array(
    [[(-1.0) ** (n - k) / factorial(n - k) if n >= k else 0.0 for n in range(1, _POWERS + 1)] for k in (0, 1, 2)]
) * np.array([[-1.0], [1.0], [1.0]])
_GONE = 40.0  # e-folds that phi^N has fallen where a sum over xi ends


@jax.jit
def quenched_gaussians(
    view: Gaussians,
    time: Float[Array, ""],
    log_sizes: Float[Array, " sizes"],
    log_planted: Float[Array, ""],
    fineness: Float[Array, ""],
) -> Quenched:
    """Averages of a mixture, (directions, sizes), by `fineness` times as many panels as should be needed.

    A planted sample of this weight, of none if that is zero, has the point's coordinates along the directions.
    """
    usable, sizes = usable_sizes(log_sizes)
    scaled = view.in_noise_units(time)
    one = jnp.ones_like(time)
    energies = scaled.energies(one)
    transforms = jax.lax.map(transform_of, energies)
    ends = jax.lax.stop_gradient(jnp.stack([jnp.min(sizes), jnp.max(sizes)]))
    panels = panels_of(transforms, view.weights, ends, jnp.stack([log_planted, log_planted]), fineness)
    means = scaled.components(1.0, one).means
    left = jax.vmap(lambda at: interpolate(-ends[1:], jax.lax.cummax(at.log_value), at.xi[None])[0, 0])(transforms.left)
    dominates = log_planted > -jnp.min(left)
    reference = jnp.where(dominates, scaled.place, scaled.posterior_means(one))
    offsets = jax.vmap(_planted_offset)(scaled.place, reference)
    bounds = _bounds(scaled, reference)

    def of_panel(number: Array, sums: Float[Array, "..."]) -> Float[Array, "..."]:
        points, weights = nodes_of(panels, number)

        def of_component(place: Array) -> tuple[Array, ...]:
            at = jax.tree.map(lambda leaf: leaf[place], (energies, transforms))
            factors = partial(_factors, scaled, place, reference)
            of_phi, of_square, log_phi = integrals(*at, points, factors)
            count = len(reference)
            m1, m2 = of_phi[0], of_square[0]
            m1g = (means[place] - reference)[:, None, None] * m1[None] - of_square[1 + count :]
            return log_phi, m1, m1g, of_phi[1:], m2, of_square[1 : 1 + count]

        weightless = bounds(points) < np.log(_LEFT_OUT) + log_psi(panels, points)[None, :]
        alive = ~jnp.all(weightless, axis=1)
        nothing = jax.tree.map(lambda one: jnp.zeros(one.shape), jax.eval_shape(of_component, jnp.array(0)))

        def unless_weightless(place: Array) -> tuple[Array, ...]:
            return jax.lax.cond(alive[place], of_component, lambda _: nothing, place)

        log_phi, *others = jax.lax.map(unless_weightless, jnp.arange(len(view.weights)))
        mixed = [jnp.tensordot(view.weights, one, axes=1) for one in others]
        log_phi = jax.vmap(partial(log_mixture, view.weights), in_axes=1)(log_phi)
        return sums + sums_of_directions(points, weights, sizes, log_planted, offsets, Averages(log_phi, *mixed))

    start = jnp.zeros((len(reference), 3, len(sizes), DENSITIES))
    sums = jax.lax.fori_loop(0, panels.count, of_panel, start)
    return _finished(time, scaled.place, reference, sizes, sums, usable)


def _bounds(
    view: Gaussians, reference: Float[Array, " directions"]
) -> Callable[[Float[Array, " points"]], Float[Array, "components points"]]:
    """ln of what every component adds at most at given xi, to phi - 1 and to averages of g^2 in units of its own.

    x^k e^(-x) is at most x^lambda for k = 1 and 2, and 1 - e^(-x) too, for lambda from 0 to 1: so averages over a
    component are at most u^lambda e^K(lambda), times its tilted moment. The unit of g^2 is its mean at lambda = 1.
    """

    def moments(at: Components) -> Float[Array, "components directions"]:
        return at.variances + (at.means - reference[None, :]) ** 2

    one = jnp.ones(())
    tilted = view.components(1.0, one)
    unit = (tilted.weights * jnp.exp(tilted.excess)) @ moments(tilted) / (tilted.weights @ jnp.exp(tilted.excess))

    def of_tilt(tilt: Array) -> Float[Array, " components"]:
        at = view.components(tilt, one)
        most = jnp.max(moments(at) / jnp.maximum(unit, 1e-300)[None, :], axis=1)
        return jnp.log(at.weights) + at.reference + at.excess + jnp.log(jnp.maximum(most, 1.0))

    tilts = jnp.asarray(_TILTS)
    heights = jax.vmap(of_tilt, out_axes=1)(tilts)

    def at_points(points: Float[Array, " points"]) -> Float[Array, "components points"]:
        return jnp.min(heights[:, :, None] + tilts[None, :, None] * points[None, None, :], axis=1)

    return at_points


def _factors(
    view: Gaussians,
    component: Array,
    reference: Float[Array, " directions"],
    z: Complex[Array, "paths groups nodes"],
    weight: Complex[Array, "paths groups nodes"],
) -> tuple[Complex[Array, "integrands groups nodes"], Complex[Array, "more_integrands groups nodes"]]:
    """Those of the averages along all directions; lengths are in units of the noise."""
    variances, overlaps, shares = (leaf[component] for leaf in (view.variances, view.overlaps, view.shares))
    flat = z.ravel()

    def along(rows: Float[Array, "directions blocks"], of_block, tilts: Array) -> Array:  # noqa: ANN001 (an equation)
        """Sums over blocks at tilts, (directions, tilts); a matrix product of reals."""
        blocks = jax.vmap(lambda tilt: of_block(tilt, 1.0, variances), out_axes=1)(tilts)
        return jax.lax.complex(rows @ blocks.real, rows @ blocks.imag)

    shape = (len(reference), *z.shape)
    mean = view.offsets[component][:, None].astype(complex) + along(overlaps, _response, -flat)
    spread = along(shares, _spread, -flat)
    second = centered_second_moment(mean, spread, reference[:, None]).reshape(shape)
    slope = along(overlaps, _response_slope, -z[1].ravel()).reshape((len(reference), *z[1].shape))
    first = first_power(z[0]) * weight[0]
    second_weight = weight[1][None]
    of_square = jnp.concatenate([second_weight, second[:, 1] * second_weight, slope * second_weight])
    return jnp.concatenate([first[None], first[None] * second[:, 0]]), of_square


@jax.jit
def quenched_pool(
    view: Pool,
    time: Float[Array, ""],
    log_sizes: Float[Array, " sizes"],
    log_planted: Float[Array, ""],
) -> Quenched:
    """The same for data sets drawn from a pool with replacement, by the trapezoidal rule in xi."""
    usable, sizes = usable_sizes(log_sizes)
    scaled = view.in_noise_units(time)
    count = len(view.squared_distances)
    order = jnp.argsort(view.squared_distances)
    energies = scaled.squared_distances[order] / 2.0
    tilted = scaled.components(1.0, jnp.ones_like(time))
    low, nodes = _nodes(energies, tilted.reference, sizes, log_planted)
    dominates = log_planted > jnp.max(sizes) + tilted.reference
    reference = jnp.where(dominates, scaled.place, tilted.means[0])
    offsets = jax.vmap(_planted_offset)(scaled.place, reference)
    # Whole chunks; what is added has no weight.
    missing = -count % _CHUNK
    own = jnp.pad(energies, (0, missing), constant_values=jnp.inf).reshape(-1, _CHUNK)
    g = scaled.coordinates[jnp.pad(order, (0, missing))].reshape(len(own), _CHUNK, -1) - reference[None, None, :]
    light = _power_sums(own, g)

    def of_block(number: Array, sums: Float[Array, "..."]) -> Float[Array, "..."]:
        xi = low + _STEP * (number * _NODES + jnp.arange(_NODES)).astype(float)
        begin = jnp.searchsorted(energies, xi[0] - _HEAVY) // _CHUNK
        end = jnp.maximum(jnp.searchsorted(own[:, 0], xi[-1] + _LIGHT), begin)

        def of_chunk(chunk: Array, means: tuple[Array, ...]) -> tuple[Array, ...]:
            weights = _pool_weight(jnp.minimum(xi[:, None], own[chunk][None, :] + 600.0), own[chunk][None, :])
            weights = jnp.where(jnp.isfinite(own[chunk])[None, :], jnp.minimum(weights, 1e3), 0.0)
            left = _pool_average(weights, 0.0)
            first = weights * left
            second = weights * first
            squares = g[chunk] ** 2
            parts = (
                jnp.where(jnp.isfinite(own[chunk]), 1.0 - left, 0.0).sum(axis=1),
                first.sum(axis=1),
                (first @ g[chunk]).T,
                (first @ squares).T,
                second.sum(axis=1),
                (second @ squares).T,
            )
            return tuple(mean + part for mean, part in zip(means, parts, strict=True))

        found = jax.lax.fori_loop(begin, end, of_chunk, _light_sums(xi, own[:, 0], end, light))
        psi, *others = (each / count for each in found)
        psi = psi + (begin * _CHUNK).astype(float) / count
        log_phi = jnp.where(psi < 0.5, jnp.log1p(-jnp.minimum(psi, 0.5)), jnp.log(jnp.maximum(1.0 - psi, 1e-300)))
        rows = jax.tree.map(lambda row: jnp.stack([row] * 2, axis=-2), Averages(log_phi, *others))
        whole = jnp.full(_NODES, _STEP)
        half = jnp.asarray(2.0 * _STEP * (np.arange(_NODES) % 2 == 0).astype(float))
        return sums + sums_of_directions(xi, jnp.stack([whole, half]), sizes, log_planted, offsets, rows)

    start = jnp.zeros((len(reference), 3, len(sizes), DENSITIES))
    width = _STEP * _NODES

    def following(number: Array) -> Array:
        """The next block, or that before the next sample if there is nothing in between; a planted one is anywhere."""
        behind = low + width * (number + 1).astype(float) - _HEAVY  # samples that still count in the next block
        after = energies[jnp.minimum(jnp.searchsorted(energies, behind), count - 1)]
        ahead = jnp.floor((after - _FAR - low) / width).astype(int)
        return jnp.where(log_planted > -jnp.inf, number + 1, jnp.maximum(number + 1, ahead))

    def step(at: tuple[Array, Array]) -> tuple[Array, Array]:
        return following(at[0]), of_block(*at)

    _, sums = jax.lax.while_loop(lambda at: at[0] < nodes, step, (jnp.zeros_like(nodes), start))
    return _finished(time, scaled.place, reference, sizes, sums, usable, power=2.0, log_floor=1.0)


class _PowerSums(NamedTuple):
    """Sums over every chunk of powers 1 to _POWERS of the weights over the chunk's first, alone and with g and g^2."""

    one: Float[Array, "chunks powers"]
    g: Float[Array, "chunks powers directions"]
    gg: Float[Array, "chunks powers directions"]


def _power_sums(energies: Float[Array, "chunks samples"], g: Float[Array, "chunks samples directions"]) -> _PowerSums:
    powers = jnp.asarray(np.arange(1.0, _POWERS + 1))

    def of_chunk(pair: tuple[Array, Array]) -> _PowerSums:
        own, rows = pair
        weights = jnp.exp(-powers[:, None] * (own - own[0])[None, :])
        return _PowerSums(weights.sum(axis=1), weights @ rows, weights @ rows**2)

    return jax.lax.map(of_chunk, (energies, g))


def _light_sums(
    xi: Float[Array, " nodes"], energies: Float[Array, " chunks"], end: Array, sums: _PowerSums
) -> tuple[Array, ...]:
    """What the chunks from `end` on add, whose weights times u are small: by series of the exponential."""
    from_end = jnp.arange(len(energies)) >= end.astype(int)
    size = jnp.where(from_end[None, :], xi[:, None] - energies[None, :], -jnp.inf)
    powers = jnp.asarray(np.arange(1.0, _POWERS + 1))
    values = jnp.exp(jnp.where(from_end[None, :, None], size[:, :, None] * powers[None, None, :], -jnp.inf))
    of_psi, of_first, of_second = (values * jnp.asarray(row)[None, None, :] for row in _SERIES)
    flat = (len(xi), -1)
    g, gg = (rows.reshape(-1, rows.shape[2]) for rows in (sums.g, sums.gg))
    first, second = of_first.reshape(flat), of_second.reshape(flat)
    one = sums.one.ravel()
    psi = of_psi.reshape(flat) @ one
    return psi, first @ one, (first @ g).T, (first @ gg).T, second @ one, (second @ gg).T


def _nodes(
    energies: Float[Array, " samples"], log_mean: Array, sizes: Float[Array, " sizes"], log_planted: Array
) -> tuple[Array, Array]:
    """The first node, and the number of blocks of nodes; energies are rising, `log_mean` is of their weights."""
    count = len(energies)
    low = -jnp.max(sizes) - log_mean - _BEFORE
    # Where so many samples have a weight above one that the others' factor is gone for the smallest size.
    share = -jnp.expm1(-_GONE * jnp.exp(-jnp.min(sizes)))
    place = jnp.minimum(jnp.ceil(1.6 * count * share).astype(int), count - 1)
    high = energies[place] + _AFTER + jnp.where(place == count - 1, jnp.log(_GONE), 0.0)
    planted = log_planted > -jnp.inf
    low = jnp.where(planted, jnp.minimum(low, -log_planted - _BEFORE), low)
    high = jnp.where(planted, jnp.minimum(high, -log_planted + _AFTER), high)
    return low, jnp.maximum(jnp.ceil((high - low) / (_STEP * _NODES)), 1.0).astype(int)


def _finished(
    time: Array,
    place: Float[Array, " directions"],
    reference: Float[Array, " directions"],
    sizes: Float[Array, " sizes"],
    sums: Float[Array, "directions rules sizes densities"],
    usable: Array,
    *,
    power: float = 1.5,
    log_floor: float = 0.0,
) -> Quenched:
    def of_direction(coordinate: Array, own: Array, rows: Float[Array, "rules sizes densities"]) -> Quenched:
        each = partial(averages_of, time, coordinate, own, power=power, log_floor=log_floor)
        return judged(jax.vmap(each)(sizes, jnp.moveaxis(rows, 0, 1)), usable)

    return jax.vmap(of_direction)(place, reference, sums)
