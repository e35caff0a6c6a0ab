"""Convolutional networks beside local scores, over training: writes local_networks_digits.nc and ..._tiles.nc.

A U-Net and a network of convolutions alone, on digits and on disjoint 16 by 16 tiles of scikit-learn's two photographs.
About half an hour of one core: `python notebooks/data/local_networks.py FOLDER`, the folder for checkpoints, from which
a second call goes on.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from sklearn.datasets import load_sample_image

from geomem import ResNet, TrainConfig, UNet, load_images
from geomem.networks.training import train_group

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
    seeds: tuple


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


def main(folder):
    """Train all."""
    for seed in (0, 1):
        for name, setting in SETTINGS.items():
            for network in setting.networks:
                if seed in setting.seeds:
                    trained(folder, name, network, seed)


if __name__ == "__main__":
    main(sys.argv[1])
