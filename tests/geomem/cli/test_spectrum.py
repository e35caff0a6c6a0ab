"""The command `spectrum`: results of drawn samples and of a file, and one sentence for bad input."""

import json

import jax
import numpy as np
import pytest
import xarray as xr

from geomem import EmpiricalScore, Manifold, critical_time, measure_spectrum
from geomem.cli.words import COLUMNS
from tests.geomem.cli.commands import fail, run


@pytest.mark.slow  # compiles for some seconds
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
    assert {name for rows in document.values() for row in rows for name in row} <= set(COLUMNS["spectrum"])
    assert run(capsys, *arguments, "--out", tmp_path / "second")[0] == out
    names = ["spectrum.nc", "spectrum.pdf", "spectrum.png"]
    for folder in ("first", "second"):
        assert sorted(file.name for file in (tmp_path / folder).iterdir()) == names
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    with xr.open_dataset(tmp_path / "first" / "spectrum.nc", engine="h5netcdf") as found:
        measured = [row["gap_dimension"] for row in document["dimensions"]]
        mean = found.gap_dimension.mean("replicate").values
        assert measured == [None if np.isnan(one) else one for one in mean]
        assert found.gap_status.dtype == found.population_gap_status.dtype == np.int8
        assert dict(found.sizes) == {"noise_variance": 5, "index": 6, "replicate": 1, "block": 2}
        assert json.loads(found.attrs["provenance"])["inputs"]["seed"] == 3


@pytest.mark.slow  # compiles for some seconds
def test_spectrum_of_a_file(capsys, tmp_path, rng):
    data = (rng.normal(size=(321, 4)) * [3, 1, 0.5, 0.1] + 5).astype(np.float32)
    np.save(tmp_path / "data.npy", data)
    arguments = ["spectrum", "--data", tmp_path / "data.npy", "--num-blocks", 2, "--noise-variances", 1, 20, 3,
                 "--json", "--overwrite", "--out", tmp_path]  # fmt: skip
    run(capsys, *arguments)
    with xr.open_dataset(tmp_path / "spectrum.nc", engine="h5netcdf") as found:
        expected = measure_spectrum(
            EmpiricalScore(data.astype(float)), data.mean(axis=0, dtype=float), found.noise_variance.values,
            protocol="jacobian", key=jax.random.key(0),
        )  # fmt: skip
        np.testing.assert_allclose(found.singular_value, expected.singular_value, rtol=1e-10)
    out, err = run(capsys, *arguments, "--num-samples", 100, "--protocol", "central_difference", "--schedule", "sigma")
    document = json.loads(out)
    assert "away from its critical time; 4 blocks keep all directions within 2 %" in err
    assert document["dimensions"][0]["time_on_schedule"] == 1
    for row in document["blocks"]:
        assert row["opening_time_on_schedule"] == pytest.approx(row["opening_time"] ** 0.5)
        assert row["critical_time_lower"] < row["critical_time"] < row["critical_time_upper"]
    with xr.open_dataset(tmp_path / "spectrum.nc", engine="h5netcdf") as found:
        assert json.loads(found.attrs["provenance"])["inputs"]["num_samples"] == 100
        assert float(found.participation.max()) > 0.01
        np.testing.assert_allclose(found.time_on_schedule, np.sqrt(found.noise_variance))
        assert "time_on_schedule" in found.coords
        assert "step" not in found


def test_a_checkpoint_may_be_in_the_new_output_folder(capsys, tmp_path):
    arguments = ["spectrum", "--variances", 1, "--multiplicities", 2, "--num-samples", 20, "--noise-variances", 0.1, 1,
                 2, "--out", tmp_path / "new"]  # fmt: skip
    out, _ = run(capsys, *arguments, "--checkpoint", tmp_path / "new" / "sums.npz")
    assert run(capsys, *arguments) == (out, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--protocol", "guess"], "protocol"),
        (["--noise-variances", 2, 1, 5], "--noise-variances 2 1 5"),
        (["--noise-variances", 0, 1, 5], "--noise-variances 0 1 5"),
        (["--num-replicates", 2], "only for protocol"),
        (["--num-samples", 10.5], "--num-samples is 10.5"),
        (["--num-samples", 1e12], "samples of the law take"),
        (["--noise-variances", 0.1, 1, "inf"], "--noise-variances 0.1 1 inf"),
        (["--seed", 2**64], "--seed is 18446744073709551616"),
        (["--data", "digits", "--num-samples", 2000], "there are 1797 samples"),
        (["--checkpoint", "sums.txt"], "must be a .npz file"),
        (["--distributed"], "no cluster was joined"),
        (["--data", "digits", "--normalized"], "rows of --data are taken as they are"),
        (["--schedule", "edm"], "there is no schedule 'edm'"),
    ],
)
def test_bad_input_to_spectrum(capsys, tmp_path, arguments, message):
    error = fail(capsys, "spectrum", *arguments, "--out", tmp_path / "new")
    assert message in error
    assert not (tmp_path / "new").exists()
