"""What a user passes, as the arrays that are computed with, or one sentence that says what is wrong with it."""

import math
from collections.abc import Callable, Iterator, Sequence
from numbers import Real
from reprlib import repr as shown
from typing import TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from geomem.core.frames import SupportsArray, as_array
from geomem.core.status import InputError

SMALLEST_LOG_SIZE = math.log(2) * (1 - 1e-15)  # what rounding may leave of ln 2
LARGEST_WHOLE = 10**12
_SMALLEST_NUMBER, _LARGEST_NUMBER = 1e-140, 1e140  # whose squares leave room for sums, and for small parts of them
_PART = 1 << 22  # numbers of a data set that are worked on at once

# What may be passed for an array of numbers: an array, a list, one number, or for data a frame or a tensor.
Numbers = Array | np.ndarray | np.number | Sequence | float | int | SupportsArray


def as_log_sizes(
    num_samples: Numbers | None,
    log_num_samples: Numbers | None,
) -> Float[Array | np.ndarray, "..."]:
    """ln N from whichever of the two was given.

    Raises:
        InputError: unless exactly one is given, or if it is a single size below 2.
    """
    if num_samples is not None and log_num_samples is None:
        sizes = _single_or_batch(num_samples, lambda n: 2 <= n < math.inf, "num_samples", "finite and at least 2")
        if isinstance(sizes, jax.Array):
            return jnp.log(sizes)
        with np.errstate(all="ignore"):  # the solver marks what is no size
            return np.asarray(np.log(sizes))
    if log_num_samples is not None and num_samples is None:
        return _single_or_batch(
            log_num_samples, lambda ln: SMALLEST_LOG_SIZE <= ln < math.inf, "log_num_samples", "finite, at least ln 2"
        )
    raise InputError("give the data-set size as exactly one of num_samples and log_num_samples")


def listed_sizes(
    num_samples: Numbers | None, log_num_samples: Numbers | None
) -> tuple[Float[np.ndarray, " sizes"], Float[np.ndarray, " sizes"]]:
    """N, infinite where it overflows, and ln N, of a list of sizes or a single one.

    Raises:
        InputError: as `as_log_sizes`, and if they are no list.
    """
    log_sizes = as_log_sizes(num_samples, log_num_samples)
    refuse_traced(log_sizes, "the data-set size")
    log_sizes = np.atleast_1d(np.asarray(log_sizes))
    if log_sizes.ndim != 1:
        raise InputError(f"the data-set sizes have shape {log_sizes.shape}; they must be a list")
    with np.errstate(over="ignore"):  # ln N is there for sizes that overflow
        sizes = np.exp(log_sizes) if num_samples is None else np.atleast_1d(np.asarray(num_samples, dtype=float))
    return sizes, log_sizes


def as_noise_variances(values: Numbers) -> Float[Array | np.ndarray, "..."]:
    """Noise variances as float64.

    Raises:
        InputError: if it is a single one that is not positive and finite.
    """
    return _single_or_batch(values, lambda t: 0 < t < math.inf, "the noise variance", "positive and finite")


def positive_noise_variances(values: Numbers) -> Float[np.ndarray, "..."]:
    """Noise variances for what has no status to mark a bad one with.

    Raises:
        InputError: if any of them is not positive and finite.
    """
    given = as_noise_variances(values)
    refuse_traced(given, "the noise variance")
    times = np.asarray(given, dtype=float)
    refuse_unless(times, np.isfinite(times) & (times > 0), "noise variance", "they must be positive, finite numbers")
    return times


def listed_noise_variances(values: Numbers) -> Float[np.ndarray, " times"]:
    """The same for a list of them, or a single one.

    Raises:
        InputError: as there, and if they are no list.
    """
    times = np.atleast_1d(positive_noise_variances(values))
    if times.ndim != 1:
        raise InputError(f"the noise variances have shape {times.shape}; they must be a list")
    return times


def refuse_unless(values: np.ndarray, allowed: np.ndarray | np.bool, name: str, requirement: str) -> None:
    """Name the first value that is not allowed; `name` is that of one value.

    Raises:
        InputError: if there is such a value, or none at all.
    """
    if values.size == 0:
        raise InputError(f"{name} is empty; give at least one value")
    bad = np.flatnonzero(~np.atleast_1d(allowed).ravel())
    if len(bad):
        place = f"{name} {bad[0]}" if values.ndim else f"the {name}"
        raise InputError(f"{place} is {values.ravel()[bad[0]]:g}; {requirement}")


def _single_or_batch(
    values: Numbers, allowed: Callable[[float], bool], name: str, requirement: str
) -> Float[Array | np.ndarray, "..."]:
    """The values as float64; a single one that is not allowed is an error, in a batch the solver marks it."""
    array = float_array(values, name)
    if array.size == 0:
        raise InputError(f"{name} is empty; give at least one value")
    if array.ndim == 0 and not isinstance(array, Tracer) and not allowed(float(array)):
        raise InputError(f"{name} is {float(array):g}; it must be {requirement}")
    return array


def check_data(data: Numbers) -> Float[np.ndarray, "samples dims"]:
    """The data as a matrix of float64, or float32 if they are; a mapped file stays mapped.

    Raises:
        InputError: if they are not a finite two-dimensional array of numbers with at least two rows.
    """
    array = as_samples(data)
    refuse_not_finite(array)
    return array


def as_samples(data: Numbers) -> Float[np.ndarray, "samples dims"]:
    """The same, its numbers not looked at: for what sees by its result whether they are finite.

    Raises:
        InputError: if they are no table of numbers with at least two rows.
    """
    array = as_table(data)
    if len(array) < 2:
        raise InputError(f"the data have {len(array)} row(s); a covariance needs at least two samples")
    return array


def refuse_not_finite(table: Float[np.ndarray, "samples dims"]) -> None:
    """Name the first row that holds NaN or infinity, or the largest number if its square is beyond float64.

    Raises:
        InputError: if there is one.
    """
    bad, largest = [], 0.0
    for part in parts(table):
        bad.append(~np.isfinite(part).all(axis=1))
        largest = max(largest, float(np.abs(part).max(initial=0.0, where=np.isfinite(part))))
    rows = np.concatenate(bad).nonzero()[0]
    if len(rows):
        raise InputError(f"row {rows[0]} of the data holds NaN or infinity; remove or impute such rows ({len(rows)})")
    refuse_size(largest, "the data")


def refuse_size(largest: float, what: str) -> None:
    """Refuse numbers of which the largest has a square, or parts of one, beyond float64.

    Raises:
        InputError: if it is so large or so small.
    """
    if largest > _LARGEST_NUMBER or 0 < largest < _SMALLEST_NUMBER:
        raise InputError(
            f"the largest number of {what} is {largest:g}, too far from one for its square; give them in units of "
            f"their own size, between {_SMALLEST_NUMBER:g} and {_LARGEST_NUMBER:g}"
        )


def check_points(values: Numbers, shape: tuple[int | None, int | None], name: str) -> Float[np.ndarray, "points dims"]:
    """The values as a finite table of float64 of this shape, None for any length.

    Raises:
        InputError: if they are none.
    """
    table = as_table(values).astype(float)
    if any(size not in (None, given) for size, given in zip(shape, table.shape, strict=True)):
        wanted = " by ".join("any number" if size is None else str(size) for size in shape)
        raise InputError(f"{name} has the shape {table.shape}; it must be a table of {wanted}")
    if not np.isfinite(table).all():
        raise InputError(f"{name} holds NaN or infinity")
    return table


def parts(table: np.ndarray) -> Iterator[Float[np.ndarray, "rows dims"]]:
    """The table in float64, so many rows at a time that copies of them stay small."""
    dims = table.shape[1]
    # At least as many rows as columns: fewer would make every factorization mostly of what is known.
    rows = max(dims, _PART // dims)
    for first in range(0, len(table), rows):
        yield table[first : first + rows].astype(float, copy=False)


def as_table(data: Numbers) -> np.ndarray:
    """The data as a table of float64, or float32 if they are; a mapped file stays mapped.

    Raises:
        InputError: if they are none.
    """
    try:
        array = as_array(data)
    except InputError:
        raise
    except ValueError as error:
        raise InputError("the data are no table: their rows differ in length") from error
    except jax.errors.TracerArrayConversionError as error:
        raise InputError(of_traced("the data")) from error
    if np.ma.is_masked(data):
        raise InputError(f"{np.ma.count_masked(data)} numbers of the data are masked; fill them, or drop their rows")
    if array.dtype.kind not in "biuf":
        raise InputError(f"the data have dtype {array.dtype}; they must be real numbers")
    if array.ndim != 2 or array.shape[1] == 0:
        raise InputError(f"the data have shape {array.shape}; they must be a table of samples by dimensions")
    return array if array.dtype in (np.float32, np.float64) else array.astype(float)


def float_array(values: Numbers, name: str) -> Array | np.ndarray:
    """The values as float64: by NumPy, which compiles nothing, unless JAX made them or a part of them.

    Text is no number, nor is what is true or false, a date, or what is masked; integers may be of any size.

    Raises:
        InputError: if they are not numbers.
    """
    try:
        array = values if isinstance(values, jax.Array) else np.asarray(values)
        # Integers beyond 64 bits come as objects, as does much that is no number.
        real = array.dtype.kind in "iuf" or (array.dtype.kind == "O" and all(map(_is_real, array.ravel())))
        if real and not np.ma.is_masked(values):
            return array.astype(float)
    except jax.errors.TracerArrayConversionError:
        return jnp.asarray(values, dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: {_shown(values)} is not a number or a list of numbers") from error
    raise InputError(f"{name}: {_shown(values)} is not a number or a list of numbers")


def refuse_traced(values: object, name: str) -> None:
    """Refuse what JAX traces, for what works on the numbers themselves.

    Raises:
        InputError: if JAX does.
    """
    if isinstance(values, Tracer):
        raise InputError(of_traced(name))


def of_traced(name: str) -> str:
    """What is said of it where concrete numbers are wanted."""
    return (
        f"JAX traces {name}, and this function takes concrete numbers; call it outside of jit, grad and vmap "
        "(`score_of`, `quenched`, `critical_time` and `Probe` can be traced)"
    )


def _shown(values: object) -> str:
    """A short text of it, in one line."""
    return " ".join(shown(values).split())


def _is_real(value: object) -> bool:
    return isinstance(value, Real) and value is not True


def is_whole(value: object) -> TypeGuard[int | np.integer]:
    """Whether it is a whole number: 2.0 and True are none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def whole_number(value: object, name: str, least: int) -> int:
    """A whole number that is not too small.

    Raises:
        InputError: if it is none, or JAX traces it.
    """
    refuse_traced(value, name)
    if not is_whole(value) or not least <= value <= LARGEST_WHOLE:
        most = f" to {LARGEST_WHOLE}" if is_whole(value) and value > least else ""
        raise InputError(f"{name} is {value!r}; it must be a whole number from {least}{most}")
    return int(value)


def check_key(key: object) -> None:
    """Refuse what is no key for random draws.

    Raises:
        InputError: if it is none, or several.
    """
    if isinstance(key, (jax.Array, np.ndarray)):
        typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key) and key.ndim == 0
        if typed or (key.dtype == np.uint32 and key.ndim == 1):
            return
    raise InputError(f"the key is {_shown(key)}; give one key of JAX, such as jax.random.key(0)")


def check_columns(x: Array, dims: int) -> None:
    """Refuse points that are no table of so many dimensions.

    Raises:
        InputError: if they are none.
    """
    if x.ndim != 2 or x.shape[1] != dims:
        raise InputError(f"the points have shape {x.shape}; for this score they must be a table of {dims} columns")
