"""Critical times and sizes where the critical size is explicit in t: a scan of ln N_c(t) serves every size."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geomem.core.arguments import SMALLEST_LOG_SIZE
from geomem.core.crossing import first_crossing
from geomem.core.results import Transition, status_of, transition
from geomem.core.status import InputError
from geomem.laws.manifold import Manifold, opening_time
from geomem.laws.mixture import GaussianMixture
from geomem.laws.probe import Probe
from geomem.levels.criteria import Criterion, Setting, setting
from geomem.levels.mixture_criteria import MixtureCriterion, MixtureSetting

# Default window, in units of the largest variance, and the spacing of the scan in ln t. The equations vary on
# the scale of one e-fold; the scan's spacing only limits how close two roots in one cell may be.
_WINDOW = (1e-12, 1e6)
_SPACING = 0.08
DEFAULT_CELLS = math.ceil(math.log(_WINDOW[1] / _WINDOW[0]) / _SPACING)


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
def solve_sizes(
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


@jax.jit
def solve_lanes(
    rule: Criterion,
    manifolds: Manifold,
    indicators: Float[Array, "lanes blocks"],
    probe: Probe,
    log_sizes: Float[Array, " sizes"],
) -> tuple[Transition, Float[Array, " lanes"], Float[Array, "lanes sizes"], Float[Array, "lanes sizes"]]:
    """Critical times, opening times and both sensitivities, one lane per spectrum and probed block."""

    def lane(pair: tuple[Manifold, Array]) -> tuple[Transition, Array, Array, Array]:
        manifold, indicator = pair
        at = setting(manifold, indicator, probe)
        times = solve_times(rule, at, log_sizes, *search_window(manifold, None))
        swept, probed = jax.vmap(partial(_sensitivities, rule, manifold, indicator, probe))(times.log_value)
        return times, opening_time(at.probed_variance), swept, probed

    # One spectrum after another: its table and its sizes stay in the processor's cache.
    return jax.lax.map(lane, (manifolds, indicators))


def _sensitivities(
    rule: Criterion, manifold: Manifold, indicator: Array, probe: Probe, log_time: Array
) -> tuple[Array, Array]:
    """d ln t_c/d ln s by the implicit-function theorem: spectrum following, and spectrum fixed."""

    def log_size(log_t: Array, log_swept: Array, log_probed: Array) -> Array:
        variances = manifold.variances * jnp.exp(indicator * log_swept)
        at = setting(manifold.with_variances(variances), indicator, probe)
        at = at._replace(probed_variance=at.probed_variance * jnp.exp(log_probed))
        return rule.log_size(at, jnp.exp(log_t))

    slope, swept, probed = jax.grad(log_size, argnums=(0, 1, 2))(log_time, jnp.array(0.0), jnp.array(0.0))
    return -swept / slope, -probed / slope


@jax.jit
def solved_times(
    rule: Criterion,
    manifold: Manifold,
    variances: Float[Array, "spectra blocks"],
    probe: Probe,
    log_sizes: Float[Array, " sizes"],
) -> Transition:
    """Critical times, (spectra, blocks, sizes), of the manifold with each of these spectra, compiled as one."""

    def times(spectrum: Array, indicator: Array) -> Transition:
        law = manifold.with_variances(spectrum)
        return solve_times(rule, setting(law, indicator, probe), log_sizes, *search_window(law, None))

    def of_blocks(spectrum: Array) -> Transition:
        return jax.vmap(lambda indicator: times(spectrum, indicator))(jnp.eye(manifold.num_blocks))

    # One spectrum after another: all their tables at once would not stay in the processor's cache.
    return jax.lax.map(of_blocks, variances)
