"""Refusing what is of another kind than is wanted, or of more numbers than memory holds, in one sentence."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from reprlib import repr as shown

import jax
import numpy as np
from jax.core import Tracer
from jaxtyping import Float

from geomem.core.arguments import Numbers, float_array, of_traced
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
    if isinstance(values, Tracer):
        raise InputError(of_traced(name))
    return np.asarray(float_array(values, name), dtype=float)


def one_number(value: Numbers, name: str) -> float:
    """A single number, which may be infinite or NaN.

    Raises:
        InputError: if it is none.
    """
    array = float_array(value, name)
    if array.ndim:
        raise InputError(f"{name} has shape {array.shape}; it must be one number")
    return float(array)


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
def tracing_score() -> Generator[None]:
    """Around the tracing of a score by JAX: says what it has to be, where it needs the numbers themselves.

    Raises:
        InputError: for such a score.
    """
    try:
        yield
    except jax.errors.JAXTypeError as error:
        raise InputError(
            "the score is not written for JAX, which has to trace it here; write it with JAX's own functions, or "
            "measure its spectrum by protocol 'orthogonal_frame' or 'central_difference'"
        ) from error
