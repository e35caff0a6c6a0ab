"""A measured spectrum with the theory of the same data beside it, and its figures."""

import jax
import numpy as np
import pytest

from geomem import (
    EmpiricalScore,
    Manifold,
    critical_time,
    predicted_spectrum,
    resolved_dimension,
    spectrum_figure,
    spectrum_study,
)
from geomem.figures.style import save_figure
from geomem.studies import spectrum

TIMES = np.geomspace(0.02, 5, 6)


@pytest.fixture(scope="module")
def manifold():
    return Manifold([1.0, 0.01], [2, 4])


@pytest.fixture(scope="module")
def study(manifold):
    data = manifold.sample(jax.random.key(1), 300)
    return spectrum_study(
        EmpiricalScore(data), np.zeros(6), manifold, noise_variance=TIMES, num_samples=300,
        protocol="orthogonal_frame", key=jax.random.key(2), num_replicates=3,
    )  # fmt: skip


def test_a_study_is_what_its_parts_are(manifold, study):
    lost = [
        float(critical_time(manifold, block, num_samples=300, criterion="signal_to_noise", theory="finite_n").value)
        for block in range(2)
    ]
    np.testing.assert_array_equal(study.critical_time, lost)
    np.testing.assert_array_equal(study.opening_time, manifold.variances)
    resolved = resolved_dimension(manifold, noise_variance=TIMES, num_samples=300, theory="finite_n")
    np.testing.assert_array_equal(study.resolved_dimension, resolved)
    population = predicted_spectrum(manifold, noise_variance=TIMES, theory="population")
    np.testing.assert_array_equal(study.population_value, population.singular_value)
    np.testing.assert_array_equal(study.population_gap_dimension, population.gap_dimension)
    np.testing.assert_array_equal(study.population_gap_status, population.gap_status)
    assert study.singular_value.sizes == {"noise_variance": 6, "index": 6, "replicate": 3}
    assert '"num_samples": 300' in study.attrs["provenance"]


@pytest.mark.slow  # compiles for some seconds
def test_a_study_of_normalized_data(study):
    sphere = Manifold([1.0, 0.01], [2, 4], normalized=True)
    arguments = {"noise_variance": TIMES, "num_samples": 300, "key": jax.random.key(2)}
    score = EmpiricalScore(sphere.sample(jax.random.key(1), 300))
    found = spectrum_study(score, np.zeros(6), sphere, protocol="central_difference", **arguments)
    expected = predicted_spectrum(sphere, noise_variance=TIMES, theory="population")
    np.testing.assert_array_equal(found.population_value, expected.singular_value)
    np.testing.assert_allclose(found.opening_time.values @ [2, 4], 1, rtol=1e-9)  # of vectors of length one
    assert found.critical_time[0] < found.opening_time[0]


def test_a_study_of_blocks_asks_for_their_directions(manifold):
    data, variances = manifold.sample(jax.random.key(1), 300), np.array([1.2, 0.8, 0.015, 0.01, 0.01, 0.005])
    asked = {"noise_variance": TIMES, "num_samples": 300}
    study = spectrum_study(
        EmpiricalScore(data), np.zeros(6), manifold, protocol="jacobian", key=jax.random.key(2),
        direction_variances=variances, **asked,
    )  # fmt: skip
    ends = [
        critical_time(
            manifold, 0, num_samples=300, criterion="signal_to_noise", theory="finite_n", local_variance=one
        ).value
        for one in (0.8, 1.2)
    ]
    np.testing.assert_allclose([study.critical_time_lower[0], study.critical_time_upper[0]], ends, rtol=1e-7)
    resolved = resolved_dimension(manifold, theory="finite_n", direction_variances=variances, **asked)
    np.testing.assert_array_equal(study.resolved_dimension, resolved)
    whole = predicted_spectrum(Manifold(variances, np.ones(6)), noise_variance=TIMES, theory="population")
    np.testing.assert_array_equal(study.population_value, whole.singular_value)


def test_a_study_is_drawn_and_the_same_every_time(study, tmp_path):
    for name in ("first", "second"):
        save_figure(spectrum_figure(study), tmp_path / name)
    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "second.pdf").read_bytes()
    above, below = spectrum_figure(study).axes
    drawn = [line.get_ydata() for line in below.lines]
    np.testing.assert_array_equal(drawn[1], study.resolved_dimension)
    np.testing.assert_array_equal(drawn[2], study.gap_dimension.mean("replicate"))
    assert above.get_ylabel()
    assert below.get_xlabel()


@pytest.mark.parametrize(("size", "time"), [(50, 0.02), (20, 0.3)])
def test_the_root_mean_square_is_that_of_drawn_data_sets(size, time):
    """Where few samples pull the score's mean away from the population's; rows of a random orthonormal frame."""
    law, draws, rng = Manifold([1.0, 0.25, 0.01], [1, 2, 3]), 4000, np.random.default_rng(4)
    predicted = predicted_spectrum(law, noise_variance=[time], num_samples=size, theory="root_mean_square").block_value[
        0
    ]
    deviations = np.sqrt(np.repeat([1.0, 0.25, 0.01], [1, 2, 3]))
    data = deviations * rng.normal(size=(draws, size, 6))
    frames = np.linalg.qr(rng.normal(size=(draws, 6, 6)))[0]
    probes = np.sqrt(time) * frames
    energies = -np.sum((probes[:, :, None, :] - data[:, None, :, :]) ** 2, axis=3) / (2 * time)
    weights = np.exp(energies - energies.max(axis=2, keepdims=True))
    scores = (np.einsum("dkn,dni->dki", weights, data) / weights.sum(axis=2)[..., None] - probes) / time
    squares = np.sum(time * scores**2, axis=1)
    for block, place in enumerate((0, slice(1, 3), slice(3, 6))):
        own = squares[:, place].reshape(draws, -1).mean(axis=1)
        error = own.std(ddof=1) / np.sqrt(draws)
        assert abs(float(predicted[block]) ** 2 - own.mean()) < 4 * error + 0.01 * own.mean()


@pytest.mark.parametrize(
    ("variances", "critical", "ends", "count"),
    [
        ([2.0, 1e-4], [[0.1, np.nan]], (2e-3, 20.0), 25),
        ([1.0, 1e-4], [[0.1, 1e-6], [0.1, 3e-6]], (1e-6 / 3, 10.0), 46),
        ([1.0], [[50.0]], (1e-3, 150.0), 33),
        ([0.0], [[np.nan]], (1e-3, 10.0), 25),
    ],
)
def test_noise_variances_are_chosen_about_critical_times(variances, critical, ends, count):
    times = spectrum._about(np.array(variances), np.array(critical))
    np.testing.assert_allclose(times[[0, -1]], ends)
    assert len(times) == count


def test_the_chosen_noise_variances_hold_all_critical_times():
    law, key = Manifold([1.0, 1e-4], [1, 2]), jax.random.key(0)
    rows = np.asarray(law.sample(key, 2000))
    found = spectrum_study(
        EmpiricalScore(rows), np.zeros(3), law, num_samples=2000, protocol="central_difference", key=key
    )
    assert float(found.noise_variance[0]) < float(found.critical_time.min()) / 2.99
    assert float(found.critical_time.min()) < 1e-3 / 3
    assert float(found.noise_variance[-1]) == pytest.approx(10.0)
