"""Averages over data sets at a given point, along several directions: of mixtures of any covariances.

Single-sample averages serve all directions and all sizes. Equations: `geomem_theory`, chapters `finite_n` and
`points`.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from geomem.laws.views import Gaussians
from geomem.levels.contours import Averages, centered_second_moment, first_power, integrals
from geomem.levels.saddles import interpolate, log_mixture, nodes_of, panels_of, transform_of
from geomem.levels.sums import DENSITIES, Quenched, averages_of, judged, sums_over_nodes, usable_sizes
from geomem.lowering import lower

_response = lower("tilted_response")
_response_slope = lower("tilted_response_slope")
_spread = lower("tilted_spread")
_planted_offset = lower("planted_offset")


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
    transforms = jax.vmap(transform_of)(energies)
    ends = jax.lax.stop_gradient(jnp.stack([jnp.min(sizes), jnp.max(sizes)]))
    panels = panels_of(transforms, view.weights, ends, jnp.stack([log_planted, log_planted]), fineness)
    means = scaled.components(1.0, one).means
    left = jax.vmap(lambda at: interpolate(-ends[1:], jax.lax.cummax(at.log_value), at.xi[None])[0, 0])(transforms.left)
    dominates = log_planted > -jnp.min(left)
    reference = jnp.where(dominates, scaled.place, scaled.posterior_means(one))
    offsets = jax.vmap(_planted_offset)(scaled.place, reference)

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

        log_phi, *others = jax.lax.map(of_component, jnp.arange(len(view.weights)))
        mixed = [jnp.tensordot(view.weights, one, axes=1) for one in others]
        log_phi = jax.vmap(partial(log_mixture, view.weights), in_axes=1)(log_phi)
        return sums + of_directions(points, weights, sizes, log_planted, offsets, Averages(log_phi, *mixed))

    start = jnp.zeros((len(reference), 3, len(sizes), DENSITIES))
    sums = jax.lax.fori_loop(0, panels.count, of_panel, start)
    return finished(time, scaled.place, reference, sizes, sums, usable)


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


def of_directions(
    points: Float[Array, " nodes"],
    weights: Float[Array, "all_and_half nodes"],
    sizes: Float[Array, " sizes"],
    log_planted: Array,
    offsets: Float[Array, " directions"],
    rows: Averages,
) -> Float[Array, "directions rules sizes densities"]:
    """`sums_over_nodes` along every direction."""

    def of_direction(offset: Array, m1g: Array, m1gg: Array, m2gg: Array) -> Array:
        one = rows._replace(m1g=m1g, m1gg=m1gg, m2gg=m2gg)
        return sums_over_nodes(points, weights, sizes, log_planted, offset, one)

    return jax.vmap(of_direction)(offsets, rows.m1g, rows.m1gg, rows.m2gg)


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
