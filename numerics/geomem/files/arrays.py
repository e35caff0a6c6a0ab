"""Arrays as NumPy writes them, .npy files and archives of them; objects, which need unpickling, are refused."""

import math
import warnings
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as numpy_format

from geomem.core.opening import regular_file, some
from geomem.core.status import InputError

_HEADERS: dict[tuple[int, ...], Any] = {
    (1, 0): numpy_format.read_array_header_1_0,
    (2, 0): numpy_format.read_array_header_2_0,
}


def read_npy(file: Path) -> np.ndarray:
    """The array of a file, mapped.

    Raises:
        InputError: if it is an archive, or holds no array of numbers that is whole.
    """
    with regular_file(file).open("rb") as opened:
        if opened.read(2) == b"PK":
            raise InputError("the file is an archive of several arrays; name it .npz, or save one of them as .npy")
        opened.seek(0)
        shape, by_columns, dtype = _header(opened)
        start = opened.tell()
        if file.stat().st_size - start < math.prod(shape) * dtype.itemsize:
            raise InputError(f"the file is cut off: its header announces an array of shape {shape}")
        if 0 in shape:
            return np.zeros(shape, dtype)
        return np.memmap(file, dtype, "r", start, shape, "F" if by_columns else "C")


def read_npz(file: Path, key: str | None) -> np.ndarray:
    """An array of an archive, by its key where there are several; of any shape.

    Raises:
        InputError: if there is no such array. A damaged file raises one of `UNREADABLE`.
    """
    with opened_archive(file) as archive:
        keys = list(archive.files)
        if key is None and len(keys) == 1:
            key = keys[0]
        if key is None or key not in keys:
            wanted = "choose one" if key is None else f"there is no array {key!r}; choose one"
            raise InputError(f"{wanted} by FILE.npz:KEY; the file holds {some(keys) or 'nothing'}")
        return member(archive, key)


@contextmanager
def opened_archive(file: Path) -> Generator[Any]:
    """The arrays of a .npz file, each read by `member`.

    Raises:
        InputError: if it is no archive. A damaged file raises one of `UNREADABLE`.
    """
    # A file that np.load opens itself stays open where its archive is broken.
    with regular_file(file).open("rb") as opened:
        start = opened.read(len(numpy_format.MAGIC_PREFIX))
        opened.seek(0)
        if start == numpy_format.MAGIC_PREFIX:
            raise InputError("the file holds one bare array; name it .npy")
        if not start.startswith(b"PK"):
            raise InputError("it is no archive of arrays of NumPy")
        with np.load(opened, allow_pickle=False) as archive:
            yield archive


def member(archive: Any, key: str) -> np.ndarray:  # noqa: ANN401 (NumPy does not name its type in public)
    """The array of that name.

    Raises:
        InputError: if it is no array of numbers or text. A damaged one raises one of `UNREADABLE`.
    """
    names = archive.zip.namelist()
    with archive.zip.open(f"{key}.npy" if f"{key}.npy" in names else key) as opened:
        _header(opened)
    return archive[key]


def _header(opened: BinaryIO | zipfile.ZipExtFile) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type of the array that begins here."""
    if opened.read(len(numpy_format.MAGIC_PREFIX)) != numpy_format.MAGIC_PREFIX:
        raise InputError("it holds no array of NumPy")
    version: tuple[int, ...] = tuple(opened.read(2))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what Python makes of a damaged header
            found = _HEADERS[version](opened)
    except KeyError as error:
        raise InputError(
            "it holds a table of named fields, or is of no version of NumPy's files that is known"
        ) from error
    # Python's own parser reads the header.
    except Exception as error:
        raise InputError("the header of its array is damaged") from error
    shape, by_columns, dtype = found
    if dtype.hasobject:
        raise InputError("it holds objects, not numbers; save it as an array of numbers")
    if any(size < 0 for size in shape):
        raise InputError("the header of its array is damaged")
    return shape, by_columns, dtype
