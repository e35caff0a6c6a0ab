"""Excess entropy of a noised training set as the theory predicts it."""

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from geomem.boundaries.trajectories import checked_log_sizes, collapse_log_sizes
from geomem.core.arguments import Numbers, listed_noise_variances
from geomem.core.progress import bar
from geomem.core.results import entropy_curve, size_of, with_status
from geomem.core.status import InputError
from geomem.empirical.excess_entropy import excess
from geomem.laws.manifold import Manifold
from geomem.laws.mixture import GaussianMixture
from geomem.laws.union import Law, dimension_of, law_record
from geomem.levels.typical_points import SCRAMBLES, as_mixture, typical_averages
from geomem.lowering import lower

_asymptotic = lower("asymptotic_excess_entropy")


def expected_excess_entropy(
    law: Law,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    theory: str,
) -> xr.Dataset:
    """Mean excess entropy f over data sets of one size, in nats per dimension.

    Args:
        law: the data's law.
        noise_variance: noise variances t, a list.
        num_samples: the data-set size N, one number; give this or `log_num_samples` (for a `RandomManifold`
            ln N/d).
        theory: `rem` (also called `asymptotic`), max(0, (ln N - I)/d) with the mutual information I; or
            `finite_n`, exact but for quasi-random integration over the points, whose standard error is `error`.
            The latter takes a second per noise variance.

    Returns:
        A data set with `value` and `error` over `noise_variance`, and at level `finite_n` `status`: NaN and
        NOT_CONVERGED where the integrals over data sets miss their tolerance. Source: arXiv:2402.18491; exact at
        finite N by `geomem_theory`, chapter `finite_n`, with a planted sample.

    Raises:
        InputError: for an unknown theory, a random manifold at level `finite_n`, sizes that are not one number,
            or as `trajectory_times`.
    """
    log_size = checked_log_sizes(law, num_samples, log_num_samples)
    if np.ndim(log_size) != 0:
        raise InputError("the excess entropy is predicted for one data-set size at a time")
    times = listed_noise_variances(noise_variance)
    size = float(np.asarray(log_size))
    if theory in ("rem", "asymptotic"):
        dimension = 1.0 if not isinstance(law, (Manifold, GaussianMixture)) else float(dimension_of(law))
        limits = np.asarray(collapse_log_sizes(law, jnp.asarray(times)))
        value = np.array([max(0.0, float(_asymptotic(size, float(limit), dimension))) for limit in limits])
        return entropy_curve(times, value, np.zeros(len(times)), size_of(size), dimension, law_record(law))
    if theory != "finite_n":
        raise InputError(f"there is no theory {theory!r} of the excess entropy; choose finite_n or rem")
    if not isinstance(law, (Manifold, GaussianMixture)):
        raise InputError("theory 'finite_n' does not know random manifolds; use theory 'rem'")
    log_own, _ = planted_averages(law, times, size)
    dimension = float(dimension_of(law))
    values = np.asarray(excess(-log_own, dimension))
    curve = entropy_curve(times, values.mean(axis=1), scramble_error(values), size_of(size), dimension, law_record(law))
    return with_status(curve)


def planted_averages(
    law: Manifold | GaussianMixture, times: np.ndarray, log_size: float
) -> tuple[Float[np.ndarray, "times scrambles"], Float[np.ndarray, "times scrambles"]]:
    mixture, rows = as_mixture(law), []
    with bar("noise variances", len(times)) as report:
        for time in times:
            rows.append(typical_averages(mixture, float(time), log_size, planted=True))
            report(len(rows))
    return np.stack([row.log_partition for row in rows]), np.stack([row.participation for row in rows])


def scramble_error(values: Float[np.ndarray, "times scrambles"]) -> Float[np.ndarray, " times"]:
    return values.std(axis=1, ddof=1) / np.sqrt(SCRAMBLES)
