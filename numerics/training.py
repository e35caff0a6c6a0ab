"""Training of score networks: variance exploding, predicting the noise, averaged weights.

The recipe is that of arXiv:2410.08727, which draws sigma log-uniformly and minimizes the mean squared error of the
noise by RAdam; the score is that of an exponential moving average of the weights. Several trainings of equal shape
run together. What step k does depends on the weights before it, the key and k alone.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from numerics.files import output_folder
from numerics.manifold import check_data
from numerics.networks import MLP, Network, UNet, initial_weights, network_score
from numerics.passes import shared_mesh
from numerics.progress import bar
from numerics.provenance import described, digest, key_record, provenance
from numerics.solution import Numbers
from numerics.status import InputError
from numerics.training_checkpoint import load_checkpoint, save_checkpoint

try:
    import optax
except ImportError as error:
    raise InputError("training needs equinox and optax; install 'geomem[train]'") from error

_ROW = 1000  # steps that one row of the history averages over
_DRAWN = 50  # steps at most whose draws are made at once; step by step they would add half to the time
_DRAWN_NUMBERS = 1 << 22  # that are drawn at once, at most
_HELD_OUT = 4096  # noised points of the held-out loss, the same ones every time
_SAVE_EVERY = 30.0  # seconds


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What is trained, and how: by default as published (arXiv:2410.08727), but for the inputs of the network.

    Args:
        network: its architecture, `MLP` or `UNet`.
        num_steps: how long; a training that has come so far may go on with more.
        batch_size: noised points of one step, drawn with replacement.
        points_per_level: how many of them share a noise level. The embedding of sigma, most of the work of an `MLP`,
            is done once per level. 1 and independent levels is the published choice; here they are one in each of
            equal intervals of ln sigma.
        learning_rate: of RAdam.
        ema_decay: of the moving average of the weights, in one step.
        sigma_min, sigma_max: between which the noise's standard deviation is log-uniform.

    Raises:
        InputError: for a number outside its range.
    """

    network: MLP | UNet
    num_steps: int
    batch_size: int = 128
    points_per_level: int = 8
    learning_rate: float = 1e-4
    ema_decay: float = 0.9999
    sigma_min: float = 0.01
    sigma_max: float = 50.0

    def __post_init__(self) -> None:
        for name in ("num_steps", "batch_size", "points_per_level"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} is {value!r}; it must be a positive integer")
        if self.batch_size % self.points_per_level:
            raise InputError(
                f"batch_size is {self.batch_size}; it must be a multiple of points_per_level, {self.points_per_level}"
            )
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate is {self.learning_rate}; it must be positive")
        if not 0 <= self.ema_decay < 1:
            raise InputError(f"ema_decay is {self.ema_decay}; it must be at least 0 and below 1")
        # Their squares are float32 numbers.
        if not 1e-18 <= self.sigma_min < self.sigma_max <= 1e18:
            raise InputError(
                f"sigma runs from {self.sigma_min} to {self.sigma_max}; give sigma_min < sigma_max, from 1e-18 to 1e18"
            )


class Trained(NamedTuple):
    """A trained score and how it came about.

    `score` takes points (n, dims) and one noise variance t to scores (n, dims), in float64, as `measure_spectrum`
    wants it. `history` has over `step` the mean `loss` of the steps since the row before, `loss_error`, its standard
    error, and with held-out data `held_out_loss` and `held_out_loss_error`, of the averaged weights at that step.
    `step` is the number of steps that are done.
    """

    score: Callable[[Numbers, Numbers], Array]
    history: xr.Dataset
    step: int


class _State(NamedTuple):
    """Everything that a step changes; every leaf has a first axis over the trainings."""

    network: Network
    average: Network
    optimizer: optax.OptState
    sum: Array  # of the losses since the last row of the history
    squares: Array
    failed: Array  # the first step whose loss or weights are not finite, -1 for none


class _Reached(NamedTuple):
    """How far the trainings are; rows of the history are (trainings, 4) numbers."""

    step: int
    state: _State
    steps: tuple[int, ...]
    rows: tuple[np.ndarray, ...]


class _Data(NamedTuple):
    """Data sets of several trainings, padded to the largest."""

    samples: Array
    sizes: Array


def train(
    config: TrainConfig,
    data: Numbers,
    key: Array,
    *,
    directory: str | Path,
    held_out: Numbers | None = None,
    mesh: Mesh | None = None,
    progress: bool = True,
) -> Trained:
    """Train a score network on a data set.

    A checkpoint in `directory` is written every half minute, at the end and on an interruption; a call with the same
    arguments goes on from it, also one that asks for more steps. The result is the same, to the bit, as without the
    interruption.

    Args:
        config: architecture, steps and rates.
        data: samples, (samples, dims), of order one or divided by what makes them so.
        key: for the initial weights and everything drawn.
        directory: folder for the checkpoint, made if need be.
        held_out: more samples of the same law, whose loss is recorded.
        mesh: devices that share every batch, along its only axis; one device by default.
        progress: whether to show it.

    Raises:
        InputError: for data that do not fit the network or hold NaN, a checkpoint that is damaged, further than
            `num_steps` or of another training, a folder that cannot be written, or a loss that is not finite. The
            last good checkpoint is kept.
    """
    others = None if held_out is None else [held_out]
    return train_group(config, [data], [key], directory=directory, held_out=others, mesh=mesh, progress=progress)[0]


def train_group(
    config: TrainConfig,
    datasets: Sequence[Numbers],
    keys: Sequence[Array] | Array,
    *,
    directory: str | Path,
    held_out: Sequence[Numbers] | None = None,
    names: Sequence[str] | None = None,
    mesh: Mesh | None = None,
    progress: bool = True,
) -> tuple[Trained, ...]:
    """Train several networks together, each on its own data set of any size and with its own key.

    Each is, up to rounding, the one that `train` gives. The arguments are those of `train`, one data set, key and, if
    given, held-out set for each; and `names`, what errors call them.

    Raises:
        InputError: as `train`, or if the numbers of data sets, keys or held-out sets differ.
    """
    tables = [_table(data, f"data set {number}") for number, data in enumerate(datasets)]
    others = (
        None if held_out is None else [_table(data, f"held-out set {number}") for number, data in enumerate(held_out)]
    )
    keys = list(keys)
    _check_group(config, tables, others, keys, mesh := shared_mesh(mesh))
    identity = _identity(config, tables, others, keys)
    file = output_folder(directory) / "training.npz"
    initial, steps_key, held_out_key = jnp.stack([jax.random.split(key, 3) for key in keys], axis=1)
    everywhere = NamedSharding(mesh, PartitionSpec())
    state = _initial_states(_static(config), tables[0].shape[1], initial)
    reached = _Reached(*load_checkpoint(file, identity, state)) if file.exists() else _Reached(0, state, (), ())
    if reached.step > config.num_steps:
        raise InputError(
            f"the checkpoint {str(file)!r} has {reached.step} steps and num_steps is {config.num_steps}; ask for more, "
            f"or name another directory"
        )
    reached = reached._replace(state=jax.device_put(reached.state, everywhere))
    place = partial(jax.device_put, device=everywhere)
    samples, draw_keys = place(_padded(tables)), place(steps_key)
    block = max(1, min(_DRAWN, _DRAWN_NUMBERS // (len(keys) * config.batch_size * tables[0].shape[1])))

    def held_out_loss(state: _State) -> np.ndarray:
        if others is None:
            return np.full((2, len(keys)), np.nan)
        return np.asarray(_held_out_loss(_static(config), state.average, padded_others, held_out_key))

    padded_others = None if others is None else _padded(others)
    saved_at = time.monotonic()
    try:
        with bar(progress, "steps", config.num_steps) as report:
            report(reached.step)
            while (first := reached.step) < config.num_steps:
                ends = (first // block + 1) * block, (first // _ROW + 1) * _ROW, config.num_steps
                last = min(ends)
                state = _advance(_static(config), mesh, block, reached.state, samples, draw_keys, first, last)
                _refuse_failed(np.asarray(state.failed), file, names)
                steps, rows = reached.steps, reached.rows
                if last % _ROW == 0:
                    steps, rows = (*steps, last), (*rows, _row(state, _ROW, held_out_loss(state)))
                    state = state._replace(sum=jnp.zeros_like(state.sum), squares=jnp.zeros_like(state.squares))
                # One assignment, so that an interruption finds a state with its number of steps.
                reached = _Reached(last, state, steps, rows)
                report(last)
                if time.monotonic() - saved_at > _SAVE_EVERY or last == config.num_steps:
                    save_checkpoint(file, identity, *reached)
                    saved_at = time.monotonic()
    except KeyboardInterrupt:
        save_checkpoint(file, identity, *reached)
        raise
    steps, rows = reached.steps, reached.rows
    if rest := reached.step % _ROW:
        steps, rows = (*steps, reached.step), (*rows, _row(reached.state, rest, held_out_loss(reached.state)))
    history = np.stack(rows)
    return tuple(
        Trained(
            network_score(jax.tree.map(lambda leaf, member=member: leaf[member], reached.state.average)),
            _history(steps, history[:, member], provenance(_record(identity, member, config)), others is not None),
            reached.step,
        )
        for member in range(len(keys))
    )


def _table(data: Numbers, name: str) -> np.ndarray:
    try:
        return np.asarray(check_data(data), dtype=np.float32)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error


def _check_group(
    config: TrainConfig, tables: list[np.ndarray], others: list[np.ndarray] | None, keys: list[Array], mesh: Mesh
) -> None:
    counts = {len(tables), len(keys), len(tables if others is None else others)}
    if counts != {len(tables)} or not tables:
        raise InputError(
            f"there are {len(tables)} data sets and {len(keys)} keys"
            + ("" if others is None else f" and {len(others)} held-out sets")
            + "; give one of each per training"
        )
    dims = {table.shape[1] for table in [*tables, *(others or [])]}
    if len(dims) > 1:
        raise InputError(f"the data have {', '.join(map(str, sorted(dims)))} dimensions; a group needs equal ones")
    levels = config.batch_size // config.points_per_level
    if levels % mesh.size:
        raise InputError(
            f"a batch has {levels} noise levels, which {mesh.size} devices cannot share equally; change batch_size"
        )


def _record(identity: dict[str, Any], member: int, config: TrainConfig) -> dict[str, object]:
    """The inputs of one training of the group."""
    own = {name: values[member] for name, values in identity.items() if isinstance(values, list)}
    return {"config": identity["config"] | {"num_steps": config.num_steps}} | own


def _identity(
    config: TrainConfig, tables: list[np.ndarray], others: list[np.ndarray] | None, keys: list[Array]
) -> dict[str, Any]:
    """What a checkpoint must share with the call that goes on from it: all but the number of steps."""
    named = config_record(config)
    del named["num_steps"]
    identity = {
        "config": named,
        "data_sha256": [digest(table) for table in tables],
        "key": [key_record(key) for key in keys],
        "held_out_sha256": [None if others is None else digest(others[place]) for place in range(len(tables))],
    }
    return json.loads(json.dumps(identity))


def config_record(config: TrainConfig) -> dict[str, Any]:
    """What a record says of a training's configuration."""
    return asdict(config) | {"network": {"kind": type(config.network).__name__} | asdict(config.network)}


def _static(config: TrainConfig) -> TrainConfig:
    """The configuration for compiled functions, which do not depend on the number of steps."""
    return replace(config, num_steps=1)


@partial(jax.jit, static_argnums=(0, 1))
def _initial_states(config: TrainConfig, dims: int, keys: Array) -> _State:
    def of_one(key: Array) -> _State:
        network = initial_weights(config.network, dims, key)
        optimizer = _optimizer(config).init(jax.tree.leaves(network))
        return _State(network, network, optimizer, jnp.zeros(()), jnp.zeros(()), jnp.full((), -1))

    return jax.vmap(of_one)(keys)


def _optimizer(config: TrainConfig) -> optax.GradientTransformation:
    return optax.radam(config.learning_rate)


def _padded(tables: list[np.ndarray]) -> _Data:
    longest = max(map(len, tables))
    samples = np.stack([np.pad(table, ((0, longest - len(table)), (0, 0))) for table in tables])
    return _Data(jnp.asarray(samples), jnp.asarray([len(table) for table in tables]))


def _draw(config: TrainConfig, data: _Data, key: Array, step: Array) -> tuple[Array, Array, Array]:
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


@partial(jax.jit, static_argnums=(0, 1, 2))
def _advance(
    config: TrainConfig, mesh: Mesh, block: int, state: _State, data: _Data, keys: Array, first: Array, last: Array
) -> _State:
    """Steps `first` to `last`, which lie in one block of the steps whose draws are made together.

    A step's draws are in the same place of its block wherever a call starts, so that they are equal to the bit. The
    buffers of the old state are not donated: an interruption must find it whole.
    """
    axis = mesh.axis_names[0]
    optimizer = _optimizer(config)

    def step(state: _State, batch: tuple[Array, Array, Array], number: Array) -> _State:
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
        return _State(network, average, optimizer_state, state.sum + value, state.squares + value**2, failed)

    @partial(jax.shard_map, mesh=mesh, in_specs=(PartitionSpec(),) * 5, out_specs=PartitionSpec(), check_vma=False)
    def share(state: _State, data: _Data, keys: Array, first: Array, last: Array) -> _State:
        start = first // block * block

        def own_part(drawn: Array) -> Array:
            size = drawn.shape[1] // mesh.size
            return jax.lax.dynamic_slice_in_dim(drawn, jax.lax.axis_index(axis) * size, size, axis=1)

        def draws(data: _Data, key: Array) -> tuple[Array, Array, Array]:
            drawn = jax.vmap(lambda number: _draw(config, data, key, number))(start + jnp.arange(block))
            return jax.tree.map(own_part, drawn)

        drawn = jax.tree.map(lambda part: jnp.swapaxes(part, 0, 1), jax.vmap(draws)(data, keys))

        def one(number: Array, state: _State) -> _State:
            batch = jax.tree.map(lambda part: part[number - start], drawn)
            return jax.vmap(step, in_axes=(0, 0, None))(state, batch, number)

        state = jax.lax.fori_loop(first, last, one, state)
        finite = [jnp.isfinite(leaf).reshape(len(keys), -1).all(axis=1) for leaf in jax.tree.leaves(state.network)]
        whole = jnp.all(jnp.stack(finite), axis=0)
        return state._replace(failed=jnp.where((state.failed < 0) & ~whole, last, state.failed))

    return share(state, data, keys, jnp.asarray(first), jnp.asarray(last))


@partial(jax.jit, static_argnums=0)
def _held_out_loss(config: TrainConfig, average: Network, data: _Data, keys: Array) -> Array:
    """Mean and standard error (2, trainings) over the same noised points at every call."""

    def of_one(average: Network, data: _Data, key: Array) -> Array:
        def batch(number: Array) -> Array:
            return jnp.mean(_losses(average, *_draw(config, data, key, number)))

        # Points of a batch share noise levels; batches are independent.
        means = jax.lax.map(batch, jnp.arange(max(2, _HELD_OUT // config.batch_size))).astype(float)
        return jnp.stack([jnp.mean(means), jnp.std(means, ddof=1) / math.sqrt(len(means))])

    return jax.vmap(of_one, out_axes=1)(average, data, keys)


def _row(state: _State, num_steps: int, held_out: np.ndarray) -> np.ndarray:
    """A row of the history, (trainings, 4), of the losses of so many steps."""
    mean = np.asarray(state.sum) / num_steps
    spread = np.maximum(np.asarray(state.squares) / num_steps - mean**2, 0)
    error = np.sqrt(spread / (num_steps - 1)) if num_steps > 1 else np.full_like(mean, np.nan)
    return np.stack([mean, error, *held_out], axis=1)


def _refuse_failed(failed: np.ndarray, file: Path, names: Sequence[str] | None) -> None:
    if (failed >= 0).any():
        member = int(np.argmax(failed >= 0))
        name = f"training {member}" if names is None else names[member]
        kept = f"; the checkpoint {str(file)!r} of an earlier step is kept" if file.exists() else ""
        raise InputError(
            f"{name} is no longer finite at step {failed[member]}; lower the learning rate or scale the "
            f"data to order one{kept}"
        )


def _history(steps: tuple[int, ...], rows: np.ndarray, record: str, held_out: bool) -> xr.Dataset:
    meanings = {
        "loss": "mean squared error of the noise since the row before",
        "loss_error": "its standard error",
        "held_out_loss": "mean squared error of the noise on held-out data, averaged weights",
        "held_out_loss_error": "its standard error",
    }
    names = list(meanings)[: 4 if held_out else 2]
    return xr.Dataset(
        {name: ("step", rows[:, column], described(meanings[name], "1")) for column, name in enumerate(names)},
        {"step": ("step", np.array(steps), described("steps done", "1"))},
        {"provenance": record},
    )
