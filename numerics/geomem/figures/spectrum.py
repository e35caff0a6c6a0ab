"""Figures of measured spectra beside what the theory says of them."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import xarray as xr
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from geomem.figures.style import COLUMN_WIDTH, STYLE, TIME_LABEL, draw_clock, shades
from geomem.studies.comparison import curve


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
            times, study.population_gap_dimension, color="0.5", linestyle="--", linewidth=1.0, drawstyle="steps-mid",
            label="gap, population",
        )  # fmt: skip
        below.plot(
            times, study.resolved_dimension, color="black", linewidth=1.2, drawstyle="steps-mid",
            label="resolved $D(t)$, finite $N$",
        )  # fmt: skip
        below.plot(
            times, gap, color="black", marker="o", markersize=3, mfc="white", linestyle="none", label="gap, measured"
        )
        below.set(xlabel=TIME_LABEL, ylabel="dimension")
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
    ends = float(noise_variance.min()), float(noise_variance.max())
    scale = mpl.cm.ScalarMappable(mpl.colors.LogNorm(*ends), "viridis")
    for row, time in zip(values[:, dropped:], noise_variance, strict=True):
        axes.plot(np.arange(dropped, count) + 1, row / row.max(), color=scale.to_rgba(time), linewidth=0.6, alpha=0.5)
    for place, dimension in enumerate(dimensions):
        axes.axvline(count - dimension, color="black", linestyle=(":", "-.", "--")[place % 3], linewidth=0.8)
    axes.set(ylim=(-0.05, 1.05), xlabel="ordered singular values")
    return scale
