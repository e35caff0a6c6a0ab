"""Local scores of all digits, beside a NumPy program of sliding windows.

Run with `pytest tests/benchmarks/test_local.py --benchmark-only -s`; the times are printed, of the wall and of the
processor, as others may share the machine.
"""

import time

import numpy as np
import pytest

from geomem import load_images, local_score

LEVELS, SIZES, PROBES = np.geomspace(0.01, 10, 10), (3, 5, 7, 8), 100


def sliding_windows(x, images, time, size):
    """Scores of all pixels as a program of NumPy has them: zero-padded patches as rows, and a mask of their borders."""
    pixels = x.shape[1] * x.shape[2]
    beyond = ((0, 0), *2 * ((size // 2, (size - 1) // 2),))

    def rows(values):
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, beyond), (size, size), axis=(1, 2))
        return windows.reshape(-1, size * size)

    patches, there = rows(images), rows(np.ones((1, *x.shape[1:])))
    lengths, centers = np.sum(patches**2, axis=1), images.ravel()
    alike = np.tile((there[:, None] == there[None]).all(axis=2), len(images))
    found = np.empty((len(x), pixels))
    for place, own in enumerate(rows(x).reshape(len(x), pixels, -1)):
        squares = np.sum(own**2, axis=1)[:, None] - 2 * own @ patches.T + lengths
        squares = np.where(alike, squares, np.inf)
        weights = np.exp((squares.min(axis=1, keepdims=True) - squares) / (2 * time))
        found[place] = weights @ centers / weights.sum(axis=1)
    return (found.reshape(x.shape) - x) / time


def timed(function):
    start = time.perf_counter(), time.process_time()
    found = function()
    return found, time.perf_counter() - start[0], time.process_time() - start[1]


@pytest.mark.benchmark(group="local scores")
def test_all_digits_beside_sliding_windows(benchmark):
    digits = load_images("digits")[..., 0].astype(float)
    rng = np.random.default_rng(0)
    x = digits[:PROBES] + rng.normal(size=(PROBES, 8, 8))
    levels, sizes = np.repeat(LEVELS, len(SIZES)), list(SIZES) * len(LEVELS)

    def scores(count=PROBES):
        return np.asarray(local_score(x[:count], digits, levels, patch_size=sizes))

    scores()  # compiles
    found, wall, processor = timed(scores)
    print(f"\n{PROBES} probes, 10 levels, 4 patch sizes: {wall:.1f} s, {processor:.1f} s of the processor", end="")
    few = 1
    plain, wall_of_few, of_few = timed(
        lambda: [sliding_windows(x[:few], digits, level, size) for level, size in zip(levels, sizes, strict=True)]
    )
    np.testing.assert_allclose(found[:, :few], np.array(plain), rtol=1e-6, atol=1e-6)
    share = PROBES / few
    print(f"; NumPy {share * wall_of_few:.0f} s, {share * of_few:.0f} s of the processor", end="")
    benchmark.pedantic(scores, rounds=1)


@pytest.mark.benchmark(group="local scores")
@pytest.mark.parametrize("count", [250, 500, 1000])
def test_the_cost_is_linear_in_images_of_32_pixels(benchmark, count):
    rng = np.random.default_rng(0)
    images, x = rng.normal(size=(count, 32, 32, 3)), rng.normal(size=(1, 32, 32, 3))

    def scores():
        return np.asarray(local_score(x, images, [0.1, 1.0], patch_size=[5, 5]))

    scores()
    _, wall, processor = timed(scores)
    print(f"\n{count} images of 32 by 32 in colour: {wall:.1f} s, {processor:.1f} s of the processor", end="")
    benchmark.pedantic(scores, rounds=1)
