"""The command `local`: results, rows and pictures."""

import json

import numpy as np
import pytest
import xarray as xr

from geomem.cli.words import COLUMNS
from geomem.empirical.gibbs import denoiser
from geomem.empirical.local import local_score
from tests.geomem.cli.commands import fail, run

IMAGES = np.random.default_rng(0).normal(size=(12, 5, 5)).cumsum(axis=1)
ASKED = ["--patch-sizes", 2, 3, "--noise-variances", 0.1, 1, 3, "--num-points", 2, "--num-images", 5, 12]


@pytest.mark.slow  # compiles the theory of patches and passes over images, and draws two figures
def test_local(capsys, tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    arguments = ["local", "--data", tmp_path / "images.npy", *ASKED, "--schedule", "ddpm", "--out", tmp_path / "out"]
    out, _ = run(capsys, *arguments, "--json")
    rows = json.loads(out)
    assert {name for row in rows for name in row} <= set(COLUMNS["local"])
    assert [(row["patch_size"], round(row["noise_variance"], 3)) for row in rows] == [
        (size, time) for size in (2, 3) for time in (0.1, 0.316, 1.0)
    ]
    names = [f"{name}.{end}" for name in ("local", "local_pictures") for end in ("nc", "pdf", "png")]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == sorted(names)
    diagram = xr.load_dataset(tmp_path / "out" / "local.nc", engine="h5netcdf")
    assert diagram.num_images.values.tolist() == [5, 12]
    sizes = np.exp(diagram.log_critical_size.values).ravel()
    assert [row["critical_images"] for row in rows] == pytest.approx(
        [size if np.isfinite(size) else None for size in sizes]
    )
    pictures = xr.load_dataset(tmp_path / "out" / "local_pictures.nc", engine="h5netcdf")
    assert pictures.denoiser.values.tolist() == ["2", "3", "whole"]
    image = pictures.image.values
    (place,) = np.flatnonzero((np.abs(IMAGES - image[..., 0]) < 1e-6).all(axis=(1, 2)))
    others = np.delete(IMAGES.astype(np.float32), place, axis=0)[..., None].astype(float)
    x, time = pictures.noised.values[1], float(pictures.noise_variance[1])
    by_patches = x + time * np.asarray(local_score(x[None], others, time, patch_size=3))[0]
    np.testing.assert_allclose(pictures.denoised.sel(denoiser="3").values[1], by_patches, atol=1e-10)
    whole = np.asarray(denoiser(x.ravel(), others.reshape(11, -1), time)).reshape(5, 5, 1)
    np.testing.assert_allclose(pictures.denoised.sel(denoiser="whole").values[1], whole, atol=1e-10)
    assert "another run, with another" in fail(capsys, *arguments, "--seed", 1)


def test_flat_tables_are_refused_with_what_is_expected(capsys, tmp_path):
    np.save(tmp_path / "table.npy", IMAGES.reshape(12, -1))
    said = fail(capsys, "local", "--data", tmp_path / "table.npy", "--out", tmp_path / "out")
    assert "they must be (samples, height, width)" in said
    np.savetxt(tmp_path / "table.csv", IMAGES.reshape(12, -1), delimiter=",")
    assert "load_data" in fail(capsys, "local", "--data", tmp_path / "table.csv", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
