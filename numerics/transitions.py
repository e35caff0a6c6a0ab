"""Critical times and sizes at level finite_n, where no equation is explicit in N.

The criterion's balance is followed in ln t, downward from above the leading-order
critical times, until it has changed sign at every size or the condensation is too deep;
one table of single-sample averages at each noise variance serves all sizes. Where it
changes sign, an interpolant at Chebyshev nodes has the root.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import chebyshev
from scipy.optimize import elementwise

from numerics.contour import Law, law_of
from numerics.criteria import Criterion, Setting
from numerics.critical import DEFAULT_CELLS, SMALLEST_LOG_SIZE, solve_times, transition
from numerics.finite_n import TIMES, balances, balances_with_slopes, filled, laws_of, over_laws, padded
from numerics.solution import Transition
from numerics.status import Status

# Step of the walk in ln t, how many steps are taken at once, and into how many a step is cut before the unknown.
_STEP, _AHEAD, _CUTS = 0.5, 4, 4
# Width of an interpolant's panel in ln t, and its nodes. The balance has singularities at ln t = ln s +- i pi, and
# a knee of width 1/d where a large d condenses.
_WIDTH, _NODES, _NODES_PER_WIDTH = 2.0, 6, 4.0
# Error of a root in ln t, by the interpolant's last coefficients, above which its panel is halved, down to a width.
_TOLERANCE, _NARROWEST = 1e-4, 0.1
# What a solved balance may be off, and how many Newton steps it may take from the interpolant's root.
_RESIDUAL, _NEWTON = 1e-8, 3
# Balances are supported from here to here, in units of the largest variance.
_SUPPORTED = (1e-8, 1e6)
_SCAN = np.linspace(1.0, -1.0, 65)
_LARGEST_LOG_SIZE = np.log(1e15)
_TANGENTS = 2  # ln s with the spectrum following, and of the probed direction alone


class Roots(NamedTuple):
    """Roots in ln t, one lane per size, with the panel they were found in and the slopes there."""

    log_time: np.ndarray
    status: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    error: np.ndarray  # of the root
    slope: np.ndarray  # of the balance, in ln t
    tangents: np.ndarray  # of the balance, in both ln s; NaN where they were not asked for, (tangents, sizes)


# Balances (times, sizes) and their slopes along the tangents (tangents, times, sizes), at log times and log sizes.
Evaluate = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def _roots(evaluate: Evaluate, log_sizes: np.ndarray, start: float, limits: tuple[float, float]) -> Roots:
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
        root = elementwise.find_root(lambda x, *column: _at(np.stack(column), x), (low, high), args=tuple(columns)).x
    fits = [chebyshev.chebfit(nodes, along[:, crossed], degree) for along in slopes]
    slope = _at(chebyshev.chebder(columns), root) / half
    error = np.abs(columns[-2:]).max(axis=0) / np.abs(slope)
    unsure = np.asarray(~known)
    unsure[crossed] = ~(error <= _TOLERANCE)
    roots = Roots(
        log_time=middle + half * root,
        status=np.full(len(root), int(Status.CONVERGED)),
        upper=middle + half * high,
        lower=middle + half * low,
        error=error,
        slope=slope,
        tangents=np.array([_at(fit, root) for fit in fits]).reshape(len(slopes), len(root)),
    )
    return _Panel(crossed, unsure, roots)


def _record(found: Roots, lanes: np.ndarray, roots: Roots) -> None:
    """Write roots to their lanes."""
    *fields, tangents = zip(found, roots, strict=True)
    for target, source in fields:
        target[lanes] = source
    tangents[0][: len(tangents[1]), lanes] = tangents[1]


def _at(coefficients: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Every column's series at its own point."""
    return chebyshev.chebval(points, coefficients, tensor=False)


def _evaluator(rule: Criterion, at: Setting, swept: Setting | None, log_sizes: np.ndarray) -> Evaluate:
    """What a walk evaluates for these sizes; with slopes if there is a tangent `swept`."""

    def evaluate(log_times: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        times = np.exp(log_times)
        laws = laws_of(at, times)
        # One shape for the whole walk, though sizes drop out.
        count, sizes = len(sizes), filled(sizes, len(log_sizes))
        if swept is None:
            rows = over_laws(partial(balances, log_sizes=sizes, criterion=rule.name), laws)
            values = np.stack(rows)
            slopes = np.zeros((0, *values.shape))
        else:
            times = jnp.asarray(filled(times, TIMES))
            tangents = jax.tree.map(np.asarray, _tangents(padded(at), padded(swept), times))
            pairs = [(law, Law(*(leaf[i] for leaf in tangents))) for i, law in enumerate(laws)]
            rows = over_laws(lambda pair: balances_with_slopes(pair[0], pair[1], sizes, rule.name), pairs)
            values, slopes = np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows], axis=1)
        return values[:, :count], slopes[:, :, :count]

    return evaluate


def _start(rule: Criterion, at: Setting, log_sizes: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Above the leading-order critical times, and the supported window: none where there is no transition."""
    largest = float(jnp.max(at.variances))
    noiseless = rule.name == "signal_to_noise" and not at.probed_variance > 0
    limits = tuple(np.log(largest) + np.log(_SUPPORTED)) if largest > 0 and not noiseless else (0.0, 0.0)
    leading = solve_times(Criterion("rem", rule.name), at, jnp.asarray(log_sizes), jnp.asarray(limits), DEFAULT_CELLS)
    guesses = np.asarray(leading.log_value)
    guesses = guesses[np.isfinite(guesses)]
    return float(guesses.max(initial=np.log(max(largest, 1e-300)))) + 1.0, limits


def quenched_times(
    rule: Criterion,
    at: Setting,
    log_sizes: Float[np.ndarray, " sizes"],
    window: tuple[float | int, float | int] | None,
) -> Transition:
    """`critical_time` at level finite_n: roots of the interpolant, corrected by Newton steps."""
    valid = np.isfinite(log_sizes) & (log_sizes >= SMALLEST_LOG_SIZE)
    # A lane that is no size runs on the largest one, which the walk reaches anyway, and is not looked at.
    sizes = np.where(valid, log_sizes, log_sizes[valid].max(initial=SMALLEST_LOG_SIZE))
    start, limits = _start(rule, at, sizes)
    if window is not None:
        limits = (max(limits[0], np.log(window[0])), min(limits[1], np.log(window[1])))
    roots = _roots(_evaluator(rule, at, None, sizes), sizes, start, limits)
    log_time, residual = roots.log_time, np.full(len(sizes), np.nan)
    iterations = np.zeros(len(sizes), dtype=int)
    open_ = valid & (roots.status == Status.CONVERGED)
    while open_.any():
        lanes = np.flatnonzero(open_)
        pairs = list(zip(laws_of(at, np.exp(log_time[lanes])), sizes[lanes, None], strict=True))
        residual[lanes] = over_laws(lambda pair: balances(pair[0], pair[1], rule.name)[0], pairs)
        open_ &= (np.abs(residual) > _RESIDUAL) & (iterations < _NEWTON)
        log_time[open_] -= residual[open_] / roots.slope[open_]
        iterations[open_] += 1
    solved = np.where(np.abs(residual) <= _RESIDUAL, Status.CONVERGED, Status.NOT_CONVERGED)
    status = np.where(roots.status == Status.CONVERGED, solved, roots.status)
    status = np.where(valid, status, Status.INVALID).astype(np.int8)
    fields = (log_time, status, residual, np.exp(roots.lower), np.exp(roots.upper), iterations)
    return transition(*map(jnp.asarray, fields))


def quenched_lane(
    rule: Criterion, at: Setting, swept: Setting, log_sizes: Float[np.ndarray, " sizes"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Critical times of one spectrum for a diagram, their status, and the sensitivities d ln t_c/d ln s.

    `swept` is the tangent of the setting to the block's ln s with the spectrum following.
    Times are those of the interpolant.
    """
    start, limits = _start(rule, at, log_sizes)
    roots = _roots(_evaluator(rule, at, swept, log_sizes), log_sizes, start, limits)
    missed = (roots.status == Status.CONVERGED) & ~(roots.error <= _TOLERANCE)
    status = np.where(missed, Status.NOT_CONVERGED, roots.status).astype(np.int8)
    known = status == Status.CONVERGED
    slopes = np.where(known, -roots.tangents / roots.slope, np.nan)
    return np.where(known, np.exp(roots.log_time), np.nan), status, slopes


@jax.jit
def _tangents(at: Setting, swept: Setting, times: Float[Array, " times"]) -> Law:
    """Tangents of the laws to ln s with the spectrum following, and of the probed direction alone."""
    nothing = jax.tree.map(jnp.zeros_like, at)
    own = nothing._replace(probed_variance=at.probed_variance)

    def at_time(time: Array) -> Law:
        along = [jax.jvp(lambda one: law_of(one, time), (at,), (tangent,))[1] for tangent in (swept, own)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *along)

    return jax.vmap(at_time)(times)


def quenched_sizes(rule: Criterion, at: Setting, times: Float[np.ndarray, " times"]) -> Transition:
    """`critical_size` at level finite_n: the largest root in ln N, for every noise variance."""
    valid = np.isfinite(times) & (times > 0)
    laws = laws_of(at, np.where(valid, times, 1.0))
    leading = Criterion("rem", rule.name)
    guesses = np.asarray(jax.vmap(partial(leading.log_size, at))(jnp.asarray(np.where(valid, times, 1.0))))
    highest = np.maximum(_LARGEST_LOG_SIZE, np.where(np.isfinite(guesses), guesses + 3.0, 0.0))
    pairs = list(zip(laws, highest.tolist(), strict=True))
    rows = over_laws(lambda pair: _largest_size(pair[0], pair[1], rule.name), pairs)
    log_value, residual, lower, upper, iterations, status = np.array(rows).T
    status = np.where(valid, status, Status.INVALID).astype(np.int8)
    fields = (log_value, status, residual, np.exp(lower), np.exp(upper), iterations.astype(int))
    return transition(*map(jnp.asarray, fields))


def _largest_size(law: Law, highest: float, criterion: str) -> tuple[float | int, ...]:
    """Largest root in ln N: scan, interpolate inside the cell, evaluate at the root."""
    scan = np.linspace(highest, np.log(2.0), 96)
    values = balances(law, scan, criterion)
    nothing = (np.nan,) * 4 + (0,)
    if np.isposinf(values[0]) or np.isneginf(values[0]):
        return (*nothing, int(Status.NO_TRANSITION))
    if not values[0] > 0:  # lost at the largest size, or unknown there
        return (*nothing, int(Status.OUT_OF_VALIDITY))
    below = np.flatnonzero(~(values > 0))
    if not len(below):
        return (*nothing, int(Status.NO_TRANSITION))
    cell = below[0]
    if np.isnan(values[cell]):
        return (*nothing, int(Status.OUT_OF_VALIDITY))
    low, high = scan[cell], scan[cell - 1]
    nodes = np.cos(np.pi * np.arange(16) / 15)
    inner = 0.5 * (low + high) + 0.5 * (high - low) * nodes
    series = chebyshev.Chebyshev.fit(inner, balances(law, inner, criterion), 15, domain=[low, high])
    root = float(elementwise.find_root(series, (low, high)).x)
    for step in range(_NEWTON + 1):
        residual = float(balances(law, np.array([root]), criterion)[0])
        if abs(residual) <= _RESIDUAL:
            return root, residual, low, high, step, int(Status.CONVERGED)
        root -= residual / float(series.deriv()(root))
    return (*nothing, int(Status.NOT_CONVERGED))
