"""P-values of true predictions are uniform, and shifts lie in their intervals as often as these say."""

import jax
import numpy as np
import pytest
import xarray as xr
from scipy.special import expit, logsumexp
from scipy.stats import binomtest, kstest

from geomem import GaussianMixture, Manifold, Probe, compare, excess_entropy, expected_excess_entropy
from geomem.studies.curve import Asked, predict, study_curve, with_both_errors

TIMES = np.geomspace(0.05, 5, 8)


def assert_uniform(p_values, *, least: float = 1e-3) -> None:
    p_values = np.asarray(p_values)
    assert np.isfinite(p_values).all()
    assert kstest(p_values, "uniform").pvalue > least
    assert binomtest(int(np.sum(p_values < 0.05)), len(p_values), 0.05).pvalue > least


def assert_of_unit_scatter(pulls) -> None:
    """Shifts in their errors; curves that bend move their mean by a part of one."""
    pulls = np.asarray(pulls)
    assert np.isfinite(pulls).all()
    assert abs(pulls.mean()) < 0.4
    assert pulls.std(ddof=1) == pytest.approx(1.0, abs=4.0 * np.sqrt(0.5 / len(pulls)) + 0.05)


def data_set(times, **variables) -> xr.Dataset:
    return xr.Dataset(variables, {"noise_variance": times})


def step(times) -> np.ndarray:
    return expit(np.log(times))


def replicated(rows: np.ndarray, times: np.ndarray) -> xr.Dataset:
    """A curve of replicates, as a file of them is read."""
    error = rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
    over = "noise_variance"
    return data_set(times, value=(over, rows.mean(axis=0)), error=(over, error), replicates=(("replicate", over), rows))


def test_an_error_of_the_prediction_may_count_too():
    plain, over = np.zeros(8), "noise_variance"
    measured = data_set(TIMES, value=(over, plain), error=(over, np.full(8, 3.0)))
    predicted = data_set(TIMES, value=(over, plain + 5.0), error=(over, np.full(8, 4.0)), status=(over, plain))
    found = study_curve(with_both_errors(measured, predicted), predicted.assign_attrs(provenance="{}"))
    np.testing.assert_allclose(found.z, -1.0)
    np.testing.assert_allclose(found.error, 5.0)


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize("length", [pytest.param(0.3, marks=pytest.mark.long), 3.0])  # hundreds of comparisons
def test_a_covariance_that_is_known_is_used(length, rng):
    """Points that scatter together, over so many spacings: p-values are uniform, and as if independent they are not."""
    place = np.arange(len(TIMES))
    covariance = 4e-4 * np.exp(-np.abs(place[:, None] - place) / length)
    root, truth = np.linalg.cholesky(covariance), data_set(TIMES, value=("noise_variance", step(TIMES)))
    found, apart, pulls = [], [], []
    for _ in range(300):
        value = step(TIMES) + root @ rng.normal(size=len(TIMES))
        curve = data_set(TIMES, value=("noise_variance", value), error=("noise_variance", np.full(len(TIMES), 0.02)))
        over = ("noise_variance", "noise_variance_again")
        agreed = compare(curve.assign(covariance=(over, covariance)), truth).attrs
        assert agreed["points"] == "correlated"
        found.append(agreed["p_value"])
        pulls.append(agreed["log_time_shift"] / agreed["log_time_shift_error"])
        apart.append(compare(curve.assign_attrs(points="independent"), truth).attrs["p_value"])
    assert_uniform(found)
    assert_of_unit_scatter(pulls)
    assert (kstest(apart, "uniform").pvalue < 1e-6) == (length == 3.0)


@pytest.mark.parametrize("count", [8, 30])
def test_replicates_give_their_covariance(count, rng):
    """Uniform p-values, and 95 % intervals of the shift that hold it."""
    place = np.arange(len(TIMES))
    root = np.linalg.cholesky(0.01 * np.exp(-np.abs(place[:, None] - place) / 2.0))
    truth = data_set(TIMES, value=("noise_variance", step(TIMES)), status=("noise_variance", np.zeros(8, np.int8)))
    found, held = [], []
    for _ in range(200):
        rows = step(TIMES) + rng.normal(size=(count, len(TIMES))) @ root.T
        study = study_curve(replicated(rows, TIMES), truth.assign_attrs(provenance="{}"))
        found.append(study.attrs["p_value"])
        held.append(study.attrs["log_time_shift_lower"] < 0 < study.attrs["log_time_shift_upper"])
    assert_uniform(found)
    assert binomtest(int(np.sum(held)), len(held), 0.95).pvalue > 1e-3


def weights_of(points: np.ndarray, data: np.ndarray, time: float) -> np.ndarray:
    """Gibbs weights of data sets, (sets, points, samples), from the definition."""
    squares = np.sum((points[:, :, None] - data[:, None]) ** 2, axis=-1)
    return np.exp(-squares / (2 * time) - logsumexp(-squares / (2 * time), axis=2, keepdims=True))


def participation_of_sets(rng, scale: np.ndarray, num_samples: int, count: int) -> np.ndarray:
    """Y2 at sqrt(t) along the first axis of so many data sets, (sets, times)."""
    data = scale * rng.normal(size=(count, num_samples, len(scale)))
    ray = np.zeros((count, 1, len(scale)))
    ray[..., 0] = 1.0
    columns = [np.sum(weights_of(np.sqrt(time) * ray, data, time) ** 2, axis=2) for time in TIMES]
    return np.concatenate(columns, axis=1)


def collapse_of_sets(rng, scale: np.ndarray, num_samples: int, count: int) -> np.ndarray:
    """Mean Y2 at noised training points of so many data sets, (sets, times)."""
    data = scale * rng.normal(size=(count, num_samples, len(scale)))
    noise = rng.normal(size=data.shape)
    columns = [np.sum(weights_of(data + np.sqrt(t) * noise, data, t) ** 2, axis=2).mean(axis=1) for t in TIMES]
    return np.stack(columns, axis=1)


def assert_true_replicates_agree(observable, law, asked, measure, *, count: int, times=TIMES) -> None:
    """Of 200 curves of so many replicates each, against the prediction of their own law."""
    predicted, rng = predict(observable, law, times, asked), np.random.default_rng(11)
    rows = [measure(rng, count) for _ in range(200)]
    assert_uniform([compare(replicated(each, times), predicted).attrs["p_value"] for each in rows])
    held = []
    for each in rows:
        shifts = study_curve(replicated(each, times), predicted).attrs
        held.append(shifts["log_time_shift_lower"] < 0 < shifts["log_time_shift_upper"])
    assert binomtest(int(np.sum(held)), len(held), 0.95).pvalue > 1e-3


@pytest.mark.long  # hundreds of measurements
def test_participation_agrees_with_its_own_law():
    law, scale = Manifold([1.0, 0.25], [1, 3]), np.array([1.0, 0.5, 0.5, 0.5])
    asked = Asked(40.0, probe=Probe.along())
    assert_true_replicates_agree(
        "participation", law, asked, lambda rng, count: participation_of_sets(rng, scale, 40, count), count=30
    )


@pytest.mark.long  # the exact curve takes seconds for each of its points
def test_the_collapse_probability_agrees_with_its_own_law():
    law, scale = Manifold([1.0, 0.25], [1, 3]), np.array([1.0, 0.5, 0.5, 0.5])
    assert_true_replicates_agree(
        "collapse-probability", law, Asked(30.0), lambda rng, n: collapse_of_sets(rng, scale, 30, n), count=20
    )


@pytest.mark.slow  # hundreds of comparisons
def test_clones_agree_with_their_own_law():
    """Batches of points that two trajectories leave, each for a class of the exact posterior."""
    center, variance = 3.0, 1.0
    law = GaussianMixture.two_classes(center**2, Manifold([variance], [2]))
    times = np.geomspace(0.5, 100, 8)

    def batches(rng: np.random.Generator, count: int) -> np.ndarray:
        own = rng.choice([-1.0, 1.0], size=(count, 400, 1))
        noise, within = rng.normal(size=(2, count, 400, 1))
        x = own * center + np.sqrt(variance) * within + np.sqrt(times) * noise
        first = expit(2 * center * x / (variance + times))
        ends = rng.uniform(size=(2, *first.shape)) < first
        return np.mean(ends[0] == ends[1], axis=1)

    assert_true_replicates_agree("cloning", law, Asked(1.0), batches, count=15, times=times)


def assert_measured_entropies_agree(law, times, num_samples, num_probes) -> None:
    predicted = expected_excess_entropy(law, noise_variance=times, num_samples=num_samples, theory="finite_n")
    found, pulls, unaware = [], [], []
    for each in jax.random.split(jax.random.key(3), 200):
        of_data, of_probes = jax.random.split(each)
        data = np.asarray(law.sample(of_data, num_samples))
        curve = excess_entropy(data, times, num_probes=num_probes, key=of_probes)
        agreed = compare(curve, predicted).attrs
        found.append(agreed["p_value"])
        pulls.append(agreed["log_time_shift"] / agreed["log_time_shift_error"])
        unaware.append(compare(curve.drop_vars("covariance").assign_attrs(points="independent"), predicted).p_value)
    assert_uniform(found)
    assert_of_unit_scatter(pulls)
    assert kstest(unaware, "uniform").pvalue < 1e-6


@pytest.mark.long  # hundreds of measurements
def test_a_measured_entropy_agrees_with_its_own_law():
    """More probes than samples: the scatter between data sets is most of the error."""
    assert_measured_entropies_agree(Manifold([1.0], [4]), np.geomspace(0.05, 5, 6), 100, 300)


@pytest.mark.long  # the exact curve takes seconds for each of its points
@pytest.mark.parametrize(
    ("law", "num_samples", "num_probes"),
    [
        (Manifold([1.0, 0.09, 1e-4], [2, 5, 23]), 300, 300),
        (GaussianMixture.two_classes(9.0, Manifold([1.0], [5])), 200, 100),
    ],
)
def test_measured_entropies_of_other_laws_agree_too(law, num_samples, num_probes):
    assert_measured_entropies_agree(law, np.geomspace(0.02, 3, 6), num_samples, num_probes)
