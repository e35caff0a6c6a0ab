"""Opening what a user names: only what is a regular file or a folder, and what is wrong with it in words of our own.

Libraries say of a damaged file what they stumbled over, in their terms, and NumPy advises to unpickle it.
"""

import errno
import json
import re
import stat
import tokenize
import tomllib
import zipfile
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from reprlib import repr as shown

from geomem.core.status import InputError

# What damaged files make NumPy and the standard library raise.
UNREADABLE = (
    ValueError, OSError, EOFError, MemoryError, NotImplementedError, RuntimeError, SyntaxError, tokenize.TokenError,
    OverflowError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_LONGEST = 200  # of a name that is repeated
_SHOWN = 5  # of many names
_DAMAGED = "it is damaged, or of another format"
_REASONS = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "there is no such file",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.EISDIR: "it is a folder",
    errno.ELOOP: "its links lead in a circle",
    errno.ENAMETOOLONG: "its name is too long",
    errno.EINVAL: _DAMAGED,  # a place in it that there cannot be
}
# Python tells the place in a TOML file in its sentence alone, before version 3.14.
_PLACE = re.compile(r"at (line \d+, column \d+|end of document)")


def named(path: str | Path) -> str:
    """The name of a file as it is repeated to the user, who knows it by its ends."""
    text = " ".join(str(path).split())
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}...{text[-_LONGEST // 2 :]}"


def as_path(value: object, name: str) -> Path:
    """A path that a user gives.

    Raises:
        InputError: if it is none, or one that no file can have.
    """
    try:
        path = Path(value)  # ty: ignore[invalid-argument-type]
    except TypeError as error:
        given = " ".join(shown(value).split())
        raise InputError(f"{name} is {given}; it must be the name of a file or folder, as text or a Path") from error
    if "\0" in str(path):
        raise InputError(f"{name} '{named(path)}' holds a null character, which no file has in its name")
    return path


def some(names: Sequence[object], shown: int = _SHOWN) -> str:
    """The first of the names, and how many more there are."""
    text = ", ".join(named(str(one)) for one in names[:shown])
    return text + (f" and {len(names) - shown} more" if len(names) > shown else "")


def reason(error: BaseException) -> str:
    """Why something could not be read."""
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is no text in UTF-8; save it in that encoding"
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, OSError) and error.errno is not None:
        return _REASONS.get(error.errno, error.strerror or _DAMAGED)
    return _DAMAGED


def kind_of_file(path: Path) -> str:
    """Whether that is a `file`, a `folder`, `nothing`, or what cannot be read as one: a `pipe or device`.

    Reading a pipe or a device may never end.

    Raises:
        OSError: if that cannot be known, for instance because its links lead in a circle.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "nothing"
    except ValueError:  # a name with a null byte
        return "nothing"
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "pipe or device"


def is_there(path: Path, kind: str) -> bool:
    """Whether there is a `file` or `folder` of that name; of one that nothing can have there is not."""
    try:
        return kind_of_file(path) == kind
    except OSError:
        return False


def regular_file(path: str | Path) -> Path:
    """The path, if it is one of a regular file.

    Raises:
        InputError: if it is none, without the name.
    """
    try:
        kind = kind_of_file(Path(path))
    except OSError as error:
        raise InputError(f"it cannot be read: {reason(error)}") from error
    if kind == "nothing":
        raise InputError("there is no such file")
    if kind != "file":
        what = "a pipe or device; save what comes from it in one" if kind == "pipe or device" else "a folder"
        raise InputError(f"it is no file but {what}")
    return Path(path)


@contextmanager
def reading(source: str | Path, kind: str) -> Generator[None]:
    """Whatever is wrong with a source as one sentence that names it, and what it should be.

    Raises:
        InputError: for what is no path, for one raised inside, and for what damaged files raise.
    """
    as_path(source, "the source")
    try:
        yield
    except InputError as error:
        raise InputError(f"{named(source)}: {error}") from error
    except UNREADABLE as error:
        raise InputError(f"{named(source)} cannot be read as {kind}: {reason(error)}") from error


def load_json(file: str | Path) -> object:
    """What a file of JSON holds.

    Raises:
        InputError: if it cannot be read as such.
    """
    with reading(file, "JSON"):
        text = regular_file(file).read_text(encoding="utf-8-sig")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        why = f"line {error.lineno}, column {error.colno} breaks its rules"
    except RecursionError:
        why = "it is nested too deeply"
    except ValueError:
        why = "a number in it is too long"
    raise InputError(f"{named(file)} cannot be read as JSON: {why}")


def load_toml(file: str | Path) -> dict[str, object]:
    """What a TOML file holds.

    Raises:
        InputError: if it cannot be read as such.
    """
    with reading(file, "TOML"):
        text = regular_file(file).read_text(encoding="utf-8-sig")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _PLACE.search(str(error))
        why = f"{found[1]} breaks the rules of TOML" if found else "it breaks the rules of TOML"
    except RecursionError:
        why = "it is nested too deeply"
    except ValueError:
        why = "a number in it is too long"
    raise InputError(f"{named(file)} is no TOML file: {why}")
