"""The one reader of data: what a name, a file or a folder holds, an array of any rank and the names of its columns."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from geomem.core.frames import as_array
from geomem.core.opening import kind_of_file
from geomem.core.status import InputError
from geomem.files.arrays import read_npy, read_npz
from geomem.files.formats import DATA, TEXTS, file_and_key, refused, suffix
from geomem.files.frames import read_parquet
from geomem.files.image_sets import is_idx, read_cifar, read_idx
from geomem.files.netcdf import read_variable
from geomem.files.patches import patches
from geomem.files.tables import read_table


class Source(NamedTuple):
    """What a source holds: numbers, samples along the first axis, as they are stored.

    Names of the columns where it is a table that says them; of pictures it is known that channels are the last axis.
    """

    numbers: np.ndarray
    columns: tuple[str, ...] | None = None
    channels_last: bool = False


def read_source(source: str | Path, header: bool | None = None) -> Source:
    """What a source holds; `header` is said of a .csv or .tsv file, as in `load_data`.

    Raises:
        InputError: if there is no such source, or it is of another format or damaged; a damaged file may also raise
            one of `UNREADABLE`, which `reading` says in a sentence.
    """
    name = str(source).partition(":")[0]
    if header is not None and (name == "patches" or str(source) == "digits"):
        raise InputError(f"{name} have no header; leave it out")
    if str(source) == "digits":
        return Source(digits())
    if name == "patches":
        return Source(patches(str(source)))
    file, key = file_and_key(source)
    kind, end = kind_of_file(file), suffix(file)
    if kind == "nothing":
        raise InputError("there is no such file or folder of data")
    if header is not None and (kind == "folder" or end not in TEXTS):
        raise InputError("it is no .csv or .tsv file, which alone have a header")
    if kind == "folder":
        from geomem.files.pictures import read_folder  # Pillow is slow to import, and rarely needed

        return Source(read_folder(file), channels_last=True)
    if end in TEXTS:
        return Source(*read_table(file, header))
    if end == ".parquet":
        frame = read_parquet(file)
        return Source(as_array(frame), tuple(map(str, frame.columns)))
    if end == ".bin":
        return Source(read_cifar(file), channels_last=True)
    if end == ".npy":
        return Source(read_npy(file))
    if end in (".npz", ".nc"):
        return Source((read_npz if end == ".npz" else read_variable)(file, key))
    if not is_idx(file):
        raise refused(file, "file of data", DATA)
    return Source(read_idx(file))


def digits() -> Float[np.ndarray, "samples height width"]:
    """The 1797 handwritten digits that ship with scikit-learn, 8 by 8 pixels of levels 0 to 16.

    Raises:
        InputError: without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError("the digits data need scikit-learn; install 'geomem[data]'") from error
    return load_digits().images
