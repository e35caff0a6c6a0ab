"""Where a curve crosses a level: one that is known at points, and a function of one variable, at many levels at once.

The function is tabulated once, with its slope, and the table serves every level:
running extremes from the upper end find the first crossing's cell in logarithmic
time, extrema between grid points included, and a few secant steps from the cell's
cubic finish it. Derivatives are those of the implicit function.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

ScalarFunction = Callable[[Float[Array, ""]], Float[Array, ""]]
_MAX_ITERATIONS = 60
_TOLERANCE = 1e-13


def level_crossing(
    points: Float[np.ndarray, " points"],
    values: Float[np.ndarray, " points"],
    level: float,
    *,
    falling: bool = False,
    last: bool = False,
    smooth: bool = False,
) -> float:
    """Where a curve known at some points first rises to a level, or `falling`, first falls below it.

    Args:
        points: the points, rising or falling; rising for a `smooth` curve.
        values: the curve there.
        level: the level. At it a curve counts as above.
        falling: whether it falls.
        last: whether the last such place is asked for: from there on the curve stays beyond the level.
        smooth: whether the curve is the monotone cubic through its points (F. N. Fritsch and J. Butland, SIAM J. Sci.
            Stat. Comput. 5, 300, 1984), else linear between them.

    Returns:
        The place; minus infinity where the curve is beyond the level from its first point on, infinity where it
        never is, and NaN where that hangs on points at which the curve is NaN.
    """
    beyond = values < level if falling else values >= level
    if last:
        beyond = np.logical_and.accumulate(beyond[::-1])[::-1]
    first = int(np.argmax(beyond)) if beyond.any() else len(values)
    deciding = values[max(first - 1, 0) :] if last else values[: first + 1]
    if np.isnan(deciding).any():
        return np.nan
    if first == len(values):
        return np.inf
    if first == 0:
        return -np.inf
    if smooth:
        from scipy.interpolate import PchipInterpolator  # slow to import, and rarely needed

        # What is not known beyond the crossing is left out.
        known = np.logical_and.accumulate(~np.isnan(values))
        roots = PchipInterpolator(points[known], values[known] - level).roots(extrapolate=False)
        return float(roots[roots > points[first - 1]][0])
    sign, pair = -1.0 if falling else 1.0, slice(first - 1, first + 1)
    return float(np.interp(sign * level, sign * values[pair], points[pair]))


class Crossing(NamedTuple):
    """First crossings from above. Where none was found, `point` is the upper end of the interval.

    Where the function is NaN somewhere, there may be one: it counts as found, at a point that is NaN.
    """

    point: Float[Array, " targets"]
    lower: Float[Array, " targets"]
    upper: Float[Array, " targets"]
    found: Bool[Array, " targets"]
    iterations: Int[Array, " targets"]


def first_crossing(
    function: ScalarFunction,
    targets: Float[Array, " targets"],
    lower: Float[Array, ""],
    upper: Float[Array, ""],
    num_cells: int,
) -> Crossing:
    """The largest point of [lower, upper] at which `function` takes each target value.

    The function must be smooth on the scale (upper - lower)/num_cells. Two crossings
    closer than that are seen if they enclose an extremum of the function (its place is
    known to the fourth order in the spacing).

    `point` has the derivatives of the implicit function with respect to whatever the
    function and the targets depend on.
    """
    table = _table(function, lower, upper, num_cells)
    cell, found = _first_cell(table.values, targets)
    # Lanes without a crossing run on the first cell and are not looked at.
    low, high = table.points[cell], table.points[cell - 1]
    start, slope = _inverse_cubic(targets, *(_Table(*(column[at] for column in table)) for at in (cell, cell - 1)))
    rising = table.values[cell - 1] > table.values[cell]

    def residual(point: Array) -> Array:
        return jax.vmap(function)(point) - targets

    def solve(residual_: Callable, guess: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        return _bracketed_secant(residual_, guess, slope, low, high, rising, found)

    def invert_slope(linear: Callable, right: Array) -> Array:
        slope = linear(jnp.ones_like(right))
        return right / jnp.where(found & (slope != 0), slope, 1.0)

    point, (final_low, final_high, iterations) = jax.lax.custom_root(
        residual, jax.lax.stop_gradient(start), solve, invert_slope, has_aux=True
    )
    unknown = jnp.isnan(table.values).any()
    point = jnp.where(unknown, jnp.nan, point)
    return Crossing(point, final_low, final_high, found | unknown, iterations.astype(int))


class _Table(NamedTuple):
    points: Array
    values: Array
    slopes: Array


def _table(function: ScalarFunction, lower: Array, upper: Array, num_cells: int) -> _Table:
    """Points from the upper end down and the function there: a uniform grid and one point inside each cell.

    The inner point is the extremum of the cell's cubic where the slope changes sign, else the middle;
    its slope is the cubic's.
    """
    grid = upper + (lower - upper) * jnp.linspace(0.0, 1.0, num_cells + 1)
    # Apart, values and slopes are one pass over the blocks each, which keeps nothing; together they fill memory.
    values = jax.vmap(function)(grid)
    slopes = jax.vmap(lambda point: jax.jvp(function, (point,), (jnp.ones_like(point),))[1])(
        jax.lax.optimization_barrier(grid)
    )
    width, rise = jnp.diff(grid), jnp.diff(values)
    at_0, at_1 = slopes[:-1] * width, slopes[1:] * width
    fraction = _extremum_fraction(values[:-1], values[1:], at_0, at_1)
    inner = grid[:-1] + fraction * width
    rest = 1 - fraction
    inner_slopes = at_0 * rest * (1 - 3 * fraction) + 6 * rise * fraction * rest + at_1 * fraction * (3 * fraction - 2)

    def woven(at_grid: Array, inside: Array) -> Array:
        return jnp.append(jnp.stack([at_grid[:-1], inside], axis=1).ravel(), at_grid[-1])

    table = _Table(woven(grid, inner), woven(values, jax.vmap(function)(inner)), woven(slopes, inner_slopes / width))
    return jax.lax.stop_gradient(table)


def _extremum_fraction(value_0: Array, value_1: Array, slope_0: Array, slope_1: Array) -> Array:
    """Where in (0, 1) the cubic with these end values and slopes has its extremum; 1/2 if it has none."""
    cubic = 3.0 * (2.0 * (value_0 - value_1) + slope_0 + slope_1)
    half_quadratic = 3.0 * (value_1 - value_0) - 2.0 * slope_0 - slope_1
    root = jnp.sqrt(jnp.maximum(half_quadratic**2 - cubic * slope_0, 0.0))
    # The two roots of cubic x^2 + 2 half_quadratic x + slope_0, without cancellation.
    pivot = -(half_quadratic + jnp.where(half_quadratic < 0, -root, root))
    candidates = jnp.stack([slope_0 / pivot, pivot / cubic])
    inside = (candidates > 0) & (candidates < 1)
    candidate = jnp.where(inside[0], candidates[0], candidates[1])
    return jnp.where((slope_0 * slope_1 < 0) & inside.any(axis=0), candidate, 0.5)


def _first_cell(values: Array, targets: Array) -> tuple[Array, Array]:
    """Index k of the first table entry at or beyond each target, seen from entry 0; and whether there is one."""
    extremes = jax.lax.cummax(jnp.stack([values, -values]), axis=1)
    rise, fall = jax.vmap(partial(jnp.searchsorted, side="left"))(extremes, jnp.stack([targets, -targets]))
    index = jnp.where(values[0] < targets, rise, fall)
    found = (index < len(values)) & ~jnp.isnan(values).any() & jnp.isfinite(targets)
    return jnp.where(found, jnp.maximum(index, 1), 1), found


def _inverse_cubic(targets: Array, low: _Table, high: _Table) -> tuple[Array, Array]:
    """Where the cubic of the point in the value, through both ends of the cell, takes the target; and the slope there.

    The chord where that leaves the cell, as beside an extremum; the middle and a slope NaN beside an infinite end.
    """
    width, rise = high.points - low.points, high.values - low.values
    u = (targets - low.values) / rise
    end_low, end_high = rise / width / low.slopes, rise / width / high.slopes
    fraction = u * (end_low * (1 - u) ** 2 + u * (3 - 2 * u) - end_high * u * (1 - u))
    inverse_slope = end_low * (1 - u) * (1 - 3 * u) + 6 * u * (1 - u) + end_high * u * (3 * u - 2)
    usable = (fraction >= 0) & (fraction <= 1) & (inverse_slope > 0)
    fraction = jnp.where(usable, fraction, jnp.where((u >= 0) & (u <= 1), u, 0.5))
    slope = rise / width / jnp.where(usable, inverse_slope, 1.0)
    return low.points + width * fraction, jnp.where(jnp.isfinite(slope), slope, jnp.nan)


def _bracketed_secant(
    residual: Callable, start: Array, slope: Array, low: Array, high: Array, rising: Array, active: Array
) -> tuple[Array, tuple[Array, Array, Array]]:
    """The secant method from a first slope, by bisection where it leaves the bracket; lanes stop one by one.

    Of sums over 50 blocks a value costs a tenth of a value with its slope, as in the table.
    """

    def unfinished(state: tuple) -> Array:
        *_, running, iterations = state
        return running.any() & (iterations.max() < _MAX_ITERATIONS)

    def step(state: tuple) -> tuple:
        point, slope, before, value_before, low, high, running, iterations = state
        value = residual(point)
        secant = (value - value_before) / (point - before)
        slope = jnp.where(jnp.isfinite(secant) & (secant != 0), secant, slope)
        beyond = jnp.where(rising, value > 0, value < 0)  # the root is below the point
        new_low = jnp.where(running & ~beyond, point, low)
        new_high = jnp.where(running & beyond, point, high)
        proposal = point - value / slope
        # At rounding level the signs behind the bracket are noise, so a vanishing step ends the lane first.
        done = jnp.abs(proposal - point) <= _TOLERANCE
        inside = done | ((proposal >= new_low) & (proposal <= new_high))
        proposal = jnp.where(inside, proposal, 0.5 * (new_low + new_high))
        return (
            jnp.where(running, proposal, point),
            slope,
            point,
            value,
            new_low,
            new_high,
            running & ~done,
            iterations + running.astype(int),
        )

    nothing = jnp.full_like(start, jnp.nan)
    state = (start, slope, nothing, nothing, low, high, active, jnp.zeros(start.shape, dtype=int))
    point, *_, low, high, _, iterations = jax.lax.while_loop(unfinished, step, state)
    # custom_root wants tangents of everything it returns, which integers have not.
    return point, (low, high, iterations.astype(float))
