"""Local scores of Gaussian random fields, photographs and digits, beside the theory of the law of their patches.

Run from the repository root with `python notebooks/data/local_scores.py fields` or `real`; it writes
`notebooks/data/local_scores_NAME.nc`. Either takes about ten minutes of one core.

Fields are stationary Gaussian ones on a periodic grid of 32 by 32 pixels, of power 1/k^2 on the grid, without the mean
and of pixel variance one. One seed is data sets of N images and a fresh image with noise: the mean participation over
its pixels, and half of the squared difference of the scores by two data sets, whose mean is the variance over data sets.
"""

import sys
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from scipy.stats import qmc

from geomem import Probe, local_gibbs, local_score, quenched
from geomem.laws.full_mixture import FullMixture
from geomem.studies.patch_law import stationary_covariance

FOLDER = Path(__file__).parent
SIDE, TIMES, SIZES = 32, np.array([0.046, 0.11, 0.24, 0.56, 1.3]), (3, 5, 8)
SEEDS = {1: 64, 20: 16}  # by the number of images
SCRAMBLES, POINTS = 8, 32  # of quasi-random noised patches


def power_spectrum(side=SIDE):
    """1/k^2 with the k^2 of the lattice Laplacian, of pixel variance one."""
    waves = 4 * np.sin(np.pi * np.fft.fftfreq(side)) ** 2
    squared = waves[:, None] + waves[None, :]
    power = np.divide(1.0, squared, out=np.zeros_like(squared), where=squared > 0)
    return power * side**2 / power.sum()


def fields(rng, count, power):
    """So many fields, (count, side, side)."""
    waves = np.fft.fft2(rng.normal(size=(count, *power.shape)))
    return np.fft.ifft2(waves * np.sqrt(power)).real


def predicted(power, size, counts, times, scrambles=SCRAMBLES, points=POINTS):
    """Participation and score variance by theory, (2, scrambles, times, counts), at quasi-random noised patches."""
    covariance = stationary_covariance(power[None, None], size)
    law = FullMixture([1.0], np.zeros((1, size**2)), covariance[None])
    deviations, axes = np.sqrt(np.maximum(law.variances, 0)), np.asarray(law.frame)
    middle = (size // 2) * (size + 1)
    found = np.empty((2, scrambles, len(times), len(counts)))
    for place, time in enumerate(times):
        rows = []
        for scramble in range(scrambles):
            # A noised point of the law along every axis is one normal number.
            normal = qmc.MultivariateNormalQMC(np.zeros(size**2), rng=np.random.default_rng([size, scramble]))
            rows.append(normal.random(points) * np.sqrt(deviations**2 + time) @ axes)
        at = quenched(
            law,
            np.eye(size**2)[middle],
            noise_variance=time,
            num_samples=np.array(counts) * float(power.size),
            probe=Probe.point(np.concatenate(rows)),
        )
        for kind, values in enumerate((at.participation, at.score_variance)):
            found[kind, :, place] = np.asarray(values).reshape(scrambles, points, len(counts)).mean(axis=1)
    return found


def measured(power, sizes, count, times, seed):
    """Participation and score variance of one seed, (2, sizes, times)."""
    rng = np.random.default_rng([count, seed])
    first, second = fields(rng, count, power), fields(rng, count, power)
    fresh, noise = fields(rng, 1, power), rng.normal(size=(len(times), 1, *power.shape))
    found = np.empty((2, len(sizes), len(times)))
    for place, time in enumerate(times):
        x = fresh + np.sqrt(time) * noise[place]
        given = {"noise_variance": [time] * len(sizes), "patch_size": sizes, "boundary": "periodic"}
        found[0, :, place] = np.mean(local_gibbs(x, first, **given).participation, axis=(1, 2, 3))
        one, other = (np.asarray(local_score(x, images, **given)) for images in (first, second))
        found[1, :, place] = np.mean((one - other) ** 2, axis=(1, 2, 3)) / 2
    return found


def table(power, sizes, seeds, times, scrambles=SCRAMBLES, points=POINTS):
    """Measured and predicted values with standard errors, over kind, patch size, images and noise variance."""
    counts = list(seeds)
    shape = (2, len(sizes), len(counts), len(times))
    values = {name: np.empty(shape) for name in ("measured", "measured_error", "predicted", "predicted_error")}
    for place, size in enumerate(sizes):
        rows = predicted(power, size, counts, times, scrambles, points).swapaxes(2, 3)
        values["predicted"][:, place] = rows.mean(axis=1)
        values["predicted_error"][:, place] = rows.std(axis=1, ddof=1) / np.sqrt(scrambles)
        print("theory", size, rows[0].mean(axis=0).round(3), flush=True)
    for place, count in enumerate(counts):
        rows = np.array([measured(power, sizes, count, times, seed) for seed in range(seeds[count])])
        values["measured"][:, :, place] = rows.mean(axis=0)
        values["measured_error"][:, :, place] = rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
        print("images", count, rows[:, 0].mean(axis=0).round(3), flush=True)
    error = np.hypot(values["measured_error"], values["predicted_error"])
    values["z"] = (values["measured"] - values["predicted"]) / error
    over = ("observable", "patch_size", "num_images", "noise_variance")
    coordinates = {
        "observable": ["participation", "score_variance"],
        "patch_size": list(sizes),
        "num_images": counts,
        "noise_variance": times,
        "seeds": ("num_images", list(seeds.values())),
    }
    return xr.Dataset({name: (over, one) for name, one in values.items()}, coordinates)


def main():
    """The part that is asked for."""
    if sys.argv[1:] == ["fields"]:
        found = table(power_spectrum(), SIZES, SEEDS, TIMES)
    else:
        raise SystemExit(__doc__)
    found.to_netcdf(FOLDER / f"local_scores_{sys.argv[1]}.nc", engine="h5netcdf")
    print(found.z.values.round(1))


if __name__ == "__main__":
    main()
