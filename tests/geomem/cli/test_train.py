"""The command `train`: results, going on, and one sentence for bad input."""

import json
import sys

import numpy as np
import pytest
import xarray as xr

from geomem import Discrete
from tests.geomem.cli.commands import fail, run

EXPERIMENT = """
[data]
num_samples = [6, 40]
num_held_out = 10
variances = [1, 0.01]
multiplicities = [2, 2]

[network]
width = 16
embedding = 8
embedding_width = 16

[training]
num_steps = 30
seeds = [0, 1]

[measures]
count = 5
num_points = 2
num_generated = 10
num_sampling_steps = 10
"""


@pytest.fixture
def experiment(tmp_path):
    file = tmp_path / "experiment.toml"
    file.write_text(EXPERIMENT)
    return file


@pytest.mark.slow  # a training, its measures and five figures
def test_results_and_going_on(capsys, tmp_path, experiment, monkeypatch):
    out, err = run(capsys, "train", "--config", experiment, "--out", tmp_path / "out", "--json")
    rows = json.loads(out)
    assert [row["num_samples"] for row in rows["memorization"]] == [6, 40]
    assert len(rows["losses"]) == 4
    assert {"critical_time", "empirical_seeds_lost", "loss_time"} < set(rows["losses"][0])
    assert "noise variances at which blocks are lost, 2 seeds, 30 steps" in err
    names = {f"{stem}.{kind}" for stem in ("spectra", "dimension", "sizes", "losses", "memorization", "training")
             for kind in ("png", "pdf")}  # fmt: skip
    assert {file.name for file in (tmp_path / "out").iterdir()} == names | {"train.nc", "parts"}
    with xr.open_dataset(tmp_path / "out" / "train.nc", engine="h5netcdf") as found:
        inputs = json.loads(found.attrs["provenance"])["inputs"]["experiment"]
    assert inputs["seeds"] == [0, 1]
    assert inputs["training"]["network"]["kind"] == "MLP"
    written = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir() if file.is_file()}
    run(capsys, "train", "--config", experiment, "--out", tmp_path / "again")
    assert {file.name: file.read_bytes() for file in (tmp_path / "again").iterdir() if file.is_file()} == written
    monkeypatch.setattr("geomem.networks.sweep.train_group", None)
    run(capsys, "train", "--config", experiment, "--out", tmp_path / "out")
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir() if file.is_file()} == written
    on_clock = run(capsys, "train", "--config", experiment, "--out", tmp_path / "out", "--schedule", "ddpm", "--json")
    ddpm = Discrete.linear()
    for plain, row in zip(rows["losses"], json.loads(on_clock[0])["losses"], strict=True):
        assert {name: row[name] for name in plain} == plain
        for name in ("critical", "empirical_loss", "loss"):
            t = row[f"{name}_time"]
            reached = t is not None and bool(ddpm.reaches(t))
            assert row[f"{name}_step"] == (int(ddpm.step(t)) if reached else None)
            assert row[f"{name}_time_on_schedule"] == (pytest.approx(float(ddpm.time(t))) if reached else None)
    with xr.open_dataset(tmp_path / "out" / "train.nc", engine="h5netcdf") as found:
        t = found.noise_variance.values
        known = ddpm.reaches(t)
        np.testing.assert_allclose(found.time_on_schedule.values[known], ddpm.time(t[known]))
        np.testing.assert_array_equal(found.schedule_step.values[known], ddpm.step(t[known]))
        assert found.step.values.tolist() == [30]
    message = fail(capsys, "train", "--config", experiment, "--out", tmp_path / "out", "--seed", 5)
    assert "holds the results of another experiment" in message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("width = 16", "depth = 3", "there is no key 'depth' in [network]"),
        ("num_steps = 30", "num_steps = 0", "num_steps is 0; it must be a positive integer"),
        ("variances = [1, 0.01]", "variances = [1, -0.01]", "the variance of block 1 is -0.01"),
        ("variances = [1, 0.01]", 'source = "nothing.npz"', "nothing.npz"),
    ],
)
def test_bad_experiments(capsys, tmp_path, experiment, old, new, message):
    experiment.write_text(EXPERIMENT.replace(old, new, 1))
    assert message in fail(capsys, "train", "--config", experiment, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_results_whose_parts_are_gone_are_not_replaced(capsys, tmp_path, experiment):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "losses.pdf").touch()
    message = fail(capsys, "train", "--config", experiment, "--out", tmp_path / "out")
    assert "losses.pdf does not say of which run it is; choose another --out, or replace it by --overwrite" in message
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["losses.pdf"]


def test_without_the_extra(capsys, tmp_path, experiment, monkeypatch):
    for name in [*sys.modules]:
        if name.startswith("geomem.networks."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "equinox", None)
    message = fail(capsys, "train", "--config", experiment, "--out", tmp_path / "out")
    assert "install 'geomem[train]'" in message
