"""The data as they are: spectrum, what the blocks look like, and copies and outliers themselves."""

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, Int
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from geomem.core.arguments import parts
from geomem.core.precision import column_means
from geomem.figures.style import STYLE, UNITS, shades
from geomem.files.inspection import inspect
from geomem.reports.page import Section, heading, joined, paragraph, picture, table
from geomem.reports.study import Study
from geomem.reports.words import block_name, number

_SHOWN, _COLUMNS, _LOADINGS = 6, 6, 4  # rows or directions, and columns, that are shown
_LEAST = 0.005  # weight that is named
_WIDTH = 6.5  # inches


def data(study: Study) -> Section:
    """Principal variances in blocks, what these look like, and rows that break the theory's assumptions.

    Raises:
        InputError: for data whose law cannot be fitted.
    """
    numbers: dict[str, object] = {}
    about = paragraph(f"{number(study.size)} samples (rows) in {study.dims} dimensions (columns), counted from 0.")
    return Section("The data", joined([about, _spectrum(study, numbers), _odd_rows(study, numbers)]), numbers)


def _spectrum(study: Study, numbers: dict[str, object]) -> Markup:
    blocks = study.blocks
    total = float(np.trace(np.asarray(study.fitted.law.covariance())))
    shares = blocks.variances * blocks.multiplicities / total
    numbers["total_variance"] = total
    numbers |= {f"share_{place}": float(share) for place, share in enumerate(shares)}
    own = _own_variances(study)
    numbers |= {f"variance_of_rows_{place}": one for place, one in enumerate(own)}
    found = [
        picture(
            _spectrum_figure(study),
            f"Variances along {study.num_looked_at} principal directions of the law, the largest "
            f"{number(float(blocks.variances[0]))}, in {len(blocks.variances)} blocks.",
            f"Variance along {study.num_looked_at} principal directions of the law of the data, the widest first; "
            "colours are the blocks, and lines the blocks' mean variances.",
        )
    ]
    rows = [
        [
            block_name(place),
            number(float(blocks.multiplicities[place])),
            number(float(blocks.variances[place])),
            number(own[place]),
            f"{number(100 * float(shares[place]))} %",
            *([] if study.subject.pictures else [_loadings(study, place)]),
        ]
        for place in range(len(shares))
    ]
    head = ["block", "directions", "mean variance of the law", "of the rows", "share of the variance"]
    head += [] if study.subject.pictures else ["columns with the largest weights"]
    found.append(table("Blocks of principal directions", head, rows))
    added = study.fitted.regularization
    if added:
        said = (
            f"The law has {number(added)} added to the variance of all its Gaussians, a number that held-out rows "
            "chose: blocks whose variance is not much larger are narrower in the data, and their fates say little."
        )
        found.append(paragraph(said, "why" if min(own) < added else "quiet"))
    if study.subject.pictures:
        found.append(
            picture(
                _directions_figure(study),
                f"The first principal directions of each of {len(shares)} blocks, drawn as pictures.",
                f"Principal directions as pictures, a row for each block, at most {_SHOWN} of it; red is above the "
                "mean and blue below.",
            )
        )
    else:
        said = (
            "A weight is the part of a unit vector of the block that lies along the column, squared; weights add to 1."
        )
        found.append(paragraph(said, "quiet"))
    return joined(found)


def _loadings(study: Study, block: int) -> str:
    """The columns that a block is made of."""
    weights = (study.blocks.directions(block) ** 2).mean(axis=0)
    names = study.subject.named_columns()
    order = [one for one in np.argsort(-weights, kind="stable")[:_LOADINGS] if weights[one] >= _LEAST]
    return ", ".join(f"{_short(names[one])} ({weights[one]:.2f})" for one in order)


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"{name[:57]}..."


def _spectrum_figure(study: Study) -> Figure:
    blocks = study.blocks
    variances = _variances(study)
    ends = np.cumsum(blocks.multiplicities).astype(int)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 2.6), layout="constrained")
        axes = figure.subplots()
        for end, count, mean, colour in zip(
            ends, blocks.multiplicities, blocks.variances, shades(len(ends))[::-1], strict=True
        ):
            places = np.arange(end - int(count), end)
            axes.plot(places + 1, variances[places], color=colour, marker="o", markersize=3, linestyle="none")
            axes.hlines(mean, places[0] + 0.6, end + 0.4, color=colour, linewidth=1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="principal direction", ylabel=f"variance [{UNITS}]")
        if (variances > 0).any():
            axes.set_yscale("log")
    return figure


def _own_variances(study: Study) -> list[float]:
    """Mean variances of the rows themselves along the directions of every block."""
    rows, axes = study.subject.rows, study.blocks.axes
    center = column_means(rows)
    variances = sum((((part - center) @ axes.T) ** 2).sum(axis=0) for part in parts(rows)) / len(rows)
    ends = np.cumsum(study.blocks.multiplicities).astype(int)
    return [float(one.mean()) for one in np.split(variances, ends[:-1])]


def _variances(study: Study) -> Float[np.ndarray, " directions"]:
    """Of every direction of the law, along its principal directions."""
    axes = study.blocks.axes
    return np.maximum(((axes @ np.asarray(study.fitted.law.covariance())) * axes).sum(axis=1), 0.0)


def _directions_figure(study: Study) -> Figure:
    pictures, blocks = study.subject.pictures, study.blocks
    assert pictures is not None
    count = len(blocks.variances)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 0.85 * count + 0.1), layout="constrained")
        grid = figure.subplots(count, _SHOWN, squeeze=False)
        for place in range(count):
            drawn = pictures.drawn(blocks.directions(place)[:_SHOWN], constants=False)
            for axes in grid[place]:
                axes.set_axis_off()
            for axes, one in zip(grid[place], drawn, strict=False):
                limit = np.abs(one).max()
                if one.ndim == 3 and one.shape[2] == 3:
                    axes.imshow(0.5 + one / (2 * limit))
                else:
                    axes.imshow(one.reshape(one.shape[:2]), cmap="RdBu_r", vmin=-limit, vmax=limit)
            grid[place, 0].set_axis_on()
            grid[place, 0].set(xticks=[], yticks=[])
            grid[place, 0].set_ylabel(f"{place}", rotation=0, labelpad=8)
            for spine in grid[place, 0].spines.values():
                spine.set_visible(False)
    return figure


def _odd_rows(study: Study, numbers: dict[str, object]) -> Markup:
    """Rows that repeat others, and outliers, each shown."""
    rows = study.subject.rows
    found = inspect(rows)
    copies, outliers = np.flatnonzero(found.copies), np.flatnonzero(found.outliers)
    numbers |= {"copies": float(len(copies)), "outliers": float(len(outliers))}
    parts = [heading("Copies and outliers")]
    if not len(copies) and not len(outliers):
        parts.append(paragraph("No row repeats another, nearly or exactly, and none lies far from all others."))
    if len(copies):
        first = copies[:_SHOWN]
        originals = np.array([_closest_before(rows, int(one)) for one in first])
        text = f"{len(copies)} of {len(rows)} rows repeat earlier ones, or nearly; the first of them, with the earlier:"
        parts += [paragraph(text), _shown(study, "Copies and their originals", np.stack([originals, first], 1).ravel())]
    if len(outliers):
        text = f"{len(outliers)} of {len(rows)} rows lie far from all others; the first of them:"
        parts += [paragraph(text), _shown(study, "Outliers", outliers[:_SHOWN])]
    return joined(parts)


def _closest_before(rows: np.ndarray, place: int) -> int:
    """The earlier row that a copy repeats."""
    return int(np.argmin(((rows[:place] - rows[place]) ** 2).sum(axis=1))) if place else 0


def _shown(study: Study, caption: str, places: Int[np.ndarray, " shown"]) -> Markup:
    rows = study.subject.rows[places]
    if study.subject.pictures is not None:
        alt = f"{caption}: rows {', '.join(map(str, places))}, in this order"
        return picture(strip(study, rows, [str(one) for one in places]), alt, f"{caption}, by their row.")
    names = [_short(name) for name in study.subject.named_columns()[:_COLUMNS]]
    cells = [
        [f"row {place}", *(number(float(one), 5) for one in row[:_COLUMNS])]
        for place, row in zip(places, rows, strict=True)
    ]
    left_out = study.dims - len(names)
    said = f"{caption}{f' (first {len(names)} of {study.dims} columns)' if left_out else ''}"
    return table(said, ["row", *names], cells)


def strip(study: Study, rows: Float[np.ndarray, "shown dims"], titles: list[str]) -> Figure:
    """Rows as pictures side by side, on the grey scale of the data."""
    pictures = study.subject.pictures
    assert pictures is not None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, 1.05), layout="constrained")
        grid = figure.subplots(1, max(len(rows), 2 * _SHOWN), squeeze=False)[0]
        for axes in grid:
            axes.set_axis_off()
        for axes, one, title in zip(grid, pictures.drawn(rows), titles, strict=False):
            draw(axes, one, grey_scale(study))
            axes.set_title(title, fontsize=7)
    return figure


def grey_scale(study: Study) -> tuple[float, float]:
    """Black and white of pictures: the smallest and the largest number of the data."""
    return float(study.subject.rows.min()), float(study.subject.rows.max())


def draw(axes: Axes, one: np.ndarray, scale: tuple[float, float]) -> None:
    """One picture."""
    low, high = scale
    if one.ndim == 3 and one.shape[2] == 3:
        axes.imshow(np.clip((one - low) / (high - low), 0.0, 1.0))
    else:
        axes.imshow(one.reshape(one.shape[:2]), cmap="gray", vmin=low, vmax=high)
