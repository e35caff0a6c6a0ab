"""Convolutional networks beside local scores, over training: writes local_networks_digits.nc and ..._tiles.nc.

A U-Net and a network of convolutions alone, on digits and on disjoint 16 by 16 tiles of scikit-learn's two photographs.
Three quarters of an hour of one core: `python notebooks/data/local_networks.py FOLDER`, the folder for checkpoints,
from which a second call goes on.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from sklearn.datasets import load_sample_image

from geomem import (
    ResNet,
    TrainConfig,
    UNet,
    generate,
    load_images,
    local_agreement,
    local_gibbs,
    local_score_of,
    memorization_ratio,
    patch_diagram,
    score_of,
)
from geomem.core.resampling import DATA_RESAMPLES, INTERVAL
from geomem.networks.training import train_group

TIMES = np.geomspace(0.01, 10, 7)
GRID = np.geomspace(100, 0.01, 41)  # down which images are generated
KEY = jax.random.key(7)
LARGEST_FITTED = 7  # pixels of a patch, to whose law Gaussians are fitted
SMALL = {"embedding": 32, "embedding_width": 64}


def digits():
    """All of them, (images, 8, 8), from -1 to 1."""
    return load_images("digits")[..., 0].astype(float)


def tiles():
    """All tiles of both photographs, (images, 16, 16), grey, from -1 to 1; none shares a pixel with another."""
    both = []
    for name in ("china", "flower"):
        grey = load_sample_image(f"{name}.jpg") @ np.array([0.299, 0.587, 0.114])
        rows, columns = (length // 16 for length in grey.shape)
        cut = grey[: 16 * rows, : 16 * columns].reshape(rows, 16, columns, 16)
        both.append(cut.swapaxes(1, 2).reshape(-1, 16, 16))
    return np.concatenate(both) / 127.5 - 1


@dataclass(frozen=True)
class Setting:
    """What is trained on one kind of images."""

    load: object
    networks: dict
    sizes: tuple  # of the training sets
    steps: tuple  # at which they are measured
    seeds: tuple  # of weights and noise; the training sets are the same
    patch_sizes: tuple
    nearest: int  # patch size at which nearest patches are looked for
    num_probes: int
    num_generated: int
    num_starts: int


SETTINGS = {
    "digits": Setting(
        digits,
        {
            "unet": UNet(image_shape=(8, 8, 1), channels=16, num_levels=2, **SMALL),
            "resnet": ResNet(image_shape=(8, 8, 1), channels=24, num_blocks=6, **SMALL),
        },
        sizes=(20, 100, 1000),
        steps=(400, 1500, 4000),
        seeds=(0, 1),
        patch_sizes=(1, 3, 5, 7),
        nearest=5,
        num_probes=48,
        num_generated=200,
        num_starts=24,
    ),
    "tiles": Setting(
        tiles,
        {
            "unet": UNet(image_shape=(16, 16, 1), channels=16, num_levels=3, **SMALL),
            "resnet": ResNet(image_shape=(16, 16, 1), channels=16, num_blocks=6, **SMALL),
        },
        sizes=(20, 300),
        steps=(400, 2000),
        seeds=(0,),
        patch_sizes=(1, 3, 5, 7, 9, 11, 15),
        nearest=7,
        num_probes=12,
        num_generated=60,
        num_starts=6,
    ),
}


def split(setting):
    """The images in an order of their own: training sets are its beginning, what is held out its end."""
    images = setting.load()
    return images[np.random.default_rng(0).permutation(len(images))]


def trained(folder, name, network, seed):
    """The networks of all sizes of training sets after every number of steps, {steps: networks}."""
    setting, found = SETTINGS[name], {}
    rows = split(setting).reshape(-1, np.prod(setting.networks[network].image_shape))
    keys = [jax.random.fold_in(jax.random.key(seed), size) for size in setting.sizes]
    before = None
    for steps in setting.steps:
        place = Path(folder) / f"{name}_{network}_{seed}_{steps}"
        if before is not None and not place.exists():
            shutil.copytree(before, place)
        config = TrainConfig(
            network=setting.networks[network],
            num_steps=steps,
            batch_size=32,
            points_per_level=4,
            learning_rate=1e-3,
            ema_decay=0.995,
            sigma_min=0.03,
            sigma_max=10.0,
        )
        sets = [rows[:size] for size in setting.sizes]
        found[steps] = train_group(config, sets, keys, directory=place, progress=False)
        last = [float(one.history.loss[-1]) for one in found[steps]]
        print(name, network, seed, steps, np.round(last, 4), flush=True)
        before = place
    return found


def mosaic(samples, images, size):
    """Of every sample, its root mean square distance of nearest patches per pixel, and how they hang together.

    The second is the share of neighbouring pixels whose nearest patches are neighbours in one image as well.
    """
    found = local_gibbs(samples, images, 0.01, patch_size=size)
    distance = np.sqrt(np.mean(np.asarray(found.nearest_distance) ** 2, axis=(1, 2))) / size
    place = np.stack([found.nearest_index, found.nearest_row, found.nearest_column], axis=1)
    together = []
    for axis in (0, 1):
        apart = np.diff(place, axis=2 + axis)
        expected = np.array([0, 1 - axis, axis])[:, None, None]
        together.append((apart == expected).all(axis=1).reshape(len(samples), -1))
    return distance, np.concatenate(together, axis=1).mean(axis=1)


def followed(scores, starts):
    """Images that the probability flow makes of the starts, by a score for every step; equal ones stand together."""
    x, first = starts, 0
    while first < len(scores):
        last = next((place for place in range(first, len(scores)) if scores[place] is not scores[first]), len(scores))
        part = {"num_samples": len(x), "dims": x.shape[1], "noise_variance": GRID[first : last + 1]}
        x = generate(scores[first], KEY, method="ode", start=x, **part).x.values[-1]
        first = last
    return x


def correlations(some, others):
    """Of every image and its counterpart, over pixels."""
    return np.array([np.corrcoef(one, other)[0, 1] for one, other in zip(some, others, strict=True)])


def of_samples(score, images, setting):
    """What samples of a score copy: whole images, and patches."""
    flat = images.reshape(len(images), -1)
    asked = {"num_samples": setting.num_generated, "dims": flat.shape[1], "noise_variance": GRID, "method": "sde"}
    samples = generate(score, KEY, **asked).x.values[-1]
    ratio, error = memorization_ratio(samples, flat)
    found = {"memorization": ratio, "memorization_error": error}
    some = samples[: setting.num_probes].reshape(-1, *images.shape[1:])
    for name, values in zip(("nearest", "together"), mosaic(some, images, setting.nearest), strict=True):
        found |= {name: values.mean(), f"{name}_error": values.std(ddof=1) / np.sqrt(len(some))}
    return found


def gaussian_score(images):
    """The score of the Gaussian with the mean and covariance of the images, which knows nothing of patches."""
    flat = images.reshape(len(images), -1)
    mean, (values, vectors) = flat.mean(axis=0), np.linalg.eigh(np.cov(flat.T))

    def score(x, time):
        return -((x - mean) @ vectors / (values + time)) @ vectors.T

    return score


def of_gaussian(score, images, probes):
    """r^2 as that of `local_agreement`, with the score of a Gaussian: medians, and their intervals over the probes."""
    clean, linear = probes.reshape(len(probes), -1), gaussian_score(images)
    noise = np.asarray(jax.random.normal(KEY, probes.shape)).reshape(clean.shape)
    squares = []
    for time in TIMES:
        x = clean + np.sqrt(time) * noise
        squares.append(correlations(*(x + time * np.asarray(each(x, time)) for each in (score, linear))) ** 2)
    squares = np.array(squares)
    drawn = np.random.default_rng(0).integers(len(probes), size=(DATA_RESAMPLES, len(probes)))
    ends = np.percentile(np.median(squares[:, drawn], axis=2), INTERVAL, axis=1)
    return np.array([np.median(squares, axis=1), *ends])


def of_starts(score, best, images, setting):
    """Correlations over pixels of what a score makes of a start with what three others do.

    These are local scores, of the best patch size of every noise level, and those of whole images and of a Gaussian.
    """
    flat, count = images.reshape(len(images), -1), len(GRID) - 1
    starts = np.sqrt(GRID[0]) * np.random.default_rng(1).normal(size=(setting.num_starts, flat.shape[1]))
    levels = np.abs(np.log(np.sqrt(GRID[:-1] * GRID[1:])[:, None] / TIMES)).argmin(axis=1)
    patches = {size: local_score_of(images, patch_size=size) for size in setting.patch_sizes}
    ends = followed([score] * count, starts)
    others = [patches[best[level]] for level in levels], [score_of(flat)] * count, [gaussian_score(images)] * count
    return [correlations(ends, followed(other, starts)) for other in others]


def of_size(networks, rows, size, setting):
    """All that is measured of the networks, {(kind, seed, steps): score}, of one size of the training sets."""
    images, probes = rows[:size], rows[-setting.num_probes :]
    scores = list(networks.values())
    found = local_agreement(scores, images, probes, noise_variance=TIMES, patch_sizes=setting.patch_sizes, key=KEY)
    print(size, found.best_patch_size.values, found.participation.values.round(2), sep="\n", flush=True)
    for name, values in zip(("nearest", "together"), mosaic(probes, images, setting.nearest), strict=True):
        found[f"held_out_{name}"] = (), values.mean()
    linear = np.stack([of_gaussian(score, images, probes) for score in scores], axis=1)
    for name, values in zip(("gaussian", "gaussian_lower", "gaussian_upper"), linear, strict=True):
        found[name] = ("score", "noise_variance"), values
    samples = [of_samples(score, images, setting) for score in scores]
    found = found.assign({name: ("score", [one[name] for one in samples]) for name in samples[0]})
    starts = np.full((3, len(scores), setting.num_starts), np.nan)
    for place, (label, score) in enumerate(networks.items()):
        print(size, label, {name: round(float(one), 3) for name, one in samples[place].items()}, flush=True)
        if label[1:] == (0, setting.steps[-1]):  # of one seed, at the end
            starts[:, place] = of_starts(score, found.best_patch_size.values[place], images, setting)
            print("from one start", np.median(starts[:, place], axis=1).round(3), flush=True)
    for name, values in zip(("local", "whole", "gaussian"), starts, strict=True):
        found[f"correlation_with_{name}"] = ("score", "start"), values
    labels = zip(("network", "seed", "step"), zip(*networks, strict=True), strict=True)
    found = found.assign_coords({name: ("score", list(one)) for name, one in labels})
    return found.set_index(score=["network", "seed", "step"]).unstack("score").expand_dims(num_samples=[size])


def predicted(setting):
    """The largest patch that does not copy, by theory: of the law of all images' patches, several Gaussians."""
    images, sizes = setting.load(), [size for size in setting.patch_sizes if size <= LARGEST_FITTED]
    found = patch_diagram(
        images, patch_sizes=sizes, noise_variance=TIMES, num_images=setting.sizes, family="mixture", key=KEY
    )
    return ("num_samples", "noise_variance"), found.largest_patch.values


def measured(folder, name, seeds):
    """All that is measured of one kind of images, as a data set that is written."""
    setting = SETTINGS[name]
    rows = split(setting)
    networks = {(kind, seed): trained(folder, name, kind, seed) for kind in setting.networks for seed in seeds}
    parts = []
    for place, size in enumerate(setting.sizes):
        scores = {
            (*label, step): of_sizes[place].score for label, one in networks.items() for step, of_sizes in one.items()
        }
        parts.append(of_size(scores, rows, size, setting))
    result = xr.concat(parts, "num_samples")
    result["predicted_patch_size"] = predicted(setting)
    result.attrs = {"nearest_patch_size": setting.nearest, "num_probes": setting.num_probes}
    result.to_netcdf(Path(__file__).parent / f"local_networks_{name}.nc", engine="h5netcdf")


def main(folder):
    """Train all, and measure."""
    for name, setting in SETTINGS.items():
        measured(folder, name, setting.seeds)


if __name__ == "__main__":
    main(sys.argv[1])
