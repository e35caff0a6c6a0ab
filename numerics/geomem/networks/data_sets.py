"""The training sets of an experiment: drawn from a manifold, embedded or not, or chosen from images or a table."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from geomem.core.status import InputError
from geomem.laws.embedding import on_sphere, tanh_features
from geomem.laws.manifold import Manifold
from geomem.networks.experiment import Data

_HELD_OUT = 2**31  # the seed of what is held out, apart from those of a user


class TrainingSets(NamedTuple):
    """Training sets of all sizes, one seed each; smaller ones are the beginnings of the largest."""

    of_seed: tuple[Float[np.ndarray, "samples dims"], ...]
    held_out: Float[np.ndarray, "held_out dims"]
    manifold: Manifold  # the law, or the spectrum of all data
    axes: Float[np.ndarray, "dims dims"]  # of its blocks, in columns
    exact: bool  # whether the data are samples of the manifold, unnormalized: the theory's setting
    scale: float = 1.0  # by which the data of the source were divided


def training_sets(data: Data, seeds: tuple[int, ...], num_blocks: int) -> TrainingSets:
    """The data of an experiment: the same for the same seeds. Blocks are so many where there is no linear manifold.

    Raises:
        InputError: if there are too few data, they do not vary, or as `load_images`, `load_data` and `Manifold`.
    """
    largest = max(data.num_samples)
    if data.source == "manifold":
        law = Manifold(data.variances, data.multiplicities, data.normalized)
        embed = _embedding(data)
        draws = tuple(embed(law.sample(jax.random.key(seed), largest)) for seed in seeds)
        held_out = embed(law.sample(jax.random.key(_HELD_OUT), data.num_held_out))
        if data.embedding == "none":
            return TrainingSets(draws, held_out, law, np.eye(held_out.shape[1]), not data.normalized)
        return TrainingSets(draws, held_out, *_principal(held_out, num_blocks), False)
    samples = data.take_samples()
    rows = samples.reshape(len(samples), -1).astype(float)
    if largest + data.num_held_out > len(rows):
        raise InputError(
            f"{data.source} has {len(rows)} {'rows' if data.table else 'images'}; data.num_samples and num_held_out "
            f"ask for {largest} + {data.num_held_out}"
        )
    scale = _standardize(rows, data.source) if data.table else 1.0
    # What is held out is held out of all seeds.
    order = np.random.default_rng(_HELD_OUT).permutation(len(rows))
    held_out, others = rows[order[: data.num_held_out]], rows[order[data.num_held_out :]]
    draws = tuple(others[np.random.default_rng(seed).permutation(len(others))[:largest]] for seed in seeds)
    return TrainingSets(draws, held_out, *_principal(rows, num_blocks), False, scale)


def _standardize(rows: Float[np.ndarray, "samples dims"], source: str) -> float:
    """Center the rows, in place, and divide them by their deviation along the widest direction, which is returned."""
    if not np.ptp(rows, axis=0).any():
        raise InputError(f"the rows of {source} are all alike; there is nothing to train on")
    rows -= rows.mean(axis=0)
    scale = math.sqrt(np.linalg.eigvalsh(np.atleast_2d(np.cov(rows.T)))[-1])
    rows /= scale
    return scale


def _embedding(data: Data) -> Callable[[Array], np.ndarray]:
    """What takes points of the manifold to data."""
    key = jax.random.key(_HELD_OUT + 1)
    embeddings = {
        "none": lambda points: points,
        "sphere": partial(on_sphere, key=key, radius=data.radius),
        "tanh": partial(tanh_features, key=key, dims=data.dims),
    }
    return lambda points: np.asarray(embeddings[data.embedding](points))


def _principal(
    rows: Float[np.ndarray, "samples dims"], num_blocks: int
) -> tuple[Manifold, Float[np.ndarray, "dims dims"]]:
    """The spectrum of the data in blocks, and their principal axes in the same order."""
    _, axes = np.linalg.eigh(np.atleast_2d(np.cov(rows.T)))
    return Manifold.from_data(rows, num_blocks=num_blocks), axes[:, ::-1]
