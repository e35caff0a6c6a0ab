"""How often the command looks for garbage: it makes modules, equations and traced programs, which all stay."""

import atexit
import gc
from collections.abc import Generator
from contextlib import contextmanager

_NEW_OBJECTS = 20_000  # between two searches; Python's own is 700


@contextmanager
def seldom_collected() -> Generator[None]:
    """Search for garbage less often inside of it, and not where the process ends, when all of it is free anyway."""
    before = gc.get_threshold()
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    atexit.register(gc.freeze)
    try:
        yield
    finally:
        gc.set_threshold(*before)
