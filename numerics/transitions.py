"""Critical times and sizes at level finite_n, where no equation is explicit in N.

The criterion's balance is tabulated at Chebyshev nodes in ln t, where one table of
single-sample averages serves all sizes; its interpolant has the roots. Panels of nodes
are walked downward from above the leading-order critical times until every size has
crossed or the condensation is too deep.
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
from numerics.finite_n import balances, balances_with_slopes, filled, laws_of, over_laws, padded
from numerics.solution import Transition
from numerics.status import Status

# Nodes of a panel and its width in ln t. The balance has singularities at ln t = ln s +- i pi.
_NODES, _WIDTH = 14, 2.0
# Balances are supported from here to here, in units of the largest variance.
_SUPPORTED = (1e-8, 1e6)
# The interpolant's last coefficients, relative to one, with which a root is accepted without another evaluation.
_TOLERANCE = 1e-4
_RESIDUAL = 1e-8
_SCAN = np.linspace(1.0, -1.0, 65)
_CHEBYSHEV = np.cos(np.pi * np.arange(_NODES) / (_NODES - 1))
_LARGEST_LOG_SIZE = np.log(1e15)
_TANGENTS = 2  # ln s with the spectrum following, and of the probed direction alone


class Roots(NamedTuple):
    """Roots in ln t, one lane per size, with the panel they were found in and the slopes there."""

    log_time: np.ndarray
    status: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    error: np.ndarray
    slope: np.ndarray  # of the balance, in ln t
    tangents: np.ndarray  # of the balance, in both ln s; NaN where they were not asked for, (tangents, sizes)


# Balances (times, sizes) and their slopes along the tangents (tangents, times, sizes), at log times and log sizes.
Evaluate = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def _roots(evaluate: Evaluate, log_sizes: np.ndarray, start: float, limits: tuple[float, float]) -> Roots:
    """Walk panels down from `start`."""
    count = len(log_sizes)
    status = np.full(count, int(Status.NO_TRANSITION))
    nothing = np.full((5, count), np.nan)
    found = Roots(nothing[0], status, *nothing[1:], np.full((_TANGENTS, count), np.nan))
    if not limits[0] < limits[1]:
        return found
    low_limit, top = limits[0], min(start, limits[1])
    values, _ = evaluate(np.array([top]), log_sizes)
    while top < limits[1] and (values < 0).any():
        top = min(top + _WIDTH, limits[1])
        values, _ = evaluate(np.array([top]), log_sizes)
    status[np.isnan(values[0])] = Status.OUT_OF_VALIDITY
    # Lost at the top of the window already, or infinite: no transition.
    running = np.asarray((values[0] > 0) & np.isfinite(values[0]))
    while running.any() and top > low_limit:
        bottom = max(top - _WIDTH, low_limit)
        lanes = np.flatnonzero(running)
        panel = _panel(evaluate, log_sizes[lanes], top, bottom)
        _record(found, lanes, panel)
        running[lanes[panel.crossed]] = False
        # Below a lane's last known node the condensation is too deep; what is above it may still have the root.
        running[lanes[panel.hole]] = False
        status[lanes[panel.hole]] = Status.OUT_OF_VALIDITY
        for last in np.unique(panel.last[panel.above]):
            group = lanes[panel.above & (panel.last == last)]
            _record(found, group, _panel(evaluate, log_sizes[group], top, float(last)))
        top = bottom
    return found


class _Panel(NamedTuple):
    """Roots inside one panel, for the lanes that cross there."""

    crossed: np.ndarray  # (lanes,)
    hole: np.ndarray  # (lanes,): some node is unknown
    last: np.ndarray  # (lanes,): the last node above the first unknown one
    above: np.ndarray  # (lanes,): some node is unknown, and the balance changes sign above it
    roots: Roots  # of the lanes that cross


def _panel(evaluate: Evaluate, sizes: np.ndarray, top: float, bottom: float) -> _Panel:
    middle, half = 0.5 * (top + bottom), 0.5 * (top - bottom)
    log_times = middle + half * _CHEBYSHEV
    log_times[0], log_times[-1] = top, bottom
    values, slopes = evaluate(log_times, sizes)
    known = np.isfinite(values)
    hole = np.asarray(~known.all(axis=0))
    first_hole = np.where(hole, np.argmin(known, axis=0), _NODES)
    last = log_times[np.maximum(first_hole, 1) - 1]
    above = np.asarray(hole & ((values <= 0) & (np.arange(_NODES)[:, None] < first_hole)).any(axis=0))
    coefficients = chebyshev.chebfit(_CHEBYSHEV, np.where(hole, 0.0, values), _NODES - 1)
    scan = chebyshev.chebval(_SCAN, coefficients)
    crossed = np.asarray(~hole & (scan <= 0).any(axis=1))
    cell = np.maximum(np.argmax(scan[crossed] <= 0, axis=1), 1)
    columns = coefficients[:, crossed]
    low, high = _SCAN[cell], _SCAN[cell - 1]
    root = np.zeros(0)
    if len(cell):
        root = elementwise.find_root(lambda x, *column: _at(np.stack(column), x), (low, high), args=tuple(columns)).x
    fits = [chebyshev.chebfit(_CHEBYSHEV, slope[:, crossed], _NODES - 1) for slope in slopes]
    roots = Roots(
        log_time=middle + half * root,
        status=np.full(len(root), int(Status.CONVERGED)),
        lower=middle + half * low,
        upper=middle + half * high,
        error=np.abs(columns[-2:]).max(axis=0),
        slope=_at(chebyshev.chebder(columns), root) / half,
        tangents=np.array([_at(fit, root) for fit in fits]).reshape(len(slopes), len(root)),
    )
    return _Panel(crossed, hole, last, above, roots)


def _record(found: Roots, lanes: np.ndarray, panel: _Panel) -> None:
    """Write a panel's roots to their lanes."""
    chosen = lanes[panel.crossed]
    *fields, tangents = zip(found, panel.roots, strict=True)
    for target, source in fields:
        target[chosen] = source
    tangents[0][: len(tangents[1]), chosen] = tangents[1]


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
            tangents = jax.tree.map(np.asarray, _tangents(padded(at), padded(swept), jnp.asarray(times)))
            pairs = [(law, Law(*(leaf[i] for leaf in tangents))) for i, law in enumerate(laws)]
            rows = over_laws(lambda pair: balances_with_slopes(pair[0], pair[1], sizes, rule.name), pairs)
            values, slopes = np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows], axis=1)
        return values[:, :count], slopes[:, :, :count]

    return evaluate


def _start(rule: Criterion, at: Setting, log_sizes: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Above the leading-order critical times, and the supported window."""
    largest = float(jnp.max(at.variances))
    limits = tuple(np.log(largest) + np.log(_SUPPORTED)) if largest > 0 else (0.0, 0.0)
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
    """`critical_time` at level finite_n: roots of the interpolant, corrected by one Newton step."""
    valid = np.isfinite(log_sizes) & (log_sizes >= SMALLEST_LOG_SIZE)
    # A lane that is no size runs on the largest one, which the walk reaches anyway, and is not looked at.
    sizes = np.where(valid, log_sizes, log_sizes[valid].max(initial=SMALLEST_LOG_SIZE))
    start, limits = _start(rule, at, sizes)
    if window is not None:
        limits = (max(limits[0], np.log(window[0])), min(limits[1], np.log(window[1])))
    roots = _roots(_evaluator(rule, at, None, sizes), sizes, start, limits)
    found = np.flatnonzero(valid & (roots.status == Status.CONVERGED))

    def exact(points: np.ndarray) -> np.ndarray:
        pairs = list(zip(laws_of(at, np.exp(points)), sizes[found, None], strict=True))
        return np.array(over_laws(lambda pair: balances(pair[0], pair[1], rule.name)[0], pairs))

    log_time, residual = roots.log_time, np.full(len(sizes), np.nan)
    if len(found):
        log_time[found] -= exact(log_time[found]) / roots.slope[found]
        residual[found] = exact(log_time[found])
    solved = np.where(np.abs(residual) <= _RESIDUAL, Status.CONVERGED, Status.NOT_CONVERGED)
    status = np.where(roots.status == Status.CONVERGED, solved, roots.status)
    status = np.where(valid, status, Status.INVALID).astype(np.int8)
    return _answer(log_time, status, residual, np.exp(roots.lower), np.exp(roots.upper))


def _answer(
    log_value: np.ndarray, status: np.ndarray, residual: np.ndarray, lower: np.ndarray, upper: np.ndarray
) -> Transition:
    """Two evaluations at most follow the interpolant."""
    iterations = np.where(status == Status.CONVERGED, 2, 0)
    return transition(*map(jnp.asarray, (log_value, status, residual, lower, upper, iterations)))


def quenched_lane(
    rule: Criterion, at: Setting, swept: Setting | None, log_sizes: Float[np.ndarray, " sizes"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Critical times of one spectrum for a diagram, their status, and the sensitivities d ln t_c/d ln s.

    `swept` is the tangent of the setting to the block's ln s with the spectrum following;
    without it the sensitivities are NaN. Times are those of the interpolant.
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
    log_value, residual, lower, upper, status = np.array(rows).T
    status = np.where(valid, status, Status.INVALID).astype(np.int8)
    return _answer(log_value, status, residual, np.exp(lower), np.exp(upper))


def _largest_size(law: Law, highest: float, criterion: str) -> tuple[float | int, ...]:
    """Largest root in ln N: scan, interpolate inside the cell, evaluate at the root."""
    scan = np.linspace(highest, np.log(2.0), 96)
    values = balances(law, scan, criterion)
    nothing = (np.nan,) * 4
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
    for _ in range(2):
        residual = float(balances(law, np.array([root]), criterion)[0])
        if abs(residual) <= _RESIDUAL:
            return root, residual, low, high, int(Status.CONVERGED)
        root -= residual / float(series.deriv()(root))
    return (*nothing, int(Status.NOT_CONVERGED))
