"""The .npz file that interrupted work goes on from: whole or not there, the same bytes for the same work."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Array

from geomem.core.opening import UNREADABLE, as_path, kind_of_file, named, reason
from geomem.core.status import InputError
from geomem.files.arrays import member, opened_archive
from geomem.files.writing import write_whole


def checkpoint_path(path: str | Path) -> Path:
    """The path of a checkpoint.

    Raises:
        InputError: if it does not name a .npz file, or one that cannot be written.
    """
    file = as_path(path, "the checkpoint")
    if file.suffix != ".npz":
        raise InputError(f"the checkpoint {named(file)!r} must be a .npz file")
    try:
        kind, above = kind_of_file(file), kind_of_file(file.parent)
    except OSError as error:
        raise InputError(f"the checkpoint {named(file)!r} cannot be written: {reason(error)}") from error
    if above != "folder":
        raise InputError(f"the checkpoint {named(file)!r} cannot be written: there is no folder {named(file.parent)!r}")
    if kind not in ("file", "nothing"):
        raise InputError(f"the checkpoint {named(file)!r} cannot be written: there is a {kind} of that name")
    return file


class Checkpoint(NamedTuple):
    """A file with the arrays of a state, and what a call must share with the one that wrote it to go on from it.

    `identity` is written as JSON. The other two are what to do about a damaged file, and what is said of one with
    another identity, where {difference} stands for the first input that differs.
    """

    path: Path
    identity: dict[str, object]
    if_damaged: str
    if_foreign: str

    def save(self, step: int, leaves: Sequence[np.ndarray], **histories: np.ndarray) -> None:
        """Write the state after `step` steps, and arrays that grow with them, by name.

        Raises:
            InputError: if the file cannot be written; the one that is there is left alone.
        """
        fields = {f"leaf_{place}": leaf for place, leaf in enumerate(leaves)}
        header = json.dumps(self.identity, sort_keys=True)
        fields |= {"header": np.array(header), "step": np.array(step)} | histories
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **fields)
        write_whole({self.path: lambda file: file.write_bytes(buffer.getvalue())})

    def load(
        self, form: Sequence[Array | np.ndarray], histories: Sequence[str] = ()
    ) -> tuple[int, list[np.ndarray], list[np.ndarray]]:
        """Number of steps, arrays of the state, of the same form as the given ones, and those of the histories.

        Raises:
            InputError: if the file is damaged or of another identity.
        """
        try:
            with opened_archive(self.path) as saved:
                found, step = json.loads(str(member(saved, "header"))), int(member(saved, "step"))
                grown = [member(saved, name) for name in histories]
                leaves = [member(saved, f"leaf_{place}") for place in range(len(saved.files) - 2 - len(histories))]
        except (KeyError, *UNREADABLE) as error:
            raise self._damaged() from error
        asked = json.loads(json.dumps(self.identity))
        if found != asked:
            said = self.if_foreign.format(difference=first_difference(found, asked))
            raise InputError(f"the checkpoint {str(self.path)!r} {said}")
        like = [(leaf.shape, leaf.dtype) for leaf in form]
        if [(leaf.shape, leaf.dtype) for leaf in leaves] != like or len({len(one) for one in grown}) > 1:
            raise self._damaged()
        return step, leaves, grown

    def _damaged(self) -> InputError:
        return InputError(f"the checkpoint {str(self.path)!r} is damaged; {self.if_damaged}")


def first_difference(found: object, identity: dict[str, object]) -> str:
    """The first input by which what was found differs from what is asked for."""
    if not isinstance(found, dict):
        return "header"
    for name, value in identity.items():
        other = found.get(name)
        if other != value:
            return first_difference(other, value) if isinstance(other, dict) and isinstance(value, dict) else name
    return "header"
