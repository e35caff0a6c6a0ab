"""Output files that are either complete or not there."""

import io
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from geomem.core.status import InputError

if TYPE_CHECKING:
    import xarray as xr


def output_folder(path: str | Path) -> Path:
    """The folder, made if need be, and known to be writable.

    Raises:
        InputError: if it cannot be made or written.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"the output folder {str(path)!r} cannot be written: {error.strerror}") from error
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
