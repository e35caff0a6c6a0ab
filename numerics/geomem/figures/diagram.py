"""Figures of a phase diagram: the whole picture, critical times, maps and sensitivities."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from geomem.core.arguments import listed_sizes
from geomem.core.kinds import refuse_other
from geomem.core.status import Status
from geomem.figures.planes import (
    FAINT,
    HALO,
    draw_kept_directions,
    draw_size,
    draw_spectrum_plane,
    drawn_sizes,
    label_blocks,
    label_sizes,
    variance_label,
    veil,
)
from geomem.figures.style import (
    COLOURS,
    COLUMN_WIDTH,
    DASHES,
    MOST_LINES,
    STYLE,
    TIME_LABEL,
    UNITS,
    draw_clock,
    shades,
)

_MOST_CONTOURS, _ROWS = 8, 200  # of the map
_MARGIN = 0.1  # in decades: a contour nearer to the extremes runs along the frame, its label cut off


def phase_diagram_figure(diagram: xr.Dataset, num_samples: float | Sequence[float] | None = None) -> Figure:
    """`phase_diagram`'s result as a picture, in three panels, or in the first of them where no variance was swept.

    Above, how many directions are kept against N and t, with every block's opening and
    critical time; in the middle, at the size nearest to `num_samples`, where a direction of the
    swept block's local variance is kept; below, its t_c against N and that variance, with the
    line t_c = t_open: a direction below it never opens. By default the size is the middle one
    of the diagram; several are all marked, and the middle panel is of the first. Values outside the
    level's validity are faint.
    """
    refuse_other(diagram, xr.Dataset, "the diagram", "a result of phase_diagram")
    places = [diagram.sizes["num_samples"] // 2]
    if num_samples is not None:
        marked = listed_sizes(num_samples, None)[1]
        places = np.abs(diagram.log_num_samples.values[:, None] - marked).argmin(axis=0).tolist()
    with mpl.rc_context(STYLE):
        swept = "local_variance" in diagram.dims
        figure = Figure(figsize=(COLUMN_WIDTH, 7.6 if swept else 3.2), layout="constrained")
        panels = figure.subplots(3 if swept else 1, 1, squeeze=False, height_ratios=[1.15, 1, 1][: 3 if swept else 1])
        above = panels[0, 0]
        _draw_blocks(above, diagram)
        above.set_ylabel(TIME_LABEL)
        if above.get_yscale() == "log":
            above.set_ylim(top=above.get_ylim()[1] * 2)  # room for a label
        draw_kept_directions(above, diagram)
        for place in places:
            draw_size(above, diagram, place)
        if diagram.sizes["block"] <= MOST_LINES:
            label_blocks(above, diagram)
        draw_clock(above, "right", diagram)
        figure.suptitle(diagram_title(diagram), fontsize=8)
        if not swept:
            return figure
        middle, below = panels[1:, 0]
        draw_spectrum_plane(middle, diagram, places[0])
        draw_clock(middle, "right", diagram)
        positive = diagram.local_variance.values > 0  # the axis is logarithmic
        draw_critical_time_map(below, diagram.isel(local_variance=positive) if positive.any() else diagram)
        for place in places:
            draw_size(below, diagram, place)
    return figure


def draw_critical_times(axes: Axes, diagram: xr.Dataset) -> None:
    """t_c against N, a line per block; opening times are triangles at the right and, for few blocks, thin lines."""
    scale = _draw_blocks(axes, diagram)
    if diagram.sizes["block"] > MOST_LINES:
        axes.figure.colorbar(scale, ax=axes, label="local variance $s_b$", pad=0.03)


def _draw_blocks(axes: Axes, diagram: xr.Dataset) -> ScalarMappable:
    """The lines of `draw_critical_times`, and the scale of their colours."""
    sizes, variances = drawn_sizes(diagram), diagram.block_variance.values
    many = len(variances) > MOST_LINES
    colours, scale = _block_colours(variances)
    for block, (variance, colour) in enumerate(zip(variances, colours, strict=True)):
        dashes = "-" if many else DASHES[block]
        plot = partial(axes.plot, sizes, color=colour, linestyle=dashes, linewidth=0.7 if many else 1.3)
        times, opening = diagram.critical_time.values[block], diagram.opening_time.values[block]
        outside = diagram.status.values[block] == Status.OUT_OF_VALIDITY
        # The faint part reaches the first valid point, so that the line has no hole.
        reach = outside | np.append(outside[1:], False) | np.insert(outside[:-1], 0, False)
        plot(np.where(reach, times, np.nan), alpha=FAINT)
        plot(np.where(outside, np.nan, times), label=rf"$s_{{{block}}} = {variance:.3g}$")
        if not many:
            axes.axhline(opening, color=colour, linestyle=dashes, linewidth=0.5, alpha=0.6)
        axes.plot([0.99], [opening], marker=5, color=colour, markersize=4, transform=axes.get_yaxis_transform())
    found = diagram.critical_time.values[np.isfinite(diagram.critical_time.values)]
    axes.set_ylabel(f"critical time $t_c$ [{UNITS}]")
    if variances.any():
        axes.set_yscale("log")
    else:  # nothing to show on a logarithmic axis
        axes.set_ylim(0, 1)
    label_sizes(axes, diagram)
    if many and len(found):
        # Blocks far below the critical times never open; their opening times would squeeze the curves.
        axes.set_ylim(found.min() / 3, max(found.max(), diagram.opening_time.values.max()) * 1.5)
    return scale


def draw_critical_time_map(axes: Axes, diagram: xr.Dataset) -> None:
    """t_c of the swept block against N and its local variance, in contours; below the dashed line it never opens."""
    times = diagram.critical_time_map.values.T
    found = times[np.isfinite(times)]
    spread = len(found) > 0 and found.max() > found.min() and min(times.shape) > 1
    norm = LogNorm(found.min(), found.max()) if spread else None
    _draw_map(axes, diagram, times, norm, COLOURS, f"$t_c$ of the swept block [{UNITS}]", "top")
    if spread:
        _draw_decades(axes, diagram, times)
    ratio = _opening_ratio(diagram)
    if spread and np.nanmin(ratio) < 1 < np.nanmax(ratio):
        line = axes.contour(
            *_finer(diagram, np.log(ratio)), levels=[0.0], colors="black", linestyles="--", linewidths=1.0
        )
        line.set_path_effects(HALO)
        proxy = Line2D([], [], color="black", linestyle="--", linewidth=1.0, label="$t_c = s$: below, never opens")
        # Beside the axes: in them it would be on the contours' labels.
        axes.figure.legend(handles=[proxy], loc="outside lower center", frameon=False)
    _label_map(axes, diagram)


def _draw_decades(axes: Axes, diagram: xr.Dataset, times: np.ndarray) -> None:
    """Contours of the map, a decade or a few apart, with their values on them."""
    low, high = np.log10([np.nanmin(times), np.nanmax(times)])
    exponents = np.arange(np.ceil(low + _MARGIN), np.floor(high - _MARGIN) + 1)
    exponents = exponents[:: max(1, len(exponents) // _MOST_CONTOURS)]
    _label_map(axes, diagram)  # labels are placed on the axes' own scales
    lines = axes.contour(
        *_finer(diagram, np.log10(times)), levels=exponents, colors="black", linestyles="-", linewidths=0.5
    )
    texts = axes.clabel(lines, fontsize=6, fmt=lambda exponent: f"$10^{{{exponent:.0f}}}$")
    for text in texts:
        text.set_path_effects(HALO)


def draw_sensitivity(axes: Axes, diagram: xr.Dataset, name: str = "sensitivity_probe") -> None:
    """d ln t_c/d ln s against N and the local variance; `name` says of which sensitivity.

    Above zero higher variance is lost first. Where lower variance is, the map is hatched;
    the dotted line is where a direction opens just as it is lost.
    """
    sizes, variances = drawn_sizes(diagram), diagram.local_variance.values
    slope = diagram[name].values.T
    limit = np.nanmax(np.abs(slope), initial=0.0)
    norm = Normalize(-limit, limit)  # zero in the middle of the colours
    _draw_map(axes, diagram, slope, norm, "PuOr", r"$d \ln t_c / d \ln s$")
    if (slope < 0).any():
        with mpl.rc_context({"hatch.linewidth": 0.4}):
            axes.contourf(sizes, variances, slope < 0, levels=[0.5, 1.5], colors="none", hatches=["////"])
    ratio = _opening_ratio(diagram)
    if np.nanmin(ratio) < 1 < np.nanmax(ratio):
        axes.contour(sizes, variances, ratio, levels=[1.0], colors="black", linestyles=":", linewidths=1.2)
    _label_map(axes, diagram)


def diagram_title(diagram: xr.Dataset) -> str:
    """Criterion, level and, if it was fitted, law, in words."""
    law = f", {diagram.attrs['law']}" if "law" in diagram.attrs else ""
    return f"{diagram.attrs['criterion'].replace('_', ' ')}, {diagram.attrs['theory']}{law}"


def _draw_map(
    axes: Axes,
    diagram: xr.Dataset,
    values: np.ndarray,
    norm: Normalize | None,
    colours: str,
    label: str,
    side: Literal["right", "top"] = "right",
) -> None:
    """Values over N and the local variance, faint where the level does not hold, with their colour bar."""
    sizes, variances = drawn_sizes(diagram), diagram.local_variance.values
    image = axes.pcolormesh(
        sizes, variances, values, norm=norm, cmap=mpl.colormaps[colours].with_extremes(bad=(1, 1, 1, 0)),
        shading="gouraud" if min(values.shape) > 1 else "nearest", rasterized=True, zorder=0,
    )  # fmt: skip
    veil(axes, sizes, variances, diagram.status_map.values.T == Status.OUT_OF_VALIDITY)
    axes.figure.colorbar(image, ax=axes, label=label, pad=0.03, location=side, aspect=30 if side == "top" else 20)


def _finer(diagram: xr.Dataset, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes, local variances and values for contours, which between few variances have dents on a logarithmic axis."""
    nodes = np.log(diagram.local_variance.values)
    finer = np.unique(np.concatenate([nodes, np.linspace(nodes[0], nodes[-1], _ROWS)]))
    rows = np.stack([np.interp(finer, nodes, column) for column in values.T], axis=1)
    return drawn_sizes(diagram), np.exp(finer), rows


def _opening_ratio(diagram: xr.Dataset) -> np.ndarray:
    """t_c over t_open of the swept block; where it exceeds 1 a direction never opens."""
    return diagram.critical_time_map.values.T / diagram.opening_time_map.values[:, None]


def _label_map(axes: Axes, diagram: xr.Dataset) -> None:
    label_sizes(axes, diagram)
    axes.set(yscale="log", ylabel=variance_label(diagram))


def _block_colours(variances: np.ndarray) -> tuple[np.ndarray, ScalarMappable]:
    """One colour per block, dark for high variance; the colour scale of the logarithm of the variances."""
    positive = variances[variances > 0]
    low, high = (positive.min(), positive.max()) if len(positive) else (1.0, 1.0)
    norm = LogNorm(low, high) if high > low else Normalize(low, high)
    colour_map = mpl.colors.ListedColormap(shades(256))
    scale = ScalarMappable(norm, colour_map)
    if len(variances) > MOST_LINES:
        return scale.to_rgba(np.maximum(variances, low)), scale
    ranks = np.argsort(np.argsort(-variances))
    return colour_map(1.0 - ranks / max(len(variances) - 1, 1)), scale
