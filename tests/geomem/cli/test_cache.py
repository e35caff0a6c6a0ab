"""What earlier runs compiled: found again, whole or not at all, and never another version's."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from geomem.cli import cache
from geomem.cli.cache import compilation_cache
from tests.geomem.cli.commands import run

FOLDER = "JAX_COMPILATION_CACHE_DIR"


@pytest.fixture
def common(tmp_path, monkeypatch):
    """The common folder of a process that has not imported JAX."""
    monkeypatch.setattr(cache, "user_cache_path", lambda _: tmp_path)
    monkeypatch.setattr(cache, "sys", type("sys", (), {"modules": {}}))
    monkeypatch.delenv(FOLDER, raising=False)
    return tmp_path / "compiled" / cache._versions()


def test_entries_are_found_by_the_next_run(common):
    with compilation_cache():
        own = Path(os.environ[FOLDER])
        assert list(own.iterdir()) == []
        (own / "entry").write_text("compiled")
        assert not common.exists()
    assert FOLDER not in os.environ
    assert not own.exists()
    assert [entry.name for entry in common.iterdir()] == ["entry"]
    with compilation_cache():
        assert (Path(os.environ[FOLDER]) / "entry").read_text() == "compiled"


def test_other_versions_and_the_oldest_entries_are_cleared(common, monkeypatch):
    other = common.with_name("of-another-version")
    other.mkdir(parents=True)
    (other / "entry").touch()
    monkeypatch.setattr(cache, "_MOST", 2)
    for number in range(3):
        with compilation_cache():
            entry = Path(os.environ[FOLDER]) / f"{number}"
            entry.touch()
        os.utime(common / f"{number}", (number, number))
    with compilation_cache():
        pass
    assert sorted(entry.name for entry in common.iterdir()) == ["1", "2"]
    assert not other.exists()


def test_a_run_that_ends_in_an_error_keeps_what_it_compiled(common):
    def interrupted() -> None:
        with compilation_cache():
            (Path(os.environ[FOLDER]) / "entry").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (common / "entry").exists()


def test_a_folder_that_cannot_be_written_is_no_error(common):
    common.parent.parent.mkdir(exist_ok=True)
    common.parent.write_text("a file")
    with compilation_cache():
        (Path(os.environ[FOLDER]) / "entry").touch()
    assert common.parent.read_text() == "a file"


def test_a_setting_of_the_user_is_left_alone(common, monkeypatch):
    monkeypatch.setenv(FOLDER, "mine")
    with compilation_cache():
        assert os.environ[FOLDER] == "mine"
    assert os.environ[FOLDER] == "mine"
    assert not common.exists()


def test_the_command_can_do_without(common, capsys, tmp_path, monkeypatch):
    out = ("--out", tmp_path / "results")
    monkeypatch.delenv("GEOMEM_NO_CACHE")
    run(capsys, "--no-cache", "derive", "--chapter", "notation", *out)
    monkeypatch.setenv("GEOMEM_NO_CACHE", "1")
    run(capsys, "derive", "--chapter", "notation", *out)
    assert not common.exists()
    monkeypatch.delenv("GEOMEM_NO_CACHE")
    run(capsys, "derive", "--chapter", "notation", *out)
    assert common.exists()


@pytest.mark.long  # runs the command four times
def test_runs_that_meet_and_runs_that_follow_answer_alike(tmp_path):
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for name in (FOLDER, "GEOMEM_NO_CACHE"):
        environment.pop(name, None)

    def start(name: str, *options: str) -> subprocess.Popen:
        words = ["phase-diagram", "--sizes", "10", "1e6", "4", "--theory", "rem", "--out", str(tmp_path / name)]
        command = Path(sys.executable).with_name("geomem")
        return subprocess.Popen([command, *options, *words], env=environment, stdout=subprocess.DEVNULL)

    together = [start("first"), start("second")]
    assert [one.wait() for one in together] == [0, 0]
    assert list((tmp_path / "cache").glob("geomem/compiled/*/*"))
    assert [start("third").wait(), start("apart", "--no-cache").wait()] == [0, 0]
    apart = xr.load_dataset(tmp_path / "apart" / "phase_diagram.nc")
    for name in ("first", "second", "third"):
        found = xr.load_dataset(tmp_path / name / "phase_diagram.nc")
        for variable in apart:
            np.testing.assert_array_equal(found[variable], apart[variable])
