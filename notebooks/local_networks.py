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
# # Local scores and trained networks
#
# How much of what a convolutional network does is said by the patches of its training images? Two networks, a U-Net and
# one of convolutions alone, of which a pixel sees 15 by 15 pixels, are held at several training steps against local
# scores of all patch sizes, at held-out images with noise: digits of 8 by 8 pixels from -1 to 1, in training sets of
# N = 20, 100 and 1000, and disjoint tiles of 16 by 16 pixels of two photographs, N = 20 and 300.
# `notebooks/data/local_networks.py` trains them and measures, in three quarters of an hour of one core.
#
# What is found on digits, after 4000 steps, in both seeds:
#
# - The network of convolutions is told by local scores better than by anything else that is tried: at N = 1000 with
#   $r^2$ from 0.92 to 0.997 over noise levels, where a Gaussian has 0.89 to 0.995 and the score of whole images 0.83 to
#   0.88; of one start they make images of a median correlation of 0.967 with the network's, the Gaussian 0.925, the
#   score of whole images 0.759.
# - The U-Net, which normalizes over the image and sees all of it, is not: $r^2$ is above 0.93 at N = 1000, but so is
#   that of the Gaussian; images of one start have correlations of 0.953 and 0.949. An $r^2$ alone says little.
# - $r_{\rm net}$ grows with the noise, mostly with training too, and stays below $r^*$ where N is 100 or 1000; there no
#   sample of 200 is a copy. At N = 20 the U-Net passes $r^*$, at two and three noise levels of seven in the two seeds;
#   0.69 and 0.72 of its samples are copies; it is told by the score of whole images then, with 0.986 from one start.
# - Passing $r^*$ is not the exact beginning: at 1500 steps 0.23 and 0.19 of its samples are copies, with $r_{\rm net}$
#   above $r^*$ at one level in the first seed and at none in the second. And at N = 20 the network of convolutions
#   passes it at one level, by little, and copies patches, not images: neighbouring pixels have neighbouring nearest
#   patches a little more often than in held-out images.
#
# On tiles, one seed, 2000 steps and 12 held-out tiles, many of them nearly flat, all $r^2$ are lower: at N = 300 of the
# network of convolutions 0.51 to 0.67, of the Gaussian 0.31 to 0.43, of whole images 0.08 to 0.27; from one start
# (six of them) 0.918, 0.825 and 0.679. Its best patches are 5 to 7 pixels wide. The U-Net has no best patch size there
# that intervals would tell. No network passes $r^*$, and of 60 samples none is a copy but three of the U-Net at N = 20:
# there whole images are copied while local scores are far from telling what the network does.

# %%
import os
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from IPython.display import Markdown

import geomem
from geomem import load_images, local_agreement, local_score_of
from geomem.core.crossing import level_crossing
from geomem.figures.style import COLUMN_WIDTH, DASHES, MARKERS, STYLE, TIME_LABEL, save_figure, shades

here = Path(__file__).parent if "__file__" in globals() else Path()
figures = Path(os.environ.get("GEOMEM_FIGURES", here / "figures"))
figures.mkdir(exist_ok=True)
plt.rcParams.update(STYLE)
results = Path(geomem.__file__).parents[2] / "notebooks" / "data"
measured = {
    name: xr.load_dataset(results / f"local_networks_{name}.nc", engine="h5netcdf") for name in ("digits", "tiles")
}


def table(rows):
    """Rows as Markdown."""
    names = list(rows[0])
    lines = [" | ".join(names), " | ".join("---" for _ in names)]
    lines += [
        " | ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row.values()) for row in rows
    ]
    return Markdown("\n".join(lines))


# %% [markdown]
# ## Is the measure right?
#
# $r^2$ is the squared correlation over pixels of two denoised images, $x + tS(x)$, the median over held-out images. Of
# a score that is local itself it finds the patch size, at every noise level at which the interval is not all sizes.

# %%
images = load_images("digits")[..., 0].astype(float)
known = local_agreement(
    local_score_of(images[:50], patch_size=5),
    images[:50],
    images[50:66],
    noise_variance=[0.1, 1.0],
    patch_sizes=[1, 3, 5, 7],
    key=jax.random.key(0),
)
print(known.r_squared.values.round(3))
np.testing.assert_allclose(known.r_squared.sel(patch_size=5), 1)
assert (known.best_patch_size_lower == 5).all()
assert (known.best_patch_size_upper == 5).all()


# %% [markdown]
# ## Patch by patch
#
# What local scores of one patch size leave unsaid of a network, $1 - r^2$, and at "all" what the score of whole images
# does. Left: after all training, at several noise levels; right: at one of them, over training. The best patches grow
# with the noise. The network of convolutions is said best by 3 by 3 or 5 by 5 pixels although it sees all of the image.


# %%
def draw(axes, part, colour, number, label):
    """What is left unsaid, with intervals, over patch sizes and for whole images."""
    sizes = part.patch_size.values
    for name, places in (("r_squared", sizes), ("whole", sizes[-1:] + 2)):
        value, lower, upper = (1 - np.atleast_1d(part[f"{name}{end}"].values) for end in ("", "_lower", "_upper"))
        bars = np.maximum([value - upper, lower - value], 0)  # a percentile may pass the median by rounding
        style = {"color": colour, "marker": MARKERS[number], "markersize": 3, "linestyle": DASHES[number]}
        axes.errorbar(places, value, bars, label=label if name == "r_squared" else None, linewidth=0.8, **style)


ROWS = (("digits", "resnet", "convolutions"), ("digits", "unet", "U-Net"), ("tiles", "resnet", "convolutions"))
shape = {"figsize": (COLUMN_WIDTH, 2 * len(ROWS)), "sharex": "row", "sharey": "row"}
figure, grid = plt.subplots(len(ROWS), 2, layout="constrained", **shape)
for row, (name, network, called) in zip(grid, ROWS, strict=True):
    size = measured[name].num_samples.values[-1]
    found = measured[name].sel(num_samples=size, network=network, seed=0)
    levels = found.noise_variance.values[1::2]
    for number, (time, colour) in enumerate(zip(levels, shades(len(levels)), strict=True)):
        draw(row[0], found.isel(step=-1).sel(noise_variance=time), colour, number, f"$t = {time:.2g}$")
    middle = found.noise_variance.values[3]
    for number, (step, colour) in enumerate(zip(found.step.values, shades(found.sizes["step"]), strict=True)):
        draw(row[1], found.sel(step=step, noise_variance=middle), colour, number, f"{step} steps")
    sizes = found.patch_size.values
    for axes, title in zip(row, (f"{name}, {called}, $N = {size}$", f"$t = {middle:.2g}$"), strict=True):
        axes.set_title(title, fontsize=7)
        axes.set(yscale="log", xlabel="patch size [pixels]")
        axes.set_xticks([*sizes, sizes[-1] + 2], [*map(str, sizes), "all"])
        axes.legend(frameon=False, fontsize=6, handlelength=1.6, labelspacing=0.2)
    row[0].set_ylabel("$1 - r^2$")
save_figure(figure, figures / "local_networks_agreement")
figure


# %% [markdown]
# ## The patch size that says most, and the one that copies
#
# Marks: the best patch size $r_{\rm net}$ of a network, at training steps, with its interval of 95 %
# over held-out images. Grey: patch sizes at which the local score copies single patches: above $r^*$, where its
# participation, averaged over pixels and noised held-out images, is one half. Black: the same $r^*$ by theory, from
# several Gaussians fitted to the patches of all images, up to 7 pixels wide, and the number of images alone. It is 0.3
# to 1.7 pixels below the measured one of digits (one Gaussian: up to 2.1), whose patches are alike more often than
# those of Gaussians; of tiles it says, as is measured, that no patch of 7 pixels copies.
#
# Smallest and largest training set, first seed.


# %%
def largest_patches(found):
    """The patch size r* at which the participation passes one half, at every noise variance: 0 below all, inf above."""
    rows = found.participation.transpose("noise_variance", "patch_size").values
    return np.array([max(0.0, level_crossing(found.patch_size.values.astype(float), row, 0.5)) for row in rows])


figure, grid = plt.subplots(
    len(ROWS), 2, figsize=(COLUMN_WIDTH, 1.8 * len(ROWS) + 0.2), layout="constrained", sharex=True, sharey="row"
)
for row, (name, network, called) in zip(grid, ROWS, strict=True):
    of_data = measured[name]
    top = float(of_data.patch_size[-1]) + 1.5
    for axes, size in zip(row, of_data.num_samples.values[[0, -1]], strict=True):
        found = of_data.sel(num_samples=size, network=network, seed=0)
        times, limit = found.noise_variance.values, largest_patches(found)
        axes.fill_between(times, np.minimum(limit, top), top, color="0.85", linewidth=0)
        own = of_data.predicted_patch_size.sel(num_samples=size).values
        axes.plot(times, own, color="black", linewidth=1.0)
        print(f"r* of {name} at N = {size}: theory {own.round(2)}, measured {limit.round(2)}")
        for number, (step, colour) in enumerate(zip(found.step.values, shades(found.sizes["step"]), strict=True)):
            ends = (found[f"best_patch_size{end}"].sel(step=step).values for end in ("", "_lower", "_upper"))
            value, lower, upper = ends
            style = {"color": colour, "marker": MARKERS[number], "markersize": 3, "linestyle": DASHES[number]}
            bars = np.maximum([value - lower, upper - value], 0)
            places = times * 1.12 ** (number - 1)
            axes.errorbar(places, value, bars, label=f"{step} steps", linewidth=0.8, **style)
        axes.set_title(f"{name}, {called}, $N = {size}$", fontsize=7)
        axes.set(xscale="log", ylim=(0, top))
    row[0].set_ylabel("patch size [pixels]")
for axes, place in ((grid[0, 1], "lower right"), (grid[2, 1], "upper right")):  # of digits, and of tiles
    axes.legend(frameon=False, fontsize=6, loc=place, handlelength=1.6, labelspacing=0.2)
figure.supxlabel(TIME_LABEL, fontsize=8)
save_figure(figure, figures / "local_networks_sizes")
figure

# %% [markdown]
# ## What a local score has to beat
#
# $r^2$ after all training, of local scores of the best patch size, of the score of whole images, and of that of one
# Gaussian with the mean and covariance of the training images, which is linear and copies nothing: medians over
# held-out images, the smallest and the largest over noise levels. And at how many noise levels the best patch size says
# more than the Gaussian, or less, by intervals that do not meet.

# %%
last = {name: of_data.isel(step=-1) for name, of_data in measured.items()}


def cells(of_data):
    """Every network of some results, with its labels."""
    for size in of_data.num_samples.values:
        for network in of_data.network.values:
            for seed in of_data.seed.values:
                labels = {"num_samples": size, "network": network, "seed": seed}
                yield {"N": size, "network": network, "seed": seed}, of_data.sel(labels)


def best(found, end=""):
    """r^2 at the best patch size, or an end of its interval."""
    return found[f"r_squared{end}"].sel(patch_size=found.best_patch_size.astype(int))


rows = []
for name, of_data in last.items():
    for labels, found in cells(of_data):
        three = {"local": best(found), "whole": found.whole, "Gaussian": found.gaussian}
        more = int((best(found, "_lower") > found.gaussian_upper).sum())
        less = int((best(found, "_upper") < found.gaussian_lower).sum())
        texts = {key: f"{float(one.min()):.3f} to {float(one.max()):.3f}" for key, one in three.items()}
        rows.append({"data": name} | labels | texts | {"more": more, "less": less})
table(rows)

# %% [markdown]
# ## Networks that copy
#
# At every training step: at how many noise levels $r_{\rm net}$ is above $r^*$; the share of samples that are copies of
# whole training images; distances of nearest patches per pixel of samples, over those of held-out images; and how many
# neighbouring pixels have nearest patches that are neighbours too, of samples and of held-out images.

# %%
rows = []
for name, of_data in measured.items():
    for step in of_data.step.values:
        for labels, found in cells(of_data.sel(step=step)):
            beyond = int((found.best_patch_size.values > largest_patches(found)).sum())
            share, error = float(found.memorization), float(found.memorization_error)
            together, held_out = float(found.together), float(found.held_out_together)
            rows.append(
                {"data": name}
                | labels
                | {
                    "steps": step,
                    "r_net > r*": beyond,
                    "copies": f"{share:.3f} ± {error:.3f}",
                    "nearest": float(found.nearest / found.held_out_nearest),
                    "together": f"{together:.2f} ± {float(found.together_error):.2f} ({held_out:.2f})",
                }
            )
copies = measured["digits"].memorization
assert (copies.sel(num_samples=[100, 1000]) == 0).all()
assert (copies.sel(num_samples=20, network="unet", step=4000) > 0.5).all()
table(rows)

# %% [markdown]
# ## From one start
#
# As in arXiv:2412.20292: the probability flow makes an image of a start, by the network and by another score, here
# local scores of $r_{\rm net}(t)$, the score of whole images, and that of the Gaussian. Median correlation over pixels,
# over the starts, and quartiles.

# %%
rows = []
for name, of_data in last.items():
    for labels, found in cells(of_data.sel(seed=[0])):
        texts = {}
        for kind in ("local", "whole", "gaussian"):
            low, middle, high = np.quantile(found[f"correlation_with_{kind}"].values, [0.25, 0.5, 0.75])
            texts[kind] = f"{middle:.3f} ({low:.3f}, {high:.3f})"
        rows.append({"data": name} | labels | texts)
of_convolutions = last["digits"].sel(network="resnet", seed=0, num_samples=[100, 1000])
assert (
    of_convolutions.correlation_with_local.median("start") > of_convolutions.correlation_with_gaussian.median("start")
).all()
table(rows)
