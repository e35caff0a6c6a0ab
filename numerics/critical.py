"""Critical times at fixed data-set size and critical sizes at fixed noise variance."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float

from numerics.criteria import Criterion, Setting, find_criterion, setting
from numerics.laws import GaussianMixture
from numerics.manifold import Manifold, float_array
from numerics.mixture_criteria import MixtureCriterion, MixtureSetting, find_mixture_criterion, mixture_setting
from numerics.probe import Probe
from numerics.roots import first_crossing
from numerics.solution import Numbers, Transition
from numerics.status import InputError, Status

# Default window, in units of the largest variance, and the spacing of the scan in ln t. The equations vary on
# the scale of one e-fold; the scan's spacing only limits how close two roots in one cell may be.
_WINDOW = (1e-12, 1e6)
_SPACING = 0.08

DEFAULT_CELLS = math.ceil(math.log(_WINDOW[1] / _WINDOW[0]) / _SPACING)

# A root is accepted if its equation is solved to this, relative to ln N where that is large.
_RESIDUAL_TOLERANCE = 1e-10

SMALLEST_LOG_SIZE = math.log(2) * (1 - 1e-15)


def critical_time(
    manifold: Manifold | GaussianMixture,
    block: int | np.integer,
    *,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    criterion: str,
    theory: str,
    probe: Probe = Probe.along(),
    window: tuple[float | int, float | int] | None = None,
) -> Transition:
    """Noise variance at which a direction of `block` is lost, for every data-set size.

    Args:
        manifold: the data's law. Of a `GaussianMixture` the first direction of the block is probed, from
            the origin of its coordinates, at level `rem`.
        block: the block that holds the probed direction, from 0.
        num_samples: data-set sizes N of any shape; give this or `log_num_samples` = ln N.
        criterion: `condensation`, `participation` or `signal_to_noise`.
        theory: `gaussian_rem`, `rem` or `finite_n`.
        probe: where the score is evaluated.
        window: noise variances between which to search, by default 1e-12 and 1e6 times
            the largest variance. The largest root is returned.

    Returns:
        A `Transition` of the sizes' shape, in squared units of the data. Differentiable
        with respect to the manifold's variances and ln N, but at level `finite_n`, which
        runs in Python (`phase_diagram` has its derivatives in the variances). There a lane
        that condenses below a tilt of 1e-3 before it crosses is NaN and OUT_OF_VALIDITY. Source: `theory`, equations
        `critical_log_size_probed`, `gaussian_critical_log_size_probed`,
        `sphere_critical_log_size_probed` and `signal_to_noise_log_size_probed`.

    Raises:
        InputError: for an unknown block, criterion or theory, a combination that the
            theory does not have, a single size below 2, or a window that is no interval.
            In a batch of sizes, a bad one gives NaN with status INVALID.
    """
    rule, at = _rule_and_setting(manifold, block, criterion, theory, probe)
    log_sizes = as_log_sizes(num_samples, log_num_samples)
    limits, num_cells = search_window(manifold, window)
    if isinstance(rule, Criterion) and isinstance(at, Setting) and rule.level == "finite_n":
        from numerics.transitions import quenched_times  # which needs this module's leading order

        flat = quenched_times(rule, at, np.ravel(np.asarray(log_sizes)), window)
        return jax.tree.map(lambda field: field.reshape(log_sizes.shape), flat)
    flat = solve_times(rule, at, log_sizes.ravel(), limits, num_cells)
    return jax.tree.map(lambda field: field.reshape(log_sizes.shape), flat)


def critical_size(
    manifold: Manifold | GaussianMixture,
    block: int | np.integer,
    *,
    noise_variance: Numbers,
    criterion: str,
    theory: str,
    probe: Probe = Probe.along(),
) -> Transition:
    """Number of training samples above which a direction of `block` is kept, for every noise variance.

    Explicit at levels `gaussian_rem` and `rem`; at `finite_n` the largest root in ln N up
    to 1e15 (or e^3 times the leading order, if that is more). Arguments as for `critical_time`.
    A direction without variance is never lost, and at a probe without a coordinate along
    it never resolved: NO_TRANSITION.

    Raises:
        InputError: as `critical_time`, and for a single noise variance that is not
            positive and finite.
    """
    rule, at = _rule_and_setting(manifold, block, criterion, theory, probe)
    values = as_noise_variances(noise_variance)
    if isinstance(rule, Criterion) and isinstance(at, Setting) and rule.level == "finite_n":
        from numerics.transitions import quenched_sizes

        flat = quenched_sizes(rule, at, np.ravel(np.asarray(values)))
    else:
        flat = _solve_sizes(rule, at, values.ravel())
    return jax.tree.map(lambda field: field.reshape(values.shape), flat)


def _rule_and_setting(
    law: Manifold | GaussianMixture, block: int | np.integer, criterion: str, theory: str, probe: Probe
) -> tuple[Criterion | MixtureCriterion, Setting | MixtureSetting]:
    if isinstance(law, GaussianMixture):
        return find_mixture_criterion(theory, criterion, probe), mixture_setting(law, block, probe)
    return find_criterion(theory, criterion, law.normalized), setting(law, law.indicator(block), probe)


def as_log_sizes(
    num_samples: Numbers | None,
    log_num_samples: Numbers | None,
) -> Float[Array | np.ndarray, "..."]:
    """ln N from whichever of the two was given.

    Raises:
        InputError: unless exactly one is given, or if it is a single size below 2.
    """
    if num_samples is not None and log_num_samples is None:
        sizes = _single_or_batch(num_samples, lambda n: 2 <= n < math.inf, "num_samples", "finite and at least 2")
        if isinstance(sizes, jax.Array):
            return jnp.log(sizes)
        with np.errstate(all="ignore"):  # the solver marks what is no size
            return np.asarray(np.log(sizes))
    if log_num_samples is not None and num_samples is None:
        return _single_or_batch(
            log_num_samples, lambda ln: SMALLEST_LOG_SIZE <= ln < math.inf, "log_num_samples", "finite, at least ln 2"
        )
    raise InputError("give the data-set size as exactly one of num_samples and log_num_samples")


def as_noise_variances(values: Numbers) -> Float[Array | np.ndarray, "..."]:
    """Noise variances as float64.

    Raises:
        InputError: if it is a single one that is not positive and finite.
    """
    return _single_or_batch(values, lambda t: 0 < t < math.inf, "the noise variance", "positive and finite")


def positive_noise_variances(values: Numbers) -> Float[np.ndarray, "..."]:
    """Noise variances for what has no status to mark a bad one with.

    Raises:
        InputError: if any of them is not positive and finite.
    """
    times = np.asarray(as_noise_variances(values), dtype=float)
    bad = np.flatnonzero(~(np.isfinite(times.ravel()) & (times.ravel() > 0)))
    if len(bad):
        raise InputError(f"noise variance {bad[0]} is {times.ravel()[bad[0]]:g}; they must be positive, finite numbers")
    return times


def listed_noise_variances(values: Numbers) -> Float[np.ndarray, " times"]:
    """The same for a list of them, or a single one.

    Raises:
        InputError: as there, and if they are no list.
    """
    times = np.atleast_1d(positive_noise_variances(values))
    if times.ndim != 1:
        raise InputError(f"the noise variances have shape {times.shape}; they must be a list")
    return times


def search_window(
    manifold: Manifold | GaussianMixture, window: tuple[float | int, float | int] | None
) -> tuple[Float[Array, " ends"], int]:
    """Ends of the search in ln t and the number of cells of its scan.

    Raises:
        InputError: if the window is not a pair 0 < lower < upper < infinity.
    """
    if window is None:
        mixture = isinstance(manifold, GaussianMixture)
        return spectrum_window(manifold.largest_variance if mixture else jnp.max(manifold.block_variances()))
    lower, upper = window
    if not 0 < lower < upper < math.inf:
        raise InputError(f"the window {window} must be two noise variances, 0 < lower < upper < infinity")
    ends = np.log([lower, upper])
    return jnp.asarray(ends), math.ceil((ends[1] - ends[0]) / _SPACING)


def spectrum_window(largest: Float[Array, ""]) -> tuple[Float[Array, " ends"], int]:
    """The default search for a spectrum whose largest variance is this."""
    # A manifold without variance has no scale and no transition; any window shows that.
    return jnp.log(jnp.where(largest > 0, largest, 1.0)) + np.log(_WINDOW), DEFAULT_CELLS


@partial(jax.jit, static_argnames="num_cells")
def solve_times(
    rule: Criterion | MixtureCriterion,
    at: Any,  # noqa: ANN401 (the rule's own setting)
    log_sizes: Float[Array, " lanes"],
    limits: Float[Array, " ends"],
    num_cells: int,
) -> Transition:
    """`critical_time` for one setting and many sizes."""
    valid = jnp.isfinite(log_sizes) & (log_sizes >= SMALLEST_LOG_SIZE) & _is_spectrum(at)
    crossing = first_crossing(
        lambda log_t: rule.log_size(at, jnp.exp(log_t)), log_sizes, limits[0], limits[1], num_cells
    )
    times = jnp.exp(crossing.point)
    residual = jax.vmap(partial(rule.balance, at))(times, log_sizes)
    in_validity = jax.vmap(partial(rule.valid, at))(times, log_sizes)
    status = status_of(valid, crossing.found, residual, log_sizes, in_validity)
    return transition(
        crossing.point, status, residual, jnp.exp(crossing.lower), jnp.exp(crossing.upper), crossing.iterations
    )


@jax.jit
def _solve_sizes(
    rule: Criterion | MixtureCriterion,
    at: Any,  # noqa: ANN401 (the rule's own setting)
    noise_variances: Float[Array, " lanes"],
) -> Transition:
    """`critical_size` for one setting and many noise variances."""
    valid = jnp.isfinite(noise_variances) & (noise_variances > 0) & _is_spectrum(at)
    times = jnp.where(valid, noise_variances, 1.0)
    log_sizes = jax.vmap(partial(rule.log_size, at))(times)
    exists = jnp.isfinite(log_sizes)
    log_sizes = jnp.where(exists, log_sizes, 0.0)
    residual = jax.vmap(partial(rule.balance, at))(times, log_sizes)
    in_validity = jax.vmap(partial(rule.valid, at))(times, log_sizes)
    status = status_of(valid, exists, residual, log_sizes, in_validity)
    sizes = jnp.exp(log_sizes)
    return transition(log_sizes, status, residual, sizes, sizes, jnp.zeros(log_sizes.shape, dtype=int))


def _is_spectrum(at: Setting | MixtureSetting) -> Bool[Array, ""]:
    """Whether the spectrum is one, for what was traced when the manifold was made."""
    variances = jnp.isfinite(at.variances) & (at.variances >= 0)
    multiplicities = (at.multiplicities >= 1) & (at.multiplicities == jnp.round(at.multiplicities))
    return (variances & multiplicities).all()


def status_of(valid: Array, found: Array, residual: Array, log_sizes: Array, in_validity: Array) -> Array:
    """How every lane ended."""
    tolerance = _RESIDUAL_TOLERANCE * jnp.maximum(jnp.abs(log_sizes), 1.0)
    solved = jnp.where(in_validity, Status.CONVERGED, Status.OUT_OF_VALIDITY)
    status = jnp.where(jnp.abs(residual) <= tolerance, solved, Status.NOT_CONVERGED)
    return jnp.where(valid, jnp.where(found, status, Status.NO_TRANSITION), Status.INVALID).astype(jnp.int8)


def transition(
    log_value: Array, status: Array, residual: Array, lower: Array, upper: Array, iterations: Array
) -> Transition:
    """The answer with NaN for every lane that has none."""
    known = (status == Status.CONVERGED) | (status == Status.OUT_OF_VALIDITY)
    log_value, residual, lower, upper = (jnp.where(known, x, jnp.nan) for x in (log_value, residual, lower, upper))
    return Transition(jnp.exp(log_value), log_value, status, residual, lower, upper, iterations)


def _single_or_batch(
    values: Numbers, allowed: Callable[[float], bool], name: str, requirement: str
) -> Float[Array | np.ndarray, "..."]:
    """The values as float64; a single one that is not allowed is an error, in a batch the solver marks it."""
    array = float_array(values, name)
    if array.size == 0:
        raise InputError(f"{name} is empty; give at least one value")
    if array.ndim == 0 and not isinstance(array, Tracer) and not allowed(float(array)):
        raise InputError(f"{name} is {float(array):g}; it must be {requirement}")
    return array
