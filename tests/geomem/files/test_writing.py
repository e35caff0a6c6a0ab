"""Files are whole or not there."""

from pathlib import Path

import pytest
import xarray as xr

from geomem import InputError
from geomem.files.writing import check_output, netcdf_writer, or_none, output_folder, write_whole


def test_write(tmp_path):
    write_whole({tmp_path / name: lambda file: file.write_text("whole") for name in ("a.txt", "b.txt")})
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.txt", "b.txt"]


def test_an_interrupted_write_leaves_what_was_there(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def interrupted(file):
        file.write_text("ha")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole({target: lambda file: file.write_text("new"), tmp_path / "b.txt": interrupted})
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_in_the_way_keeps_all_files_back(tmp_path):
    (tmp_path / "b.txt").mkdir()
    with pytest.raises(InputError, match=r"b\.txt' cannot be written: Is a directory"):
        write_whole({tmp_path / name: lambda file: file.write_text("new") for name in ("a.txt", "b.txt")})
    assert [file.name for file in tmp_path.iterdir()] == ["b.txt"]


def test_a_full_disk_is_one_sentence(tmp_path):
    def full(file):
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write_whole({tmp_path / "a.txt": full})


def test_netcdf_on_a_full_disk(tmp_path, monkeypatch):
    """HDF5, let write itself, ends the process there."""
    results, target = xr.Dataset({"value": ("place", [1.0, 2.0])}), tmp_path / "a.nc"
    write_whole({target: netcdf_writer(results)})
    whole, write = target.read_bytes(), Path.write_bytes
    assert xr.load_dataset(target, engine="h5netcdf").identical(results)

    def full(file, content):
        write(file, content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write_whole({target: netcdf_writer(results + 1)})
    assert target.read_bytes() == whole
    assert [file.name for file in tmp_path.iterdir()] == ["a.nc"]


def test_output_folder(tmp_path):
    assert output_folder(tmp_path / "new" / "deep").is_dir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "under"):
        with pytest.raises(InputError, match=r"the output folder .* cannot be written"):
            output_folder(path)


def test_what_cannot_be_written_is_refused_and_nothing_is_made(tmp_path):
    check_output(tmp_path / "new" / "deep", ["a.txt"])
    check_output(tmp_path, ["a.txt"])
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for path in (tmp_path / "file", tmp_path / "file" / "under", tmp_path / "link", tmp_path / ("a" * 300) / "under"):
        with pytest.raises(InputError, match=r"the output folder .* cannot be written"):
            check_output(path, ["a.txt"])
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(InputError, match=r"a\.txt' cannot be written: it is a folder"):
        check_output(tmp_path, ["b.txt", "a.txt"])
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.txt", "file", "link"]


def test_a_number_that_json_does_not_know_is_none():
    assert [or_none(value) for value in (1.5, float("nan"), float("inf"))] == [1.5, None, None]
