"""Excess entropy of a noised training set as the theory predicts it."""

import xarray as xr

from geomem.core.arguments import Numbers, listed_noise_variances
from geomem.core.kinds import one_size
from geomem.core.results import data_set_curve, size_of, with_status
from geomem.laws.law import Law, check_law
from geomem.levels.level import Level, level_of


def expected_excess_entropy(
    law: Law,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    theory: str | Level,
) -> xr.Dataset:
    """Mean excess entropy f over data sets of one size, in nats per dimension.

    Args:
        law: the data's law.
        noise_variance: noise variances t, a list.
        num_samples: the data-set size N, one number; give this or `log_num_samples` (for a `RandomManifold`
            ln N/d).
        theory: `rem` (also called `asymptotic`), max(0, (ln N - I)/d) with the mutual information I; or
            `finite_n`, exact but for integration over the points, whose standard error is `error`: quasi-random, or,
            of classes of several covariances and of a pool, over 64 samples with noise. The latter takes seconds per
            noise variance.

    Returns:
        A data set with `value`, `error` and `status` over `noise_variance`: NaN and NOT_CONVERGED where the
        integrals over data sets miss their tolerance. Source: arXiv:2402.18491; exact at
        finite N by `geomem_theory`, chapter `finite_n`, with a planted sample.

    Raises:
        InputError: for an unknown level, or one without excess entropy, a random manifold at level `finite_n`, sizes
            that are not one number, or as `trajectory_times`.
    """
    check_law(law)
    size = one_size(law.log_sizes(num_samples, log_num_samples), "the excess entropy")
    times = listed_noise_variances(noise_variance)
    value, error = level_of(theory).excess_entropy(law, times, size)
    about = size_of(size), float(law.dimension), law.record()
    return with_status(data_set_curve("excess-entropy", "excess entropy", times, value, error, *about))
