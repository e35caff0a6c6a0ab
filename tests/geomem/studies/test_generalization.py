"""The generalization time: exact at finite N, by the formula, and by cross-validation."""

import jax
import numpy as np
import pytest

from geomem import (
    GaussianMixture,
    InputError,
    Manifold,
    RandomManifold,
    Status,
    generalization_time,
    gibbs,
    trajectory_times,
)
from geomem.studies.generalization import _climb, _inside, _nodes

KEY = jax.random.key(11)
FLAT = Manifold([1.0], [15])


@pytest.mark.slow  # a hundred data sets, and the exact curve at a dozen noise variances
def test_finite_n_is_the_maximum_of_the_simulated_likelihood():
    """The slope of the likelihood vanishes there: the difference between a larger and a smaller noise variance."""
    found = generalization_time(FLAT, num_samples=300)
    assert found.status == Status.CONVERGED
    assert found.lower < found.value < found.upper
    times, slopes = float(found.value) * np.exp([-0.2, 0.0, 0.2]), []
    for draw in range(100):
        data, fresh = FLAT.sample(jax.random.key(draw), 300), FLAT.sample(jax.random.key(1000 + draw), 500)
        rows = np.asarray(gibbs(fresh, data, times).log_partition).mean(axis=1) - 7.5 * np.log(times)
        fit = np.polyfit(np.log(times), rows, 2)
        slopes.append((fit[0], np.polyval(np.polyder(fit), np.log(times[1]))))
    curvature, slope = np.mean(slopes, axis=0)
    error = np.std(slopes, axis=0, ddof=1)[1] / 10
    # The parabola through three points is off by the third derivative, some hundredth in ln t.
    assert abs(slope) < 4 * error + 0.01 * abs(2 * curvature)


@pytest.mark.slow  # exact curves of mixtures
@pytest.mark.parametrize(
    ("weights", "centers"),
    [
        pytest.param([0.5, 0.5], [[4.0, 0, 0, 0], [-4.0, 0, 0, 0]], marks=pytest.mark.long),  # and simulations of them
        ([0.8, 0.2], [[2.0, 0, 0, 0], [-2.0, 0, 0, 0]]),
    ],
)
def test_of_a_mixture_is_the_maximum_of_the_likelihood_of_drawn_points(weights, centers):
    law, rng, size = GaussianMixture(weights, centers, Manifold([1.0], [4])), np.random.default_rng(1), 20
    found = generalization_time(law, num_samples=size)
    assert found.status == Status.CONVERGED
    places = np.asarray(centers)[rng.choice(2, (40_000, size + 1), p=weights)] + rng.normal(size=(40_000, size + 1, 4))
    distances = np.sum((places[:, :1] - places[:, 1:]) ** 2, axis=2)
    times = float(found.value) * np.exp([-0.15, 0.0, 0.15])
    rows = np.stack([np.logaddexp.reduce(-distances / (2 * time), axis=1) - 2 * np.log(time) for time in times])
    # A parabola through three points: where its slope vanishes, in ln t.
    slope, curvature = (rows[2] - rows[0]) / 0.3, (rows[2] - 2 * rows[1] + rows[0]).mean() / 0.15**2
    shift, error = slope.mean() / -curvature, slope.std() / np.sqrt(len(places)) / -curvature
    assert abs(shift) < 4 * error + 0.01
    assert error < 0.02


def test_a_likelihood_that_is_not_known_has_no_maximum():
    def likelihood(time, unknown=0.0):
        return -((np.log(time) - 1.0) ** 2) if time > unknown else np.nan

    assert _climb(likelihood, 0.1)[1] == Status.CONVERGED
    assert _climb(lambda time: likelihood(time, 3.0), 8.0)[1] == Status.NOT_CONVERGED
    assert _climb(np.log, 1.0)[1] == Status.NO_TRANSITION
    times = _nodes(1.0)
    assert _inside(times, -(np.log(times) ** 2))
    assert not _inside(times, np.log(times))
    assert not _inside(times, np.where(times > 1.0, np.nan, -(np.log(times) ** 2)))


@pytest.mark.long  # one pass of a thousand held-out points over 20 000 samples at 40 noise variances
def test_cross_validation_of_many_samples_is_near_the_prediction():
    law = Manifold([1.0, 0.2], [8, 12])
    data = law.sample(KEY, 20_100)
    measured = generalization_time(data, num_samples=20_000, num_probes=1000, key=KEY)
    expected = generalization_time(law, num_samples=20_000)
    assert float(measured.value) == pytest.approx(float(expected.value), rel=0.1)
    assert measured.lower - 0.02 * measured.value < expected.value < measured.upper + 0.02 * measured.value


@pytest.mark.slow  # exact curves of two dimensions
@pytest.mark.parametrize(("dimension", "expected"), [(5, 0.2977), (60, 1.1468)])
def test_the_order_of_the_formulas_has_exceptions(dimension, expected):
    """Generalization before collapse in few dimensions, after it in many; the formula has it always after."""
    law = Manifold([1.0], [dimension])
    times = trajectory_times(law, num_samples=1000)
    assert times.generalization.value < times.held_out.value < times.collapse.value < times.onset.value
    exact = generalization_time(law, num_samples=1000)
    assert float(exact.value) == pytest.approx(expected, rel=2e-3)
    assert (exact.value > times.collapse.value) == (dimension < 2.2 * np.log(1000))
    assert exact.value > times.generalization.value


@pytest.mark.slow  # compiles averages over classes
def test_the_asymptotic_method_is_the_formula():
    laws = ((FLAT, 5.0), (GaussianMixture.two_classes(4.0, FLAT), 5.0), (RandomManifold([1.0], [1.0], 0.5), 0.3))
    for law, size in laws:
        found = generalization_time(law, log_num_samples=size, method="asymptotic")
        assert float(found.value) == float(trajectory_times(law, log_num_samples=size).generalization.value)
        assert np.isnan(found.lower)


def test_cross_validation_prefers_no_noise_for_repeated_samples():
    data = np.tile(np.asarray(FLAT.sample(KEY, 20)), (30, 1))
    found = generalization_time(data, key=KEY)
    assert found.status == Status.NO_TRANSITION
    assert np.isnan(found.value)


@pytest.mark.slow  # compiles for some seconds
def test_cross_validation_is_deterministic_and_knows_its_sizes():
    data = np.asarray(FLAT.sample(KEY, 200), dtype=np.float32)
    once, twice = (generalization_time(data, num_samples=100, num_probes=150, key=KEY) for _ in range(2))
    assert once.identical(twice)
    assert once.lower < once.value < once.upper
    assert generalization_time(data, key=KEY).value < once.value  # more samples, less noise


@pytest.mark.parametrize(
    ("source", "question", "sentence"),
    [
        (FLAT, {"num_samples": 100, "method": "cross_validation"}, "no method 'cross_validation' for a law"),
        (np.eye(3), {"method": "finite_n", "key": KEY}, "no method 'finite_n' for data"),
        (FLAT, {"num_samples": [10, 20]}, "one data-set size"),
        (FLAT, {}, "exactly one of"),
        (Manifold([1.0], [4], normalized=True), {"num_samples": 10}, "normalized"),
        (RandomManifold([1.0], [1.0], latent_ratio=0.5), {"log_num_samples": 0.4}, "random manifolds"),
        (np.eye(3), {}, "key"),
        (np.eye(3), {"num_samples": 3, "key": KEY}, "2 to 2"),
        (np.eye(2), {"key": KEY}, "at least three"),
        (np.eye(3), {"log_num_samples": 1.0, "key": KEY}, "as num_samples"),
        (np.ones((20, 2)), {"key": KEY}, "all samples are the same"),
    ],
)
def test_bad_questions_are_refused(source, question, sentence):
    with pytest.raises(InputError, match=sentence):
        generalization_time(source, **question)
