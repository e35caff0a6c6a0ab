"""The local dimension: the slope of the log-density, its errors, and laws whose dimension is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem import InputError, Status, local_dimension
from tests.geomem.empirical.laws_of_dimension import DIMS, LAWS, plane, sphere

HALF = 1.96  # of a 95 % interval, in standard errors


def log_density(log_root, x, data):
    """ln p_t at t = exp(2 log_root), less what does not depend on t."""
    t = jnp.exp(2 * log_root)
    squares = jnp.sum((data - x[None, :]) ** 2, axis=1)
    return jax.scipy.special.logsumexp(-squares / (2 * t)) - len(x) * log_root


@pytest.mark.parametrize("t", [0.5, 3.0])
def test_it_is_the_slope_of_the_log_density(rng, t):
    data, points = rng.normal(size=(200, 4)), rng.normal(size=(5, 4))
    found = local_dimension(data, points, noise_variance=[t, 100.0]).value
    assert found.dims == ("noise_variance", "point")
    slope = jax.vmap(jax.grad(log_density), (None, 0, None))(0.5 * np.log(t), jnp.asarray(points), jnp.asarray(data))
    known = np.isfinite(found.values[0])
    assert known.any()
    np.testing.assert_allclose(found.values[0][known], 4 + np.asarray(slope)[known], rtol=1e-10)
    np.testing.assert_array_equal(local_dimension(data, points, noise_variance=t).value, found.values[0])


def test_errors_are_those_over_data_sets():
    """At one point of a plane: 80 data sets with 20 to 150 active samples."""
    found = [
        local_dimension(plane(np.random.default_rng(seed), 400)[0], np.zeros((1, DIMS)), noise_variance=0.1)
        for seed in range(80)
    ]
    values = np.array([one.value.item() for one in found])
    errors = np.array([(one.upper - one.value).item() / HALF for one in found])
    active = 1 / np.array([one.participation.item() for one in found])
    assert 20 < active.min() < active.max() < 150
    # Of a Gaussian the dimension is that of its spectrum: sum of s/(t + s).
    exact = np.sum([s / (0.1 + s) for s in (1.0, 0.5, 0.25)])
    assert abs(values.mean() - exact) < 4 * values.std() / np.sqrt(len(values)) + 0.05
    ratio = values.std() / np.sqrt(np.mean(errors**2))
    assert 0.7 < ratio < 1.15


def held(name: str, num_samples: int) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Dimension, values, and distances from it in halves of the interval, of 100 fresh points."""
    rng = np.random.default_rng(1)
    data, _ = LAWS[name](rng, num_samples)
    points, truth = LAWS[name](rng, 100)
    found = local_dimension(data, points)
    assert (found.status == Status.CONVERGED).all()
    value, half = found.value.values, (found.upper - found.value).values
    return [(k, value[truth == k], (value - k)[truth == k] / half[truth == k]) for k in np.unique(truth).tolist()]


@pytest.mark.parametrize("name", list(LAWS))
def test_laws_of_known_dimension(name):
    """In units of the reported error; at the ends of square, cube, disc and stick too, where it is hardest."""
    for dimension, value, distances in held(name, 2000):
        assert np.mean(np.abs(distances) < 1) >= 0.9
        assert abs(np.median(distances)) < 0.4
        assert abs(np.median(value) - dimension) < 0.15 * dimension


@pytest.mark.long  # ten passes over 100 000 samples for every law
@pytest.mark.parametrize("name", list(LAWS))
def test_laws_of_known_dimension_with_many_samples(name):
    for dimension, value, distances in held(name, 100_000):
        assert np.mean(np.abs(distances) < 1) >= 0.9
        assert abs(np.median(value) - dimension) < 0.08 * dimension


def test_directions_around_the_data_do_not_matter(rng):
    points = sphere(rng, 600)[0][:, :3]
    frame = np.linalg.qr(rng.normal(size=(100, 100)))[0][:3]
    few, many = (local_dimension(data[:500], data[500:]) for data in (points, 7 + 3 * points @ frame))
    np.testing.assert_allclose(many.value, few.value, rtol=1e-6)
    np.testing.assert_allclose(many.chosen_noise_variance, 9 * few.chosen_noise_variance, rtol=1e-6)


def test_where_single_samples_carry_the_score_there_is_no_value():
    """At a sample it would be zero, and far larger than the dimension elsewhere."""
    data, _ = sphere(np.random.default_rng(0), 500)
    points = np.concatenate([data[:5], sphere(np.random.default_rng(1), 5)[0]])
    found = local_dimension(data, points, noise_variance=1e-4)
    assert np.isnan(found.value).all()
    assert (found.status == Status.NOT_CONVERGED).all()
    assert (np.abs(local_dimension(data, points).value - 2) < 1).all()


def test_a_point_of_the_data_does_not_find_itself(rng):
    data, _ = sphere(rng, 500)
    without = local_dimension(data[1:], data[:1], noise_variance=0.1)
    np.testing.assert_allclose(local_dimension(data, data[:1], noise_variance=0.1).value, without.value, rtol=1e-12)


def test_a_plateau_is_that_of_the_scale_asked_for(rng):
    """A line that is thick: of one dimension from afar, of three at the scale of its thickness."""
    data = np.pad(rng.uniform(-10, 10, (20_000, 1)), ((0, 0), (0, DIMS - 1)))
    data[:, 1:3] = 0.3 * rng.normal(size=(len(data), 2))
    points = np.pad(rng.uniform(-5, 5, (20, 1)), ((0, 0), (0, DIMS - 1)))
    found = local_dimension(data, points, noise_variance=[3.0, 0.01])
    exact = np.array([1 + 2 * 0.09 / (t + 0.09) for t in (3.0, 0.01)])
    assert (np.abs(found.value.mean("point") - exact) < [0.05, 0.3]).all()


@pytest.mark.parametrize(
    ("data", "points", "noise_variance", "said"),
    [
        (np.ones((50, 2)), np.ones((1, 2)), None, "all samples are the same"),
        (np.eye(30), np.eye(30), None, "the data have 30 rows; a local dimension needs at least 40"),
        (np.eye(50), np.ones((1, 2)), None, r"points has the shape \(1, 2\)"),
        (np.eye(50), np.full((1, 50), np.nan), None, "points holds NaN"),
        (np.eye(50), np.ones((0, 50)), None, "no points"),
        (np.eye(50), np.ones((1, 50)), -1.0, "positive"),
        (np.full((50, 1), np.nan), np.ones((1, 1)), None, "row 0 of the data holds NaN"),
    ],
)
def test_bad_input(data, points, noise_variance, said):
    with pytest.raises(InputError, match=said):
        local_dimension(data, points, noise_variance=noise_variance)
