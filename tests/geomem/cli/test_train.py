"""The command `train`: results, going on, and one sentence for bad input."""

import dataclasses
import json
import re
import sys
import tomllib

import numpy as np
import pytest
import xarray as xr

from geomem import Discrete, Manifold
from geomem.cli.words import COLUMNS
from geomem.networks import defaults
from geomem.networks.experiment import read_experiment
from geomem.networks.sweep import train_study
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
    assert {name for table in rows.values() for row in table for name in row} <= set(COLUMNS["train"])
    assert re.search(r"geomem: about .* steps of 4 networks at .* 4 measurements of them", err)
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
    _, err = run(capsys, "train", "--config", experiment, "--out", tmp_path / "out")
    assert "about" not in err  # nothing is left to do
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


def test_a_configuration_to_begin_from_is_printed(capsys, tmp_path):
    out, err = run(capsys, "train", "--template", "--out", tmp_path / "out")
    assert out.startswith("# ")
    assert tomllib.loads(out)["training"]["batch_size"] == 128
    assert err == ""
    assert not (tmp_path / "out").exists()


def test_one_source_of_what_is_asked(capsys):
    for words in ((), ("--template", "--data", "digits"), ("--config", "digits", "--data", "digits")):
        assert "give --config, --data or --template, and only one of them" in fail(capsys, "train", *words)


@pytest.mark.slow  # a training, its measures and six figures
def test_of_data_alone_it_is_said_what_was_chosen(capsys, tmp_path, rng, monkeypatch):
    """And results are in the data's own units."""
    table = 5 + rng.normal(size=(40, 2)) * [20, 3]
    table[9] = table[3]
    np.savetxt(tmp_path / "data.csv", table, delimiter=",")
    chosen = defaults.experiment_of_data

    def small(source, **changes):
        asked, said = chosen(source, **changes)
        network = dataclasses.replace(asked.training.network, width=16, embedding=8, embedding_width=16)
        training = dataclasses.replace(asked.training, network=network, num_steps=20)
        measures = dataclasses.replace(asked.measures, count=4, num_points=2, num_generated=10, num_sampling_steps=10)
        return dataclasses.replace(asked, training=training, measures=measures, seeds=(0,)), said

    monkeypatch.setattr(defaults, "experiment_of_data", small)
    out, err = run(capsys, "train", "--data", tmp_path / "data.csv", "--out", tmp_path / "out", "--json")
    assert "geomem: 40 rows of 2 columns: 8 held out, training sets of 10, 18, 32, 2 seeds, MLP of width 128" in err
    assert "geomem: 1 of 40 rows repeats earlier ones (row 9)" in err
    rows = json.loads(out)["losses"]
    variances = Manifold.from_data(table).variances
    np.testing.assert_allclose([row["local_variance"] for row in rows[:2]], variances)
    # So few steps teach nothing.
    assert {row["seeds_unlearned"] for row in rows} == {1}
    with xr.open_dataset(tmp_path / "out" / "train.nc", engine="h5netcdf") as found:
        np.testing.assert_allclose(found.noise_variance[-1], 3 * np.linalg.eigvalsh(np.cov(table.T))[-1])
        np.testing.assert_allclose(found.block_variance, variances)


def test_an_interruption_leaves_no_empty_folders(tmp_path, experiment, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("geomem.networks.sweep.measure_spectra", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_study(read_experiment(experiment), tmp_path / "out" / "parts", progress=False)
    assert not (tmp_path / "out").exists()
