"""The published networks on the published clock, beside the empirical score of their data: writes published.nc.

Setting and recipe of arXiv:2410.08727: d = 30, two directions of deviation 1, five of 0.3 and 23 of 0.01, samples
divided by their norm, N = 250, 500 and 20000. Spectra are taken at training points, on the rays of a random orthonormal
frame each, at 100 values of tau from 0.8 to 1e-5, sigma = 0.01 * 5000^tau. Half a million steps, of the published two,
take two hours on one core: `python notebooks/data/published.py FOLDER`, which goes on where it was interrupted.
"""

import sys
from pathlib import Path

import jax
import numpy as np
import xarray as xr

from geomem import (
    MLP,
    EmpiricalScore,
    Manifold,
    TrainConfig,
    generate,
    measure_spectrum,
    memorization_ratio,
    train_group,
)

MANIFOLD = Manifold([1.0, 0.09, 1e-4], [2, 5, 23], normalized=True)
SIZES, STEPS = (250, 500, 20_000), (20_000, 60_000, 100_000, 200_000, 350_000, 500_000)
NOISE_VARIANCES = 1e-4 * 5000.0 ** (2 * np.linspace(0.8, 1e-5, 100))
NUM_POINTS, NUM_GENERATED = 16, 200


def spectra(score, points, key):
    """Sorted values over training points: means and standard errors."""
    frames = jax.random.split(key, len(points))
    found = [
        measure_spectrum(score, point, NOISE_VARIANCES, protocol="orthogonal_frame", key=frame).singular_value[..., 0]
        for point, frame in zip(points, frames, strict=True)
    ]
    values = np.stack(found)
    over = ("noise_variance", "index")
    scale = 1 / np.sqrt(len(points))
    return xr.Dataset(
        {
            "singular_value": (over, values.mean(axis=0)),
            "singular_value_error": (over, values.std(axis=0, ddof=1) * scale),
        },
        {"noise_variance": NOISE_VARIANCES, "index": np.arange(1, 31)},
    )


def copies(score, rows, key):
    """Fraction of generated samples that are copies, and its error."""
    times = np.geomspace(2500.0, 1e-4, 201)
    flow = generate(score, key, num_samples=NUM_GENERATED, dims=30, noise_variance=times, method="ode", keep_every=200)
    return np.stack(memorization_ratio(flow.x.values[-1], rows))


def main(folder):
    """Trains as far as it is asked to, and measures at every stage."""
    of_data, of_networks = jax.random.split(jax.random.key(0))
    keys = jax.random.split(of_data, len(SIZES))
    data = [np.asarray(MANIFOLD.sample(key, size)) for key, size in zip(keys, SIZES, strict=True)]
    # Once more, to the last bit.
    data = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in data]
    of_points = jax.random.split(jax.random.key(1), len(SIZES))
    own = [spectra(EmpiricalScore(rows), rows[:NUM_POINTS], key) for rows, key in zip(data, of_points, strict=True)]
    parts = []
    for steps in STEPS:
        network = MLP(scale_inputs=False, embed_logarithm=False)
        config = TrainConfig(network=network, num_steps=steps, points_per_level=1)
        trained = train_group(config, data, jax.random.split(of_networks, len(SIZES)), directory=folder)
        found = [
            spectra(one.score, rows[:NUM_POINTS], key) for one, rows, key in zip(trained, data, of_points, strict=True)
        ]
        ratios = np.array(
            [copies(one.score, rows, key) for one, rows, key in zip(trained, data, of_points, strict=True)]
        )
        part = xr.concat(found, xr.Variable("num_samples", list(SIZES)))
        part["loss"] = ("num_samples", [float(one.history.loss[-1]) for one in trained])
        part["memorization_ratio"], part["memorization_ratio_error"] = (("num_samples", column) for column in ratios.T)
        parts.append(part)
    study = xr.concat(parts, xr.Variable("step", list(STEPS)))
    study = study.merge(
        xr.concat(own, xr.Variable("num_samples", list(SIZES))).rename(
            {name: f"empirical_{name}" for name in ("singular_value", "singular_value_error")}
        )
    )
    study.attrs["provenance"] = trained[0].history.attrs["provenance"]
    study = study.astype(np.float32)
    study.to_netcdf(
        Path(__file__).parent / "published.nc",
        engine="h5netcdf",
        encoding={name: {"compression": "gzip"} for name in study.data_vars},
    )


if __name__ == "__main__":
    main(sys.argv[1])
