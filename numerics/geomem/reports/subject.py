"""What a report is about: rows of data, the names of their columns, and how to draw a row where it is a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from geomem.core.arguments import Numbers, as_samples, check_data, check_points
from geomem.core.frames import is_frame
from geomem.core.opening import named
from geomem.core.status import InputError
from geomem.files.data import load_data
from geomem.files.inspection import inspect
from geomem.files.patches import shape_of_patches
from geomem.files.prepared import prepared_data
from geomem.files.sources import digits

_CHANNELS = (1, 3)  # that can be drawn


class Pictures(NamedTuple):
    """How rows are drawn: the shape of a picture, which of its numbers a row holds, and those that it does not hold."""

    shape: tuple[int, ...]  # height, width and, of colours, channels
    held: Int[np.ndarray, " dims"]
    constants: Float[np.ndarray, " all"]
    channels_first: bool = False

    def drawn(self, rows: Float[np.ndarray, "rows dims"], constants: bool = True) -> Float[np.ndarray, "rows ..."]:
        """Rows as pictures; of differences between rows the other numbers are 0."""
        full = np.tile(self.constants if constants else np.zeros_like(self.constants), (len(rows), 1))
        full[:, self.held] = rows
        if self.channels_first:
            height, width, channels = self.shape
            return np.moveaxis(full.reshape(len(rows), channels, height, width), 1, 3)
        return full.reshape(len(rows), *self.shape)


class Subject(NamedTuple):
    """The data of a report, what they are called, and what was found in them."""

    name: str
    rows: Float[np.ndarray, "samples dims"]
    columns: tuple[str, ...] | None
    pictures: Pictures | None
    sentences: dict[str, str]  # of the checks, by kind
    source: str | None  # for the commands that make the page's parts

    def named_columns(self) -> list[str]:
        """What the columns are called."""
        return list(self.columns or (f"column {place}" for place in range(self.rows.shape[1])))

    def as_rows(self, samples: Numbers) -> Float[np.ndarray, "samples dims"]:
        """Generated samples as rows like those of the data.

        Raises:
            InputError: for samples of another shape, or that are not finite.
        """
        table = as_samples(_flat(samples))
        dims = self.rows.shape[1]
        if self.pictures is not None and table.shape[1] == len(self.pictures.constants) != dims:
            table = table[:, self.pictures.held]
        if table.shape[1] != dims:
            raise InputError(f"the samples have {table.shape[1]} numbers each, and the data {dims}; they must be alike")
        return check_points(table, (None, dims), "samples")


def subject_of(
    data: Numbers | str | Path,
    *,
    header: bool | None = None,
    columns: Sequence[str] | None = None,
    drop_duplicates: bool = False,
    standardize: bool = False,
) -> Subject:
    """Data by name, file or folder, as `load_data` has them, or a table, a frame or an array of pictures.

    Raises:
        InputError: for data that are none.
    """
    if isinstance(data, (str, Path)):
        loaded, prepared, numbers = prepared_data(
            data, header=header, columns=columns, drop_duplicates=drop_duplicates, standardize=standardize
        )
        names = loaded.columns
        if names is not None and numbers is not None:
            names = tuple(names[one] for one in numbers)
        whole = numbers is None and not standardize
        pictures = _pictures(str(data), loaded.sample_shape, loaded.rows) if whole else None
        return Subject(named(data), prepared.data, names, pictures, prepared.sentences, str(data))
    if header is not None:
        raise InputError("header is said of a .csv or .tsv file; leave it out")
    names = tuple(map(str, getattr(data, "columns", ()))) if is_frame(data) else None
    rows = check_data(_flat(data))
    shape = np.shape(data)[1:] if np.ndim(data) in (3, 4) else None
    return Subject("data", rows, names, _pictures("", shape, rows), inspect(rows).sentences, None)


def samples_of(samples: Numbers | str | Path) -> Numbers:
    """Generated samples, by the name of a file or as they are.

    Raises:
        InputError: as `load_data`.
    """
    return load_data(samples) if isinstance(samples, (str, Path)) else samples


def _flat(data: Numbers) -> Numbers:
    """Pictures as rows."""
    if np.ndim(data) in (3, 4):
        array = np.asarray(data)
        return array.reshape(len(array), -1)
    return data


def _pictures(source: str, shape: tuple[int, ...] | None, rows: np.ndarray) -> Pictures | None:
    if source == "digits":
        whole = digits().reshape(len(rows), -1)
        return Pictures((8, 8), np.flatnonzero(np.ptp(whole, axis=0) > 0), whole[0].astype(float))
    if source.partition(":")[0] == "patches":
        shape = shape_of_patches(source)
    if shape is None or len(shape) not in (2, 3):
        return None
    dims, first = rows.shape[1], False
    if len(shape) == 3 and shape[2] not in _CHANNELS:
        if shape[0] not in _CHANNELS:
            return None
        shape, first = (*shape[1:], shape[0]), True
    return Pictures(tuple(shape), np.arange(dims), np.zeros(dims), first)
