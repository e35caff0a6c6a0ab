"""Networks: float32 inside, float64 outside, one value of sigma for many points, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem import MLP, InputError, ResNet, UNet, measure_spectrum
from geomem.networks.architectures import initial_weights, network_score

KEY = jax.random.key(0)
SMALL = {
    "mlp": (MLP(width=16, num_blocks=2, embedding=8, embedding_width=16), 6),
    "published": (MLP(width=16, embedding=8, embedding_width=16, scale_inputs=False, embed_logarithm=False), 6),
    "unet": (UNet(image_shape=(4, 4, 2), channels=8, num_levels=2, embedding=8, embedding_width=16), 32),
    "resnet": (ResNet(image_shape=(4, 4, 2), channels=6, num_blocks=2, embedding=8, embedding_width=16), 32),
}


# Compiled whole; operation by operation it takes longer.
made = jax.jit(initial_weights, static_argnums=(0, 1))
noise = jax.jit(lambda network, x, sigma: network(x, sigma))


@pytest.fixture(scope="module", params=SMALL)
def network_and_dims(request):
    config, dims = SMALL[request.param]
    return made(config, dims, KEY), dims


@pytest.mark.slow  # compiles for some seconds
def test_weights_are_float32_and_all_matter(network_and_dims):
    network, dims = network_and_dims
    x, sigma = jax.random.normal(jax.random.key(1), (6, dims), jnp.float32), jnp.array([0.1, 1.0, 10.0], jnp.float32)
    slopes = jax.jit(jax.grad(lambda network: jnp.sum(network(x, sigma) ** 2)))(network)
    for leaf in jax.tree.leaves(slopes):
        assert leaf.dtype == jnp.float32
        assert jnp.abs(leaf).max() > 0


def test_points_share_levels_in_turn(network_and_dims):
    network, dims = network_and_dims
    x, sigma = jax.random.normal(jax.random.key(1), (6, dims), jnp.float32), jnp.array([0.1, 1.0, 10.0], jnp.float32)
    shared = noise(network, x, sigma)
    np.testing.assert_allclose(shared, noise(network, x, jnp.repeat(sigma, 2)), rtol=1e-4, atol=1e-5)
    assert jnp.abs(shared - noise(network, x, sigma[::-1])).max() > 1e-3


@pytest.mark.slow  # compiles for some seconds
def test_score_is_float64_of_any_points_and_follows_its_derivative(network_and_dims):
    network, dims = network_and_dims
    score, x = network_score(network), np.random.default_rng(0).normal(size=(dims, dims))
    value = score(x, 0.25)
    assert value.dtype == jnp.float64
    assert value.shape == x.shape
    np.testing.assert_allclose(value[1], score(x[1:2], 0.25)[0], rtol=1e-4, atol=1e-5)
    slope = jax.jit(jax.jacfwd(lambda y: score(y[None], jnp.array(0.25))[0]))(jnp.asarray(x[0]))
    step = 1e-2 * np.eye(dims)
    difference = (score(x[0] + step, 0.25) - score(x[0] - step, 0.25)) / 2e-2
    np.testing.assert_allclose(difference.T, slope, atol=2e-3 * float(jnp.abs(slope).max()) + 1e-4)


@pytest.mark.parametrize("protocol", ["jacobian", "orthogonal_frame", "central_difference"])
def test_spectra_are_measured(network_and_dims, protocol):
    network, dims = network_and_dims
    spectrum = measure_spectrum(network_score(network), np.zeros(dims), [0.01, 1.0], protocol=protocol, key=KEY)
    assert np.isfinite(spectrum.singular_value).all()


@pytest.mark.parametrize("sigmas", [(0.003, 0.004), (20.0, 25.0)])
def test_the_embedding_tells_noise_levels_apart(sigmas):
    """Of neighbouring levels at both ends the network sees different things, not so with sigma itself."""
    x, change = jnp.ones((1, 6), jnp.float32), {}
    for name in ("mlp", "published"):
        network = made(*SMALL[name], KEY)
        one, other = (network.embedding(jnp.array([sigma], jnp.float32)) for sigma in sigmas)
        change[name] = float(jnp.abs(one - other).max())
        assert noise(network, x, jnp.array(sigmas[:1], jnp.float32)).shape == (1, 6)
    assert change["mlp"] > 0.01
    assert sigmas[0] > 1 or change["published"] < 0.1 * change["mlp"]


def test_a_pixel_sees_its_receptive_field_and_nothing_else():
    config = ResNet(image_shape=(9, 9, 1), channels=4, num_blocks=1, embedding=8, embedding_width=8)
    network, sigma = made(config, 81, KEY), jnp.ones(1, jnp.float32)
    slopes = jax.jit(jax.grad(lambda x: network(x[None], sigma)[0, 40]))(jnp.linspace(-1, 1, 81, dtype=jnp.float32))
    seen = np.abs(np.arange(9) - 4) <= config.receptive_field // 2
    np.testing.assert_array_equal(np.asarray(slopes != 0).reshape(9, 9), seen[:, None] & seen)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP(width=0), "width is 0"),
        (lambda: MLP(num_blocks=True), "num_blocks is True"),
        (lambda: MLP(embedding=7), "must be even"),
        (lambda: UNet(image_shape=(8, 8, 0)), "three positive integers"),
        (lambda: UNet(image_shape=(8, 6, 1)), "cannot be halved 2 times"),
        (lambda: UNet(channels=12), "multiple of 8"),
        (lambda: MLP(width=10**10), "must be a positive integer up to 65536"),
        (lambda: ResNet(num_blocks=0), "num_blocks is 0"),
        (lambda: ResNet(image_shape=(8, 8, 0)), "three positive integers"),
        (lambda: initial_weights(ResNet(image_shape=(8, 8, 1)), 63, KEY), "63 dimensions .* 64"),
        (lambda: initial_weights(UNet(image_shape=(8, 8, 1)), 63, KEY), "63 dimensions .* 64"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()
