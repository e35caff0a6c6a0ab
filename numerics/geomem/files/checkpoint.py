"""The file that an interrupted training goes on from: whole or not there, the same bytes for the same training."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np

from geomem.core.status import InputError
from geomem.files.data import UNREADABLE
from geomem.files.writing import write_whole

State = TypeVar("State")


def save_checkpoint(
    path: Path, identity: dict[str, object], step: int, state: object, steps: Sequence[int], rows: Sequence[np.ndarray]
) -> None:
    """Write a training's state after `step` steps and the history's `rows` at `steps`; of several processes the first.

    Raises:
        InputError: if the file cannot be written; the one that is there is left alone.
    """
    if jax.process_index() > 0:
        return
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    fields = {f"leaf_{place}": leaf for place, leaf in enumerate(leaves)}
    header = json.dumps(identity, sort_keys=True)
    fields |= {"header": np.array(header), "step": np.array(step), "steps": np.array(steps, dtype=int)}
    fields["rows"] = np.array(rows, dtype=float)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **fields)
    write_whole({path: lambda file: file.write_bytes(buffer.getvalue())})


def load_checkpoint(
    path: Path, identity: dict[str, object], state: State
) -> tuple[int, State, tuple[int, ...], tuple[np.ndarray, ...]]:
    """Number of steps, state of the same form as the given one, and the history's steps and rows.

    Raises:
        InputError: if the file is damaged or of another training.
    """
    leaves, tree = jax.tree.flatten(state)
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as saved:
            found = json.loads(str(saved["header"]))
            step, steps, rows = int(saved["step"]), tuple(saved["steps"].tolist()), tuple(saved["rows"])
            values = [saved[f"leaf_{place}"] for place in range(len(saved.files) - 4)]
    except (KeyError, *UNREADABLE) as error:
        raise InputError(f"the checkpoint {str(path)!r} is damaged; remove it or name another directory") from error
    if found != identity:
        different = first_difference(found, identity)
        raise InputError(
            f"the checkpoint {str(path)!r} is of another training, with another {different}; name another directory"
        )
    form = [(leaf.shape, leaf.dtype) for leaf in leaves]
    if [(value.shape, value.dtype) for value in values] != form or len(rows) != len(steps):
        raise InputError(f"the checkpoint {str(path)!r} is damaged; remove it or name another directory")
    return step, jax.tree.unflatten(tree, values), steps, rows


def first_difference(found: object, identity: dict[str, object]) -> str:
    """The first input by which what was found differs from what is asked for."""
    if not isinstance(found, dict):
        return "header"
    for name, value in identity.items():
        other = found.get(name)
        if other != value:
            return first_difference(other, value) if isinstance(other, dict) and isinstance(value, dict) else name
    return "header"
