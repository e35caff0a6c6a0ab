"""How long a sweep will take, as some of its work takes here and now."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array

from geomem.core.parallel import shared_mesh
from geomem.networks.architectures import network_score
from geomem.networks.config import TrainConfig
from geomem.networks.measures import Traceable
from geomem.networks.steps import advance, initial_states, pad_sets, steps_of_a_block

_TIMES = 3  # that steps are timed
_SECONDS = 1.0  # that a number of steps takes
_COMPILING = "/jax/core/compile/"  # events of JAX


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
    place = partial(jax.device_put, device=NamedSharding(mesh, PartitionSpec()))
    # What is compiled here is what trains: of the same functions, shapes and places.
    recipe, block = replace(config, num_steps=1), steps_of_a_block(config, len(tables), dims)
    samples = place(pad_sets([np.asarray(table, np.float32) for table in tables]))
    state, steps_key = place(initial_states(recipe, dims, keys)), place(keys)
    score = network_score(jax.tree.map(lambda leaf: leaf[0], state.average))

    def seconds(last: int) -> float:
        start = time.monotonic()
        jax.block_until_ready(advance(recipe, mesh, block, state, samples, steps_key, 0, last))
        return time.monotonic() - start

    seconds(1)  # compiles
    # A machine that others use is not always as busy.
    one = float(np.median([seconds(1) for _ in range(_TIMES)]))
    many = min(block, max(2, int(_SECONDS / one)))
    each = max(0.0, float(np.median([seconds(many) for _ in range(_TIMES)])) - one) / max(1, many - 1)
    # The first step of a block waits for the draws of all of them.
    return each + max(0.0, one - each) / block, score


def timed_over_sizes(measure: Callable[[int], Any], sizes: Sequence[int]) -> float:
    """Seconds of a measurement of every member, of these sizes, if they grow in proportion to the size.

    Timed are the smallest and the largest, without their compiling; that of the sizes between them is counted too.
    """
    _, low = _compiling_and_running(measure, int(np.argmin(sizes)))
    if min(sizes) == max(sizes):
        return len(sizes) * low
    compiling, high = _compiling_and_running(measure, int(np.argmax(sizes)))
    between = len(set(sizes)) - 2
    return float(np.interp(sizes, [min(sizes), max(sizes)], [low, high]).sum()) + between * compiling


def _compiling_and_running(measure: Callable[[int], Any], member: int) -> tuple[float, float]:
    """Seconds of a measurement in which JAX compiles, and those in which it does not."""
    spans = []

    def listener(event: str, duration_secs: float, **_: str | int) -> None:
        if event.startswith(_COMPILING):
            spans.append((time.monotonic() - duration_secs, time.monotonic()))

    start = time.monotonic()
    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        measure(member)
    finally:
        jax.monitoring.unregister_event_duration_listener(listener)
    total, compiling, until = time.monotonic() - start, 0.0, start
    for first, last in sorted(spans):  # one function is traced inside of another
        compiling, until = compiling + max(0.0, last - max(first, until)), max(last, until)
    return compiling, total - compiling


def _duration(seconds: float) -> str:
    """A duration as one says it."""
    for size, unit in ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "s"), (1e-3, "ms")):
        if seconds >= 1.5 * size or unit == "ms":
            return f"{seconds / size:.2g} {unit}" if seconds < 100 * size else f"{seconds / size:.0f} {unit}"
    raise AssertionError
