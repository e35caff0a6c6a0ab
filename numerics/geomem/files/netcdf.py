"""Variables of NetCDF files, of version 4 and of the classic one."""

import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geomem.core.opening import regular_file, some
from geomem.core.status import InputError

if TYPE_CHECKING:
    import xarray as xr

_CLASSIC = b"CDF"
_TOO_LARGE = "it needs more memory than there is"


@contextmanager
def opened_netcdf(file: Path, check: Callable[[int], None] = lambda size: None) -> Generator["xr.Dataset"]:
    """What a NetCDF file holds, read where it is used; times stay numbers.

    `check` is told how many bytes its variables take in memory, before any is read.

    Raises:
        InputError: if it is none, or whatever in it is damaged.
    """
    import xarray as xr  # slow to import

    with regular_file(file).open("rb") as opened:
        engine = "scipy" if opened.read(3) == _CLASSIC else "h5netcdf"
    try:
        if engine == "h5netcdf":
            check(_held_bytes(file))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the libraries below, in their terms
            with xr.open_dataset(file, engine=engine, decode_times=False) as data:
                yield data
    except (InputError, PermissionError):
        raise
    except MemoryError as error:
        raise InputError(_TOO_LARGE) from error
    # A damaged file makes the libraries below stumble in whatever way.
    except Exception as error:
        raise InputError("it is no NetCDF file, or damaged") from error


def read_variable(file: Path, name: str | None) -> np.ndarray:
    """A variable of a file, by its name where there are several; of any shape.

    Raises:
        InputError: if there is no such variable, or as `opened_netcdf`.
    """
    with opened_netcdf(file) as data:
        names = list(map(str, data.data_vars))
        if name is None and len(names) == 1:
            name = names[0]
        if name not in data.variables:
            wanted = "choose one" if name is None else f"there is no variable {name!r}; choose one"
            raise InputError(f"{wanted} by FILE.nc:VARIABLE; the file holds {some(names) or 'nothing'}")
        return np.asarray(data.variables[name].values)


def _held_bytes(file: Path) -> int:
    """How many bytes the variables of a file of version 4 take in memory; of few on disk there may be many."""
    import h5py

    with h5py.File(file) as variables:
        return sum(one.nbytes for one in variables.values() if isinstance(one, h5py.Dataset))
