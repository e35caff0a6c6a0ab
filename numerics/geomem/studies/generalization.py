"""The generalization time: at which noise a training set is closest to the law of its data."""

from collections.abc import Callable
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array
from numpy.polynomial import Polynomial

from geomem.boundaries.trajectories import checked_log_sizes, trajectory_times
from geomem.core.arguments import Numbers, check_data, check_key, whole_number
from geomem.core.kinds import one_size
from geomem.core.precision import mean_variance
from geomem.core.progress import bar
from geomem.core.provenance import digest, key_record, provenance
from geomem.core.resampling import HALF_INTERVAL, INTERVAL, drawn
from geomem.core.results import SQUARED, described, status_attributes
from geomem.core.status import InputError, Status
from geomem.empirical.gibbs import gibbs
from geomem.empirical.jackknife import Probing, covariance_over_data_sets
from geomem.laws.law import Law, is_law
from geomem.levels.typical_points import SCRAMBLES, typical_averages
from geomem.lowering import lower

_log_density = jnp.vectorize(lower("empirical_log_density"))
# The maximum is looked for on a coarse grid in ln t, and then on a polynomial through Chebyshev nodes about it.
_SPACING, _HALF_WIDTH, _NODES = 0.5, 0.75, 7
_MOST_STEPS = 40
_FOLDS, _FEW = 10, 200
_RANGE = (1e-6, 1e2)  # of cross-validation, in units of the data's mean variance


def generalization_time(
    source: Law | Numbers,
    *,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    method: str | None = None,
    num_probes: int = 2000,
    key: Array | None = None,
) -> xr.Dataset:
    """Noise variance at which the noised training set is closest to the data's law in Kullback-Leibler divergence.

    Args:
        source: the data's law, or a data set, (samples, dims).
        num_samples: the data-set size N, one number; give this or `log_num_samples` for a law. Of data, the size
            of the training sets that are chosen, by default all that is not held out.
        method: of a law `finite_n` (default), the maximum of the exact mean of ln p at fresh points, or
            `asymptotic`, the formula for many dimensions; of data `cross_validation`, the maximum over held-out
            samples, ten folds.
        num_probes: held-out samples, of data.
        key: for the choice of samples, of data.

    Returns:
        A data set with `value`, `lower` and `upper`, in squared units of the data: a 95 % interval, over
        data sets and the samples held out of them, or over scrambles of the quasi-random points. `status` is
        NO_TRANSITION where the likelihood has no maximum inside the search, and NOT_CONVERGED where it is not known
        next to the largest value that is. Source: `geomem_theory`, equations
        `empirical_log_density` and `generalization_ratio`.

    Raises:
        InputError: for a method that the source does not have, a size that is not one number or too large, or
            as `trajectory_times`.
    """
    if is_law(source):
        return _of_law(source, num_samples, log_num_samples, _method(method, ("finite_n", "asymptotic"), "a law"))
    _method(method, ("cross_validation",), "data")
    if log_num_samples is not None:
        raise InputError("of data the size is given as num_samples, a whole number")
    rows = check_data(cast(Numbers, source))
    return _cross_validated(rows, num_samples, whole_number(num_probes, "num_probes", 2), key)


def _method(given: str | None, methods: tuple[str, ...], kind: str) -> str:
    """The method that is asked for, the first one by default."""
    if given is not None and given not in methods:
        raise InputError(f"there is no method {given!r} for {kind}; choose {' or '.join(methods)}")
    return given or methods[0]


def _of_law(law: Law, num_samples: Numbers | None, log_num_samples: Numbers | None, method: str) -> xr.Dataset:
    size = one_size(checked_log_sizes(law, num_samples, log_num_samples), "the generalization time")
    formula = trajectory_times(law, num_samples=num_samples, log_num_samples=log_num_samples)
    if method == "asymptotic":
        value, status = float(formula.generalization.value), int(formula.generalization.status)
        return _result(np.array([value]), status, law.record() | {"method": method})
    law.require("classes", "method 'finite_n'")
    dimension = float(law.dimension)

    def likelihood(times: np.ndarray, scrambles: int = SCRAMBLES) -> np.ndarray:
        rows = []
        with bar("noise variances", len(times)) as report:
            for time in times:
                found = typical_averages(law, float(time), size, planted=False, scrambles=scrambles)
                rows.append(np.asarray(_log_density(found.log_partition, size, dimension, float(time))))
                report(len(rows))
        return np.array(rows)

    record = law.record() | {"log_num_samples": size, "method": method}
    start = float(formula.generalization.value)
    if not np.isfinite(start):
        return _result(np.array([np.nan]), int(formula.generalization.status), record)
    top, status = _climb(lambda time: float(likelihood(np.array([time]), 1)[0, 0]), start)
    if status != Status.CONVERGED:
        return _result(np.array([np.nan]), status, record)
    times = _nodes(top)
    curves = likelihood(times)
    if not _inside(times, curves.mean(axis=1)):
        return _result(np.array([np.nan]), Status.NOT_CONVERGED, record)
    estimates = np.array([_maximum(times, curve) for curve in curves.T])
    half = HALF_INTERVAL * estimates.std(ddof=1) / np.sqrt(len(estimates))
    value = _maximum(times, curves.mean(axis=1))
    return _result(np.array([value, value - half, value + half]), Status.CONVERGED, record)


def _cross_validated(rows: np.ndarray, num_samples: Numbers | None, num_probes: int, key: Array | None) -> xr.Dataset:
    if key is None:
        raise InputError("cross-validation chooses samples at random; give key=jax.random.key(...)")
    check_key(key)
    count = min(num_probes, len(rows))
    largest = len(rows) - -(-count // _FOLDS)
    if largest < 2:
        raise InputError("the data have two samples; cross-validation needs at least three")
    size = largest if num_samples is None else num_samples
    if not isinstance(size, (int, float, np.number)) or size != int(size) or not 1 < size <= largest:
        raise InputError(
            f"num_samples is {size}; training sets of these data have 2 to {largest} samples, a whole number"
        )
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    probes = rng.permutation(len(rows))[:count]
    folds = []
    for held_out in np.array_split(probes, min(_FOLDS, count)):
        others = np.setdiff1d(np.arange(len(rows)), held_out)
        folds.append((held_out, others if size == len(others) else rng.choice(others, int(size), replace=False)))

    def log_partition(times: np.ndarray, most: int) -> np.ndarray:
        columns = []
        with bar("folds", len(folds)) as report:
            for held_out, training in folds:
                chosen = rows[held_out[: -(-most // len(folds))]]
                columns.append(np.asarray(gibbs(chosen, rows[training], times).log_partition))
                report(len(columns))
        return np.concatenate(columns, axis=1)

    def likelihood(times: np.ndarray, found: np.ndarray) -> np.ndarray:
        return np.asarray(_log_density(found, float(np.log(size)), float(rows.shape[1]), times[:, None]))

    record = {"data_sha256": digest(rows), "num_samples": int(size), "num_probes": count, "key": key_record(key)}
    scale = mean_variance(rows)
    if scale == 0:
        raise InputError("all samples are the same; their law has no density")
    coarse = scale * np.geomspace(*_RANGE, 1 + round(np.log(_RANGE[1] / _RANGE[0]) / _SPACING))
    means = likelihood(coarse, log_partition(coarse, _FEW)).mean(axis=1)
    if np.isnan(means).any():
        return _result(np.array([np.nan]), Status.NOT_CONVERGED, record)
    best = int(np.argmax(means))
    if best in (0, len(coarse) - 1):
        return _result(np.array([np.nan]), Status.NO_TRANSITION, record)
    times = _nodes(coarse[best])
    found = log_partition(times, count)
    values = likelihood(times, found)
    mean = values.mean(axis=1)
    if not _inside(times, mean):
        return _result(np.array([np.nan]), Status.NOT_CONVERGED, record)
    sets = np.zeros((len(folds), len(rows)), dtype=bool)
    for place, (_, training) in enumerate(folds):
        sets[place, training] = True
    set_of = np.repeat(np.arange(len(folds)), [len(held_out) for held_out, _ in folds])
    # A held-out sample is a probe without noise.
    probing = Probing(probes, np.zeros((count, rows.shape[1])), sets, set_of)
    scatter = covariance_over_data_sets(rows, times, probing, found, values)
    estimates = np.array([_maximum(times, curve) for curve in drawn(mean, scatter.covariance)])
    interval = np.nanpercentile(estimates, INTERVAL)
    return _result(np.array([_maximum(times, mean), *interval]), Status.CONVERGED, record)


def _climb(likelihood: Callable[[float], float], start: float) -> tuple[float, Status]:
    """The best of the noise variances of a grid about the start, with both neighbours known to be worse."""
    places = [start * np.exp(_SPACING * step) for step in (-1, 0, 1)]
    values = [likelihood(place) for place in places]
    for _ in range(_MOST_STEPS):
        if not np.isfinite(values).all():
            # What is not known may be larger.
            return np.nan, Status.NOT_CONVERGED
        best = int(np.argmax(values))
        if 0 < best < len(values) - 1:
            return places[best], Status.CONVERGED
        # The best is at an end: one step on.
        place, at = (places[0] * np.exp(-_SPACING), 0) if best == 0 else (places[-1] * np.exp(_SPACING), len(places))
        places.insert(at, place)
        values.insert(at, likelihood(place))
    return np.nan, Status.NO_TRANSITION


def _nodes(middle: float) -> np.ndarray:
    """Chebyshev nodes in ln t."""
    return middle * np.exp(-_HALF_WIDTH * np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES))


def _maximum(times: np.ndarray, curve: np.ndarray) -> float:
    """Where the polynomial in ln t through a curve is largest; NaN if the curve is not known everywhere."""
    if not np.isfinite(curve).all():
        return np.nan
    fit = Polynomial.fit(np.log(times), curve, len(curve) - 1)
    flat = fit.deriv().roots()
    places = np.append(flat.real[np.abs(flat.imag) < 1e-12], fit.domain)
    places = places[(places >= fit.domain[0]) & (places <= fit.domain[1])]
    return float(np.exp(places[np.argmax(fit(places))]))


def _inside(times: np.ndarray, curve: np.ndarray) -> bool:
    """Whether a curve is known, and its maximum not at an end, beyond which it may go on."""
    place = _maximum(times, curve)
    return bool(times[0] * (1 + 1e-9) < place < times[-1] * (1 - 1e-9))


def _result(estimates: np.ndarray, status: int, record: dict[str, object]) -> xr.Dataset:
    """The value, and the ends of its interval where there is one."""
    value, lower, upper = estimates if len(estimates) == 3 else np.append(estimates, [np.nan, np.nan])
    return xr.Dataset(
        {
            "value": ((), value, described("noise variance of generalization", SQUARED)),
            "lower": ((), lower, described("lower end of its 95 % interval", SQUARED)),
            "upper": ((), upper, described("upper end of its 95 % interval", SQUARED)),
            "status": ((), np.int8(status), status_attributes()),
        },
        attrs={"observable": "generalization time", "provenance": provenance(record)},
    )
