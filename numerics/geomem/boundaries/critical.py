"""Critical times at fixed data-set size and critical sizes at fixed noise variance."""

from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np

from geomem.boundaries import explicit, implicit, points
from geomem.core.arguments import Numbers, as_log_sizes, as_noise_variances
from geomem.core.results import Transition
from geomem.laws.law import Law
from geomem.laws.probe import Probe
from geomem.levels.level import Implicit, Level
from geomem.levels.question import question


def solver_of(level: Level) -> ModuleType:
    """The solver for levels of its kind: both have `times`, `sizes`, `lanes` and `times_of_spectra`."""
    return implicit if isinstance(level, Implicit) else explicit


def critical_time(
    manifold: Law,
    block: int | np.integer | Numbers,
    *,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    criterion: str,
    theory: str | Level,
    probe: Probe = Probe.along(),
    window: tuple[float | int, float | int] | None = None,
    local_variance: Numbers | None = None,
) -> Transition:
    """Noise variance at which a direction of `block` is lost, for every data-set size.

    Args:
        manifold: the data's law. Of a `GaussianMixture` of one covariance the first direction of the block is probed,
            from the origin of its coordinates, at level `rem`.
        block: the block that holds the probed direction, from 0; or unit vectors, (dims,) or (directions, dims), which
            are seen from the law's mean, or from the points of the probe. If these are rows, answers have an axis of
            directions first. Of several points they are about the mean of squared means over the mean of variances,
            or the mean participation; `residual` is then a bound, the error of the root times the balance's slope.
        num_samples: data-set sizes N of any shape; give this or `log_num_samples` = ln N.
        criterion: `condensation`, `participation`, `signal_to_noise`, or `gap`: the values of -tJ of the block and
            those of the next narrower one, b and b + 1 in a descending spectrum, run together. Their gap is there at
            every larger noise variance (how high it is, `gap_height` of the theory says), and the narrowest block has
            none. It is that of central differences at the mean of the data, whatever the probe, of many directions; at
            `finite_n` with the exact participation in place of the leading order's. Of few directions the gap is lost
            among other spacings somewhat later, in half of the data sets 8 to 10 % below `rem` in t for blocks of 2
            and 5, up to 20 % for others that were tried. OUT_OF_VALIDITY where few samples are active: by
            `finite_n`, fewer than 20, and no gap outlives their collapse, Y2 = 1/2. Gaps of few
            directions close below the time at which `signal_to_noise` loses them, those of many above: of variances
            1 and 0.05, N = 10 000, at 0.64 times it for 5 directions each and 1.55 times for 50.
            Of normalized data (`finite_n` alone) the point is the origin, and the curvature of the sphere closes a gap
            of any number of samples; half of the data sets lose it up to 6 % below in t, from N = 250 on.
        theory: the level: `gaussian_rem`, `rem`, `finite_n`, another that is registered, or a level itself.
        probe: where the score is evaluated.
        window: noise variances between which to search, by default 1e-12 and 1e6 times
            the largest variance. The largest root is returned.
        local_variance: the direction's own variance, by default that of its block, of which it is one: for a
            direction in a block whose variance is a mean. The spectrum stays as it is. Of tracers a value that is
            none gives NaN.

    Returns:
        A `Transition` of the sizes' shape, in squared units of the data. Differentiable with respect to the
        manifold's variances, the local variance, the probe's amplitude and ln N. At level `finite_n` the search runs
        in Python; `jax.jit` and `jax.vmap` call it back, a batch in turn. Source: `geomem_theory`, equations
        `critical_log_size_probed`, `gaussian_log_size_of_cumulant`, `signal_to_noise_log_size_probed`,
        `gap_log_size` and `sphere_gap_balance`, which has no derivatives.

    Raises:
        InputError: for an unknown block, criterion or level, a combination that the
            level does not have, a single size below 2, a window that is no interval, or a local variance that is
            not positive and finite.
            In a batch of sizes, a bad one gives NaN with status INVALID.
    """
    asked = question(criterion, theory, probe)
    log_sizes = as_log_sizes(num_samples, log_num_samples)
    seen = asked.points(manifold, block, local_variance)
    if seen is not None:
        rows = points.critical_times(asked, seen.at, jnp.ravel(log_sizes), window)
        return jax.tree.map(lambda field: field.reshape(seen.axes + log_sizes.shape), rows)
    at = asked.setting(manifold, block, local_variance)  # ty: ignore[invalid-argument-type]
    flat = solver_of(asked.level).times(asked, at, jnp.ravel(log_sizes), window)
    return jax.tree.map(lambda field: field.reshape(log_sizes.shape), flat)


def critical_size(
    manifold: Law,
    block: int | np.integer | Numbers,
    *,
    noise_variance: Numbers,
    criterion: str,
    theory: str | Level,
    probe: Probe = Probe.along(),
    local_variance: Numbers | None = None,
) -> Transition:
    """Number of training samples above which a direction of `block` is kept, for every noise variance.

    Explicit at levels `gaussian_rem` and `rem`; at `finite_n` the largest root in ln N up
    to 1e15 (or e^3 times the leading order, if that is more). Arguments as for `critical_time`.
    A direction without variance is never lost, and at a probe without a coordinate along
    it never resolved: NO_TRANSITION. A gap of normalized data that curvature has closed no size
    opens: OUT_OF_VALIDITY, as for all that is lost at the largest size.

    Raises:
        InputError: as `critical_time`, for a single noise variance that is not
            positive and finite, and at level `finite_n` for values that JAX traces.
    """
    asked = question(criterion, theory, probe)
    values = as_noise_variances(noise_variance)
    seen = asked.points(manifold, block, local_variance)
    if seen is not None:
        rows = points.critical_sizes(asked, seen.at, jnp.ravel(values))
        return jax.tree.map(lambda field: field.reshape(seen.axes + values.shape), rows)
    at = asked.setting(manifold, block, local_variance)  # ty: ignore[invalid-argument-type]
    flat = solver_of(asked.level).sizes(asked, at, jnp.ravel(values))
    return jax.tree.map(lambda field: field.reshape(values.shape), flat)
