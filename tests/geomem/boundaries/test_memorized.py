"""When given points are memorized: closed forms, and the empirical score of drawn data sets and of digits."""

import jax
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit

from geomem import Discrete, GaussianMixture, SampledLaw, Status, critical_times_of

KEY = jax.random.key(0)
LAW = GaussianMixture([0.7, 0.3], [[0.0, 0.0], [2.0, 1.0]], [np.diag([1.0, 0.1]), np.diag([0.05, 0.6])])


def test_of_two_samples_it_is_a_test_between_two_places():
    """A pool of one place a distance away: the planted sample's weight is a function of that distance alone."""
    pool = SampledLaw([[3.0, 0.0]] * 3)
    found = critical_times_of([[0.0, 0.0]], pool, num_samples=5, key=KEY, num_probes=2)
    noise = np.asarray(jax.random.normal(KEY, (2, 2)))

    def balance(time):
        away = 9 / (2 * time) - 3 * np.concatenate([noise, -noise])[:, 0] / np.sqrt(time)
        return np.mean(expit(away - np.log(5))) - 0.5

    assert found.status.item() == Status.CONVERGED
    np.testing.assert_allclose(found.critical_time.item(), brentq(balance, 0.1, 30.0), rtol=1e-5)
    assert abs(found.residual.item()) < 1e-6


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize("planted", [True, False])
def test_drawn_data_sets_have_it_there(planted):
    """The mean weight, or participation, of 4000 data sets is one half at the answer."""
    points, size, count = np.array([[0.5, 0.1], [2.0, 2.0]]), 20, 4000
    found = critical_times_of(points, LAW, num_samples=size, planted=planted, num_probes=1, key=KEY)
    noise = np.asarray(jax.random.normal(KEY, (1, 2)))
    sets = np.asarray(LAW.sample(jax.random.key(1), size * count)).reshape(count, size, 2)
    for point, time in zip(points, found.critical_time.values[:, 0], strict=True):
        drawn = []
        for omega in (*noise, *-noise):
            exponents = -np.sum((sets - point - np.sqrt(time) * omega) ** 2, axis=2) / (2 * time)
            log_z = np.logaddexp.reduce(exponents, axis=1)
            own = expit(-(omega @ omega) / 2 - log_z)
            drawn.append(own if planted else np.sum(np.exp(2 * (exponents - log_z[:, None])), axis=1))
        of_set = np.mean(drawn, axis=0)
        assert abs(of_set.mean() - 0.5) < 4 * of_set.std() / np.sqrt(count)


@pytest.mark.slow  # compiles for some seconds
def test_sizes_schedules_and_the_order_of_points():
    """More samples memorize later, a lonely point sooner; steps are those of the schedule."""
    schedule = Discrete.linear()
    points = [[0.0, 0.0], [2.5, -1.5]]
    found = critical_times_of(points, LAW, num_samples=[10, 1000], num_probes=2, key=KEY, schedule=schedule)
    times = found.critical_time.values
    assert (found.status == Status.CONVERGED).all()
    assert (times[:, 0] > times[:, 1]).all()
    assert (times[1] > times[0]).all()
    np.testing.assert_array_equal(found.critical_step, schedule.step(times))
    assert (found.error > 0).all()


def test_where_there_is_none():
    """Where most samples of a pool are at the point itself, it never has half of the weight."""
    pool = SampledLaw([[0.0, 1.0], [0.0, 1.0], [5.0, 1.0]])
    found = critical_times_of([[0.0, 1.0]], pool, num_samples=50, num_probes=1, key=KEY)
    assert found.status.item() == Status.NO_TRANSITION
    assert np.isnan(found.critical_time.item())
    assert np.isnan(found.error.item())
