"""When a network of random features turns to memorizing: where the ratio is largest, and how it grows with N."""

import numpy as np
import pytest

from geomem.boundaries.memorization import memorization_time, training_phase
from geomem.core.status import InputError, Status
from geomem.laws.manifold import Manifold
from geomem.levels.feature_networks import random_features

LAW = Manifold([4.0, 0.25, 0.01], [10, 30, 60])


@pytest.mark.slow  # compiles for some seconds
def test_the_ratio_is_largest_there():
    given = {"noise_variance": 0.3, "num_samples": 200.0, "width": 400.0}
    found = memorization_time(LAW, **given)
    assert found.value.shape == (3,)
    assert (found.status == Status.CONVERGED).all()
    assert (np.abs(found.residual) < 1e-6).all()
    assert (np.diff(found.value) > 0).all()  # the widest direction first
    for block, time in enumerate(np.asarray(found.value)):
        times = time * np.array([0.99, 1.0, 1.01])
        ratios = random_features(LAW, **given, training_time=times).signal_to_noise[:, block]
        assert ratios[1] > max(ratios[0], ratios[2])


@pytest.mark.slow  # compiles for some seconds
def test_it_grows_as_the_number_of_samples():
    """In proportion, as published for the loss as a whole (arXiv:2505.17638), of directions that are learned early."""
    sizes = 100.0 / 3 * 2.0 ** np.arange(1, 5)
    found = memorization_time(LAW, noise_variance=0.05, num_samples=sizes, width=1000.0)
    slopes = np.diff(np.asarray(found.log_value)[:, :2], axis=0) / np.log(2)
    assert (found.status[:, :2] == Status.CONVERGED).all()
    assert ((slopes > 0.75) & (slopes < 1.25)).all()


@pytest.mark.slow  # compiles for some seconds
def test_phases_are_those_of_loss_and_ratio():
    given = {"noise_variance": 0.3, "num_samples": np.array([200.0, 100.0])[:, None], "width": 400.0}
    times = np.geomspace(0.01, 1e5, 15)
    words = training_phase(LAW, **given, training_time=times)
    assert words.shape == (2, 15, 3)
    turns = np.asarray(memorization_time(LAW, **given).value)  # (sizes, 1, blocks)
    network = random_features(LAW, **given, training_time=times)
    exact = 1 / (np.asarray(LAW.variances) + 0.3)
    np.testing.assert_array_equal(words == "unlearned", network.response > -exact / 2)
    np.testing.assert_array_equal(
        words[words != "unlearned"] == "memorized", (times[:, None] > turns)[words != "unlearned"]
    )
    for column in words.reshape(2, 15, 3).transpose(0, 2, 1).reshape(6, 15).tolist():
        order = [word for word, before in zip(column, [None, *column], strict=False) if word != before]
        assert order in (["unlearned", "learned", "memorized"], ["unlearned", "memorized"]), order


@pytest.mark.slow  # compiles for some seconds
def test_a_network_that_never_memorizes_has_no_such_time():
    found = memorization_time(LAW, noise_variance=1.0, num_samples=1e7, width=20.0)
    assert found.status[2] == Status.NO_TRANSITION
    assert np.isnan(found.value[2])


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="the width is 0; it must be finite and at least 1"):
        memorization_time(LAW, noise_variance=0.3, num_samples=20.0, width=0.0)
    with pytest.raises(InputError, match="noise variance 1 is 0; it must be finite and positive"):
        memorization_time(LAW, noise_variance=[0.3, 0.0], num_samples=20.0, width=20.0)
