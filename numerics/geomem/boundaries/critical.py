"""Critical times at fixed data-set size and critical sizes at fixed noise variance."""

import jax
import numpy as np

from geomem.boundaries.explicit import search_window, solve_sizes, solve_times
from geomem.core.arguments import Numbers, as_log_sizes, as_noise_variances
from geomem.core.results import Transition
from geomem.laws.manifold import Manifold
from geomem.laws.mixture import GaussianMixture
from geomem.laws.probe import Probe
from geomem.levels.criteria import Criterion, Setting
from geomem.levels.question import rule_and_setting


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
        that condenses below a tilt of 1e-3 before it crosses is NaN and OUT_OF_VALIDITY. Source: `geomem_theory`,
        equations `critical_log_size_probed`, `gaussian_critical_log_size_probed`,
        `sphere_critical_log_size_probed` and `signal_to_noise_log_size_probed`.

    Raises:
        InputError: for an unknown block, criterion or theory, a combination that the
            theory does not have, a single size below 2, or a window that is no interval.
            In a batch of sizes, a bad one gives NaN with status INVALID.
    """
    rule, at = rule_and_setting(manifold, block, criterion, theory, probe)
    log_sizes = as_log_sizes(num_samples, log_num_samples)
    limits, num_cells = search_window(manifold, window)
    if isinstance(rule, Criterion) and isinstance(at, Setting) and rule.level == "finite_n":
        from geomem.boundaries.implicit import quenched_times

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
    rule, at = rule_and_setting(manifold, block, criterion, theory, probe)
    values = as_noise_variances(noise_variance)
    if isinstance(rule, Criterion) and isinstance(at, Setting) and rule.level == "finite_n":
        from geomem.boundaries.implicit import quenched_sizes

        flat = quenched_sizes(rule, at, np.ravel(np.asarray(values)))
    else:
        flat = solve_sizes(rule, at, values.ravel())
    return jax.tree.map(lambda field: field.reshape(values.shape), flat)
