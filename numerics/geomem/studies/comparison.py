"""A measured curve beside a predicted one: residuals in error bars, and how far they are apart in time."""

from operator import itemgetter

import numpy as np
import xarray as xr
from scipy.optimize import brentq, minimize_scalar

from geomem.core.results import described
from geomem.core.status import InputError

# Clocks that curves are given over; shifts are in their logarithm.
TIMES = ("noise_variance", "time")
# The shift is looked for within so much of the range of ln t, on so many points first: steps have many minima.
_RANGE, _SCAN = 0.5, 401
_ROUNDING = 1e-9


def compare(measured: xr.Dataset, predicted: xr.Dataset) -> xr.Dataset:
    """Residuals of a measured curve from a predicted one.

    Both are data sets over `noise_variance` or `time` and any other dimensions, which must agree: with
    `value` and, of the measured one, `error` (its standard error); or spectra of `measure_spectrum` and
    `predicted_spectrum`, replicates being averaged. The predicted curve is interpolated in ln t between
    its own times; beyond them nothing is predicted, and a curve that is shifted there is constant.

    Returns:
        A data set with `residual`, measured minus predicted, NaN where nothing is predicted, and `z`, the same
        in standard errors, NaN where there is no error bar. Attributes: `reduced_chi_square`, the mean of z^2
        (nothing is fitted), `max_abs_z`; `log_time_shift`, by how much ln t of the predicted curve has to grow to
        fit the measured one best by least squares, and `log_time_shift_error`, half the interval in which the sum
        of z^2 rises by one: as if the points were independent, which points of the same data sets are not.
        Without error bars the weights are equal and the shift has no error.

    Raises:
        InputError: if there are no such variables, or the dimensions do not agree.
    """
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

    def at_shift(shift: float) -> np.ndarray:
        columns = [_interpolated(clocks - shift, nodes, column) for column in table.T]
        return np.stack(columns, axis=1).reshape(value.shape)

    # Nothing is predicted beside a node that is unknown, or beyond the last; times may differ by rounding.
    inside = (clocks >= nodes[0] - _ROUNDING) & (clocks <= nodes[-1] + _ROUNDING)
    known = np.stack([inside & np.isfinite(np.interp(clocks, nodes, column)) for column in table.T], axis=1)
    residual = np.where(known.reshape(value.shape), value.values - at_shift(0.0), np.nan)
    # What is known exactly agrees, or is infinitely far off.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = np.where((residual == 0) & (error.values == 0), 0.0, residual / error.values)
    weights = np.where(np.isnan(residual), 0.0, _weights(error.values))
    shift, shift_error = _shift(at_shift, value.values, weights, float(np.ptp(nodes)))
    judged = z[~np.isnan(z)]
    attributes = {
        "reduced_chi_square": float(np.mean(judged**2)) if judged.size else np.nan,
        "max_abs_z": float(np.abs(judged).max()) if judged.size else np.nan,
        "log_time_shift": shift,
        "log_time_shift_error": shift_error if np.isfinite(error.values).any() else np.nan,
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


def _interpolated(points: np.ndarray, nodes: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Interpolation between the nodes that are known."""
    known = np.isfinite(column)
    return np.interp(points, nodes[known], column[known]) if known.any() else np.full(points.shape, np.nan)


def curve(data: xr.Dataset, name: str = "given") -> tuple[xr.DataArray, xr.DataArray]:
    """Value and standard error of a curve; NaN where it has none.

    Raises:
        InputError: if the data set holds no curve.
    """
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


def _weights(error: np.ndarray) -> np.ndarray:
    """Inverse errors; equal ones if there are no error bars."""
    known = np.isfinite(error) & (error > 0)
    return np.where(known, 1.0 / np.where(known, error, 1.0), 0.0) if known.any() else np.ones_like(error)


def _shift(at_shift, value: np.ndarray, weights: np.ndarray, span: float) -> tuple[float, float]:  # noqa: ANN001
    """Best shift of the predicted curve in ln t, and the standard error that the weights give it."""

    def misfit(shift: float) -> float:
        with np.errstate(over="ignore"):  # an error bar that is next to nothing
            pulls = np.where(weights > 0, weights * (value - at_shift(shift)), 0.0)
            return float(np.sum(pulls**2))

    tried = np.linspace(-_RANGE * span, _RANGE * span, _SCAN)
    misfits = np.array([misfit(float(shift)) for shift in tried])
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

    def end(side: np.ndarray) -> float:
        """Where the misfit has risen by one, on that side of the best shift."""
        beyond = np.flatnonzero(misfits[side] > least + 1)
        if not beyond.size:
            return np.nan
        return float(brentq(lambda other: misfit(other) - least - 1, shift, tried[side][beyond[0]], xtol=1e-9))

    return shift, 0.5 * (end(np.flatnonzero(tried > shift)) - end(np.flatnonzero(tried < shift)[::-1]))


def _shape(data: xr.DataArray) -> str:
    return ", ".join(f"{name} ({size})" for name, size in data.sizes.items())
