"""Where the gap between two blocks of values of -tJ closes: the participation, and the size to leading order in 1/N.

The matrix is that of central differences, its profile the symmetric one; the gap is where the edges of the vector
equation's bulks meet. Equations: `geomem_theory`, chapter `spectrum_law`.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from geomem.laws.setting import Setting
from geomem.lowering import lower

_population_eigenvalue = jnp.vectorize(lower("population_eigenvalue"))
_pull = jnp.vectorize(lower("pull_of_direction"))
_coupling = jnp.vectorize(lower("coupling_of_direction"))
_transpose_covariance = jnp.vectorize(lower("transpose_covariance"))
_weight_moment = lower("weight_moment")
_sum = lower("sum_over_bulks")
_slope = lower("slope_of_bulks")
_curvature = lower("curvature_of_bulks")
_balance = lower("gap_closing_balance")
_participation = lower("gap_participation")
_log_size = lower("gap_log_size")

_LEAST = 1e-6  # coupling of directions without variance, of the largest
_HALVINGS, _STEPS = 48, 40


class Bulks(NamedTuple):
    """Values of -tJ, couplings and numbers of directions; which are on the upper side of the gap, and if there is one.

    Blocks without directions are on no side.
    """

    counts: Float[Array, " blocks"]
    values: Float[Array, " blocks"]
    couplings: Float[Array, " blocks"]
    above: Bool[Array, " blocks"]
    exists: Bool[Array, ""]

    def at(self, place: Float[Array, " two"]) -> tuple[Array, Array, Array]:
        """Sum, slope and curvature at a level and a drive."""
        given = (place[0], place[1], self.counts, self.values, self.couplings)
        return _sum(*given), _slope(*given), _curvature(*given)

    def drives(self, level: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Between which the drive keeps every bulk on its side of the level."""
        ends, real = (self.values - level) / self.couplings, self.counts > 0
        low = jnp.max(jnp.where(real & ~self.above, ends, -jnp.inf))
        return low, jnp.min(jnp.where(real & self.above, ends, jnp.inf))


def gap_log_size(at: Setting, time: Float[Array, ""]) -> Float[Array, ""]:
    """ln N above which there is a gap between the block of the setting and the next narrower one.

    Minus infinity if there is no narrower one: no gap is lost.
    """
    slope, exists = _slope_where_edges_meet(at, time)
    found = _log_size(_weight_moment(2.0, time, at.variances, at.multiplicities), slope)
    return jnp.where(exists, found, -jnp.inf)


def gap_participation(at: Setting, time: Float[Array, ""]) -> Float[Array, ""]:
    """Participation at the mean of the data below which there is that gap; infinite if there is none to be lost."""
    slope, exists = _slope_where_edges_meet(at, time)
    return jnp.where(exists, _participation(slope), jnp.inf)


def _slope_where_edges_meet(at: Setting, time: Float[Array, ""]) -> tuple[Float[Array, ""], Bool[Array, ""]]:
    """The bulks' slope there, and whether there is a gap at all."""
    bulks = _bulks(at, time)
    held = jax.tree.map(jax.lax.stop_gradient, bulks)
    place = _meeting(held)
    # A step of Newton's method from the root carries the derivatives.
    matrix = jax.jacfwd(partial(_residual, held))(place)
    place = place - _solved(matrix, _residual(bulks, place))
    return bulks.at(place)[1], bulks.exists


def _solved(matrix: Float[Array, "two two"], vector: Float[Array, " two"]) -> Float[Array, " two"]:
    """Cramer's rule, of which JAX compiles little."""
    (a, b), (c, d) = matrix
    return jnp.stack([d * vector[0] - b * vector[1], a * vector[1] - c * vector[0]]) / (a * d - b * c)


def _bulks(at: Setting, time: Float[Array, ""]) -> Bulks:
    variances, counts = at.variances, at.multiplicities
    # The first block that the setting marks; blocks of no directions only hold what a probe has.
    own = variances[jnp.argmax(at.indicator)]
    above = (variances < own) & (counts > 0)
    pull, coupling = _pull(time, variances), _coupling(time, variances)
    squares = _transpose_covariance(1.0, pull, pull, coupling, coupling)
    couplings = jnp.sqrt(jnp.maximum(squares, _LEAST**2 * jnp.max(squares)))
    exists = jnp.any(above) & (own > 0)
    # Where there is no gap some numbers are needed that have a root.
    stand_in = jnp.arange(len(counts)) > 0
    values = jnp.where(exists, _population_eigenvalue(time, variances), jnp.where(stand_in, 1.0, 0.0))
    couplings = jnp.where(exists, couplings, 1.0)
    counts = jnp.where(exists, counts, 1.0)
    return Bulks(counts, values, couplings, jnp.where(exists, above, stand_in), exists)


def _residual(bulks: Bulks, place: Float[Array, " two"]) -> Float[Array, " two"]:
    """Zero where two edges meet: the curvature, and the balance."""
    total, slope, curvature = bulks.at(place)
    return jnp.stack([curvature, _balance(place[1], total, slope)])


def _meeting(bulks: Bulks) -> Float[Array, " two"]:
    """Level and drive at which the edges meet: the balance falls in the level, and the curvature rises in the drive."""
    real = bulks.counts > 0
    low = jnp.max(jnp.where(real & ~bulks.above, bulks.values, -jnp.inf))
    high = jnp.min(jnp.where(real & bulks.above, bulks.values, jnp.inf))

    def place_at(level: Array) -> Array:
        return jnp.stack([level, _flat(bulks, level)])

    def halved(_: int | Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = 0.5 * (ends[0] + ends[1])
        past = _residual(bulks, place_at(middle))[1] > 0
        return jnp.where(past, ends[0], middle), jnp.where(past, middle, ends[1])

    return place_at(jax.lax.fori_loop(0, _HALVINGS, halved, (low, high))[0])


def _flat(bulks: Bulks, level: Float[Array, ""]) -> Float[Array, ""]:
    """The drive at which the curvature vanishes: where the cubes on both sides are the same, by Newton's method.

    The logarithm of their ratio goes through all numbers between the ends; a step beyond the bracket halves it.
    """
    real, below = bulks.counts > 0, ~bulks.above

    def step(_: int | Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        low, high, drive = state
        inverse = jnp.abs(bulks.couplings / (bulks.values - level - bulks.couplings * drive))
        cubes, fourths = (jnp.where(real, bulks.counts * inverse**power, 0.0) for power in (3, 4))
        sides = [[jnp.sum(jnp.where(side, one, 0.0)) for one in (cubes, fourths)] for side in (below, bulks.above)]
        (cubes_below, fourths_below), (cubes_above, fourths_above) = sides
        excess = jnp.log(cubes_above / cubes_below)
        slope = 3.0 * (fourths_above / cubes_above + fourths_below / cubes_below)
        low, high = jnp.where(excess < 0, drive, low), jnp.where(excess < 0, high, drive)
        then = drive - excess / slope
        inside = (then > low) & (then < high)
        return low, high, jnp.where(inside, then, 0.5 * (low + high))

    low, high = bulks.drives(level)
    return jax.lax.fori_loop(0, _STEPS, step, (low, high, 0.5 * (low + high)))[2]
