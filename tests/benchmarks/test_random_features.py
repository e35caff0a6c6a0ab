"""How long networks of random features take, and SciPy's root finder in a loop beside them."""

import time

import numpy as np
import pytest

from geomem.boundaries.diagram import phase_diagram
from geomem.core.status import Status
from geomem.laws.manifold import Manifold
from geomem.levels.feature_networks import random_features
from geomem.levels.random_features import RandomFeatures
from tests.reference.random_features import erf_constants, resolvent

LAW = Manifold([4.0, 0.25, 0.01], [10, 30, 60])
CELLS = 10_000


def _cells(rng) -> dict[str, np.ndarray]:
    width, size = 100 * np.exp(rng.uniform(-2, 2.5, (2, CELLS)))
    return {"noise_variance": np.exp(rng.uniform(-4, 2, CELLS)), "num_samples": size, "width": width}


def test_ten_thousand_networks(benchmark, rng):
    """Under a second, all noise variances different; a loop over the response alone takes 200 times as long."""
    cells = _cells(rng)
    asked = {**cells, "ridge": 0.01, "activation": "erf"}
    found = random_features(LAW, **asked)
    assert benchmark(random_features, LAW, **asked).status.max() == 0
    assert benchmark.stats["median"] < 1.0
    few = 200
    kinds = erf_constants(np.full(few, 0.481), cells["noise_variance"][:few])
    start = time.perf_counter()
    for row in zip(*(cells[name][:few] / 100 for name in ("width", "num_samples")), *kinds, strict=True):
        resolvent(*row[:2], 0.01, row[2:], np.asarray(LAW.variances), np.array([0.1, 0.3, 0.6]))
    in_a_loop = (time.perf_counter() - start) / few * CELLS
    benchmark.extra_info["times_as_long_in_a_loop"] = in_a_loop / benchmark.stats["median"]
    assert in_a_loop > 200 * benchmark.stats["median"]
    assert found.status.max() == 0


@pytest.mark.parametrize(("count", "most"), [(1, 0.02), (50, 0.04)])
def test_training_times_of_one_network(benchmark, count, most):
    asked = {"noise_variance": 0.3, "num_samples": 200.0, "width": 400.0, "training_time": np.logspace(0, 3, count)}
    random_features(LAW, **asked)
    assert benchmark(random_features, LAW, **asked).status.max() == 0
    assert benchmark.stats["median"] < most


def test_a_diagram_in_training_time(benchmark):
    """Three blocks and ten sizes, with sensitivities: 30 critical times."""
    asked = {"num_samples": np.geomspace(10, 1e9, 10), "criterion": "signal_to_noise"}
    asked["theory"] = RandomFeatures(width=400, training_time=30.0)
    phase_diagram(LAW, **asked)
    assert benchmark.pedantic(phase_diagram, (LAW,), asked, rounds=2).status.max() <= Status.NO_TRANSITION
    assert benchmark.stats["median"] < 5.0


def test_a_thousand_eigenvalues(benchmark):
    """At most linearly more than three."""
    law = Manifold(np.logspace(0.6, -2, 1000), np.ones(1000))
    asked = {"noise_variance": 0.3, "num_samples": 2000.0, "width": 4000.0, "training_time": 30.0}
    random_features(law, **asked)
    assert benchmark(random_features, law, **asked).status.max() == 0
    assert benchmark.stats["median"] < 0.02 * 1000 / 3
