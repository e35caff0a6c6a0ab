"""The `geomem` command."""

from collections.abc import Sequence
from contextlib import nullcontext
from importlib.metadata import version
from typing import Annotated

from cyclopts import App, Parameter

from geomem.cli.cache import compilation_cache
from geomem.cli.compare import compare
from geomem.cli.critical_size import critical_size
from geomem.cli.derive import derive
from geomem.cli.ending import one_sentence
from geomem.cli.garbage import seldom_collected
from geomem.cli.local import local
from geomem.cli.phase_diagram import phase_diagram
from geomem.cli.report import report
from geomem.cli.spectrum import spectrum
from geomem.cli.train import train
from geomem.cli.words import column_help
from geomem.core.float64 import require_float64
from geomem.core.progress import progress

app = App(
    name="geomem",
    version=lambda: version("geomem"),
    help="Phase diagrams of geometric memorization in diffusion models.",
    default_parameter=Parameter(negative=()),  # no --no-json
    suppress_keyboard_interrupt=False,  # `one_sentence` ends it
)
app.meta.suppress_keyboard_interrupt = False
for command in (report, phase_diagram, critical_size, spectrum, compare, local, train, derive):
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
    """Entry point: returns after success, else ends as `one_sentence` says."""
    with one_sentence(), progress(), seldom_collected():
        app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value")
