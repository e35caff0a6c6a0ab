"""The one reader of data: the same numbers from every carrier, and what is said of what is none."""

import gzip
import os
import struct

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.io import netcdf_file

from geomem import InputError, Manifold, gibbs, load_data, load_images, schedule_from_json
from geomem.core.arguments import as_table
from geomem.files.data import load_data_set
from geomem.networks.experiment import read_experiment
from geomem.schedules.clock import schedule_of

ROWS = np.arange(12.0).reshape(4, 3) ** 1.5
NAMES = ("width", "height", "depth")
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)


def variables(**held: np.ndarray) -> xr.Dataset:
    """Variables that share no dimension."""
    return xr.Dataset({name: ([f"{name}{axis}" for axis in range(one.ndim)], one) for name, one in held.items()})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Every carrier of the same numbers."""
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", ROWS)
    np.save("columns.npy", np.asfortranarray(ROWS))
    np.savez("one.npz", rows=ROWS)
    np.savez("two.npz", rows=ROWS, other=ROWS + 1)
    frame = pd.DataFrame(ROWS, columns=NAMES)
    frame.to_csv("rows.csv", index=False)
    frame.to_csv("rows.TSV", index=False, sep="\t")
    variables(rows=ROWS).to_netcdf("one.nc", engine="h5netcdf")
    variables(rows=ROWS, other=ROWS + 1).to_netcdf("two.nc", engine="h5netcdf")
    with netcdf_file("classic.nc", "w") as file:
        for axis, size in enumerate(ROWS.shape):
            file.createDimension(f"axis{axis}", size)
        file.createVariable("rows", "d", ("axis0", "axis1"))[:] = ROWS
    return tmp_path


@pytest.mark.parametrize(
    "source",
    ["rows.npy", "columns.npy", "one.npz", "one.npz:rows", "two.npz:rows", "rows.csv", "rows.TSV", "one.nc",
     "two.nc:rows", "classic.nc", "classic.nc:rows"],
)  # fmt: skip
def test_every_carrier_holds_the_same(folder, source):
    found = load_data_set(source)
    np.testing.assert_array_equal(found.rows, ROWS)
    assert found.sample_shape is None
    assert found.columns == (NAMES if source.startswith("rows.") and source != "rows.npy" else None)


def test_a_frame_of_a_parquet_file(folder, monkeypatch):
    """Its engine is an option of pandas."""
    (folder / "rows.parquet").write_bytes(b"PAR1")
    frame = pd.DataFrame(ROWS, columns=NAMES)
    monkeypatch.setattr(pd, "read_parquet", lambda file: frame)
    np.testing.assert_array_equal(load_data("rows.parquet"), ROWS)
    assert load_data_set("rows.parquet").columns == NAMES
    frame["name"] = "a"
    with pytest.raises(InputError, match=r"rows\.parquet: columns of the data are no numbers: 'name'; leave them out"):
        load_data("rows.parquet")

    def without(file):
        raise ImportError("Unable to find a usable engine; tried using: 'pyarrow', 'fastparquet'.")

    monkeypatch.setattr(pd, "read_parquet", without)
    with pytest.raises(InputError, match="are read by the package pyarrow, which is not there; install it"):
        load_data("rows.parquet")

    def damaged(file):
        raise OSError("Parquet magic bytes not found in footer")

    monkeypatch.setattr(pd, "read_parquet", damaged)
    with pytest.raises(InputError, match=r"rows\.parquet: it is no Parquet file, or damaged$"):
        load_data("rows.parquet")


def test_images_are_rows_of_their_pixels(folder):
    np.save("cube.npy", PIXELS)
    variables(cube=PIXELS).to_netcdf("cube.nc", engine="h5netcdf")
    packed = struct.pack(">4I", 0x803, *PIXELS.shape) + PIXELS.tobytes()
    (folder / "images-idx3-ubyte").write_bytes(packed)
    (folder / "images-idx3-ubyte.gz").write_bytes(gzip.compress(packed))
    for source in ("cube.npy", "cube.nc", "images-idx3-ubyte", "images-idx3-ubyte.gz"):
        found = load_data_set(source)
        np.testing.assert_array_equal(found.rows, PIXELS.reshape(3, 20))
        assert found.sample_shape == (4, 5)
        np.testing.assert_allclose(load_images(source), PIXELS[..., None] / 127.5 - 1, atol=1e-7)
    colours = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    planes = colours.transpose(0, 3, 1, 2).reshape(2, -1)
    (folder / "batch.bin").write_bytes(np.concatenate([np.zeros((2, 1), np.uint8), planes], axis=1).tobytes())
    np.testing.assert_array_equal(load_data("batch.bin"), colours.reshape(2, -1))


class Tensor:
    """What PyTorch's do: NumPy takes those of the processor whose gradients are not taken."""

    def __init__(self, numbers: np.ndarray, complaint: Exception | None = None) -> None:
        self.numbers, self.complaint = numbers, complaint

    def __array__(self, dtype=None, copy=None):
        if self.complaint is not None:
            raise self.complaint
        return self.numbers


def test_frames_and_tensors_are_data(folder):
    frame = pd.DataFrame(ROWS, columns=NAMES)
    expected = np.asarray(Manifold.from_data(ROWS).variances)
    probed = gibbs(ROWS[0], ROWS, 1.0).log_partition
    for data in (frame, frame.astype({"width": "Float64"}), Tensor(ROWS)):
        np.testing.assert_array_equal(as_table(data), ROWS)
        np.testing.assert_array_equal(Manifold.from_data(data).variances, expected)
        np.testing.assert_array_equal(gibbs(ROWS[0], data, 1.0).log_partition, probed)
    for source in ("rows.csv", "two.nc:rows"):
        np.testing.assert_array_equal(gibbs(ROWS[0], source, 1.0).log_partition, probed)
    mixed = frame.assign(flag=[True, False, True, True])
    np.testing.assert_array_equal(as_table(mixed)[:, 3], [1, 0, 1, 1])
    mixed["when"] = pd.Timestamp("2020-01-01")
    mixed["name"] = "a"
    with pytest.raises(InputError, match="columns of the data are no numbers: 'when', 'name'; leave them out"):
        as_table(mixed)
    missing = pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [1.0, 2.0, 3.0]})
    with pytest.raises(InputError, match="row 1 of the data holds NaN"):
        Manifold.from_data(missing)
    for complaint in (
        RuntimeError("Can't call numpy() on Tensor that requires grad."),
        TypeError("can't convert cuda"),
    ):
        with pytest.raises(InputError, match=r"a Tensor that NumPy cannot take; hand over x\.detach\(\)\.cpu\(\)"):
            as_table(Tensor(ROWS, complaint))


RAW = ("Traceback", "pickle=", "Errno", "codec", "HDF5", "h5py", "zipfile", "Error", "allow_", "\n")


def refusal(read, source) -> str:
    with pytest.raises(InputError) as caught:
        read(source)
    said = str(caught.value)
    assert len(said) < 700
    assert not [word for word in RAW if word in said], said
    return said


@pytest.mark.parametrize(
    ("name", "read", "sentence"),
    [
        ("photo.png", load_data, "it is no file of data but one picture; load_images, load_data and --data take"),
        ("photo.JPG", load_images, "it is no file of data but one picture"),
        ("scheduler.json", load_data, "a configuration; schedule_from_json and --schedule take"),
        ("run.toml", load_data, "an experiment; geomem train --config takes it"),
        ("model.pt", load_data, "a file to be unpickled, which is never done"),
        ("book.xlsx", load_data, "a spreadsheet; save it as .csv"),
        ("unknown", load_data, "it is no file of data; read are .csv, .tsv, .parquet, .npy, .npz"),
        ("rows.csv", load_images, "it is no file of images but a table of numbers; load_data and --data take it"),
        ("two.nc", load_data, "choose one by FILE.nc:VARIABLE; the file holds rows, other"),
        ("two.nc:third", load_data, "there is no variable 'third'; choose one by FILE.nc:VARIABLE"),
        ("two.npz:third", load_data, "there is no array 'third'; choose one by FILE.npz:KEY"),
        ("bytes.nc", load_data, "it is no NetCDF file, or damaged"),
        ("cut.nc", load_data, "it is no NetCDF file, or damaged"),
        ("bytes.npz", load_data, "it is no archive of arrays of NumPy"),
        ("bytes.npy", load_data, "it holds no array of NumPy"),
        ("long.npy", load_data, "the header of its array is damaged"),
        ("latin.csv", load_data, "cannot be read as data: byte 3 is no text in UTF-8; save it in that encoding"),
        ("batches", load_data, "CIFAR's version for Python, which is pickled; take its binary version"),
        ("pipe.csv", load_data, "it is no file but a pipe or device; save what comes from it in one"),
        ("pipe", load_images, "it is no file but a pipe or device"),
        ("pipes", load_images, "a.png: it is no file but a pipe or device"),
        ("/dev/zero", load_data, "it is no file but a pipe or device"),
        ("circle.npy", load_data, "its links lead in a circle"),
        ("a" * 5000 + ".npy", load_data, "its name is too long"),
        ("a\0.npy", load_data, "holds a null character"),
    ],
)  # fmt: skip
def test_what_is_no_data_is_refused_in_our_own_words(folder, name, read, sentence):
    for one in ("photo.png", "photo.JPG", "scheduler.json", "run.toml", "model.pt", "book.xlsx", "unknown"):
        (folder / one).write_bytes(b"\x80\x04\x95 some bytes")
    for one in ("bytes.nc", "bytes.npz", "bytes.npy"):
        (folder / one).write_bytes(b"\x80\x04\x95\xff\x00" * 20)
    (folder / "cut.nc").write_bytes((folder / "one.nc").read_bytes()[:2000])
    (folder / "long.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + b" " * 60_000)
    (folder / "latin.csv").write_bytes("1,é\n".encode("latin-1").replace(b"1,", b"1,2"))
    (folder / "batches").mkdir()
    (folder / "batches" / "data_batch_1").write_bytes(b"\x80\x02}")
    (folder / "pipes").mkdir()
    for one in ("pipe.csv", "pipe", "pipes/a.png"):
        os.mkfifo(folder / one)
    (folder / "circle.npy").symlink_to("circle.npy")
    assert sentence in refusal(read, name)


def test_names_that_nothing_can_have(folder):
    """A name that is too long is one that there is nothing of."""
    (folder / "circle.json").symlink_to("circle.json")
    os.mkfifo(folder / "pipe.json")
    for name in ("a" * 5000 + ".json", "circle.json", "pipe.json"):
        assert "there is no schedule file" in refusal(schedule_from_json, name)
    assert "there is no schedule" in refusal(schedule_of, "a" * 5000)
    for name in ("a" * 5000 + ".toml", "a\0.toml"):
        assert "there is no file" in refusal(read_experiment, name)


def test_what_may_not_be_read(folder, monkeypatch):
    """Whoever runs the tests may be allowed everything."""

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", denied)
    for name in ("rows.npy", "one.npz", "rows.csv", "one.nc"):
        assert "cannot be read as data: permission is denied" in refusal(load_data, name)
