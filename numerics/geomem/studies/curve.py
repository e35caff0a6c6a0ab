"""What the command `compare` works out: a measured curve, what the theory says of it, and how far they are apart."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import xarray as xr

from geomem.boundaries.clones import cloning_curve, expected_collapse_probability
from geomem.boundaries.excess_entropy import expected_excess_entropy
from geomem.boundaries.phases import resolved_dimension
from geomem.core.observables import OBSERVABLES
from geomem.core.provenance import extended, provenance
from geomem.core.resampling import HALF_INTERVAL, INTERVAL
from geomem.core.results import AGAIN, SQUARED, described, noise_axis, status_attributes, with_status
from geomem.core.status import InputError, Status
from geomem.laws.law import Law
from geomem.laws.probe import Probe
from geomem.levels.level import level_of
from geomem.levels.quenched import quenched
from geomem.lowering import lower
from geomem.schedules.clock import Clock
from geomem.studies.comparison import SORTED, compared, paired, scattered_shifts

_bound = jnp.vectorize(lower("collapse_probability_bound"))
# Numbers, and their ratios to errors, that can be squared, added and drawn.
_MOST = 1e100
# Points of a predicted curve that costs next to nothing.
_DENSE = 200


@dataclass(frozen=True)
class Asked:
    """What is asked of a law, beside the observable: the level, and for some the size, direction or probe.

    Without a `theory` it is the first level that predicts the observable. For the dimension also the variances of all
    directions, where those of the law's blocks are means.
    """

    num_samples: float
    theory: str | None = None
    block: int = 0
    probe: Probe = Probe.along()
    direction_variances: np.ndarray | None = None


# A law, or the measured excess entropy of a data set whose law is not known.
Source = Law | xr.Dataset


def on_noise_variance(curve: xr.Dataset, clock: Clock) -> xr.Dataset:
    """A curve of `load_curve` over rising noise variances, its times on the schedule kept beside them.

    Raises:
        InputError: if a time is not on the schedule, or for numbers too large to be compared.
    """
    for time, value, error in zip(curve.time.values, curve.value.values, curve.error.values, strict=True):
        if not max(abs(value), error) <= _MOST or not max(abs(value), 1.0) <= _MOST * error:
            raise InputError(
                f"at time {time:g} the value is {value:g} and the error {error:g}; to be compared they, their ratio "
                f"and the inverse of the error must be at most {_MOST:g}"
            )
    variances = clock.schedule.noise_variance(curve.time.values)
    coordinate = ("time", variances, described("noise variance", SQUARED))
    found = curve.assign_coords(noise_variance=coordinate).swap_dims(time="noise_variance")
    over = ["noise_variance"]
    if "covariance" in found:
        over.append(f"noise_variance{AGAIN}")
        found = found.assign_coords({over[1]: (f"time{AGAIN}", variances, coordinate[2])})
        found = found.swap_dims({f"time{AGAIN}": over[1]})
    if len(variances) > 1 and variances[0] > variances[-1]:  # a clock that runs from noise to data
        found = found.isel(dict.fromkeys(over, slice(None, None, -1)))
    return found.assign_attrs(schedule=clock.name)


def predict(observable: str, law: Source, noise_variance: np.ndarray, asked: Asked) -> xr.Dataset:
    """The curve that the theory expects: `value` and `status` over `noise_variance`, maybe `error`.

    Of a measured excess entropy, given as a curve over `noise_variance`, the least collapse probability.

    Raises:
        InputError: for an unknown observable, a law that does not have it, or what the level does not know.
    """
    if observable == "singular-values":
        raise InputError(SORTED)
    if observable not in OBSERVABLES:
        raise InputError(f"there is no observable {observable!r}; choose one of {', '.join(OBSERVABLES)}")
    level = _level(observable, law, asked.theory)
    found = _prediction(observable, law, noise_variance, asked, level)
    found = found if "status" in found else with_status(found)
    return found.assign_attrs(provenance=extended(str(found.attrs["provenance"]), {"theory": level or None}))


def _level(observable: str, law: Source, theory: str | None) -> str:
    """The level of the theory that is asked for, or the first that there is; none is the empty text."""
    levels = () if isinstance(law, xr.Dataset) else OBSERVABLES[observable].levels
    if theory is not None and theory not in levels:
        if not levels:
            raise InputError(f"this prediction of {observable} has no levels of the theory; leave {theory!r} out")
        raise InputError(f"{observable} is predicted at level {' or '.join(levels)}, not {theory}")
    return theory or next(iter(levels), "")


def _prediction(observable: str, law: Source, noise_variance: np.ndarray, asked: Asked, level: str) -> xr.Dataset:
    if isinstance(law, xr.Dataset):
        if observable != "collapse-probability":
            raise InputError(f"a measured excess entropy says nothing of {observable}; give a law")
        return _least_collapse_probability(law)
    size = asked.num_samples
    if observable == "excess-entropy":
        # The asymptotic curve, which is cheap, has a kink.
        times = _dense(noise_variance) if level_of(level).cheap else noise_variance
        return expected_excess_entropy(law, noise_variance=times, num_samples=size, theory=level)
    if observable == "cloning":
        if "class_products" not in law.knows:
            raise InputError("clones end in classes, and this law has none; give --law two-classes")
        return cloning_curve(law, noise_variance=_dense(noise_variance))
    if observable == "collapse-probability":
        return expected_collapse_probability(law, noise_variance=noise_variance, num_samples=size)
    law.require("one_gaussian", f"the prediction of {observable}")
    no_error = np.zeros(len(noise_variance))
    if observable == "dimension":
        value = resolved_dimension(
            law,
            noise_variance=noise_variance,
            num_samples=size,
            theory=level,
            direction_variances=asked.direction_variances,
        )
        return _predicted(noise_variance, value, no_error, law.record())
    found = quenched(law, asked.block, noise_variance=noise_variance, num_samples=size, probe=asked.probe)
    record = law.record() | {"block": asked.block, "probe": asked.probe.record()}
    curve = _predicted(noise_variance, np.asarray(found.participation), no_error, record)
    return curve.assign(status=("noise_variance", np.asarray(found.status), status_attributes()))


def study_curve(measured: xr.Dataset, predicted: xr.Dataset, seed: int = 0) -> xr.Dataset:
    """`compare`, with both curves, and an interval of the shift in ln t.

    Of replicates the interval is that of their bootstrap, drawn from `seed` and widened as Student's law is for so
    few, otherwise that of the error of the shift.

    Returns:
        The data set of `compare` with `measured`, `error`, `predicted` and its `status` over `noise_variance`,
        INVALID at times beyond those of the prediction, and attributes `log_time_shift_lower` and
        `log_time_shift_upper`, a 95 % interval.

    Raises:
        InputError: as `compare`, or if nothing is predicted at the times of the curve.
    """
    pair = paired(measured, predicted)
    found = compared(pair)
    status = _status_at(measured, predicted, found.residual.isnull().values)
    if found.residual.isnull().all():
        raise InputError(f"nothing is predicted at the times of the curve: {in_words(status)}")
    from scipy.stats import t as student  # slow to import

    shift, shift_error = found.attrs["log_time_shift"], found.attrs["log_time_shift_error"]
    quantile = student.ppf(INTERVAL[1] / 100, pair.spread.degrees_of_freedom)
    if pair.spread.replicates is not None and np.isfinite(shift_error):
        # Percentiles know that steps shift unevenly; of few replicates they are too narrow as a normal law is.
        reach = np.percentile(scattered_shifts(pair, seed), INTERVAL) - shift
        lower, upper = shift + quantile / HALF_INTERVAL * reach
    else:
        lower, upper = shift - quantile * shift_error, shift + quantile * shift_error
    units = str(measured.value.attrs.get("units", "1"))
    expected = found.residual.copy(data=measured.value.values - found.residual.values)
    expected.attrs = described("predicted", units)
    return found.assign(
        measured=measured.value,
        error=measured.error,
        predicted=expected,
        status=("noise_variance", status, status_attributes()),
    ).assign_attrs(
        log_time_shift_lower=float(lower),
        log_time_shift_upper=float(upper),
        provenance=predicted.attrs["provenance"],
    )


def with_both_errors(measured: xr.Dataset, predicted: xr.Dataset) -> xr.Dataset:
    """The measured curve, with the error of a predicted one that has any added, as if independent."""
    if "error" not in predicted:
        return measured
    clock, nodes = np.log(measured.noise_variance.values), np.log(predicted.noise_variance.values)
    added = np.nan_to_num(np.interp(clock, nodes, predicted.error.values))
    if "covariance" in measured:
        measured = measured.assign(covariance=measured.covariance + np.diag(added**2))
    return measured.assign(error=measured.error.copy(data=np.hypot(measured.error.values, added)))


def in_words(status: np.ndarray) -> str:
    """How often a prediction ended otherwise than with a value."""
    words = {one: one.name.lower().replace("_", " ") for one in Status} | {Status.INVALID: "outside of its times"}
    counts = [(int(np.sum(status == one)), one) for one in Status if one != Status.CONVERGED]
    return ", ".join(f"{words[one]} at {count}" for count, one in counts if count)


def _status_at(measured: xr.Dataset, predicted: xr.Dataset, missing: np.ndarray) -> np.ndarray:
    """How the prediction ended at the measured times."""
    clock, nodes = np.log(measured.noise_variance.values), np.log(predicted.noise_variance.values)
    nearest = predicted.status.values[np.abs(clock[:, None] - nodes).argmin(axis=1)]
    return np.where(missing & (nearest == Status.CONVERGED), Status.INVALID, nearest).astype(np.int8)


def _least_collapse_probability(entropy: xr.Dataset) -> xr.Dataset:
    if "dimension" not in entropy.attrs:
        raise InputError(
            "the excess entropy does not say the data's dimension; add a line '# dimension: ...' to its file"
        )
    dimension = float(entropy.attrs["dimension"])
    # Noise may make an excess entropy negative, which no measure has.
    value = np.asarray(_bound(np.maximum(entropy.value.values, 0.0), dimension))
    error = value * dimension * entropy.error.values
    return _predicted(entropy.noise_variance.values, value, error, {"dimension": dimension})


def _dense(noise_variance: np.ndarray) -> np.ndarray:
    between = np.geomspace(noise_variance.min(), noise_variance.max(), _DENSE)
    return np.unique(np.concatenate([noise_variance, between]))


def _predicted(
    noise_variance: np.ndarray, value: np.ndarray, error: np.ndarray, record: dict[str, object]
) -> xr.Dataset:
    return xr.Dataset(
        {"value": ("noise_variance", value), "error": ("noise_variance", error)},
        noise_axis(noise_variance),
        {"provenance": provenance(record)},
    )
