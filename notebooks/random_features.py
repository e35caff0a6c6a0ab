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
# # What a trained network keeps
#
# The empirical score memorizes perfectly; a network is too narrow, or stopped in time. Of random features with a
# trained second layer the averages are known in closed form, direction by direction. This notebook derives them, holds
# them against networks that are drawn and trained, and shows when training turns to memorizing a direction.

# %%
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.colors import ListedColormap

import geomem
import geomem_theory
from geomem import (
    Manifold,
    RandomFeatures,
    Status,
    critical_width,
    measure_response,
    memorization_time,
    model_size_crossover,
    random_features,
    score_of,
    simulate_random_features,
    training_spectrum,
)
from geomem.core.crossing import level_crossing
from geomem.figures.style import COLUMN_WIDTH, DASHES, MARKERS, STYLE, save_figure
from geomem.studies.feature_simulation import feature_moments

here = Path(__file__).parent if "__file__" in globals() else Path()
figures = Path(os.environ.get("GEOMEM_FIGURES", here / "figures"))
figures.mkdir(exist_ok=True)
plt.rcParams.update(STYLE)
small = "GEOMEM_SMALL" in os.environ  # few networks, for a test
manifold = Manifold([4.0, 0.25, 0.01], [6, 18, 36])
dims = manifold.dimension
time, size = 0.3, 2 * dims

# %%
geomem_theory.random_features.CHAPTER

# %% [markdown]
# ## Signal to noise against training time
#
# Lines: the theory for many directions; points: drawn networks of 60 dimensions, each trained on samples of its own,
# with standard errors over pairs of networks. The widest direction is learned first and memorized first: its ratio
# falls while that of the narrow ones still rises.

# %%
line_times = np.geomspace(0.01, 1e5, 60)
times = np.geomspace(0.3, 3e3, 2 if small else 5)
widths = (1, 4)
figure, grid = plt.subplots(1, 2, figsize=(2 * COLUMN_WIDTH, 2.6), layout="constrained", sharey=True)
z, learned = [], manifold.variances + time
for ratio, axes in zip(widths, grid, strict=True):
    width = ratio * dims
    lines = random_features(manifold, noise_variance=time, num_samples=size, width=width, training_time=line_times)
    assert (lines.status == Status.CONVERGED).all()
    found = []
    for place, training_time in enumerate(times):
        network = RandomFeatures(width=width, training_time=float(training_time))
        pairs = [
            simulate_random_features(
                manifold,
                noise_variance=time,
                num_samples=size,
                network=network,
                num_networks=2,
                key=jax.random.key(1000 * ratio + 100 * place + pair),
            ).value.values
            for pair in range(3 if small else 5)
        ]
        response, second = np.moveaxis(np.array(pairs), 1, 0)
        signal = response**2 * np.asarray(learned)
        found.append(signal / (second - signal))
    found = np.array(found)
    mean, error = found.mean(axis=1), found.std(axis=1, ddof=1) / np.sqrt(found.shape[1])
    at_points = random_features(manifold, noise_variance=time, num_samples=size, width=width, training_time=times)
    z.append((mean / at_points.signal_to_noise - 1).ravel())
    for block, colour in enumerate(plt.get_cmap("viridis")([0.0, 0.45, 0.8])):
        label = f"$s = {float(manifold.variances[block]):g}$"
        axes.plot(line_times, lines.signal_to_noise[:, block], linestyle=DASHES[block], color=colour, label=label)
        axes.errorbar(times, mean[:, block], error[:, block], fmt=MARKERS[block], color=colour, markersize=3)
    axes.set(xscale="log", yscale="log", xlabel=r"training time $\tau$", title=f"$P/d = {ratio}$, $N/d = 2$")
grid[0].set(ylabel="signal to noise $R_v$")
grid[0].legend(frameon=False)
save_figure(figure, figures / "random_features")
off = np.concatenate(z)
spread, most = 100 * np.sqrt(np.mean(off**2)), 100 * np.abs(off).max()
print(f"{len(off)} points: off by {spread:.1f} % root mean square, {most:.1f} % at most")
assert np.sqrt(np.mean(off**2)) < 0.2
figure

# %% [markdown]
# ## When training turns to memorizing
#
# The time at which the ratio is largest grows about in proportion to the number of samples where a direction is
# learned early, as is published for the loss as a whole, as long as there are more hidden units than samples.

# %%
sizes = dims / 3 * 2.0 ** np.arange(1, 5)
turns = memorization_time(manifold, noise_variance=0.05, num_samples=sizes, width=10 * dims)
slope = np.diff(np.asarray(turns.log_value), axis=0) / np.log(2)
print("d ln tau/d ln N of the two widest blocks:", slope[:, :2].round(2).tolist())
assert ((slope[:, :2] > 0.7) & (slope[:, :2] < 1.3)).all()

# %% [markdown]
# ## Fast rates learn the law, slow ones the samples
#
# Gradient flow learns at the eigenvalues of the features' second moments. Their density (line) and those of one drawn
# network of 240 dimensions, averaged over the noise exactly (bars): one fast bulk for each of the law's two variances,
# and a slow one, whose directions hold the samples. In between is the time to stop. At the floor, the features' own
# variance under the noise, the drawn ones scatter as rows of W differ in length.

# %%
two = Manifold([4.0, 0.25], [80, 160])
network = {"noise_variance": 0.3, "num_samples": 480, "width": 960}
density = training_spectrum(two, **network)
rng = np.random.default_rng(0)
first = rng.normal(size=(960, 240)) / np.sqrt(240)
samples = rng.normal(size=(480, 240)) * np.asarray(two.axis_deviations())
moments, _ = feature_moments(jax.jit(jnp.tanh), samples @ first.T, 0.3 * first @ first.T)
figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 2.4), layout="constrained")
edges = np.geomspace(float(density.floor) / 2, float(density.rate[-1]), 60)
counts, _ = np.histogram(np.linalg.eigvalsh(moments), edges)
axes.stairs(counts / counts.sum() / np.diff(np.log(edges)), edges, fill=True, color="0.8", label="drawn network")
rate = density.rate
axes.plot(rate, density.density * rate, color="black", label="theory")
axes.set(xscale="log", yscale="log", ylim=(1e-3, 3), xlabel="rate of training", ylabel="density in ln rate")
axes.legend(frameon=False, fontsize="small")
save_figure(figure, figures / "random_features_rates")
figure

# %% [markdown]
# ## Which direction goes first: maps
#
# The direction of the smallest ratio, over samples, hidden units, training time and ridge, at t = 0.05: the widest in
# white, the narrowest in dark grey; the one between is nowhere the first to go. A network too narrow, stopped too early
# or held by too much ridge has not learned the narrow direction; else the wide one is memorized first. Lines: where the
# ratio of each is one; left of them a network is too narrow to resolve it.

# %%
ratios = np.geomspace(0.3, 30, 12 if small else 32)
fixed = {"noise_variance": 0.05}
maps = {
    ("units per dimension $P/d$", "trained to the end"): {
        "num_samples": dims * ratios[:, None], "width": dims * ratios, "ridge": 1e-3,
    },
    (r"training time $\tau$", "$P/d = 4$"): {
        "num_samples": dims * ratios[:, None], "width": 4.0 * dims, "training_time": 10 * ratios**2,
    },
    (r"ridge $\zeta$", "$P/d = 4$, to the end"): {
        "num_samples": dims * ratios[:, None], "width": 4.0 * dims, "ridge": 1e-2 * ratios**1.5,
    },
}  # fmt: skip
figure, grid = plt.subplots(1, 3, figsize=(2 * COLUMN_WIDTH, 2.5), layout="constrained", sharey=True)
narrow = Manifold([4.0, 0.25, 0.01], manifold.multiplicities)
for axes, ((label, title), numbers) in zip(grid, maps.items(), strict=True):
    ratio = random_features(narrow, **fixed, **numbers).signal_to_noise
    least = ratio.argmin(axis=-1)
    across = next(numbers[name] for name in ("training_time", "ridge", "width") if np.ndim(numbers.get(name, 0)))
    across = across / dims if label.startswith("units") else across
    shades = ListedColormap(["white", "0.75", "0.45"])
    axes.pcolormesh(across, ratios, least, cmap=shades, vmin=-0.5, vmax=2.5, rasterized=True)
    for block in range(3):
        if (ratio[..., block] < 1).any():
            axes.contour(across, ratios, np.log(ratio[..., block]), [0.0], colors="C0", linestyles=[DASHES[block]])
    axes.set(xscale="log", yscale="log", xlabel=label, title=title)
grid[0].set(ylabel="samples per dimension $N/d$")
save_figure(figure, figures / "random_features_maps")
figure

# %% [markdown]
# A network too narrow loses the narrow directions first, for lack of units: the least width that resolves a direction
# grows as its variance falls. One that has units enough loses the wide direction first, near as many units as samples.

# %%
for block in range(3):
    least_width = critical_width(narrow, block, noise_variance=0.05, num_samples=[dims, 10.0 * dims], ridge=1e-3)
    print(f"s = {float(narrow.variances[block]):g}: P/d = {np.round(np.asarray(least_width.value) / dims, 2)}")

# %% [markdown]
# ## What a wide network becomes
#
# Ratio against noise variance on the manifold of arXiv:2410.08727 with N = 1000: lines, networks trained to the end, at
# several widths; points, the empirical score, the same quantities measured on fresh points. The empirical score is
# *not* their limit. The ratio falls with the width while units are no more than a few times the samples, to about one,
# and then grows in proportion to it. At N proportional to d the kernel of infinitely many units is linear but for what
# a sample shares with itself, and a fresh point shares nothing with any: what is memorized does not show there, while
# the empirical score's weights find the nearest sample from anywhere. That takes a kernel as narrow as the noise, and
# a number of units exponential in d.

# %%
published = Manifold([1.0, 0.09, 1e-4], [2, 5, 23])
times = np.geomspace(2e-3, 2, 5 if small else 24)
figure, grid = plt.subplots(1, 2, figsize=(2 * COLUMN_WIDTH, 2.6), layout="constrained", sharey=True)
samples = np.asarray(published.sample(jax.random.key(1), 1000))
places = times[:: 2 if small else 4]
empirical = [
    measure_response(
        score_of(samples), published, noise_variance=float(t), num_points=1000 if small else 4000, key=jax.random.key(2)
    )
    for t in places
]
for block, axes in enumerate(grid):
    for ratio, style in zip((1, 8, 64, 1024), DASHES, strict=False):
        wide = random_features(published, noise_variance=times, num_samples=1000.0, width=30.0 * ratio, ridge=1e-6)
        axes.plot(times, wide.signal_to_noise[:, block], color="black", linestyle=style, label=f"$P/d = {ratio}$")
    value = [float(one.signal_to_noise[block]) for one in empirical]
    error = [float(one.signal_to_noise_error[block]) for one in empirical]
    axes.errorbar(places, value, error, fmt="o", color="C3", markersize=3, label="empirical score")
    axes.set(
        xscale="log", yscale="log", xlabel="noise variance $t$", title=f"$s = {float(published.variances[block]):g}$"
    )
grid[0].set(ylabel="signal to noise $R_v$")
grid[0].legend(frameon=False, fontsize="x-small")
save_figure(figure, figures / "random_features_widths")
figure

# %% [markdown]
# ## Networks whose features are trained
#
# `notebooks/data/responses.py` trained three networks on samples of that manifold (open points) and of one of ten times
# its dimensions (filled), at t = 0.05: one hidden layer of 2 units per dimension with frozen features, which the theory
# describes (lines), of 30 dimensions alone; the same with all weights trained; and the residual network of `train`, at
# all noise variances. Descent has a step of at most 0.15, 1200 noised samples each, and its weights are averaged over
# a little time; what scatter is left lowers the wide direction's ratio. Bars are standard errors over two to four
# seeds; the residual network of 300 dimensions is a single one.

# %%
results = Path(geomem.__file__).parents[2] / "notebooks" / "data"
trained = xr.load_dataset(results / "responses.nc", engine="h5netcdf")
kinds = {"frozen": "frozen features", "two_layers": "all weights trained", "residual": "residual network"}
colours = plt.get_cmap("viridis")([0.0, 0.45, 0.8])


def over_seeds(values):
    """Mean and standard error, zero of a single seed."""
    count = values.notnull().sum("seed")
    return values.mean("seed"), (values.std("seed", ddof=1) / np.sqrt(count)).fillna(0.0)


def over(kind):
    return "step" if kind == "residual" else "training_time"


figure, grid = plt.subplots(2, 3, figsize=(2 * COLUMN_WIDTH, 4.4), layout="constrained", sharey=True, sharex="col")
line_times = np.geomspace(0.2, 250, 60)
per_dimension = trained.samples_per_dimension.values
lines = random_features(
    published,
    noise_variance=trained.noise_variance,
    num_samples=30.0 * per_dimension[:, None],
    width=30.0 * trained.width_per_dimension,
    training_time=line_times,
)
for row, ratio in enumerate(per_dimension):
    for axes, (kind, title) in zip(grid[row], kinds.items(), strict=True):
        measured = trained[f"{kind}_signal_to_noise"].sel(samples_per_dimension=ratio)
        for block, colour in enumerate(colours):
            for scale, face in zip(trained.scale.values, ("none", colour), strict=True):
                mean, error = over_seeds(measured.sel(scale=scale).isel(block=block).dropna(over(kind), how="all"))
                axes.errorbar(
                    mean[over(kind)], mean, error, fmt=MARKERS[block], color=colour, markerfacecolor=face,
                    markersize=3,
                )  # fmt: skip
            if kind != "residual":
                label = f"$s = {float(trained.variance[block]):g}$"
                of_block = lines.signal_to_noise[row, :, block]
                axes.plot(line_times, of_block, color=colour, linestyle=DASHES[block], label=label)
        axes.set(xscale="log", yscale="log", title=f"{title}, $N/d = {ratio}$")
        if row:
            axes.set(xlabel="step" if kind == "residual" else r"training time $\tau$")
    grid[row, 0].set(ylabel="signal to noise $R_v$")
grid[0, 0].legend(frameon=False, fontsize="small")
save_figure(figure, figures / "random_features_trained")
figure

# %% [markdown]
# Below, for every block, when half of the exact response is learned (0: before the first point), and where the ratio is
# largest. Random features get the *order* right: the wide direction is learned first and the narrow one last in every
# network of two layers (at tau = 0.4, 3.2 and 9.7 in 300 dimensions and N = d, by theory 0.4, 3.4 and 11). At N = d the
# wide one is memorized first: its ratio is largest at tau = 0.5 in theory and in both sizes, while the others still
# rise a hundred times later. The residual network in 30 dimensions turns at 1000 steps along both wide directions, at
# 3000 where N = 5 d, and its narrow ratio rises to the end. Networks of two layers show no clear turn at N = 5 d, where
# the theory's wide ratio is flat to a few percent.
#
# They get the *scale* right along the two wide directions: in 300 dimensions with all weights trained the ratio is in
# the end 0.95 and 1.02 of the theory's at N = d, 0.84 and 1.17 at N = 5 d, responses and second moments within 2 %. In
# between, at tau = 5 to 20, the wide ratio at N = 5 d is half of the theory's, in 30 dimensions 0.7 of it, with frozen
# features it is not lower; how much of this is the scatter of descent, and how much features that begin to move, is not
# told apart.
#
# *Feature learning* changes the narrow direction. Up to tau = 5 its ratio is within 11 % of the theory's in 300
# dimensions; then features move, and it is 9 to 10 times that at tau = 50 and 5 to 7 times in the end, there in 30
# dimensions as well, though the response is larger by 2 % alone: what is lost is noise. With frozen features it is 0.97
# and 1.06 of the theory's, with errors of a quarter. In 30 dimensions features move earlier: half of the response is
# learned at 6.4, not 11.
#
# The *residual network* keeps less of the wide directions than random features: its largest ratios are 7 and 5 of 20
# and 8 at N = d in 30 dimensions. In 300 it has learned half of the wide response first, but the wide ratio stays below
# 2 in 3000 steps; of this single network no more is known.

# %%
exact = trained.variance + trained.noise_variance


def tell(name, axis, response, ratio, error):
    """One line about a response and a ratio, (places, blocks) both."""
    halves = [level_crossing(np.log(axis), column, 0.5) for column in (-response * exact.values).T]
    best = ratio.argmax(axis=0), np.arange(len(exact))
    print(f"{name:42s} half learned at {np.exp(halves).round(1)}, R largest, {ratio[best].round(1)} +- "
          f"{error[best].round(1)}, at {axis[best[0]].round(1)}")  # fmt: skip


for row, ratio in enumerate(per_dimension):
    rows = lines.response[row], lines.signal_to_noise[row]
    tell(f"N/d = {ratio}, theory", line_times, *rows, np.zeros_like(rows[1]))
    for kind, title in kinds.items():
        for scale in trained.scale.values:
            of = trained.sel(scale=scale, samples_per_dimension=ratio)[[f"{kind}_response", f"{kind}_signal_to_noise"]]
            of = of.dropna("seed", how="all").dropna(over(kind), how="all")
            if of.seed.size:
                mean, error = over_seeds(of[f"{kind}_signal_to_noise"])
                response = of[f"{kind}_response"].mean("seed").values
                tell(f"{title}, {30 * scale} dimensions", of[over(kind)].values, response, mean.values, error.values)
for kind in ("frozen", "two_layers"):
    for name in ("response", "second_moment", "signal_to_noise"):
        share = trained[f"{kind}_{name}"].mean("seed") / trained[f"predicted_{name}"]
        print(f"{kinds[kind]}, {name} over theory's at the last time, by dimensions, N/d and block:")
        print(share.isel(training_time=-1).values.round(2).tolist())

# %% [markdown]
# ## The crossover in model size
#
# A model that holds samples one by one gains by it from a number of them on (arXiv:2508.17689); a network of random
# features begins to lose signal to noise of the wide direction where its units are about as many as the samples.

# %%
crossover = model_size_crossover(published, num_samples=[1000], noise_variance=np.geomspace(1e-3, 10, 30))
shares = [one.item() / 1000 for one in (crossover.lower, crossover.upper)]
print(f"share of the samples that must be held: {shares[0]:.2f} to {shares[1]:.2f}")
units = 30 * np.geomspace(0.3, 300, 200)
by_width = random_features(published, noise_variance=0.05, num_samples=1000.0, width=units, ridge=1e-6)
best = units[by_width.signal_to_noise[:, 0].argmax()]
worst = units[units > best][by_width.signal_to_noise[units > best, 0].argmin()]
print(f"units per sample of the largest and of the least later ratio, s = 1: {best / 1000:.2f} and {worst / 1000:.2f}")
