"""`geomem derive`: the notation and the derivations, in reading order."""

from typing import Literal

from geomem.cli.output import Folder, Whole, check_seed
from geomem.cli.tables import json_text, write
from geomem.core.status import InputError
from geomem.files.writing import check_output


def derive(
    *,
    chapter: str | None = None,
    format: Literal["markdown", "latex"] = "markdown",
    out: Folder | None = None,
    overwrite: bool = False,
    json: bool = False,
    seed: Whole = 0,
) -> None:
    """Print the notation, and perform and print the derivations, in reading order.

    Parameters
    ----------
    chapter
        One chapter only: notation, partition, condensation, score, probe, finite_n, empirical, spectrum_law, dimension,
        published, trajectories, mixture, points, local_scores, unit_normalized, random_manifold, random_features,
        model_size, schedules or predictions.
    format
        Markdown with LaTeX formulas, or a LaTeX fragment.
    out
        Folder to write derivation.md or derivation.tex to, instead of stdout.
    overwrite
        Replace another derivation in that folder.
    json
        As JSON instead: chapter, name, source, LaTeX and steps of every equation; chapter, LaTeX, meaning and name in
        code of every symbol.
    seed
        Accepted by every command; nothing is drawn here.
    """
    check_seed(seed)

    from geomem_theory import CHAPTERS, notation

    book = (notation.CHAPTER, *CHAPTERS)
    names = [one.name for one in book]
    if chapter is not None and chapter not in names:
        raise InputError(f"there is no chapter {chapter!r}; choose one of {', '.join(names)}")
    name = f"derivation.{'json' if json else {'markdown': 'md', 'latex': 'tex'}[format]}"
    if out is not None:
        check_output(out, [name])
    chapters = [one for one in book if chapter in (None, one.name)]
    if json:
        text = json_text([row for one in chapters for row in one.to_rows()])
    else:
        text = "\n".join(one.to_markdown() if format == "markdown" else one.to_latex() for one in chapters)
    if out is None:
        print(text)
    else:
        if not overwrite and (out / name).is_file() and (out / name).read_bytes() != f"{text}\n".encode():
            from geomem.files.runs import other_run

            raise other_run(out / name, "is another derivation")
        write({out / name: lambda file: file.write_text(text + "\n")})
