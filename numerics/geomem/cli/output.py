"""Where the results of a command go, and the kinds of words that all commands have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, Token

from geomem.core.status import InputError
from geomem.files.writing import check_output


def _whole_number(_type: type, tokens: Sequence[Token]) -> int:
    """An integer that is written as one: 1.9 is a mistake, not 2."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"{tokens[0].value!r} is no whole number") from None


def _named_folder(_type: type, tokens: Sequence[Token]) -> Path:
    """A path; no text would be the working folder, which an empty variable of a shell does not mean."""
    if not tokens[0].value:
        raise ValueError("the name of the folder is empty; ./ is the working folder")
    return Path(tokens[0].value)


Several = Parameter(consume_multiple=True)
Whole = Annotated[int, Parameter(converter=_whole_number)]
Folder = Annotated[Path, Parameter(converter=_named_folder)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where results go."""

    out: Folder = Path("results")
    """Folder for the results; those of a run with other inputs in it are refused before anything is computed."""

    overwrite: bool = False
    """Replace results of another run, which are then named on stderr."""

    json: bool = False
    """Print the table as JSON, alone on stdout."""

    seed: Whole = 0
    """Seed of random draws, recorded with the results: of laws that are fitted, probed points, samples, replicates."""

    def folder(self, *names: str) -> Path:
        """The folder, in which files of these names can be written; it is made when there are results.

        Raises:
            InputError: if they cannot be written, or the seed is none.
        """
        check_output(self.out, names)
        check_seed(self.seed)
        return self.out

    def refuse_other_run(self, names: Sequence[str], inputs: Mapping[str, object]) -> None:
        """Refuse a folder with files of these names from a run with other inputs, unless they may be replaced.

        Raises:
            InputError: for such a folder.
        """
        if not self.overwrite:
            from geomem.files.runs import refuse_other_run

            refuse_other_run(self.out, names, {key: one for key, one in inputs.items() if key != "data_notes"})


def check_seed(seed: int) -> None:
    """Refuse what JAX takes for no seed.

    Raises:
        InputError: if it is none.
    """
    if not 0 <= seed < 2**63:
        raise InputError(f"--seed is {seed}; it must be a whole number from 0 to 2^63 - 1")
