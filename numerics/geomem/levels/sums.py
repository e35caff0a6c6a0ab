"""Averages over data sets for one energy: single-sample averages at nodes in xi = ln u, and one sum per size.

Panels of nodes follow the saddle points of the single-sample transform and serve every size; N enters only in the
sums. Equations: `geomem_theory`, chapter `finite_n`.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int8

from geomem.core.status import Status
from geomem.laws.setting import Energy
from geomem.levels.contours import Averages, averages, posterior_mean
from geomem.levels.saddles import Transform, interpolate, nodes_of, panels_of, transform_of
from geomem.lowering import lower

_weight_density = lower("weight_density")
_participation_density = lower("participation_density")
_log_partition_density = lower("log_partition_density")
_mean_density = lower("mean_density")
_second_moment_density = lower("second_moment_density")
_squared_mean_density = lower("squared_mean_density")
_planted_density = lower("planted_density")
_planted_offset = lower("planted_offset")
_score_mean = lower("quenched_score_mean")
_score_variance = lower("quenched_score_variance")
_second_moment = lower("quenched_second_moment")
_log_signal_to_noise = lower("quenched_log_signal_to_noise")
# A size is accepted if its weights sum to one to this, and if half of the nodes give the same to its power 2/3.
_TOLERANCE = 1e-6
DENSITIES = 7
_UNDERFLOW = 1e-280  # below it, what half of the nodes change says nothing
_SQUARE_OVERFLOWS = 345.0  # ln N whose square is no number any more


class Quenched(NamedTuple):
    """Averages over data sets. All fields have the shape noise variances + sizes.

    `score_mean` and `score_variance` are of the empirical score along the probed
    direction, `signal_to_noise` is R, squared mean over variance, `second_moment` is
    E sum w y_v^2, and `log_partition` is E ln Z with Z = sum exp(-E/t); a planted sample
    counts in all of them. `error` is the larger of |sum of weights - 1| and the relative change when half of the nodes
    are left out, to the power 3/2: rules that converge as fast as these promise its square. Averages below 1e-280
    underflow to zero.
    """

    log_partition: Float[Array, "..."]
    participation: Float[Array, "..."]
    active_samples: Float[Array, "..."]
    score_mean: Float[Array, "..."]
    score_variance: Float[Array, "..."]
    signal_to_noise: Float[Array, "..."]
    second_moment: Float[Array, "..."]
    planted_weight: Float[Array, "..."]
    error: Float[Array, "..."]
    status: Int8[Array, "..."]


@jax.jit
def quenched_at(
    energy: Energy, log_sizes: Float[Array, " sizes"], log_planted: Float[Array, ""], fineness: Float[Array, ""]
) -> Quenched:
    """The averages for one energy and many sizes, by `fineness` times as many panels as should be needed.

    Differentiable in forward mode.
    """
    usable, sizes = usable_sizes(log_sizes)
    scaled = energy.in_noise_units()
    transform = transform_of(scaled)
    ends = jax.lax.stop_gradient(jnp.stack([jnp.min(sizes), jnp.max(sizes)]))
    one_class = jax.tree.map(lambda leaf: leaf[None], transform)
    planted = jax.lax.stop_gradient(jnp.stack([log_planted, log_planted]))
    panels = panels_of(one_class, jnp.ones(1), ends, planted, fineness)
    reference = _reference(scaled, transform, ends[1], log_planted)
    offset = _planted_offset(scaled.coordinate, reference)

    def of_panel(number: Array, sums: Float[Array, "rules sizes densities"]) -> Float[Array, "rules sizes densities"]:
        points, weights = nodes_of(panels, number)
        one = averages(scaled, transform, reference, points)
        return sums + sums_over_nodes(points, weights, sizes, log_planted, offset, one)

    sums = jax.lax.fori_loop(0, panels.count, of_panel, jnp.zeros((3, len(sizes), DENSITIES)))
    whole = jax.vmap(partial(averages_of, energy.time, scaled.coordinate, reference))(sizes, jnp.moveaxis(sums, 0, 1))
    return judged(whole, usable)


def usable_sizes(log_sizes: Float[Array, " sizes"]) -> tuple[Bool[Array, " sizes"], Float[Array, " sizes"]]:
    """Which sizes are sizes, and others in place of those that are not."""
    usable = jnp.isfinite(log_sizes) & (log_sizes > 0)
    return usable, jnp.where(usable, log_sizes, np.log(2.0))


def sums_over_nodes(
    points: Float[Array, " nodes"],
    weights: Float[Array, "all_and_half nodes"],
    sizes: Float[Array, " sizes"],
    log_planted: Array,
    offset: Array,
    one: Averages,
) -> Float[Array, "rules sizes densities"]:
    """The integrals of every size: by all nodes, by every other one, and by every other one of the paths."""
    rules = jnp.stack([weights[0], weights[1], weights[0]])
    paths = jax.tree.map(lambda leaf: leaf[np.array([0, 0, 1])], one)

    def of_size(log_size: Array, at: Averages) -> Float[Array, "densities nodes"]:
        return _densities(points, log_size, log_planted, offset, at)

    return jax.vmap(lambda rule, at: jax.vmap(lambda size: of_size(size, at) @ rule)(sizes))(rules, paths)


def sums_of_directions(
    points: Float[Array, " nodes"],
    weights: Float[Array, "all_and_half nodes"],
    sizes: Float[Array, " sizes"],
    log_planted: Array,
    offsets: Float[Array, " directions"],
    rows: Averages,
) -> Float[Array, "directions rules sizes densities"]:
    """`sums_over_nodes` along several directions, whose m1g, m1gg and m2gg are (directions, rules, points).

    The densities are polynomials in these and in the offset; their coefficients are the same for all directions.
    """
    rules = jnp.stack([weights[0], weights[1], weights[0]])
    paths = np.array([0, 0, 1])
    nothing, one = jnp.zeros_like(points), jnp.ones_like(points)
    zero, unit = jnp.zeros_like(log_planted), jnp.ones_like(log_planted)
    plain = rows._replace(m1g=jnp.zeros_like(rows.m1), m1gg=jnp.zeros_like(rows.m1), m2gg=jnp.zeros_like(rows.m1))
    common = sums_over_nodes(points, weights, sizes, log_planted, zero, plain)

    def of_size(log_size: Array, at: Averages) -> Float[Array, "terms nodes"]:
        def densities(m1g: Array, m1gg: Array, m2gg: Array, offset: Array) -> Array:
            averages = at._replace(m1g=m1g, m1gg=m1gg, m2gg=m2gg)
            return _densities(points, log_size, log_planted, offset, averages)[3:6]

        def of_both(m1g: Array) -> Array:
            return jax.jvp(lambda offset: densities(m1g, nothing, nothing, offset)[2], (zero,), (unit,))[1]

        of_mean = densities(one, nothing, nothing, zero)
        of_planted = densities(nothing, nothing, nothing, unit)
        return jnp.stack(
            [
                of_mean[0],
                of_mean[2],
                densities(nothing, one, nothing, zero)[1],
                densities(nothing, nothing, one, zero)[2],
                jax.jvp(of_both, (nothing,), (one,))[1],
                *of_planted,
            ]
        )

    at_paths = jax.tree.map(lambda leaf: leaf[paths], plain)
    terms = jax.vmap(lambda rule, at: jax.vmap(lambda size: of_size(size, at) * rule[None])(sizes))(rules, at_paths)
    m1g, m1gg, m2gg = (leaf[:, paths] for leaf in (rows.m1g, rows.m1gg, rows.m2gg))

    def summed(term: int, values: Float[Array, "directions rules nodes"]) -> Float[Array, "directions rules sizes"]:
        return jnp.einsum("rsn,vrn->vrs", terms[:, :, term], values)

    planted = terms[:, :, 5:].sum(axis=3)
    offset = offsets[:, None, None]
    own = jnp.stack(
        [
            summed(0, m1g) + offset * planted[None, :, :, 0],
            summed(2, m1gg) + offset**2 * planted[None, :, :, 1],
            summed(1, m1g**2) + summed(3, m2gg) + offset * summed(4, m1g) + offset**2 * planted[None, :, :, 2],
        ],
        axis=3,
    )
    whole = jnp.broadcast_to(common[None], (len(offsets), *common.shape))
    return whole.at[..., 3:6].set(own)


def judged(rows: Quenched, usable: Bool[Array, " sizes"]) -> Quenched:
    """The averages with their status; NaN where they are not known to the tolerance."""
    solved = jnp.where(rows.error <= _TOLERANCE, Status.CONVERGED, Status.NOT_CONVERGED)
    status = jnp.where(usable, solved, Status.INVALID).astype(jnp.int8)
    known = status == Status.CONVERGED
    fields = jax.tree.map(lambda field: jnp.where(known, field, jnp.nan), rows._replace(status=rows.error))
    return fields._replace(error=rows.error, status=status)


def _reference(energy: Energy, transform: Transform, log_size: Array, log_planted: Array) -> Array:
    """What g is measured from: near the Gibbs average of y_v, so that its variance does not cancel.

    It is the posterior mean m(1), or the coordinate of a planted sample that outweighs the others.
    """
    typical = interpolate(-log_size[None], jax.lax.cummax(transform.left.log_value), transform.left.xi[None])[0, 0]
    dominates = log_planted > -typical
    return jnp.where(dominates, energy.coordinate, posterior_mean(energy))


def log_ratio(mean: Array, variance: Array) -> Array:
    silent, quiet = mean == 0, variance == 0
    ratio = _log_signal_to_noise(jnp.where(silent, 1.0, mean), jnp.where(quiet, 1.0, variance))
    return jnp.where(silent, -jnp.inf, jnp.where(quiet, jnp.inf, ratio))


def _densities(
    points: Float[Array, " nodes"], log_size: Array, log_planted: Array, offset: Array, at: Averages
) -> Float[Array, "densities nodes"]:
    """What is integrated over xi for one size."""
    node = (points, log_size, at.log_phi, log_planted)
    # Beyond it N^2 overflows; pairs of two samples, the square of a mean of order 1/N, then add nothing.
    alone = (log_size > _SQUARE_OVERFLOWS) & (log_planted == -jnp.inf)
    return jnp.stack(
        [
            _each(_weight_density, *node, at.m1),
            _each(_log_partition_density, *node, at.m1),
            _each(_participation_density, *node, at.m2),
            _each(_mean_density, *node, at.m1g, offset),
            _each(_second_moment_density, *node, at.m1gg, offset),
            jnp.where(
                alone,
                _each(_participation_density, *node, at.m2gg),
                _each(_squared_mean_density, *node, at.m1g, at.m2gg, offset),
            ),
            _each(_planted_density, *node),
        ]
    )


def averages_of(
    time: Float[Array, ""],
    coordinate: Float[Array, ""],
    reference: Float[Array, ""],
    log_size: Float[Array, ""],
    sums: Float[Array, "rules densities"],
    *,
    power: float = 1.5,
    log_floor: float = 0.0,
) -> Quenched:
    """The averages of one size from its integrals by all nodes, and with half of those of the panels or paths.

    The probe's coordinate and the reference are in units of the noise. The error of a rule is what halving it changes,
    to a power: of the trapezoidal rule its square. That of ln Z is relative to ln Z, or to `log_floor` if that is more.
    """
    total, log_partition, participation, mean, second, squared, planted = sums[0]
    # In units of the noise, a score is one over its standard deviation.
    unit, one = jnp.sqrt(time), jnp.ones_like(time)
    variance = _score_variance(squared, jnp.where(log_size > _SQUARE_OVERFLOWS, 0.0, mean), one)
    score = _score_mean(mean, one, coordinate, reference)
    size = jnp.abs(sums[0])
    # The mean of g may vanish; what it is compared with is the spread.
    size = size.at[3].set(jnp.sqrt(jnp.maximum(second, 0.0)))
    size = size.at[1].set(jnp.maximum(size[1], log_floor))
    changes = jnp.where(size > _UNDERFLOW, jnp.max(jnp.abs(sums[1:] - sums[0][None]), axis=0) / size, 0.0)
    change = jnp.max(changes)
    error = jnp.maximum(jnp.abs(total - 1.0), change**power)
    return Quenched(
        log_partition=log_partition,
        participation=participation,
        active_samples=1.0 / participation,
        score_mean=score / unit,
        score_variance=variance / time,
        signal_to_noise=jnp.exp(log_ratio(score, variance)),
        second_moment=_second_moment(second, mean, reference) * time,
        planted_weight=planted,
        error=error,
        status=jnp.zeros((), dtype=jnp.int8),
    )


def _each(density, *arguments: Array) -> Array:  # noqa: ANN001
    """A density at every node; arguments without an axis are the same at all of them."""
    return jax.vmap(density, in_axes=tuple(0 if argument.ndim else None for argument in arguments))(*arguments)
