"""A data set with the columns that are asked for, without copies or of unit variance if that is asked for."""

from collections.abc import Sequence
from pathlib import Path

from geomem.core.status import InputError
from geomem.files.data import DataSet, load_data_set
from geomem.files.inspection import Prepared, prepare

_MOST_NAMES = 20  # of columns in a sentence


def prepared_data(
    source: str | Path,
    *,
    header: bool | None = None,
    columns: Sequence[str] | None = None,
    drop_duplicates: bool = False,
    standardize: bool = False,
) -> tuple[DataSet, Prepared, list[int] | None]:
    """The data set as it is read, what is made of it, and the numbers of its columns, which go by number or name.

    Raises:
        InputError: as `load_data` and `prepare`, or for a column that there is not.
    """
    loaded = load_data_set(source, header=header)
    numbers = None if columns is None else [_column(one, loaded.columns or ()) for one in columns]
    return loaded, prepare(loaded.rows, numbers, drop_duplicates, standardize), numbers


def _column(text: str, names: Sequence[str]) -> int:
    """The number of a column that is given by its number or its name."""
    if names.count(text) == 1:
        return names.index(text)
    try:
        return int(text)
    except ValueError:
        known = ", ".join(names) if names and len(names) <= _MOST_NAMES else "numbers from 0"
        raise InputError(f"--columns has {text!r}, which is no column; they are {known}") from None
