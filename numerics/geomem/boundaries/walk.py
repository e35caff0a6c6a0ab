"""Roots in ln t of what is expensive: a walk down from above, and interpolants where the sign changes."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from numpy.polynomial import chebyshev
from scipy.optimize import elementwise

from geomem.core.status import Status

# Step of the walk in ln t, how many steps are taken at once, and into how many a step is cut before the unknown.
_STEP, _AHEAD, _CUTS = 0.5, 4, 4
# Width of an interpolant's panel in ln t, and its nodes. The balance has singularities at ln t = ln s +- i pi, and
# a knee of width 1/d where a large d condenses.
_WIDTH, _NODES, _NODES_PER_WIDTH = 2.0, 6, 4.0
# Error of a root in ln t, by the interpolant's last coefficients, above which its panel is halved, down to a width.
TOLERANCE, _NARROWEST = 1e-4, 0.1
_SCAN = np.linspace(1.0, -1.0, 65)


# Two tangents: ln s with the spectrum following, and of the probed direction alone.
_TANGENTS = 2

# Balances (times, sizes) and their slopes along the tangents (tangents, times, sizes), at log times and log sizes.
Evaluate = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Roots(NamedTuple):
    """Roots in ln t, one lane per size, with the panel they were found in and the slopes there."""

    log_time: np.ndarray
    status: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    error: np.ndarray  # of the root
    slope: np.ndarray  # of the balance, in ln t
    tangents: np.ndarray  # of the balance, in both ln s; NaN where they were not asked for, (tangents, sizes)


def walk_to_roots(evaluate: Evaluate, log_sizes: np.ndarray, start: float, limits: tuple[float, float]) -> Roots:
    """Walk down from `start` to the step in which each size's balance changes sign, and interpolate there."""
    upper, lower, status = _walk(evaluate, log_sizes, start, limits)
    nothing = np.full((3, len(log_sizes)), np.nan)
    found = Roots(nothing[0], status, upper, lower, *nothing[1:], np.full((_TANGENTS, len(log_sizes)), np.nan))
    pending = np.asarray(status == Status.CONVERGED)
    while pending.any():
        top = upper[pending].max()
        # Neighbouring steps share a panel, and its tables.
        group = pending & (lower > top - 1.001 * _WIDTH)
        _search(evaluate, log_sizes, found, group, top, lower[group].min())
        pending &= ~group
    status[(status == Status.CONVERGED) & np.isnan(found.log_time)] = Status.NOT_CONVERGED
    return found


def _walk(
    evaluate: Evaluate, log_sizes: np.ndarray, start: float, limits: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ends of the first step, from above, in which each size's balance changes sign; CONVERGED where it does."""
    count = len(log_sizes)
    upper, lower = np.full(count, np.nan), np.full(count, np.nan)
    status = np.full(count, int(Status.NO_TRANSITION))
    if not limits[0] < limits[1]:
        return upper, lower, status
    top = min(start, limits[1])
    values = evaluate(np.array([top]), log_sizes)[0][0]
    while top < limits[1] and (values < 0).any():
        top = min(top + _WIDTH, limits[1])
        values = evaluate(np.array([top]), log_sizes)[0][0]
    status[np.isnan(values)] = Status.OUT_OF_VALIDITY
    # Lost at the top of the window already: no transition.
    running = np.asarray(values > 0)
    upper[:] = top

    def follow(lanes: np.ndarray, points: np.ndarray) -> None:
        rows = evaluate(points, log_sizes[lanes])[0]
        for point, row in zip(points, rows, strict=True):
            active = running[lanes]
            unknown, crossed = lanes[active & np.isnan(row)], lanes[active & (row <= 0)]
            status[unknown], status[crossed] = Status.OUT_OF_VALIDITY, Status.CONVERGED
            running[unknown] = running[crossed] = False
            lower[unknown] = lower[crossed] = point
            upper[lanes[active & (row > 0)]] = point

    while running.any() and top > limits[0]:
        points = np.unique(np.maximum(top - _STEP * np.arange(1, _AHEAD + 1), limits[0]))[::-1]
        follow(np.flatnonzero(running), points)
        top = points[-1]
    # Below a lane's last known point the condensation is too deep; closer to where that begins there may be a root.
    holes = (status == Status.OUT_OF_VALIDITY) & np.isfinite(lower)
    for end in np.unique(lower[holes]):
        lanes = np.flatnonzero(holes & (lower == end))
        running[lanes] = True
        follow(lanes, np.linspace(upper[lanes[0]], end, _CUTS + 1)[1:])
    return upper, lower, status


class _Panel(NamedTuple):
    """Roots inside one panel, for the lanes that cross there."""

    crossed: np.ndarray  # (lanes,)
    unsure: np.ndarray  # (lanes,): unknown at some node, or with a rough root
    roots: Roots  # of the lanes that cross


def _search(
    evaluate: Evaluate, log_sizes: np.ndarray, found: Roots, wanted: np.ndarray, top: float, bottom: float
) -> None:
    """Record the roots that a panel has of the wanted lanes; where it is unsure, those of its halves."""
    lanes = np.flatnonzero(wanted)
    panel = _panel(evaluate, log_sizes[lanes], top, bottom)
    narrow = top - bottom <= _NARROWEST
    taken = panel.crossed & (narrow | ~panel.unsure)
    _record(found, lanes[taken], jax.tree.map(lambda field: field[..., taken[panel.crossed]], panel.roots))
    again = np.zeros(len(wanted), dtype=bool)
    again[lanes[panel.unsure]] = not narrow
    middle = 0.5 * (top + bottom)
    for high, low in ((top, middle), (middle, bottom)):
        again &= np.isnan(found.log_time)
        if again.any():
            _search(evaluate, log_sizes, found, again, high, low)


def _panel(evaluate: Evaluate, sizes: np.ndarray, top: float, bottom: float) -> _Panel:
    middle, half = 0.5 * (top + bottom), 0.5 * (top - bottom)
    degree = round(_NODES + _NODES_PER_WIDTH * (top - bottom)) - 1
    nodes = np.cos(np.pi * np.arange(degree + 1) / degree)
    values, slopes = evaluate(np.clip(middle + half * nodes, bottom, top), sizes)
    known = np.asarray(np.isfinite(values).all(axis=0))
    coefficients = chebyshev.chebfit(nodes, np.where(known, values, 0.0), degree)
    scan = chebyshev.chebval(_SCAN, coefficients)
    crossed = np.asarray(known & (scan <= 0).any(axis=1))
    cell = np.maximum(np.argmax(scan[crossed] <= 0, axis=1), 1)
    columns = coefficients[:, crossed]
    low, high = _SCAN[cell], _SCAN[cell - 1]
    root = np.zeros(0)
    if len(cell):
        root = elementwise.find_root(
            lambda x, *column: series_at(np.stack(column), x), (low, high), args=tuple(columns)
        ).x
    fits = [chebyshev.chebfit(nodes, along[:, crossed], degree) for along in slopes]
    slope = series_at(chebyshev.chebder(columns), root) / half
    error = np.abs(columns[-2:]).max(axis=0) / np.abs(slope)
    unsure = np.asarray(~known)
    unsure[crossed] = ~(error <= TOLERANCE)
    roots = Roots(
        log_time=middle + half * root,
        status=np.full(len(root), int(Status.CONVERGED)),
        upper=middle + half * high,
        lower=middle + half * low,
        error=error,
        slope=slope,
        tangents=np.array([series_at(fit, root) for fit in fits]).reshape(len(slopes), len(root)),
    )
    return _Panel(crossed, unsure, roots)


def _record(found: Roots, lanes: np.ndarray, roots: Roots) -> None:
    """Write roots to their lanes."""
    *fields, tangents = zip(found, roots, strict=True)
    for target, source in fields:
        target[lanes] = source
    tangents[0][: len(tangents[1]), lanes] = tangents[1]


def series_at(coefficients: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Every column's series at its own point."""
    return chebyshev.chebval(points, coefficients, tensor=False)
