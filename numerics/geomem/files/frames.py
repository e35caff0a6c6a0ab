"""Tables in Parquet files."""

from pathlib import Path
from typing import TYPE_CHECKING

from geomem.core.opening import regular_file
from geomem.core.status import InputError

if TYPE_CHECKING:
    import pandas as pd


def read_parquet(file: Path) -> "pd.DataFrame":
    """The table of a Parquet file.

    Raises:
        InputError: without a package that reads such files, or if it is none.
    """
    import pandas as pd  # slow to import, and rarely needed

    with regular_file(file).open("rb"):  # which the libraries below would say in their terms
        pass
    try:
        return pd.read_parquet(file)
    except ImportError as error:
        raise InputError("Parquet files are read by the package pyarrow, which is not there; install it") from error
    except MemoryError:
        raise
    # A damaged file makes the libraries below stumble in whatever way.
    except Exception as error:
        raise InputError("it is no Parquet file, or damaged") from error
