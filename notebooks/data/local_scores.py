"""Local scores of Gaussian random fields, photographs and digits, beside the theory of the law of their patches.

Run from the repository root with `python notebooks/data/local_scores.py fields` or `real`; it writes
`notebooks/data/local_scores_NAME.nc`. Either takes about ten minutes of one core.

Fields are stationary Gaussian ones on a periodic grid of 32 by 32 pixels, of power 1/k^2 on the grid, without the mean
and of pixel variance one. One seed is data sets of N images and a fresh image with noise: the mean participation over
its pixels, and half of the squared difference of the scores by two data sets, whose mean is
the variance over data sets.
"""

import sys
from itertools import product
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from scipy.stats import qmc
from sklearn.datasets import load_sample_image

from geomem import Probe, fit_law, load_images, local_gibbs, local_score, quenched
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


def fields_table():
    """Of fields."""
    return table(power_spectrum(), SIZES, SEEDS, TIMES)


COUNTS, REAL_SIZES, SETS, POOL, FRESH = (3, 10, 30, 100), (3, 5), 20, 300, 12
COMPONENTS = 10  # of mixtures
REAL_TIMES = {"digits": (0.02, 0.1, 0.5), "photographs": (0.001, 0.007, 0.05)}


def photographs():
    """Grey crops of 16 by 16 pixels of both photographs, side by side, from -1 to 1."""
    crops = []
    for name in ("china.jpg", "flower.jpg"):
        grey = load_sample_image(name) @ np.array([0.299, 0.587, 0.114]) / 127.5 - 1
        rows, columns = (length // 16 * 16 for length in grey.shape)
        crops.append(grey[:rows, :columns].reshape(rows // 16, 16, -1, 16).swapaxes(1, 2).reshape(-1, 16, 16))
    return np.concatenate(crops)


def cut(images, size):
    """Patches that do not reach over the border, (images, positions, size^2)."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
    return windows.reshape(len(images), -1, size**2)


def apart(x, patches):
    """Squared distances."""
    return np.sum(x**2, axis=1)[:, None] + np.sum(patches**2, axis=1) - 2 * x @ patches.T


def averages(x, patches, time):
    """Participation and mean of the middle pixel at noised patches, (2, patches of x)."""
    squares = apart(x, patches)
    weights = np.exp((squares.min(axis=1, keepdims=True) - squares) / (2 * time))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.stack([np.sum(weights**2, axis=1), weights @ patches[:, patches.shape[1] // 2]])


def alike(x, pool, time):
    """The correlation of weights of patches of one image, the mean over noised patches x."""
    squares = apart(x, pool.reshape(-1, x.shape[1])).reshape(len(x), *pool.shape[:2])
    weights = np.exp((squares.min(axis=(1, 2), keepdims=True) - squares) / (2 * time))
    count, mean = pool.shape[1], weights.mean(axis=(1, 2))
    pairs = (weights.sum(axis=2) ** 2 - (weights**2).sum(axis=2)).mean(axis=1) / (count * (count - 1))
    return np.mean((pairs - mean**2) / np.maximum((weights**2).mean(axis=(1, 2)) - mean**2, 1e-300))


def real_images(images, times):
    """Participation and variance of the denoised pixel by N images, as many patches of others, and fewer of these."""
    shape = (len(REAL_SIZES), len(times), len(COUNTS))
    found = {name: np.empty((2, *shape)) for name in ("images", "images_error", "independent", "effective")}
    share, laws = np.empty(shape[:2]), np.empty((len(LAWS), *shape))
    for (row, size), (level, time) in product(enumerate(REAL_SIZES), enumerate(times)):
        rng = np.random.default_rng([size, level])
        order = rng.permutation(len(images))
        fresh, pool, rest = np.split(cut(images[order], size), [FRESH, FRESH + POOL])
        places = rng.integers(0, fresh.shape[1], (FRESH, 4))
        clean = fresh[np.arange(FRESH)[:, None], places].reshape(-1, size**2)
        x = clean + np.sqrt(time) * rng.normal(size=clean.shape)
        share[row, level] = 1 + (fresh.shape[1] - 1) * alike(x, pool, time)
        flat = pool.reshape(-1, size**2)
        for place, count in enumerate(COUNTS):
            whole = count * fresh.shape[1]
            fewer = int(np.clip(whole / share[row, level], 2, whole))
            sets = [rng.choice(len(rest), count, replace=False) for _ in range(SETS)]
            many, few = (
                [rng.choice(len(flat), number, replace=False) for _ in range(SETS)] for number in (whole, fewer)
            )
            rows = {
                "images": [averages(x, rest[one].reshape(-1, size**2), time) for one in sets],
                "independent": [averages(x, flat[one], time) for one in many],
                "effective": [averages(x, flat[one], time) for one in few],
            }
            for name, each in rows.items():
                values = np.array(each)
                found[name][0, row, level, place] = values[:, 0].mean()
                found[name][1, row, level, place] = values[:, 1].var(axis=0, ddof=1).mean()
            of_sets = np.array(rows["images"])[:, 0].mean(axis=1)
            found["images_error"][0, row, level, place] = of_sets.std(ddof=1)  # of one set of images
            found["images_error"][1, row, level, place] = np.nan
        if level == 0:
            key = jax.random.key(size)
            some = flat[rng.choice(len(flat), min(len(flat), 5000), replace=False)]
            fitted = [fit_law(some, family=family, num_components=count, key=key).law for family, count in LAWS.items()]
        for number, law in enumerate(fitted):
            at = quenched(
                law, np.eye(size**2)[size**2 // 2], noise_variance=time, probe=Probe.point(x[::2]),
                num_samples=np.array(COUNTS) * float(fresh.shape[1]),
            )  # fmt: skip
            laws[number, row, level] = np.asarray(at.participation).mean(axis=0)
        print(size, time, *(found[name][0, row, level].round(3) for name in ("images", "independent", "effective")),
              laws[:, row, level].round(3), share[row, level].round(2), flush=True)  # fmt: skip
    return found, share, laws


LAWS = {"gaussian": None, "mixture": COMPONENTS}


def real_table():
    """Of digits and photographs."""
    sources = {"digits": np.asarray(load_images("digits")[..., 0], dtype=float), "photographs": photographs()}
    parts = []
    over = ("patch_size", "level", "num_images")
    for name, images in sources.items():
        found, share, laws = real_images(images, REAL_TIMES[name])
        data = {key: (("observable", *over), values) for key, values in found.items()}
        data |= {"repetition": (over[:2], share), "predicted": (("law", *over), laws)}
        parts.append(xr.Dataset(data).assign_coords(noise_variance=("level", list(REAL_TIMES[name]))))
    together = xr.concat(parts, xr.DataArray(list(sources), dims="data", name="data"))
    return together.assign_coords(
        patch_size=list(REAL_SIZES), num_images=list(COUNTS), law=list(LAWS), observable=["participation", "variance"]
    )


def main():
    """The part that is asked for."""
    parts = {"fields": fields_table, "real": real_table}
    if len(sys.argv) != 2 or sys.argv[1] not in parts:
        raise SystemExit(__doc__)
    parts[sys.argv[1]]().to_netcdf(FOLDER / f"local_scores_{sys.argv[1]}.nc", engine="h5netcdf")


if __name__ == "__main__":
    main()
