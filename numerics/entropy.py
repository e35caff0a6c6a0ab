"""Excess entropy of a noised training set, measured and predicted, and the collapse read off it."""

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from scipy.interpolate import PchipInterpolator

from numerics.critical import listed_noise_variances
from numerics.diagram import status_attributes
from numerics.empirical import gibbs
from numerics.laws import GaussianMixture
from numerics.lowering import lower
from numerics.manifold import Manifold, check_data
from numerics.progress import bar
from numerics.provenance import SQUARED, described, digest, key_record, provenance
from numerics.solution import Numbers
from numerics.status import InputError, Status
from numerics.trajectories import Law, checked_log_sizes, collapse_log_sizes
from numerics.typical import SCRAMBLES, as_mixture, typical_averages
from theory.symbols import dims, log_N, log_N_collapse, log_own_weight

_excess = jnp.vectorize(lower("excess_entropy", (log_own_weight, dims)))
_asymptotic = lower("asymptotic_excess_entropy", (log_N, log_N_collapse, dims))

_BATCH = 512  # probes of one pass over the samples
# The search for the collapse: noise variances in units of the mean variance, then finer ones where it is.
_RANGE, _COARSE, _FINE, _FEW = (1e-9, 1e4), 32, 11, 256
_RESAMPLES, INTERVAL = 400, (2.5, 97.5)


def excess_entropy(
    data: Numbers,
    noise_variance: Numbers,
    *,
    num_probes: int = 1000,
    key: Array,
    progress: bool = False,
) -> xr.Dataset:
    """Excess entropy f of a data set, in nats per dimension (not divided by ln N/d), own weights included.

    f is minus the mean logarithm of the Gibbs weight that a noised training point gives its own sample, over d:
    the published ln N/d + E ln p/d + 1/2 + ln(2 pi t)/2 with |omega|^2/2 in place of its mean. It is positive at
    every N. The noise is the same at every noise variance, so errors along a curve are correlated.

    Args:
        data: samples, (samples, dims).
        noise_variance: noise variances t, a list, in squared units of the data.
        num_probes: noised training points; up to the number of samples they are of different ones.
        key: for the choice of samples and the noise.
        progress: show a progress bar on stderr.

    Returns:
        A data set with `value` and `error`, a standard error over noised points of these data, over
        `noise_variance`. Source: arXiv:2402.18491; `theory`, equation `excess_entropy`.

    Raises:
        InputError: for a data set, noise variances or a number of probes that are none.
    """
    rows = check_data(data)
    times = listed_noise_variances(noise_variance)
    values = _own_excesses(rows, times, checked_probes(num_probes), key, progress)
    error = values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    record = {"data_sha256": digest(rows), "num_probes": values.shape[1], "key": key_record(key)}
    return _curve(times, values.mean(axis=1), error, float(len(rows)), float(rows.shape[1]), record)


def expected_excess_entropy(
    law: Law,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    theory: str,
    progress: bool = False,
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
        progress: show a progress bar on stderr.

    Returns:
        A data set with `value` and `error` over `noise_variance`, and at level `finite_n` `status`: NaN and
        NOT_CONVERGED where the integrals over data sets miss their tolerance. Source: arXiv:2402.18491; exact at
        finite N by `theory`, chapter `finite_n`, with a planted sample.

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
        return _curve(times, value, np.zeros(len(times)), _size(size), dimension, law_record(law))
    if theory != "finite_n":
        raise InputError(f"there is no theory {theory!r} of the excess entropy; choose finite_n or rem")
    if not isinstance(law, (Manifold, GaussianMixture)):
        raise InputError("theory 'finite_n' does not know random manifolds; use theory 'rem'")
    log_own, _ = _planted_averages(law, times, size, progress)
    dimension = float(dimension_of(law))
    values = np.asarray(_excess(-log_own, dimension))
    curve = _curve(times, values.mean(axis=1), _scramble_error(values), _size(size), dimension, law_record(law))
    return with_status(curve)


def expected_collapse_probability(
    law: Manifold | GaussianMixture,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    progress: bool = False,
) -> xr.Dataset:
    """Probability that two trajectories of the empirical reverse process, cloned at t, end at the same sample.

    From a noised training point a trajectory ends at every sample with the probability of its Gibbs weight, so this
    is the mean participation there, exact at finite N. Arguments and errors as for `expected_excess_entropy`.
    """
    log_size = checked_log_sizes(law, num_samples, log_num_samples)
    if np.ndim(log_size) != 0:
        raise InputError("the collapse probability is predicted for one data-set size at a time")
    times = listed_noise_variances(noise_variance)
    _, values = _planted_averages(law, times, float(np.asarray(log_size)), progress)
    dimension = float(dimension_of(law))
    size = _size(float(np.asarray(log_size)))
    curve = _curve(times, values.mean(axis=1), _scramble_error(values), size, dimension, law_record(law))
    curve["value"].attrs = described("probability of a common nearest sample", "1")
    curve["error"].attrs = described("standard error", "1")
    return with_status(curve).assign_attrs(observable="collapse-probability")


def collapse_time(
    data: Numbers, *, key: Array, level: float = 0.05, num_probes: int = 1000, progress: bool = False
) -> xr.Dataset:
    """Noise variance at which the measured excess entropy of a data set is `level` times ln N/d.

    At finite N the excess entropy is positive at every noise variance, so the collapse is read off at a level.

    Args:
        data: samples, (samples, dims).
        key: for the choice of samples and the noise.
        level: between 0 and 1.
        num_probes: noised training points.
        progress: show a progress bar on stderr.

    Returns:
        A data set with `value`, and `lower` and `upper`, a 95 % interval by the bootstrap of noised points, in
        squared units of the data; and `status`, NO_TRANSITION where the level is not crossed (samples that are
        repeated keep the excess entropy above it).

    Raises:
        InputError: as `excess_entropy`, or for a level that is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise InputError(f"the level is {level:g}; it must be between 0 and 1")
    rows = check_data(data)
    count = checked_probes(num_probes)
    wanted = level * np.log(len(rows)) / rows.shape[1]
    scale = float(np.mean(rows.var(axis=0, dtype=float)))
    if scale == 0:
        raise InputError("all samples are the same; there is nothing to collapse")
    times = scale * np.geomspace(*_RANGE, _COARSE)
    coarse = _own_excesses(rows, times, min(_FEW, count), key, progress).mean(axis=1)
    above = np.flatnonzero(coarse > wanted)
    estimates = np.full(1, np.nan)
    if above.size and above[0] > 0:
        first = int(above[0])
        times = np.geomspace(times[max(first - 2, 0)], times[min(first + 1, len(times) - 1)], _FINE)
        values = _own_excesses(rows, times, count, key, progress)
        curves = [values.mean(axis=1), *resampled(values)]
        estimates = np.array([_crossing(np.log(times), curve, wanted) for curve in curves])
    status = Status.CONVERGED if np.isfinite(estimates[0]) else Status.NO_TRANSITION
    lower, upper = np.nanpercentile(estimates[1:], INTERVAL) if status == Status.CONVERGED else (np.nan, np.nan)
    record = {"data_sha256": digest(rows), "level": level, "num_probes": count, "key": key_record(key)}
    return xr.Dataset(
        {
            "value": ((), estimates[0], described("noise variance of collapse", SQUARED)),
            "lower": ((), lower, described("lower end of its 95 % interval", SQUARED)),
            "upper": ((), upper, described("upper end of its 95 % interval", SQUARED)),
            "status": ((), np.int8(status), status_attributes()),
        },
        attrs={"observable": "collapse time", "provenance": provenance(record)},
    )


def _crossing(log_times: np.ndarray, curve: np.ndarray, wanted: float) -> float:
    """Noise variance at which a curve, rising in ln t, passes a value; NaN where it does not."""
    above = np.flatnonzero(curve > wanted)
    if not above.size or above[0] == 0:
        return np.nan
    roots = PchipInterpolator(log_times, curve - wanted).roots(extrapolate=False)
    return float(np.exp(roots[roots > log_times[above[0] - 1]][0]))


def resampled(values: Float[np.ndarray, "times probes"]) -> Float[np.ndarray, "resamples times"]:
    """Mean curves over probes that are drawn again from the given ones."""
    count = values.shape[1]
    return np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _RESAMPLES) @ values.T / count


def dimension_of(law: Manifold | GaussianMixture) -> int:
    """Number of dimensions of a law's data."""
    manifold = law.manifold if isinstance(law, GaussianMixture) else law
    return int(np.sum(np.asarray(manifold.multiplicities)))


def law_record(law: Law) -> dict[str, object]:
    """What the provenance of a result says of a law."""
    if isinstance(law, (Manifold, GaussianMixture)):
        return law.record()
    return {name: np.asarray(getattr(law, name)).tolist() for name in ("variances", "weights", "latent_ratio")}


def _own_excesses(
    rows: np.ndarray, times: np.ndarray, num_probes: int, key: Array, progress: bool
) -> Float[np.ndarray, "times probes"]:
    """Excess entropy at single noised training points."""
    of_choice, of_noise = jax.random.split(key)
    rounds = jax.random.split(of_choice, -(-num_probes // len(rows)))
    order = np.concatenate([np.asarray(jax.random.permutation(one, len(rows))) for one in rounds])[:num_probes]
    columns = []
    with bar(progress, "noised points", num_probes) as report:
        for first in range(0, num_probes, _BATCH):
            chosen = rows[order[first : first + _BATCH]].astype(float)
            noise = np.asarray(jax.random.normal(jax.random.fold_in(of_noise, first), chosen.shape))
            log_partition = np.asarray(gibbs(chosen, rows, times, directions=noise).log_partition)
            columns.append(np.asarray(_excess(-0.5 * np.sum(noise**2, axis=1) - log_partition, float(rows.shape[1]))))
            report(first + len(chosen))
    return np.concatenate(columns, axis=1)


def _planted_averages(
    law: Manifold | GaussianMixture, times: np.ndarray, log_size: float, progress: bool
) -> tuple[Float[np.ndarray, "times scrambles"], Float[np.ndarray, "times scrambles"]]:
    mixture, rows = as_mixture(law), []
    with bar(progress, "noise variances", len(times)) as report:
        for time in times:
            rows.append(typical_averages(mixture, float(time), log_size, planted=True))
            report(len(rows))
    return np.stack([row.log_partition for row in rows]), np.stack([row.participation for row in rows])


def with_status(curve: xr.Dataset) -> xr.Dataset:
    """The curve with its `status`, NOT_CONVERGED where it has no value."""
    status = np.where(np.isfinite(curve.value.values), Status.CONVERGED, Status.NOT_CONVERGED).astype(np.int8)
    return curve.assign(status=("noise_variance", status, status_attributes()))


def _size(log_size: float) -> float:
    """N, infinite where it is beyond float64."""
    with np.errstate(over="ignore"):
        return float(np.exp(log_size))


def _scramble_error(values: Float[np.ndarray, "times scrambles"]) -> Float[np.ndarray, " times"]:
    return values.std(axis=1, ddof=1) / np.sqrt(SCRAMBLES)


def checked_probes(num_probes: int) -> int:
    if isinstance(num_probes, bool) or not isinstance(num_probes, (int, np.integer)) or num_probes < 2:
        raise InputError(f"num_probes is {num_probes!r}; it must be a whole number, at least 2")
    return int(num_probes)


def _curve(
    times: np.ndarray,
    value: np.ndarray,
    error: np.ndarray,
    num_samples: float,
    dimension: float,
    record: dict[str, object],
) -> xr.Dataset:
    unit = "nats per dimension"
    return xr.Dataset(
        {
            "value": ("noise_variance", value, described("excess entropy", unit)),
            "error": ("noise_variance", error, described("standard error", unit)),
        },
        {"noise_variance": ("noise_variance", times, described("noise variance", SQUARED))},
        {
            "observable": "excess-entropy",
            "num_samples": num_samples,
            "dimension": dimension,
            "provenance": provenance(record),
        },
    )
