"""Reading a user's data set. Nothing is ever unpickled."""

import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float
from numpy.lib.format import MAGIC_PREFIX

from geomem.core.arguments import check_data
from geomem.core.status import InputError

# What damaged files make NumPy and the standard library raise.
UNREADABLE = (
    ValueError, OSError, EOFError, MemoryError, NotImplementedError, RuntimeError, tokenize.TokenError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def load_data(source: str) -> Float[np.ndarray, "samples dims"]:
    """A data set by name or file: `digits`, FILE.npy, FILE.npz, FILE.npz:KEY or FILE.csv.

    `digits` is the set of 1797 handwritten digits that ships with scikit-learn, its
    constant pixels dropped. A CSV file may start with one line of column names. A .npy file of
    float32 or float64 is mapped, not read; its data may be larger than memory.

    Raises:
        InputError: if there is no such file, it cannot be read without unpickling, or it
            does not hold a finite table of numbers with at least two rows.
    """
    if source == "digits":
        pixels = digits().reshape(-1, 64)
        return pixels[:, np.ptp(pixels, axis=0) > 0]
    path, key = file_and_key(source)
    file = Path(path)
    if file.suffix not in (".npy", ".npz", ".csv"):
        raise InputError(f"the data {source!r} are neither 'digits' nor a .npy, .npz or .csv file")
    if not file.is_file():
        raise InputError(f"there is no data file {path!r}")
    with reading(source, "an array of numbers"):
        if file.suffix == ".npz":
            return check_data(read_npz(file, key))
        return check_data(read_npy(file) if file.suffix == ".npy" else _read_csv(file))


@contextmanager
def reading(source: str | Path, kind: str) -> Generator[None]:
    """Whatever is wrong with a source as one sentence that names it, and what it should be.

    Raises:
        InputError: for one raised inside, and for what damaged files raise.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    except UNREADABLE as error:
        raise InputError(f"{source} cannot be read as {kind}: {' '.join(str(error).split())}") from error


def file_and_key(source: str) -> tuple[str, str | None]:
    """The file, and of FILE.npz:KEY the key."""
    if ".npz:" not in source:
        return source, None
    path, _, key = source.rpartition(":")
    return path, key


def digits() -> Float[np.ndarray, "samples height width"]:
    """The 1797 handwritten digits that ship with scikit-learn, 8 by 8 pixels of levels 0 to 16.

    Raises:
        InputError: without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError("the digits data need scikit-learn; install 'geomem[data]'") from error
    return load_digits().images


def read_npy(file: Path) -> np.ndarray:
    """The array of a file, mapped.

    Raises:
        InputError: if it is an archive. A damaged file raises one of `UNREADABLE`.
    """
    with file.open("rb") as opened:
        _check_start(opened)
    array = np.load(file, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        array.close()
        raise InputError("the file is an archive of several arrays; name it .npz, or save one of them as .npy")
    return array


def _check_start(opened: BinaryIO) -> None:
    """Refuse what is neither an archive nor an array: NumPy would take it for a pickle, and advise to load it."""
    start = opened.read(len(MAGIC_PREFIX))
    opened.seek(0)
    if start and not start.startswith((b"PK", MAGIC_PREFIX)):
        raise zipfile.BadZipFile("it holds no array of NumPy")


@contextmanager
def opened_archive(file: Path) -> Generator[Any]:
    """What NumPy finds in a .npz file: an archive, or one array.

    Raises:
        BadZipFile: if the file is neither, or others of `UNREADABLE`.
    """
    # A file that np.load opens itself stays open where its archive is broken.
    with file.open("rb") as opened:
        _check_start(opened)
        yield np.load(opened, allow_pickle=False)


def read_npz(file: Path, key: str | None) -> np.ndarray:
    """An array of an archive, by its key where there are several; of any shape and dtype but objects.

    Raises:
        InputError: if there is no such array. A damaged file raises one of `UNREADABLE`.
    """
    with opened_archive(file) as archive:
        if isinstance(archive, np.ndarray):
            raise InputError("the file holds one bare array; name it .npy")
        keys = list(archive.files)
        if key is None and len(keys) == 1:
            key = keys[0]
        if key not in keys:
            wanted = "choose one" if key is None else f"there is no array {key!r}"
            raise InputError(f"{wanted} by FILE.npz:KEY; the file holds {', '.join(keys) or 'nothing'}")
        return np.asarray(archive[key])  # of a member that is no array NumPy gives the bytes


def _read_csv(file: Path) -> np.ndarray:
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    # A line of names has no number in it and nothing missing; a broken row of data is for loadtxt to name.
    header = bool(lines) and not any(_is_number_or_empty(cell) for cell in lines[first].split(","))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*input contained no data")
        return np.loadtxt(lines[first + header :], delimiter=",", ndmin=2)


def _is_number_or_empty(cell: str) -> bool:
    try:
        float(cell.strip() or 0)
    except ValueError:
        return False
    return True
