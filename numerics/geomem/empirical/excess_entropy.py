"""Excess entropy of a noised training set, as it is measured, and the collapse read off it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int

from geomem.core.arguments import Numbers, check_data, check_key, listed_noise_variances, whole_number
from geomem.core.crossing import level_crossing
from geomem.core.kinds import one_number, refuse_beyond_memory
from geomem.core.precision import mean_variance
from geomem.core.progress import bar
from geomem.core.provenance import digest, key_record, provenance
from geomem.core.resampling import INTERVAL, drawn
from geomem.core.results import AGAIN, SQUARED, data_set_curve, described, status_attributes
from geomem.core.status import InputError, Status
from geomem.empirical.gibbs import gibbs
from geomem.empirical.jackknife import Jackknife, Probing, covariance_over_data_sets, of_own_samples
from geomem.lowering import lower

_excess = jnp.vectorize(lower("excess_entropy"))
# Samples that a mean has to come from for it to have an error, and to be nearly normal.
_SEEN, _NORMAL = 10, 50
_ROUNDING = 1e-12  # of an excess entropy
_BATCH = 512  # probes of one pass over the samples
# The search for the collapse: noise variances in units of the mean variance, then finer ones where it is.
_RANGE, _COARSE, _FINE, _FEW = (1e-9, 1e4), 32, 11, 256


def excess_entropy(
    data: Numbers,
    noise_variance: Numbers,
    *,
    num_probes: int = 1000,
    key: Array,
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

    Returns:
        A data set over `noise_variance` with `value`; `covariance`, also over `noise_variance_again`, of the values
        over data sets of this size and their noise, by a jackknife of the samples; and `error`, a standard error, the
        root of its diagonal. Where fewer than 50 samples make the mean the covariance is NaN, being not known well
        enough to judge by, and where fewer than 10 do the error too. Source: arXiv:2402.18491; `geomem_theory`,
        equation `excess_entropy`.

    Raises:
        InputError: for a data set, noise variances or a number of probes that are none.
    """
    check_key(key)
    rows = check_data(data)
    times = listed_noise_variances(noise_variance)
    found = _own_excesses(rows, times, whole_number(num_probes, "num_probes", 2), key)
    mean, num_probes = found.values.mean(axis=1), len(found.order)
    jackknife = _jackknife(rows, times, found)
    covariance = jackknife.covariance - jackknife.of_pairs
    variance, contributing = np.diag(covariance), _contributing(found, len(rows))
    error = np.where((contributing >= _SEEN) & (variance > 0), np.sqrt(np.maximum(variance, 0.0)), np.nan)
    few = contributing < _NORMAL
    covariance[few] = covariance[:, few] = np.nan
    record: dict[str, object] = {"data_sha256": digest(rows), "num_probes": num_probes, "key": key_record(key)}
    num_samples, dimension = map(float, rows.shape)
    curve = data_set_curve("excess-entropy", "excess entropy", times, mean, error, num_samples, dimension, record)
    text = described("covariance over data sets", f"squared {curve.value.attrs['units']}")
    over = ("noise_variance", "noise_variance" + AGAIN)
    return curve.assign(covariance=(over, covariance, text | {"degrees_of_freedom": len(rows) - 1})).assign_coords(
        {over[1]: (over[1], times, described("noise variance", SQUARED))}
    )


def collapse_time(data: Numbers, *, key: Array, level: float = 0.05, num_probes: int = 1000) -> xr.Dataset:
    """Noise variance at which the measured excess entropy of a data set is `level` times ln N/d.

    At finite N the excess entropy is positive at every noise variance, so the collapse is read off at a level.

    Args:
        data: samples, (samples, dims).
        key: for the choice of samples and the noise.
        level: between 0 and 1.
        num_probes: noised training points.

    Returns:
        A data set with `value`, and `lower` and `upper`, a 95 % interval over data sets, from the covariance of the
        curve, in squared units of the data; and `status`, NO_TRANSITION where the level is not crossed (samples that
        are repeated keep the excess entropy above it).

    Raises:
        InputError: as `excess_entropy`, or for a level that is not between 0 and 1.
    """
    check_key(key)
    level = one_number(level, "the level")
    if not 0 < level < 1:
        raise InputError(f"the level is {level:g}; it must be between 0 and 1")
    rows = check_data(data)
    count = whole_number(num_probes, "num_probes", 2)
    wanted = level * np.log(len(rows)) / rows.shape[1]
    scale = mean_variance(rows)
    if scale == 0:
        raise InputError("all samples are the same; there is nothing to collapse")
    times = scale * np.geomspace(*_RANGE, _COARSE)
    coarse = _own_excesses(rows, times, min(_FEW, count), key).values.mean(axis=1)
    known, above = np.isfinite(coarse).all(), np.flatnonzero(coarse > wanted)
    estimates = np.full(1, np.nan)
    if known and above.size and above[0] > 0:
        first = int(above[0])
        times = np.geomspace(times[max(first - 2, 0)], times[min(first + 1, len(times) - 1)], _FINE)
        found = _own_excesses(rows, times, count, key)
        mean = found.values.mean(axis=1)
        curves = [mean, *drawn(mean, _jackknife(rows, times, found).covariance)]
        places = np.array([level_crossing(np.log(times), curve, wanted, smooth=True) for curve in curves])
        estimates = np.where(np.isfinite(places), np.exp(places), np.nan)
    missed = Status.NO_TRANSITION if known else Status.NOT_CONVERGED
    status = Status.CONVERGED if np.isfinite(estimates[0]) else missed
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


class _Probed(NamedTuple):
    """Noised training points, and what is found at each."""

    order: Int[np.ndarray, " probes"]  # the samples
    noise: Float[np.ndarray, "probes dims"]
    log_partition: Float[np.ndarray, "times probes"]
    values: Float[np.ndarray, "times probes"]  # excess entropies


def _jackknife(rows: np.ndarray, times: np.ndarray, found: _Probed) -> Jackknife:
    """How the mean scatters over data sets; an excess entropy is a logarithm of weights in another unit."""
    dims = float(rows.shape[1])
    every = np.ones((1, len(rows)), dtype=bool)
    probing = Probing(found.order, found.noise, every, np.zeros(len(found.order), dtype=int))
    per_nat = float(_excess(1.0, dims))
    logarithms = -found.values / per_nat
    of_logarithms = covariance_over_data_sets(rows, times, probing, found.log_partition, logarithms)
    return Jackknife(*(one * per_nat**2 for one in of_logarithms))


def _contributing(found: _Probed, num_samples: int) -> Float[np.ndarray, " times"]:
    """How many samples make the mean: of few it is neither nearly normal nor its covariance known."""
    own = of_own_samples(found.values, found.order, num_samples)
    seen = np.where(own > _ROUNDING, own, 0.0)
    squares = np.sum(seen**2, axis=1)
    return np.where(squares > 0, np.sum(seen, axis=1) ** 2 / np.where(squares > 0, squares, 1.0), 0.0)


def _own_excesses(rows: np.ndarray, times: np.ndarray, num_probes: int, key: Array) -> _Probed:
    """Excess entropy at single noised training points."""
    refuse_beyond_memory(float(num_probes) * (rows.shape[1] + 2 * len(times)), f"{num_probes} noised points")
    of_choice, of_noise = jax.random.split(key)
    rounds = jax.random.split(of_choice, -(-num_probes // len(rows)))
    order = np.concatenate([np.asarray(jax.random.permutation(one, len(rows))) for one in rounds])[:num_probes]
    parts = []
    with bar("noised points", num_probes) as report:
        for first in range(0, num_probes, _BATCH):
            chosen = rows[order[first : first + _BATCH]].astype(float)
            noise = np.asarray(jax.random.normal(jax.random.fold_in(of_noise, first), chosen.shape))
            log_partition = np.asarray(gibbs(chosen, rows, times, directions=noise).log_partition)
            excess = np.asarray(_excess(-0.5 * np.sum(noise**2, axis=1) - log_partition, float(rows.shape[1])))
            parts.append((noise, log_partition, excess))
            report(first + len(chosen))
    noise, log_partition, values = zip(*parts, strict=True)
    return _Probed(order, *(np.concatenate(*one) for one in ((noise, 0), (log_partition, 1), (values, 1))))
