"""Roots in ln t of what is expensive: a walk down a grid, and polynomials through its points at changes of sign.

Where a polynomial is not accurate enough, the grid is halved there. A point of the grid is evaluated once, for all
sizes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.polynomial import chebyshev
from scipy.optimize import elementwise

from geomem.core.status import Status

# How many steps are taken at once, and the step in ln t of the climb to where the walk starts.
_AHEAD, _CLIMB = 4, 2.0
# Into how many a step may be cut. The balance has singularities at ln t = ln s +- i pi, and a knee of width 1/d where
# a large d condenses.
_FINEST = 64
# Distance in ln t of a polynomial's points, at first.
_WIDTH = 0.5

# Balances (times, sizes) and their slopes (slopes, times, sizes), at log times, for all sizes. The slopes are along
# ln t, and then along tangents to the setting; or there are none.
Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class _Polynomials(NamedTuple):
    """Matrices from values, and derivatives if there are any, at points of [-1, 1] to Chebyshev coefficients."""

    step: float  # of the walk in ln t, at most
    points: Float[np.ndarray, " points"]
    by_all: Float[np.ndarray, "coefficients data"]
    by_inner: Float[np.ndarray, "fewer_coefficients fewer_data"]  # the outermost points left out


def _polynomials(step: float, count: int, *, slopes: bool) -> _Polynomials:
    points = np.linspace(-1.0, 1.0, count)

    def matrix(points: Float[np.ndarray, " points"]) -> Float[np.ndarray, "coefficients data"]:
        degree = len(points) * (2 if slopes else 1) - 1
        rows = chebyshev.chebvander(points, degree)
        if slopes:
            rows = np.concatenate([rows, chebyshev.chebval(points, chebyshev.chebder(np.eye(degree + 1))).T])
        return np.linalg.inv(rows)

    return _Polynomials(step, points, matrix(points), matrix(points[1:-1]))


# Slopes tell what happens within a long step.
_BY_VALUES, _BY_SLOPES = _polynomials(0.5, 8, slopes=False), _polynomials(1.0, 6, slopes=True)


class Roots(NamedTuple):
    """Roots in ln t, one lane per size, with the cell of the grid that they are in and the slopes there."""

    log_time: Float[np.ndarray, " sizes"]
    status: Int[np.ndarray, " sizes"]
    upper: Float[np.ndarray, " sizes"]
    lower: Float[np.ndarray, " sizes"]
    error: Float[np.ndarray, " sizes"]  # of the root
    slope: Float[np.ndarray, " sizes"]  # of the balance, in ln t
    tangents: Float[np.ndarray, "tangents sizes"]  # of the balance, along the tangents: to about 1e-3


class _Grid:
    """Points of ln t at whole numbers, downward; each is evaluated once."""

    def __init__(
        self,
        evaluate: Evaluate,
        ends: tuple[float, float],
        first: tuple[np.ndarray, np.ndarray],
        step: float | None,
    ) -> None:
        """A grid between ends, the upper one first, with balances and slopes at the first point."""
        self.use = _BY_SLOPES if len(first[1]) else _BY_VALUES
        if step is not None:
            self.use = self.use._replace(step=step)
        top, bottom = ends
        # So many steps that a polynomial finds its points.
        self.count = max(int(np.ceil((top - bottom) / self.use.step)), len(self.use.points)) * _FINEST
        self._evaluate, self._top, self.step = evaluate, top, (top - bottom) / self.count
        self._rows = {0: (first[0][0], first[1][:, 0])}

    def at(self, numbers: Float[np.ndarray, "..."] | Int[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        return self._top - self.step * numbers

    def rows(self, numbers: Int[np.ndarray, " points"]) -> tuple[Float[np.ndarray, "points sizes"], np.ndarray]:
        """Balances at these points, and slopes (points, tangents, sizes)."""
        asked = numbers.tolist()
        missing = sorted(set(asked) - set(self._rows))
        if missing:
            values, slopes = self._evaluate(self.at(np.array(missing)))
            self._rows |= dict(zip(missing, zip(values, np.moveaxis(slopes, 1, 0), strict=True), strict=True))
        values, slopes = zip(*(self._rows[number] for number in asked), strict=True)
        return np.array(values), np.array(slopes)


def walk_to_roots(
    evaluate: Evaluate, start: float, limits: tuple[float, float], tolerance: float, step: float | None = None
) -> Roots:
    """Walk down from `start`, or from higher up, to the cell in which each size's balance changes sign.

    The grid is halved there until the root's error in ln t, by what the polynomial's outermost points change, is
    within the tolerance. `step` is that of the grid at first, by default one that misses no change of sign.
    """
    top = min(start, limits[1]) if start > limits[0] else limits[1]
    values, slopes = first = evaluate(np.array([top]))
    lanes = values.shape[1]
    log_time, upper, lower, error, slope = np.full((5, lanes), np.nan)
    tangents = np.full((max(len(slopes) - 1, 0), lanes), np.nan)
    status = np.full(lanes, int(Status.NO_TRANSITION))
    found = Roots(log_time, status, upper, lower, error, slope, tangents)
    if not limits[0] < limits[1]:
        return found
    while top < limits[1] and (first[0] < 0).any():
        top = min(top + _CLIMB, limits[1])
        first = evaluate(np.array([top]))
    grid = _Grid(evaluate, (top, limits[0]), first, step)
    width = _WIDTH if step is None else max(_WIDTH, step)
    above, below = _walk(grid)
    # Lost at the top of the window already, or nowhere: no transition.
    status[np.isnan(first[0][0])] = Status.NOT_CONVERGED
    stride, open_ = _FINEST, np.asarray(below > above)
    while open_.any() and stride >= 1:
        if grid.step * stride <= width:
            _solve(grid, above, stride, np.flatnonzero(open_), found)
            open_ &= ~(found.error <= tolerance)
        stride //= 2
        if stride:
            _halve(grid, above, stride, np.flatnonzero(open_))
    ended = below > above
    status[ended] = np.where(np.isnan(found.log_time[ended]), Status.NOT_CONVERGED, Status.CONVERGED)
    return found


def _walk(grid: _Grid) -> tuple[Int[np.ndarray, " sizes"], Int[np.ndarray, " sizes"]]:
    """Ends of the first cell, from above, in which each size's balance is no longer positive; equal where none is."""
    values = grid.rows(np.array([0]))[0][0]
    running = np.asarray(values > 0)
    above, below = np.zeros(len(values), dtype=int), np.zeros(len(values), dtype=int)
    numbers, half = np.arange(0, grid.count + 1, _FINEST), _FINEST // 2
    for first in range(0, len(numbers) - 1, _AHEAD):
        if not running.any():
            break
        ahead = numbers[first : first + _AHEAD + 1]
        if len(grid.rows(numbers[:1])[1][0]):
            ahead = np.union1d(ahead, ahead[:-1][_may_return(grid, ahead, running)] + half)
        rows, _ = grid.rows(ahead)
        for before, number, row in zip(ahead[:-1], ahead[1:], rows[1:], strict=True):
            ended = running & ~(row > 0)
            above[running], below[ended] = before, number
            running &= ~ended
    below[running] = above[running]
    return above, below


def _may_return(
    grid: _Grid, numbers: Int[np.ndarray, " points"], lanes: Bool[np.ndarray, " sizes"]
) -> Bool[np.ndarray, " cells"]:
    """In which steps a balance that is positive at both ends may not be in between: the cubic falls to half of it."""
    values, slopes = grid.rows(numbers)
    values = values[:, lanes]
    steps = grid.at(numbers[1:]) - grid.at(numbers[:-1])
    start, end = (slopes[part, 0][:, lanes] * steps[:, None] for part in (slice(None, -1), slice(1, None)))
    drop = values[1:] - values[:-1]
    share = np.linspace(0.0, 1.0, 17)[1:-1, None, None]
    cubic = values[:-1] + share * (drop + (1 - share) * ((1 - share) * (start - drop) + share * (drop - end)))
    least = np.minimum(values[:-1], values[1:])
    return ((least > 0) & (cubic < 0.5 * least).any(axis=0)).any(axis=1)


def _halve(grid: _Grid, above: Int[np.ndarray, " sizes"], stride: int, lanes: Int[np.ndarray, " lanes"]) -> None:
    """Go to the half of each lane's cell in which its balance is no longer positive."""
    middles = above[lanes] + stride
    points, place = np.unique(middles, return_inverse=True)
    if len(points):
        positive = grid.rows(points)[0][place, lanes] > 0
        above[lanes] = np.where(positive, middles, above[lanes])


def _solve(
    grid: _Grid, above: Int[np.ndarray, " sizes"], stride: int, lanes: Int[np.ndarray, " lanes"], found: Roots
) -> None:
    """Record the roots of the polynomials through each lane's cell and its neighbours."""
    use = grid.use
    count, last = len(use.points), (len(use.points) - 1) * stride
    found.log_time[lanes] = np.nan
    # The cell in the middle, if there is room.
    first = np.clip(above[lanes] - (count // 2 - 1) * stride, 0, grid.count - last)
    windows = first[:, None] + stride * np.arange(count)
    points, place = np.unique(windows, return_inverse=True)
    place = place.reshape(windows.shape).T
    values, slopes = (rows[place, ..., lanes] for rows in grid.rows(points))  # (points, lanes), and slopes
    known = np.asarray(np.isfinite(values).all(axis=0))
    lanes, first, values, slopes = lanes[known], first[known], values[:, known], slopes[:, known]
    if not len(lanes):
        return
    half = (grid.at(first + last) - grid.at(first)) / 2.0
    data = np.stack([values, slopes[..., 0] * half]) if slopes.shape[-1] else values[None]
    series = use.by_all @ data.reshape(-1, len(lanes))
    inner = use.by_inner @ data[:, 1:-1].reshape(-1, len(lanes))
    cell = (above[lanes] - first) // stride
    ends = (use.points[cell], use.points[cell + 1])
    root = elementwise.find_root(lambda x, *rows: _series_at(np.stack(rows), x), ends, args=tuple(series)).x
    # Without a change of sign, by rounding, the root is an end.
    at_ends = np.abs([_series_at(series, end) for end in ends])
    root = np.where(np.isnan(root), np.where(at_ends[0] < at_ends[1], *ends), root)
    slope = _series_at(chebyshev.chebder(series), root) / half
    found.log_time[lanes] = grid.at(first) + half * (root + 1.0)
    found.upper[lanes], found.lower[lanes] = grid.at(above[lanes]), grid.at(above[lanes] + stride)
    within = ends[0] + np.linspace(0.0, 1.0, 7)[:, None] * (ends[1] - ends[0])
    change = np.array([_series_at(series, points) - _series_at(inner, points) for points in within])
    with np.errstate(divide="ignore", invalid="ignore"):  # a balance that is flat there has no accurate root
        found.error[lanes] = np.abs(change).max(axis=0) / np.abs(slope)
    found.slope[lanes] = slope
    for number, tangent in enumerate(found.tangents, start=1):
        fit = chebyshev.chebfit(use.points, slopes[..., number], count - 1)
        tangent[lanes] = _series_at(fit, root)


def _series_at(
    coefficients: Float[np.ndarray, "degrees lanes"], points: Float[np.ndarray, " lanes"]
) -> Float[np.ndarray, " lanes"]:
    """Every lane's series at its own point."""
    return chebyshev.chebval(points, coefficients, tensor=False)
