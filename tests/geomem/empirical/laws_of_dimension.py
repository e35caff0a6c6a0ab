"""Laws whose local dimension is known, in ten dimensions, for tests and benchmarks."""

import numpy as np

DIMS = 10
Drawn = tuple[np.ndarray, np.ndarray]  # points, and the dimension at each


def _placed(points: np.ndarray, truth: int | np.ndarray) -> Drawn:
    return np.pad(points, ((0, 0), (0, DIMS - points.shape[1]))), np.broadcast_to(truth, len(points))


def sphere(rng: np.random.Generator, count: int) -> Drawn:
    points = rng.normal(size=(count, 3))
    return _placed(points / np.linalg.norm(points, axis=1, keepdims=True), 2)


def swiss_roll(rng: np.random.Generator, count: int) -> Drawn:
    angle, height = 1.5 * np.pi * (1 + 2 * rng.random(count)), 21 * rng.random(count)
    return _placed(np.stack([angle * np.cos(angle), height, angle * np.sin(angle)], axis=1), 2)


def plane(rng: np.random.Generator, count: int) -> Drawn:
    return _placed(rng.normal(size=(count, 3)) * np.sqrt([1.0, 0.5, 0.25]), 3)


def union(rng: np.random.Generator, count: int) -> Drawn:
    """A segment, a square and a cube of five dimensions, each of side one, with two between any of them."""
    truth, points = np.array([1, 2, 5])[rng.integers(3, size=count)], np.zeros((count, 8))
    for dimension, first, place in ((1, 0, 0.0), (2, 1, -2.0), (5, 3, 4.0)):
        of_it = truth == dimension
        points[of_it, 0] = place
        points[of_it, first : first + dimension] = rng.random((of_it.sum(), dimension))
    return _placed(points, truth)


def lollipop(rng: np.random.Generator, count: int) -> Drawn:
    """A disc of radius a half, and a stick of length 1.5 that begins at its rim."""
    stick = rng.random(count) < 0.5
    radius, angle, along = 0.5 * np.sqrt(rng.random(count)), 2 * np.pi * rng.random(count), 1.5 * rng.random(count)
    disc = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    points = np.where(stick[:, None], np.stack([-0.5 - along, np.zeros(count)], axis=1), disc)
    return _placed(points, np.where(stick, 1, 2))


LAWS = {"sphere": sphere, "swiss roll": swiss_roll, "plane": plane, "union": union, "lollipop": lollipop}
