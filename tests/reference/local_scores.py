"""Local scores by plain loops over pixels and patches, independent of the package."""

from typing import NamedTuple

import numpy as np


class PlainLocalScore(NamedTuple):
    """Fields over probes and pixels."""

    score: np.ndarray
    participation: np.ndarray
    log_partition: np.ndarray
    nearest_squared: np.ndarray
    nearest: np.ndarray  # image, row, column


def _patch(image, row, column, size, periodic):
    """Its pixels, nothing beyond the border, and which of them there are."""
    height, width, channels = image.shape
    pixels, there = [], []
    for i in range(row - size // 2, row - size // 2 + size):
        for j in range(column - size // 2, column - size // 2 + size):
            inside = periodic or (0 <= i < height and 0 <= j < width)
            there.append(inside)
            pixels.append(image[i % height, j % width] if inside else np.zeros(channels))
    return np.array(pixels), tuple(there)


def plain_local_score(probes, images, time, size, equivariant, periodic):
    """Images and probes have channels."""
    shape = probes.shape[:3]
    found = PlainLocalScore(np.empty(probes.shape), *(np.empty(shape) for _ in range(3)), np.empty((3, *shape), int))
    for place in np.ndindex(shape):
        own, there = _patch(probes[place[0]], *place[1:], size, periodic)
        squares, pixels, where = [], [], []
        for other in np.ndindex(len(images), *shape[1:]):
            if not equivariant and other[1:] != place[1:]:
                continue
            patch, also = _patch(images[other[0]], *other[1:], size, periodic)
            if also == there:
                squares.append(np.sum((patch - own) ** 2))
                pixels.append(images[other])
                where.append(other)
        exponents = -np.array(squares) / (2 * time)
        weights = np.exp(exponents - exponents.max())
        found.log_partition[place] = exponents.max() + np.log(weights.sum())
        weights /= weights.sum()
        found.score[place] = (weights @ np.array(pixels) - probes[place]) / time
        found.participation[place] = np.sum(weights**2)
        found.nearest_squared[place] = min(squares)
        found.nearest[(slice(None), *place)] = where[int(np.argmin(squares))]
    return found
