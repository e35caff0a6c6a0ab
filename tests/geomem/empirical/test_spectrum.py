"""Measured spectra of known Jacobians, and predicted ones beside averages over data sets."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from geomem import (
    EmpiricalScore,
    InputError,
    Manifold,
    measure_spectrum,
    predicted_spectrum,
    score,
    score_of,
    spectrum_of,
)
from geomem.empirical.spectrum import with_gaps

VARIANCES = np.array([1.0, 1.0, 0.09, 1e-4])
KEY = jax.random.key(0)


def statuses(spectrum):
    meanings = spectrum.gap_status.attrs["flag_meanings"].split()
    assert spectrum.gap_status.attrs["flag_values"].tolist() == list(range(len(meanings)))
    return [meanings[status] for status in spectrum.gap_status.values.ravel()]


def population_score(x, time):
    return -jnp.asarray(x) / (time + VARIANCES)[None, :]


@pytest.mark.parametrize("protocol", ["jacobian", "orthogonal_frame", "central_difference"])
def test_a_linear_score_has_its_spectrum_by_every_protocol(protocol):
    times = np.array([0.01, 0.3])
    measured = measure_spectrum(population_score, np.zeros(4), times, protocol=protocol, key=KEY)
    expected = np.sort(times[:, None] / (times[:, None] + VARIANCES), axis=1)[:, ::-1]
    assert measured.singular_value.dims == ("noise_variance", "index", "replicate")
    np.testing.assert_allclose(measured.singular_value[:, :, 0], expected, rtol=1e-12)
    assert "participation" not in measured


def test_predicted_population_spectrum_and_its_gaps():
    manifold = Manifold([1.0, 0.09, 1e-4], [2, 1, 1])
    predicted = predicted_spectrum(manifold, noise_variance=[100.0, 0.3, 0.003], theory="population")
    # No gap far above the variances; then between the blocks of 1 and 0.09; then to the normal direction.
    assert predicted.gap_dimension.values.tolist() == [0, 2, 3]
    assert statuses(predicted) == ["none_open", "gap", "gap"]
    assert predicted.gap_index.values[1:].tolist() == [1, 0]
    assert float(predicted.gap[1]) == pytest.approx(0.3 / 0.39 - 0.3 / 1.3)


@pytest.mark.slow  # compiles for some seconds
def test_the_empirical_score_is_measured_in_one_pass():
    data = np.random.default_rng(0).normal(size=(50, 4)) * np.sqrt(VARIANCES)
    x0, times = np.array([0.1, 0.2, 0.0, 0.0]), np.array([0.05, 0.5])
    one_pass = EmpiricalScore(data)

    def point_by_point(x, time):
        return score(x, data, time)

    for protocol in ("orthogonal_frame", "central_difference"):
        a, b = (measure_spectrum(s, x0, times, protocol=protocol, key=KEY) for s in (one_pass, point_by_point))
        np.testing.assert_allclose(a.singular_value, b.singular_value, rtol=1e-9)
    exact = measure_spectrum(one_pass, x0, times, protocol="jacobian", key=KEY)
    assert exact.participation.dims == ("noise_variance",)

    def density(x, time):
        return jax.nn.logsumexp(-jnp.sum((x[None, :] - data) ** 2, axis=1) / (2 * time))

    hessians = np.array([jax.hessian(density)(jnp.asarray(x0), time) for time in times])
    expected = np.linalg.eigvalsh(-times[:, None, None] * hessians)[:, ::-1]
    np.testing.assert_allclose(exact.singular_value[:, :, 0], expected, atol=1e-12)


def test_frames_are_orthonormal_and_differ():
    data = np.random.default_rng(0).normal(size=(30, 3))
    arguments = {"noise_variance": [0.1], "protocol": "orthogonal_frame", "num_replicates": 3}
    measured = measure_spectrum(EmpiricalScore(data), np.zeros(3), key=KEY, **arguments)
    values = measured.singular_value.values[0]
    assert values.shape == (3, 3)
    assert np.ptp(values, axis=1).min() > 1e-3
    again = measure_spectrum(EmpiricalScore(data), np.zeros(3), key=KEY, **arguments)
    np.testing.assert_array_equal(again.singular_value, measured.singular_value)


@pytest.mark.parametrize("protocol", ["jacobian", "orthogonal_frame", "central_difference"])
def test_matrices_of_scores_have_the_spectrum_of_the_score(protocol):
    """Jacobians and scores that are taken by hand, of two noise variances, against the score's own measurement."""
    data, x0, times = np.random.default_rng(3).normal(size=(12, 3)), np.full(3, 0.2), np.array([0.3, 2.0])
    measured = measure_spectrum(EmpiricalScore(data), x0, times, protocol=protocol, key=KEY)
    frames = {"orthogonal_frame": np.asarray(jax.random.orthogonal(KEY, 3, (1,)))[0], "central_difference": np.eye(3)}
    matrices = []
    for time in times:
        score = partial(score_of(data), noise_variance=time)
        if protocol == "jacobian":
            matrices.append(jax.jacfwd(lambda x, score=score: score(x[None])[0])(jnp.asarray(x0)))
            continue
        steps = np.sqrt(time) * frames[protocol]
        rows = np.asarray(score(x0 + steps))
        matrices.append(rows if protocol == "orthogonal_frame" else (rows - np.asarray(score(x0 - steps))) / 2)
    found = spectrum_of(np.array(matrices), times, protocol=protocol)
    np.testing.assert_allclose(found.singular_value, measured.singular_value, atol=1e-11)
    assert statuses(found) == statuses(measured)


def test_matrices_that_are_no_spectra_are_refused():
    whole = np.stack([np.eye(3), np.full((3, 3), np.nan)])
    with pytest.raises(InputError, match="not finite around x0"):
        spectrum_of(whole, [0.1, 0.2])
    for odd, times in ((whole[0], [0.1]), (whole[:, :2], [0.1, 0.2]), (whole, [0.1]), (np.empty((1, 0, 0)), [0.1])):
        with pytest.raises(InputError, match="the matrices have shape"):
            spectrum_of(odd, times)


def test_an_unknown_spectrum_has_no_gap(default_manifold):
    predicted = predicted_spectrum(
        default_manifold, noise_variance=[1e-200, 0.1], num_samples=1000, theory="root_mean_square"
    )
    assert np.isnan(predicted.singular_value[0]).all()
    assert np.isnan(predicted.gap[0])
    np.testing.assert_array_equal(predicted.gap_dimension, [np.nan, 2])
    assert statuses(predicted) == ["undecided", "gap"]


def test_one_dimension_has_no_gap():
    measured = measure_spectrum(lambda x, time: -x / time, [0.0], [0.1], protocol="central_difference", key=KEY)
    assert measured.gap_dimension.values.ravel().tolist() == [0]
    assert statuses(measured) == ["none_open"]


@pytest.mark.parametrize("protocol", ["jacobian", "orthogonal_frame", "central_difference"])
def test_all_open_is_told_from_none_open(protocol):
    measured = measure_spectrum(population_score, np.zeros(4), [1e-6, 0.003, 100.0], protocol=protocol, key=KEY)
    assert statuses(measured) == ["all_open", "gap", "none_open"]
    assert measured.gap_dimension.values.ravel().tolist() == [4, 3, 0]


@pytest.mark.parametrize("protocol", ["jacobian", "central_difference"])
def test_a_collapsed_gaussian_has_no_dimension(protocol):
    """Where one sample has all the weight nothing is open, nor is it far above the variance."""
    data = np.asarray(Manifold([1.0], [6]).sample(jax.random.key(0), 200))
    times = [1e-4, 100.0]
    measured = measure_spectrum(EmpiricalScore(data), data.mean(axis=0), times, protocol=protocol, key=KEY)
    assert statuses(measured) == ["none_open", "none_open"]
    assert measured.gap_dimension.values.ravel().tolist() == [0, 0]
    np.testing.assert_allclose(measured.participation, [1, 1 / 200], atol=1e-3)


@pytest.mark.parametrize(
    ("values", "status", "dimension", "gap", "index"),
    [
        ([5.0, 1.8, 1.0, 0.9], "none_open", 0, 0.0, np.nan),  # gaps of memorization only
        ([38.0, 1.0, 0.2, 0.1], "gap", 2, 0.8, 1),  # and a larger one of it
        ([38.0, 1.0, 0.55, 0.46], "undecided", np.nan, 0.09, np.nan),
        ([0.45, 0.3, 0.02, 0.01], "all_open", 4, 0.0, np.nan),  # two scales, both open
        ([1.0, 0.2, 0.1, -30.0], "gap", 3, 0.8, 0),  # and between samples
        ([0.9, 0.8, np.nan, np.nan], "undecided", np.nan, np.nan, np.nan),
        ([np.nan] * 4, "undecided", np.nan, np.nan, np.nan),
    ],
)
def test_a_gap_begins_at_an_open_direction(values, status, dimension, gap, index):
    found = with_gaps(xr.Dataset({"singular_value": ("index", values)}))
    assert statuses(found) == [status]
    assert found.gap_status.dtype == np.int8
    np.testing.assert_array_equal(found.gap_dimension, dimension)
    np.testing.assert_allclose(found.gap, gap, rtol=1e-12)
    np.testing.assert_array_equal(found.gap_index, index)


@pytest.mark.parametrize("normalized", [True, False])
def test_the_published_spectrum_is_that_of_its_notebook(normalized):
    """The formula of the public notebook of arXiv:2410.08727, written out; normalized data have no trace term."""
    variances, counts = np.array([1.0, 0.09, 1e-12]), [2, 5, 23]
    manifold = Manifold(variances, counts, normalized=normalized)
    times = np.linspace(0.005, 1, 50)
    predicted = predicted_spectrum(manifold, noise_variance=times, num_samples=1000, theory="published")
    s, t = np.repeat(variances, counts), times[:, None]
    critical = np.sqrt(((not normalized) * np.sum(s**2) / 2 + t * s) / (2 * np.log(1000)))
    excess = np.maximum(0, 1 / t - 1 / critical)
    factor = np.sum(s / (t**2 * (t + s)), axis=1, keepdims=True)
    expected = t * np.sqrt(1 / (t + s) ** 2 + (factor * excess) ** 2)
    np.testing.assert_allclose(predicted.singular_value, -np.sort(-expected, axis=1), rtol=1e-12)


@pytest.mark.slow  # compiles for some seconds
def test_empirical_options_are_passed_on(tmp_path):
    data = np.random.default_rng(0).normal(size=(50, 3))
    plain = EmpiricalScore(data)
    cut = EmpiricalScore(data, chunk_size=7, checkpoint=tmp_path / "sums.npz")
    for protocol in ("jacobian", "central_difference"):
        a, b = (measure_spectrum(s, np.zeros(3), [0.1], protocol=protocol, key=KEY) for s in (plain, cut))
        np.testing.assert_allclose(a.singular_value, b.singular_value, rtol=1e-12)
        assert a.participation.values == pytest.approx(b.participation.values, rel=1e-12)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow  # 600 data sets
def test_the_diagonal_mean_of_frames_is_the_predicted_one(default_manifold):
    """N = 1000, t = 0.1: means of t^2 (S^T S)_vv over data sets, frames and the directions of a block."""
    time, num_datasets, edges = 0.1, 600, [0, 2, 7]
    predicted = predicted_spectrum(default_manifold, noise_variance=[time], num_samples=1000, theory="root_mean_square")
    expected = predicted.block_value.values[0] ** 2
    means = []
    for key in jax.random.split(jax.random.key(7), num_datasets):
        of_data, of_frame = jax.random.split(key)
        frame = np.asarray(jax.random.orthogonal(of_frame, 30))
        rows = score(np.zeros(30), default_manifold.sample(of_data, 1000), time, directions=frame)
        diagonal = time * np.sum(np.asarray(rows) ** 2, axis=0)
        means.append(np.add.reduceat(diagonal, edges) / [2, 5, 23])
    error = np.std(means, axis=0, ddof=1) / np.sqrt(num_datasets)
    assert np.abs((np.mean(means, axis=0) - expected) / error).max() < 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol": "guess"}, "there is no protocol"),
        ({"x0": np.zeros((2, 4))}, "must be one point"),
        ({"noise_variance": [0.1, -1.0]}, "positive, finite"),
        ({"num_replicates": 2}, "only for protocol"),
        ({"score": lambda x, time: x * np.nan}, "not finite around x0 at noise variance 0.1"),
    ],
)
def test_bad_input(changes, message):
    score = changes.pop("score", population_score)
    arguments = {"x0": np.zeros(4), "noise_variance": [0.1], "protocol": "jacobian", "key": KEY} | changes
    with pytest.raises(InputError, match=message):
        measure_spectrum(score, **arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"theory": "guess"}, "no predicted spectrum"),
        ({"theory": "published", "num_samples": [10, 20]}, "for one data-set size"),
        ({"theory": "finite_n"}, "exactly one of num_samples"),
        ({"theory": "population", "noise_variance": [0.1, -0.5]}, "noise variance 1 is -0.5"),
        ({"theory": "root_mean_square", "manifold": Manifold([1.0], [2], normalized=True)}, "normalized data"),
    ],
)
def test_bad_predictions(changes, message):
    with pytest.raises(InputError, match=message):
        predicted_spectrum(changes.pop("manifold", Manifold([1.0], [2])), **{"noise_variance": [0.1]} | changes)
