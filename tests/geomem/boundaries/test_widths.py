"""The width from which a network of random features resolves a direction."""

import numpy as np
import pytest

from geomem.boundaries.critical import critical_size
from geomem.boundaries.widths import critical_width
from geomem.core.status import InputError, Status
from geomem.laws.manifold import Manifold
from geomem.levels.feature_networks import random_features
from geomem.levels.random_features import RandomFeatures

LAW = Manifold([4.0, 0.25], [30, 90])


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize(
    "amount", [{"ridge": 0.05}, pytest.param({"training_time": 30.0}, marks=pytest.mark.long(reason="compiles 20 s"))]
)
def test_at_the_width_the_ratio_is_one_and_below_it_smaller(amount):
    numbers = {"noise_variance": np.array([0.3, 0.05]), "num_samples": 600.0}
    for block in (0, 1):
        found = critical_width(LAW, block, **numbers, **amount)
        assert (found.status == Status.CONVERGED).all()
        wide = np.asarray(found.value)
        assert ((found.lower <= wide) & (wide <= found.upper)).all()
        for factor, sign in ((0.9, -1), (1.0, 0), (1.1, 1)):
            network = random_features(LAW, **numbers, width=factor * wide, **amount)
            excess = np.log(network.signal_to_noise[:, block])
            assert (np.abs(excess) < 1e-8).all() if sign == 0 else (sign * excess > 0.05).all()


@pytest.mark.slow  # compiles for some seconds
def test_the_critical_size_of_that_width_is_the_size():
    width = critical_width(LAW, 1, noise_variance=0.05, num_samples=300.0, ridge=0.01)
    network = RandomFeatures(width=float(width.value), ridge=0.01)
    back = critical_size(LAW, 1, noise_variance=0.05, criterion="signal_to_noise", theory=network)
    np.testing.assert_allclose(back.log_value, np.log(300.0), rtol=1e-8)


def test_where_one_unit_is_enough_there_is_no_transition():
    found = critical_width(Manifold([4.0, 0.0], [1, 1]), 0, noise_variance=0.05, num_samples=600.0)
    assert found.status == Status.NO_TRANSITION
    assert np.isnan(found.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"ridge": 0.1, "training_time": 1.0}, "both a ridge and a training time"),
        ({"training_time": 0.0}, "it must be finite and positive"),
        ({"ridge": -1.0}, "it must be finite and not negative"),
        ({"num_samples": [10.0, 0.5]}, "it must be finite and at least 1"),
        ({"block": 7}, "block"),
    ],
)
def test_bad_input_is_one_sentence(given, sentence):
    with pytest.raises(InputError, match=sentence):
        critical_width(LAW, **{"block": 0, "noise_variance": 0.1, "num_samples": 10.0} | given)
