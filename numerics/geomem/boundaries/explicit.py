"""Critical times and sizes where the critical size is explicit in t: a scan of ln N_c(t) serves every size."""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int8

from geomem.core.arguments import SMALLEST_LOG_SIZE, float_array
from geomem.core.crossing import first_crossing
from geomem.core.results import Transition, status_of, transition
from geomem.core.status import InputError
from geomem.laws.law import Law
from geomem.laws.setting import Setting, opening_time
from geomem.levels.level import Explicit, Level
from geomem.levels.question import Question

# Default window, in units of the largest variance, and the spacing of the scan in ln t. The equations vary on
# the scale of one e-fold; the scan's spacing only limits how close two roots in one cell may be.
_WINDOW = (1e-12, 1e6)
_SPACING = 0.08
DEFAULT_CELLS = math.ceil(math.log(_WINDOW[1] / _WINDOW[0]) / _SPACING)


class Lanes(NamedTuple):
    """Critical times of many spectra and directions, one a lane, and their sensitivities d ln t_c/d ln s."""

    value: Float[Array | np.ndarray, "lanes sizes"]
    status: Int8[Array | np.ndarray, "lanes sizes"]
    opening_time: Float[Array | np.ndarray, " lanes"]
    swept: Float[Array | np.ndarray, "lanes sizes"]  # the spectrum following
    probed: Float[Array | np.ndarray, "lanes sizes"]  # the spectrum fixed, of the probed direction alone


def times(
    question: Question[Explicit],
    at: Setting,
    log_sizes: Float[Array | np.ndarray, " sizes"],
    window: tuple[float | int, float | int] | None,
) -> Transition:
    """`critical_time` for one direction and many sizes."""
    return solve_times(question, at, jnp.asarray(log_sizes), *search_window(at, window))


def sizes(
    question: Question[Explicit], at: Setting, noise_variances: Float[Array | np.ndarray, " times"]
) -> Transition:
    """`critical_size` for one direction and many noise variances."""
    return _solve_sizes(question, at, jnp.asarray(noise_variances))


def lanes(
    question: Question[Explicit],
    laws: Law,
    indicators: Float[np.ndarray, "lanes blocks"],
    log_sizes: Float[np.ndarray, " sizes"],
    log_probed: Float[np.ndarray, " lanes"] | None = None,
) -> Lanes:
    """Critical times and sensitivities of laws with a leading axis, each in the block its indicator marks.

    `log_probed` is ln s of the lanes' directions less that of their blocks, if they have their own.
    """
    given = jax.tree.map(jnp.asarray, (indicators, log_sizes, log_probed))
    return jax.tree.map(np.asarray, solve_lanes(question, laws, *given))


def times_of_spectra(
    question: Question[Explicit],
    law: Law,
    variances: Float[np.ndarray, "spectra blocks"],
    log_sizes: Float[np.ndarray, " sizes"],
) -> tuple[Float[np.ndarray, "spectra blocks sizes"], Int8[np.ndarray, "blocks sizes"]]:
    """Logarithms of critical times of the law with each of these spectra, and the status of the first one's."""
    solved = _solve_spectra(question, law, jnp.asarray(variances), jnp.asarray(log_sizes))
    return np.asarray(solved.log_value), np.asarray(solved.status[0])


def search_window(at: Setting, window: tuple[float | int, float | int] | None) -> tuple[Float[Array, " ends"], int]:
    """Ends of the search in ln t and the number of cells of its scan.

    Raises:
        InputError: if the window is not a pair 0 < lower < upper < infinity.
    """
    if window is None:
        return spectrum_window(at.largest_variance)
    ends = float_array(window, "the window")
    lower, upper = ends if ends.shape == (2,) else (math.nan, math.nan)
    if not 0 < lower < upper < math.inf:
        raise InputError(f"the window {window} must be two noise variances, 0 < lower < upper < infinity")
    ends = np.log([lower, upper])
    return jnp.asarray(ends), math.ceil((ends[1] - ends[0]) / _SPACING)


def spectrum_window(largest: Float[Array, ""]) -> tuple[Float[Array, " ends"], int]:
    """The default search for a spectrum whose largest variance is this."""
    # A law without variance has no scale and no transition; any window shows that.
    return jnp.log(jnp.where(largest > 0, largest, 1.0)) + np.log(_WINDOW), DEFAULT_CELLS


@partial(jax.jit, static_argnames="num_cells")
def solve_times(
    question: Question[Explicit],
    at: Setting,
    log_sizes: Float[Array, " lanes"],
    limits: Float[Array, " ends"],
    num_cells: int,
) -> Transition:
    """Critical times at an explicit level within these limits in ln t."""
    level, criterion = question.level, question.criterion
    valid = jnp.isfinite(log_sizes) & (log_sizes >= SMALLEST_LOG_SIZE) & _is_spectrum(at)
    crossing = first_crossing(
        lambda log_t: level.log_size(criterion, at, jnp.exp(log_t)), log_sizes, limits[0], limits[1], num_cells
    )
    found = jnp.exp(crossing.point)
    residual = jax.vmap(partial(level.balance, criterion, at))(found, log_sizes)
    in_validity = jax.vmap(partial(level.valid, criterion, at))(found, log_sizes)
    status = status_of(valid, crossing.found, residual, log_sizes, in_validity)
    return transition(
        crossing.point, status, residual, jnp.exp(crossing.lower), jnp.exp(crossing.upper), crossing.iterations
    )


@jax.jit
def _solve_sizes(question: Question[Explicit], at: Setting, noise_variances: Float[Array, " lanes"]) -> Transition:
    level, criterion = question.level, question.criterion
    valid = jnp.isfinite(noise_variances) & (noise_variances > 0) & _is_spectrum(at)
    known = jnp.where(valid, noise_variances, 1.0)
    log_sizes = jax.vmap(partial(level.log_size, criterion, at))(known)
    exists = jnp.isfinite(log_sizes)
    log_sizes = jnp.where(exists, log_sizes, 0.0)
    residual = jax.vmap(partial(level.balance, criterion, at))(known, log_sizes)
    in_validity = jax.vmap(partial(level.valid, criterion, at))(known, log_sizes)
    status = status_of(valid, exists, residual, log_sizes, in_validity)
    found = jnp.exp(log_sizes)
    return transition(log_sizes, status, residual, found, found, jnp.zeros(log_sizes.shape, dtype=int))


def _is_spectrum(at: Setting) -> Bool[Array, ""]:
    """Whether the spectrum is one, for what was traced when the law was made."""
    variances = jnp.isfinite(at.variances) & (at.variances >= 0)
    # None in the blocks that `Setting.beside` adds, which only hold what a probe has along two directions.
    none = (at.multiplicities == 0) & (at.indicator != 0) & (jnp.min(at.indicator) < 0)
    multiplicities = none | ((at.multiplicities >= 1) & (at.multiplicities == jnp.round(at.multiplicities)))
    return (variances & multiplicities).all()


@jax.jit
def solve_lanes(
    question: Question[Explicit],
    laws: Law,
    indicators: Float[Array, "lanes blocks"],
    log_sizes: Float[Array, " sizes"],
    log_probed: Float[Array, " lanes"] | None = None,
) -> Lanes:
    """`lanes`, compiled as one."""

    def lane(given: tuple[Law, Array, Array | None]) -> Lanes:
        law, indicator, own = given
        nothing = jnp.array(0.0)
        at = law.setting(indicator, question.probe)
        at = at if own is None else varied_setting(question, law, indicator, nothing, own)
        found = solve_times(question, at, log_sizes, *search_window(at, None))
        place = partial(_sensitivities, question, law, indicator, nothing if own is None else own)
        swept, probed = jax.vmap(place)(found.log_value)
        return Lanes(found.value, found.status, opening_time(at.probed_variance), swept, probed)

    # One spectrum after another: its table and its sizes stay in the processor's cache.
    return jax.lax.map(lane, (laws, indicators, log_probed))


def varied_setting(
    question: Question[Level], law: Law, indicator: Array, log_swept: Array, log_probed: Array
) -> Setting:
    """What sensitivities are derivatives at: the block's variance changed, and the direction exchanged for another."""
    variances = law.variances * jnp.exp(indicator * log_swept)
    return law.with_variances(variances).setting(indicator, question.probe).beside(jnp.exp(log_probed))


@jax.jit
def varied_with_tangents(
    question: Question[Level], law: Law, indicator: Float[Array, " blocks"], log_own: Float[Array, ""]
) -> tuple[Setting, Setting]:
    """The direction's setting, and its tangents as the block's variance and the direction's own one change."""

    def varied(logs: Array) -> Setting:
        return varied_setting(question, law, indicator, logs[0], logs[1])

    place = jnp.stack([jnp.zeros_like(log_own), log_own])
    return varied(place), jax.vmap(lambda along: jax.jvp(varied, (place,), (along,))[1])(jnp.eye(2))


def _sensitivities(
    question: Question[Explicit], law: Law, indicator: Array, own: Array, log_time: Array
) -> tuple[Array, Array]:
    """d ln t_c/d ln s by the implicit-function theorem: the spectrum following, and from direction to direction."""

    def log_size(log_t: Array, log_swept: Array, log_probed: Array) -> Array:
        at = varied_setting(question, law, indicator, log_swept, log_probed)
        return question.level.log_size(question.criterion, at, jnp.exp(log_t))

    slope, swept, probed = jax.grad(log_size, argnums=(0, 1, 2))(log_time, jnp.array(0.0), own)
    return -swept / slope, -probed / slope


@jax.jit
def _solve_spectra(
    question: Question[Explicit], law: Law, variances: Float[Array, "spectra blocks"], log_sizes: Float[Array, " sizes"]
) -> Transition:
    """Critical times, (spectra, blocks, sizes), compiled as one."""

    def of_block(spectrum: Array, indicator: Array) -> Transition:
        at = law.with_variances(spectrum).setting(indicator, question.probe)
        return solve_times(question, at, log_sizes, *search_window(at, None))

    def of_blocks(spectrum: Array) -> Transition:
        return jax.vmap(lambda indicator: of_block(spectrum, indicator))(jnp.eye(law.num_blocks))

    # One spectrum after another: all their tables at once would not stay in the processor's cache.
    return jax.lax.map(of_blocks, variances)
