"""Data frames and tensors as arrays: what other libraries hold numbers in, known by what it does, not imported."""

from reprlib import repr as shown
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jax.errors import TracerArrayConversionError

from geomem.core.opening import some
from geomem.core.status import InputError


@runtime_checkable
class SupportsArray(Protocol):
    """What NumPy can make an array of: a data frame of pandas, a tensor of PyTorch."""

    def __array__(self, *arguments: Any, **options: Any) -> np.ndarray: ...  # noqa: ANN401 (whatever NumPy asks)


def as_array(data: object) -> np.ndarray:
    """The data as NumPy has them; those of a data frame are its columns, which must be numbers.

    Raises:
        InputError: for a frame with other columns, which are named, or what cannot be handed to NumPy.
        ValueError: for rows of different lengths.
        TracerArrayConversionError: for what JAX traces.
    """
    if is_frame(data):
        return _of_frame(data)
    try:
        return np.asarray(data)
    except TracerArrayConversionError:
        raise
    except (RuntimeError, TypeError) as error:
        if not isinstance(data, SupportsArray):
            raise
        raise InputError(
            f"the data are a {type(data).__name__} that NumPy cannot take; hand over x.detach().cpu().double() of a "
            "tensor x"
        ) from error


def is_frame(data: object) -> bool:
    """Whether it is a data frame, as pandas has them."""
    return all(hasattr(data, name) for name in ("columns", "dtypes", "to_numpy"))


def _of_frame(frame: Any) -> np.ndarray:  # noqa: ANN401 (pandas is not imported for it)
    array = np.asarray(frame)
    if array.dtype.kind in "biuf":
        return array
    kinds = [getattr(one, "kind", "O") for one in frame.dtypes]
    wrong = [shown(name) for name, kind in zip(frame.columns, kinds, strict=True) if kind not in "biuf"]
    if wrong:
        raise InputError(f"columns of the data are no numbers: {some(wrong)}; leave them out, or number them")
    # Columns of several types come as objects, and among those what is missing.
    return frame.to_numpy(dtype=float, na_value=np.nan)
