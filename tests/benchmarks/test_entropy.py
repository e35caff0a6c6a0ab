"""The excess entropy of a data set beside its floor: matrix products, and one exponential per weight.

Run with `pytest tests/benchmarks --benchmark-only -s`. Compilation is timed apart; ratios are printed.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem import excess_entropy
from tests.benchmarks.test_empirical import one_exponential_each, seconds

PROBES, WHOLE = 1024, 10_000  # noised points that are timed, and that a user takes: time is proportional to them
PART = 2048


@pytest.mark.benchmark(group="excess entropy")
def test_beside_its_floor(benchmark):
    """N = 20 000, d = 256, 20 noise levels: two products per noised point and sample, one exponential per weight."""
    rng = np.random.default_rng(0)
    data, times = rng.normal(size=(20_000, 256)), np.geomspace(1.0, 1e4, 20)
    few, points = jnp.asarray(data[:PART]), jnp.asarray(data[:512])
    product = jax.jit(lambda a, b: a @ b)
    distances = jnp.abs(product(points, few.T))
    scale = (len(data) / PART) * (PROBES / len(points))
    products = 2 * seconds(lambda: product(points, few.T), 3) * scale
    # In parts that stay in the cache, as the pass has them.
    exponentials = seconds(lambda: one_exponential_each(distances[:64], jnp.asarray(times)), 3) * scale * 8
    floor = products + exponentials

    def ours():
        return excess_entropy(data, times, num_probes=PROBES, key=jax.random.key(0))

    start = time.perf_counter()
    excess_entropy(data[:1000], times, num_probes=PROBES, key=jax.random.key(0))
    compiled = time.perf_counter() - start
    benchmark.pedantic(ours, rounds=1, warmup_rounds=1)
    found = benchmark.stats["min"]
    print(f"\n{PROBES} noised points: {found:.1f} s, floor {floor:.1f} s, ratio {found / floor:.2f}; ", end="")
    print(f"{WHOLE} points would take {found * WHOLE / PROBES:.0f} s; first call {compiled:.1f} s")
    assert found < 3 * floor
