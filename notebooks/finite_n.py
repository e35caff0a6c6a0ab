# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The exact theory at finite N
#
# The published theory keeps two cumulants of the energy and the limit of many directions. The average over data
# sets can be had exactly, at every N: one contour integral for one sample, one integral over ln u for all of them.
# This notebook derives it, holds it against data sets that are drawn, and shows where the other levels part from it.

# %%
import os
import time
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np

import geomem_theory
from geomem import (
    Manifold,
    Probe,
    Status,
    critical_size,
    critical_time,
    phase_diagram,
    quenched,
    resolved_dimension,
    theory_versus_simulation,
)
from geomem.figures.diagram import draw_sensitivity
from geomem.figures.style import COLUMN_WIDTH, STYLE, save_figure

here = Path(__file__).parent if "__file__" in globals() else Path()
figures = Path(os.environ.get("GEOMEM_FIGURES", here / "figures"))
figures.mkdir(exist_ok=True)
plt.rcParams.update(STYLE)
small = "GEOMEM_SMALL" in os.environ  # coarse grids and few data sets, for a test
manifold = Manifold([1.0, 0.09, 1e-4], [2, 5, 23])

# %%
geomem_theory.finite_n.CHAPTER

# %% [markdown]
# ## Against simulation
#
# Lines: `finite_n`; points: averages over drawn data sets, with their standard errors. No parameter is fitted.

# %%
times = np.geomspace(0.02, 2.0, 2 if small else 6)
line_times = np.geomspace(0.015, 2.5, 4 if small else 16)
num_datasets = {100: 400, 1000: 200, 10_000: 60}
figure, grid = plt.subplots(3, 2, figsize=(2 * COLUMN_WIDTH, 6.0), layout="constrained", sharex=True, sharey="row")
scores = []
for block, column in enumerate(grid.T):
    exact = quenched(manifold, block, noise_variance=line_times, num_samples=list(num_datasets))
    curves = (exact.participation, -exact.score_mean, np.sqrt(exact.score_variance))
    for index, (dashes, marker) in enumerate(zip(("-", "--", ":"), "os^", strict=True)):
        size, repeats = list(num_datasets.items())[index]
        lines = [curve[:, index] for curve in curves]
        tables = [
            theory_versus_simulation(
                manifold,
                block,
                noise_variance=float(time),
                num_samples=size,
                num_datasets=repeats,
                key=jax.random.key(100 * size + 10 * point + block),
            )
            for point, time in enumerate(times)
        ]
        scores += [table.z.values for table in tables]
        for axes, line, name in zip(column, lines, ("participation", "score_mean", "score_variance"), strict=True):
            value = np.array([float(table.value.sel(observable=name)) for table in tables])
            error = np.array([float(table.standard_error.sel(observable=name)) for table in tables])
            if name == "score_mean":
                value = -value
            if name == "score_variance":
                value, error = np.sqrt(value), error / (2 * np.sqrt(value))
            axes.plot(line_times, line, dashes, color="black", linewidth=1, label=f"$N = {size}$")
            axes.errorbar(times, value, error, fmt=marker, markersize=3, color="tab:orange", linewidth=0.8)
    column[0].set_title(f"block {block}, $s = {float(manifold.variances[block]):g}$", fontsize=8)
    column[-1].set(xscale="log", xlabel="noise variance $t$ [data units$^2$]")
for axes, label in zip(grid[:, 0], ("$Y_2$", "minus mean score", "s.d. of the score"), strict=True):
    axes.set(yscale="log", ylabel=label)
grid[0, 0].legend(frameon=False)
save_figure(figure, figures / "finite_n")
z = np.concatenate(scores)
print(f"{len(z)} cells: mean square z {np.mean(z**2):.2f}, largest {np.abs(z).max():.2f}")
figure

# %% [markdown]
# ## Critical times by all levels
#
# By `signal_to_noise` the block of higher variance is lost first at every size. `rem` has the leading order at large
# N of the same ratio, and tends to `finite_n`; the published condensation time is of another order of magnitude.

# %%
sizes = np.geomspace(10, 1e15, 2 if small else 8)
figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 2.8), layout="constrained")
exact_times = {}
for block, colour in ((0, "black"), (1, "tab:orange")):
    for level, criterion, dashes in (
        ("finite_n", "signal_to_noise", "-"),
        ("rem", "signal_to_noise", "--"),
        ("finite_n", "participation", "-."),
        ("gaussian_rem", "condensation", ":"),
    ):
        found = critical_time(manifold, block, num_samples=sizes, criterion=criterion, theory=level)
        exact_times[block, level, criterion] = np.asarray(found.value)
        label = f"{level}, {criterion.replace('_', ' ')}" if block == 0 else None
        axes.plot(sizes, found.value, dashes, color=colour, linewidth=1, label=label)
axes.set(xscale="log", yscale="log", xlabel="data-set size $N$", ylabel="critical time $t_c$ [data units$^2$]")
axes.legend(frameon=False, fontsize=6)
axes.set_title("black: $s = 1$, orange: $s = 0.09$", fontsize=8)
save_figure(figure, figures / "levels")
wide, narrow = (exact_times[block, "finite_n", "signal_to_noise"] for block in (0, 1))
assert (wide > narrow).all()
wide, narrow = (exact_times[block, "finite_n", "participation"] for block in (0, 1))
print(f"participation: block 0 condenses first at {(wide > narrow).sum()} of {len(sizes)} sizes")
figure

# %% [markdown]
# ## Who is lost first
#
# d ln t_c/d ln s, for every level and criterion: left with the spectrum following the swept block, right with the
# spectrum fixed and one direction's variance changed. Positive: higher variance is lost first; hatched: lower
# variance. Faint parts are outside the validity of `rem`, empty ones without a transition. The last row puts the
# probe six noise lengths out.

# %%
cases = [
    ("gaussian_rem", "condensation", 1.0),
    ("gaussian_rem", "participation", 1.0),
    ("rem", "condensation", 1.0),
    ("rem", "participation", 1.0),
    ("rem", "signal_to_noise", 1.0),
    ("finite_n", "participation", 1.0),
    ("finite_n", "signal_to_noise", 1.0),
    ("finite_n", "signal_to_noise", 6.0),
][5 if small else 0 :]
sides = ("sensitivity_swept", "sensitivity_probe")
figure, grid = plt.subplots(
    len(cases), 2, figsize=(2 * COLUMN_WIDTH, 1.5 * len(cases)), layout="constrained", sharex=True, sharey=True
)
share = {}
for row, (level, criterion, amplitude) in zip(grid, cases, strict=True):
    fine = 2 if small else 24 if level == "finite_n" else 40
    diagram = phase_diagram(
        manifold,
        num_samples=np.geomspace(10, 1e9, 2 * fine),
        local_variance=np.geomspace(1e-3, 10, fine),
        criterion=criterion,
        theory=level,
        probe=Probe.along(amplitude),
    )
    for axes, side in zip(row, sides, strict=True):
        draw_sensitivity(axes, diagram, side)
        axes.label_outer()
        name = f"{criterion.replace('_', ' ')}, {level}" + (f", amplitude {amplitude:g}" if amplitude != 1 else "")
        axes.set_title(name, fontsize=8)
        axes.set_ylabel("$s$ [data units$^2$]" if side == sides[0] else "")
    known = np.isfinite(diagram.sensitivity_probe)
    lower = [float((diagram[side] < 0).sum() / known.sum()) for side in sides]
    share[level, criterion, amplitude] = lower
    outside = float((diagram.status_map == Status.OUT_OF_VALIDITY).mean())
    print(f"{name:40} lower variance first: {lower[0]:.0%} swept, {lower[1]:.0%} probed; out of validity {outside:.0%}")
save_figure(figure, figures / "sensitivities")
figure

# %%
assert share["finite_n", "signal_to_noise", 1.0] == share["finite_n", "signal_to_noise", 6.0] == [0.0, 0.0]

# %% [markdown]
# By `signal_to_noise` higher variance is lost first at every point of the map, in both senses, and for the far probe
# too: the reversal that `rem` shows for it (`notebooks/phase_diagram.py`) lies where the leading order does not hold,
# and is not there at finite N. By `participation` the exact level repeats the reversal of `rem`: one direction more of
# *lower* variance condenses the measure sooner wherever t < s.
#
# ## Resolved dimension
#
# D(t, N) counts the directions that are open, t < s, and whose score has a mean above its standard deviation. It
# rises as t falls, block after block, and is lost again from the top: first the two wide directions, then the five.

# %%
grid_times = np.geomspace(3.0, 1e-3, 10 if small else 60)
figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 2.5), layout="constrained")
dimension = resolved_dimension(manifold, noise_variance=grid_times, num_samples=[1e2, 1e3, 1e4, 1e5], theory="finite_n")
for column, size, dashes in zip(dimension.T, (2, 3, 4, 5), ("-", "--", "-.", ":"), strict=True):
    axes.plot(grid_times, column, dashes, color="black", linewidth=1, label=f"$N = 10^{size}$")
axes.set(xscale="log", xlabel="noise variance $t$ [data units$^2$]", ylabel="resolved dimension $D$")
axes.legend(frameon=False)
save_figure(figure, figures / "resolved_dimension")
figure

# %% [markdown]
# ## Why two cumulants fail for few directions
#
# A Gaussian energy has no floor: with few directions its lower tail holds samples closer to the probe than distance
# zero, and condensation comes too early. The exact energy is a sum of d squares; only when d is large beside ln N is
# its tail, at the depth of the nearest of N samples, that of a Gaussian: the condensation times of the two levels then
# differ by $\frac{4}{3}\sqrt{\ln N/d}$ of themselves (`geomem_theory.checks.gaussian_limit`). The figure follows one
# block of d directions of unit variance at N = 1000: the time at which Y2 = 1/2, at each level, over the exact one.

# %%
counts = np.array([1, 4, 16, 64, 256])
ratios = {"rem": [], "gaussian_rem": []}
for count in counts:
    flat = Manifold([1.0], [int(count)])
    solved = {
        level: float(critical_time(flat, 0, num_samples=1000, criterion="participation", theory=level).value)
        for level in ("finite_n", "rem", "gaussian_rem")
    }
    for level, values in ratios.items():
        values.append(abs(solved[level] / solved["finite_n"] - 1))
figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 2.5), layout="constrained")
for (level, values), marker in zip(ratios.items(), "os", strict=True):
    axes.plot(counts, values, marker + "-", color="black", markersize=3, linewidth=1, label=level)
    print(level, " ".join(f"{value:.3g}" for value in values))
axes.set(xscale="log", yscale="log", xlabel="number of directions $d$", ylabel="relative error of $t(Y_2 = 1/2)$")
axes.legend(frameon=False)
save_figure(figure, figures / "few_directions")
figure

# %% [markdown]
# ## Toward the limit of many directions
#
# Let the numbers of directions and ln N grow together, k times (2, 5) directions and 3.5 k for ln N. The time at
# which Y2 = 1/2 tends to that of `rem`, 1 - lambda_c = 1/2. The rate: at the energies of the lowest samples the
# density of states has the prefactor $1/\sqrt{2\pi K''(\lambda)}$, K'' proportional to k, which is worth
# $\frac{1}{2}\ln k$ of ln N; hence the relative error of the time falls as
# $\frac{1}{2}\ln k\,/\,|\partial \ln N_c/\partial \ln t|$, a logarithm over the number of directions. The last column
# is the growth of (k times error) from row to row over that prediction: it rises toward one.
#
# By `signal_to_noise` no such limit exists: at fixed ln N/d the squared weights condense and the leading order at
# large N does not hold, as its status says. There it is N alone that has to grow, and the error falls as 1/N.

# %%
scales = 2 ** np.arange(7)
rows = []
for scale in scales:
    grown = Manifold([1.0, 0.09], [2 * int(scale), 5 * int(scale)])
    exact, limit = (
        critical_time(grown, 0, log_num_samples=3.5 * float(scale), criterion="participation", theory=level)
        for level in ("finite_n", "rem")
    )
    around = float(limit.value) * np.exp([1e-3, -1e-3])
    sizes_around = critical_size(grown, 0, noise_variance=around, criterion="participation", theory="rem").log_value
    rows.append((float(exact.value), float(limit.value), abs(float(np.diff(sizes_around)[0])) / (2e-3 * scale)))
exact, limit, slope = np.array(rows).T
error = exact / limit - 1
growth = np.append(np.nan, np.diff(scales * error)) * slope / (0.5 * np.log(2))
print("  k     ln N   finite_n        rem      error   growth over prediction")
for row in zip(scales, 3.5 * scales, exact, limit, error, growth, strict=True):
    print("{:3d} {:8.1f} {:10.6f} {:10.6f} {:10.4f} {:10.3f}".format(*row))
assert (np.diff(error) < 0).all()
assert (np.diff(growth[1:]) > 0).all()
assert 0.85 < growth[-1] < 1

# %%
sizes = 10.0 ** np.arange(2, 13, 2)
exact = quenched(manifold, 0, noise_variance=0.1, num_samples=sizes)
population = -np.sqrt(0.1) / (1.0 + 0.1)
deviation = np.abs(exact.score_mean / population - 1)
print("relative deviation of the mean score from the population's, times N:", *(f"{x:.3f}" for x in sizes * deviation))
assert np.ptp((sizes * deviation)[2:5]) < 0.01 * (sizes * deviation)[3]

# %% [markdown]
# ## What it costs
#
# Averages at one noise variance, compilation apart, against the number of sizes (8 blocks of 8 directions), of blocks
# (8 directions each, 16 sizes) and of directions (8 blocks, 16 sizes): the median of repeated calls, with the quartiles
# as error bars, on whatever machine drew the figure. Sixty-four sizes or blocks cost less than twice as much as one or
# four, and the number of directions, like N itself, costs nothing.


# %%
def milliseconds(blocks, directions, count):
    """Quartiles over repeated calls of `quenched`, at noise variances of their own."""
    law = Manifold(np.geomspace(1.0, 1e-3, blocks), np.full(blocks, directions))
    asked = np.geomspace(10.0, 1e9, count)
    rounds = []
    for time_asked in np.geomspace(3e-3, 0.3, 5 if small else 40):
        begun = time.perf_counter()
        quenched(law, 0, noise_variance=time_asked, num_samples=asked)
        rounds.append(1e3 * (time.perf_counter() - begun))
    return np.quantile(rounds[1:], [0.25, 0.5, 0.75])  # the first one compiles


costs = {
    "sizes": [(8, 8, count) for count in ([16] if small else [1, 16, 64, 256])],
    "blocks": [(blocks, 8, 16) for blocks in ([8] if small else [4, 16, 64])],
    "directions of a block": [(8, each, 16) for each in ([1, 1000] if small else [1, 10, 100, 1000])],
}
figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 2.5), layout="constrained")
for (name, cases), marker, place in zip(costs.items(), "osv", (2, 0, 1), strict=True):
    low, median, high = np.transpose([milliseconds(*case) for case in cases])
    number = [case[place] for case in cases]
    axes.errorbar(
        number, median, [median - low, high - median], fmt=marker + "-", color="black", markersize=3, label=name
    )
    print(f"{name}:", ", ".join(f"{value:.1f} ms for {n}" for n, value in zip(number, median, strict=True)))
axes.set(xscale="log", ylim=(0, None), xlabel="number", ylabel="time per noise variance in ms")
axes.legend(frameon=False)
save_figure(figure, figures / "costs")
figure
