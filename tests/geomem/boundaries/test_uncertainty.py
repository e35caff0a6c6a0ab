"""Error bars of critical times against drawn data sets, and spectra around points of a curved manifold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem import InputError, Manifold, Probe, Status, critical_time, critical_times_of_data, local_spectrum
from geomem.boundaries.implicit import spectrum_slopes
from geomem.boundaries.uncertainty import _corrected, _grouped, _resample, _spectra, _whitened
from geomem.levels.question import question

KEY = jax.random.key(0)
REM = {"criterion": "signal_to_noise", "theory": "rem"}


def _wishart_spectra(rng, spectrum, num_samples, count):
    """Spectra of the covariances of so many Gaussian data sets, centred, descending."""
    rows = rng.normal(size=(count, num_samples, len(spectrum))) * np.sqrt(spectrum)
    rows -= rows.mean(axis=1, keepdims=True)
    return np.linalg.svd(rows, compute_uv=False) ** 2 / num_samples


def test_resamples_spread_a_spectrum_as_new_samples_do(rng):
    """One flat spectrum at N = 3 d, where it spreads between 0.18 and 2.49: edges and all between them."""
    whitened = _whitened(rng.normal(size=(120, 40)))[1]
    factors = np.array([_resample(key, whitened) for key in jax.random.split(KEY, 60)])
    resampled, drawn = _spectra(np.ones(40), factors), _wishart_spectra(rng, np.ones(40), 120, 60)
    np.testing.assert_allclose(resampled.mean(axis=0), drawn.mean(axis=0), rtol=0.06)
    assert resampled[:, 0].mean() > 2.2
    assert resampled[:, -1].mean() < 0.25


def test_the_corrected_spectrum_has_the_measured_one_in_the_mean(rng):
    data = rng.normal(size=(90, 30)) * np.geomspace(1.0, 0.03, 30)
    manifold = Manifold.from_data(data)
    measured, whitened = _whitened(data)
    np.testing.assert_allclose(measured, manifold.variances, rtol=1e-10)
    np.testing.assert_allclose(whitened.T @ whitened / 90, np.eye(30), atol=1e-12)
    factors = np.array([_resample(key, whitened) for key in jax.random.split(KEY, 40)])
    corrected = _corrected(measured, factors)
    assert (np.diff(corrected) <= 0).all()
    blocks = Manifold([1.0, 0.1, 0.01], [10, 10, 10])
    drawn, wanted, plain, truth = (
        _grouped(spectrum, blocks)
        for spectrum in (
            _spectra(corrected, factors).mean(axis=0, keepdims=True),
            measured[None],
            corrected[None],
            np.geomspace(1.0, 0.03, 30)[None] ** 2,
        )
    )
    np.testing.assert_allclose(drawn, wanted, rtol=0.01)
    # The tail has lost a quarter of its variance; corrected it is within twice its standard error.
    assert wanted[0, 2] < 0.8 * truth[0, 2]
    assert abs(plain[0, 2] / truth[0, 2] - 1) < 2 * np.sqrt(2 / (10 * 90)) * np.sqrt(90 / 60)


def test_blocks_keep_their_sizes():
    manifold = Manifold([2.0, 1.0, 0.0], [1, 2, 3])
    np.testing.assert_allclose(_grouped(np.array([[5.0, 4.0, 2.0]]), manifold), [[5.0, 3.0, 0.0]])


@pytest.mark.slow  # compiles for some seconds
def test_bias_and_interval_against_drawn_data_sets(rng):
    """A falling spectrum at N = 2 d: the times of its narrow end are a seventh too short, corrected they are not."""
    spectrum, count = np.geomspace(1.0, 1e-3, 30), 15
    plain, bias, error, inside = [], [], [], []
    for key in jax.random.split(KEY, count):
        data = rng.normal(size=(60, 30)) * np.sqrt(spectrum)
        found = critical_times_of_data(data, num_blocks=4, num_resamples=60, key=key, **REM).isel(num_samples=0)
        sizes = found.multiplicity.values
        law = Manifold(_grouped(spectrum[None], Manifold(found.block_variance.values, sizes))[0], sizes)
        truth = np.array([float(critical_time(law, block, num_samples=60, **REM).value) for block in range(4)])
        plain.append(found.critical_time.values / truth)
        bias.append(found.bias.values / truth)
        error.append(found.error.values / truth)
        inside.append((found.lower.values <= truth) & (truth <= found.upper.values))
    corrected = np.subtract(plain, bias)
    standard = corrected.std(axis=0, ddof=1) / np.sqrt(count)
    assert np.mean(plain, axis=0)[3] - 1 < -6 * standard[3]
    assert (np.abs(corrected.mean(axis=0) - 1) < 4.5 * standard).all()
    # At two samples per dimension the errors are upper estimates.
    ratio = np.mean(error, axis=0) / corrected.std(axis=0, ddof=1)
    assert ((ratio > 0.8) & (ratio < 2)).all()
    # Of a coverage of 0.95; blocks of one data set go together, so this is no chance of independent ones.
    assert np.mean(inside) > 0.85


def test_large_and_small_variances_are_corrected_alike(rng):
    measured, whitened = _whitened(rng.normal(size=(60, 4)) * [4.0, 3.0, 2.0, 1.0])
    factors = np.array([_resample(key, whitened) for key in jax.random.split(KEY, 40)])
    expected = 1e200 * _corrected(measured, factors)
    np.testing.assert_allclose(_corrected(1e200 * measured, factors), expected, rtol=1e-10)


def test_heavy_tails_widen_the_interval(rng):
    """Samples with a length scale each, of squared mean 1 and variance 2: the traces scatter with them."""
    gaussian = rng.normal(size=(300, 20)) * np.repeat([1.0, 0.1], 10)
    scaled = gaussian * np.sqrt(rng.gamma(0.5, 2.0, size=300))[:, None]
    narrow, wide = (
        critical_times_of_data(data, num_blocks=2, num_resamples=60, key=KEY, **REM) for data in (gaussian, scaled)
    )
    ratio = (wide.error / wide.critical_time) / (narrow.error / narrow.critical_time)
    # Relative variances of the trace of ten directions: 2/(10 N), and 2 E c^2/(10 N) + Var c/N.
    np.testing.assert_allclose(ratio.values[0], np.sqrt((0.2 * 3 + 2) / 0.2), rtol=0.5)


def test_what_it_says(default_manifold):
    data = np.asarray(default_manifold.sample(KEY, 500))
    arguments = {"num_blocks": 2, "num_samples": [500, 2000], "num_resamples": 60, "key": KEY} | REM
    found = critical_times_of_data(data, **arguments)
    law = Manifold.from_data(data, num_blocks=2)
    corrected = Manifold(found.corrected_variance.values, law.multiplicities)
    np.testing.assert_allclose(found.block_variance, law.variances, rtol=1e-9)
    for block in range(2):
        expected = critical_time(law, block, num_samples=[500, 2000], **REM)
        np.testing.assert_allclose(found.critical_time[block], expected.value, rtol=1e-8)
        np.testing.assert_array_equal(found.status[block], expected.status)
        expected = critical_time(corrected, block, num_samples=[500, 2000], **REM)
        np.testing.assert_allclose((found.critical_time - found.bias)[block], expected.value, rtol=1e-8)
    assert (found.lower < found.critical_time - found.bias).all()
    assert (found.critical_time - found.bias < found.upper).all()
    assert found.identical(critical_times_of_data(data, **arguments))
    # The scale is that of the data, which may lie anywhere; sizes may be given by their logarithms.
    by_logarithm = arguments | {"num_samples": None, "log_num_samples": np.log([500.0, 2000.0])}
    moved = critical_times_of_data(3.0 * data + 7.0, **by_logarithm)
    np.testing.assert_allclose(moved.error, 9.0 * found.error, rtol=1e-6)
    np.testing.assert_allclose(moved.num_samples, [500.0, 2000.0])


def test_directions_without_variance_stay_without(rng):
    data = np.append(rng.normal(size=(60, 3)), np.ones((60, 2)), axis=1)
    found = critical_times_of_data(data, num_blocks=1, num_resamples=60, key=KEY, **REM)
    assert found.multiplicity.values.tolist() == [3, 2]
    assert found.corrected_variance.values[1] == 0
    assert found.status.values[:, 0].tolist() == [found.status.values[0, 0], Status.NO_TRANSITION]
    assert np.isnan(found.error.values[1, 0])
    assert found.error.values[0, 0] > 0
    assert float(found.num_samples[0]) == 60


@pytest.mark.slow  # compiles the integrals of level finite_n
def test_finite_n_takes_resamples_linear_in_the_variances(default_manifold):
    size, variances = np.log(1000.0), np.asarray(default_manifold.variances)
    finite_n = {"criterion": "signal_to_noise", "theory": "finite_n"}

    def log_time(change):
        law = default_manifold.with_variances(jnp.asarray(variances * np.exp(change)))
        return float(critical_time(law, 0, log_num_samples=size, **finite_n).log_value)

    asked = question(probe=Probe.along(), **finite_n)
    slopes = spectrum_slopes(asked, asked.setting(default_manifold, 0), log_time(np.zeros(3)), size, np.arange(3))
    expected = [(log_time(change) - log_time(-change)) / 2e-3 for change in 1e-3 * np.eye(3)]
    np.testing.assert_allclose(slopes, expected, rtol=1e-4, atol=1e-8)
    found = critical_times_of_data(default_manifold.sample(KEY, 1000), num_blocks=3, key=KEY, **finite_n)
    truth = np.exp(log_time(np.zeros(3)))
    assert abs(float((found.critical_time - found.bias)[0, 0]) - truth) < 3 * float(found.error[0, 0])
    # Two directions of a Gaussian, to first order.
    error = float((found.error / found.critical_time)[0, 0])
    assert error == pytest.approx(np.hypot(slopes[0] / np.sqrt(2), slopes[1] / np.sqrt(5)) * np.sqrt(2 / 1000), rel=0.3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_resamples": 39}, "num_resamples is 39"),
        ({"num_resamples": True}, "num_resamples is True"),
        ({"data": np.ones((9, 2))}, "all the same"),
        ({"data": np.eye(4)[:, :3]}, "4 samples that vary in 3 directions"),
        ({"data": np.zeros(3)}, r"shape \(3,\)"),
        ({"num_blocks": 0}, "num_blocks is 0"),
        ({"num_samples": [[10.0]]}, "must be a list"),
        ({"num_samples": 10, "log_num_samples": 2.0}, "exactly one"),
        ({"theory": "none"}, "no theory"),
    ],
)
def test_bad_input(changes, message):
    arguments = {"data": np.eye(6)[:, :2], "num_resamples": 40, "key": KEY} | REM | changes
    with pytest.raises(InputError, match=message):
        critical_times_of_data(arguments.pop("data"), **arguments)


def test_a_sphere_is_flat_at_close_range(rng):
    """In ten dimensions, with noise: two directions around a point, where the whole has three."""
    rows = rng.normal(size=(40_000, 3))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    frame = np.linalg.qr(rng.normal(size=(10, 3)))[0]
    data = rows @ frame.T + 1e-3 * rng.normal(size=(40_000, 10))
    whole = np.asarray(Manifold.from_data(data).variances)
    np.testing.assert_allclose(whole[:3], 1 / 3, rtol=0.03)
    count = 400
    local = np.asarray(local_spectrum(data, frame[:, 0], count).variances)
    # A cap of area fraction p has height 2p and is a disk of squared radius 4p: tangent variance p each, by r^2/4,
    # and the height, uniform between 0 and 2p, has variance (2p)^2/12, on the noise's 1e-6.
    fraction = count / 40_000
    np.testing.assert_allclose(local[:2], fraction, rtol=4 * np.sqrt(1 / count) + 0.02)
    assert local[2] == pytest.approx((2 * fraction) ** 2 / 12 + 1e-6, rel=0.25)
    np.testing.assert_allclose(local[3:], 1e-6, rtol=0.4)
    grouped = local_spectrum(data, frame[:, 0], count, num_blocks=3)
    assert grouped.multiplicities.tolist() == [2, 1, 7]


def test_the_nearest_are_taken(rng):
    data = rng.normal(size=(50, 3))
    order = np.argsort(np.linalg.norm(data - data[7], axis=1))
    for count in (2, 9, 50):
        expected = Manifold.from_data(data[order[:count]])
        np.testing.assert_allclose(local_spectrum(data, data[7], count).variances, expected.variances, rtol=1e-10)


@pytest.mark.parametrize(
    ("x", "count", "message"),
    [
        ([0.0, 0.0], 1, "num_neighbours is 1; it must be a whole number from 2"),
        ([0.0, 0.0], 6, "num_neighbours is 6"),
        ([0.0, 0.0], True, "num_neighbours is True"),
        ([0.0], 3, r"x has shape \(1,\); it must be a finite point of 2 coordinates"),
        ([0.0, np.nan], 3, "finite point"),
    ],
)
def test_bad_points(x, count, message):
    with pytest.raises(InputError, match=message):
        local_spectrum(np.arange(10.0).reshape(5, 2), x, count)
