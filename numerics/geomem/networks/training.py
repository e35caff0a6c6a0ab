"""Training of score networks: variance exploding, predicting the noise, averaged weights.

The recipe is that of arXiv:2410.08727, which draws sigma log-uniformly and minimizes the mean squared error of the
noise by RAdam; the score is that of an exponential moving average of the weights. Several trainings of equal shape
run together. What step k does depends on the weights before it, the key and k alone.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from geomem.core.arguments import Numbers, check_data, check_key
from geomem.core.opening import as_path
from geomem.core.parallel import shared_mesh
from geomem.core.progress import bar
from geomem.core.progress import progress as showing
from geomem.core.provenance import digest, key_record, provenance
from geomem.core.results import described
from geomem.core.status import InputError
from geomem.files.checkpoint import Checkpoint
from geomem.files.writing import check_output, output_folder
from geomem.networks.architectures import network_score
from geomem.networks.config import TrainConfig, config_record
from geomem.networks.steps import TrainingState, advance, held_out_loss, initial_states, pad_sets, steps_of_a_block

_ROW = 1000  # steps that one row of the history averages over
_SAVE_EVERY = 30.0  # seconds


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


class _Reached(NamedTuple):
    """How far the trainings are; rows of the history are (trainings, 4) numbers."""

    step: int
    state: TrainingState
    steps: tuple[int, ...]
    rows: tuple[np.ndarray, ...]


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
    check_key(key)
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
    tables = _checked_sets(datasets, "data set")
    others = None if held_out is None else _checked_sets(held_out, "held-out set")
    keys = list(keys)
    _check_group(config, tables, others, keys, mesh := shared_mesh(mesh))
    identity = _identity(config, tables, others, keys)
    file = as_path(directory, "the directory") / "training.npz"
    check_output(file.parent, [file.name])
    saved = Checkpoint(
        file,
        identity,
        "remove it or name another directory",
        "is of another training, with another {difference}; name another directory",
    )
    initial, steps_key, held_out_key = jnp.stack([jax.random.split(key, 3) for key in keys], axis=1)
    everywhere = NamedSharding(mesh, PartitionSpec())
    recipe = replace(config, num_steps=1)  # of compiled functions, which do not depend on the number of steps
    state = initial_states(recipe, tables[0].shape[1], initial)
    reached = _resumed(saved, state) if file.exists() else _Reached(0, state, (), ())
    if reached.step > config.num_steps:
        raise InputError(
            f"the checkpoint {str(file)!r} has {reached.step} steps and num_steps is {config.num_steps}; ask for more, "
            f"or name another directory"
        )
    reached = reached._replace(state=jax.device_put(reached.state, everywhere))
    place = partial(jax.device_put, device=everywhere)
    samples, draw_keys = place(pad_sets(tables)), place(steps_key)
    padded_others = None if others is None else pad_sets(others)
    block = steps_of_a_block(config, len(keys), tables[0].shape[1])

    def loss_held_out(state: TrainingState) -> np.ndarray:
        if padded_others is None:
            return np.full((2, len(keys)), np.nan)
        return np.asarray(held_out_loss(recipe, state.average, padded_others, held_out_key))

    saved_at = time.monotonic()
    try:
        with showing(progress), bar("steps", config.num_steps) as report:
            report(reached.step)
            while (first := reached.step) < config.num_steps:
                ends = (first // block + 1) * block, (first // _ROW + 1) * _ROW, config.num_steps
                last = min(ends)
                state = advance(recipe, mesh, block, reached.state, samples, draw_keys, first, last)
                _refuse_failed(np.asarray(state.failed), file, names)
                steps, rows = reached.steps, reached.rows
                if last % _ROW == 0:
                    steps, rows = (*steps, last), (*rows, _history_row(state, _ROW, loss_held_out(state)))
                    state = state._replace(sum=jnp.zeros_like(state.sum), squares=jnp.zeros_like(state.squares))
                # One assignment, so that an interruption finds a state with its number of steps.
                reached = _Reached(last, state, steps, rows)
                report(last)
                if time.monotonic() - saved_at > _SAVE_EVERY or last == config.num_steps:
                    _save(saved, reached)
                    saved_at = time.monotonic()
    except KeyboardInterrupt:
        _save(saved, reached)
        raise
    steps, rows = reached.steps, reached.rows
    if rest := reached.step % _ROW:
        steps, rows = (*steps, reached.step), (*rows, _history_row(reached.state, rest, loss_held_out(reached.state)))
    history = np.stack(rows)
    return tuple(
        Trained(
            network_score(jax.tree.map(lambda leaf, member=member: leaf[member], reached.state.average)),
            _history(steps, history[:, member], provenance(_record(identity, member, config)), others is not None),
            reached.step,
        )
        for member in range(len(keys))
    )


def _save(saved: Checkpoint, reached: _Reached) -> None:
    """Write how far the trainings are, if they have begun; of several processes the first one writes."""
    if jax.process_index() == 0 and reached.step > 0:
        output_folder(saved.path.parent)
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(reached.state)]
        rows = np.array(reached.rows, dtype=float)
        saved.save(reached.step, leaves, steps=np.array(reached.steps, dtype=int), rows=rows)


def _resumed(saved: Checkpoint, state: TrainingState) -> _Reached:
    """How far they were; their state is of the form of this one."""
    leaves, tree = jax.tree.flatten(state)
    step, values, (steps, rows) = saved.load(leaves, ("steps", "rows"))
    return _Reached(step, jax.tree.unflatten(tree, values), tuple(steps.tolist()), tuple(rows))


def _checked_sets(datasets: Sequence[Numbers], kind: str) -> list[np.ndarray]:
    """The data sets in float32; an error says which one is wrong."""
    tables = []
    for number, data in enumerate(datasets):
        try:
            tables.append(np.asarray(check_data(data), dtype=np.float32))
        except InputError as error:
            raise InputError(f"{kind} {number}: {error}") from error
    return tables


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
    return {
        "config": named,
        "data_sha256": [digest(table) for table in tables],
        "key": [key_record(key) for key in keys],
        "held_out_sha256": [None if others is None else digest(others[place]) for place in range(len(tables))],
    }


def _refuse_failed(failed: np.ndarray, file: Path, names: Sequence[str] | None) -> None:
    if (failed >= 0).any():
        member = int(np.argmax(failed >= 0))
        name = f"training {member}" if names is None else names[member]
        kept = f"; the checkpoint {str(file)!r} of an earlier step is kept" if file.exists() else ""
        raise InputError(
            f"{name} is no longer finite at step {failed[member]}; lower the learning rate or scale the "
            f"data to order one{kept}"
        )


def _history_row(state: TrainingState, num_steps: int, held_out: np.ndarray) -> np.ndarray:
    """A row of the history, (trainings, 4), of the losses of so many steps."""
    mean = np.asarray(state.sum) / num_steps
    spread = np.maximum(np.asarray(state.squares) / num_steps - mean**2, 0)
    error = np.sqrt(spread / (num_steps - 1)) if num_steps > 1 else np.full_like(mean, np.nan)
    return np.stack([mean, error, *held_out], axis=1)


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
