"""Networks that predict the noise in a point, and the scores they stand for.

Weights and arithmetic are float32, although float64 is the default elsewhere.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Float32

from geomem.core.arguments import Numbers
from geomem.core.status import InputError
from geomem.lowering import lower
from geomem.networks.config import GROUPS, MLP, ResNet, UNet

try:
    import equinox as eqx
except ImportError as error:
    raise InputError("networks need equinox and optax; install 'geomem[train]'") from error

# x less its predicted noise is the mean of the data that x may have come from.
_score_of_mean = jnp.vectorize(lower("empirical_score"))
# The longest and shortest wave of the embedding, in ln sigma: sigma from 0.003 to 50 is an interval of 9.7. Shorter
# waves than 1/2 would let the network change faster with sigma than the score of data does.
_WAVES = (40.0, 0.5)
_EPSILON = 1e-5  # of normalizations, as usual


def initial_weights(config: MLP | UNet | ResNet, dims: int, key: Array) -> "Network":
    """A network with random weights, drawn like PyTorch's: uniform, of variance 1/(3 inputs).

    Raises:
        InputError: if images have another number of pixels than points have coordinates.
    """
    if isinstance(config, MLP):
        return _MLP(config, dims, key)
    if math.prod(config.image_shape) != dims:
        raise InputError(
            f"the data have {dims} dimensions but images of shape {config.image_shape} have "
            f"{math.prod(config.image_shape)}; give their image_shape"
        )
    return _UNet(config, key) if isinstance(config, UNet) else _ResNet(config, key)


def network_score(network: "Network") -> Callable[[Numbers, Numbers], Array]:
    """The score of a network that predicts the noise, omega in x = y + sqrt(t) omega, as a callable (x, t) -> score.

    Points (n, dims) and a noise variance t to scores (n, dims), in float64; JAX can trace and differentiate it. It is
    a pytree, so that a compiled function that takes it is compiled once for all networks of one shape.
    """
    return Partial(_score, network)


@jax.jit
def _score(network: "Network", x: Array | np.ndarray, noise_variance: Array | float) -> Float[Array, "n d"]:
    points, time = jnp.asarray(x, dtype=float), jnp.asarray(noise_variance, dtype=float)
    sigma = jnp.sqrt(time)
    omega = network(points.astype(jnp.float32), sigma.astype(jnp.float32)[None])
    return _score_of_mean(time, points - sigma * omega.astype(float), points)


class _Linear(eqx.Module):
    """x W + b on the last axis."""

    weight: Array
    bias: Array

    def __init__(self, inputs: int, outputs: int, key: Array) -> None:
        bound = 1 / math.sqrt(inputs)
        one, other = jax.random.split(key)
        self.weight = jax.random.uniform(one, (inputs, outputs), jnp.float32, -bound, bound)
        self.bias = jax.random.uniform(other, (outputs,), jnp.float32, -bound, bound)

    def __call__(self, x: Array) -> Array:
        return x @ self.weight + jnp.expand_dims(self.bias, tuple(range(x.ndim - 1)))


class _Norm(eqx.Module):
    """Normalizes over all axes but the first, apart for each of so many groups of channels, the last axis."""

    scale: Array
    shift: Array
    groups: int = eqx.field(static=True)

    def __init__(self, channels: int, groups: int = 1) -> None:
        self.scale, self.shift = jnp.ones(channels, jnp.float32), jnp.zeros(channels, jnp.float32)
        self.groups = groups

    def __call__(self, x: Array) -> Array:
        grouped = x.reshape(*x.shape[:-1], self.groups, -1)
        over = (*range(1, x.ndim - 1), x.ndim)
        centered = grouped - jnp.mean(grouped, axis=over, keepdims=True)
        variance = jnp.mean(centered**2, axis=over, keepdims=True)
        normal = (centered * jax.lax.rsqrt(variance + _EPSILON)).reshape(x.shape)
        first = tuple(range(x.ndim - 1))
        return normal * jnp.expand_dims(self.scale, first) + jnp.expand_dims(self.shift, first)


class _Embedding(eqx.Module):
    """What the blocks see of sigma: sines and cosines, then a perceptron of two layers."""

    first: _Linear
    second: _Linear
    logarithm: bool = eqx.field(static=True)

    def __init__(self, size: int, width: int, logarithm: bool, key: Array) -> None:
        one, other = jax.random.split(key)
        self.first, self.second = _Linear(size, width, one), _Linear(width, width, other)
        self.logarithm = logarithm

    def __call__(self, sigma: Float32[Array, " rows"]) -> Float32[Array, "rows width"]:
        half = self.first.weight.shape[-2] // 2
        if self.logarithm:
            longest, shortest = _WAVES
            frequencies = 2 * np.pi / np.geomspace(longest, shortest, half)
            phases = jnp.log(sigma)[:, None] * jnp.asarray(frequencies, jnp.float32)[None]
        else:
            phases = sigma[:, None] * jnp.asarray(np.geomspace(1.0, 1e-4, half), jnp.float32)[None]
        waves = jnp.concatenate([jnp.sin(phases), jnp.cos(phases)], axis=1)
        return jax.nn.silu(self.second(jax.nn.silu(self.first(waves))))


class _Block(eqx.Module):
    """A residual block of the MLP; what it sees of sigma comes in as a shift."""

    norms: tuple[_Norm, _Norm]
    layers: tuple[_Linear, _Linear]

    def __init__(self, width: int, key: Array) -> None:
        one, other = jax.random.split(key)
        self.norms = (_Norm(width), _Norm(width))
        self.layers = (_Linear(width, width, one), _Linear(width, width, other))

    def __call__(self, x: Array, shift: Array) -> Array:
        hidden = self.layers[0](jax.nn.silu(self.norms[0](x))) + shift
        return x + self.layers[1](jax.nn.silu(self.norms[1](hidden)))


class _MLP(eqx.Module):
    embedding: _Embedding
    shifts: _Linear  # of all blocks, in one product
    first: _Linear
    blocks: tuple[_Block, ...]
    norm: _Norm
    last: _Linear
    scale_inputs: bool = eqx.field(static=True)

    def __init__(self, config: MLP, dims: int, key: Array) -> None:
        keys = jax.random.split(key, config.num_blocks + 4)
        width = config.width
        self.embedding = _Embedding(config.embedding, config.embedding_width, config.embed_logarithm, keys[0])
        self.shifts = _Linear(config.embedding_width, width * config.num_blocks, keys[1])
        self.first, self.last = _Linear(dims, width, keys[2]), _Linear(width, dims, keys[3])
        self.blocks = tuple(_Block(width, one) for one in keys[4:])
        self.norm = _Norm(width)
        self.scale_inputs = config.scale_inputs

    def __call__(self, x: Float32[Array, "n d"], sigma: Float32[Array, " rows"]) -> Float32[Array, "n d"]:
        """The noise predicted in points, of which the first n/rows share the first sigma, and so on."""
        shifts = jnp.split(_shared(self.shifts(self.embedding(sigma)), x), len(self.blocks), axis=1)
        hidden = self.first(_scaled(x, sigma) if self.scale_inputs else x)
        for block, shift in zip(self.blocks, shifts, strict=True):
            hidden = block(hidden, shift)
        return self.last(jax.nn.silu(self.norm(hidden)))


class _Convolution(eqx.Module):
    """A convolution of 3 by 3 pixels, zero outside of the image, as one matrix product, which it stays in a group."""

    layer: _Linear

    def __init__(self, inputs: int, outputs: int, key: Array) -> None:
        self.layer = _Linear(9 * inputs, outputs, key)

    def __call__(self, x: Array) -> Array:
        _, height, width, _ = x.shape
        padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        patches = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
        return self.layer(jnp.concatenate(patches, axis=3))


class _ImageBlock(eqx.Module):
    """A residual block of the U-Net."""

    norms: tuple[_Norm, _Norm]
    layers: tuple[_Convolution, _Convolution]
    shift: _Linear
    skip: _Linear

    def __init__(self, inputs: int, outputs: int, embedding: int, key: Array) -> None:
        keys = jax.random.split(key, 4)
        self.norms = (_Norm(inputs, GROUPS), _Norm(outputs, GROUPS))
        self.layers = (_Convolution(inputs, outputs, keys[0]), _Convolution(outputs, outputs, keys[1]))
        self.shift = _Linear(embedding, outputs, keys[2])
        self.skip = _Linear(inputs, outputs, keys[3])

    def __call__(self, x: Array, embedded: Array) -> Array:
        shift = self.shift(embedded)[:, None, None, :]
        hidden = self.layers[0](jax.nn.silu(self.norms[0](x)))
        hidden = hidden + jnp.broadcast_to(shift, hidden.shape)
        return self.skip(x) + self.layers[1](jax.nn.silu(self.norms[1](hidden)))


class _UNet(eqx.Module):
    embedding: _Embedding
    first: _Convolution
    down: tuple[_ImageBlock, ...]
    middle: _ImageBlock
    up: tuple[_ImageBlock, ...]
    norm: _Norm
    last: _Convolution
    image_shape: tuple[int, int, int] = eqx.field(static=True)

    def __init__(self, config: UNet, key: Array) -> None:
        keys = jax.random.split(key, 2 * config.num_levels + 4)
        channels, width, colours = config.channels, config.embedding_width, config.image_shape[2]
        sizes = [channels, *[2 * channels] * (config.num_levels - 1)]
        before, deepest = [channels, *sizes[:-1]], sizes[-1]
        self.embedding = _Embedding(config.embedding, width, True, keys[0])
        self.first, self.last = _Convolution(colours, channels, keys[1]), _Convolution(channels, colours, keys[2])
        self.middle = _ImageBlock(deepest, deepest, width, keys[3])
        levels = range(config.num_levels)
        self.down = tuple(_ImageBlock(before[n], sizes[n], width, keys[4 + 2 * n]) for n in levels)
        # On the way up every level sees what it held on the way down, too.
        self.up = tuple(_ImageBlock(2 * sizes[n], before[n], width, keys[5 + 2 * n]) for n in reversed(levels))
        self.norm = _Norm(channels, GROUPS)
        self.image_shape = config.image_shape

    def __call__(self, x: Float32[Array, "n d"], sigma: Float32[Array, " rows"]) -> Float32[Array, "n d"]:
        """The noise predicted in images, of which the first n/rows share the first sigma, and so on."""
        embedded = _shared(self.embedding(sigma), x)
        hidden = self.first(_scaled(x, sigma).reshape(-1, *self.image_shape))
        held = []
        for level, block in enumerate(self.down):
            hidden = block(_halved(hidden) if level else hidden, embedded)
            held.append(hidden)
        hidden = self.middle(hidden, embedded)
        for level, block in enumerate(self.up):
            hidden = _doubled(hidden) if level else hidden
            hidden = block(jnp.concatenate([hidden, held.pop()], axis=3), embedded)
        return self.last(jax.nn.silu(self.norm(hidden))).reshape(x.shape)


class _LocalBlock(eqx.Module):
    """A residual block of the network of convolutions alone: it normalizes every pixel apart."""

    norm: _Norm
    shift: _Linear
    layer: _Convolution

    def __init__(self, channels: int, embedding: int, key: Array) -> None:
        one, other = jax.random.split(key)
        self.norm, self.shift = _Norm(channels), _Linear(embedding, channels, one)
        self.layer = _Convolution(channels, channels, other)

    def __call__(self, x: Array, embedded: Array) -> Array:
        normal = self.norm(x.reshape(-1, x.shape[3])).reshape(x.shape)
        shift = jnp.broadcast_to(self.shift(embedded)[:, None, None, :], x.shape)
        return x + self.layer(jax.nn.silu(normal + shift))


class _ResNet(eqx.Module):
    embedding: _Embedding
    first: _Convolution
    blocks: tuple[_LocalBlock, ...]
    last: _Linear
    image_shape: tuple[int, int, int] = eqx.field(static=True)

    def __init__(self, config: ResNet, key: Array) -> None:
        keys = jax.random.split(key, config.num_blocks + 3)
        channels, width, colours = config.channels, config.embedding_width, config.image_shape[2]
        self.embedding = _Embedding(config.embedding, width, True, keys[0])
        self.first, self.last = _Convolution(colours, channels, keys[1]), _Linear(channels, colours, keys[2])
        self.blocks = tuple(_LocalBlock(channels, width, one) for one in keys[3:])
        self.image_shape = config.image_shape

    def __call__(self, x: Float32[Array, "n d"], sigma: Float32[Array, " rows"]) -> Float32[Array, "n d"]:
        """The noise predicted in images, of which the first n/rows share the first sigma, and so on."""
        embedded = _shared(self.embedding(sigma), x)
        hidden = self.first(_scaled(x, sigma).reshape(-1, *self.image_shape))
        for block in self.blocks:
            hidden = block(hidden, embedded)
        return self.last(hidden).reshape(x.shape)


Network = _MLP | _UNet | _ResNet


def _shared(of_levels: Array, x: Array) -> Array:
    """What belongs to every noise level, given to each of its points."""
    return jnp.repeat(of_levels, len(x) // len(of_levels), axis=0)


def _scaled(x: Array, sigma: Array) -> Array:
    return x / _shared(jnp.sqrt(1 + sigma**2), x)[:, None]


def _halved(x: Array) -> Array:
    """Means over squares of 2 by 2 pixels."""
    n, height, width, channels = x.shape
    return jnp.mean(x.reshape(n, height // 2, 2, width // 2, 2, channels), axis=(2, 4))


def _doubled(x: Array) -> Array:
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
