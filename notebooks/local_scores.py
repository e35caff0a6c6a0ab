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
# # Local scores
#
# A convolutional network sees a pixel with a patch around it. Early in training its score is close to the local
# empirical score ([arXiv:2412.20292](https://arxiv.org/abs/2412.20292)): a Gibbs average over the patches of all
# training images. That is the random-energy model of the other notebooks, with patches for samples, and its
# condensation is a mosaic: every pixel is copied from one training patch. `notebooks/data/local_scores.py` measures
# what is compared here, for a quarter of an hour on one core; `geomem local` makes the other figures of any images.

# %%
import os
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import geomem
import geomem_theory
from geomem import load_images, patch_diagram
from geomem.figures.local import local_figure, pictures_figure
from geomem.figures.style import COLUMN_WIDTH, MARKERS, STYLE, TIME_LABEL, save_figure, shades
from geomem.studies.patch_pictures import denoised_pictures

here = Path(__file__).parent if "__file__" in globals() else Path()
results = Path(geomem.__file__).parents[2] / "notebooks" / "data"
figures = Path(os.environ.get("GEOMEM_FIGURES", here / "figures"))
figures.mkdir(exist_ok=True)
small = bool(os.environ.get("GEOMEM_SMALL"))
plt.rcParams.update(STYLE)
fields, real = (xr.load_dataset(results / f"local_scores_{name}.nc", engine="h5netcdf") for name in ("fields", "real"))

# %% [markdown]
# How many samples a pixel has, and where it condenses:

# %%
geomem_theory.local_scores.CHAPTER

# %% [markdown]
# ## Patches of one image count as independent samples
#
# Gaussian random fields of 32 by 32 pixels, of power 1/k^2, periodic. Points: local scores of drawn fields at a fresh
# field with noise, of 1 and of 20 images; lines: level `finite_n`, of the Gaussian law of patches and as many samples
# as there are patches, nothing fitted. Above the participation, below the variance of the score over data sets.

# %%
figure, axes = plt.subplots(2, 2, figsize=(2 * COLUMN_WIDTH, 4.2), layout="constrained", sharex=True)
for (kind, label), row in zip({"participation": "$Y_2$", "score_variance": "variance times $t^2$"}.items(), axes,
                              strict=True):  # fmt: skip
    for panel, count in zip(row, fields.num_images.values, strict=True):
        for place, (size, colour) in enumerate(zip(fields.patch_size.values, shades(3), strict=True)):
            at = fields.sel(observable=kind, num_images=count, patch_size=size)
            scale = 1.0 if kind == "participation" else at.noise_variance**2
            panel.plot(at.noise_variance, at.predicted * scale, color=colour)
            panel.errorbar(at.noise_variance, at.measured * scale, at.measured_error * scale, color=colour,
                           fmt=MARKERS[place], markersize=3, label=f"{size} by {size}")  # fmt: skip
        panel.set(xscale="log", ylabel=label)
        panel.set_title(f"{count} image{'s' if count > 1 else ''}", fontsize=8)
for panel in axes[1]:
    panel.set_xlabel(TIME_LABEL)
axes[0, 0].legend(fontsize=6)
save_figure(figure, figures / "local_fields")
plt.show()

# %%
away = (fields.measured - fields.predicted).sel(observable="participation")
print("largest difference of the participation:", np.abs(away).max(["noise_variance"]).round(4).values.tolist())
print("largest |z| of participation and variance, by patch size and images:")
print(np.abs(fields.z).max("noise_variance").round(1).values.tolist())

# %% [markdown]
# Every cell agrees within four standard errors but those of the largest patches of a single image, of which it holds
# few that do not overlap: their participation is up to 0.016 below, their variance up to 8 % above that of independent
# patches. From 20 images on nothing is left of it.
#
# ## Real images
#
# Digits, and crops of 16 by 16 pixels of two photographs. Three things may differ from the theory: the patches of N
# images from as many independent ones, by repetition within an image; and independent patches from a law that is
# fitted to them. Bars: the spread over sets of images.

# %%
figure, axes = plt.subplots(2, 2, figsize=(2 * COLUMN_WIDTH, 4.4), layout="constrained", sharex=True, sharey=True)
for row, data in zip(axes, real.data.values, strict=True):
    for panel, size in zip(row, real.patch_size.values, strict=True):
        for level, colour in zip(range(real.sizes["level"]), shades(real.sizes["level"]), strict=True):
            at = real.sel(data=data, patch_size=size, observable="participation").isel(level=level)
            time = float(at.noise_variance)
            panel.errorbar(at.num_images, at.images, at.images_error, color=colour, fmt="o", markersize=3,
                           label=f"$t$ = {time:g}")  # fmt: skip
            panel.plot(at.num_images, at.independent, color=colour, marker="x", markersize=4, linestyle="none")
            panel.plot(at.num_images, at.predicted.sel(law="gaussian"), color=colour, linestyle="--", linewidth=0.8)
            panel.plot(at.num_images, at.predicted.sel(law="mixture"), color=colour, linewidth=1)
        panel.set(xscale="log")
        panel.set_title(f"{data}, {size} by {size}", fontsize=8)
        panel.legend(fontsize=5)
    row[0].set_ylabel("participation $Y_2$")
for panel in axes[1]:
    panel.set_xlabel("number of images $N$")
save_figure(figure, figures / "local_real")
plt.show()

# %% [markdown]
# Circles: patches of images; crosses: as many independent ones; lines: theory of one Gaussian (dashed) and of a mixture
# of ten (full), fitted to 5000 patches, at every second of the noised patches. In numbers: what images have over what
# independent patches have. `repetition` is the design effect of surveys, 1 + (P - 1) times the correlation of the
# weights of patches of one image: as many times fewer independent patches have the same variance, if the sum of their
# weights tells it.

# %%
for data in real.data.values:
    at = real.sel(data=data)
    for name, counts in {"participation": (3, 10, 30, 100), "variance": (3, 10)}.items():
        for count in counts:
            cells = at.sel(observable=name, num_images=count)
            ratio, fewer = (cells.images / cells.independent).values, (cells.effective / cells.independent).values
            print(
                f"{data}, {name}, {count} images: {ratio.min():.2f} to {ratio.max():.2f} times that of independent "
                f"patches; by as many as the repetition leaves {fewer.min():.2f} to {fewer.max():.2f} times"
            )
    off = np.abs(at.predicted - at.independent.sel(observable="participation")).max(["level", "num_images"])
    for law in real.law.values:
        print(f"{data}, {law}: participation off by up to {off.sel(law=law).max():.2f}")
    print(f"{data}, repetition: {at.repetition.min():.2f} to {at.repetition.max():.2f}")

# %% [markdown]
# Digits do not repeat themselves: the count of patches is right to 4 % of the participation, but for 8 % where it is
# 0.015. Photographs do, sky beside sky: of three crops the participation is up to twice that of
# independent patches, of ten up to 1.9 times, from thirty on 0.8 to 1.01 times, and one set of crops differs from
# another by up to three quarters. The variance over sets of three crops is 8 to 100 times larger. The repetition tells
# the variance of digits, and the order of magnitude of that of photographs, but makes the participation far too large:
# no one smaller number of independent patches stands for a set of few crops, whose spread is the error to quote. What
# is off by more is the law: one Gaussian by up to 0.20 of digits and 0.60 of photographs, a mixture of ten by up to
# 0.06 and 0.18.
#
# ## Which patches copy
#
# Of the digits: left of a line on the left patches of its size are copied; dashed where the information of a noisy
# patch is the logarithm of the number of patches, which is about noised training images and sets in at more noise than
# a participation of one half, which is that of fresh ones. On the right the participation at all 1797 digits, and the
# largest patch that does not copy.

# %%
digits = load_images("digits")
times = np.geomspace(0.02, 5, 4 if small else 8)
found = patch_diagram(digits, patch_sizes=[3, 5] if small else [2, 3, 4, 5, 7], noise_variance=times,
                      num_images=[18, 180, 1797], num_points=4 if small else 16, key=jax.random.key(0))  # fmt: skip
figure = local_figure(found)
save_figure(figure, figures / "local_boundary")
plt.show()

# %% [markdown]
# And what that looks like: one digit with noise, denoised by the patches of all others, and by whole digits.

# %%
shown = denoised_pictures(digits[:300] if small else digits, 6, [3] if small else [3, 5, 7],
                          np.array([0.02, 0.1, 0.5, 2.5])[: 2 if small else 4], boundary="zero",
                          key=jax.random.key(0))  # fmt: skip
figure = pictures_figure(shown)
save_figure(figure, figures / "local_pictures")
plt.show()
