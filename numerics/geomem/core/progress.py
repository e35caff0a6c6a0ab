"""Progress bars on stderr: for whoever asks, where that is a terminal."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

_asked: ContextVar[bool] = ContextVar("progress is asked for", default=False)


@contextmanager
def progress(asked: bool = True) -> Generator[None]:
    """Inside of it, long work shows progress bars on stderr, if that is a terminal.

    The command always works inside of it; a program that wants bars writes `with geomem.progress(): ...`.
    """
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


@contextmanager
def bar(label: str, total: int | None) -> Generator[Callable[[int], None]]:
    """Gives a function that is told how many of `total` are done. Of bars inside each other the outermost is shown."""
    if not (_asked.get() and sys.stderr.isatty()):
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with progress(False), Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(label, total=total)
        yield lambda done: shown.update(task, completed=done)
