"""The experiment that is made of a data set alone: what fits its size and shape, and takes minutes on two cores."""

import math
from typing import Any

import numpy as np

from geomem.core.opening import reading
from geomem.core.status import InputError
from geomem.files.images import load_images
from geomem.files.prepared import prepared_data
from geomem.files.sources import read_source
from geomem.networks.config import MLP, TrainConfig, UNet
from geomem.networks.experiment import Data, Experiment, Measures

_FEWEST = 10  # rows: two that are held out, and some to train on
_SMALLEST, _LARGEST = 10, 10_000  # of the training sets: memorized by any network, and no more than minutes to measure
_HELD_OUT = 1000  # at most


def experiment_of_data(
    source: str, *, columns: tuple[str, ...] = (), drop_duplicates: bool = False, standardize: bool = False
) -> tuple[Experiment, str]:
    """What is trained on a data set of which nothing else is said, and a sentence on it.

    Held out is a fifth, at most 1000. Training sets have three sizes, evenly spaced in ln N, from 10 to what is left,
    at most 10 000. Images, arrays of more than two axes, are for a U-Net, one seed of every size; tables, and the
    digits, which are one as for other commands, are for a residual MLP, at least as wide as the data have columns, of
    two seeds. Steps are fewer for wide tables and large images.

    The other arguments are those of `prepared_data`, of a table.

    Raises:
        InputError: as `prepared_data` and `load_images`, for fewer than ten samples, or columns of images.
    """
    images = _are_images(source)
    asked: dict[str, Any] = {"columns": columns, "drop_duplicates": drop_duplicates, "standardize": standardize}
    if images and any(asked.values()):
        raise InputError(f"{source} holds images; --columns, --drop-duplicates and --standardize change a table")
    if images:
        read = load_images(source)
    else:
        chosen = columns or None
        _, prepared, _ = prepared_data(source, columns=chosen, drop_duplicates=drop_duplicates, standardize=standardize)
        read = prepared.data
    count, shape = len(read), read.shape[1:]
    if count < _FEWEST:
        raise InputError(f"{source} has {count} samples; a training, with some held out, needs at least {_FEWEST}")
    held_out = min(_HELD_OUT, max(2, count // 5))
    largest = min(count - held_out, _LARGEST)
    sizes = sorted({round(size) for size in np.geomspace(min(_SMALLEST, largest), largest, 3)})
    data = Data(source=source, table=not images, num_samples=tuple(sizes), num_held_out=held_out, **asked)
    vars(data)["samples"] = read  # else they would be read once more
    training, measures, seeds = _for_images(read[:: max(1, count // _LARGEST)]) if images else _for_table(shape[0])
    network = training.network
    kind = f"MLP of width {network.width}" if isinstance(network, MLP) else f"U-Net of {network.channels} channels"
    what = f"images of {shape[0]} by {shape[1]} pixels" if images else f"rows of {shape[0]} columns"
    said = (
        f"{count} {what}: {held_out} held out, training sets of {', '.join(map(str, sizes))}, {len(seeds)} "
        f"seed{'s' if len(seeds) > 1 else ''}, {kind}, {training.num_steps} steps"
    )
    return Experiment(data=data, training=training, measures=measures, seeds=seeds), said


def _are_images(source: str) -> bool:
    if source == "digits":  # the table of the other commands
        return False
    with reading(source, "data"):
        return read_source(source).numbers.ndim > 2


def _for_table(dims: int) -> tuple[TrainConfig, Measures, tuple[int, ...]]:
    """As the preset linear-quick, but at least as wide as the data: narrower, it could not predict all noise."""
    width = max(128, 64 * math.ceil(dims / 64))
    network = MLP(width=width, embedding=32, embedding_width=64)
    steps = max(1000, 100 * round(10_000 / 100 * 128 / width))
    training = TrainConfig(network=network, num_steps=steps, learning_rate=1e-3, ema_decay=0.999)
    return training, Measures(count=16), (0, 1)


def _for_images(images: np.ndarray) -> tuple[TrainConfig, Measures, tuple[int, ...]]:
    """As the preset digits; noise variances are measured up to three times the largest variance of the data."""
    height, width, _ = shape = images.shape[1:]
    halvings = sum(height % 2**n == width % 2**n == 0 for n in (1, 2))
    network = UNet(image_shape=shape, channels=16, num_levels=1 + halvings)
    training = TrainConfig(
        network=network,
        num_steps=max(1000, round(2000 * min(1.0, 64 / (height * width)))),
        batch_size=64,
        learning_rate=1e-3,
        ema_decay=0.995,
    )
    rows = images.reshape(len(images), -1).astype(float)
    # Of the covariance and of the products of rows the largest eigenvalue is the same; one of them is small.
    rows = rows - rows.mean(axis=0)
    products = rows.T @ rows if rows.shape[1] < len(rows) else rows @ rows.T
    widest = float(np.linalg.eigvalsh(products / len(rows))[-1])
    if not widest > 0:
        raise InputError("the images are all alike; there is nothing to train on")
    measures = Measures(
        first=1e-3, last=float(f"{3 * widest:.2g}"), count=12, num_points=8, num_generated=200, num_sampling_steps=100
    )
    return training, measures, (0,)
