"""Planes of a phase diagram: directions kept over size and noise variance, and over local and noise variance."""

from itertools import product

import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patches import Patch
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import MaxNLocator

from geomem.core.arguments import Numbers
from geomem.core.provenance import inputs_of
from geomem.core.status import Status
from geomem.figures.style import SIZE_LABEL, TIME_LABEL, UNITS

FAINT = 0.3  # opacity of what is outside the level's validity
HALO: list[AbstractPathEffect] = [withStroke(linewidth=2.2, foreground="white")]
_LARGEST_SIZE = 1e300  # that is drawn itself; larger ones by their logarithm
_KEPT = "0.8"  # grey of the directions kept, where their number does not matter
_MOST_SHADES = 8
_ROWS, _COLUMNS = 400, 240  # of the shading: noise variances and, about, sizes
# A label in units of the axes: the height of its line, its distance from what it belongs to, the width of a letter.
_LINE, _GAP, _LETTER = 0.075, 0.012, 0.027

Box = tuple[float, float, float, float]  # left, bottom, right, top in units of the axes


def kept_directions(diagram: xr.Dataset, noise_variance: Numbers) -> Float[np.ndarray, "sizes times"]:
    """D(t, N), the number of directions that are open and not lost, from `phase_diagram`'s opening and critical times.

    A block without a transition is kept below its opening time, unless the probe has no signal at all. NaN where it
    is not known whether an open block is lost.
    """
    return _kept(diagram, _loss_times(diagram.critical_time, diagram), noise_variance)


def draw_kept_directions(axes: Axes, diagram: xr.Dataset) -> None:
    """Shades of grey for D(t, N), white where no direction is kept, faint where the level does not hold.

    The limits of the axis of times are taken as they are. A single size has no plane.
    """
    # Data without any variance have a linear axis, and nothing is kept.
    if axes.get_yscale() != "log" or diagram.sizes["num_samples"] == 1:
        return
    low, high = axes.get_ylim()
    times = np.geomspace(low, high, _ROWS)
    loss = np.log(np.maximum(_loss_times(diagram.critical_time, diagram), low / 10))
    sizes = drawn_sizes(diagram)
    nodes = np.arange(len(sizes))
    finer = np.linspace(0, nodes[-1], nodes[-1] * -(-_COLUMNS // nodes[-1]) + 1)  # the sizes are among them
    # Between sizes as the lines are drawn, straight on logarithmic axes.
    columns = np.interp(finer, nodes, np.log(sizes) if _drawable(diagram) else sizes)
    columns = np.exp(columns) if _drawable(diagram) else columns
    between = np.exp([np.interp(finer, nodes, row) for row in loss])
    count = _kept(diagram, between, times).T
    found = np.unique(count[count > 0])
    if not len(found):
        return
    edges, ticks, numbers = _bands(found)
    greys = ListedColormap([str(grey) for grey in np.linspace(0.92, 0.45, len(edges) - 1)])
    shown = np.where(count > 0, count, np.nan)
    image = axes.pcolormesh(
        columns,
        times,
        shown,
        norm=BoundaryNorm(edges, greys.N),
        cmap=greys,
        shading="nearest",
        rasterized=True,
        zorder=0,
    )
    outside = (diagram.status.values == Status.OUT_OF_VALIDITY)[:, np.rint(finer).astype(int)]
    opened = times[:, None] < diagram.opening_time.values
    veil(axes, columns, times, opened.astype(int) @ outside.astype(int) > 0)
    bar = axes.figure.colorbar(image, ax=axes, location="top", spacing="uniform", aspect=30, pad=0.03)
    bar.set_ticks(ticks.tolist(), labels=[f"{number:g}" for number in numbers])
    bar.ax.minorticks_off()
    bar.set_label("number of directions kept, $D(t, N)$")


def draw_spectrum_plane(axes: Axes, diagram: xr.Dataset, place: int) -> None:
    """Where a direction of local variance s is kept, t_c(s) < t < s, in its background at the size of that place.

    The spectrum's own variances are marks on the axis of variances.
    """
    at = diagram.isel(num_samples=place).sortby("local_variance")
    at = at.isel(local_variance=at.local_variance.values > 0)  # the axis is logarithmic
    axes.set(ylabel=TIME_LABEL, xlabel=variance_label(diagram))
    if not at.sizes["local_variance"]:
        return
    variances, critical = at.local_variance.values, at.critical_time_map.values
    outside = at.status_map.values == Status.OUT_OF_VALIDITY
    positive = np.concatenate([critical[critical > 0], variances])
    low, high = positive.min() / 2, positive.max() * 2
    loss = np.log(np.clip(_loss_times(at.critical_time_map, at), low, high))
    opening = np.log(np.maximum(at.opening_time_map.values, low))
    # Finer, so that the region ends where the lines cross, which are straight on logarithmic axes.
    finer = np.linspace(0, len(variances) - 1, _ROWS)
    nodes = np.arange(len(variances))
    across, lost, opens = (np.exp(np.interp(finer, nodes, row)) for row in (np.log(variances), loss, opening))
    far = outside[np.rint(finer).astype(int)]
    for region, opacity in ((~far, 1.0), (far, FAINT)):
        axes.fill_between(across, lost, opens, where=(lost < opens) & region, color=_KEPT, alpha=opacity, linewidth=0)
    axes.plot(variances, at.opening_time_map, color="black", linestyle="--", linewidth=1.0)
    axes.plot(variances, critical, color="black", linewidth=1.3, alpha=FAINT if outside.any() else 1.0)
    axes.plot(variances, np.where(outside, np.nan, critical), color="black", linewidth=1.3)
    axes.set(xscale="log", yscale="log", ylim=(low, high))
    if variances.min() < variances.max():
        axes.set_xlim(variances.min(), variances.max())
    own = np.unique(diagram.block_variance.values)
    axes.plot(
        own, np.zeros_like(own), color="black", marker=10, markersize=4, linestyle="none",
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    handles = [axes.lines[0], axes.lines[2], Patch(color=_KEPT), axes.lines[3]]
    labels = ["opens: $t = s$", "lost: $t = t_c(s)$", f"kept at {_size_text(at)}", "spectrum"]
    # Beside the axes: in them it would be on a line of some spectrum.
    axes.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)


def draw_size(axes: Axes, diagram: xr.Dataset, place: int) -> None:
    """A thin line at the size of that place."""
    axes.axvline(drawn_sizes(diagram)[place], color="black", linestyle=(0, (4, 2, 1, 2)), linewidth=0.6)


def label_blocks(axes: Axes, diagram: xr.Dataset) -> None:
    """Labels at the opening and the critical lines, of those where one fits in between the others.

    The limits of the axes are taken as they are.
    """
    to_axes = (axes.transScale + axes.transLimits).transform
    sizes, critical = drawn_sizes(diagram), diagram.critical_time.values
    opening = np.broadcast_to(diagram.opening_time.values[:, None], critical.shape)
    lines = [to_axes(np.stack([sizes, np.maximum(row, 1e-300)], axis=1)) for row in (*opening, *critical)]
    texts = [f"$s_{{{block}}} = {variance:.3g}$" for block, variance in enumerate(diagram.block_variance.values)]
    texts += [f"$t_{{c,{block}}}$" for block in range(len(texts))]
    taken: list[Box] = []
    for own, (line, text) in enumerate(zip(lines, texts, strict=True)):
        others = lines[:own] + lines[own + 1 :]
        # A formula's letters are about those of its text without the markup.
        width = _LETTER * len(text.translate(str.maketrans("", "", "$_{} ,")))
        for left, below in product(np.linspace(0.96 - width, 0.02, 25), (False, True)):
            crossed = line[(line[:, 0] > left - _GAP) & (line[:, 0] < left + width + _GAP), 1]
            if not len(crossed) or not np.isfinite(crossed).all():
                continue
            bottom = crossed.min() - _GAP - _LINE if below else crossed.max() + _GAP
            box = (left, bottom, left + width, bottom + _LINE)
            free = not any(_crosses(box, other) for other in others) and not any(_meets(box, other) for other in taken)
            if free and 0 < bottom < 1 - _LINE:
                axes.text(left, bottom, text, fontsize=7, transform=axes.transAxes, va="bottom", path_effects=HALO)
                taken.append(box)
                break


def veil(axes: Axes, across: np.ndarray, up: np.ndarray, hidden: np.ndarray) -> None:
    """Make faint what is drawn already, where the level does not hold."""
    if hidden.any():
        white = np.where(hidden, 1.0, np.nan)
        axes.pcolormesh(
            across, up, white, cmap=ListedColormap(["white"]), alpha=1 - FAINT, shading="nearest", rasterized=True,
            zorder=0.5,
        )  # fmt: skip


def drawn_sizes(diagram: xr.Dataset) -> np.ndarray:
    """N, or its decimal logarithm where N itself cannot be drawn."""
    return (diagram.num_samples if _drawable(diagram) else diagram.log_num_samples / np.log(10)).values


def label_sizes(axes: Axes, diagram: xr.Dataset) -> None:
    """Scale, limits and label of the axis of `drawn_sizes`."""
    sizes = drawn_sizes(diagram)
    if _drawable(diagram):
        axes.set(xscale="log", xlabel=SIZE_LABEL)
    else:
        axes.set(xlabel=r"data-set size, $\log_{10} N$")
    if sizes.min() < sizes.max():
        axes.set_xlim(sizes.min(), sizes.max())


def variance_label(diagram: xr.Dataset) -> str:
    """Label of the axis of local variances."""
    return f"local variance $s$ of block {diagram.attrs['swept_block']} [{UNITS}]"


def _drawable(diagram: xr.Dataset) -> bool:
    """Whether N itself can be drawn; else its logarithm is."""
    return bool((diagram.num_samples < _LARGEST_SIZE).all())


def _size_text(at: xr.Dataset) -> str:
    digits = float(at.log_num_samples) / np.log(10)
    return f"$N = {float(at.num_samples):.0f}$" if digits < 7 else f"$N = 10^{{{digits:.3g}}}$"


def _loss_times(critical: xr.DataArray, diagram: xr.Dataset) -> np.ndarray:
    """Noise variance below which a direction is lost: 0 if it never is, infinite if it always is, NaN if unknown."""
    status = diagram.status if critical.name == "critical_time" else diagram.status_map
    inputs = inputs_of(diagram.attrs["provenance"])
    # At the origin the score has no part along a direction for its noise to exceed.
    silent = inputs["criterion"] == "signal_to_noise" and inputs["probe"]["kind"] == "origin"
    return np.where(status == Status.NO_TRANSITION, np.inf if silent else 0.0, critical)


def _kept(diagram: xr.Dataset, loss: np.ndarray, noise_variance: Numbers) -> np.ndarray:
    times = np.asarray(noise_variance, dtype=float)
    opened = times < diagram.opening_time.values[:, None, None]
    beyond = np.where(np.isnan(loss), np.nan, 1.0)[:, :, None] * (times > loss[:, :, None])
    return np.einsum("b,bnt->nt", diagram.multiplicity.values.astype(float), np.where(opened, beyond, 0.0))


def _bands(found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges of the shades, and where to write which numbers: a shade for every number found, or a range if many are."""
    if len(found) > _MOST_SHADES:
        edges = np.asarray(MaxNLocator(_MOST_SHADES, integer=True).tick_values(0, found[-1]))
        return edges, edges, edges
    edges = np.concatenate([[found[0] - 0.5], 0.5 * (found[1:] + found[:-1]), [found[-1] + 0.5]])
    return edges, 0.5 * (edges[1:] + edges[:-1]), found


def _crosses(box: Box, line: np.ndarray) -> bool:
    """Whether a line passes the box; a line is points in units of the axes, NaN where there is none."""
    left, bottom, right, top = box
    inside = np.linspace(left, right, 20)
    height = np.interp(inside, line[:, 0], line[:, 1])
    return bool(((height > bottom) & (height < top)).any())


def _meets(box: Box, other: Box) -> bool:
    return bool(box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3])
