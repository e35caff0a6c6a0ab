"""Which formats are read, and by what: what is said of a file that is of another one."""

from pathlib import Path

from geomem.core.status import InputError

KEYED = (".npz", ".nc")  # hold several arrays, of which one is named after a colon
TEXTS = (".csv", ".tsv")
TABLES = (*TEXTS, ".parquet")
# What is read, as sentences have it.
IMAGES = ".npy, .npz[:KEY] and .nc[:VARIABLE] files, folders of .png and .jpg files, IDX and CIFAR's .bin files"
DATA = f".csv, .tsv, .parquet, {IMAGES}, 'digits' and 'patches'"
CURVES = ".csv, .tsv, .parquet, .npz and .nc[:NAME] files"

# Suffixes of other files, what they are, and what takes them.
_ELSEWHERE = (
    ((".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"),
     "one picture; load_images, load_data and --data take a folder of .png and .jpg files"),
    ((".json",), "a configuration; schedule_from_json and --schedule take that of a scheduler"),
    ((".toml",), "an experiment; geomem train --config takes it"),
    ((".npy",), "an array; load_data and --data take it"),
    (TABLES, "a table of numbers; load_data and --data take it, and load_curve and geomem compare where it is a curve"),
    ((".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib"),
     "a file to be unpickled, which is never done, as it may run any program; save its numbers as .npy"),
    ((".xlsx", ".xls", ".ods"), "a spreadsheet; save it as .csv"),
    ((".feather", ".arrow"), "a file of Arrow; save it as .parquet"),
    ((".h5", ".hdf5", ".mat", ".zarr"), "a container of its own form; save the array as .npy or in NetCDF"),
    ((".txt", ".dat"), "text; name it .csv or .tsv if it is a table"),
    ((".zip", ".tar", ".tgz", ".xz", ".bz2", ".zst", ".7z"), "an archive; unpack it"),
    ((".bin",), "a file of CIFAR's binary version; load_images, load_data and --data take it"),
)  # fmt: skip


def suffix(path: str | Path) -> str:
    """The end of a file's name that tells its format."""
    return Path(path).suffix.lower()


def file_and_key(source: str | Path) -> tuple[Path, str | None]:
    """The file, and of FILE.npz:KEY or FILE.nc:VARIABLE what is named in it."""
    text = str(source)
    if suffix(text) not in KEYED:
        for one in KEYED:
            place = text.lower().find(f"{one}:")
            if place >= 0:
                end = place + len(one)
                return Path(text[:end]), text[end + 1 :]
    return Path(text), None


def refused(path: str | Path, kind: str, formats: str) -> InputError:
    """What is said of a file of another format: what takes such a file, and what is read instead."""
    found = next((f" but {words}" for suffixes, words in _ELSEWHERE if suffix(path) in suffixes), "")
    return InputError(f"it is no {kind}{found}; read are {formats}")
