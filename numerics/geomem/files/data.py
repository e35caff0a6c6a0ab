"""Reading a user's data set. Nothing is ever unpickled."""

import tokenize
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
from geomem.files.patches import patches
from geomem.files.tables import read_table

_TEXTS = (".csv", ".tsv")
# What damaged files make NumPy and the standard library raise.
UNREADABLE = (
    ValueError, OSError, EOFError, MemoryError, NotImplementedError, RuntimeError, tokenize.TokenError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def load_data(source: str | Path, *, header: bool | None = None) -> Float[np.ndarray, "samples dims"]:
    """A data set by name or file: `digits`, `patches`, FILE.npy, FILE.npz, FILE.npz:KEY, FILE.csv or FILE.tsv.

    `digits` is the set of 1797 handwritten digits that ships with scikit-learn, its
    constant pixels dropped. `patches` are 30 000 grey patches of its two sample photographs, 8 by 8 pixels of levels 0
    to 1; `patches:16`, `patches:8:colour`, `patches:china` (one photograph; hold out the other, for patches of one
    overlap) and `patches:200000` are other ones, and such words may be combined.
    A .npy file of float32 or float64 is mapped, not read; its data may be larger than memory.
    A text file has a sample on every line, its cells separated by tabs, semicolons or commas, with a decimal comma
    where they are not by commas. Its first line names the columns if `header` says so, and unless it says that
    it does not if every cell of it starts with a letter or an underscore.

    Raises:
        InputError: if there is no such file, it cannot be read without unpickling, or it
            does not hold a finite table of numbers with at least two rows.
    """
    source = str(source)
    if source == "digits":
        pixels = digits().reshape(-1, 64)
        return pixels[:, np.ptp(pixels, axis=0) > 0]
    if source.partition(":")[0] == "patches":
        return patches(source)
    path, key = file_and_key(source)
    file = Path(path)
    if file.suffix not in (".npy", ".npz", *_TEXTS):
        raise InputError(f"the data {source!r} are neither 'digits' nor a .npy, .npz, .csv or .tsv file")
    if header is not None and file.suffix not in _TEXTS:
        raise InputError(f"the data {source!r} are no .csv or .tsv file, which alone have a header")
    if not file.is_file():
        raise InputError(f"there is no data file {path!r}")
    with reading(source, "an array of numbers"):
        if file.suffix == ".npz":
            return check_data(read_npz(file, key))
        return check_data(read_npy(file) if file.suffix == ".npy" else read_table(file, header))


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
