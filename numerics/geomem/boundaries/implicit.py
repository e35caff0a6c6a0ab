"""Critical times and sizes where the criterion's balance is a table, costly at every noise variance, for all sizes.

The balance is followed in ln t, downward from above most critical times, until it has changed sign at every size or
is not known; polynomials through the points of that walk have the roots (`boundaries.walk`). Where sizes do not share
what a noise variance costs, every size is followed by itself (`boundaries.scan`).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Int8

from geomem.boundaries.differentiable import differentiable
from geomem.boundaries.explicit import Lanes, varied_with_tangents
from geomem.boundaries.scan import scan_to_roots
from geomem.boundaries.size_scan import LARGEST_LOG_SIZE, RESIDUAL, SCAN, STEPS, first_cell, roots_in_cells
from geomem.boundaries.walk import Evaluate, Roots, walk_to_roots
from geomem.core.arguments import SMALLEST_LOG_SIZE
from geomem.core.derivatives import is_traced
from geomem.core.progress import bar
from geomem.core.results import Transition, transition
from geomem.core.status import InputError, Status
from geomem.laws.law import Law
from geomem.laws.setting import Setting, opening_time
from geomem.levels.lanes import in_threads
from geomem.levels.level import Implicit
from geomem.levels.question import Question
from geomem.lowering import lower

_gaussian_critical_time = lower("gaussian_critical_time")
# Error of the interpolant's root in ln t: where steps follow, and where it is the answer.
_ROUGH, _FINE = 1e-3, 1e-6


def times(
    question: Question[Implicit],
    at: Setting,
    log_sizes: Float[Array | np.ndarray, " sizes"],
    window: tuple[float | int, float | int] | None,
) -> Transition:
    """`critical_time` for one direction and many sizes, with derivatives."""
    ends = None if window is None else (float(window[0]), float(window[1]))
    search = differentiable(_search_times, question.criterion, question.level, ends)
    found = search(at, jnp.asarray(log_sizes))
    integers = {"status": found.status.astype(jnp.int8), "iterations": found.iterations.astype(int)}
    return found._replace(value=jnp.exp(found.log_value), **integers)


def _search_times(
    question: Question[Implicit],
    at: Setting,
    given: Float[np.ndarray, " sizes"],
    window: tuple[float, float] | None,
) -> Transition:
    """Roots of the interpolant, corrected by secant steps."""
    valid, wanted = walked_sizes(given)
    start, limits = start_of_walk(question, at, wanted, window)
    roots = _roots(question, at, None, wanted, start, limits, _ROUGH)
    log_time, residual = roots.log_time, np.full(len(wanted), np.nan)
    iterations = np.zeros(len(wanted), dtype=int)
    open_ = valid & (roots.status == Status.CONVERGED)
    slope, step = roots.slope.copy(), np.zeros(len(wanted))
    while open_.any():
        before = residual.copy()
        places = (np.exp(log_time[open_]), wanted[open_, None])
        residual[open_] = _balances(question, at)(*places)[:, 0]
        # The interpolant's slope, and from the second step on that between the last two points.
        moved = open_ & (step != 0) & (residual != before)
        slope[moved] = (residual - before)[moved] / step[moved]
        # Where the balance is flat, a small one may be far from the root.
        with np.errstate(divide="ignore", invalid="ignore"):
            ahead = -residual / slope
        open_ &= (np.maximum(np.abs(residual), np.abs(ahead)) > RESIDUAL) & (iterations < STEPS)
        moved_to = np.clip(log_time + ahead, roots.lower, roots.upper)
        step[open_] = (moved_to - log_time)[open_]
        log_time[open_] = moved_to[open_]
        iterations[open_] += 1
    solved = np.where(np.abs(residual) <= RESIDUAL, Status.CONVERGED, Status.NOT_CONVERGED)
    status = np.where(roots.status == Status.CONVERGED, solved, roots.status)
    status = np.where(valid, _judged(question, at, np.exp(log_time), status), Status.INVALID).astype(np.int8)
    fields = (log_time, status, residual, np.exp(roots.lower), np.exp(roots.upper), iterations)
    return transition(*map(jnp.asarray, fields))


def sizes(
    question: Question[Implicit], at: Setting, noise_variances: Float[Array | np.ndarray, " times"]
) -> Transition:
    """`critical_size` for one direction and many noise variances: the largest root in ln N.

    Raises:
        InputError: for traced values, which this search cannot follow.
    """
    if is_traced((at, noise_variances)):
        raise InputError(
            f"critical_size at theory {question.level.name!r} is not traced by JAX; use theory "
            f"{question.level.leading.name!r}, or critical_time"
        )
    given = np.asarray(noise_variances)
    valid = np.isfinite(given) & (given > 0)
    known = np.where(valid, given, 1.0)
    leading = question.level.leading
    guesses = np.asarray(jax.vmap(partial(leading.log_size, question.criterion, at))(jnp.asarray(known)))
    highest = np.maximum(LARGEST_LOG_SIZE, np.where(np.isfinite(guesses), guesses + 3.0, 0.0))
    scans = np.linspace(highest, np.log(2.0), SCAN, axis=1)
    values = _balances(question, at)(known, scans)
    cells, status = zip(*map(first_cell, values), strict=True)
    rows = np.full((4, len(given)), np.nan)
    iterations, status = np.zeros(len(given), dtype=int), np.array(status)
    crossed = np.flatnonzero(status == Status.CONVERGED)
    if len(crossed):
        cell = np.array(cells)[crossed]
        low, high = scans[crossed, cell], scans[crossed, cell - 1]
        found = roots_in_cells(partial(_balances(question, at), known[crossed]), low, high)
        rows[:, crossed] = [*found[:2], low, high]
        iterations[crossed], status[crossed] = found[2:]
    status = np.where(valid, _judged(question, at, known, status), Status.INVALID).astype(np.int8)
    fields = (rows[0], status, rows[1], *np.exp(rows[2:]), iterations)
    return transition(*map(jnp.asarray, fields))


def lanes(
    question: Question[Implicit],
    laws: Law,
    indicators: Float[np.ndarray, "lanes blocks"],
    log_sizes: Float[np.ndarray, " sizes"],
    log_probed: Float[np.ndarray, " lanes"] | None = None,
) -> Lanes:
    """Critical times and sensitivities of laws with a leading axis, each in the block its indicator marks.

    `log_probed` is ln s of the lanes' directions less that of their blocks, if they have their own. Times are those
    of the interpolant.
    """
    own = np.zeros(len(indicators)) if log_probed is None else log_probed
    laws, solved = jax.tree.map(np.asarray, laws), count(1)
    with bar("critical times", len(indicators)) as report:

        def row(lane: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
            law = jax.tree.map(lambda leaf: leaf[lane], laws)
            found = _lane(question, law, indicators[lane], own[lane], log_sizes)
            report(next(solved))
            return found

        # A lane alone leaves processors idle wherever it asks for a single noise variance.
        rows = in_threads(row, range(len(indicators)))
    value, status, slopes, opening = (np.array(column) for column in zip(*rows, strict=True))
    return Lanes(value, status, opening, slopes[:, 0], slopes[:, 1])


def times_of_spectra(
    question: Question[Implicit],
    law: Law,
    variances: Float[np.ndarray, "spectra blocks"],
    log_sizes: Float[np.ndarray, " sizes"],
) -> tuple[Float[np.ndarray, "spectra blocks sizes"], Int8[np.ndarray, "blocks sizes"]]:
    """Logarithms of critical times of the law with each of these spectra, and the status of the first one's.

    The first two spectra are solved, the others taken linear in ln s about the second.
    """
    blocks = np.arange(law.num_blocks)
    varying = blocks[variances[1] > 0]
    changes = np.log(variances[2:, varying] / variances[1, varying])
    log_times = np.zeros((len(variances), len(blocks), len(log_sizes)))
    status = np.zeros(log_times.shape[1:], dtype=np.int8)
    with bar("critical times", len(blocks)) as report:
        for block in blocks:
            places = [
                law.with_variances(jnp.asarray(spectrum)).setting(law.indicator(block), question.probe)
                for spectrum in variances[:2]
            ]
            solved = [times(question, at, log_sizes, None) for at in places]
            log_times[:2, block] = [one.log_value for one in solved]
            status[block] = solved[0].status
            for column, log_size in enumerate(log_sizes):
                slopes = spectrum_slopes(question, places[1], log_times[1, block, column], log_size, varying)
                log_times[2:, block, column] = log_times[1, block, column] + changes @ slopes
            report(int(block) + 1)
    return log_times, status


def spectrum_slopes(
    question: Question[Implicit], at: Setting, log_time: float, log_size: float, varying: Int[np.ndarray, " varying"]
) -> Float[np.ndarray, " varying"]:
    """Derivatives of a critical time's logarithm with respect to ln s of these blocks."""
    if np.isnan(log_time):
        return np.full(len(varying), np.nan)
    time, size = np.array([np.exp(log_time)]), np.array([log_size])

    nothing = jax.tree.map(lambda leaf: jnp.zeros_like(leaf)[None], at)

    def slope(block: int) -> float:
        along = jnp.zeros(len(at.variances)).at[block].set(1.0)
        probed = jnp.dot(at.indicator, along) * at.probed_variance
        tangent = replace(nothing, variances=(along * at.variances)[None], probed_variance=probed[None])
        of_time, of_variance = question.level.balances_with_slopes(question.criterion, at, tangent, time, size)[1]
        return -of_variance.item() / of_time.item()

    return np.array([slope(int(block)) for block in varying])


def _roots(
    question: Question[Implicit],
    at: Setting,
    tangents: Setting | None,
    log_sizes: np.ndarray,
    start: float,
    limits: tuple[float, float],
    error: float,
) -> Roots:
    """Roots of every size's balance, with slopes along the tangents if there are.

    The error is asked for where sizes share what a noise variance costs; else it is much less.
    """
    if question.level.sizes_share:
        return walk_to_roots(_evaluator(question, at, tangents, log_sizes), start, limits, error)
    roots = scan_to_roots(_balances(question, at), log_sizes, start, limits)
    return roots if tangents is None else _with_tangents(question, at, tangents, log_sizes, roots)


def _with_tangents(
    question: Question[Implicit], at: Setting, tangents: Setting, log_sizes: np.ndarray, roots: Roots
) -> Roots:
    """The roots with the slopes of the balance there, in ln t and along the tangents."""
    slopes = np.full((3, len(log_sizes)), np.nan)
    known = np.isfinite(roots.log_time)
    if known.any():
        places = (np.exp(roots.log_time[known]), log_sizes[known, None])
        slopes[:, known] = question.level.balances_with_slopes(question.criterion, at, tangents, *places)[1][..., 0]
    return roots._replace(slope=slopes[0], tangents=slopes[1:])


def _balances(question: Question[Implicit], at: Setting) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The balance as a function of noise variances and sizes."""
    return partial(question.level.balances, question.criterion, at)


def _judged(
    question: Question[Implicit], at: Setting, times: Float[np.ndarray, " lanes"], status: Int[np.ndarray, " lanes"]
) -> Int8[np.ndarray, " lanes"]:
    """The status of critical noise variances, OUT_OF_VALIDITY where the level's equation does not hold."""
    judged, found = status.astype(np.int8), np.flatnonzero(status == Status.CONVERGED)
    judged[found[~question.level.holds(question.criterion, at, times[found])]] = Status.OUT_OF_VALIDITY
    return judged


def _evaluator(question: Question[Implicit], at: Setting, tangents: Setting | None, log_sizes: np.ndarray) -> Evaluate:
    """What a walk evaluates for these sizes; with slopes if there are tangents."""
    level, followed = question.level, question.level.followed(question.criterion, at)

    def evaluate(log_times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if tangents is not None:
            return level.balances_with_slopes(followed, at, tangents, np.exp(log_times), log_sizes)
        values = level.balances(followed, at, np.exp(log_times), log_sizes)
        return values, np.zeros((0, *values.shape))

    return evaluate


def walked_sizes(given: Float[np.ndarray, " sizes"]) -> tuple[Bool[np.ndarray, " sizes"], Float[np.ndarray, " sizes"]]:
    """Which sizes are sizes; others run on the largest one, which the walk reaches anyway, and are not looked at."""
    valid = np.isfinite(given) & (given >= SMALLEST_LOG_SIZE)
    return valid, np.where(valid, given, given[valid].max(initial=SMALLEST_LOG_SIZE))


def start_of_walk(
    question: Question[Implicit],
    at: Setting,
    log_sizes: np.ndarray,
    window: tuple[float | int, float | int] | None = None,
) -> tuple[float, tuple[float, float]]:
    """Above most critical times, and the supported window, within the given one: none where there is no transition."""
    largest = float(at.largest_variance)
    if not largest > 0 or not question.level.has_transition(question.criterion, at):
        return 0.0, (0.0, 0.0)
    # The walk goes up from a start that is too low.
    published = float(_published_time(at, jnp.asarray(log_sizes.min())))
    lower, upper = np.log(largest) + np.log(question.level.supported)
    if window is not None:
        lower, upper = max(lower, np.log(window[0])), min(upper, np.log(window[1]))
    return float(np.log(max(largest, published))) + 1.0, (float(lower), float(upper))


@jax.jit
def _published_time(at: Setting, log_size: Float[Array, ""]) -> Float[Array, ""]:
    """Where the energy's two cumulants condense: a closed form, and near the exact time where that is high."""
    return _gaussian_critical_time(at.second_cumulant(at.largest_variance), log_size)


def _lane(
    question: Question[Implicit],
    law: Law,
    indicator: Float[np.ndarray, " blocks"],
    log_own: np.floating,
    log_sizes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Critical times of one direction, their status, the sensitivities to both variations, and its opening time."""
    at, tangents = varied_with_tangents(question, law, indicator, log_own)
    start, limits = start_of_walk(question, at, log_sizes)
    roots = _roots(question, at, tangents, log_sizes, start, limits, _FINE)
    missed = (roots.status == Status.CONVERGED) & ~(roots.error <= _FINE)
    status = np.where(missed, Status.NOT_CONVERGED, roots.status).astype(np.int8)
    known = status == Status.CONVERGED
    status = _judged(question, at, np.exp(roots.log_time), status)
    slopes = np.where(known, -roots.tangents / roots.slope, np.nan)
    return np.where(known, np.exp(roots.log_time), np.nan), status, slopes, float(opening_time(at.local_variance))
