"""The command: results, JSON, and one sentence with exit status 2 for bad input."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import jax
import numpy as np
import pytest
import xarray as xr

from geomem import Discrete, EmpiricalScore, Manifold, critical_size, critical_time, measure_spectrum
from geomem.cli.app import main
from geomem.schedules.clock import schedule_of


def run(capsys, *arguments: object) -> tuple[str, str]:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        assert end.code in (0, None), capsys.readouterr().err  # noqa: PT017 (the code is what is asserted)
    captured = capsys.readouterr()
    return captured.out, captured.err


def fail(capsys, *arguments: object) -> str:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert end.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("geomem: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_the_default_level_is_finite_n(capsys, tmp_path):
    out, _ = run(capsys, "critical-size", "--noise-variance", 0.05, "--block", 0, "--json", "--out", tmp_path)
    manifold = Manifold([1, 0.09, 1e-4], [2, 5, 23])
    expected = critical_size(manifold, 0, noise_variance=0.05, criterion="signal_to_noise", theory="finite_n")
    assert json.loads(out)[0]["critical_size"] == pytest.approx(float(expected.value))


def test_phase_diagram_with_defaults(capsys, tmp_path):
    out, err = run(capsys, "phase-diagram", "--theory", "rem", "--out", tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "phase_diagram.nc", "phase_diagram.pdf", "phase_diagram.png",
    ]  # fmt: skip
    assert "signal to noise, level rem, N = 1000" in out
    assert err == ""
    with xr.open_dataset(tmp_path / "phase_diagram.nc", engine="h5netcdf") as found:
        assert dict(found.sizes) == {"block": 3, "num_samples": 60, "local_variance": 60}
        assert found.num_samples.values[[0, -1]] == pytest.approx([10, 1e9])
        inputs = json.loads(found.attrs["provenance"])["inputs"]
    assert inputs["seed"] == 0
    assert inputs["num_samples"] == 1000


def test_json_rows(capsys, tmp_path):
    out, err = run(
        capsys, "phase-diagram", "--theory", "rem", "--variances", 1, 0.09, 0, "--multiplicities", 2, 5, 3,
        "--num-samples", 500, "--sizes", 10, 1000, 4, "--json", "--out", tmp_path,
    )  # fmt: skip
    rows = json.loads(out)
    assert "critical t" in err
    assert [list(row) for row in rows] == 3 * [
        ["block", "local_variance", "multiplicity", "opening_time", "critical_time", "status", "lost"]
    ]
    manifold = Manifold([1, 0.09, 0], [2, 5, 3])
    for block in range(2):
        expected = critical_time(manifold, block, num_samples=500, criterion="signal_to_noise", theory="rem")
        assert rows[block]["critical_time"] == pytest.approx(float(expected.value), rel=1e-12)
        assert rows[block]["lost"] is (float(expected.value) >= rows[block]["opening_time"])
    assert rows[2]["critical_time"] is None
    assert rows[2]["status"] == "NO_TRANSITION"
    assert rows[2]["lost"] is None


def test_results_are_the_same_every_time(capsys, tmp_path):
    for name in ("first", "second"):
        run(capsys, "phase-diagram", "--theory", "rem", "--sizes", 10, 100, 3, "--out", tmp_path / name)
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes(), file.name


def test_data_file_sets_the_size(capsys, tmp_path, rng):
    np.save(tmp_path / "data.npy", rng.normal(size=(321, 4)) * [3, 1, 0.5, 0.1])
    out, _ = run(
        capsys, "phase-diagram", "--data", tmp_path / "data.npy", "--num-blocks", 2, "--theory", "gaussian_rem",
        "--criterion", "condensation", "--probe", "along:2", "--block", 1, "--sizes", 10, 100, 3, "--out", tmp_path,
    )  # fmt: skip
    assert "N = 321" in out
    with xr.open_dataset(tmp_path / "phase_diagram.nc", engine="h5netcdf") as found:
        record = json.loads(found.attrs["provenance"])["inputs"]
        assert found.sizes["block"] == 2
    assert record["probe"] == {"kind": "along", "amplitude": 2.0}
    assert len(record["data_sha256"]) == 64


def test_critical_size(capsys, tmp_path):
    out, _ = run(
        capsys,
        "critical-size",
        "--theory",
        "rem",
        "--noise-variance",
        0.05,
        0.1,
        "--block",
        1,
        "--json",
        "--out",
        tmp_path,
    )
    rows = json.loads(out)
    manifold = Manifold([1, 0.09, 1e-4], [2, 5, 23])
    expected = critical_size(manifold, 1, noise_variance=[0.05, 0.1], criterion="signal_to_noise", theory="rem")
    assert [row["critical_size"] for row in rows] == pytest.approx(expected.value.tolist())
    document = json.loads((tmp_path / "critical_size.json").read_text())
    assert document["rows"] == rows
    inputs = document["provenance"]["inputs"]
    assert inputs["variances"] == [1.0, 0.09, 1e-4]
    assert (inputs["block"], inputs["noise_variance"]) == (1, [0.05, 0.1])
    out, _ = run(capsys, "critical-size", "--theory", "rem", "--noise-variance", 0.05, "--out", tmp_path)
    assert "critical N" in out
    assert len(json.loads((tmp_path / "critical_size.json").read_text())["rows"]) == 3


def test_times_on_a_schedule(capsys, tmp_path):
    ddpm = Discrete.linear()
    arguments = ["phase-diagram", "--theory", "rem", "--sizes", 10, 100, 3, "--json", "--out", tmp_path]
    plain, _ = run(capsys, *arguments)
    out, err = run(capsys, *arguments, "--schedule", "ddpm")
    rows = json.loads(out)
    assert "critical step" in err
    assert "schedule ddpm" in err
    names = ["opening_time_on_schedule", "critical_time_on_schedule", "opening_step", "critical_step"]
    assert list(rows[0])[5:9] == names
    assert [{name: value for name, value in row.items() if name not in names} for row in rows] == json.loads(plain)
    for row in rows[:2]:
        for which in ("opening", "critical"):
            t = row[f"{which}_time"]
            assert row[f"{which}_time_on_schedule"] == pytest.approx(float(ddpm.time(t)))
            assert row[f"{which}_step"] == int(ddpm.step(t))
            assert isinstance(row[f"{which}_step"], int)
    assert rows[0]["critical_step"] == 87  # as the README says
    # The last block opens below the noise of the first step.
    assert rows[2]["opening_time"] == pytest.approx(1e-4)
    assert rows[2]["opening_time_on_schedule"] is None
    assert rows[2]["opening_step"] is None
    with xr.open_dataset(tmp_path / "phase_diagram.nc", engine="h5netcdf") as found:
        assert found.attrs["schedule"] == "ddpm"
        assert json.loads(found.attrs["provenance"])["inputs"]["schedule"] == "ddpm"
        for name in ("critical_time", "critical_time_map", "opening_time"):
            t = found[name].values
            known = ddpm.reaches(t)
            times = found[f"{name}_on_schedule"].values
            np.testing.assert_allclose(times[known], ddpm.time(t[known]), rtol=1e-12)
            assert np.isnan(times[~known]).all()
            np.testing.assert_array_equal(found[name.replace("time", "step")].values[known], ddpm.step(t[known]))


def test_a_schedule_without_steps(capsys, tmp_path):
    arguments = ["phase-diagram", "--theory", "rem", "--sizes", 10, 100, 3, "--json", "--out", tmp_path]
    rows = json.loads(run(capsys, *arguments, "--variances", 1, 0, "--schedule", "flow")[0])
    assert rows[0]["opening_time_on_schedule"] == pytest.approx(0.5)
    assert rows[1]["opening_time_on_schedule"] is None
    assert "opening_step" not in rows[0]


def test_critical_size_at_times_of_a_schedule(capsys, tmp_path):
    config = {"_class_name": "DDPMScheduler", "trained_betas": [0.01, 0.05, 0.2, 0.9]}
    file = tmp_path / "scheduler_config.json"
    file.write_text(json.dumps(config))
    schedule = schedule_of(str(file))
    arguments = ["critical-size", "--theory", "rem", "--block", 0, "--json", "--out", tmp_path, "--schedule", file]
    rows = json.loads(run(capsys, *arguments, "--time", 1, 1.75)[0])
    assert [row["noise_variance"] for row in rows] == schedule.noise_variance([1, 1.75]).tolist()
    assert [row["time_on_schedule"] for row in rows] == pytest.approx([1, 1.75])
    assert [row["step"] for row in rows] == [1, 2]
    inputs = json.loads((tmp_path / "critical_size.json").read_text())["provenance"]["inputs"]
    assert inputs["schedule"] == str(file)
    assert inputs["schedule_sha256"] == sha256(file.read_bytes()).hexdigest()
    given = ["--noise-variance", *(row["noise_variance"] for row in rows), 1e3]
    others = json.loads(run(capsys, *arguments, *given)[0])
    assert others[:2] == rows
    assert (others[2]["time_on_schedule"], others[2]["step"]) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["phase-diagram", "--schedule", "edm"], "there is no schedule 'edm'; choose one of ve, sigma, ou"),
        (["spectrum", "--schedule", "edm"], "there is no schedule 'edm'"),
        (["critical-size", "--noise-variance", 1, "--schedule", "edm"], "there is no schedule 'edm'"),
        (["phase-diagram", "--schedule", "absent.json"], "there is no schedule file 'absent.json'"),
        (
            ["critical-size", "--time", 5, 1000, "--schedule", "ddpm"],
            "--time: step 1 is 1000; the schedule has steps 0",
        ),
        (["critical-size", "--time", 1, "--schedule", "flow"], "--time: time 0 is 1; the schedule has times between 0"),
        (["critical-size", "--time", "nan", "--schedule", "ou"], "--time: time 0 is nan"),
        (["critical-size", "--time", "--schedule", "ou"], "--time needs at least one value"),
        (["critical-size", "--time", 5], "--time is on the clock of a --schedule"),
        (["critical-size", "--time", 5, "--noise-variance", 1, "--schedule", "ou"], "not both"),
        (["critical-size", "--schedule", "ou"], "give either --noise-variance or --time"),
    ],
)
def test_bad_schedules_and_times(capsys, tmp_path, arguments, message):
    assert message in fail(capsys, *arguments, "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_spectrum(capsys, tmp_path):
    arguments = ["spectrum", "--variances", 1, 0.01, "--multiplicities", 2, 4, "--num-samples", 300, "--json",
                 "--noise-variances", 0.01, 10, 5, "--seed", 3]  # fmt: skip
    out, err = run(capsys, *arguments, "--out", tmp_path / "first")
    document = json.loads(out)
    assert "resolved D" in err
    assert [list(row) for row in document["dimensions"]] == 5 * [
        ["noise_variance", "gap", "gap_dimension", "participation", "population_gap_dimension", "resolved_dimension"]
    ]
    expected = critical_time(
        Manifold([1, 0.01], [2, 4]), 0, num_samples=300, criterion="signal_to_noise", theory="finite_n"
    )
    assert document["blocks"][0]["critical_time"] == pytest.approx(float(expected.value))
    assert list(document["blocks"][0]) == [
        "block", "local_variance", "multiplicity", "opening_time", "critical_time", "status", "lost",
    ]  # fmt: skip
    assert run(capsys, *arguments, "--out", tmp_path / "second")[0] == out
    names = ["spectrum.nc", "spectrum.pdf", "spectrum.png"]
    for folder in ("first", "second"):
        assert sorted(file.name for file in (tmp_path / folder).iterdir()) == names
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    with xr.open_dataset(tmp_path / "first" / "spectrum.nc", engine="h5netcdf") as found:
        assert dict(found.sizes) == {"noise_variance": 5, "index": 6, "replicate": 1, "block": 2}
        assert json.loads(found.attrs["provenance"])["inputs"]["seed"] == 3


def test_spectrum_of_a_file(capsys, tmp_path, rng):
    data = (rng.normal(size=(321, 4)) * [3, 1, 0.5, 0.1] + 5).astype(np.float32)
    np.save(tmp_path / "data.npy", data)
    arguments = ["spectrum", "--data", tmp_path / "data.npy", "--num-blocks", 2, "--noise-variances", 1, 20, 3,
                 "--json", "--out", tmp_path]  # fmt: skip
    run(capsys, *arguments)
    with xr.open_dataset(tmp_path / "spectrum.nc", engine="h5netcdf") as found:
        expected = measure_spectrum(
            EmpiricalScore(data.astype(float)), data.mean(axis=0, dtype=float), found.noise_variance.values,
            protocol="jacobian", key=jax.random.key(0),
        )  # fmt: skip
        np.testing.assert_allclose(found.singular_value, expected.singular_value, rtol=1e-10)
    out, _ = run(capsys, *arguments, "--num-samples", 100, "--protocol", "central_difference", "--schedule", "sigma")
    document = json.loads(out)
    assert document["dimensions"][0]["time_on_schedule"] == 1
    for row in document["blocks"]:
        assert row["opening_time_on_schedule"] == pytest.approx(row["opening_time"] ** 0.5)
    with xr.open_dataset(tmp_path / "spectrum.nc", engine="h5netcdf") as found:
        assert json.loads(found.attrs["provenance"])["inputs"]["num_samples"] == 100
        assert float(found.participation.max()) > 0.01
        np.testing.assert_allclose(found.time_on_schedule, np.sqrt(found.noise_variance))
        assert "time_on_schedule" in found.coords
        assert "step" not in found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--protocol", "guess"], "protocol"),
        (["--noise-variances", 2, 1, 5], "--noise-variances 2 1 5"),
        (["--noise-variances", 0, 1, 5], "--noise-variances 0 1 5"),
        (["--num-replicates", 2], "only for protocol"),
        (["--num-samples", 10.5], "--num-samples is 10.5"),
        (["--num-samples", 1e12], "too many to be drawn"),
        (["--noise-variances", 0.1, 1, "inf"], "--noise-variances 0.1 1 inf"),
        (["--seed", 2**64], "--seed is 18446744073709551616"),
        (["--data", "digits", "--num-samples", 2000], "there are 1797 samples"),
        (["--checkpoint", "sums.txt"], "must be a .npz file"),
        (["--distributed"], "no cluster was joined"),
    ],
)
def test_bad_input_to_spectrum(capsys, tmp_path, arguments, message):
    error = fail(capsys, "spectrum", *arguments, "--out", tmp_path / "new")
    assert message in error
    assert not (tmp_path / "new").exists()


def test_derive(capsys, tmp_path):
    out, _ = run(capsys, "derive", "--chapter", "partition")
    assert "### `generating_function`" in out
    assert "### `entropy`" not in out
    run(capsys, "derive", "--format", "latex", "--out", tmp_path)
    text = (tmp_path / "derivation.tex").read_text()
    assert text.index("eq:generating_function}") < text.index("eq:entropy}") < text.index("eq:population_score}")
    out, _ = run(capsys, "derive", "--chapter", "partition", "--json")
    rows = json.loads(out)
    assert {"chapter", "name", "source", "latex", "steps"} == set(rows[0])
    assert rows[1]["steps"][1]["latex"]
    run(capsys, "derive", "--chapter", "score", "--json", "--out", tmp_path)
    assert {row["chapter"] for row in json.loads((tmp_path / "derivation.json").read_text())} == {"score"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variances", -1, 2], "the variance of block 0 is -1"),
        (["--variances", "nan"], "the variance of block 0 is nan"),
        (["--variances", 1, 2, "--multiplicities", 1], "2 variances but 1 multiplicities"),
        (["--variances", 1, "--multiplicities", 0], "the multiplicity of block 0 is 0"),
        (["--variances", 1, "--multiplicities", 1.5], "the multiplicity of block 0 is 1.5"),
        (["--variances"], "variances"),
        (["--multiplicities", 1, 2, 3], "--multiplicities go with --variances"),
        (["--num-samples", 1], "--num-samples is 1; it must be finite and at least 2"),
        (["--num-samples", "inf"], "--num-samples is inf"),
        (["--data", "digits", "--num-blocks", 2.7], "num-blocks"),
        (["--block", 1.9], "block"),
        (["--sizes", 10, 100, 2.5], "--sizes 10 100 2.5"),
        (["--sizes", 10, 1e308, 5], "--sizes 10 1e+308 5"),
        (["--num-blocks", 2], "--num-blocks groups the spectrum of --data"),
        (["--data", "digits", "--variances", 1], "not both"),
        (["--data", "absent.npy"], "there is no data file 'absent.npy'"),
        (["--block", 7], "there is no block 7"),
        (["--block", -1], "there is no block -1"),
        (["--criterion", "freezing"], "freezing"),
        (["--theory", "mean_field"], "mean_field"),
        (["--criterion", "condensation"], "'finite_n' has no sharp condensation"),
        (["--theory", "gaussian_rem"], "has no signal-to-noise ratio"),
        (["--probe", "nowhere"], "there is no probe 'nowhere'"),
        (["--probe", "along:x"], "the probe's amplitude is 'x'"),
        (["--probe", "along:-1"], "the probe's amplitude is"),
        (["--probe", "origin:1"], "has no amplitude"),
        (["--sizes", 1, 10, 5], "--sizes 1 10 5"),
        (["--sizes", 10, 5, 5], "--sizes 10 5 5"),
        (["--sizes", 10, 100, 1], "--sizes 10 100 1"),
        (["--sizes", 10, 100, "inf"], "--sizes 10 100 inf"),
        (["--no-such-flag"], "no-such-flag"),
    ],
)
def test_bad_input_exits_with_one_sentence_and_writes_nothing(capsys, tmp_path, arguments, message):
    error = fail(capsys, "phase-diagram", *arguments, "--out", tmp_path / "new")
    assert message in error
    assert not (tmp_path / "new").exists()
    assert error.count(". ") == 0


def test_bad_output_folder(capsys, tmp_path):
    (tmp_path / "file").touch()
    for command in (["phase-diagram"], ["critical-size", "--noise-variance", 1], ["spectrum"], ["derive"]):
        assert "the output folder" in fail(capsys, *command, "--out", tmp_path / "file")


def test_other_bad_input(capsys, tmp_path):
    assert "no chapter 'finite'" in fail(capsys, "derive", "--chapter", "finite")
    assert "noise-variance" in fail(capsys, "critical-size", "--out", tmp_path)
    assert "--noise-variance needs at least one value" in fail(
        capsys, "critical-size", "--noise-variance", "--out", tmp_path
    )
    assert "--noise-variance is -1" in fail(capsys, "critical-size", "--noise-variance", -1, "--out", tmp_path)
    assert "no-command" in fail(capsys, "no-command")


def test_a_narrow_screen_cuts_nothing_off(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    out, _ = run(capsys, "phase-diagram", "--theory", "rem", "--sizes", 10, 100, 3, "--out", tmp_path)
    assert "…" not in out
    assert "0.088705" in out
    assert "kept" in out


def test_installed_command(tmp_path):
    command = Path(sys.executable).with_name("geomem")
    version = subprocess.run([command, "--version"], check=True, capture_output=True, text=True).stdout
    assert version.strip() == "0.1.0"
    text = subprocess.run([command, "--help"], check=True, capture_output=True, text=True).stdout
    for name in ("phase-diagram", "critical-size", "spectrum", "derive"):
        assert name in text
    bad = subprocess.run(
        [command, "phase-diagram", "--variances", "-1", "--out", tmp_path], check=False, capture_output=True, text=True
    )
    assert bad.returncode == 2
    assert bad.stderr.count("\n") == 1
