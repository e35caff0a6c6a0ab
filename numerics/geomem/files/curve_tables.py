"""Tables of a curve in a .csv, .npz or NetCDF file, as columns and metadata. Nothing is ever unpickled."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from reprlib import repr as shown
from typing import NamedTuple

import numpy as np

from geomem.core.frames import as_array
from geomem.core.opening import regular_file
from geomem.core.results import AGAIN
from geomem.core.status import InputError
from geomem.files.arrays import member, opened_archive
from geomem.files.formats import suffix
from geomem.files.frames import read_parquet
from geomem.files.netcdf import opened_netcdf
from geomem.files.results import curve_of_result, is_result

_NUMBERS = ("time", "value", "error")
COLUMNS = (*_NUMBERS, "replicate")
# Metadata that are text, also where a CSV file has a number in their place.
TEXTS = ("observable", "schedule", "units")
# Far more than any curve; what is larger is refused before it is in memory.
_MOST_BYTES = 10**8


class Table(NamedTuple):
    """What every carrier holds: columns of one length, metadata, and how a row is called where it is refused."""

    columns: dict[str, np.ndarray]
    metadata: dict[str, object]
    place: Callable[[int], str]
    covariance: np.ndarray | None = None  # of the values
    degrees_of_freedom: float = math.inf  # of its estimate


def read_text(file: Path) -> Table:
    """The table of a .csv or .tsv file: lines `# key: value`, a line of column names, and rows.

    Raises:
        InputError: by line, for what is none.
    """
    lines = regular_file(file).read_text(encoding="utf-8-sig").split("\n")
    delimiter = "\t" if suffix(file) == ".tsv" else ","
    # Counted as an editor does, from 1 and with the empty ones.
    filled = [number for number, line in enumerate(lines, 1) if line.strip()]
    metadata: dict[str, object] = {}
    while filled and lines[filled[0] - 1].startswith("#"):
        number = filled.pop(0)
        key, _, value = (part.strip() for part in lines[number - 1][1:].partition(":"))
        if not (key and value):
            raise InputError(f"line {number} is {shown(lines[number - 1])}; metadata are written '# key: value'")
        if key in metadata:
            raise InputError(f"line {number}: {shown(key)} is given twice")
        metadata[key] = value if key in TEXTS else _number_or_text(value)
    names = _cells(lines[filled[0] - 1], delimiter, filled.pop(0)) if filled else []
    _check_names(names)
    cells: dict[str, list[float | str]] = {name: [] for name in names}
    for number in filled:
        row = _cells(lines[number - 1], delimiter, number)
        if len(row) != len(names):
            raise InputError(f"line {number} has {len(row)} cells; the columns are {', '.join(names)}")
        for name, cell in zip(names, row, strict=True):
            cells[name].append(_number(name, cell, number) if name in _NUMBERS else cell)
    columns = {name: np.array(column, float if name in _NUMBERS else str) for name, column in cells.items()}
    return Table(columns, metadata, lambda row: f"line {filled[row]}")


def _cells(line: str, delimiter: str, number: int) -> list[str]:
    # Line by line: a quotation that is not closed must not swallow the lines below.
    try:
        return [
            cell.strip()
            for row in csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True)
            for cell in row
        ]
    except csv.Error as error:
        raise InputError(
            f"line {number} cannot be read: it has an open quotation, or a cell that is too long"
        ) from error


def _number(name: str, cell: str, line: int) -> float:
    try:
        return float(cell)
    except ValueError as error:
        raise InputError(f"line {line}: the {name} is {shown(cell)}; it must be a number") from error


def _number_or_text(text: str) -> float | int | str:
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    try:
        return int(text)
    except ValueError:
        return number


def read_npz(file: Path) -> Table:
    """The table of a .npz file: an array for each column, and metadata as arrays without dimensions.

    Raises:
        InputError: for arrays that make no table, or a file that cannot be read.
    """
    with opened_archive(file) as archive:
        refuse_bytes(sum(entry.file_size for entry in archive.zip.infolist()))
        arrays = {name: member(archive, name) for name in archive.files}
    bare = [name for name, array in arrays.items() if array.ndim == 0 and name not in COLUMNS]
    metadata: dict[str, object] = {name: arrays.pop(name)[()] for name in bare}
    return _columns_of(arrays, metadata)


def read_frame(file: Path) -> Table:
    """The table of a Parquet file, which has columns alone.

    Raises:
        InputError: for columns that make no table, or a file that cannot be read.
    """
    frame = read_parquet(file)
    return _columns_of({str(name): as_array(frame[name]) for name in frame.columns.unique()}, {})


def read_netcdf(file: Path, key: str | None = None) -> Table:
    """The table of a NetCDF file: variables over time and maybe replicate, and metadata as attributes.

    Of results of this package the curve that is named in them; see `curve_of_result`.

    Raises:
        InputError: for variables that make no table, or a file that cannot be read.
    """
    with opened_netcdf(file, refuse_bytes) as opened:
        data = opened.load()
    if is_result(data):
        result = curve_of_result(data, key)
        return _columns_of(result.columns, result.metadata)._replace(
            covariance=result.covariance, degrees_of_freedom=result.degrees_of_freedom
        )
    if key is not None:
        raise InputError(f"the file holds one curve over time; leave {key!r} out")
    found = {name: data[name] for name in ("time", "value", "error") if name in data.variables}
    if "replicates" in data:
        found["value"] = data["replicates"]
    replicated = "value" in found and "replicate" in found["value"].dims
    _check_names([*found, *(["replicate"] if replicated else [])])
    for name, variable in found.items():
        dims = {"time", "replicate"} if replicated and name == "value" else {"time"}
        if set(variable.dims) != dims:
            raise InputError(
                f"{name} has the dimensions {shown(variable.dims)}; they must be time and, of a value only, replicate"
            )
    columns = {name: variable.values for name, variable in found.items()}
    if replicated:
        labels = data["replicate"].values
        columns = {name: np.tile(column, len(labels)) for name, column in columns.items()}
        columns["value"] = found["value"].transpose("replicate", "time").values.ravel()
        columns["replicate"] = np.repeat(labels, len(found["time"]))
    units = {key: value for key, value in found["value"].attrs.items() if key == "units"}
    table = _columns_of(columns, units | data.attrs)
    if data.get("covariance") is None:
        return table
    covariance, over = data["covariance"], ("time", f"time{AGAIN}")
    if set(covariance.dims) != set(over):
        raise InputError(f"the covariance has the dimensions {shown(covariance.dims)}, not {' and '.join(over)}")
    degrees = float(covariance.attrs.get("degrees_of_freedom", math.inf))
    return table._replace(covariance=covariance.transpose(*over).values, degrees_of_freedom=degrees)


def _columns_of(columns: dict[str, np.ndarray], metadata: dict[str, object]) -> Table:
    """A table of arrays, which are known to have its types and one length."""
    _check_names(list(columns))
    for name, column in columns.items():
        if column.shape != (columns["time"].size,):
            raise InputError(
                f"{name} has shape {column.shape} and time {columns['time'].shape}; they must be lists of one length"
            )
        # Text of HDF5 comes as objects.
        if column.dtype.kind not in ("iuf" if name in _NUMBERS else "iufUO"):
            raise InputError(
                f"{name} is of type {column.dtype}; it must hold numbers{'' if name in _NUMBERS else ' or text'}"
            )
    with np.errstate(over="ignore"):  # of longer floats; they are infinite then
        columns = {name: column.astype(float if name in _NUMBERS else str) for name, column in columns.items()}
    return Table(columns, {name: _metadatum(name, value) for name, value in metadata.items()}, lambda row: f"row {row}")


def _metadatum(name: str, value: object) -> str | int | float:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InputError(f"{shown(name)} is {shown(value)}; metadata are text or numbers")
    return value


def _check_names(names: list[str]) -> None:
    known = ", ".join(COLUMNS)
    for name in names:
        if name not in COLUMNS:
            raise InputError(f"there is an unknown column {shown(name)}; columns are {known}")
        if names.count(name) > 1:
            raise InputError(f"the column {name!r} is there twice")
    for name in COLUMNS[:2] if "replicate" in names else _NUMBERS:
        if name not in names:
            raise InputError(f"there is no column {name!r}; columns are {known}, the last only of replicates")


def refuse_bytes(count: int) -> None:
    """Refuse a file of more bytes than any curve has.

    Raises:
        InputError: if it has more.
    """
    if count > _MOST_BYTES:
        raise InputError(f"the file holds {count} bytes; a curve has at most {_MOST_BYTES}")
