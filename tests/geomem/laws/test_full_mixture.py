"""Mixtures of several covariances, pools, and principal directions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem import (
    GaussianMixture,
    InputError,
    Manifold,
    SampledLaw,
    expected_excess_entropy,
    principal_directions,
    trajectory_times,
)

COVARIANCES = np.array([[[2.0, 0.5], [0.5, 1.0]], [[0.3, 0.0], [0.0, 0.1]]])
LAW = GaussianMixture([0.25, 0.75], [[0.0, 1.0], [2.0, -1.0]], COVARIANCES)


def test_covariance_is_that_within_and_between_classes():
    away = np.array([[0.0, 1.0], [2.0, -1.0]]) - [1.5, -0.5]
    whole = 0.25 * COVARIANCES[0] + 0.75 * COVARIANCES[1] + (away.T * [0.25, 0.75]) @ away
    np.testing.assert_allclose(LAW.covariance(), whole, atol=1e-14)
    directions = principal_directions(LAW)
    np.testing.assert_allclose(directions @ whole @ directions.T, np.diag(LAW.variances), atol=1e-14)
    assert isinstance(LAW, GaussianMixture)
    assert np.diff(LAW.variances)[0] < 0


def test_samples_have_the_law_s_moments():
    samples = np.asarray(LAW.sample(jax.random.key(0), 40_000))
    error = np.sqrt(np.diag(LAW.covariance()) / len(samples))
    assert (np.abs(samples.mean(axis=0) - LAW.center) < 4 * error).all()
    np.testing.assert_allclose(np.cov(samples.T), LAW.covariance(), atol=0.1)


def test_local_directions_are_those_of_the_point_s_class():
    found = principal_directions(LAW, point=[2.1, -1.0])
    np.testing.assert_allclose(np.abs(found), np.eye(2), atol=1e-12)
    shared = GaussianMixture([0.5, 0.5], np.eye(2), Manifold([0.1, 1.0], [1, 1]))
    np.testing.assert_allclose(principal_directions(shared, point=[0.0, 0.0]), np.eye(2)[::-1], atol=1e-12)


@pytest.mark.long  # averages at every step of three searches
def test_trajectories_of_equal_covariances_are_those_of_the_classes():
    """Within the error of 512 samples; and what is between classes is exact."""
    manifold = Manifold([1.0, 0.05], [10, 20])
    centers = np.zeros((2, 30))
    centers[:, 0] = [2.0, -2.0]
    shared = GaussianMixture([0.5, 0.5], centers, manifold)
    full = GaussianMixture([0.5, 0.5], centers, np.tile(np.asarray(manifold.covariance()), (2, 1, 1)))
    expected, found = (trajectory_times(law, num_samples=1e4) for law in (shared, full))
    for name in ("collapse", "onset", "held_out", "generalization"):
        np.testing.assert_allclose(getattr(found, name).value, getattr(expected, name).value, rtol=0.03, err_msg=name)
    np.testing.assert_allclose(found.speciation.value, expected.speciation.value, rtol=1e-12)
    asked = {"noise_variance": [0.1], "num_samples": 1e4, "theory": "rem"}
    entropies = [expected_excess_entropy(law, **asked).value for law in (full, shared)]
    np.testing.assert_allclose(*entropies, atol=0.01)


def test_low_rank_is_the_full_covariance():
    factors = np.random.default_rng(0).normal(size=(2, 5, 2))
    means, noise = np.zeros((2, 5)), np.array([0.1, 0.3])
    low = type(LAW).low_rank([0.4, 0.6], means, factors, noise)
    full = GaussianMixture([0.4, 0.6], means, factors @ factors.swapaxes(1, 2) + noise[:, None, None] * np.eye(5))
    np.testing.assert_allclose(low.covariance(), full.covariance(), atol=1e-12)
    point = jnp.ones(5)
    np.testing.assert_allclose(low.covariance_at(point), full.covariance_at(point), atol=1e-12)
    samples = np.asarray(low.sample(jax.random.key(0), 20_000))
    np.testing.assert_allclose(np.cov(samples.T), low.covariance(), atol=0.15)


def test_a_pool_draws_from_itself_and_halves():
    pool = SampledLaw(lambda key, count: jax.random.normal(key, (count, 3)), num_samples=101, key=jax.random.key(0))
    assert pool.size == 101
    drawn = np.asarray(pool.sample(jax.random.key(1), 50))
    assert all((row == np.asarray(pool.samples)).all(axis=1).any() for row in drawn)
    assert [half.size for half in pool.halves()] == [51, 50]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: GaussianMixture([0.5, 0.5], np.eye(2), [np.eye(2), [[1, 2], [0, 1]]]),
            "covariance 1 is not symmetric",
        ),
        (lambda: GaussianMixture([0.5, 0.5], np.eye(2), [[[1, 2], [2, 1]], np.eye(2)]), "eigenvalue -1"),
        (lambda: GaussianMixture([0.5, 0.4], np.eye(2), [np.eye(2)] * 2), "add to one"),
        (lambda: GaussianMixture([1.0], np.eye(2), [np.eye(2)]), "a row per class"),
        (lambda: GaussianMixture([1.0], [[0.0, 0.0]], [np.eye(3)]), "shape"),
        (lambda: type(LAW).low_rank([1.0], [[0.0, 0.0]], [[[1.0], [0.0]]], [-1.0]), "not negative"),
        (lambda: SampledLaw(np.ones((1, 2))), "two samples"),
        (lambda: SampledLaw([[1.0, np.nan], [0.0, 1.0]]), "NaN"),
        (
            lambda: SampledLaw(lambda key, count: np.full((count, 2), np.nan), num_samples=9, key=jax.random.key(0)),
            "NaN",
        ),
        (lambda: SampledLaw(lambda key, count: np.ones((count, 2))), "num_samples and a key"),
        (lambda: SampledLaw(np.eye(2), num_samples=2), "are given"),
        (lambda: trajectory_times(SampledLaw(np.eye(2)), num_samples=9), "theory of trajectories does not know a law"),
        (lambda: principal_directions(SampledLaw(np.eye(2)), point=[0, 0]), "class of a point"),
        (lambda: principal_directions(LAW, point=[0, 0, 0]), "2 finite coordinates"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
