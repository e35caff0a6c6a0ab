"""How long a sweep will take, as some of its work takes here and now."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array

from geomem.core.parallel import shared_mesh
from geomem.networks.architectures import network_score
from geomem.networks.config import TrainConfig
from geomem.networks.measures import Traceable
from geomem.networks.steps import advance, initial_states, pad_sets, steps_of_a_block

_BLOCKS = 3  # of steps that are timed


class Cost(NamedTuple):
    """What is left to do, and the seconds that each part of it takes."""

    networks: int
    steps: int  # of all networks together
    of_step: float
    measurements: int
    of_measurements: float  # all of them
    of_data: float  # what is measured of the empirical score

    @property
    def seconds(self) -> float:
        return self.steps * self.of_step + self.of_measurements + self.of_data

    @property
    def sentence(self) -> str:
        """What is said before it begins."""
        parts = []
        if self.steps:
            parts.append(f"{self.steps} steps of {self.networks} networks at {_duration(self.of_step)} a step")
        if self.measurements:
            each = self.of_measurements / self.measurements
            parts.append(f"{self.measurements} measurements of them at {_duration(each)}")
        if self.of_data:
            parts.append(f"those of the empirical score, {_duration(self.of_data)}")
        return f"about {_duration(self.seconds)} on a machine as busy as now: {', '.join(parts)}"


def timed_step(config: TrainConfig, tables: Sequence[np.ndarray], keys: Array) -> tuple[float, Traceable]:
    """Seconds that a step of all trainings takes once it is compiled, and the score of a network without any."""
    mesh, dims = shared_mesh(None), tables[0].shape[1]
    place = NamedSharding(mesh, PartitionSpec())
    # The same function, on data of the same shapes in the same place, as is compiled for the training.
    recipe, block = replace(config, num_steps=1), steps_of_a_block(config, len(tables), dims)
    samples = jax.device_put(pad_sets([np.asarray(table, np.float32) for table in tables]), place)
    initial, steps_key = (jax.device_put(part, place) for part in jnp.stack([keys, keys]))
    state = jax.device_put(initial_states(recipe, dims, initial), place)
    score = network_score(jax.tree.map(lambda leaf: leaf[0], state.average))

    def steps_of_block(_: int) -> None:
        jax.block_until_ready(advance(recipe, mesh, block, state, samples, steps_key, 0, block))

    # Once compiled, and several times: a block is short, and a busy machine is not always as busy.
    seconds = [_first_and_second(steps_of_block, 0)[1] for _ in range(_BLOCKS)]
    return float(np.median(seconds)) / block, score


def timed_over_sizes(measure: Callable[[int], Any], sizes: Sequence[int]) -> float:
    """Seconds of a measurement of every member, of these sizes, if they grow in proportion to the size.

    Timed are the smallest and the largest, once compiled; what is compiled for the sizes between them is counted too.
    """
    _, low = _first_and_second(measure, int(np.argmin(sizes)))
    if min(sizes) == max(sizes):
        return len(sizes) * low
    compiling, high = _first_and_second(measure, int(np.argmax(sizes)))
    between = len(set(sizes)) - 2
    return float(np.interp(sizes, [min(sizes), max(sizes)], [low, high]).sum()) + between * compiling


def _first_and_second(measure: Callable[[int], Any], member: int) -> tuple[float, float]:
    """Seconds that a measurement takes at first more than afterwards, and afterwards."""
    start = time.monotonic()
    measure(member)
    between = time.monotonic()
    measure(member)
    end = time.monotonic()
    return max(0.0, 2 * between - start - end), end - between


def _duration(seconds: float) -> str:
    """A duration as one says it."""
    for size, unit in ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "s"), (1e-3, "ms")):
        if seconds >= 1.5 * size or unit == "ms":
            return f"{seconds / size:.2g} {unit}" if seconds < 100 * size else f"{seconds / size:.0f} {unit}"
    raise AssertionError
