"""Drawn networks of random features beside the level, and what is left at finite dimension."""

import jax
import numpy as np
import pytest

from geomem.core.status import InputError
from geomem.laws.manifold import Manifold
from geomem.levels.random_features import RandomFeatures
from geomem.studies.feature_simulation import simulate_random_features


def _simulated(dims: int, num_networks: int, seed: int, width: float, size: float, time: float, **trained):
    law = Manifold([4.0, 0.25, 0.01], [dims // 10, 3 * dims // 10, 6 * dims // 10])
    network = RandomFeatures(width=round(width * dims), **trained)
    return simulate_random_features(
        law,
        noise_variance=time,
        num_samples=round(size * dims),
        network=network,
        num_networks=num_networks,
        key=jax.random.key(seed),
    )


CELLS = [
    {"width": 1.0, "size": 2.0, "time": 0.3, "ridge": 0.05},
    {"width": 2.0, "size": 1.0, "time": 0.05, "ridge": 0.01},
    {"width": 2.0, "size": 1.0, "time": 0.3, "training_time": 30.0},
    {"width": 1.0, "size": 2.0, "time": 0.05, "training_time": 300.0, "activation": "erf"},
    {"width": 1.0, "size": 1.0, "time": 0.3, "ridge": 0.05, "activation": "gelu"},
]


@pytest.mark.long  # draws and trains 150 networks
def test_what_is_left_falls_as_the_inverse_dimension():
    """Twice the value at twice the dimension less that at one is the theory's, within errors; the rest is a few 1/d."""
    z = []
    for seed, cell in enumerate(CELLS):
        at_one, at_twice = _simulated(60, 20, seed, **cell), _simulated(120, 10, seed + 100, **cell)
        error = np.hypot(2 * at_twice.standard_error.values, at_one.standard_error.values)
        z.append((2 * at_twice.value.values - at_one.value.values - at_one.prediction.values) / error)
        off = np.abs(at_twice.value.values - at_twice.prediction.values)
        assert (off < 4.5 * at_twice.standard_error.values + 6 / 120 * np.abs(at_twice.prediction.values)).all()
    z = np.array(z)
    assert np.abs(z).max() < 4.5
    assert np.sqrt(np.mean(z**2)) < 1.6


def test_a_small_network_is_near_the_level():
    found = _simulated(20, 8, 1, width=1.0, size=2.0, time=0.3, ridge=0.05)
    assert found.z.shape == (2, 3)
    off = np.abs(found.value.values / found.prediction.values - 1)
    assert (off < 4.5 * (found.standard_error / np.abs(found.prediction)).values + 3 / 20).all()


def test_bad_input_is_one_sentence():
    law, network = Manifold([1.0], [3]), RandomFeatures(width=3)
    given = {"noise_variance": 0.3, "num_samples": 4, "network": network, "num_networks": 2, "key": jax.random.key(0)}
    with pytest.raises(InputError, match="num_networks is 1; it must be a whole number from 2"):
        simulate_random_features(law, **given | {"num_networks": 1})
    with pytest.raises(InputError, match=r"width is 3\.5; it must be a whole number from 1"):
        simulate_random_features(law, **given | {"network": RandomFeatures(width=3.5)})
