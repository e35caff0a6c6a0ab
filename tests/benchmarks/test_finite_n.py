"""Averages over data sets: on a grid of 200 noise variances, 3 blocks and 60 sizes, of one energy, at one root.

Run with `pytest tests/benchmarks --benchmark-only -s`. Compilation is timed apart. That N does not cost
anything is shown beside it, by grids of small and of large sizes, timed in turn.
"""

import time

import numpy as np
import pytest

from geomem import Manifold, critical_time, quenched, resolved_dimension

TIMES, SIZES = np.geomspace(3.0, 3e-3, 200), np.geomspace(10, 1e15, 60)
MANIFOLD = Manifold([1.0, 0.09, 1e-4], [2, 5, 23])


def dimension(times, sizes):
    return resolved_dimension(MANIFOLD, noise_variance=times, num_samples=sizes, theory="finite_n")


def seconds(times, sizes):
    start = time.perf_counter()
    dimension(times, sizes)
    return time.perf_counter() - start


@pytest.mark.benchmark(group="averages over data sets")
def test_grid_of_averages(benchmark):
    first = seconds(TIMES[:1], SIZES)
    answer = benchmark.pedantic(lambda: dimension(TIMES, SIZES), rounds=2)
    assert answer.shape == (200, 60)
    assert np.isfinite(answer).all()
    points = 200 * 3 * 60
    print(
        f"\n{benchmark.stats['min'] / points * 1e3:.3f} ms per point; first call, compilation included: {first:.1f} s"
    )


@pytest.mark.benchmark(group="averages over data sets")
def test_cost_does_not_grow_with_n(benchmark):
    small, large = np.geomspace(10, 1e3, 60), np.geomspace(1e13, 1e15, 60)
    few = TIMES[:80:4]
    pairs = [(seconds(few, small), seconds(few, large)) for _ in range(4)][1:]
    benchmark.pedantic(lambda: dimension(few, large), rounds=1)
    of_small, of_large = np.min(pairs, axis=0)
    print(f"\n60 sizes up to 1e3: {of_small:.2f} s, up to 1e15: {of_large:.2f} s")
    assert of_large < 1.5 * of_small


@pytest.mark.parametrize("blocks", [3, 8, 60])
@pytest.mark.benchmark(group="one energy")
def test_one_energy_at_sixty_sizes(benchmark, blocks):
    manifold = Manifold(np.geomspace(1.0, 1e-3, blocks), np.arange(1, blocks + 1))

    def averages():
        return np.asarray(quenched(manifold, 0, noise_variance=0.05, num_samples=SIZES).status)

    start = time.perf_counter()
    averages()
    first = time.perf_counter() - start
    assert (benchmark(averages) == 0).all()
    print(f"\n{blocks} blocks: first call, compilation included: {first:.1f} s")


@pytest.mark.benchmark(group="critical times")
def test_critical_times_of_sixty_sizes(benchmark):
    def times():
        found = critical_time(MANIFOLD, 0, num_samples=SIZES, criterion="signal_to_noise", theory="finite_n")
        return np.asarray(found.status)

    times()
    assert (benchmark(times) == 0).all()
