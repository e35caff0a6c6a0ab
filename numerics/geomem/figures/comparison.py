"""Figures of measured curves beside predicted ones."""

from itertools import product
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from geomem.core.observables import OBSERVABLES
from geomem.figures.style import COLUMN_WIDTH, DASHES, MARKERS, MOST_LINES, STYLE, TIME_LABEL, draw_clock, shades
from geomem.studies.comparison import TIMES, compare, curve

# What the dimensions of a curve are called on an axis and in a legend.
_LABELS = {"num_samples": "$N$", "noise_variance": TIME_LABEL, "time": "time"}


def comparison_figure(measured: xr.Dataset, predicted: xr.Dataset) -> Figure:
    """What `compare` compares: above, the predicted curve as lines and the measured one as points; below, z."""
    found = compare(measured, predicted)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 3.6), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
        draw_curves(above, measured, predicted)
        times = above.get_xlabel()
        above.set_xlabel("")
        for style, column in zip(_styles(found.z), _columns(found.z), strict=True):
            below.plot(column[_time_axis(found.z)], column, **style, linestyle="none", markersize=2.5)
        below.axhspan(-2, 2, color="0.9")
        below.set(xlabel=times, ylabel="$z$")
        handles, labels = above.get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, handlelength=1.6)
        draw_clock(above, "top", measured)
    return figure


def draw_curves(axes: Axes, measured: xr.Dataset, predicted: xr.Dataset) -> None:
    """The predicted curve as lines, the measured one as points with error bars, one of each per value beside time."""
    value, error = curve(measured, "measured")
    error = error.broadcast_like(value)
    expected, _ = curve(predicted, "predicted")
    columns = _columns(value)
    few = len(columns) <= MOST_LINES
    along = _time_axis(value)
    rows = zip(_styles(value), columns, _columns(error), _columns(expected), strict=True)
    for place, (style, points, errors, line) in enumerate(rows):
        axes.plot(line[along], line, color=style["color"], linestyle=DASHES[place] if few else "-", linewidth=1.0)
        bars = None if np.isnan(errors).all() else errors.values
        label = _label(points, value) if few else None
        axes.errorbar(
            points[along], points, bars, **style, linestyle="none", markersize=2.5, elinewidth=0.7, label=label
        )
    name = measured.attrs.get("observable", _name_of(value))
    ylabel = OBSERVABLES[name].axis if name in OBSERVABLES else name
    axes.set(xscale="log", xlabel=_LABELS[along], ylabel=ylabel)


def _time_axis(value: xr.DataArray) -> str:
    return next(name for name in TIMES if name in value.dims)


def _columns(value: xr.DataArray) -> list[xr.DataArray]:
    """The curves over time, one for each value of the other dimensions."""
    others = [dim for dim in value.dims if dim != _time_axis(value)]
    places = product(*(range(value.sizes[dim]) for dim in others))
    return [value.isel(dict(zip(others, place, strict=True))) for place in places]


def _styles(value: xr.DataArray) -> list[dict[str, Any]]:
    count = len(_columns(value))
    colours = shades(count) if count > 1 else ["black"]
    return [{"color": colour, "marker": MARKERS[place % MOST_LINES]} for place, colour in enumerate(colours)]


def _label(column: xr.DataArray, value: xr.DataArray) -> str | None:
    others = [str(dim) for dim in value.dims if dim != _time_axis(value)]
    return ", ".join(f"{_LABELS.get(dim, dim)} = {column[dim].item():g}" for dim in others) or None


def _name_of(value: xr.DataArray) -> str:
    return str(value.attrs.get("long_name", value.name))
