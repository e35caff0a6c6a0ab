"""Measures of memorization: exact fractions, sizes by interpolation, closed distances, and the collapse of samplers."""

import jax
import numpy as np
import pytest
import xarray as xr

from geomem import (
    InputError,
    Manifold,
    Status,
    collapse_of_trajectories,
    effective_memorization,
    generate,
    memorization_ratio,
    memorization_start,
    score_distance,
    score_of,
    trajectory_times,
)

KEY = jax.random.key(0)
LAW = Manifold([1.0], [30])


def end_of(score, **changed):
    asked = {"num_samples": 300, "dims": 30, "noise_variance": np.geomspace(100.0, 1e-4, 151), "method": "sde"}
    return generate(score, jax.random.key(1), **(asked | changed))


@pytest.mark.parametrize("method", ["sde", "ode"])
def test_the_empirical_score_memorizes_and_the_population_does_not(method):
    """Fresh points would be copies with a probability of the order of 3^-30."""
    data = LAW.sample(KEY, 300)
    copies, error = memorization_ratio(end_of(score_of(data), method=method).x[-1].values, data)
    assert copies == 1
    assert error == pytest.approx(1 / 302, rel=0.02)
    assert memorization_ratio(end_of(score_of(LAW), method=method).x[-1].values, data)[0] == 0


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_fresh_points_of_a_uniform_law_are_copies_with_a_known_probability(dims, rng):
    """The volume within the nearest neighbour, over that within the next, is uniform: 3^-k."""
    ratio, error = memorization_ratio(rng.uniform(0.1, 0.9, (4000, dims)), rng.uniform(size=(4000, dims)))
    # The samples share their training points, which adds to the binomial error.
    assert abs(ratio - 3.0**-dims) < 4.5 * np.sqrt(2) * error


def test_ratio_by_hand():
    data = [[0.0], [1.0], [1.0], [3.0]]
    # 0.2 and 0.8: 4 times as near; 0.3: 7/3; 1 is twice in the data; 1.4 against 0.4 and 1.4; 2: as near to both.
    ratio, error = memorization_ratio([[0.2], [0.8], [0.3], [1.0], [1.4], [2.0]], data)
    assert ratio == pytest.approx(4 / 6)
    assert error == pytest.approx(np.sqrt(5 * 3 / (64 * 9)))
    assert memorization_ratio([[0.24]], data)[0] == 1
    assert memorization_ratio([[0.26]], data)[0] == 0


def test_two_training_points_nearer_to_each_other_than_rounding_shows():
    """Products of coordinates of 1000 lose what tells distances of 1e-6 and 4e-6 apart; differences keep it."""
    data = np.array([[0.0, 0.0], [5e-6, 0.0], [1e3, 0.0], [-1e3, 0.0]])
    samples = np.array([[1e-6, 0.0], [4e-6, 0.0], [2e-6, 0.0], [3e-6, 0.0]])
    assert memorization_ratio(samples, data)[0] == 0.5
    assert memorization_ratio(samples + 1000.0, data + 1000.0)[0] == 0.5


def test_effective_size_by_hand():
    sizes = np.array([100, 200, 400, 800])
    found = effective_memorization(sizes, [1.0, 0.95, 0.8, 0.1], [0.0, 0.02, 0.02, 0.02])
    assert found.status == Status.CONVERGED
    assert float(found.log_value) == pytest.approx(np.log(200) + np.log(2) / 3)
    assert float(found.value) == pytest.approx(200 * 2 ** (1 / 3))
    assert float(found.lower) == pytest.approx(200 * 2 ** (0.03 / 0.15))
    assert float(found.upper) == pytest.approx(200 * 2 ** (0.07 / 0.15))
    # The largest such size, where the curve is not monotone.
    assert float(effective_memorization(sizes, [1.0, 0.8, 1.0, 0.8], np.zeros(4)).value) == pytest.approx(400 * 2**0.5)


def test_effective_size_outside_the_sizes():
    sizes, errors = [100, 200], [0.05, 0.05]
    none = effective_memorization(sizes, [0.84, 0.2], errors)
    beyond = effective_memorization(sizes, [1.0, 0.96], errors)
    for outcome, ends in ((none, (0.0, 100.0)), (beyond, (200.0, np.inf))):
        assert outcome.status == Status.NO_TRANSITION
        assert np.isnan(outcome.value)
        assert (float(outcome.lower), float(outcome.upper)) == ends
    # A size that is found, its error reaching beyond the sizes.
    wide = effective_memorization(sizes, [0.92, 0.87], [0.05, 0.05])
    assert (float(wide.lower), float(wide.upper)) == (0.0, np.inf)


def test_start_by_hand():
    steps = np.array([100, 200, 400, 800])
    found = memorization_start(steps, [0.0, 0.05, 0.2, 0.05], [0.0, 0.01, 0.02, 0.0])
    assert found.status == Status.CONVERGED
    assert float(found.value) == pytest.approx(200 * 2 ** (0.05 / 0.15))
    assert float(found.lower) == pytest.approx(200 * 2 ** (0.04 / 0.16))
    assert float(found.upper) == pytest.approx(200 * 2 ** (0.06 / 0.14))
    before, never = (memorization_start([100, 200], [ratio, 0.0], [0.0, 0.0]) for ratio in (0.1, 0.09))
    for outcome, ends in ((before, (0.0, 100.0)), (never, (200.0, np.inf))):
        assert outcome.status == Status.NO_TRANSITION
        assert np.isnan(outcome.value)
        assert (float(outcome.lower), float(outcome.upper)) == ends


def test_distance_of_two_gaussian_scores():
    """S - S_ref = x (1/(s' + t) - 1/(s + t)), at points of variance s + t."""
    times, count = np.array([0.1, 1.0, 10.0]), 4000
    x = np.sqrt(1.0 + times)[:, None, None] * np.asarray(jax.random.normal(KEY, (3, count, 2)))
    distance = score_distance(score_of(Manifold([2.0], [2])), score_of(Manifold([1.0], [2])), x, times)
    expected = times * (1.0 + times) * (1 / (2 + times) - 1 / (1 + times)) ** 2
    assert np.abs((distance.value - expected) / distance.error).max() < 4.5
    np.testing.assert_allclose(distance.error, expected * np.sqrt(1 / count), rtol=0.1)
    same = score_distance(score_of(LAW), score_of(LAW), np.zeros((2, 30)), times)
    np.testing.assert_array_equal(same.value, np.zeros(3))


def test_last_change_by_hand():
    """One dimension, training points at 0, 1 (twice) and 3; the middle row is nearest to 1 from the second time on."""
    times = np.array([8.0, 4.0, 2.0, 1.0])
    x = np.array([[5.0, 3.0, 0.1], [0.9, 0.9, 0.2], [0.2, 1.1, 0.3], [0.1, 1.0, 0.1]])[:, :, None]
    trajectory = xr.Dataset({"x": (("noise_variance", "sample", "dim"), x)}, {"noise_variance": times})
    collapse = collapse_of_trajectories(trajectory, [[3.0], [1.0], [1.0], [0.0]])
    np.testing.assert_allclose(collapse.collapse_time, np.sqrt([4.0 * 2.0, 8.0 * 4.0, 8.0 * 8.0]))
    np.testing.assert_array_equal(collapse.nearest, [3, 1, 3])
    assert float(collapse.collapse_time_quantile.sel(quantile=0.5)) == pytest.approx(np.sqrt(32.0))


def test_trajectories_collapse_where_the_theory_has_it():
    """The median last change of the reverse process, at d = 30 and N = 1000: 1.95, where the formula has 1.71."""
    data = LAW.sample(KEY, 1000)
    trajectory = end_of(score_of(data), noise_variance=np.geomspace(100.0, 0.01, 121), keep_every=2)
    collapse = collapse_of_trajectories(trajectory, data)
    median = float(collapse.collapse_time_quantile.sel(quantile=0.5))
    predicted = float(trajectory_times(LAW, num_samples=1000).collapse.value)
    assert 0.8 < median / predicted < 1.6
    # Half of the trajectories within a factor of two; it narrows with the number of directions.
    quartiles = collapse.collapse_time_quantile.sel(quantile=[0.25, 0.75]).values
    assert quartiles[1] / quartiles[0] < 4
    # Each ends at its training point, but for noise of the last variance.
    ends = trajectory.x[-1].values - np.asarray(data)[collapse.nearest.values]
    z = (np.mean(ends**2) / 0.01 - 1) / np.sqrt(2 / ends.size)
    assert abs(z) < 4.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: memorization_ratio([[1.0]], [[0.0], [0.0]]), "1 places in the data"),
        (lambda: memorization_ratio([[1.0, 2.0]], [[0.0], [1.0]]), "samples has the shape"),
        (lambda: memorization_ratio([[np.nan]], [[0.0], [1.0]]), "samples holds NaN"),
        (lambda: effective_memorization([10], [1.0], [0.1]), "at least two"),
        (lambda: effective_memorization([20, 10], [1.0, 0.1], [0.1, 0.1]), "must be positive and increase"),
        (lambda: effective_memorization([10, 20], [1.1, 0.1], [0.1, 0.1]), "not between 0 and 1"),
        (lambda: memorization_start([10, 10], [0.0, 0.1], [0.1, 0.1]), "step is .* must be positive and increase"),
        (lambda: score_distance(score_of(LAW), score_of(LAW), np.zeros((2, 3, 30)), [1.0]), "for 1 noise variances"),
        (lambda: score_distance(score_of(LAW), lambda x, t: x * np.nan, np.ones((2, 30)), [1.0]), "not finite"),
        (lambda: collapse_of_trajectories(xr.Dataset(), [[0.0], [1.0]]), "no trajectory"),
        (lambda: collapse_of_trajectories(end_of(score_of(LAW)), LAW.sample(KEY, 5)), "keep_every"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize("apart", [1.0, 1e7, 1e9])
def test_copies_in_clusters_far_apart_are_found(apart, rng):
    """Products lose the distances inside clusters; what is in doubt is taken from differences."""
    data = rng.normal(size=(60, 3)) + apart * np.repeat([[-0.5], [0.5]], 30, axis=0)
    assert memorization_ratio(data + 1e-3 * rng.normal(size=data.shape), data)[0] == 1.0
    fresh = rng.normal(size=(60, 3)) + apart * np.repeat([[-0.5], [0.5]], 30, axis=0)
    distances = np.sort(np.linalg.norm(fresh[:, None] - data, axis=2), axis=1)
    assert memorization_ratio(fresh, data)[0] == pytest.approx(np.mean(distances[:, 0] < distances[:, 1] / 3))
