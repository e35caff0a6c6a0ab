"""Figures of a phase diagram: critical times, maps and sensitivities."""

from functools import partial

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from geomem.core.status import Status
from geomem.figures.style import (
    COLOURS,
    COLUMN_WIDTH,
    DASHES,
    MOST_LINES,
    SIZE_LABEL,
    STYLE,
    UNITS,
    draw_clock,
    shades,
)

_FAINT = 0.3  # opacity of what is outside the level's validity
_LARGEST_SIZE = 1e300  # that is drawn itself; larger ones by their logarithm


def phase_diagram_figure(diagram: xr.Dataset) -> Figure:
    """Critical times of `phase_diagram`'s result, in two panels.

    Above, t_c against N for every block, with the opening times; below, t_c of the
    swept block against N and its local variance, with the line t_c = t_open: a
    direction below it never opens. Values outside the level's validity are faint.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 5.2), layout="constrained")
        grid = figure.add_gridspec(2, 1)
        above, below = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
        axes = above.add_subplot()
        draw_critical_times(axes, diagram)
        draw_clock(axes, "right", diagram)
        axes.set_title(f"{diagram_title(diagram)} (\N{BLACK RIGHT-POINTING TRIANGLE} opening times)", fontsize=8)
        if diagram.sizes["block"] <= MOST_LINES:
            above.legend(loc="outside lower center", ncols=3, frameon=False, handlelength=2.0, columnspacing=1.0)
        draw_critical_time_map(below.add_subplot(), diagram)
    return figure


def draw_critical_times(axes: Axes, diagram: xr.Dataset) -> None:
    """t_c against N, a line per block; opening times are triangles at the right and, for few blocks, thin lines."""
    sizes, variances = _sizes(diagram), diagram.block_variance.values
    many = len(variances) > MOST_LINES
    colours, scale = _block_colours(variances)
    for block, (variance, colour) in enumerate(zip(variances, colours, strict=True)):
        dashes = "-" if many else DASHES[block]
        plot = partial(axes.plot, sizes, color=colour, linestyle=dashes, linewidth=0.7 if many else 1.3)
        times, opening = diagram.critical_time.values[block], diagram.opening_time.values[block]
        outside = diagram.status.values[block] == Status.OUT_OF_VALIDITY
        # The faint part reaches the first valid point, so that the line has no hole.
        reach = outside | np.append(outside[1:], False) | np.insert(outside[:-1], 0, False)
        plot(np.where(reach, times, np.nan), alpha=_FAINT)
        plot(np.where(outside, np.nan, times), label=rf"$s_{{{block}}} = {variance:.3g}$")
        if not many:
            axes.axhline(opening, color=colour, linestyle=dashes, linewidth=0.5, alpha=0.6)
        axes.plot([0.99], [opening], marker=5, color=colour, markersize=4, transform=axes.get_yaxis_transform())
    found = diagram.critical_time.values[np.isfinite(diagram.critical_time.values)]
    # Data without any variance have nothing to show on a logarithmic axis.
    axes.set(yscale="log" if variances.any() else "linear", ylabel=f"critical time $t_c$ [{UNITS}]")
    _label_sizes(axes, diagram)
    if many:
        # Blocks far below the critical times never open; their opening times would squeeze the curves.
        if len(found):
            axes.set_ylim(found.min() / 3, max(found.max(), diagram.opening_time.values.max()) * 1.5)
        axes.figure.colorbar(scale, ax=axes, label="local variance $s_b$", pad=0.03)


def draw_critical_time_map(axes: Axes, diagram: xr.Dataset) -> None:
    """t_c of the swept block against N and its local variance; below the dashed line it never opens."""
    times = diagram.critical_time_map.values.T
    found = times[np.isfinite(times)]
    norm = LogNorm(found.min(), found.max()) if len(found) and found.max() > found.min() else None
    _draw_map(axes, diagram, times, norm, COLOURS, f"$t_c$ of the swept block [{UNITS}]")
    ratio = _opening_ratio(diagram)
    if len(found) and np.nanmin(ratio) < 1 < np.nanmax(ratio) and min(ratio.shape) > 1:
        line = axes.contour(
            _sizes(diagram),
            diagram.local_variance.values,
            ratio,
            levels=[1.0],
            colors="black",
            linestyles="--",
            linewidths=1.0,
        )
        line.set_path_effects([withStroke(linewidth=2.2, foreground="white")])
        proxy = Line2D([], [], color="black", linestyle="--", linewidth=1.0, label="$t_c = s$: below, never opens")
        axes.legend(handles=[proxy], loc="lower left", framealpha=0.85, edgecolor="none")
    _label_map(axes, diagram)


def draw_sensitivity(axes: Axes, diagram: xr.Dataset, name: str = "sensitivity_probe") -> None:
    """d ln t_c/d ln s against N and the local variance; `name` says of which sensitivity.

    Above zero higher variance is lost first. Where lower variance is, the map is hatched;
    the dotted line is where a direction opens just as it is lost.
    """
    sizes, variances = _sizes(diagram), diagram.local_variance.values
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
    """Criterion and level, in words."""
    return f"{diagram.attrs['criterion'].replace('_', ' ')}, {diagram.attrs['theory']}"


def _draw_map(
    axes: Axes, diagram: xr.Dataset, values: np.ndarray, norm: Normalize | None, colours: str, label: str
) -> None:
    """Values over N and the local variance, faint where the level does not hold, with their colour bar."""
    outside = diagram.status_map.values.T == Status.OUT_OF_VALIDITY
    draw = partial(
        axes.pcolormesh, _sizes(diagram), diagram.local_variance.values, norm=norm, cmap=colours, shading="nearest",
        rasterized=True,
    )  # fmt: skip
    draw(np.where(outside, values, np.nan), alpha=_FAINT)
    image = draw(np.where(outside, np.nan, values))
    axes.figure.colorbar(image, ax=axes, label=label, pad=0.03)


def _opening_ratio(diagram: xr.Dataset) -> np.ndarray:
    """t_c over t_open of the swept block; where it exceeds 1 a direction never opens."""
    return diagram.critical_time_map.values.T / diagram.opening_time_map.values[:, None]


def _label_map(axes: Axes, diagram: xr.Dataset) -> None:
    _label_sizes(axes, diagram)
    axes.set(yscale="log")
    axes.set_ylabel(f"local variance $s$ of block {diagram.attrs['swept_block']} [{UNITS}]")


def _drawable(diagram: xr.Dataset) -> bool:
    """Whether N itself can be drawn; else its logarithm is."""
    return bool((diagram.num_samples < _LARGEST_SIZE).all())


def _sizes(diagram: xr.Dataset) -> np.ndarray:
    return (diagram.num_samples if _drawable(diagram) else diagram.log_num_samples / np.log(10)).values


def _label_sizes(axes: Axes, diagram: xr.Dataset) -> None:
    sizes = _sizes(diagram)
    if _drawable(diagram):
        axes.set(xscale="log", xlabel=SIZE_LABEL)
    else:
        axes.set(xlabel=r"data-set size, $\log_{10} N$")
    if sizes.min() < sizes.max():
        axes.set_xlim(sizes.min(), sizes.max())


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
