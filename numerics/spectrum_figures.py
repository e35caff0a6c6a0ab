"""Figures of measured curves and spectra beside predicted ones."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from numerics.comparison import TIMES, compare, curve
from numerics.figures import COLUMN_WIDTH, DASHES, MOST_LINES, STYLE, UNITS, draw_clock, shades

_MARKERS = "os^Dv<"
_LABELS = {"num_samples": "$N$", "noise_variance": f"noise variance $t$ [{UNITS}]", "time": "time"}

_OBSERVABLES = {
    "participation": "participation $Y_2$",
    "excess-entropy": "excess entropy $f$ [nats/dimension]",
    "collapse-probability": "probability of the same sample",
    "cloning": "probability of the same class",
    "singular-values": "singular value times $t$",
}


def comparison_figure(measured: xr.Dataset, predicted: xr.Dataset) -> Figure:
    """What `compare` compares: above, the predicted curve as lines and the measured one as points; below, z."""
    found = compare(measured, predicted)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 3.6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
        draw_curves(above, measured, predicted)
        clock = above.get_xlabel()
        above.set_xlabel("")
        for style, column in zip(_styles(found.z), _columns(found.z), strict=True):
            below.plot(column[_clock(found.z)], column, **style, linestyle="none", markersize=2.5)
        below.axhspan(-2, 2, color="0.9")
        below.set(xlabel=clock, ylabel="$z$")
        handles, labels = above.get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, handlelength=1.6)
        draw_clock(above, "top", measured)
    return figure


def draw_curves(axes: Axes, measured: xr.Dataset, predicted: xr.Dataset) -> None:
    """The predicted curve as lines, the measured one as points with error bars, one of each per value beside time."""
    value, error = curve(measured, "measured")
    expected, _ = curve(predicted, "predicted")
    columns = _columns(value)
    few = len(columns) <= MOST_LINES
    clock = _clock(value)
    rows = zip(_styles(value), columns, _columns(error), _columns(expected), strict=True)
    for place, (style, points, errors, line) in enumerate(rows):
        axes.plot(line[clock], line, color=style["color"], linestyle=DASHES[place] if few else "-", linewidth=1.0)
        bars = None if np.isnan(errors).all() else errors.values
        label = _label(points, value) if few else None
        axes.errorbar(
            points[clock], points, bars, **style, linestyle="none", markersize=2.5, elinewidth=0.7, label=label
        )
    name = measured.attrs.get("observable", _name(value))
    axes.set(xscale="log", xlabel=_LABELS[clock], ylabel=_OBSERVABLES.get(name, name))


def spectrum_figure(study: xr.Dataset) -> Figure:
    """A `spectrum_study`: above, values of -tJ against t; below, the dimensions that they and the theory show."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 4.6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        value, error = curve(study, "measured")
        times = study.noise_variance
        for index in range(value.sizes["index"]):
            # Directions of one variance lie on one line.
            above.plot(times, study.population_value.isel(index=index), color="black", linewidth=0.6, zorder=1)
        for index, colour in enumerate(shades(value.sizes["index"])):
            above.errorbar(
                times, value.isel(index=index), error.isel(index=index), color=colour, marker="o", markersize=2,
                linestyle="none", elinewidth=0.5,
            )  # fmt: skip
        above.set(xscale="log", ylabel="values of $-tJ$")
        # Between samples that the measure tells apart the values of -tJ are far below zero.
        above.set_yscale("symlog", linthresh=1.0)
        above.margins(y=0.08)
        gap = study.gap_dimension.mean("replicate")
        below.plot(
            times,
            study.population_gap_dimension,
            color="0.5",
            linestyle="--",
            linewidth=1.0,
            drawstyle="steps-mid",
            label="gap, population",
        )
        below.plot(
            times,
            study.resolved_dimension,
            color="black",
            linewidth=1.2,
            drawstyle="steps-mid",
            label="resolved $D(t)$, finite $N$",
        )
        below.plot(
            times, gap, color="black", marker="o", markersize=3, mfc="white", linestyle="none", label="gap, measured"
        )
        below.set(xlabel=_LABELS["noise_variance"], ylabel="dimension")
        draw_clock(above, "top", study)
        figure.legend(*below.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    return figure


def draw_ordered(
    axes: Axes,
    values: Float[np.ndarray, "times index"],
    noise_variance: Float[np.ndarray, " times"],
    *,
    dropped: int,
    dimensions: Sequence[int],
) -> mpl.cm.ScalarMappable:
    """Singular values in order as arXiv:2410.08727 draws them, one curve for every noise variance, by colour.

    The largest `dropped` values are left out, and every curve is divided by the largest that is left. Vertical lines
    are where a gap counts so many `dimensions`. Returns what a colour bar needs.
    """
    count = values.shape[1]
    scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(0.0, float(noise_variance.max())), "viridis")
    for row, time in zip(values[:, dropped:], noise_variance, strict=True):
        axes.plot(np.arange(dropped, count) + 1, row / row.max(), color=scale.to_rgba(time), linewidth=0.6, alpha=0.5)
    for place, dimension in enumerate(dimensions):
        axes.axvline(count - dimension, color="black", linestyle=(":", "-.", "--")[place % 3], linewidth=0.8)
    axes.set(ylim=(-0.05, 1.05), xlabel="ordered singular values")
    return scale


def _clock(value: xr.DataArray) -> str:
    return next(name for name in TIMES if name in value.dims)


def _columns(value: xr.DataArray) -> list[xr.DataArray]:
    """The curves over time, one for each value of the other dimensions."""
    others = [dim for dim in value.dims if dim != _clock(value)]
    places = product(*(range(value.sizes[dim]) for dim in others))
    return [value.isel(dict(zip(others, place, strict=True))) for place in places]


def _styles(value: xr.DataArray) -> list[dict[str, Any]]:
    count = len(_columns(value))
    colours = shades(count) if count > 1 else ["black"]
    return [{"color": colour, "marker": _MARKERS[place % len(_MARKERS)]} for place, colour in enumerate(colours)]


def _label(column: xr.DataArray, value: xr.DataArray) -> str | None:
    others = [str(dim) for dim in value.dims if dim != _clock(value)]
    return ", ".join(f"{_LABELS.get(dim, dim)} = {column[dim].item():g}" for dim in others) or None


def _name(value: xr.DataArray) -> str:
    return str(value.attrs.get("long_name", value.name))
