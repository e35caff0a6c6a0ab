"""What solvers answer and results carry: transitions, coordinates and attributes."""

from enum import IntEnum
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int, Int8

from geomem.core.observables import OBSERVABLES
from geomem.core.provenance import provenance
from geomem.core.status import Status

SQUARED = "squared units of the data"
AGAIN = "_again"  # what the second axis of a covariance is called, after the first


def described(long_name: str, units: str) -> dict[str, str]:
    """Attributes of a variable of a result."""
    return {"long_name": long_name, "units": units}


class Transition(NamedTuple):
    """A critical noise variance or a critical data-set size, per lane.

    All fields have the shape of the lanes. For times, `value` is a noise variance in
    the squared units of the data and `log_value` its logarithm; for sizes `value` is a
    number of samples, infinite where it overflows, and `log_value` is ln N.

    `residual` is the criterion's own equation at the answer (the entropy S, or ln R),
    dimensionless and zero at an exact solution. `lower` and `upper` enclose the value.
    """

    value: Float[Array, "..."]
    log_value: Float[Array, "..."]
    status: Int8[Array, "..."]
    residual: Float[Array, "..."]
    lower: Float[Array, "..."]
    upper: Float[Array, "..."]
    iterations: Int[Array, "..."]


# A root is accepted if its equation is solved to this, relative to ln N where that is large.
_RESIDUAL_TOLERANCE = 1e-10


def status_of(valid: Array, found: Array, residual: Array, log_sizes: Array, in_validity: Array) -> Array:
    """How every lane ended."""
    tolerance = _RESIDUAL_TOLERANCE * jnp.maximum(jnp.abs(log_sizes), 1.0)
    solved = jnp.where(in_validity, Status.CONVERGED, Status.OUT_OF_VALIDITY)
    status = jnp.where(jnp.abs(residual) <= tolerance, solved, Status.NOT_CONVERGED)
    return jnp.where(valid, jnp.where(found, status, Status.NO_TRANSITION), Status.INVALID).astype(jnp.int8)


def transition(
    log_value: Array, status: Array, residual: Array, lower: Array, upper: Array, iterations: Array
) -> Transition:
    """The answer with NaN for every lane that has none."""
    known = (status == Status.CONVERGED) | (status == Status.OUT_OF_VALIDITY)
    log_value, residual, lower, upper = (jnp.where(known, x, jnp.nan) for x in (log_value, residual, lower, upper))
    return Transition(jnp.exp(log_value), log_value, status, residual, lower, upper, iterations)


def flag_attributes(kinds: type[IntEnum], text: str) -> dict[str, object]:
    """Attributes of a variable that holds values of an enumeration, as the CF conventions have them."""
    return {
        "long_name": text,
        "flag_values": np.array(list(kinds), dtype=np.int8),
        "flag_meanings": " ".join(kind.name.lower() for kind in kinds),
    }


def status_attributes() -> dict[str, object]:
    """Attributes of a variable that holds values of `Status`."""
    return flag_attributes(Status, "how the solver ended")


def with_status(curve: xr.Dataset) -> xr.Dataset:
    """The curve with its `status`, NOT_CONVERGED where it has no value."""
    status = np.where(np.isfinite(curve.value.values), Status.CONVERGED, Status.NOT_CONVERGED).astype(np.int8)
    return curve.assign(status=(curve.value.dims, status, status_attributes()))


def size_of(log_size: float) -> float:
    """N, infinite where it is beyond float64."""
    with np.errstate(over="ignore"):
        return float(np.exp(log_size))


def noise_axis(times: np.ndarray) -> dict[str, object]:
    """The coordinate of results over noise variances."""
    return {"noise_variance": ("noise_variance", times, described("noise variance", SQUARED))}


def data_set_curve(
    observable: str,
    long_name: str,
    times: Float[np.ndarray, " times"],
    value: Float[np.ndarray, " times"],
    error: Float[np.ndarray, " times"],
    num_samples: float,
    dimension: float,
    record: dict[str, object],
) -> xr.Dataset:
    """An observable of data sets of one size, measured or predicted, over noise variances, with its standard error."""
    units = OBSERVABLES[observable].units
    return xr.Dataset(
        {
            "value": ("noise_variance", value, described(long_name, units)),
            "error": ("noise_variance", error, described("standard error", units)),
        },
        noise_axis(times),
        {
            "observable": observable,
            "num_samples": num_samples,
            "dimension": dimension,
            "provenance": provenance(record),
        },
    )


def spectrum_coordinates(times: np.ndarray, size: int | np.integer) -> dict[str, object]:
    """Coordinates of spectra at noise variances, in so many dimensions."""
    return noise_axis(times) | {
        "index": ("index", np.arange(size), described("place in the spectrum, largest first", "1")),
    }
