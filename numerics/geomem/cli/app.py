"""The `geomem` command."""

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.metadata import version
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from geomem.cli.cache import compilation_cache
from geomem.cli.compare import compare
from geomem.cli.critical_size import critical_size
from geomem.cli.derive import derive
from geomem.cli.phase_diagram import phase_diagram
from geomem.cli.spectrum import spectrum
from geomem.cli.train import train
from geomem.cli.words import column_help
from geomem.core.float64 import require_float64
from geomem.core.progress import progress
from geomem.core.status import InputError, PeerError

app = App(
    name="geomem",
    version=lambda: version("geomem"),
    help="Phase diagrams of geometric memorization in diffusion models.",
    default_parameter=Parameter(negative=()),  # no --no-json
)
for command in (phase_diagram, critical_size, spectrum, compare, train, derive):
    app.command(command, help_epilogue=column_help(command.__name__))


@app.meta.default
def launch(
    *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    no_cache: Annotated[bool, Parameter(env_var="GEOMEM_NO_CACHE")] = False,
) -> None:
    """Run a command.

    Parameters
    ----------
    no_cache
        Neither use nor keep what earlier runs compiled, in the user's cache folder.
    """
    require_float64()
    with nullcontext() if no_cache else compilation_cache():
        app(words, exit_on_error=False, print_error=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: exit status 0, or 2 with one sentence on stderr for bad input."""
    try:
        with progress():
            app.meta(arguments, exit_on_error=False, print_error=False)
    except (InputError, CycloptsError) as error:
        sentence = " ".join(str(error).split()).rstrip(".").replace(". ", "; ")
        print(f"geomem: {sentence}", file=sys.stderr, flush=True)
        if isinstance(error, PeerError):
            os._exit(2)  # else the runtime would wait for the lost process until it aborts
        raise SystemExit(2) from error
    except BrokenPipeError:
        raise SystemExit(1) from None
