"""Critical times and sizes at level finite_n, where no equation is explicit in N.

The criterion's balance is followed in ln t, downward from above the leading-order
critical times, until it has changed sign at every size or the condensation is too deep;
one table of single-sample averages at each noise variance serves all sizes. Where it
changes sign, an interpolant at Chebyshev nodes has the root.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int8
from numpy.polynomial import chebyshev
from scipy.optimize import elementwise

from geomem.boundaries.critical import critical_time
from geomem.boundaries.explicit import DEFAULT_CELLS, solve_times
from geomem.boundaries.walk import TOLERANCE, walk_to_roots
from geomem.core.arguments import SMALLEST_LOG_SIZE
from geomem.core.progress import bar
from geomem.core.results import Transition, transition
from geomem.core.status import Status
from geomem.laws.manifold import Manifold, opening_time
from geomem.laws.probe import Probe
from geomem.levels.contours import Law
from geomem.levels.criteria import Criterion, Setting, setting
from geomem.levels.finite_n import balances, evaluator, spectrum_slopes
from geomem.levels.quenched import laws_of, over_laws

# What a solved balance may be off, and how many Newton steps it may take from the interpolant's root.
_RESIDUAL, _NEWTON = 1e-8, 3


# Balances are supported from here to here, in units of the largest variance.
_SUPPORTED = (1e-8, 1e6)
_LARGEST_LOG_SIZE = np.log(1e15)


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
    roots = walk_to_roots(evaluator(rule, at, None, sizes), sizes, start, limits)
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
    roots = walk_to_roots(evaluator(rule, at, swept, log_sizes), log_sizes, start, limits)
    missed = (roots.status == Status.CONVERGED) & ~(roots.error <= TOLERANCE)
    status = np.where(missed, Status.NOT_CONVERGED, roots.status).astype(np.int8)
    known = status == Status.CONVERGED
    slopes = np.where(known, -roots.tangents / roots.slope, np.nan)
    return np.where(known, np.exp(roots.log_time), np.nan), status, slopes


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


def solve_quenched(
    rule: Criterion,
    manifolds: Manifold,
    indicators: Float[np.ndarray, "lanes blocks"],
    probe: Probe,
    log_sizes: Float[np.ndarray, " sizes"],
) -> tuple[np.ndarray, ...]:
    """Critical times, status, opening times and both sensitivities at level finite_n."""
    rows = []
    with bar("critical times", len(indicators)) as report:
        for lane in range(len(indicators)):
            law = Manifold(manifolds.variances[lane], manifolds.multiplicities[lane])
            indicator = jnp.asarray(indicators[lane])
            at = setting(law, indicator, probe)
            # The derivative of the setting with respect to the block's ln s.
            swept = jax.tree.map(jnp.zeros_like, at)._replace(
                variances=indicator * at.variances, probed_variance=at.probed_variance
            )
            value, status, slopes = quenched_lane(rule, at, swept, log_sizes)
            rows.append((value, status, float(at.probed_variance), *slopes))
            report(lane + 1)
    value, status, probed, swept_slope, probe_slope = (np.array(column) for column in zip(*rows, strict=True))
    opening = np.asarray(jax.vmap(opening_time)(jnp.asarray(probed)))
    return value, status, opening, swept_slope, probe_slope


def linear_times(
    rule: Criterion,
    manifold: Manifold,
    variances: Float[np.ndarray, "spectra blocks"],
    probe: Probe,
    log_sizes: Float[np.ndarray, " sizes"],
) -> tuple[Float[np.ndarray, "spectra blocks sizes"], Int8[np.ndarray, "blocks sizes"]]:
    """Logarithms of critical times at level finite_n, and the status of the first spectrum, the manifold's own.

    The first two spectra are solved, the others taken linear in ln s about the second.
    """
    blocks = np.arange(manifold.num_blocks)
    varying = blocks[variances[1] > 0]
    changes = np.log(variances[2:, varying] / variances[1, varying])
    log_times = np.zeros((len(variances), len(blocks), len(log_sizes)))
    status = np.zeros(log_times.shape[1:], dtype=np.int8)
    law = Manifold(variances[1], manifold.multiplicities)
    with bar("critical times", len(blocks)) as report:
        for block in blocks:
            for place, spectrum in enumerate((manifold, law)):
                found = critical_time(
                    spectrum, block, log_num_samples=log_sizes, criterion=rule.name, theory=rule.level, probe=probe
                )
                log_times[place, block] = found.log_value
                if spectrum is manifold:
                    status[block] = found.status
            at = setting(law, law.indicator(block), probe)
            for column, log_size in enumerate(log_sizes):
                slopes = spectrum_slopes(rule, at, log_times[1, block, column], log_size, varying)
                log_times[2:, block, column] = log_times[1, block, column] + changes @ slopes
            report(int(block) + 1)
    return log_times, status
