"""A map of all times of trajectories, 1000 sizes by 200 spectra of 50 blocks, beside a scalar loop of SciPy's.

Run with `pytest tests/benchmarks --benchmark-only -s`; the scalar loop is timed on a subset.
Compilation is timed apart. The ratio is printed, and the answers are compared.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from geomem import Manifold, Status, trajectory_times

RNG = np.random.default_rng(0)
VARIANCES = 10.0 ** RNG.uniform(-4, 1, (200, 50))
MULTIPLICITIES = RNG.integers(1, 11, 50).astype(float)
LOG_SIZES = np.linspace(np.log(10), np.log(1e20), 1000)


def collapse(t, s):
    return np.sum(MULTIPLICITIES * np.log1p(s / t)) / 2


def onset(t, s):
    return np.sum(MULTIPLICITIES * (np.log1p(s / t) + s / (s + t))) / 2


def held_out(t, s):
    return np.sum(MULTIPLICITIES * (np.log1p(s / t) - s * t / (s + t) ** 2)) / 2


def one_by_one(s, log_size):
    """Collapse, onset, held-out condensation and generalization."""
    ends = np.log(s.max()) + np.log([1e-12, 1e6])
    times = [
        np.exp(brentq(lambda u, f=size: f(np.exp(u), s) - log_size, *ends, xtol=1e-13, rtol=1e-13))
        for size in (collapse, onset, held_out)
    ]
    t = times[-1]
    return [*times, t * np.sum(MULTIPLICITIES * s * (s + 2 * t) / (s + t) ** 2) / np.sum(MULTIPLICITIES)]


@jax.jit
def all_times(spectra):
    return jax.vmap(lambda s: trajectory_times(Manifold(s, MULTIPLICITIES), log_num_samples=LOG_SIZES))(spectra)


@pytest.mark.benchmark(group="times of trajectories")
def test_map_of_times(benchmark):
    spectra = jnp.asarray(VARIANCES)
    start = time.perf_counter()
    jax.block_until_ready(all_times(spectra))
    first = time.perf_counter() - start
    answer = benchmark.pedantic(lambda: jax.block_until_ready(all_times(spectra)), rounds=5)
    whole = benchmark.stats["min"]
    subset = [(i, j) for i in range(0, 200, 20) for j in range(0, 1000, 50)]
    start = time.perf_counter()
    reference = np.array([one_by_one(VARIANCES[i], LOG_SIZES[j]) for i, j in subset])
    scalar = (time.perf_counter() - start) / len(subset)
    for name, column in zip(("collapse", "onset", "held_out", "generalization"), reference.T, strict=True):
        times = getattr(answer, name)
        assert (times.status == Status.CONVERGED).all()
        np.testing.assert_allclose([times.value[i, j] for i, j in subset], column, rtol=1e-9)
    ratio = scalar * VARIANCES.shape[0] * LOG_SIZES.size / whole
    print(f"\nall times at 200 000 points: {whole:.2f} s; the first call, compilation included: {first:.1f} s")
    print(f"brentq: {scalar * 1e6:.0f} us per point, {ratio:.0f} times ours")
    assert whole < 5
    assert ratio > 100
