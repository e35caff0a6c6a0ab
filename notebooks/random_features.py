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
import matplotlib.pyplot as plt
import numpy as np

import geomem_theory
from geomem import (
    Manifold,
    RandomFeatures,
    Status,
    memorization_time,
    random_features,
    simulate_random_features,
)
from geomem.figures.style import COLUMN_WIDTH, DASHES, MARKERS, STYLE, save_figure

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
