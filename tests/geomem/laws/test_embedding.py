"""Embedded data: geometry of the sphere, moments of the features, and local spectra in units of their error bars."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem import InputError, Manifold, local_covariance, local_spectrum, on_sphere, tanh_features

FLAT = Manifold([0.04, 0.01, 0.0025], [1, 1, 1])
RADIUS = 5.0
SPHERE = partial(on_sphere, key=jax.random.key(1), radius=RADIUS)


def test_arcs_from_the_pole_are_as_long_as_the_points():
    points = Manifold([1.0], [4]).sample(jax.random.key(0), 500)
    embedded = SPHERE(points)
    assert embedded.shape == (500, 5)
    np.testing.assert_allclose(jnp.linalg.norm(embedded, axis=1), RADIUS, rtol=1e-14)
    pole = SPHERE(jnp.zeros((1, 4)))[0]
    arcs = RADIUS * jnp.arccos(embedded @ pole / RADIUS**2)
    np.testing.assert_allclose(arcs, jnp.linalg.norm(points, axis=1), rtol=1e-7)
    np.testing.assert_allclose(SPHERE(points[:7]), embedded[:7], rtol=1e-12)
    assert not np.allclose(on_sphere(points, jax.random.key(2), radius=RADIUS), embedded)


def test_the_pole_is_uniform_on_the_sphere():
    """In D = 3 dimensions: every coordinate has variance R^2/D, and its square variance 2 (D - 1)/(D^2 (D + 2)) R^4."""
    keys = jax.random.split(jax.random.key(3), 4000)
    poles = np.asarray(jax.vmap(lambda key: on_sphere(jnp.zeros((1, 2)), key, radius=2.0)[0])(keys)) / 2
    assert np.abs(poles.mean(axis=0) / np.sqrt(1 / 3 / 4000)).max() < 4
    assert np.abs(((poles**2).mean(axis=0) - 1 / 3) / np.sqrt(4 / 45 / 4000)).max() < 4


def test_derivatives_at_the_pole_and_elsewhere():
    """The metric is that of polar coordinates, and the curvature -x x^T/R at the pole."""
    jacobian = jax.jit(jax.jacfwd(lambda x: SPHERE(x[None])[0]))
    pole = SPHERE(jnp.zeros((1, 3)))[0]
    at_pole = jacobian(jnp.zeros(3))
    np.testing.assert_allclose(at_pole.T @ at_pole, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(at_pole.T @ pole, 0, atol=1e-14)
    second = jax.jit(jax.jacfwd(jacobian))(jnp.zeros(3))
    np.testing.assert_allclose(jnp.einsum("i,ijk->jk", pole / RADIUS, second), -np.eye(3) / RADIUS, atol=1e-14)
    x = jnp.array([3.0, -2.0, 6.0])
    metric = jacobian(x).T @ jacobian(x)
    across = (np.sin(7 / RADIUS) / (7 / RADIUS)) ** 2
    np.testing.assert_allclose(metric, across * np.eye(3) + (1 - across) * np.outer(x, x) / 49, atol=1e-14)


def test_near_the_pole_the_local_spectrum_is_the_manifolds():
    """By the covariance of 20 000 embedded samples, whose variances have a relative error of sqrt(2/N).

    Curvature adds a direction of variance Var(|x|^2)/4R^2; where samples spread over the sphere, nothing is left.
    """
    count = 20_000
    points = FLAT.sample(jax.random.key(0), count)
    pole = np.asarray(SPHERE(jnp.zeros((1, 3)))[0])
    variances, error = np.asarray(FLAT.variances), np.sqrt(2 / count)
    near = np.asarray(local_spectrum(SPHERE(points), pole, count).variances)
    assert np.abs(near[:3] / variances - 1).max() < 4 * error
    curved = 2 * (variances**2).sum() / (4 * RADIUS**2)
    assert near[3] == pytest.approx(curved, rel=0.1)
    far = np.asarray(local_spectrum(SPHERE(20 * points), pole, count).variances)
    assert (np.abs(far[:3] / (400 * variances) - 1) > 20 * error).all()
    # The nearest samples are the same as in the flat space, and so is their spectrum, up to the curvature.
    some = 2000
    nearest = np.asarray(local_spectrum(SPHERE(points), pole, some).variances)
    flat = np.asarray(local_spectrum(points, np.zeros(3), some).variances)
    np.testing.assert_allclose(nearest[:3], flat, rtol=1e-3)


@pytest.mark.parametrize("embedding", [SPHERE, partial(tanh_features, key=jax.random.key(4), dims=6)])
def test_local_covariances_are_those_of_samples_close_by(embedding):
    """Every entry in units of its standard error, for a spread of 1e-3 of FLAT's."""
    count, point = 20_000, jnp.array([1.0, -0.5, 2.0])
    narrow = FLAT.with_variances(1e-6 * FLAT.variances)
    data = embedding(point[None, :] + narrow.sample(jax.random.key(5), count))
    measured = np.cov(data.T)
    expected = local_covariance(embedding, point, narrow)
    variances = np.diag(expected)
    error = np.sqrt((np.outer(variances, variances) + expected**2) / count)
    assert np.abs((measured - expected) / error).max() < 4.5
    assert np.linalg.matrix_rank(expected, hermitian=True, tol=1e-12) == 3


def test_features_of_one_point_have_the_moments_of_gaussian_fields():
    """W x is Gaussian of variance |x|^2/d; the moments of its tanh by quadrature, and those of W at the origin."""
    x, dims = jnp.array([2.0, -1.0, 0.5, 1.5]), 20_000
    embedding = partial(tanh_features, key=jax.random.key(6), dims=dims)
    features = np.asarray(embedding(x[None])[0])
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    squares = np.tanh(np.sqrt(7.5 / 4) * nodes) ** 2
    mean = (weights @ squares) / weights.sum()
    spread = np.sqrt((weights @ squares**2) / weights.sum() - mean**2)
    assert abs((features**2).mean() - mean) < 4 * spread / np.sqrt(dims)
    assert abs(features.mean()) < 4 * np.sqrt(mean / dims)
    at_origin = np.asarray(jax.jacfwd(lambda x: embedding(x[None])[0])(jnp.zeros(4)))
    moments = at_origin.T @ at_origin / dims
    error = np.sqrt((1 + np.eye(4)) / dims) / 4
    assert np.abs((moments - np.eye(4) / 4) / error).max() < 4


def test_features_are_a_function_of_the_point_and_the_key():
    points = Manifold([1.0], [3]).sample(jax.random.key(0), 20)
    one = tanh_features(points, jax.random.key(7), dims=9)
    np.testing.assert_allclose(tanh_features(points[:4], jax.random.key(7), dims=9), one[:4], rtol=1e-12)
    assert not np.allclose(tanh_features(points, jax.random.key(8), dims=9), one)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SPHERE(np.zeros(3)), r"the points have shape \(3,\); they must be a table"),
        (lambda: SPHERE([["a"]]), "points: .* is not a number"),
        (lambda: on_sphere(np.zeros((2, 3)), jax.random.key(0), radius=0.0), "radius is 0.0; it must be a finite"),
        (lambda: on_sphere(np.zeros((2, 3)), jax.random.key(0), radius=np.inf), "radius is inf"),
        (lambda: on_sphere(np.zeros((2, 3)), jax.random.key(0), radius=[1.0]), r"radius is \[1.0\]"),
        (lambda: tanh_features(np.zeros((2, 0)), jax.random.key(0), dims=3), r"the points have shape \(2, 0\)"),
        (lambda: tanh_features(np.zeros((2, 3)), jax.random.key(0), dims=0), "dims is 0; it must be a whole number"),
        (lambda: local_covariance(SPHERE, np.zeros(2), FLAT), r"shape \(2,\); it must have 3 coordinates"),
        (lambda: local_covariance(SPHERE, np.zeros(1), Manifold([1.0], [1], normalized=True)), "normalized=False"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
