"""Cloned trajectories, generated step by step in NumPy, against the probabilities that the theory has for them."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from geomem import GaussianMixture, Manifold, cloning_curve, expected_collapse_probability

CENTERS = np.array([[2.0, 0.0], [-1.0, 1.5], [-1.0, -2.0]])
WEIGHTS = np.array([0.5, 0.3, 0.2])


def end_of_reverse_process(x, denoiser, times, rng):
    """Points at the last of the falling noise variances, by steps of weak order two.

    The denoiser at a step's beginning leads to a first end, and the mean of it and of that at this end to the second.
    """
    for time, later in pairwise(times):
        noise = np.sqrt(later * (time - later) / time) * rng.normal(size=x.shape) + later / time * x
        first = denoiser(x, time)
        second = denoiser(noise + (1 - later / time) * first, later)
        x = noise + (1 - later / time) * (first + second) / 2
    return x


def shares(log_weights):
    """Normalized along the last axis."""
    weights = np.exp(log_weights - log_weights.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def squared_distances(x, centers):
    """Of the points (..., dims) from their centers (..., centers, dims)."""
    return ((x[..., None, :] - centers) ** 2).sum(axis=-1)


def deviation_of_share(events, expected, error=0.0):
    """In standard errors of a share of so many independent events."""
    spread = np.sqrt(expected * (1 - expected) / len(events))
    return (events.mean() - expected) / np.hypot(spread, error)


@pytest.mark.slow  # exact averages take seconds for each noise variance
@pytest.mark.parametrize("squared_center", [0.0, 4.0])
def test_clones_end_at_the_same_sample_as_often_as_predicted(squared_center):
    """3000 data sets of 12, a noised training point of each; as many end there as with each other."""
    spectrum, pairs, size = Manifold([1.0, 0.1], [2, 3]), 3000, 12
    law = GaussianMixture.two_classes(squared_center, spectrum) if squared_center else spectrum
    times, rng = [0.1, 0.5], np.random.default_rng(21)
    expected = expected_collapse_probability(law, noise_variance=times, num_samples=size)
    for time, probability, error in zip(times, expected.value.values, expected.error.values, strict=True):
        data = rng.normal(size=(pairs, size, 5)) * np.sqrt(np.repeat([1.0, 0.1], [2, 3]))
        data[..., 0] += np.sqrt(squared_center) * rng.choice([-1, 1], (pairs, size))
        cloned = data[:, :1] + np.sqrt(time) * rng.normal(size=(pairs, 1, 5))
        of_pair = data[:, None]

        def denoiser(x, at, of_pair=of_pair):
            return (shares(-squared_distances(x, of_pair) / (2 * at))[..., None, :] @ of_pair)[..., 0, :]

        ends = end_of_reverse_process(
            np.repeat(cloned, 2, axis=1), denoiser, np.geomspace(time, 1e-4, 101), np.random.default_rng(22)
        )
        nearest = squared_distances(ends, of_pair).argmin(axis=2)
        assert abs(deviation_of_share(nearest[:, 0] == nearest[:, 1], probability, error)) < 4
        assert abs(deviation_of_share(nearest[:, 0] == 0, probability, error)) < 4
        assert 0.2 < probability < 0.9


@pytest.mark.parametrize("share", [0.5, 0.8, 0.99])
def test_cloning_of_two_unequal_classes_is_an_integral(share):
    """Over the coordinate between the centers: of the squared joint densities over the whole density."""
    law = GaussianMixture([share, 1 - share], [[1.0, 0, 0, 0], [-0.5, 0, 0, 0]], Manifold([0.3, 1.0], [1, 3]))
    times = [0.01, 0.2, 1.0, 10.0]
    curve = cloning_curve(law, noise_variance=times).value.values
    for time, value in zip(times, curve, strict=True):
        spread = np.sqrt(0.3 + time)

        def integrand(x, spread=spread):
            joint = np.array([share, 1 - share]) * norm.pdf(x, [1.0, -0.5], spread)
            return (joint**2).sum() / joint.sum()

        reach = 9 * spread
        assert value == pytest.approx(quad(integrand, -0.5 - reach, 1 + reach, epsabs=1e-12, limit=200)[0], abs=1e-9)


@pytest.mark.parametrize("within", [(1.0, 0.3), (0.04, 0.05)])
def test_cloning_of_three_classes_is_an_integral_over_their_plane(within):
    law = GaussianMixture(WEIGHTS, np.pad(CENTERS, ((0, 0), (0, 2))), Manifold(within, [1, 3]))
    times = [0.05, 0.5, 3.0, 30.0]
    curve = cloning_curve(law, noise_variance=times).value.values
    for time, value in zip(times, curve, strict=True):
        deviations = np.sqrt(np.array(within) + time)
        axes = [np.linspace(-2 - 8.5 * each, 2 + 8.5 * each, 401) for each in deviations]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        joint = WEIGHTS * norm.pdf(points[:, :, None], CENTERS, deviations).prod(axis=-1)
        cell = np.prod([axis[1] - axis[0] for axis in axes])
        assert joint.sum() * cell == pytest.approx(1, abs=1e-12)
        assert value == pytest.approx(((joint**2).sum(axis=-1) / joint.sum(axis=-1)).sum() * cell, abs=3e-4)
    assert np.ptp(curve) > 0.4


def test_clones_of_the_population_s_process_end_in_the_same_class_as_often_as_predicted():
    """Three narrow classes of unequal weight: where a trajectory ends tells its class."""
    pairs, within, times = 4000, 0.04, [0.5, 2.0, 8.0]
    law = GaussianMixture(WEIGHTS, CENTERS, Manifold([within], [2]))
    curve = cloning_curve(law, noise_variance=times).value.values
    rng = np.random.default_rng(23)

    def denoiser(x, at):
        each = CENTERS + within / (within + at) * (x[..., None, :] - CENTERS)
        of_class = shares(np.log(WEIGHTS) - squared_distances(x, CENTERS) / (2 * (within + at)))
        return (of_class[..., None, :] @ each)[..., 0, :]

    for time, value in zip(times, curve, strict=True):
        start = CENTERS[rng.choice(3, pairs, p=WEIGHTS)] + np.sqrt(within + time) * rng.normal(size=(pairs, 2))
        ends = end_of_reverse_process(
            np.repeat(start[:, None], 2, axis=1), denoiser, np.geomspace(time, 1e-4, 151), rng
        )
        classes = squared_distances(ends, CENTERS).argmin(axis=2)
        assert abs(deviation_of_share(classes[:, 0] == classes[:, 1], value)) < 4
        assert 0.4 < value < 0.98
