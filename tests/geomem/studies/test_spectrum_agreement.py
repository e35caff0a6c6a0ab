"""A measured spectrum held against the law of its sorted values."""

import jax
import numpy as np
import pytest
import xarray as xr
from scipy.stats import kstest

from geomem import EmpiricalScore, InputError, Manifold, compare, measure_spectrum, predicted_spectrum
from tests.reference.sorted_spectra import values

VARIANCES, COUNTS = [1.0, 0.1], [4, 8]
MANIFOLD = Manifold(VARIANCES, COUNTS)
DIMS = sum(COUNTS)
TIME, SIZE = 1.0, 500


def law(size: float = SIZE, **changes) -> xr.Dataset:
    arguments = {"noise_variance": [TIME], "num_samples": size, "theory": "finite_n"} | changes
    return predicted_spectrum(MANIFOLD, **arguments)


def spectrum(row: np.ndarray, time: float = TIME) -> xr.Dataset:
    return xr.Dataset({"singular_value": (("noise_variance", "index"), row[None])}, {"noise_variance": [time]})


@pytest.mark.slow  # compiles for some seconds
def test_p_values_of_drawn_data_sets_are_uniform_and_those_of_another_size_are_not():
    """200 data sets; more than 100 samples are active."""
    rng, deviations = np.random.default_rng(5), np.repeat(np.sqrt(VARIANCES), COUNTS)
    rows = [values("central_difference", rng.standard_normal((SIZE, DIMS)) * deviations, TIME, rng) for _ in range(200)]
    own, twice, half = law(), law(2 * SIZE), law(SIZE / 2)
    assert float(own.active_samples[0]) > 100
    found = [compare(spectrum(row), own) for row in rows]
    assert kstest([one.attrs["p_value"] for one in found], "uniform").pvalue > 0.01
    assert np.mean([one.attrs["reduced_chi_square"] for one in found]) == pytest.approx(1, abs=0.2)
    for other in (twice, half):
        chances = [compare(spectrum(row), other).attrs["p_value"] for row in rows[:80]]
        assert kstest(chances, "uniform").pvalue < 1e-4


@pytest.mark.slow  # draws two thousand spectra
def test_p_values_of_normalized_data_sets_are_uniform_and_those_of_another_size_are_not():
    rng, deviations = np.random.default_rng(6), np.repeat(np.sqrt(VARIANCES), COUNTS)
    rows = [rng.standard_normal((SIZE, DIMS)) * deviations for _ in range(100)]
    rows = [row / np.linalg.norm(row, axis=1, keepdims=True) for row in rows]
    found = [values("jacobian", row, 0.1, rng) for row in rows]
    sphere = Manifold(VARIANCES, COUNTS, normalized=True)
    own, twice = (
        predicted_spectrum(sphere, noise_variance=[0.1], num_samples=size, theory="finite_n", protocol="jacobian")
        for size in (SIZE, 2 * SIZE)
    )
    chances = [[float(compare(spectrum(row, 0.1), one).p_value[0]) for row in found] for one in (own, twice)]
    assert kstest(chances[0], "uniform").pvalue > 0.01
    assert kstest(chances[1], "uniform").pvalue < 1e-4


def test_a_measured_spectrum_agrees_with_its_law_and_not_with_another():
    times = [0.6, 1.2, 2.4]
    data = MANIFOLD.sample(jax.random.key(0), SIZE)
    arguments = {"protocol": "central_difference", "key": jax.random.key(1)}
    measured = measure_spectrum(EmpiricalScore(data), np.zeros(DIMS), times, **arguments)
    found = compare(measured, law(noise_variance=times[::-1]))
    assert found.z.dims == ("noise_variance", "index")
    np.testing.assert_array_equal(found.noise_variance, times)
    assert found.attrs["p_value"] == pytest.approx(min(1.0, 3 * float(found.p_value.min())))
    assert found.attrs["p_value"] > 0.01
    assert abs(found.attrs["log_time_shift"]) < 0.3
    assert np.isnan(found.attrs["log_time_shift_error"])
    assert compare(measured, law(30 * SIZE, noise_variance=times)).attrs["p_value"] < 1e-6


def test_out_of_validity_nothing_is_judged():
    predicted = law(100, noise_variance=[1e-3])
    found = compare(spectrum(predicted.singular_value.values[0], 1e-3), predicted)
    assert np.isnan(found.p_value).all()
    assert np.isnan(found.attrs["p_value"])
    np.testing.assert_allclose(found.z, 0.0, atol=1e-12)


def test_what_is_no_pair_is_refused():
    row, own = np.linspace(1, 0.1, DIMS), law()
    with pytest.raises(InputError, match="no law of sorted values"):
        compare(spectrum(row), predicted_spectrum(MANIFOLD, noise_variance=[TIME], theory="population"))
    with pytest.raises(InputError, match=r"nothing is predicted at noise variance 0\.4"):
        compare(spectrum(row, 0.4), own)
    with pytest.raises(InputError, match="has 5 values, the predicted one 12"):
        compare(spectrum(row[:5]), own)
    with pytest.raises(InputError, match="2 replicates of one data set"):
        compare(spectrum(row).expand_dims(replicate=2), own)
    frames = measure_spectrum(
        EmpiricalScore(np.eye(DIMS)), np.zeros(DIMS), [TIME], protocol="orthogonal_frame", key=jax.random.key(0)
    )
    with pytest.raises(InputError, match="measured by orthogonal_frame, the law is that of central_difference"):
        compare(frames, own)
    with pytest.raises(InputError, match="what was measured is no spectrum"):
        compare(xr.Dataset({"value": ("noise_variance", [1.0])}, {"noise_variance": [TIME]}), own)
