"""Compiled programs that the command finds again: without tracing them, which takes as long as running some of them.

JAX's own cache of what was compiled is asked by the traced program. Here the key is all that this follows from: the
package's sources, the arguments' structure and kinds, and what JAX is told; versions and the processor are in the
folder's name (`cli.cache`).
"""

import math
import os
import pickle
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import jax
from jax.experimental.serialize_executable import deserialize_and_load, serialize

import geomem_theory

PROGRAMS = "GEOMEM_PROGRAMS"  # names the folder, in the environment
_LEAST_TIME = "jax_persistent_cache_min_compile_time_secs"
_ROOTS = (Path(__file__).parents[1], Path(geomem_theory.__file__).parent)


class Kept:
    """A jitted function whose programs are kept in the folder that the environment names, if there is one.

    It is called with concrete values. `name` tells it apart from all others, and from itself for other static values.
    """

    def __init__(self, function: Callable[..., Any], name: str, compiler_options: dict[str, bool]) -> None:
        self._jitted = jax.jit(function, compiler_options=compiler_options)
        self._name, self._options = name, compiler_options
        self._programs: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def __call__(self, *arguments: object) -> Any:  # noqa: ANN401
        leaves, structure = jax.tree.flatten(arguments)
        kinds = (structure, *map(jax.typeof, leaves))
        if kinds not in self._programs:
            self._programs[kinds] = self._program(kinds, arguments)
        return self._programs[kinds](*arguments)

    def _program(self, kinds: tuple[Any, ...], arguments: tuple[object, ...]) -> Callable[..., Any]:
        if PROGRAMS not in os.environ or jax.default_backend() != "cpu":
            return self._jitted
        structure, *shapes = kinds
        asked = (self._name, self._options, structure, list(map(str, shapes)), sources(), _environment())
        try:
            key = sha256(pickle.dumps(asked)).hexdigest()
        except (pickle.PicklingError, AttributeError, TypeError):  # of a class that no other process knows
            return self._jitted
        file = Path(os.environ[PROGRAMS]) / f"{self._name}-{key}"
        with suppress(Exception):  # there is none, or one that does not run: then it is compiled
            program = deserialize_and_load(*pickle.loads(zlib.decompress(file.read_bytes())))
            jax.block_until_ready(program(*arguments))
            return program
        with _outside_of_the_cache():
            program = self._jitted.lower(*arguments).compile()
        with suppress(OSError, ValueError):  # no room, or no program that can be kept
            file.unlink(missing_ok=True)  # as a link leads to what other runs read
            file.write_bytes(zlib.compress(pickle.dumps(serialize(program)), level=1))
        return program


@contextmanager
def _outside_of_the_cache() -> Generator[None]:
    """Inside of it JAX's own cache takes nothing: what comes out of that lacks parts when it is serialized again."""
    before = getattr(jax.config, _LEAST_TIME)
    jax.config.update(_LEAST_TIME, math.inf)
    try:
        yield
    finally:
        jax.config.update(_LEAST_TIME, before)


@cache
def sources() -> str:
    """SHA-256 of all that programs are traced from: this package, and the theory."""
    found = sha256()
    for root in _ROOTS:
        for file in sorted(root.rglob("*.py")):
            text = file.read_bytes()
            found.update(f"{file.relative_to(root)} {len(text)} ".encode() + text)
    return found.hexdigest()


def _environment() -> list[tuple[str, str]]:
    """What the environment tells JAX and XLA, but for where their cache is."""
    return sorted(
        (name, value) for name, value in os.environ.items() if name.startswith(("JAX_", "XLA_")) and "CACHE" not in name
    )
