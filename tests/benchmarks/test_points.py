"""Averages over data sets at noised points, in milliseconds for one point and noise variance: mixtures and pools.

Run with `pytest tests/benchmarks/test_points.py --benchmark-only -s`. Points and noise variances share the cores, so
the processor's time is said too. Compilation is timed apart.
"""

import time

import jax
import numpy as np
import pytest

from geomem import GaussianMixture, Probe, SampledLaw, quenched

DIMS, POINTS, TIMES = 64, 4, np.geomspace(1e-3, 3.0, 6)


def mixture():
    """Ten covariances of falling spectra, as patches of photographs have."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(10, DIMS, DIMS)))[0]
    spectra = 4.0 * np.arange(1, DIMS + 1) ** -2.0 * rng.uniform(0.2, 2.0, (10, 1))
    covariances = np.einsum("kdr,kr,ker->kde", axes, spectra, axes)
    return GaussianMixture(np.full(10, 0.1), 0.3 * rng.normal(size=(10, DIMS)), covariances)


@pytest.mark.parametrize("sizes", [8, 61])
@pytest.mark.parametrize("kind", ["mixture", "pool"])
@pytest.mark.benchmark(group="averages at points")
def test_all_directions_at_points(benchmark, kind, sizes):
    law = mixture()
    if kind == "pool":
        law = SampledLaw(np.asarray(law.sample(jax.random.key(1), 200_000)))
    points = np.asarray(law.sample(jax.random.key(2), POINTS))
    asked = {"num_samples": np.geomspace(100, 13_000, sizes), "probe": Probe.noised(points, key=jax.random.key(3))}
    directions, spent = np.asarray(law.frame), []

    def averages(times=TIMES):
        start = time.process_time()
        found = np.asarray(quenched(law, directions, noise_variance=times, **asked).status)
        spent.append(time.process_time() - start)
        return found

    start = time.perf_counter()
    averages(TIMES[:1])
    first = time.perf_counter() - start
    assert (benchmark.pedantic(averages, rounds=2) == 0).all()
    lanes = POINTS * len(TIMES)
    wall, processor = (seconds / lanes * 1e3 for seconds in (benchmark.stats["min"], min(spent[1:])))
    print(
        f"\n{kind}, {sizes} sizes: {wall:.0f} ms a point and noise variance, {processor:.0f} ms of the processor; "
        f"first call, compilation included: {first:.1f} s"
    )
