"""Figures of local scores: where patches copy, and one image denoised by patches of every size."""

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from geomem.figures.style import COLUMN_WIDTH, DASHES, MARKERS, MOST_LINES, STYLE, TIME_LABEL, draw_clock, shades

_DRAWN = (np.log(0.1), 40.0)  # between which logarithms of numbers of images are drawn
_INCH = 0.62  # of one picture


def local_figure(diagram: xr.Dataset) -> Figure:
    """A `patch_diagram`: on the left where patches copy over N and t, on the right over patch size and t at one N.

    The plane on the right is that of the last of the numbers of images; the lines on it are the largest patches that do
    not copy at every one.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2 * COLUMN_WIDTH, 2.9), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        draw_critical_images(left, diagram)
        draw_patch_plane(right, diagram)
        right.set_ylabel("")
        draw_clock(right, "right", diagram)
    return figure


def draw_critical_images(axes: Axes, diagram: xr.Dataset) -> None:
    """The number of images below which patches copy, a line for every patch size; dashed by the collapse condition."""
    times = diagram.noise_variance.values
    colours = shades(diagram.sizes["patch_size"])
    for place, (size, colour) in enumerate(zip(diagram.patch_size.values, colours, strict=True)):
        at = diagram.isel(patch_size=place)
        exact, collapse = (np.exp(np.clip(one, *_DRAWN)) for one in (at.log_critical_size, at.log_collapse_size))
        marker = MARKERS[place % len(MARKERS)]
        axes.plot(exact, times, color=colour, marker=marker, markersize=2.5, linewidth=1.1, label=f"{size} by {size}")
        axes.plot(collapse, times, color=colour, linestyle="--", linewidth=0.7)
    for count in diagram.num_images.values:
        axes.axvline(count, color="black", linestyle=(0, (4, 2, 1, 2)), linewidth=0.6)
    top = max(diagram.num_images.values.max() * 100, 1e6)
    axes.set(xscale="log", yscale="log", xlim=(1.0, top), xlabel="number of images $N$", ylabel=TIME_LABEL)
    axes.set_ylim(times.min(), times.max())
    # Beside the axes: in them it would be on a line.
    axes.legend(
        title="copies left of (dashed: by the collapse)", fontsize=6, title_fontsize=6, loc="lower center",
        bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False,
    )  # fmt: skip


def draw_patch_plane(axes: Axes, diagram: xr.Dataset) -> None:
    """The participation over patch size and t at the largest N, and the largest patch that does not copy at every N."""
    times, sizes = diagram.noise_variance.values, diagram.patch_size.values.astype(float)
    at = diagram.isel(num_images=-1)
    image = axes.pcolormesh(
        sizes, times, at.participation.transpose("noise_variance", "patch_size").values, cmap="Greys", vmin=0, vmax=1,
        shading="gouraud" if min(len(sizes), len(times)) > 1 else "nearest", rasterized=True, zorder=0,
    )  # fmt: skip
    axes.figure.colorbar(image, ax=axes, label="participation $Y_2$", location="top", aspect=30, pad=0.03)
    counts = diagram.num_images.values
    # Infinite is beyond all that is asked for.
    logs = np.clip(diagram.log_critical_size.transpose("noise_variance", "patch_size").values, *_DRAWN)
    for place, (count, colour) in enumerate(zip(counts, shades(max(len(counts), 2))[: len(counts)], strict=True)):
        style = DASHES[place % MOST_LINES]
        if min(logs.shape) > 1:
            axes.contour(
                sizes, times, logs, levels=[np.log(count)], colors=[colour], linestyles=[style], linewidths=1.3
            )
        axes.plot([], [], color=colour, linestyle=style, linewidth=1.3, label=f"$r^*$, $N$ = {count:g}")
    axes.set(yscale="log", xlabel="patch size $r$ [pixels]", ylabel=TIME_LABEL)
    axes.set_ylim(times.min(), times.max())
    if len(sizes) > 1:
        axes.set_xlim(sizes.min(), sizes.max())
    axes.legend(fontsize=6, loc="upper left")


def pictures_figure(pictures: xr.Dataset) -> Figure:
    """`denoised_pictures`: a row for every noise variance, the noised image first, and the image itself at the end."""
    count = pictures.sizes["noise_variance"]
    names = [f"{name} by {name}" if name.isdigit() else f"{name} images" for name in pictures.denoiser.values]
    titles = ["noised", *names, "the image"]
    low, high = float(pictures.image.min()), float(pictures.image.max())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_INCH * len(titles) + 0.5, _INCH * count + 0.35), layout="constrained")
        grid = figure.subplots(count, len(titles), squeeze=False)
        for row, axes in zip(range(count), grid, strict=True):
            at = pictures.isel(noise_variance=row)
            shown = [at.noised.values, *at.denoised.values, at.image.values]
            for panel, picture, title in zip(axes, shown, titles, strict=True):
                _draw_picture(panel, picture, low, high)
                if row == 0:
                    panel.set_title(title, fontsize=6)
            axes[0].set_ylabel(f"$t$ = {float(at.noise_variance):.2g}", fontsize=6)
    return figure


def _draw_picture(axes: Axes, picture: np.ndarray, low: float, high: float) -> None:
    """Grey, or in the first three channels as colours."""
    scaled = np.clip((picture - low) / (high - low or 1.0), 0, 1)
    if scaled.shape[2] >= 3:
        axes.imshow(scaled[:, :, :3], interpolation="nearest")
    else:
        axes.imshow(scaled[:, :, 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
