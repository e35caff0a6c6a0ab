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
# `notebooks/data/responses.py` trained three networks on samples of that manifold (t = 0.05): one hidden layer of
# 4 units per dimension with frozen features, which the theory describes; the same with all weights trained; and the
# residual network of `train`. Points: signal to noise against training, of 10 samples per dimension, in 30 and 120
# dimensions (open and filled), means of two seeds, their half difference as bars; lines: theory.
#
# The first two were trained by steps of gradient descent, each with fresh noise, and such descent is no gradient flow:
# with frozen features the narrow direction, whose signal is small, is on the line within a few percent in the end, the
# wide one, whose gradients scatter most, far below it. Held against each other, which share that scatter, trained
# features keep the narrow directions four to five times better, once they have moved, and the wide ones much alike:
# the order is that of random features, the gain is where these are poorest. The residual network, trained at all noise
# variances, has the same order too; 128 units wide, it has no room for 120 dimensions.

# %%
results = Path(geomem.__file__).parents[2] / "notebooks" / "data"
trained = xr.load_dataset(results / "responses.nc", engine="h5netcdf")
figure, grid = plt.subplots(1, 3, figsize=(2 * COLUMN_WIDTH, 2.6), layout="constrained", sharey=True)
kinds = {"frozen": "frozen features", "two_layers": "all weights trained", "residual": "residual network"}
for axes, (kind, title) in zip(grid, kinds.items(), strict=True):
    measured = trained[f"{kind}_signal_to_noise"].sel(samples_per_dimension=10)
    over = "step" if kind == "residual" else "training_time"
    for block, colour in enumerate(plt.get_cmap("viridis")([0.0, 0.45, 0.8])):
        for scale, face in zip(trained.scale.values, ("none", colour), strict=True):
            of_block = measured.sel(scale=scale).isel(block=block)
            mean, half = of_block.mean("seed"), abs(of_block.diff("seed")).squeeze("seed") / 2
            axes.errorbar(
                measured[over], mean, half, fmt=MARKERS[block], color=colour, markerfacecolor=face, markersize=3
            )
        if kind != "residual":
            theory = trained.predicted_signal_to_noise.sel(samples_per_dimension=10).isel(block=block)
            label = f"$s = {float(trained.variance[block]):g}$"
            axes.plot(theory.training_time, theory, color=colour, linestyle=DASHES[block], label=label)
    axes.set(xscale="log", yscale="log", title=title, xlabel="step" if kind == "residual" else r"training time $\tau$")
grid[0].set(ylabel="signal to noise $R_v$")
grid[0].legend(frameon=False, fontsize="small")
save_figure(figure, figures / "random_features_trained")
for kind in ("frozen", "two_layers"):
    ratio = trained[f"{kind}_signal_to_noise"].mean("seed") / trained.predicted_signal_to_noise
    for scale in trained.scale.values:
        print(f"{kind}, {30 * scale} dimensions, measured/theory at the last time, N/d = 10, by block:",
              ratio.sel(scale=scale, samples_per_dimension=10).isel(training_time=-1).values.round(2))  # fmt: skip
gain = (trained.two_layers_signal_to_noise / trained.frozen_signal_to_noise).mean("seed")
for scale in trained.scale.values:
    print(
        f"trained over frozen features, {30 * scale} dimensions, by block:",
        gain.sel(scale=scale, samples_per_dimension=10).isel(training_time=-1).values.round(2),
    )
figure

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
