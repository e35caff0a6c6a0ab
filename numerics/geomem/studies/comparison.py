"""A measured curve beside a predicted one: residuals in error bars, and how far they are apart in time."""

from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.optimize import brentq, minimize_scalar

from geomem.core.kinds import refuse_other
from geomem.core.observables import OBSERVABLES
from geomem.core.results import described
from geomem.core.status import InputError
from geomem.studies.agreement import CORRELATED, Spread, agreement, curves_like, spread_of_points
from geomem.studies.spectrum_agreement import SpectrumPair, paired_spectra

# Clocks that curves are given over; shifts are in their logarithm.
TIMES = ("noise_variance", "time")
# The shift is looked for within so much of the range of ln t, on so many points first: steps have many minima.
_RANGE, _SCAN = 0.5, 401
_ROUNDING = 1e-9
SORTED = (
    "singular values are sorted within every data set: no curve of them can be compared, but a spectrum of "
    "measure_spectrum with the law of predicted_spectrum, theory finite_n"
)


def compare(measured: xr.Dataset, predicted: xr.Dataset) -> xr.Dataset:
    """Residuals of a measured curve from a predicted one.

    Both are data sets over `noise_variance` or `time` and any other dimensions, which must agree, with
    `value` and, of the measured one, maybe `error`, its standard error; a prediction is taken to be exact. It is
    interpolated in ln t between its own times; beyond them nothing is predicted, and a curve that is shifted there is
    constant.

    Points of one curve are correlated where they come from the same data sets. How much is known of a curve that has
    `replicates` (replicate, time), each of a data set of its own and at least 8; that has a `covariance`, as that of
    `excess_entropy`; or whose attribute `points` says `independent`. Otherwise the points are taken to be independent,
    and there is no p-value.

    A spectrum of `measure_spectrum` is compared with `predicted_spectrum` at theory finite_n, of the same noise
    variances and protocol. Sorted values fluctuate together, and their law is no normal one where few samples are
    active: both are taken from its draws. Values of one noise variance are those of one data set, and so are those of
    all: the p-value is the least one times their number.

    Returns:
        A data set with `residual`, measured minus predicted, NaN where nothing is predicted, and `z`, the same
        in standard errors, NaN where there is no error bar. Attributes: `points`, `correlated`, `independent` or
        `assumed independent`; `reduced_chi_square`, of independent points the mean of z^2 (nothing is fitted), of
        correlated ones that of the residual's components along `degrees_of_freedom` polynomials in ln t, at most
        five, by their own covariance; `p_value`, how often a true prediction has a larger one, by Hotelling's law
        where the covariance is estimated, NaN where it is unknown and of dimensions, since counts near a step are
        biased; `max_abs_z`; `log_time_shift`, by how much ln t of the predicted curve has to grow to fit the measured
        one best by least squares; and `log_time_shift_error`: of correlated points the scatter of the shifts of curves
        with that covariance, else half the interval in which the sum of z^2 rises by one. Without error bars
        the weights are equal and the shift has no error.
        Of spectra `z` is in standard deviations of the law; there are also `reduced_chi_square` and `p_value` over
        `noise_variance`, of the residual's leading components by the law's covariance, NaN where it is out of
        validity; the attributes are of all that are judged, the chi-square their mean; and the shift has no error.

    Raises:
        InputError: if there are no such variables, or the dimensions do not agree; for singular values beside what is
            no law of them, or is that of another protocol.
    """
    if any(_is_spectrum(*pair) for pair in _named(measured, predicted)):
        return _compared_spectra(paired_spectra(measured, predicted))
    return compared(paired(measured, predicted))


def _named(measured: xr.Dataset, predicted: xr.Dataset) -> list[tuple[xr.Dataset, str]]:
    return [(measured, "what was measured"), (predicted, "what is predicted")]


def _is_spectrum(data: xr.Dataset, name: str) -> bool:
    """Whether the data set is a spectrum and no curve; refused if it is no data set."""
    refuse_other(data, xr.Dataset, name, "a data set of xarray, as load_curve gives")
    return "value" not in data and "singular_value" in data


def compared(pair: "Pair") -> xr.Dataset:
    """What `compare` returns of a pair."""
    value, error, residual = pair.value, pair.error, pair.residual
    # What is known exactly agrees, or is infinitely far off.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = np.where((residual == 0) & (error == 0), 0.0, residual / error)
    shift, shift_error = _shift(pair)
    judged = z[~np.isnan(z)]
    fit = agreement(z.ravel(), error.ravel(), pair.clocks, pair.spread, normal=pair.normal)
    attributes = {
        "points": pair.spread.points,
        "reduced_chi_square": fit.reduced_chi_square,
        "degrees_of_freedom": fit.degrees_of_freedom,
        "p_value": fit.p_value,
        "max_abs_z": float(np.abs(judged).max()) if judged.size else np.nan,
        "log_time_shift": shift,
        "log_time_shift_error": shift_error,
    }
    return xr.Dataset(
        {
            "residual": (
                value.dims,
                residual,
                described("measured minus predicted", str(value.attrs.get("units", "1"))),
            ),
            "z": (value.dims, z, described("residual in standard errors", "1")),
        },
        value.coords,
        attributes,
    )


def _compared_spectra(pair: SpectrumPair) -> xr.Dataset:
    residual = pair.value.values - pair.mean
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where((residual == 0) & (pair.deviation == 0), 0.0, residual / pair.deviation)
    clocks = np.log(pair.value.noise_variance.values.astype(float))
    order = np.argsort(clocks)
    table = pair.mean[order].T

    def at_shifts(shifts: np.ndarray) -> np.ndarray:
        places = clocks - shifts[:, None]
        return np.stack([_interpolated(places, clocks[order], column) for column in table], axis=-1)

    curves = Pair(
        pair.value, pair.deviation, residual, pair.deviation, clocks, float(np.ptp(clocks)), at_shifts,
        Spread(CORRELATED), normal=False,
    )  # fmt: skip
    chi_square, degrees, chance = (np.array(column) for column in zip(*pair.fits, strict=True))
    judged = degrees > 0
    attributes = {
        "points": CORRELATED,
        "reduced_chi_square": float(chi_square[judged].mean()) if judged.any() else np.nan,
        "degrees_of_freedom": int(degrees.sum()),
        "p_value": min(1.0, float(chance[judged].min()) * int(judged.sum())) if judged.any() else np.nan,
        "max_abs_z": float(np.nanmax(np.abs(z), initial=0.0)),
        "log_time_shift": _shift(curves)[0],
        "log_time_shift_error": np.nan,
    }
    over = "noise_variance"
    return xr.Dataset(
        {
            "residual": (pair.value.dims, residual, described("measured minus mean of the law", "1")),
            "z": (pair.value.dims, z, described("residual in standard deviations of the law", "1")),
            "reduced_chi_square": (over, chi_square, described("chi-square over its mean under the law", "1")),
            "p_value": (over, chance, described("how often the law has a larger chi-square", "1")),
        },
        pair.value.coords,
        attributes,
    )


class Pair(NamedTuple):
    """A measured and a predicted curve over the same points, their time first."""

    value: xr.DataArray
    error: Float[np.ndarray, "..."]
    residual: Float[np.ndarray, "..."]  # NaN where nothing is predicted
    bars: Float[np.ndarray, "..."]  # the errors that are known well enough to weigh by
    clocks: Float[np.ndarray, " times"]  # ln t
    span: float  # of ln t that is predicted
    at_shifts: Callable[[np.ndarray], np.ndarray]  # the predicted curve with these added to its ln t, one after another
    spread: Spread
    normal: bool  # whether the measured curve is nearly so about a true prediction

    @property
    def weights(self) -> Float[np.ndarray, "..."]:
        """Of the residuals in least squares: inverse errors, equal if there are none; zero where none is judged."""
        known = np.isfinite(self.bars) & (self.bars > 0)
        inverse = (
            np.where(known, 1.0 / np.where(known, self.bars, 1.0), 0.0) if known.any() else np.ones_like(self.bars)
        )
        return np.where(np.isnan(self.residual), 0.0, inverse)


def paired(measured: xr.Dataset, predicted: xr.Dataset) -> Pair:
    """The two curves of `compare`.

    Raises:
        InputError: as there.
    """
    if any(_is_spectrum(*pair) for pair in _named(measured, predicted)):
        raise InputError(SORTED)
    value, error = curve(measured, "measured")
    expected, _ = curve(predicted, "predicted")
    clock = next((name for name in TIMES if name in value.dims), None)
    if clock is None or clock not in expected.dims:
        raise InputError(f"the curves must share a dimension {' or '.join(TIMES)} to be compared over")
    others = [dim for dim in value.dims if dim != clock]
    if set(expected.dims) != set(value.dims) or any(
        not np.array_equal(expected[dim].values, value[dim].values) for dim in others
    ):
        raise InputError(
            f"the measured curve has dimensions {_shape(value)}, the predicted one {_shape(expected)}; all but "
            f"{clock} must be the same"
        )
    error = error.broadcast_like(value)
    value, error, expected = (one.transpose(clock, *others) for one in (value, error, expected))
    expected = expected.sortby(clock)
    for one in (value, expected):
        if not (np.isfinite(one[clock]) & (one[clock] > 0)).all():
            raise InputError(f"{clock} must be positive and finite")
    clocks, nodes = (np.log(one[clock].values.astype(float)) for one in (value, expected))
    table = expected.values.reshape(len(nodes), -1)

    def at_shifts(shifts: np.ndarray) -> np.ndarray:
        columns = [_interpolated(clocks - shifts[:, None], nodes, column) for column in table.T]
        return np.stack(columns, axis=-1).reshape(len(shifts), *value.shape)

    # Nothing is predicted beside a node that is unknown, or beyond the last; times may differ by rounding.
    inside = (clocks >= nodes[0] - _ROUNDING) & (clocks <= nodes[-1] + _ROUNDING)
    known = np.stack([inside & np.isfinite(np.interp(clocks, nodes, column)) for column in table.T], axis=1)
    residual = np.where(known.reshape(value.shape), value.values - at_shifts(np.zeros(1))[0], np.nan)
    spread = spread_of_points(measured, value, error.values)
    bars = error.values
    if spread.covariance is not None:
        bars = np.where(np.isfinite(np.diag(spread.covariance)), bars, np.nan)
    name = measured.attrs.get("observable")
    normal = name not in OBSERVABLES or OBSERVABLES[name].normal
    return Pair(value, error.values, residual, bars, clocks, float(np.ptp(nodes)), at_shifts, spread, normal)


def scattered_shifts(pair: Pair, seed: int = 0) -> Float[np.ndarray, " curves"]:
    """Shifts of curves that scatter as the measured one: by least squares, on the scan's points and between them.

    Errors that are taken from replicates scatter too, and the weights with them.
    """
    values, errors = curves_like(pair.value.values, pair.spread, seed)
    tried = np.linspace(-_RANGE * pair.span, _RANGE * pair.span, _SCAN)
    weights = pair.weights
    judged = weights > 0
    shifted = pair.at_shifts(tried)[:, judged]
    inverse = np.broadcast_to(weights, values.shape)
    if errors is not None:
        inverse = np.where(errors > 0, 1.0 / np.where(errors > 0, errors, 1.0), inverse)
    squares = inverse[:, judged] ** 2
    misfit = squares @ (shifted**2).T - 2.0 * (values[:, judged] * squares) @ shifted.T
    best = np.argmin(misfit, axis=1)
    inner = best.clip(1, _SCAN - 2)
    rows = np.arange(len(values))
    before, at, after = (misfit[rows, inner + step] for step in (-1, 0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.nan_to_num(0.5 * (before - after) / (before - 2.0 * at + after)).clip(-0.5, 0.5)
    # At an end the best one may lie beyond what is tried.
    return np.where(best == inner, tried[inner] + between * (tried[1] - tried[0]), np.nan)


def _interpolated(points: np.ndarray, nodes: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Interpolation between the nodes that are known."""
    known = np.isfinite(column)
    return np.interp(points, nodes[known], column[known]) if known.any() else np.full(points.shape, np.nan)


def curve(data: xr.Dataset, name: str = "given") -> tuple[xr.DataArray, xr.DataArray]:
    """Value and standard error of a curve, or of the singular values of a spectrum; NaN where it has none.

    Raises:
        InputError: if the data set holds no curve.
    """
    refuse_other(data, xr.Dataset, f"the {name} curve", "a data set of xarray, as load_curve gives")
    if "value" in data:
        value = data["value"]
        return value, data["error"] if "error" in data else xr.full_like(value, np.nan, dtype=float)
    if "singular_value" not in data:
        raise InputError(
            f"the {name} curve has neither 'value' nor 'singular_value'; it has {', '.join(map(str, data))}"
        )
    value = data["singular_value"]
    if "replicate" not in value.dims:
        return value, xr.full_like(value, np.nan)
    count = value.sizes["replicate"]
    mean = value.mean("replicate", keep_attrs=True)
    spread = value.std("replicate", ddof=1) / np.sqrt(count) if count > 1 else xr.full_like(mean, np.nan)
    return mean, spread


def _shift(pair: Pair) -> tuple[float, float]:
    """Best shift of the predicted curve in ln t, and its standard error."""
    value, weights = pair.value.values, pair.weights

    def misfits_of(shifts: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):  # an error bar that is next to nothing
            pulls = np.where(weights > 0, weights * (value - pair.at_shifts(shifts)), 0.0)
            return np.sum(pulls.reshape(len(shifts), -1) ** 2, axis=1)

    def misfit(shift: float) -> float:
        return float(misfits_of(np.array([shift]))[0])

    tried = np.linspace(-_RANGE * pair.span, _RANGE * pair.span, _SCAN)
    misfits = misfits_of(tried)
    if np.ptp(misfits) == 0:  # one time only, a flat curve, or nothing to judge by
        return np.nan, np.nan
    best = int(np.argmin(misfits))
    if not np.isfinite(misfits).all() or best in (0, len(tried) - 1):
        return np.nan, np.nan  # not known everywhere, or the best one may lie beyond what is tried
    step = float(tried[1] - tried[0])
    bounds = (tried[best] - step, tried[best] + step)
    found = minimize_scalar(misfit, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    shift, least = min(
        (float(found.x), float(found.fun)), (float(tried[best]), float(misfits[best])), key=itemgetter(1)
    )
    if not np.isfinite(pair.bars).any():
        return shift, np.nan
    if pair.spread.covariance is not None:
        shifts = scattered_shifts(pair)
        return shift, float(np.std(shifts, ddof=1)) if np.isfinite(shifts).all() else np.nan

    def end(side: np.ndarray) -> float:
        """Where the misfit has risen by one, on that side of the best shift."""
        beyond = np.flatnonzero(misfits[side] > least + 1)
        if not beyond.size:
            return np.nan
        return float(brentq(lambda other: misfit(other) - least - 1, shift, tried[side][beyond[0]], xtol=1e-9))

    return shift, 0.5 * (end(np.flatnonzero(tried > shift)) - end(np.flatnonzero(tried < shift)[::-1]))


def _shape(data: xr.DataArray) -> str:
    return ", ".join(f"{name} ({size})" for name, size in data.sizes.items())
