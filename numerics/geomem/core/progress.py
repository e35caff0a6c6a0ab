"""Progress on stderr for whoever asks: bars where that is a terminal, else a line now and then."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar

_BETWEEN_LINES = 10.0  # seconds

_asked: ContextVar[bool] = ContextVar("progress is asked for", default=False)


@contextmanager
def progress(asked: bool = True) -> Generator[None]:
    """Inside of it, long work shows its progress on stderr, and how long it may still take.

    The command always works inside of it; a program that wants to see it writes `with geomem.progress(): ...`.
    """
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def say(sentence: str) -> None:
    """A sentence on stderr, for whoever asks for progress."""
    if _asked.get():
        print(f"geomem: {sentence}", file=sys.stderr, flush=True)


@contextmanager
def bar(label: str, total: int | None) -> Generator[Callable[[int], None]]:
    """Gives a function that is told how many of `total` are done. Of bars inside each other the outermost is shown."""
    if not _asked.get():
        yield lambda done: None
        return
    if not sys.stderr.isatty():
        with progress(False):
            yield _lines(label, total)
        return
    from rich.console import Console
    from rich.progress import Progress

    with progress(False), Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(label, total=total)
        yield lambda done: shown.update(task, completed=done)


def _lines(label: str, total: int | None) -> Callable[[int], None]:
    """What says on a line of its own how far it is, if some time has passed since the last line."""
    start = last = time.monotonic()

    def report(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _BETWEEN_LINES:
            return
        last = now
        left = f" of {total}, about {(now - start) * (total - done) / done:.0f} s left" if total and done else ""
        print(f"{label}: {done}{left}", file=sys.stderr, flush=True)

    return report
