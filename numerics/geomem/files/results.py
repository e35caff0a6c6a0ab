"""Curves in results of this package: a variable over noise variances, with its error bars."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geomem.core.opening import some
from geomem.core.provenance import inputs_of
from geomem.core.results import AGAIN
from geomem.core.status import InputError

if TYPE_CHECKING:
    import xarray as xr

_OVER = "noise_variance"
_MAIN = ("value", "measured")  # what the variable of a curve is called, where it is the only one or one of many
_REPLICATES = ("replicate", "seed")
_OBSERVABLES = {
    "participation": "participation",
    "gap_dimension": "dimension",
    "dimension": "dimension",
    "empirical_dimension": "dimension",
}


class Found(NamedTuple):
    """A curve: columns of a table, their covariance with its degrees of freedom, and metadata."""

    columns: dict[str, np.ndarray]
    covariance: np.ndarray | None
    degrees_of_freedom: float
    metadata: dict[str, object]


def is_result(data: "xr.Dataset") -> bool:
    """Whether it is a result, by its provenance or noise variances, and not a curve over times."""
    return "time" not in data.dims and (_OVER in data.dims or "provenance" in data.attrs)


def curve_of_result(data: "xr.Dataset", key: str | None) -> Found:
    """The curve NAME, or NAME,DIM=VALUE,... where it is given for several values of another coordinate.

    Without a name it is `value` or `measured`, or the only one. Points without a value or an error bar are left out.
    Seeds of training and random frames are replicates. Times are noise variances, on the schedule `ve`.

    Raises:
        InputError: if there is no such curve, or it has no error bars.
    """
    if _OVER not in data.dims:
        raise InputError(f"these results are over {some(list(data.dims))}, not over noise variances, so hold no curve")
    name, *choices = (key or _default(data)).split(",")
    if name not in data.data_vars or _OVER not in data[name].dims:
        raise InputError(f"there is no curve {name!r} in it; {_names(data)}")
    for choice in choices:
        data = _chosen(data, *(part.strip() for part in choice.partition("=")[::2]))
    data = data.squeeze([dim for dim in data[name].dims if dim != _OVER and data.sizes[dim] == 1]).sortby(_OVER)
    value = data[name]
    others = [str(dim) for dim in value.dims if dim != _OVER]
    if others and not (len(others) == 1 and others[0] in _REPLICATES):
        wanted = next(dim for dim in others if dim not in _REPLICATES)
        raise InputError(
            f"{name} is given over {', '.join(others)} too; choose by FILE.nc:{name},{wanted}=VALUE, one of "
            f"{some(data[wanted].values.tolist())}"
        )
    error = data.get(_error_of(name))
    if error is None and not others:
        raise InputError(f"{name} has no error bars, of one data set; {_names(data)}")
    metadata = _metadata(data, name)
    times, values = data[_OVER].values, value.transpose(*others, _OVER).values
    known = np.isfinite(np.atleast_2d(values)).all(axis=0)
    if error is not None:
        if error.dims != (_OVER,):
            raise InputError(f"the error bars of {name} are over {some(list(error.dims))}, not noise variances")
        known &= np.isfinite(error.values) & (error.values > 0)
    if not known.any():
        raise InputError(f"{name} has nowhere both a value and an error bar")
    count = len(values) if others else 1
    columns = {"time": np.tile(times[known], count), "value": values[..., known].ravel()}
    if error is not None:
        columns["error"] = np.tile(error.values[known], count)
    if others:
        columns["replicate"] = np.repeat(data[others[0]].values, int(known.sum()))
    covariance, degrees = None, np.inf
    if name == "value" and "covariance" in data:
        both = data["covariance"].sortby(f"{_OVER}{AGAIN}")
        covariance = both.transpose(_OVER, f"{_OVER}{AGAIN}").values[np.ix_(known, known)]
        degrees = float(both.attrs.get("degrees_of_freedom", np.inf))
    return Found(columns, covariance, degrees, metadata)


def _error_of(name: str) -> str:
    return "error" if name in _MAIN else f"{name}_error"


def _curves(data: "xr.Dataset") -> list[str]:
    """The variables over noise variances that have error bars, or may take them from replicates."""
    return [
        str(name)
        for name, one in data.data_vars.items()
        if _OVER in one.dims
        and one.dtype.kind == "f"
        and (_error_of(str(name)) in data or any(data.sizes[dim] > 1 for dim in one.dims if dim in _REPLICATES))
    ]


def _names(data: "xr.Dataset") -> str:
    names = _curves(data)
    return f"with error bars it holds {some(names)}" if names else "it holds none with error bars"


def _default(data: "xr.Dataset") -> str:
    names = _curves(data)
    main = [one for one in _MAIN if one in names]
    if main or len(names) == 1:
        return (main or names)[0]
    raise InputError(f"choose a curve by FILE.nc:NAME; {_names(data)}")


def _chosen(data: "xr.Dataset", dim: str, text: str) -> "xr.Dataset":
    """The results at one value of a coordinate."""
    try:
        places = np.flatnonzero(np.isclose(data[dim].values, float(text), rtol=1e-9, atol=0))
    except (KeyError, TypeError, ValueError):
        places = np.zeros(0, dtype=int)
    if dim not in data.dims or len(places) != 1:
        known = some(data[dim].values.tolist()) if dim in data.dims else f"coordinates are {some(list(data.dims))}"
        raise InputError(f"there is no {dim} {text!r} to choose; there are {known}")
    return data.isel({dim: int(places[0])})


def _metadata(data: "xr.Dataset", name: str) -> dict[str, object]:
    """What the results say of the curve."""
    try:
        inputs = inputs_of(str(data.attrs["provenance"]))
    except (KeyError, TypeError, ValueError):
        inputs = {}
    observable = _OBSERVABLES.get(name)
    if name in _MAIN:
        observable = data.attrs.get("observable", inputs.get("observable"))
    size = data["num_samples"].item() if "num_samples" in data.coords and data["num_samples"].ndim == 0 else None
    found = {
        "observable": observable,
        "units": data[name].attrs.get("units"),
        "num_samples": size or data.attrs.get("num_samples", inputs.get("num_samples")),
        "dimension": data.attrs.get("dimension"),
        "provenance": data.attrs.get("provenance"),
    }
    known = {key: one for key, one in found.items() if isinstance(one, str | int | float | np.number)}
    return {"schedule": "ve"} | known
