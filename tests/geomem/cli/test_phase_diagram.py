"""The command `phase-diagram`: results, JSON, and one sentence with exit status 2 for bad input."""

import json
import re

import numpy as np
import pytest
import xarray as xr

from geomem import Discrete, Manifold, critical_time
from geomem.core.provenance import inputs_of
from tests.geomem.cli.commands import fail, run


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


@pytest.mark.slow  # compiles for some seconds
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


@pytest.mark.slow  # compiles for some seconds
def test_results_are_the_same_every_time(capsys, tmp_path):
    for name in ("first", "second"):
        run(capsys, "phase-diagram", "--theory", "rem", "--sizes", 10, 100, 3, "--out", tmp_path / name)
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes(), file.name


@pytest.mark.parametrize("size", [2, 10, 5000])
def test_the_figure_shows_a_size_that_is_none_of_the_diagram_or_one(capsys, tmp_path, size):
    run(capsys, "phase-diagram", "--theory", "rem", "--num-samples", size, "--sizes", 10, 1000, 3, "--out", tmp_path)
    with xr.open_dataset(tmp_path / "phase_diagram.nc", engine="h5netcdf") as found:
        np.testing.assert_allclose(found.num_samples, [10, 100, 1000])
    assert (tmp_path / "phase_diagram.png").stat().st_size > 1000


@pytest.mark.slow  # compiles for some seconds
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


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize("level", ["rem", pytest.param("finite_n", marks=pytest.mark.slow)])  # compiles more
def test_directions_of_a_block_have_their_own_times(capsys, tmp_path, rng, level):
    """Between which they are lost, against single solves at the ends of the block; and whether that is far."""
    data = rng.normal(size=(300, 6)) * np.sqrt([1.0, 0.9, 0.8, 0.05, 0.04, 0.0])
    data[5] = data[4]
    np.save(tmp_path / "data.npy", data)
    out, err = run(
        capsys, "phase-diagram", "--data", tmp_path / "data.npy", "--num-blocks", 2, "--theory", level, "--num-samples",
        3000, "--sizes", 100, 1e4, 3, "--json", "--law", "gaussian", "--probe", "mean", "--out", tmp_path / "results",
    )  # fmt: skip
    rows, whole = json.loads(out), Manifold.from_data(data)
    blocks = Manifold.from_data(data, num_blocks=2)
    widest = np.split(np.asarray(whole.variances), [3, 5])
    for place, row in enumerate(rows[:2]):
        for name, own in (("critical_time_lower", widest[place][-1]), ("critical_time_upper", widest[place][0])):
            exact = critical_time(
                blocks, place, num_samples=3000, local_variance=own, criterion="signal_to_noise", theory=level
            )
            assert row[name] == pytest.approx(float(exact.value), rel=1e-5)
        assert row["critical_time_lower"] < row["critical_time"] < row["critical_time_upper"]
    assert rows[2]["critical_time_lower"] is rows[2]["critical_time_upper"] is None
    with xr.open_dataset(tmp_path / "results" / "phase_diagram.nc", engine="h5netcdf") as found:
        (note,) = inputs_of(found.attrs["provenance"])["data_notes"]
        assert err.startswith(f"geomem: {note}\n")
        assert note.startswith("1 of 300 rows repeats earlier ones (row 5)")
        assert found.critical_time_lower.dims == found.critical_time_upper.dims == ("block", "num_samples")
        for place in range(2):
            assert (found.critical_time_lower < found.critical_time)[place].all()
            assert (found.critical_time < found.critical_time_upper)[place].all()
    reach = [
        max(row["critical_time_upper"] / row["critical_time"], row["critical_time"] / row["critical_time_lower"]) - 1
        for row in rows[:2]
    ]
    farthest = int(np.argmax(reach))
    sentence = f"geomem: directions of block {farthest} are lost up to {100 * reach[farthest]:.0f} % away from its crit"
    assert err.splitlines()[-1].startswith(sentence)


@pytest.mark.long  # as many diagrams as numbers of blocks, compiled anew
def test_as_many_blocks_as_it_says_are_enough(capsys, tmp_path, rng):
    np.save(tmp_path / "data.npy", rng.normal(size=(300, 40)) * np.arange(1, 41) ** -0.75)
    arguments = ["phase-diagram", "--data", tmp_path / "data.npy", "--theory", "rem", "--sizes", 100, 1000, 2, "--out"]
    _, err = run(capsys, *arguments, tmp_path / "few", "--num-blocks", 4)
    enough = re.search(r"critical time; (\d+) blocks keep all directions within 2 %\n$", err).group(1)
    assert 4 < int(enough) < 40
    assert run(capsys, *arguments, tmp_path / "enough", "--num-blocks", enough)[1] == ""


@pytest.mark.slow  # compiles for some seconds
def test_times_on_a_schedule(capsys, tmp_path):
    ddpm = Discrete.linear()
    arguments = ["phase-diagram", "--theory", "rem", "--sizes", 10, 100, 3, "--json", "--overwrite", "--out", tmp_path]
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


@pytest.mark.slow  # compiles for some seconds
def test_a_schedule_without_steps(capsys, tmp_path):
    arguments = ["phase-diagram", "--theory", "rem", "--sizes", 10, 100, 3, "--json", "--out", tmp_path]
    rows = json.loads(run(capsys, *arguments, "--variances", 1, 0, "--schedule", "flow")[0])
    assert rows[0]["opening_time_on_schedule"] == pytest.approx(0.5)
    assert rows[1]["opening_time_on_schedule"] is None
    assert "opening_step" not in rows[0]


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
        (["--data", "absent.npy"], "absent.npy: there is no such file"),
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
        (["--law", "nonsense"], "there is no law 'nonsense'; choose one of auto"),
        (["--law", "mixture"], "--law mixture is fitted to --data"),
        (["--probe", "noised"], "of a spectrum it is called typical"),
        (["--data", "digits", "--law", "pool", "--theory", "rem"], "--law pool needs theory 'finite_n'"),
        (["--data", "digits", "--probe", "noised", "--theory", "rem"], "--probe noised needs theory 'finite_n'"),
        (["--num-points", 0], "--num-points is 0"),
        (["--num-variances", -1], "--num-variances is -1"),
        (["--schedule", "edm"], "there is no schedule 'edm'; choose one of ve, sigma, ou"),
        (["--schedule", "absent.json"], "there is no schedule file 'absent.json'"),
    ],
)
def test_bad_input_exits_with_one_sentence_and_writes_nothing(capsys, tmp_path, arguments, message):
    error = fail(capsys, "phase-diagram", *arguments, "--out", tmp_path / "new")
    assert message in error
    assert not (tmp_path / "new").exists()
    assert error.count(". ") == 0


@pytest.fixture
def two_classes(tmp_path, rng):
    """A file of two Gaussians, which one is far from."""
    rows = np.concatenate([rng.normal(size=(200, 2)) * [1, 0.1], rng.normal(size=(200, 2)) * [0.1, 0.5] + [4, 0]])
    np.save(tmp_path / "classes.npy", rows)
    return tmp_path / "classes.npy"


@pytest.mark.slow  # as many walks as laws
def test_the_law_of_data_is_fitted_and_probed_at_noised_points(capsys, tmp_path, two_classes):
    arguments = ["phase-diagram", "--data", two_classes, "--sizes", 10, 1000, 2, "--num-points", 2, "--json", "--out"]
    out, err = run(capsys, *arguments, tmp_path / "auto")
    assert re.search(r"the law of the data is a mixture of \d Gaussians, which gains", err)
    assert "it is probed at 2 data points with noise" in err
    assert [list(row)[-1] for row in json.loads(out)] == ["critical_time_error"] * 2
    with xr.open_dataset(tmp_path / "auto" / "phase_diagram.nc", engine="h5netcdf") as found:
        assert (found.attrs["law"], found.attrs["num_points"]) == ("mixture", 2)
        assert found.attrs["num_components"] >= 2
        assert found.attrs["nats_gained"] > 1
        inputs = inputs_of(found.attrs["provenance"])
        assert inputs["law"] == "auto"
        assert inputs["probe"]["kind"] == "noised"
        assert "local_variance" not in found.dims
    again = run(capsys, *arguments, tmp_path / "auto")[0]  # of the same inputs
    assert again == out
    _, err = run(capsys, *arguments, tmp_path / "pool", "--law", "pool", "--num-variances", 2)
    assert "a pool tells of N up to a fifteenth of its size, 26" in err
    with xr.open_dataset(tmp_path / "pool" / "phase_diagram.nc", engine="h5netcdf") as found:
        assert found.sizes["local_variance"] == 2


@pytest.mark.slow  # compiles for some seconds
def test_one_gaussian_about_the_mean_is_what_it_was_and_is_warned_of(capsys, tmp_path, two_classes):
    """The numbers of the spectrum of the data, and by how much they are off."""
    arguments = ["phase-diagram", "--theory", "rem", "--sizes", 10, 100, 3, "--num-samples", 300, "--json", "--out"]
    out, err = run(capsys, *arguments, tmp_path / "data", "--data", two_classes)
    assert re.search(r"geomem: one Gaussian is off by a factor e\^\d in N: a mixture of \d Gaussians", err)
    spectrum = np.asarray(Manifold.from_data(np.load(two_classes)).variances)
    same, _ = run(capsys, *arguments, tmp_path / "spectrum", "--variances", *map(repr, spectrum.tolist()))
    for one, other in zip(json.loads(out), json.loads(same), strict=True):
        assert one["critical_time"] == pytest.approx(other["critical_time"], rel=1e-12)
    by_words, _ = run(
        capsys, *arguments, tmp_path / "words", "--data", two_classes, "--law", "gaussian", "--probe", "mean"
    )
    assert by_words == out


@pytest.mark.slow  # compiles for some seconds, and half a minute for normalized data
@pytest.mark.parametrize(
    "kind", [pytest.param(["--normalized"], marks=pytest.mark.long), []], ids=["normalized", "flat"]
)
def test_where_gaps_close(capsys, tmp_path, kind):
    out, _ = run(
        capsys, "phase-diagram", *kind, "--criterion", "gap", "--sizes", 1000, 3000, 2, "--num-variances", 2, "--json",
        "--out", tmp_path,
    )  # fmt: skip
    rows = json.loads(out)
    assert [row["status"] for row in rows] == ["CONVERGED", "CONVERGED", "NO_TRANSITION"] or not kind
    manifold = Manifold([1, 0.09, 1e-4], [2, 5, 23], normalized=bool(kind))
    expected = critical_time(manifold, 0, num_samples=1000, criterion="gap", theory="finite_n")
    assert rows[0]["critical_time"] == pytest.approx(float(expected.value), rel=1e-6)


@pytest.mark.slow  # compiles for some seconds
def test_a_header_is_said_where_it_cannot_be_seen(capsys, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("0,1,2\n4,5,6\n7,8,10\n1,2,2\n")
    options = (
        "phase-diagram",
        "--data",
        file,
        "--theory",
        "rem",
        "--sizes",
        "10",
        "100",
        "3",
        "--out",
        tmp_path / "out",
        "--overwrite",
    )
    assert "say which by --header or --no-header" in fail(capsys, *options)
    assert not (tmp_path / "out").exists()
    for word, size in (("--header", 3), ("--no-header", 4)):
        assert f"N = {size}" in run(capsys, *options, word)[0]
    assert "--header and --no-header are said of the file of --data" in fail(capsys, "phase-diagram", "--header")


@pytest.mark.slow  # compiles for some seconds
def test_several_sizes_are_tabulated(capsys, tmp_path):
    """Each as it is alone."""
    arguments = ["phase-diagram", "--theory", "rem", "--sizes", 10, 100, 3, "--json", "--overwrite", "--out", tmp_path]
    together = json.loads(run(capsys, *arguments, "--num-samples", 50, 2000)[0])
    apart = [
        {"num_samples": size} | row
        for size in (50, 2000)
        for row in json.loads(run(capsys, *arguments, "--num-samples", size)[0])
    ]
    assert together == apart
