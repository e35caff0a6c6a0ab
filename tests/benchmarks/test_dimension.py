"""The local dimension beside the estimators of scikit-dimension, where that is installed.

Run with `pytest tests/benchmarks/test_dimension.py --benchmark-only -s`. The table is printed: the mean, the root mean
square error at single points, and the time for all of them.
"""

import time

import numpy as np
import pytest

from geomem import local_dimension
from tests.geomem.empirical.laws_of_dimension import LAWS

NUM_POINTS = 100
NEIGHBOURS = 100  # for theirs


@pytest.mark.benchmark(group="local dimension")
@pytest.mark.parametrize("num_samples", [300, 3000])
def test_beside_scikit_dimension(benchmark, num_samples):
    skdim = pytest.importorskip("skdim")
    estimators = {
        "MLE": skdim.id.MLE(),
        "lPCA": skdim.id.lPCA(),
        "MOM": skdim.id.MOM(),
        "TLE": skdim.id.TLE(),
    }
    for name, law in LAWS.items():
        rng = np.random.default_rng(3)
        data, _ = law(rng, num_samples)
        points, truth = law(rng, NUM_POINTS)
        local_dimension(data, points)
        start = time.perf_counter()
        values = {"geomem": local_dimension(data, points).value.values}
        seconds = {"geomem": time.perf_counter() - start}
        # Theirs are asked at samples: the points are among them.
        together = np.concatenate([points, data])
        for called, estimator in estimators.items():
            start = time.perf_counter()
            fitted = getattr(estimator, "fit_pw", estimator.fit)(together, n_neighbors=NEIGHBOURS, n_jobs=1)
            values[called] = np.asarray(fitted.dimension_pw_)[:NUM_POINTS]
            seconds[called] = time.perf_counter() - start
        for k in np.unique(truth):
            row = [
                f"{called} {np.mean(value[truth == k]):.2f} {np.sqrt(np.mean((value[truth == k] - k) ** 2)):.2f} "
                f"({seconds[called]:.1f} s)"
                for called, value in values.items()
            ]
            print(f"\nN = {num_samples}, {name}, {k}: " + ", ".join(row), end="")
    benchmark(local_dimension, data, points)
