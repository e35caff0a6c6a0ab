"""One pass over samples that need not fit in memory: a fold, in chunks, over devices and processes.

A chunk is handed to the devices, which fold their shares of it tile by tile; what they hold
is merged once, at the end. The fold's state is all there is to save and to go on from.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeGuard, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from geomem.core.arguments import as_table, refuse_size, whole_number
from geomem.core.frames import SupportsArray
from geomem.core.parallel import shared_mesh
from geomem.core.progress import bar
from geomem.core.status import InputError
from geomem.files.checkpoint import Checkpoint, checkpoint_path
from geomem.files.data import open_samples

# An array, a frame or a tensor, a source of `load_data`, or chunks of samples.
Samples = Array | np.ndarray | SupportsArray | str | Path | Iterable
State = TypeVar("State")
# step(context, state, samples of a tile, their rows) and merge(context, state, state); a row of -1 is no sample.
Step = Callable[..., State]
Merge = Callable[..., State]
_CHUNK_BYTES = 1 << 25
_SAVE_EVERY = 10.0  # seconds


class PassOptions(NamedTuple):
    """How a pass goes over the samples; what it computes does not depend on them."""

    chunk_size: int | None = None
    checkpoint: str | Path | None = None
    mesh: Mesh | None = None


def fold_samples(
    step: Step,
    merge: Merge,
    context: object,
    zero: State,
    data: Samples,
    dims: int,
    tile: int,
    options: PassOptions,
) -> State:
    """Fold `step` over all samples, starting from `zero`, which merges with any state without changing it.

    Raises:
        InputError: if the data are no table of finite real numbers of so many dimensions, or the
            options do not fit.
    """
    source = _open(data)
    if _sized(source) and len(source) == 0:
        raise InputError("the data are empty; a Gibbs average needs at least one sample")
    mesh = shared_mesh(options.mesh)
    shares, rows = mesh.size, _rows_of_a_chunk(options.chunk_size, dims, len(source) if _sized(source) else None)
    tile = min(tile, -(-rows // shares))
    tiles = -(-rows // (shares * tile))
    rows = shares * tiles * tile
    everywhere = NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    local = [place for place, device in enumerate(mesh.devices.ravel()) if device.process_index == jax.process_index()]
    low, high = local[0] * tiles * tile, (local[-1] + 1) * tiles * tile
    state = jax.tree.map(
        lambda leaf: jax.make_array_from_callback((shares, *leaf.shape), everywhere, lambda _: np.asarray(leaf)[None]),
        zero,
    )
    saved, reached = None, (0, state)
    if options.checkpoint is not None:
        saved = _Kept(options.checkpoint, _identity(context, source, rows, state))
        reached = saved.load(state, everywhere)
    try:
        with bar("samples", len(source) if _sized(source) else None) as report:
            report(reached[0])
            for first, chunk in _chunks(source, rows, reached[0], dims):
                # Of a mapped file, each process reads its own share only.
                own = _finite(chunk[low:high], first + low)
                samples = np.zeros((high - low, dims), dtype=own.dtype)
                samples[: len(own)] = own
                index = np.where(np.arange(high - low) < len(own), np.arange(first + low, first + high), -1)
                placed = (
                    jax.make_array_from_process_local_data(everywhere, part, (shares, *part.shape[1:]))
                    for part in (samples.reshape(-1, tiles, tile, dims), index.reshape(-1, tiles, tile))
                )
                # One assignment, so that an interruption finds a state with the number of samples in it.
                reached = (first + len(chunk), _update(step, mesh, context, reached[1], *placed))
                report(reached[0])
                if saved is not None:
                    saved.keep(*reached)
        if reached[0] == 0:
            raise InputError("the data are empty; a Gibbs average needs at least one sample")
        # Here processes meet, and here it shows if one is gone.
        total = jax.block_until_ready(_merged(merge, mesh, context, reached[1]))
    except BaseException:
        if saved is not None and reached[0] > 0:
            saved.keep(*reached, now=True)
        raise
    if saved is not None:
        saved.remove()
    return total


@partial(jax.jit, static_argnums=(0, 1))
def _update(step: Step, mesh: Mesh, context: object, state: State, chunk: Array, index: Array) -> State:
    axis = PartitionSpec(mesh.axis_names)

    @partial(jax.shard_map, mesh=mesh, in_specs=(PartitionSpec(), axis, axis, axis), out_specs=axis, check_vma=False)
    def shares(context: object, state: State, chunk: Array, index: Array) -> State:
        def one(state: State, tile: tuple[Array, Array]) -> tuple[State, None]:
            return step(context, state, tile[0].astype(float), tile[1]), None

        own = jax.tree.map(lambda leaf: leaf[0], state)
        own, _ = jax.lax.scan(one, own, (chunk[0], index[0]))
        return jax.tree.map(lambda leaf: leaf[None], own)

    return shares(context, state, chunk, index)


@partial(jax.jit, static_argnums=(0, 1))
def _merged(merge: Merge, mesh: Mesh, context: object, state: State) -> State:
    axis = PartitionSpec(mesh.axis_names)

    @partial(jax.shard_map, mesh=mesh, in_specs=(PartitionSpec(), axis), out_specs=PartitionSpec(), check_vma=False)
    def shares(context: object, state: State) -> State:
        gathered = jax.tree.map(lambda leaf: jax.lax.all_gather(leaf[0], mesh.axis_names[0]), state)
        parts = [jax.tree.map(lambda leaf, place=place: leaf[place], gathered) for place in range(mesh.size)]
        total = parts[0]
        for part in parts[1:]:
            total = merge(context, total, part)
        return total

    return shares(context, state)


def _rows_of_a_chunk(chunk_size: int | None, dims: int, num_samples: int | None) -> int:
    rows = max(1, _CHUNK_BYTES // (8 * dims)) if chunk_size is None else whole_number(chunk_size, "chunk_size", 1)
    return rows if num_samples is None else min(rows, num_samples)


def _sized(source: object) -> TypeGuard[np.ndarray]:
    return isinstance(source, np.ndarray)


def _open(data: Samples) -> np.ndarray | Iterable[np.ndarray]:
    """The samples as one array, in memory or mapped, or as chunks to come."""
    if isinstance(data, (str, Path)):
        return open_samples(data)
    if isinstance(data, (np.ndarray, jax.Array, list, tuple, SupportsArray)):
        return as_table(data)
    if not isinstance(data, Iterable):
        raise InputError(f"the data are of type {type(data).__name__}; give an array, a file or chunks")
    return data


def _chunks(
    source: np.ndarray | Iterable[np.ndarray], rows: int, start: int, dims: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Chunks of exactly so many samples, the last one smaller, from the sample `start` on."""
    parts = (source[first : first + rows] for first in range(start, len(source), rows)) if _sized(source) else source
    first = start if _sized(source) else 0
    waiting: list[np.ndarray] = []
    for part in parts:
        array = part if _sized(source) else as_table(part)
        if array.shape[1] != dims:
            raise InputError(f"the data have {array.shape[1]} dimensions but the probes {dims}")
        waiting.append(array)
        while sum(map(len, waiting)) >= rows:
            joined = np.concatenate(waiting) if len(waiting) > 1 else waiting[0]
            chunk, waiting = joined[:rows], [joined[rows:]]
            if first >= start:
                yield first, chunk
            first += len(chunk)
    rest = np.concatenate(waiting) if waiting else np.zeros((0, dims))
    if len(rest) and first >= start:
        yield first, rest


def _finite(samples: np.ndarray, first: int) -> np.ndarray:
    """The samples, if they are finite; the first one is that row of the data."""
    finite = np.isfinite(samples).all(axis=1)
    if not finite.all():
        row = first + int(np.argmin(finite))
        raise InputError(f"row {row} of the data holds NaN or infinity; remove or impute such rows")
    refuse_size(float(np.abs(samples).max(initial=0.0)), f"rows {first} to {first + len(samples) - 1} of the data")
    return samples


class _Kept:
    """The state of an unfinished pass, in a checkpoint.

    Of several processes each has a file of its own, with its part of the state.
    """

    def __init__(self, path: str | Path, identity: dict[str, object]) -> None:
        path = checkpoint_path(path)
        if jax.process_count() > 1:
            path = path.with_suffix(f".{jax.process_index()}.npz")
        self.checkpoint = Checkpoint(
            path, identity, "remove it to start anew", "belongs to another pass; remove it or name another"
        )
        self.saved_at = time.monotonic()

    def load(self, state: State, sharding: NamedSharding) -> tuple[int, State]:
        """How many samples are done, and the state after them; the given one if nothing was saved.

        Raises:
            InputError: if the file is damaged or belongs to another pass.
        """
        if not self.checkpoint.path.exists():
            return 0, state
        leaves, tree = jax.tree.flatten(state)
        done, values, _ = self.checkpoint.load([_own_part(leaf) for leaf in leaves])
        parts = (
            jax.make_array_from_process_local_data(sharding, value, leaf.shape)
            for value, leaf in zip(values, leaves, strict=True)
        )
        return done, jax.tree.unflatten(tree, list(parts))

    def keep(self, done: int, state: object, now: bool = False) -> None:
        """Save, if it is time."""
        if now or time.monotonic() - self.saved_at >= _SAVE_EVERY:
            self.checkpoint.save(done, [_own_part(leaf) for leaf in jax.tree.leaves(state)])
            self.saved_at = time.monotonic()

    def remove(self) -> None:
        self.checkpoint.path.unlink(missing_ok=True)


def _identity(context: object, source: object, rows: int, state: object) -> dict[str, object]:
    """What tells a pass from others: its inputs, how samples are shared, and what is summed."""
    shapes = [leaf.shape for leaf in jax.tree.leaves(state)]
    digest = sha256(str((rows, jax.process_count(), source.shape if _sized(source) else "chunks", shapes)).encode())
    for leaf in jax.tree.leaves(context):
        digest.update(np.asarray(leaf).tobytes())
    if _sized(source):
        digest.update(np.ascontiguousarray(source[:1]).tobytes() + np.ascontiguousarray(source[-1:]).tobytes())
    return {"pass": digest.hexdigest()}


def _own_part(leaf: Array) -> np.ndarray:
    """The part of an array that lies on this process's devices, which share its first axis, a row each."""
    shards = sorted(leaf.addressable_shards, key=lambda shard: shard.index[0].start or 0)
    # Of an array without elements every device may hold all rows.
    return np.concatenate([np.asarray(shard.data) for shard in shards])[: len(shards)]
