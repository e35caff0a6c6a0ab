"""Where a function of one variable first crosses a value, for many values at once.

The function is tabulated once, with its slope, and the table serves every value:
running extremes from the upper end find the first crossing's cell in logarithmic
time, extrema between grid points included, and a few secant steps inside the cell
finish it. Derivatives are those of the implicit function.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

ScalarFunction = Callable[[Float[Array, ""]], Float[Array, ""]]

_MAX_ITERATIONS = 60
_TOLERANCE = 1e-13


class Crossing(NamedTuple):
    """First crossings from above. Where none was found, `point` is the upper end of the interval."""

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
    known to the fourth order in the spacing). A NaN in the function finds nothing.

    `point` has the derivatives of the implicit function with respect to whatever the
    function and the targets depend on.
    """
    points, values = _table(function, lower, upper, num_cells)
    cell, found = _first_cell(values, targets)
    low, high = points[cell], points[cell - 1]
    value_low, value_high = values[cell], values[cell - 1]
    # Lanes without a crossing run on the first cell and are not looked at.
    start = low + (high - low) * _fraction(targets, value_low, value_high)
    rising = value_high > value_low

    def residual(point: Array) -> Array:
        return jax.vmap(function)(point) - targets

    def solve(residual_: Callable, guess: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        slope = (value_high - value_low) / (high - low)
        # Beside an infinite end nothing is known of the slope; the first step bisects.
        slope = jnp.where(jnp.isfinite(slope), slope, jnp.nan)
        return _bracketed_secant(residual_, guess, slope, low, high, rising, found)

    def invert_slope(linear: Callable, right: Array) -> Array:
        slope = linear(jnp.ones_like(right))
        return right / jnp.where(found & (slope != 0), slope, 1.0)

    point, (final_low, final_high, iterations) = jax.lax.custom_root(
        residual, jax.lax.stop_gradient(start), solve, invert_slope, has_aux=True
    )
    return Crossing(point, final_low, final_high, found, iterations.astype(int))


def _table(function: ScalarFunction, lower: Array, upper: Array, num_cells: int) -> tuple[Array, Array]:
    """Points from the upper end down and the function there: a uniform grid and one point inside each cell.

    The inner point is the extremum of the cell's cubic where the slope changes sign, else the middle.
    """
    grid = upper + (lower - upper) * jnp.linspace(0.0, 1.0, num_cells + 1)
    # Apart, values and slopes are one pass over the blocks each, which keeps nothing; together they fill memory.
    values = jax.vmap(function)(grid)
    slopes = jax.vmap(lambda point: jax.jvp(function, (point,), (jnp.ones_like(point),))[1])(
        jax.lax.optimization_barrier(grid)
    )
    width = jnp.diff(grid)
    fraction = _extremum_fraction(values[:-1], values[1:], slopes[:-1] * width, slopes[1:] * width)
    inner = grid[:-1] + fraction * width
    inner_values = jax.vmap(function)(inner)
    points = jnp.append(jnp.stack([grid[:-1], inner], axis=1).ravel(), grid[-1])
    table = jnp.append(jnp.stack([values[:-1], inner_values], axis=1).ravel(), values[-1])
    return jax.lax.stop_gradient((points, table))


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


def _fraction(targets: Array, value_low: Array, value_high: Array) -> Array:
    """Linear interpolation, or the middle of a cell with an infinite or equal end."""
    fraction = (targets - value_low) / (value_high - value_low)
    return jnp.where((fraction >= 0) & (fraction <= 1), fraction, 0.5)


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
