"""Lanes of work in threads, in few shapes: what is asked for many noise variances and sizes."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

# Noise variances and sizes are padded to multiples of these: few shapes are compiled.
TIMES, SIZES = 16, 16
# How many times as many panels are taken where the integrals do not converge.
_FINER = 2.5


def filled(values: Float[np.ndarray, " values"], multiple: int) -> Float[np.ndarray, " filled"]:
    """The values with the last one repeated up to a multiple of so many: few shapes, hence few compilations."""
    return np.pad(values, (0, -len(values) % multiple), mode="edge")


Result = TypeVar("Result")


def in_threads(kernel: Callable[[Any], Result], items: Sequence[Any]) -> list[Result]:
    """The kernel at every item, in threads: an energy is milliseconds of compiled work that holds no lock."""
    # The first one alone: threads that meet a kernel for the first time would each compile it.
    first = [kernel(item) for item in items[:1]]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return first + list(pool.map(kernel, items[1:]))


def refined(kernel: Callable[[np.float64], Result], missed: Callable[[Result], np.ndarray]) -> Result:
    """The kernel's answer with as many panels as should be needed; with more of them where some of it is missed."""
    found = kernel(np.float64(1.0))
    return kernel(np.float64(_FINER)) if missed(found).any() else found
