"""Tables of numbers in text: .csv and .tsv files, and what is said of them where they are none."""

import csv
import io
import re
from pathlib import Path
from reprlib import repr as shown

import numpy as np
from jaxtyping import Float

from geomem.core.opening import regular_file
from geomem.core.status import InputError

# Words for what is missing, or for numbers, that are no names of columns.
_NO_NAMES = {"na", "n/a", "nan", "nil", "none", "null", "missing", "inf", "infinity", "true", "false"}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE)


def read_table(file: Path, header: bool | None) -> tuple[Float[np.ndarray, "rows columns"], tuple[str, ...] | None]:
    """The numbers of a text file, one row a line, and the names of the columns if its first line says them.

    Empty lines and those that start with # are left out.

    Cells are separated by tabs if there are any in the first line, else by semicolons, else by commas, and may be
    quoted; with tabs or semicolons numbers may have a decimal comma instead of a point. The first line is a header
    where `header` says so, and unless it says otherwise where every cell starts with a letter or an underscore and is
    no word for a missing value; of a nameless first column too.

    Raises:
        InputError: by line and column, for what is no number, lines of different lengths, a first line 0, 1, 2, ...,
            which may be a header or a sample, or a nameless first column that counts the rows.
    """
    text = regular_file(file).read_text(encoding="utf-8-sig")
    filled = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"]
    if not filled:
        raise InputError("the file holds no rows")
    first = filled[0][1]
    delimiter = next((one for one in "\t;" if len(next(csv.reader([first], delimiter=one))) > 1), ",")
    cells = _cells(first, delimiter, filled[0][0])
    named = _is_header(cells) if header is None else header
    rows = filled[1:] if named else filled
    if header is None and len(cells) > 1 and cells == [str(place) for place in range(len(cells))]:
        raise InputError(
            f"line {filled[0][0]} is 0, 1, ... up to {len(cells) - 1}, the column numbers that pandas writes or a "
            "sample; say which by --header or --no-header, in Python header=True or False"
        )
    table = _parsed(rows, delimiter)
    if table is None:
        table = _by_cells(rows, delimiter, hint=not named)
    if named and not cells[0] and len(table) > 1 and np.array_equal(table[:, 0], np.arange(len(table))):
        raise InputError(
            "the first column has no name and counts the rows, as the index that pandas writes; write the file without "
            "it (index=False), or name the column if it is one of the data"
        )
    return table, tuple(cells) if named else None


def _is_header(cells: list[str]) -> bool:
    """Whether these are names; a nameless first column has no name to tell it by."""
    names = cells[1:] if not cells[0] and len(cells) > 1 else cells
    numbered = names is not cells and names == [str(place) for place in range(len(names))]
    return numbered or all(
        name and (name[0].isalpha() or name[0] == "_") and name.lower() not in _NO_NAMES for name in names
    )


def _parsed(rows: list[tuple[int, str]], delimiter: str) -> np.ndarray | None:
    """The table as pandas reads it, which is quick; nothing where a cell is missing or no number."""
    import pandas as pd  # slow to import, and rarely needed

    lines = "\n".join(line for _, line in rows)
    comma = delimiter != "," and "," in lines and "." not in lines
    try:
        table = pd.read_csv(
            io.StringIO(lines), sep=delimiter, header=None, dtype=float, decimal="," if comma else ".",
            skipinitialspace=True, index_col=False,
        ).to_numpy()  # fmt: skip
    except (ValueError, pd.errors.ParserError):
        return None
    return None if np.isnan(table).any() or len(table) != len(rows) else table


def _by_cells(rows: list[tuple[int, str]], delimiter: str, *, hint: bool) -> np.ndarray:
    """The same cell by cell, to name the first that is no number."""
    table, count = [], 0
    for number, line in rows:
        cells = _cells(line, delimiter, number)
        count = count or len(cells)
        if len(cells) != count:
            raise InputError(f"line {number} has {len(cells)} cells where line {rows[0][0]} has {count}")
        said = hint and number == rows[0][0]
        points = [_with_point(cell) for cell in cells] if delimiter != "," else cells
        table.append([_number(cell, number, place, said) for place, cell in enumerate(points, 1)])
    return np.array(table, dtype=float).reshape(len(rows), -1)


def _cells(line: str, delimiter: str, number: int) -> list[str]:
    # Line by line: a quotation that is not closed must not swallow the lines below.
    try:
        found = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise InputError(f"line {number} has a quotation that is not closed, or goes on after its end") from error
    return [cell.strip() for cell in found]


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell


def _number(cell: str, line: int, column: int, hint: bool) -> float:
    if not cell:
        raise InputError(f"line {line}, column {column} is empty; every cell must hold a number")
    try:
        # Python would take 1_000 for a number.
        return float(cell.replace("_", "x"))
    except ValueError:
        names = "; if this line names the columns, say --header (in Python header=True)" if hint else ""
        raise InputError(f"line {line}, column {column} is {shown(cell)}, which is no number{names}") from None
