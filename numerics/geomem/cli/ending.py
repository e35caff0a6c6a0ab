"""How the command ends, whatever ends it: one sentence on stderr, an exit status, and nothing half made left behind."""

import errno
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from reprlib import repr as shown
from threading import Timer, current_thread, main_thread
from typing import TYPE_CHECKING, NoReturn

from cyclopts import CycloptsError

from geomem.cli.sentences import in_own_words
from geomem.core.status import InputError, PeerError
from geomem.files.writing import no_empty_folders

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
# Seconds until an interruption is repeated that was dropped, and one that may have been: saving what was reached, so
# as to go on from it later, takes less.
_SOON, _MUCH_LATER = 0.02, 10.0


@contextmanager
def one_sentence() -> Generator[None]:
    """Around the command: exit status 2 for bad input and for a full output, 1 for a closed one, 130 interrupted."""
    try:
        with _no_interruption_lost(), no_empty_folders():
            yield
            if sys.stdout is not None:
                sys.stdout.flush()
    except (InputError, CycloptsError) as error:
        text = in_own_words(error) if isinstance(error, CycloptsError) else str(error)
        _say(" ".join(text.split()).rstrip(".").replace(". ", "; "))
        if isinstance(error, PeerError):
            os._exit(2)  # else the runtime would wait for the lost process until it aborts
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        _leave_interrupted()
    except BrokenPipeError:
        _drop_output()
        raise SystemExit(1) from None
    except OSError as error:
        if error.filename is not None:  # as where no file can have such a name
            _say(f"{shown(str(error.filename))} cannot be opened: {error.strerror}")
            raise SystemExit(2) from error
        if error.errno not in _FULL:
            raise
        _drop_output()
        _say(f"the output cannot be written: {error.strerror}")
        raise SystemExit(2) from None


@contextmanager
def _no_interruption_lost() -> Generator[None]:
    """An interruption is raised again if it got lost.

    Python drops what is raised in the middle of freeing objects, where JAX has work to do, and tells a hook; compiled
    code drops it without a word, so that it is repeated too where the command still runs some time after it.
    """
    if current_thread() is not main_thread() or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    before, repeated = sys.unraisablehook, []

    def repeat_after(seconds: float) -> None:
        repeated.append(Timer(seconds, signal.raise_signal, [signal.SIGINT]))
        repeated[-1].start()

    def interrupt(*_: object) -> NoReturn:
        repeat_after(_MUCH_LATER)
        raise KeyboardInterrupt

    def repeat_dropped(dropped: "UnraisableHookArgs") -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            repeat_after(_SOON)
        else:
            before(dropped)

    sys.unraisablehook = repeat_dropped
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        for timer in repeated:
            timer.cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.unraisablehook = before


def _leave_interrupted() -> NoReturn:
    """Leave at once: Python would take down what threads of the compiler and of the computation still work on."""
    with suppress(ValueError):  # outside of the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):
        if sys.stdout is not None:
            sys.stdout.flush()
    _say("interrupted")
    os._exit(130)


def _say(sentence: str) -> None:
    with suppress(OSError):  # there is nowhere left to say it
        print(f"geomem: {sentence}", file=sys.stderr, flush=True)


def _drop_output() -> None:
    """What is still to be written goes nowhere; Python would try once more when it ends, and say that it failed."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
