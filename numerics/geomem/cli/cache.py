"""Code that was compiled by an earlier run of the command, kept in the user's cache folder."""

import hashlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path

from platformdirs import user_cache_path

from geomem.core.status import InputError
from geomem.files.writing import write_whole

_FOLDER, _PROGRAMS = "JAX_COMPILATION_CACHE_DIR", "GEOMEM_PROGRAMS"
# Everything is kept, however quickly it compiled: there are many small things. Caches of XLA's own would put the
# folder's name into the keys.
_SETTINGS = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES": "none",
}
# What programs follow from, beside the sources of this package.
_PACKAGES = ("geomem", "jax", "jaxlib", "numpy", "scipy", "sympy")
_MOST = 400  # entries, of which the latest are kept


@contextmanager
def compilation_cache() -> Generator[None]:
    """Keep what is compiled inside for the next run, if JAX is not imported yet.

    The run sees links in a folder of its own, and what it adds is moved to the common one when it ends: nobody meets a
    file that another run is writing. A user's own setting of JAX's cache is left as it is.
    """
    if _FOLDER in os.environ or "jax" in sys.modules:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="geomem-", ignore_cleanup_errors=True) as own:
        common = user_cache_path("geomem") / "compiled" / _versions()
        for entry in common.glob("*"):
            (Path(own) / entry.name).symlink_to(entry)
        changed = {_FOLDER: own, _PROGRAMS: own} | _SETTINGS
        os.environ.update(changed)
        try:
            yield
        finally:
            for name in changed:
                os.environ.pop(name, None)
            # A cache that cannot be written is none.
            with suppress(OSError, InputError):
                _keep(Path(own), common)


def _versions() -> str:
    """Name of the folder for these versions, on this kind of processor: compiled code counts on its instructions."""
    parts = [f"{name} {version(name)}" for name in _PACKAGES] + [platform.python_version()]
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        parts += sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    return hashlib.sha256("\n".join([*parts, platform.platform()]).encode()).hexdigest()[:16]


def _keep(own: Path, common: Path) -> None:
    """Move new entries to the common folder, whole or not at all, and clear what other versions left and the oldest."""
    for other in common.parent.glob("*"):
        if other != common:
            shutil.rmtree(other, ignore_errors=True)
    common.mkdir(parents=True, exist_ok=True)
    added = [entry for entry in own.iterdir() if not entry.is_symlink()]
    write_whole({common / entry.name: partial(shutil.copyfile, entry) for entry in added})
    for entry in sorted(common.iterdir(), key=lambda one: one.stat().st_mtime, reverse=True)[_MOST:]:
        entry.unlink(missing_ok=True)
