"""Output files that are either complete or not there."""

import io
import math
import os
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from geomem.core.opening import named
from geomem.core.status import InputError

if TYPE_CHECKING:
    import xarray as xr

_made: ContextVar[list[Path] | None] = ContextVar("folders that were made", default=None)


def check_output(folder: Path, names: Iterable[str]) -> None:
    """That files of these names can be written in the folder, which need not be there and is not made.

    Raises:
        InputError: if they cannot.
    """
    above = (folder.absolute(), *folder.absolute().parents)
    try:
        there = next(one for one in above if _is_there(one))
        with tempfile.TemporaryDirectory(dir=there):  # whose name no other process has
            pass
    except OSError as error:
        raise InputError(f"the output folder {named(folder)!r} cannot be written: {error.strerror}") from error
    for name in names:
        if (folder / name).is_dir():
            raise InputError(f"{str(folder / name)!r} cannot be written: it is a folder")


def _is_there(path: Path) -> bool:
    """Whether there is such a file or folder, or a link that leads nowhere.

    Raises:
        OSError: if there cannot be one, for instance because its name is too long.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def or_none(value: float) -> float | None:
    """A number as JSON has it, which knows neither NaN nor infinity."""
    return value if math.isfinite(value) else None


@contextmanager
def no_empty_folders() -> Generator[None]:
    """Inside of it, folders that `output_folder` makes are taken away again if they are empty at its end."""
    token = _made.set(made := [])
    try:
        yield
    finally:
        for folder in sorted(made, key=lambda one: len(one.parts), reverse=True):
            with suppress(OSError):  # it holds something, or was not made
                folder.rmdir()
        _made.reset(token)


def output_folder(path: str | Path) -> Path:
    """The folder, made if need be, and known to be writable.

    Raises:
        InputError: if it cannot be made or written.
    """
    folder = Path(path)
    try:
        if (made := _made.get()) is not None:  # noted before, for an interruption may come in between
            made.extend(one for one in (folder, *folder.parents) if not one.exists())
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"the output folder {named(path)!r} cannot be written: {error.strerror}") from error
    return folder


def netcdf_writer(results: "xr.Dataset") -> Callable[[Path], object]:
    """What writes results as NetCDF, for `write_whole`: made in memory, since HDF5 crashes on a full disk."""

    def write(file: Path) -> None:
        buffer = io.BytesIO()
        results.to_netcdf(buffer, engine="h5netcdf")
        file.write_bytes(buffer.getvalue())

    return write


def write_whole(writers: Mapping[Path, Callable[[Path], object]]) -> None:
    """Let every writer fill its file under a temporary name; when all are there, move them to their places.

    Raises:
        InputError: if a file cannot be written, for instance because the disk is full.
    """
    # The suffix stays at the end: writers tell the format by it.
    temporary = {path: path.with_name(f".{os.getpid()}.{path.name}") for path in writers}
    path = None
    try:
        for path, write in writers.items():
            if path.is_dir():
                raise IsADirectoryError(21, "Is a directory")
            write(temporary[path])
        for path in writers:
            temporary[path].replace(path)
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error
    finally:
        for leftover in temporary.values():
            leftover.unlink(missing_ok=True)
