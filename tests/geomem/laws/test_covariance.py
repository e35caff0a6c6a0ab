"""What of a spectrum is rounding: data of known rank, in every precision."""

import jax
import numpy as np
import pytest

from geomem import Manifold, critical_times_of_data, local_spectrum, measure_resolved_dimension
from geomem.laws.covariance import variances_of_directions

PLANE = np.random.default_rng(0).normal(size=(500, 2)) * [1, 0.1] @ np.array([[1.0, 2, 3, 4], [4, -1, 2, 1]])


def _rounded(data: np.ndarray, narrow: type, held: bool) -> np.ndarray:
    """The data in so many digits, held by that type or by float64."""
    return data.astype(narrow) if held else data.astype(narrow).astype(float)


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("narrow", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shift", [0.0, 10.0])
def test_rounding_is_no_direction(narrow, held, shift):
    expected = Manifold.from_data(PLANE)
    assert expected.multiplicities.tolist() == [1, 1, 2]
    found = Manifold.from_data(_rounded(PLANE + shift, narrow, held))
    assert found.multiplicities.tolist() == [1, 1, 2]
    np.testing.assert_allclose(found.variances, expected.variances, rtol=10 * np.finfo(narrow).eps, atol=0)
    grouped = Manifold.from_data(_rounded(PLANE + shift, narrow, held), num_blocks=2)
    np.testing.assert_allclose(grouped.variances[:2], expected.variances[:2], rtol=10 * np.finfo(narrow).eps)


@pytest.mark.parametrize(
    ("shift", "narrow"), [(1e4, np.float32), (-3e6, np.float32), (1e7, np.float64), (1e12, np.float64)]
)
def test_data_far_from_the_origin_are_rounded_there(shift, narrow):
    found = variances_of_directions((10 * PLANE + shift).astype(narrow), center=True)
    np.testing.assert_array_equal(found[2:], 0)
    np.testing.assert_allclose(found[:2], 100 * variances_of_directions(PLANE, center=True)[:2], rtol=0.02)


@pytest.mark.parametrize("samples", [40, 300, 2000])
@pytest.mark.parametrize(("narrow", "shift"), [(np.float16, 0.0), (np.float16, 3.0), (np.float32, 100.0)])
def test_the_rank_of_rounded_data_is_found(rng, narrow, shift, samples):
    data = rng.normal(size=(samples, 5)) @ rng.normal(size=(5, 60)) + shift
    for center in (True, False):
        found = variances_of_directions(data.astype(narrow), center)
        assert np.count_nonzero(found) == 5 + (shift != 0 and not center)


def test_products_in_float32_are_rounded_many_times(rng):
    factors = (rng.normal(size=(1000, 100)).astype(np.float32), rng.normal(size=(100, 300)).astype(np.float32))
    assert np.count_nonzero(variances_of_directions(factors[0] @ factors[1], center=True)) == 100


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize(("narrow", "least"), [(np.float16, 1e-4), (np.float32, 1e-8), (np.float32, 1e-12)])
def test_small_variances_are_no_rounding(rng, narrow, least, held):
    turned, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    data = rng.normal(size=(2000, 6)) * np.sqrt([1, 1, 1, 1, 0.1, least])
    for exact in (data, data @ turned):
        found = variances_of_directions(_rounded(exact, narrow, held), center=True)
        np.testing.assert_allclose(found, variances_of_directions(exact, center=True), rtol=0.05)


def test_columns_of_unlike_scales_have_unlike_rounding(rng):
    """A small column is exact beside large ones whose rounding is larger than it."""
    plane = (1e6 * PLANE).astype(np.float32)
    data = np.column_stack([plane, (1e-3 * rng.normal(size=500)).astype(np.float32)])
    found = variances_of_directions(data, center=True)
    assert found[2] == pytest.approx(data[:, 4].astype(float).var(), rel=0.05)
    np.testing.assert_array_equal(found[3:], 0)


def test_pixels_are_exact():
    rare = np.zeros((2000, 3))
    rare[:, 0] = np.arange(2000) % 256
    rare[7, 1] = rare[9, 2] = 1
    for scale in (1.0, 1 / 256):
        assert (variances_of_directions(rare * scale, center=True) > 0).all()


def test_rounding_is_found_part_by_part(monkeypatch):
    data = (PLANE + 30).astype(np.float32)
    whole = variances_of_directions(data, center=True)
    monkeypatch.setattr("geomem.core.arguments._PART", 60)
    np.testing.assert_allclose(variances_of_directions(data, center=True), whole, rtol=1e-9)
    assert np.count_nonzero(whole) == 2


def test_all_that_read_data_see_the_same_directions(rng):
    data = (PLANE + 3).astype(np.float32)
    assert local_spectrum(data, data[0], 50).multiplicities.tolist() == [1, 1, 2]
    asked = {"criterion": "participation", "theory": "gaussian_rem"}
    times = critical_times_of_data(data, num_resamples=40, key=jax.random.key(0), **asked)
    np.testing.assert_array_equal(times.multiplicity, [1, 1, 2])
    measured = measure_resolved_dimension(
        data, noise_variance=[1e-16, 1.0], num_samples=20, num_replicates=8, key=jax.random.key(0)
    )
    np.testing.assert_allclose(measured.local_variance, times.block_variance[:2], rtol=1e-9)
