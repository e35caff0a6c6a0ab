"""What the command `compare` works out: a measured curve, what the theory says of it, and how far they are apart."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import xarray as xr

from numerics.clocks import schedule_record
from numerics.comparison import compare
from numerics.entropy import expected_collapse_probability, expected_excess_entropy
from numerics.finite_n import quenched
from numerics.laws import GaussianMixture
from numerics.lowering import lower
from numerics.manifold import Manifold
from numerics.mixture import cloning_curve
from numerics.phases import resolved_dimension
from numerics.probe import Probe
from numerics.provenance import SQUARED, described, extended, provenance
from numerics.schedule import schedule_of
from numerics.spectrum import predicted_spectrum
from numerics.status import InputError
from theory.symbols import dims
from theory.symbols import excess_entropy as excess

_bound = jnp.vectorize(lower("collapse_probability_bound", (excess, dims)))

OBSERVABLES = ("participation", "dimension", "excess-entropy", "collapse-probability", "cloning", "singular-values")
_RESAMPLES, _INTERVAL, _NORMAL = 200, (2.5, 97.5), 1.96
# Points of a predicted curve that costs next to nothing.
_DENSE = 200


@dataclass(frozen=True)
class Asked:
    """What is asked of a law, beside the observable: the level, and for some the size, direction, probe or index."""

    num_samples: float
    theory: str = "finite_n"
    block: int = 0
    probe: Probe = Probe.along()
    index: int = 0


# A law, or the measured excess entropy of a data set whose law is not known.
Source = Manifold | GaussianMixture | xr.Dataset


def on_noise_variance(curve: xr.Dataset, schedule: str) -> xr.Dataset:
    """A curve of `load_curve` over noise variances, its times on the schedule kept beside them.

    Raises:
        InputError: if there is no such schedule, or a time is not on it.
    """
    variances = schedule_of(schedule).noise_variance(curve.time.values)
    coordinate = ("time", variances, described("noise variance", SQUARED))
    found = curve.assign_coords(noise_variance=coordinate).swap_dims(time="noise_variance")
    return found.assign_attrs(schedule=schedule)


def predict(
    observable: str, law: Source, noise_variance: np.ndarray, asked: Asked, progress: bool = False
) -> xr.Dataset:
    """The curve that the theory expects, `value` over `noise_variance`.

    Of a measured excess entropy, given as a curve over `noise_variance`, the least collapse probability.

    Raises:
        InputError: for an unknown observable, a law that does not have it, or what the level does not know.
    """
    if observable not in OBSERVABLES:
        raise InputError(f"there is no observable {observable!r}; choose one of {', '.join(OBSERVABLES)}")
    if isinstance(law, xr.Dataset):
        if observable != "collapse-probability":
            raise InputError(f"a measured excess entropy says nothing of {observable}; give a law")
        return _least_collapse_probability(law)
    size = asked.num_samples
    if observable == "excess-entropy":
        # The asymptotic curve has a kink.
        times = noise_variance if asked.theory == "finite_n" else _dense(noise_variance)
        return expected_excess_entropy(
            law, noise_variance=times, num_samples=size, theory=asked.theory, progress=progress
        )
    if observable == "cloning":
        if not isinstance(law, GaussianMixture):
            raise InputError("clones end in classes, and this law has none; give --law two-classes")
        return cloning_curve(law, noise_variance=_dense(noise_variance))
    if observable == "singular-values":
        if not isinstance(law, Manifold):
            raise InputError("the spectrum of a mixture's Jacobian is not predicted; give a manifold")
        spectrum = predicted_spectrum(law, noise_variance=noise_variance, num_samples=size, theory=asked.theory)
        count = spectrum.sizes["index"]
        if not 0 <= asked.index < count:
            raise InputError(f"there is no singular value {asked.index}; the spectrum has 0 to {count - 1}")
        return spectrum[["singular_value"]].isel(index=asked.index, drop=True).rename(singular_value="value")
    if asked.theory != "finite_n":
        raise InputError(f"{observable} is predicted at level finite_n, not {asked.theory}")
    if observable == "collapse-probability":
        return expected_collapse_probability(law, noise_variance=noise_variance, num_samples=size, progress=progress)
    if not isinstance(law, Manifold):
        raise InputError(f"{observable} of a mixture is not predicted at level finite_n; give a manifold")
    if observable == "dimension":
        value = resolved_dimension(
            law, noise_variance=noise_variance, num_samples=size, theory="finite_n", progress=progress
        )
    else:
        found = quenched(law, asked.block, noise_variance=noise_variance, num_samples=size, probe=asked.probe)
        value = found.participation
    record = law.record() | {"block": asked.block, "probe": asked.probe.record()}
    return _predicted(noise_variance, np.asarray(value), np.zeros(len(noise_variance)), record)


def with_both_errors(measured: xr.Dataset, predicted: xr.Dataset) -> xr.Dataset:
    """The measured curve, with the error of a predicted one that has any added, as if independent."""
    if "error" not in predicted:
        return measured
    clock, nodes = np.log(measured.noise_variance.values), np.log(predicted.noise_variance.values)
    both = np.hypot(measured.error.values, np.interp(clock, nodes, predicted.error.values))
    return measured.assign(error=measured.error.copy(data=both))


def study_curve(measured: xr.Dataset, predicted: xr.Dataset) -> xr.Dataset:
    """`compare`, with both curves, and an interval of the shift in ln t.

    Of replicates the interval is that of their bootstrap, otherwise that of the curve's error bars, as if its
    points were independent.

    Returns:
        The data set of `compare` with `measured`, `error` and `predicted` over `noise_variance`, and
        attributes `log_time_shift_lower` and `log_time_shift_upper`, a 95 % interval.

    Raises:
        InputError: as `compare`.
    """
    found = compare(measured, predicted)
    if "replicates" in measured:
        rng, rows = np.random.default_rng(0), measured.replicates.values
        shifts = []
        for _ in range(_RESAMPLES):
            chosen = rows[rng.integers(len(rows), size=len(rows))]
            again = measured.assign(value=(measured.value.dims, chosen.mean(axis=0)))
            shifts.append(compare(again, predicted).attrs["log_time_shift"])
        lower, upper = np.nanpercentile(shifts, _INTERVAL)
    else:
        reach = _NORMAL * found.attrs["log_time_shift_error"]
        lower, upper = found.attrs["log_time_shift"] - reach, found.attrs["log_time_shift"] + reach
    units = str(measured.value.attrs.get("units", "1"))
    expected = found.residual.copy(data=measured.value.values - found.residual.values)
    expected.attrs = described("predicted", units)
    record = extended(str(predicted.attrs["provenance"]), schedule_record(str(measured.attrs["schedule"])))
    return found.assign(measured=measured.value, error=measured.error, predicted=expected).assign_attrs(
        log_time_shift_lower=float(lower), log_time_shift_upper=float(upper), provenance=record
    )


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
        {"noise_variance": ("noise_variance", noise_variance, described("noise variance", SQUARED))},
        {"provenance": provenance(record)},
    )
