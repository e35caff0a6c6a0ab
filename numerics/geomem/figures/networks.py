"""Figures of a `train_study`: theory as lines, networks as points with error bars, the empirical score open points."""

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from geomem.figures.style import COLUMN_WIDTH, DASHES, MARKERS, SIZE_LABEL, STYLE, TIME_LABEL, UNITS, shades
from geomem.networks.fates import memorized_over_seeds, over_seeds

# Points of networks are filled, of the empirical score open.
_NETWORK: dict[str, Any] = {"linestyle": "none", "markersize": 3, "elinewidth": 0.7}
_EMPIRICAL = _NETWORK | {"markerfacecolor": "white", "markeredgewidth": 0.6}


def study_figures(study: xr.Dataset) -> dict[str, Figure]:
    """All figures of a study, by name; see `FIGURES`."""
    with mpl.rc_context(STYLE):
        return {name: draw(study) for name, draw in FIGURES.items()}


def _spectra(study: xr.Dataset) -> Figure:
    """Values of -tJ along the blocks against t, a panel for every size."""
    sizes = study.num_samples.values
    columns = min(2, len(sizes))
    rows = -(-len(sizes) // columns)
    figure = Figure(figsize=(COLUMN_WIDTH * columns, 0.6 + 1.9 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    last = study.isel(step=-1)
    for axes, size in zip(grid.flat, sizes, strict=False):
        for block, colour in enumerate(shades(study.sizes["block"])):
            label = rf"$s = {float(study.block_variance[block]):.3g}$" if size == sizes[0] else None
            at = last.sel(num_samples=size).isel(block=block)
            _draw(axes, at, "noise_variance", "population_block_mean", "block_mean", block, colour, label)
        axes.set(xscale="log", ylim=(-0.15, 1.25), title=f"$N = {size}$")
    for axes in grid.flat[len(sizes) :]:
        axes.remove()
    for axes in grid.flat[max(0, len(sizes) - columns) : len(sizes)]:
        axes.set_xlabel(TIME_LABEL)
        axes.tick_params(labelbottom=True)
    for axes in grid[:, 0]:
        axes.set_ylabel("$-tJ$ along a block")
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure


def _dimension(study: xr.Dataset) -> Figure:
    """Number of resolved directions against t, for all sizes."""
    figure = Figure(figsize=(COLUMN_WIDTH, 3.0), layout="constrained")
    axes = figure.subplots()
    last, sizes = study.isel(step=-1), study.num_samples.values
    for place, (size, colour) in enumerate(zip(sizes, shades(len(sizes)), strict=True)):
        at, label = last.sel(num_samples=size), f"$N = {size}$"
        _draw(axes, at, "noise_variance", "resolved_dimension", "dimension", place, colour, label, "steps-mid")
    axes.set(xscale="log", xlabel=TIME_LABEL, ylabel="dimension $D$")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def _sizes(study: xr.Dataset) -> Figure:
    """Number of resolved directions against the data-set size, at a few noise variances."""
    figure = Figure(figsize=(COLUMN_WIDTH, 3.0), layout="constrained")
    axes = figure.subplots()
    last, count = study.isel(step=-1), study.sizes["noise_variance"]
    chosen = sorted({round(place * (count - 1) / 5) for place in range(1, 5)})
    for place, (index, colour) in enumerate(zip(chosen, shades(len(chosen)), strict=True)):
        at = last.isel(noise_variance=index)
        label = f"$t = {float(at.noise_variance):.2g}$"
        _draw(axes, at, "num_samples", "resolved_dimension", "dimension", place, colour, label)
    axes.set(xscale="log", xlabel=SIZE_LABEL, ylabel="dimension $D$")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _losses(study: xr.Dataset) -> Figure:
    """Noise variances at which blocks are lost, against the size."""
    figure = Figure(figsize=(COLUMN_WIDTH, 2.8), layout="constrained")
    axes = figure.subplots()
    last = study.isel(step=-1)
    for block, colour in enumerate(shades(study.sizes["block"])):
        label = rf"$s = {float(study.block_variance[block]):.3g}$"
        _draw(axes, last.isel(block=block), "num_samples", "critical_time", "loss_time", block, colour, label)
    if "typical_collapse_time" in study:
        axes.plot(study.num_samples, study.typical_collapse_time, color="0.6", linewidth=0.9, label="typical collapse")
    # Where nothing is lost a logarithmic axis has nothing to show.
    times = ("loss_time", "empirical_loss_time", "critical_time")
    anything = any(name in study and study[name].notnull().any() for name in times)
    if not anything:
        axes.text(0.5, 0.5, "no block is lost", transform=axes.transAxes, ha="center")
    axes.set(xscale="log", yscale="log" if anything else "linear", xlabel=SIZE_LABEL, ylabel=f"lost at $t$ [{UNITS}]")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _memorization(study: xr.Dataset) -> Figure:
    """Fraction of samples memorized at every measured training step, and the step at which that begins."""
    begun = study.get("memorization_start", xr.DataArray([])).notnull()
    several = int(begun.sum()) > 1
    figure = Figure(figsize=(COLUMN_WIDTH, 4.4 if several else 2.6), layout="constrained")
    above, *below = figure.subplots(2 if several else 1, 1, sharex=True, squeeze=False)[:, 0]
    steps, (ratios, errors) = study.step.values, memorized_over_seeds(study)
    for place, (step, colour) in enumerate(zip(steps, shades(len(steps)), strict=True)):
        marker = MARKERS[place % len(MARKERS)]
        style = _NETWORK | {"linestyle": DASHES[place % len(DASHES)], "linewidth": 0.6}
        bars = errors.sel(step=step)
        above.errorbar(
            study.num_samples, ratios.sel(step=step), bars, color=colour, marker=marker, label=f"{step} steps", **style
        )
    above.set(xscale="log", ylim=(-0.04, 1.04), ylabel="memorized fraction")
    for axes in below:
        at = study.isel(num_samples=begun.values)
        start, sizes = at.memorization_start, at.num_samples
        bars = [start - at.memorization_start_lower, at.memorization_start_upper - start]
        # An end at infinity is not drawn.
        axes.errorbar(
            sizes, start, [bar.where(bar < np.inf, 0.0) for bar in bars], color="black", marker="o", **_NETWORK
        )
        guide = start.values[0] / sizes.values[0] * study.num_samples
        within = guide.where(guide < 3 * steps[-1])
        axes.plot(study.num_samples, within, color="0.6", linewidth=0.8, label=r"$\propto N$, from the first")
        axes.set(yscale="log", ylabel="begins at step")
        axes.legend(frameon=False, fontsize=6)
    figure.axes[-1].set_xlabel(SIZE_LABEL)
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def _training(study: xr.Dataset) -> Figure:
    """Loss of training and of held-out samples against the training step."""
    figure = Figure(figsize=(COLUMN_WIDTH, 2.8), layout="constrained")
    axes = figure.subplots()
    sizes = study.num_samples.values
    for size, colour in zip(sizes, shades(len(sizes)), strict=True):
        for name, dashes in (("loss", "-"), ("held_out_loss", "--")):
            curve = study[name].sel(num_samples=size).mean("seed")
            label = f"$N = {size}$" if name == "loss" else None
            axes.plot(study.history_step, curve, color=colour, linestyle=dashes, linewidth=0.8, label=label)
    axes.set(xscale="log", yscale="log", xlabel="training step", ylabel="loss (dashed: held out)")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


# All figures of a study; the keys are the names of their files.
FIGURES: dict[str, Callable[[xr.Dataset], Figure]] = {
    "spectra": _spectra,
    "dimension": _dimension,
    "sizes": _sizes,
    "losses": _losses,
    "memorization": _memorization,
    "training": _training,
}


def _draw(
    axes: Axes, at: xr.Dataset, along: str, predicted: str, measured: str, place: int, colour: object,
    label: str | None, drawstyle: str = "default",
) -> None:  # fmt: skip
    """What is predicted, if it is, as a line; what is measured, of the empirical score and of networks, as points."""
    marker, dashes = MARKERS[place % len(MARKERS)], DASHES[place % len(DASHES)]
    if predicted in at:
        axes.plot(at[along], at[predicted], color=colour, linestyle=dashes, linewidth=0.9, drawstyle=drawstyle)
    _points(axes, at[along], at[f"empirical_{measured}"], colour, marker, _EMPIRICAL)
    _points(axes, at[along], at[measured], colour, marker, _NETWORK, label)


def _points(
    axes: Axes, x: xr.DataArray, values: xr.DataArray, colour: object, marker: str, style: dict[str, Any],
    label: str | None = None,
) -> None:  # fmt: skip
    """Means over seeds with their standard errors."""
    mean, error = over_seeds(values)
    bars = None if error.isnull().all() else error.values
    axes.errorbar(x, mean, bars, color=colour, marker=marker, label=label, **style)
