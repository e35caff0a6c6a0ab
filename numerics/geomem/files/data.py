"""Reading a user's data set. Nothing is ever unpickled."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from geomem.core.arguments import as_table, check_data
from geomem.core.opening import reading
from geomem.files.sources import read_source


class DataSet(NamedTuple):
    """A data set as a table, the shape of a sample where it is no row of its own, and the names of its columns."""

    rows: Float[np.ndarray, "samples dims"]
    sample_shape: tuple[int, ...] | None
    columns: tuple[str, ...] | None


def load_data(source: str | Path, *, header: bool | None = None) -> Float[np.ndarray, "samples dims"]:
    """A data set by name, file or folder, as a table of the numbers that are stored there.

    - `digits`: the 1797 handwritten digits that ship with scikit-learn, levels 0 to 16, their constant pixels dropped.
    - `patches`: 30 000 grey patches of its two sample photographs, 8 by 8 pixels of levels 0 to 1; `patches:16`,
      `patches:8:colour`, `patches:china` (one photograph; hold out the other, for patches of one overlap) and
      `patches:200000` are other ones, and such words may be combined.
    - FILE.npy: one of float32 or float64 is mapped, not read; its data may be larger than memory.
    - FILE.npz[:KEY] and, in NetCDF, FILE.nc[:VARIABLE]: an array by its name, of one alone without.
    - FILE.csv and FILE.tsv: a sample on every line, its cells separated by tabs, semicolons or commas, with a decimal
      comma where they are not by commas. The first line names the columns if `header` says so, and unless it says that
      it does not if every cell of it starts with a letter or an underscore.
    - FILE.parquet: its columns, all of which must be numbers; read by the package pyarrow.
    - Images as `load_images` takes them: folders of pictures, IDX and CIFAR files; pixels stay 0 to 255.

    Of arrays with more than two axes the first is that of the samples, and the others are flattened, the last one
    fastest. A data frame, a tensor or an array needs no loading: whatever takes data takes them.

    Raises:
        InputError: if there is no such source, it cannot be read without unpickling, or it
            does not hold a finite table of numbers with at least two rows.
    """
    return load_data_set(source, header).rows


def load_data_set(source: str | Path, header: bool | None = None) -> DataSet:
    """The same with what the source says besides.

    Raises:
        InputError: as there.
    """
    with reading(source, "data"):
        found = _data_set(source, header)
        return found._replace(rows=check_data(found.rows))


def open_samples(source: str | Path) -> Float[np.ndarray, "samples dims"]:
    """The same table, whose numbers and rows are left for a pass over them to look at.

    Raises:
        InputError: as there, but for numbers that are not finite, or of one row.
    """
    with reading(source, "data"):
        return _data_set(source, None).rows


def _data_set(source: str | Path, header: bool | None) -> DataSet:
    held = read_source(source, header)
    array = held.numbers
    if array.ndim <= 2:
        return DataSet(as_table(array), None, held.columns)
    rows = array.reshape(len(array), math.prod(array.shape[1:]))
    if str(source) == "digits":
        return DataSet(rows[:, np.ptp(rows, axis=0) > 0], None, None)
    return DataSet(as_table(rows), array.shape[1:], None)
