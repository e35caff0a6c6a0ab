"""Whose results a folder holds: of which run, as they say themselves."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from geomem.core.opening import UNREADABLE, named, regular_file
from geomem.core.provenance import document_of, provenance
from geomem.core.status import InputError
from geomem.files.checkpoint import first_difference
from geomem.files.formats import suffix


def refuse_other_run(folder: Path, names: Sequence[str], inputs: Mapping[str, object]) -> None:
    """That files of these names, the first of which says its run, are not there or of a run with these inputs.

    Of the same versions and theory too; what its provenance says besides these inputs follows from them.

    Raises:
        InputError: if a file is of another run, or does not say of which it is.
    """
    there = [folder / name for name in names if (folder / name).is_file()]
    if not there:
        return
    found = _recorded(folder / names[0])
    if found is None:
        raise other_run(there[0], "does not say of which run it is")
    asked = document_of(provenance(dict(inputs)))
    of_both = {name: found["inputs"].get(name) for name in asked["inputs"]}
    found |= {"inputs": of_both}
    if found != asked:
        raise other_run(there[0], f"is of another run, with another {first_difference(found, asked)}")


def other_run(file: Path, what: str) -> InputError:
    """What is said of a file that would be replaced."""
    return InputError(f"{named(file)} {what}; choose another --out, or replace it by --overwrite")


def _recorded(file: Path) -> dict | None:
    """The provenance of results in NetCDF or JSON, if they have one."""
    import h5py  # slow to import, and only needed where there are results

    try:
        if suffix(file) == ".nc":
            with h5py.File(regular_file(file)) as results:
                found = document_of(results.attrs["provenance"])
        else:
            found = json.loads(file.read_text())["provenance"]
        return found if isinstance(found["inputs"], dict) else None
    except (*UNREADABLE, KeyError, TypeError):
        return None
