"""The rounding that data bring along: known data, rounded."""

import numpy as np
import pytest

from geomem.core.precision import column_means, rounding_variances


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("narrow", [np.float16, np.float32])
@pytest.mark.parametrize("shift", [0.0, 300.0])
def test_it_bounds_the_variance_of_rounding_by_a_small_factor(rng, narrow, held, shift):
    exact = rng.normal(size=(5000, 3)) * [1.0, 30.0, 0.5] + shift
    rounded = exact.astype(narrow)
    errors = np.mean((rounded.astype(float) - exact) ** 2, axis=0)
    bound = rounding_variances(rounded if held and narrow == np.float32 else rounded.astype(float))
    assert (errors < bound).all()
    assert (bound < 30 * errors).all()


def test_numbers_of_float64_have_its_precision(rng):
    data = rng.normal(size=(1000, 4))
    assert (rounding_variances(data) < 10 * np.finfo(float).eps ** 2).all()
    assert (rounding_variances(data * 1e160) > 0).all()
    assert np.isfinite(rounding_variances(data * 1e150)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_of_a_fixed_step_are_exact(rng, dtype):
    levels = rng.integers(0, 256, (1000, 5)) * np.array([1, 1 / 256, 0.5, 1 / 128, 4.0])
    halves = np.column_stack([rng.integers(-2047, 2047, 1000) / 2, np.arange(1000), np.ones(1000), np.zeros(1000)])
    counts = rng.integers(1024, 2048, (1000, 1))
    data = np.concatenate([levels, halves, counts], axis=1).astype(dtype)
    assert (rounding_variances(data) < 1e-14 * np.maximum(np.mean(data.astype(float) ** 2, axis=0), 1e-30)).all()


def test_each_column_has_its_own(rng):
    data = rng.normal(size=(1000, 3))
    mixed = np.column_stack([data[:, 0], data[:, 1].astype(np.float32), data[:, 2].astype(np.float16)])
    deviations = np.sqrt(rounding_variances(mixed) / np.mean(mixed**2, axis=0))
    expected = np.array([np.finfo(one).eps for one in (np.float64, np.float32, np.float16)])
    np.testing.assert_allclose(deviations, expected * np.sqrt([7 / 12, 7 / 12, 4 / 12]), rtol=1e-3)


def test_means_are_known_far_from_the_origin(rng):
    data = rng.integers(-100, 100, (1001, 3)) + 1e12
    np.testing.assert_array_equal(column_means(data), 1e12 + np.mean(data - 1e12, axis=0))


def test_parts_are_taken_together(rng, monkeypatch):
    data = (rng.normal(size=(1000, 3)) + 5).astype(np.float32)
    data[:500, 1] = 1  # what the first parts hold is of a narrower type
    whole = rounding_variances(data)
    monkeypatch.setattr("geomem.core.arguments._PART", 90)
    np.testing.assert_allclose(rounding_variances(data), whole, rtol=1e-12)
    np.testing.assert_allclose(column_means(data), data.mean(axis=0, dtype=float), rtol=1e-14)
