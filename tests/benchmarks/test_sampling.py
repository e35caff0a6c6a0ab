"""Ten thousand trajectories of 500 steps under the empirical score of 1000 samples, d = 30, beside NumPy's programs.

Run with `pytest tests/benchmarks --benchmark-only -s`; the loop over trajectories and steps is timed on a subset, and
for information the program vectorized over trajectories. All follow the probability flow by the same steps from the
same starts; compilation is timed apart. The answers are compared.
"""

import time
from itertools import pairwise

import jax
import numpy as np
import pytest

from geomem import Manifold, generate, score_of

COUNT, STEPS, DIMS = 10_000, 500, 30
DATA = np.asarray(Manifold([1.0], [DIMS]).sample(jax.random.key(0), 1000))
GRID = np.geomspace(100.0, 1e-3, STEPS + 1)
STARTS = 10.0 * np.random.default_rng(0).normal(size=(COUNT, DIMS))


def one_by_one(starts):
    """A loop over trajectories and steps, the flow's second-order step with the denoised point extrapolated."""
    ends = []
    for x in starts:
        before = None
        for t, later in pairwise(GRID):
            squares = ((DATA - x) ** 2).sum(axis=1)
            weights = np.exp(-(squares - squares.min()) / (2 * t))
            mean = weights @ DATA / weights.sum()
            ahead = mean if before is None else mean + 0.5 * (mean - before)
            x, before = ahead + (x - ahead) * np.sqrt(later / t), mean
        ends.append(x)
    return np.array(ends)


def all_at_once(x):
    """The same with matrix products over all trajectories."""
    before, lengths = None, (DATA**2).sum(axis=1)
    for t, later in pairwise(GRID):
        squares = lengths - 2 * x @ DATA.T
        weights = np.exp(-(squares - squares.min(axis=1, keepdims=True)) / (2 * t))
        mean = weights @ DATA / weights.sum(axis=1, keepdims=True)
        ahead = mean if before is None else mean + 0.5 * (mean - before)
        x, before = ahead + (x - ahead) * np.sqrt(later / t), mean
    return x


def timed(function, *arguments):
    start = time.perf_counter()
    answer = function(*arguments)
    return answer, time.perf_counter() - start


@pytest.mark.benchmark(group="sampling")
def test_trajectories(benchmark):
    score = score_of(DATA)

    def ours(count=COUNT, method="ode"):
        # The result lies in NumPy's memory: everything is computed.
        asked = {"num_samples": count, "dims": DIMS, "noise_variance": GRID, "start": STARTS[:count]}
        return generate(score, jax.random.key(1), method=method, **asked).x[-1].values

    _, first = timed(ours, 512)
    ours(1000)  # compiled for the batches of the whole
    few, many = 24, 512
    # Before and after: others that use the machine slow down both.
    loop, each = timed(one_by_one, STARTS[:few])
    answer = benchmark.pedantic(ours, rounds=1)
    again, each_again = timed(one_by_one, STARTS[:few])
    vectorized, together = timed(all_at_once, STARTS[:many])
    _, stochastic = timed(ours, COUNT // 10, "sde")
    np.testing.assert_array_equal(loop, again)
    np.testing.assert_allclose(answer[:few], loop, atol=1e-9)
    np.testing.assert_allclose(answer[:many], vectorized, atol=1e-9)
    whole = benchmark.stats["min"]
    scalar = 0.5 * (each + each_again) / few * COUNT
    print(f"\n10 000 trajectories of 500 steps: {whole:.1f} s by the flow; first call of 512, compiled: {first:.1f} s")
    print(f"1000 of the reverse SDE, compilation included: {stochastic:.1f} s")
    print(f"NumPy's loop: {scalar:.0f} s, {scalar / whole:.0f} times ours")
    print(f"NumPy's matrix products: {together / many * COUNT:.0f} s, {together / many * COUNT / whole:.1f} times ours")
    assert scalar / whole > 20
