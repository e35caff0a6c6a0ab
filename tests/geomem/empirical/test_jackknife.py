"""The jackknife against samples that are really left out, and its covariance against fresh data sets."""

import jax
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import binomtest

from geomem import Manifold, collapse_time, excess_entropy, expected_excess_entropy, generalization_time
from geomem.core import resampling
from geomem.empirical.jackknife import Probing, covariance_over_data_sets

# So large that a weight is not one but for rounding, whose logarithms of 1 - w have no digits.
TIMES = np.array([0.1, 0.3, 1.5])


def log_partition_of(data: np.ndarray, points: np.ndarray, seen: np.ndarray, times: np.ndarray) -> np.ndarray:
    """ln Z at points x + sqrt(t) v, (times, probes), over the samples that each probe sees."""
    starts, noise = points
    at = starts + np.sqrt(times)[:, None, None] * noise
    squares = np.sum((at[:, :, None] - data) ** 2, axis=-1)
    return logsumexp(np.where(seen, -squares / (2 * times[:, None, None]), -np.inf), axis=2)


@pytest.mark.parametrize(("num_probes", "folds"), [(5, False), (14, False), (37, False), (14, True), (9, True)])
def test_it_is_what_leaving_samples_out_gives(num_probes, folds, rng):
    """Also where probes are held out: of folds, none of which sees its own samples."""
    data = rng.normal(size=(14, 3)) * [1.0, 0.5, 0.2]
    order = np.concatenate([rng.permutation(14) for _ in range(3)])[:num_probes]
    noise = np.zeros((num_probes, 3)) if folds else rng.normal(size=(num_probes, 3))
    set_of = np.arange(num_probes) % 3 if folds else np.zeros(num_probes, dtype=int)
    sets = np.ones((3 if folds else 1, 14), dtype=bool)
    if folds:
        sets[set_of, order] = False
    seen = sets[set_of]
    whole = log_partition_of(data, (data[order], noise), seen, TIMES)
    found = covariance_over_data_sets(data, TIMES, Probing(order, noise, sets, set_of), whole, whole)

    without = []
    for one in range(14):
        kept = order != one
        fewer = seen[kept] & (np.arange(14) != one)
        points = (data[order[kept]], noise[kept])
        without.append(log_partition_of(data, points, fewer, TIMES).mean(axis=1))
    chosen = np.isin(np.arange(14), order)
    expected = np.zeros((3, 3))
    for part in (np.array(without)[chosen], np.array(without)[~chosen]):
        if len(part):
            moved = part - part.mean(axis=0)
            expected += moved.T @ moved
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-9, atol=1e-14)


def test_rare_pairs_are_counted_once(rng):
    """Far apart but for a few close pairs: the mean scatters as independent pairs do, the jackknife's twice that."""
    data = 1e3 * rng.normal(size=(300, 3))
    data[30:36] = data[:6] + 0.1 * rng.normal(size=(6, 3))
    order, noise = np.arange(300), 0.01 * rng.normal(size=(300, 3))
    whole = log_partition_of(data, (data, noise), np.ones((300, 300), dtype=bool), TIMES[1:2])
    values = whole + 0.5 * np.sum(noise**2, axis=1)
    probing = Probing(order, noise, np.ones((1, 300), dtype=bool), np.zeros(300, dtype=int))
    found = covariance_over_data_sets(data, TIMES[1:2], probing, whole, values)
    pairs = (values[0, :6] + values[0, 30:36]) / 300
    assert found.of_pairs[0, 0] == pytest.approx(np.sum(pairs**2), rel=0.05)
    assert found.covariance[0, 0] == pytest.approx(2.0 * np.sum(pairs**2), rel=0.05)


@pytest.mark.long  # hundreds of measurements
@pytest.mark.parametrize(("num_samples", "num_probes"), [(150, 100), (100, 300)])
def test_the_covariance_is_that_over_data_sets(num_samples, num_probes):
    law, times = Manifold([1.0, 0.3], [2, 3]), np.geomspace(0.5, 5, 5)
    found = []
    for each in jax.random.split(jax.random.key(8), 600):
        of_data, of_probes = jax.random.split(each)
        data = np.asarray(law.sample(of_data, num_samples))
        found.append(excess_entropy(data, times, num_probes=num_probes, key=of_probes))
    truth = np.cov(np.stack([one.value.values for one in found]).T)
    variances = np.array([np.diag(one.covariance.values) for one in found])
    judged = np.isfinite(variances).all(axis=0)
    assert judged.sum() >= 3
    ratio = variances.mean(axis=0)[judged] / np.diag(truth)[judged]
    # A tenth of its own, and the scatter of a variance over 600 data sets.
    assert np.abs(ratio - 1.0).max() < 0.1 + 3.0 * np.sqrt(2.0 / 599)
    np.testing.assert_allclose(np.array([one.error.values**2 for one in found])[:, judged], variances[:, judged])


@pytest.fixture
def few_curves(monkeypatch):
    """Ends of an interval from 100 curves: of hundreds of intervals each may scatter by a tenth."""
    monkeypatch.setattr(resampling, "CURVES", 100)


def held(intervals) -> float:
    """How likely so many of 95 % intervals hold the truth or fewer."""
    return binomtest(int(np.sum(intervals)), len(intervals), 0.95, alternative="less").pvalue


@pytest.mark.long  # hundreds of measurements
@pytest.mark.parametrize(("law", "num_probes"), [(Manifold([1.0, 0.25], [2, 4]), 500), (Manifold([1.0], [5]), 100)])
@pytest.mark.usefixtures("few_curves")
def test_intervals_of_the_collapse_hold_it(law, num_probes):
    times, dims = np.geomspace(0.01, 1, 16), law.dimension
    curve = expected_excess_entropy(law, noise_variance=times, num_samples=100, theory="finite_n").value.values
    truth = np.exp(np.interp(0.05 * np.log(100) / dims, curve, np.log(times)))
    found = []
    for each in jax.random.split(jax.random.key(5), 200):
        of_data, of_probes = jax.random.split(each)
        data = np.asarray(law.sample(of_data, 100))
        interval = collapse_time(data, key=of_probes, num_probes=num_probes)
        found.append(float(interval.lower) < truth < float(interval.upper))
    assert held(found) > 1e-3


@pytest.mark.long  # hundreds of measurements
@pytest.mark.parametrize("law", [Manifold([1.0, 0.25], [2, 4]), Manifold([1.0, 0.01], [1, 2])])
@pytest.mark.usefixtures("few_curves")
def test_intervals_of_the_generalization_time_hold_it(law):
    truth = float(generalization_time(law, num_samples=90).value)
    found = []
    for each in jax.random.split(jax.random.key(5), 200):
        of_data, of_probes = jax.random.split(each)
        interval = generalization_time(np.asarray(law.sample(of_data, 100)), key=of_probes)
        found.append(float(interval.lower) < truth < float(interval.upper))
    assert held(found) > 1e-3
