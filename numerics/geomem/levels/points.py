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
from geomem.levels.contours import Averages, centered_second_moment, first_power, integrals
from geomem.levels.saddles import interpolate, log_mixture, log_psi, nodes_of, panels_of, transform_of
from geomem.levels.sums import DENSITIES, Quenched, averages_of, judged, sums_of_directions, usable_sizes
from geomem.lowering import lower

_response = lower("tilted_response")
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

        weightless = bounds(points) < _LOG_LEFT_OUT + log_psi(panels, points)[None, :]
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
