"""`geomem derive`: the derivations, in reading order."""

from pathlib import Path
from typing import Literal

from geomem.cli.options import Whole
from geomem.cli.tables import json_text
from geomem.core.status import InputError


def derive(
    *,
    chapter: str | None = None,
    format: Literal["markdown", "latex"] = "markdown",
    out: Path | None = None,
    json: bool = False,
    seed: Whole = 0,
) -> None:
    """Perform the derivations and print them in reading order.

    Parameters
    ----------
    chapter
        One chapter only: partition, condensation, score, probe, finite_n, empirical, published, trajectories,
        mixture, random_manifold or schedules.
    format
        Markdown with LaTeX formulas, or a LaTeX fragment.
    out
        Folder to write derivation.md or derivation.tex to, instead of stdout.
    json
        Chapter, name, source, LaTeX and steps of every equation as JSON instead.
    seed
        Accepted by every command; nothing is drawn here.
    """
    from geomem.files.writing import output_folder, write_whole
    from geomem_theory import CHAPTERS

    names = [one.name for one in CHAPTERS]
    if chapter is not None and chapter not in names:
        raise InputError(f"there is no chapter {chapter!r}; choose one of {', '.join(names)}")
    chapters = [one for one in CHAPTERS if chapter in (None, one.name)]
    if json:
        text = json_text([row for one in chapters for row in one.to_rows()])
    else:
        text = "\n".join(one.to_markdown() if format == "markdown" else one.to_latex() for one in chapters)
    if out is None:
        print(text)
        return
    suffix = "json" if json else {"markdown": "md", "latex": "tex"}[format]
    write_whole({output_folder(out) / f"derivation.{suffix}": lambda file: file.write_text(text + "\n")})
