"""Whether a measured spectrum differs by more than chance from the law of its sorted values."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy import stats

from geomem.core.provenance import inputs_of
from geomem.core.status import InputError, Status

_ROUNDING = 1e-9  # of ln t
_DRAWS_EACH = 8  # draws that every component takes
_TAIL = 0.05  # of the draws, beyond which their chi-square is extrapolated
_LEAST = 1e-12  # squared deviations, of the largest, that are none


class SpectrumFit(NamedTuple):
    """How a spectrum at one noise variance lies in its law; the chi-square over its mean under the law."""

    reduced_chi_square: float
    degrees_of_freedom: int
    p_value: float


NOT_JUDGED = SpectrumFit(np.nan, 0, np.nan)


class SpectrumPair(NamedTuple):
    """A measured and a predicted spectrum at the same noise variances, (times, index)."""

    value: xr.DataArray
    mean: Float[np.ndarray, "times index"]
    deviation: Float[np.ndarray, "times index"]
    fits: tuple[SpectrumFit, ...]


def paired_spectra(measured: xr.Dataset, predicted: xr.Dataset) -> SpectrumPair:
    """A spectrum of `measure_spectrum` and its law by `predicted_spectrum`, theory finite_n.

    Raises:
        InputError: if they are no such pair: of other noise variances, directions or protocols, of several
            replicates, or without a law.
    """
    for one, name in ((measured, "what was measured"), (predicted, "what is predicted")):
        if "singular_value" not in one:
            raise InputError(f"{name} is no spectrum; a spectrum is compared with one of predicted_spectrum")
    if "standard_deviation" not in predicted:
        raise InputError("the predicted spectrum is no law of sorted values; give predicted_spectrum theory 'finite_n'")
    value = measured.singular_value
    if value.sizes.get("replicate", 1) != 1:
        raise InputError(
            f"there are {value.sizes['replicate']} replicates of one data set, and the law is that of one; select one"
        )
    value = value.squeeze("replicate", drop=True) if "replicate" in value.dims else value
    value = value.transpose("noise_variance", "index")
    if value.sizes["index"] != predicted.sizes["index"]:
        raise InputError(
            f"the measured spectrum has {value.sizes['index']} values, the predicted one {predicted.sizes['index']}"
        )
    protocols = [_protocol(one) for one in (measured, predicted)]
    if None not in protocols and protocols[0] != protocols[1]:
        raise InputError(f"the spectrum was measured by {protocols[0]}, the law is that of {protocols[1]}")
    here, there = (np.log(one.noise_variance.values.astype(float)) for one in (value, predicted))
    distance = np.abs(here[:, None] - there[None, :])
    if (distance.min(axis=1) > _ROUNDING).any():
        missing = value.noise_variance.values[np.argmax(distance.min(axis=1))]
        raise InputError(
            f"nothing is predicted at noise variance {missing:g}; predict the spectrum where it is measured"
        )
    law = predicted.isel(noise_variance=distance.argmin(axis=1))
    fits = []
    for place, spectrum in enumerate(value.values):
        at = law.isel(noise_variance=place)
        known = "draws" in law and int(at.status) == Status.CONVERGED and np.isfinite(spectrum).all()
        fits.append(_fit(spectrum, at.draws.values) if known else NOT_JUDGED)
    return SpectrumPair(value, law.singular_value.values, law.standard_deviation.values, tuple(fits))


def _protocol(spectrum: xr.Dataset) -> str | None:
    """What the provenance says of the protocol."""
    record = spectrum.attrs.get("provenance")
    return None if record is None else inputs_of(str(record)).get("protocol")


def _fit(spectrum: Float[np.ndarray, " index"], draws: Float[np.ndarray, "draws index"]) -> SpectrumFit:
    """Chi-square along the leading components of a half of the draws over its mean in the other; of both halves."""
    folds = [_scaled(spectrum, draws[first::2], draws[1 - first :: 2]) for first in (0, 1)]
    if any(fold is None for fold in folds):
        return NOT_JUDGED
    scaled, of_draws, counts = zip(*(fold for fold in folds if fold is not None), strict=True)
    mean = float(np.mean(scaled))
    return SpectrumFit(mean, min(counts), _chance(mean, np.concatenate(of_draws)))


def _scaled(
    spectrum: Float[np.ndarray, " index"],
    known: Float[np.ndarray, "draws index"],
    others: Float[np.ndarray, "draws index"],
) -> tuple[float, Float[np.ndarray, " draws"], int] | None:
    """Chi-square of a spectrum and of other draws by the covariance of the known ones, over the others' mean."""
    deviation = known.std(axis=0, ddof=1)
    there = deviation > _LEAST * deviation.max()
    if not there.any():
        return None
    center, scale = known[:, there].mean(axis=0), deviation[there]
    _, sizes, axes = np.linalg.svd((known[:, there] - center) / scale, full_matrices=False)
    count = int(min(np.sum(sizes > _LEAST * sizes[0]), max(len(known) // _DRAWS_EACH, 1)))
    components = axes[:count] / sizes[:count, None]
    of_others = np.sum((((others[:, there] - center) / scale) @ components.T) ** 2, axis=1)
    chi_square = np.sum((components @ ((spectrum[there] - center) / scale)) ** 2)
    return float(chi_square / of_others.mean()), of_others / of_others.mean(), count


def _chance(chi_square: float, of_draws: Float[np.ndarray, " draws"]) -> float:
    """How often the law has a larger one: counted, and beyond most draws by the chi-square law of their moments."""
    tail = float(np.quantile(of_draws, 1.0 - _TAIL))
    if chi_square <= tail:
        return float((1 + np.sum(of_draws >= chi_square)) / (1 + len(of_draws)))
    mean, variance = float(of_draws.mean()), float(of_draws.var(ddof=1))
    law = stats.chi2(2.0 * mean**2 / variance, scale=0.5 * variance / mean)
    return float(_TAIL * law.sf(chi_square) / law.sf(tail))
