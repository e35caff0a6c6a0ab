"""Averages over data sets at a given point, along several directions: of mixtures of any covariances.

Single-sample averages serve all directions and all sizes. Equations: `geomem_theory`, chapters `finite_n` and
`points`.
"""

import math
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from geomem.laws.setting import Components
from geomem.laws.views import Gaussians
from geomem.levels.contours import Averages, Factors, centered_second_moment, first_power, integrals
from geomem.levels.saddles import interpolate, log_mixture, log_psi, nodes_of, panels_of, transform_of
from geomem.levels.sums import DENSITIES, Quenched, averages_of, judged, sums_of_directions, usable_sizes
from geomem.lowering import lower

_response_slope = lower("tilted_response_slope")
_spread = lower("tilted_spread")
_planted_offset = lower("planted_offset")
# A component is left out of the nodes of a panel where what it adds is below this share of the whole, by bounds of
# averages at these tilts.
_LOG_LEFT_OUT, _TILTS = math.log(1e-11), (0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1.0)


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
    bounds, count = _bounds(scaled, reference), len(reference)

    def of_panel(number: Array, sums: Float[Array, "..."]) -> Float[Array, "..."]:
        points, weights = nodes_of(panels, number)

        def of_component(place: Array) -> tuple[Array, ...]:
            at = jax.tree.map(lambda leaf: leaf[place], (energies, transforms))
            factors, rows = _factors(scaled, place, reference)
            of_phi, of_square, log_phi = integrals(*at, points, factors)
            (m1, first, of_first), (m2, second, of_second) = (
                jnp.split(one, [1, 1 + count]) for one in (of_phi, of_square)
            )
            (spread, _), (second_spread, slope) = (
                jnp.split(one if rows is None else jnp.tensordot(rows, one, axes=1), 2) for one in (of_first, of_second)
            )
            m1g = (means[place] - reference)[:, None, None] * m1 - slope
            return log_phi, m1[0], m1g, first + spread, m2[0], second + second_spread

        weightless = bounds(points) < _LOG_LEFT_OUT + log_psi(panels, points)[None, :]
        alive = ~jnp.all(weightless, axis=1)
        shapes = jax.eval_shape(of_component, jnp.array(0))

        def with_next(mixed: list[Array], place: Array) -> tuple[list[Array], Array]:
            def added(mixed: list[Array]) -> tuple[list[Array], Array]:
                log_phi, *others = of_component(place)
                return [one + view.weights[place] * other for one, other in zip(mixed, others, strict=True)], log_phi

            return jax.lax.cond(alive[place], added, lambda mixed: (mixed, jnp.zeros(shapes[0].shape)), mixed)

        nothing = [jnp.zeros(one.shape) for one in shapes[1:]]
        mixed, log_phi = jax.lax.scan(with_next, nothing, jnp.arange(len(view.weights)))
        log_phi = jax.vmap(partial(log_mixture, view.weights), in_axes=1)(log_phi)
        return sums + sums_of_directions(points, weights, sizes, log_planted, offsets, Averages(log_phi, *mixed))

    start = jnp.zeros((len(reference), 3, len(sizes), DENSITIES))
    sums = jax.lax.fori_loop(0, panels.count, of_panel, start)
    return finished(time, scaled.place, reference, sizes, sums, usable)


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
    view: Gaussians, component: Array, reference: Float[Array, " directions"]
) -> tuple[Factors, Float[Array, "rows blocks"] | None]:
    """Those of the averages along all directions; lengths are in units of the noise.

    Of both powers they are one, the squares of the mean along every direction, and what rows of the directions' shares
    and of the means' slopes are linear in: the blocks' spreads. Where there are fewer rows than blocks these are summed
    over the blocks at once; otherwise the rows are left for the integrals.
    """
    variances, overlaps, shares = (leaf[component] for leaf in (view.variances, view.overlaps, view.shares))
    # The same part of the spread at every tilt; at tilt 0 that is the variance.
    wide = variances > 0
    part = jnp.where(wide, _response_slope(0.0, 1.0, variances) / jnp.where(wide, variances, 1.0), 1.0)
    rows = jnp.concatenate([shares, overlaps * part[None]])
    few = len(rows) < len(variances)

    def factors(z: Complex[Array, "paths groups nodes"], weight: Complex[Array, "paths groups nodes"]):  # noqa: ANN202
        tilts = -z.ravel()
        spreads = jax.vmap(lambda tilt: _spread(tilt, 1.0, variances))(tilts)
        # In units of the noise, the response is the tilt times the spread.
        mean = view.offsets[component].astype(complex)[None] + tilts[:, None] * _over_blocks(spreads, overlaps)
        squares = centered_second_moment(mean, jnp.zeros_like(mean), reference[None])
        linear = _over_blocks(spreads, rows) if few else spreads
        both = jnp.concatenate([squares, linear], axis=1).reshape((*z.shape, -1))
        first, second = (first_power(z[0]) * weight[0])[..., None], weight[1][..., None]
        return tuple(
            jnp.concatenate([one, one * table], axis=-1) for one, table in zip((first, second), both, strict=True)
        )

    return factors, None if few else rows


def _over_blocks(
    table: Complex[Array, "tilts blocks"], rows: Float[Array, "rows blocks"]
) -> Complex[Array, "tilts rows"]:
    """Products of real matrices."""
    return jax.lax.complex(table.real @ rows.T, table.imag @ rows.T)


def finished(
    time: Array,
    place: Float[Array, " directions"],
    reference: Float[Array, " directions"],
    sizes: Float[Array, " sizes"],
    sums: Float[Array, "directions rules sizes densities"],
    usable: Array,
    *,
    power: float = 1.5,
    log_floor: float = 0.0,
    least_error: float | Array = 0.0,
) -> Quenched:
    """The averages along every direction, and what their error is at least, beside what halving the rules tells."""

    def of_direction(coordinate: Array, own: Array, rows: Float[Array, "rules sizes densities"]) -> Quenched:
        each = partial(averages_of, time, coordinate, own, power=power, log_floor=log_floor)
        found = jax.vmap(each)(sizes, jnp.moveaxis(rows, 0, 1))
        return judged(found._replace(error=jnp.maximum(found.error, least_error)), usable)

    return jax.vmap(of_direction)(place, reference, sums)
