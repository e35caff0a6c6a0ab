"""Refusing what is of another kind than is wanted, or of more numbers than memory holds, in one sentence."""

import os
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from reprlib import repr as shown

import jax
import numpy as np
from jaxtyping import Array, Float

from geomem.core.arguments import LARGEST_WHOLE, Numbers, float_array, refuse_traced
from geomem.core.status import InputError

_BYTES = 8  # of a number


def refuse_other(value: object, kind: type, name: str, wanted: str) -> None:
    """Refuse what is not of this kind.

    Raises:
        InputError: if it is not.
    """
    if not isinstance(value, kind):
        raise InputError(f"{name} is {' '.join(shown(value).split())}; it must be {wanted}")


def concrete_array(values: Numbers, name: str) -> Float[np.ndarray, "..."]:
    """The values as float64, for what works on the numbers themselves.

    Raises:
        InputError: if they are not numbers, or JAX traces them.
    """
    array = float_array(values, name)
    refuse_traced(array, name)
    return np.asarray(array)


def one_size(log_size: Array | np.ndarray, what: str) -> float:
    """ln N of the one data-set size that `what` is for.

    Raises:
        InputError: for several sizes, or one that JAX traces.
    """
    if log_size.ndim:
        raise InputError(f"{what} is for one data-set size, and the sizes have shape {log_size.shape}")
    refuse_traced(log_size, "the data-set size")
    return float(log_size)


def one_number(value: Numbers, name: str) -> float:
    """A single number, which may be infinite or NaN.

    Raises:
        InputError: if it is none, or JAX traces it.
    """
    array = concrete_array(value, name)
    if array.ndim:
        raise InputError(f"{name} has shape {array.shape}; it must be one number")
    return float(array)


def whole_numbers(values: Numbers, name: str, least: int) -> np.ndarray:
    """A list of whole numbers, or a single one.

    Raises:
        InputError: if they are none, or one is below `least`.
    """
    numbers = np.atleast_1d(concrete_array(values, name))
    whole = numbers.ndim == 1 and numbers.size and np.isfinite(numbers).all() and (numbers == np.round(numbers)).all()
    if not whole or numbers.min() < least or numbers.max() > LARGEST_WHOLE:
        raise InputError(
            f"{name} is {values}; it must be a whole number from {least} to {LARGEST_WHOLE}, or a list of such"
        )
    return numbers.astype(int)


def refuse_beyond_memory(count: float | int, what: str) -> None:
    """Refuse to make so many numbers, if this machine's memory does not hold them.

    Raises:
        InputError: if it does not.
    """
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if not _BYTES * count <= there:
        raise InputError(
            f"{what} take {_BYTES * count / 2**30:.3g} GiB, and this machine has {there / 2**30:.3g}; ask for fewer"
        )


def check_score(score: object) -> None:
    """Refuse what is no score.

    Raises:
        InputError: if it cannot be called.
    """
    if not callable(score):
        raise InputError(
            f"the score is {' '.join(shown(score).split())}; it must be a function of points (n, dims) and one noise "
            "variance to scores (n, dims), such as score_of(data)"
        )


@contextmanager
def tracing(what: str, otherwise: str = "") -> Generator[None]:
    """Around the tracing of a user's function by JAX: says what it has to be, where it needs the numbers themselves.

    Raises:
        InputError: for such a function.
    """
    try:
        yield
    except jax.errors.JAXTypeError as error:
        raise InputError(
            f"{what} is not written for JAX, which has to trace it here; write it with JAX's own functions{otherwise}"
        ) from error


def tracing_score() -> AbstractContextManager[None]:
    """The same of a score."""
    return tracing("the score", ", or measure its spectrum by protocol 'orthogonal_frame' or 'central_difference'")
