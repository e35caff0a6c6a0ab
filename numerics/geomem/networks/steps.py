"""The compiled steps of a training: draws, losses, gradients and averages, of several trainings together."""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array

from geomem.core.kinds import refuse_beyond_memory
from geomem.core.status import InputError
from geomem.networks.architectures import Network, initial_weights
from geomem.networks.config import TrainConfig

try:
    import optax
except ImportError as error:
    raise InputError("training needs equinox and optax; install 'geomem[train]'") from error

_DRAWN = 50  # steps at most whose draws are made at once; step by step they would add half to the time
_DRAWN_NUMBERS = 1 << 22  # that are drawn at once, at most
_HELD_OUT = 4096  # noised points of the held-out loss, the same ones every time


class TrainingState(NamedTuple):
    """Everything that a step changes; every leaf has a first axis over the trainings."""

    network: Network
    average: Network
    optimizer: optax.OptState
    sum: Array  # of the losses since the last row of the history
    squares: Array
    failed: Array  # the first step whose loss or weights are not finite, -1 for none


class PaddedSets(NamedTuple):
    """Data sets of several trainings, padded to the largest."""

    samples: Array
    sizes: Array


def initial_states(config: TrainConfig, dims: int, keys: Array) -> TrainingState:
    """Trainings that have made no step, one for each key.

    Raises:
        InputError: if this machine's memory does not hold them.
    """
    form = jax.tree.leaves(jax.eval_shape(partial(_initial_states, config, dims), keys))
    count = sum(leaf.size * leaf.dtype.itemsize for leaf in form) / jnp.dtype(float).itemsize
    # A step makes new ones beside the old ones.
    refuse_beyond_memory(2 * count, f"the weights of {len(keys)} networks, their averages and the optimizer's")
    return _initial_states(config, dims, keys)


@partial(jax.jit, static_argnums=(0, 1))
def _initial_states(config: TrainConfig, dims: int, keys: Array) -> TrainingState:

    def of_one(key: Array) -> TrainingState:
        network = initial_weights(config.network, dims, key)
        optimizer = _optimizer(config).init(jax.tree.leaves(network))
        # Of a type of its own, as it is read from a checkpoint: a weak one would have the steps compiled again then.
        return TrainingState(network, network, optimizer, jnp.zeros(()), jnp.zeros(()), jnp.full((), -1, int))

    return jax.vmap(of_one)(keys)


def _optimizer(config: TrainConfig) -> optax.GradientTransformation:
    return optax.radam(config.learning_rate)


def pad_sets(tables: list[np.ndarray]) -> PaddedSets:
    """The data sets (samples, dims) with rows of zeros, which are never drawn."""
    longest = max(map(len, tables))
    samples = np.stack([np.pad(table, ((0, longest - len(table)), (0, 0))) for table in tables])
    return PaddedSets(jnp.asarray(samples), jnp.asarray([len(table) for table in tables]))


def _draw(config: TrainConfig, data: PaddedSets, key: Array, step: Array) -> tuple[Array, Array, Array]:
    """A step's samples (batch, dims), noise standard deviations (levels,) and noise (batch, dims)."""
    row, level, noise = jax.random.split(jax.random.fold_in(key, step), 3)
    rows = jax.random.randint(row, (config.batch_size,), 0, data.sizes)
    levels = config.batch_size // config.points_per_level
    low, width = math.log(config.sigma_min), math.log(config.sigma_max / config.sigma_min)
    # One level in each of equal intervals: its mean over ln sigma has less noise.
    places = jnp.arange(levels, dtype=jnp.float32) + jax.random.uniform(level, (levels,), jnp.float32)
    sigma = jnp.exp(low + width / levels * places)
    omega = jax.random.normal(noise, (config.batch_size, data.samples.shape[1]), jnp.float32)
    return data.samples[rows], sigma, omega


def _losses(network: Network, samples: Array, sigma: Array, omega: Array) -> Array:
    """Squared error of the predicted noise, per dimension, of every noised point."""
    noise = jnp.repeat(sigma, len(samples) // len(sigma))[:, None] * omega
    return jnp.mean((network(samples + noise, sigma) - omega) ** 2, axis=1)


def steps_of_a_block(config: TrainConfig, num_trainings: int, dims: int) -> int:
    """Steps whose draws are made together."""
    return max(1, min(_DRAWN, _DRAWN_NUMBERS // (num_trainings * config.batch_size * dims)))


@partial(jax.jit, static_argnums=(0, 1, 2))
def advance(
    config: TrainConfig,
    mesh: Mesh,
    block: int,
    state: TrainingState,
    data: PaddedSets,
    keys: Array,
    first: Array,
    last: Array,
) -> TrainingState:
    """Steps `first` to `last`, which lie in one block of the steps whose draws are made together.

    A step's draws are in the same place of its block wherever a call starts, so that they are equal to the bit. The
    buffers of the old state are not donated: an interruption must find it whole.
    """
    axis = mesh.axis_names[0]
    optimizer = _optimizer(config)

    def step(state: TrainingState, batch: tuple[Array, Array, Array], number: Array) -> TrainingState:
        def mean_loss(network: Network) -> Array:
            return jnp.mean(_losses(network, *batch))

        leaves, tree = jax.tree.flatten(state.network)
        value, slope = jax.lax.pmean(jax.value_and_grad(mean_loss)(state.network), axis)
        with jax.numpy_dtype_promotion("standard"):  # Optax raises floats to powers of integers
            changes, optimizer_state = optimizer.update(jax.tree.leaves(slope), state.optimizer, leaves)
        network = jax.tree.unflatten(tree, map(jnp.add, leaves, jax.tree.leaves(changes)))
        average = jax.tree.map(lambda old, new: old + (1 - config.ema_decay) * (new - old), state.average, network)
        failed = jnp.where((state.failed < 0) & ~jnp.isfinite(value), number + 1, state.failed)
        value = value.astype(float)
        return TrainingState(network, average, optimizer_state, state.sum + value, state.squares + value**2, failed)

    @partial(jax.shard_map, mesh=mesh, in_specs=(PartitionSpec(),) * 5, out_specs=PartitionSpec(), check_vma=False)
    def share(state: TrainingState, data: PaddedSets, keys: Array, first: Array, last: Array) -> TrainingState:
        start = first // block * block

        def own_part(drawn: Array) -> Array:
            size = drawn.shape[1] // mesh.size
            return jax.lax.dynamic_slice_in_dim(drawn, jax.lax.axis_index(axis) * size, size, axis=1)

        def draws(data: PaddedSets, key: Array) -> tuple[Array, Array, Array]:
            drawn = jax.vmap(lambda number: _draw(config, data, key, number))(start + jnp.arange(block))
            return jax.tree.map(own_part, drawn)

        drawn = jax.tree.map(lambda part: jnp.swapaxes(part, 0, 1), jax.vmap(draws)(data, keys))

        def one(number: Array, state: TrainingState) -> TrainingState:
            batch = jax.tree.map(lambda part: part[number - start], drawn)
            return jax.vmap(step, in_axes=(0, 0, None))(state, batch, number)

        state = jax.lax.fori_loop(first, last, one, state)
        finite = [jnp.isfinite(leaf).reshape(len(keys), -1).all(axis=1) for leaf in jax.tree.leaves(state.network)]
        whole = jnp.all(jnp.stack(finite), axis=0)
        return state._replace(failed=jnp.where((state.failed < 0) & ~whole, last, state.failed))

    return share(state, data, keys, jnp.asarray(first), jnp.asarray(last))


@partial(jax.jit, static_argnums=0)
def held_out_loss(config: TrainConfig, average: Network, data: PaddedSets, keys: Array) -> Array:
    """Mean and standard error (2, trainings) over the same noised points at every call."""

    def of_one(average: Network, data: PaddedSets, key: Array) -> Array:
        def batch(number: Array) -> Array:
            return jnp.mean(_losses(average, *_draw(config, data, key, number)))

        # Points of a batch share noise levels; batches are independent.
        means = jax.lax.map(batch, jnp.arange(max(2, _HELD_OUT // config.batch_size))).astype(float)
        return jnp.stack([jnp.mean(means), jnp.std(means, ddof=1) / math.sqrt(len(means))])

    return jax.vmap(of_one, out_axes=1)(average, data, keys)
