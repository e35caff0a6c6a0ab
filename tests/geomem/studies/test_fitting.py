"""Laws fitted to data: of one Gaussian, of a known mixture, and of pools; and their densities."""

import sys

import jax
import numpy as np
import pytest
import scipy.stats

from geomem import GaussianMixture, InputError, Manifold, Probe, SampledLaw, fit_law, load_data, quenched
from geomem.studies.fits import Coordinates, Split, best_mixture, judged, log_densities, one_gaussian

KEY = jax.random.key(1)
WEIGHTS = np.array([0.5, 0.3, 0.2])
MEANS = np.array([[2.0, 0.0, 0.0], [-1.0, 2.0, 0.0], [-1.0, -1.0, 3.0]])
COVARIANCES = np.stack([np.diag([0.2, 0.05, 0.3]), np.diag([0.1, 0.4, 0.02]), np.eye(3) * 0.1 + 0.05])
TRUTH = GaussianMixture(WEIGHTS, MEANS, COVARIANCES)


@pytest.fixture(scope="module")
def drawn():
    """Rows of the mixture in four dimensions, of which one is a constant, and what is fitted to them."""
    rows = np.asarray(TRUTH.sample(jax.random.key(3), 2000))
    rows = np.concatenate([rows, np.full((2000, 1), 7.0)], axis=1)
    return rows, fit_law(rows, key=KEY)


def _density(rows, time):
    parts = [
        weight * scipy.stats.multivariate_normal(mean, covariance + time * np.eye(3)).pdf(rows)
        for weight, mean, covariance in zip(WEIGHTS, MEANS, COVARIANCES, strict=True)
    ]
    return np.log(sum(parts))


@pytest.mark.parametrize("time", [0.0, 0.3])
def test_densities_are_those_of_scipy(rng, time):
    rows = rng.normal(size=(20, 3))
    np.testing.assert_allclose(log_densities(TRUTH, rows, time), _density(rows, time), rtol=1e-12)


@pytest.mark.slow  # fits mixtures of several numbers of components
def test_a_mixture_is_found(drawn):
    """Its gain is that of the truth, within the error over held-out samples, here of twenty thousand fresh ones."""
    _, found = drawn
    assert (found.family, found.num_components, found.largest_size) == ("mixture", 3, 2000)
    fresh = np.asarray(TRUTH.sample(jax.random.key(4), 20_000))
    whole = scipy.stats.multivariate_normal(np.asarray(TRUTH.center), np.asarray(TRUTH.covariance()))
    gain = _density(fresh, 0.0) - whole.logpdf(fresh)
    error = gain.std() * np.sqrt(1 / 400 + 1 / 20_000)
    assert abs(found.nats_gained - gain.mean()) < 4 * error
    for time, own, scatter in zip(*(found.by_noise[name].values for name in
                                    ("noise_variance", "noised_gain", "noised_gain_error")), strict=True):  # fmt: skip
        noised = fresh + np.sqrt(time) * np.random.default_rng(5).normal(size=fresh.shape)
        blurred = scipy.stats.multivariate_normal(whole.mean, whole.cov_object.covariance + time * np.eye(3))
        assert abs(own - (_density(noised, time) - blurred.logpdf(noised)).mean()) < 4 * scatter + 0.02
    order = np.argsort(-np.asarray(found.law.weights))
    np.testing.assert_allclose(np.asarray(found.law.weights)[order], WEIGHTS, atol=0.04)
    np.testing.assert_allclose(np.asarray(found.law.means)[order, :3], MEANS, atol=0.08)
    np.testing.assert_allclose(np.asarray(found.law.means)[:, 3], 7.0, rtol=1e-12)


def test_its_expected_error_is_that_of_halves(drawn):
    """ln R of the fit beside that of the truth: a fit to all rows is off by no more than one to two fifths of them."""
    rows, found = drawn
    means = np.pad(MEANS, [(0, 0), (0, 1)], constant_values=7.0)
    truth = GaussianMixture(WEIGHTS, means, np.pad(COVARIANCES, [(0, 0), (0, 1), (0, 1)]))
    asked = {"noise_variance": found.by_noise.noise_variance.values, "num_samples": 2000}
    probe = Probe.noised(np.asarray(truth.sample(KEY, 12)), key=KEY)
    directions = Coordinates.of(rows).axes
    by_fit, by_truth = (
        np.log(quenched(law, directions, probe=probe, **asked).signal_to_noise) for law in (found.law, truth)
    )
    off, expected = np.median(np.abs(by_fit - by_truth), axis=(0, 1)), found.by_noise.expected_error.values
    assert (off < 1.5 * expected + 0.02).all(), (off, expected)
    assert (off > 0.1 * expected).all(), (off, expected)
    assert (found.by_noise.misfit.values < 0.6).all(), found.by_noise.misfit.values  # at 133 samples
    assert found.by_noise.trusted.values.all()


@pytest.mark.slow  # compiles for some seconds
def test_one_gaussian_is_left_one():
    rows = np.asarray(Manifold([1.0, 0.1], [2, 3]).sample(jax.random.key(6), 1500))
    found = fit_law(rows, key=KEY)
    assert (found.family, found.num_components, found.nats_gained, found.regularization) == ("gaussian", 1, 0.0, 0.0)
    assert "nats" in found.note
    np.testing.assert_allclose(found.law.center, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.law.covariance(), np.cov(rows.T, ddof=0), rtol=1e-10, atol=1e-13)


def test_few_rows_are_one_gaussian(rng):
    """However many components are tried, each has two rows a dimension."""
    coordinates = Coordinates.of(rng.normal(size=(22, 5)))
    split = Split.of(coordinates, np.arange(19), np.arange(19, 22), rng)
    one = judged(split, one_gaussian(split.training, 1e-6), 1e-6)
    found, why = best_mixture(split, "mixture", None, one, rng)
    assert found is None
    assert why == "one Gaussian, for 19 rows for a fit in 5 dimensions are too few for more"


@pytest.mark.slow  # averages over a pool are compiled for it alone
def test_a_pool_is_for_few_samples(rng):
    rows = rng.normal(size=(600, 3))
    found = fit_law(rows, family="pool", key=KEY)
    assert (found.family, found.num_components, found.largest_size) == ("pool", 0, 40)
    assert isinstance(found.law, SampledLaw)
    np.testing.assert_array_equal(found.law.samples, rows)
    assert np.isnan(found.nats_gained)
    gain, scatter = found.by_noise.noised_gain.values, found.by_noise.noised_gain_error.values
    assert (gain < 4 * scatter).all()  # the rows are of one Gaussian
    assert gain[0] < -1  # with little noise a pool is no density
    assert abs(gain[-1]) < 0.05


def test_many_dimensions(rng):
    """Beyond 512 the leading directions have the data's own variances, and all others their mean."""
    rows = rng.normal(size=(200, 150)) @ rng.normal(size=(150, 520)) + rng.normal(size=(200, 520))
    away = (rows - rows.mean(axis=0)).astype(np.float32).astype(float)
    variances = np.linalg.eigvalsh(away.T @ away / len(rows))[::-1]
    coordinates = Coordinates.of(away.astype(np.float32))
    assert coordinates.rows.shape == (200, 128)
    law = coordinates.law(one_gaussian(coordinates.rows, 0.0))
    assert law.bases.shape == (1, 520, 128)
    np.testing.assert_allclose(law.variances[:128], variances[:128], rtol=1e-9)
    np.testing.assert_allclose(law.variances[128:], variances[128:].mean(), rtol=1e-9)
    np.testing.assert_allclose(law.center, away.mean(axis=0), atol=1e-9)
    share, apart = variances[:128].sum() / variances.sum(), variances[128:].std()
    assert f"have {100 * share:.3g} % of the variance" in coordinates.left_out
    assert f"{variances[128:].mean():.3g}, from which their variances differ by {apart:.2g}" in coordinates.left_out
    assert Coordinates.of(away[:, :5]).left_out == ""


def test_refusals(rng, monkeypatch):
    rows = rng.normal(size=(40, 2))
    with pytest.raises(InputError, match=r"carry 8: ask for fewer"):
        fit_law(rows, num_components=9, key=KEY)
    with pytest.raises(InputError, match="is for a mixture"):
        fit_law(rows, family="pool", num_components=2, key=KEY)
    with pytest.raises(InputError, match="at least 10"):
        fit_law(rows[:9], key=KEY)
    with pytest.raises(InputError, match="all samples are the same"):
        fit_law(np.ones((20, 2)), key=KEY)
    monkeypatch.setitem(sys.modules, "sklearn.mixture", None)
    with pytest.raises(InputError, match=r"install 'geomem\[data\]'"):
        fit_law(rows, key=KEY)


@pytest.mark.long  # twelve fits in 61 dimensions, and averages at 12 points: half a minute
def test_the_digits_are_several_gaussians():
    found = fit_law(load_data("digits"), key=jax.random.key(0))
    assert found.family == "mixture"
    assert found.num_components >= 7
    assert found.nats_gained > 10


@pytest.mark.slow  # averages in four dimensions by one Gaussian and by a pool are compiled for it alone
def test_what_one_gaussian_misses_is_not_trusted(drawn):
    """Classes of variance 0.02 are lost far below where one Gaussian has it: halves of the rows do not know."""
    found = fit_law(drawn[0], family="gaussian", key=KEY)
    assert (found.by_noise.expected_error.values < 0.3).all()
    assert found.by_noise.misfit.values[0] > 1
    assert not found.by_noise.trusted.values[0]
    assert (found.by_noise.misfit.values > drawn[1].by_noise.misfit.values).all()
