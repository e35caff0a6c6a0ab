"""Output files that are either complete or not there."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from numerics.status import InputError


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


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file under a temporary name, then move it to `path`.

    Raises:
        InputError: if the file cannot be written, for instance because the disk is full.
    """
    # The suffix stays at the end: writers tell the format by it.
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
