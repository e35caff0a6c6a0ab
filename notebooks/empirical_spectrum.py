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
# # Spectra and dimensions of the empirical score
#
# Three questions, each with the theory beside the measurement: where a prediction of a spectrum is quantitative, when a
# gap closes, and how many dimensions of the data an empirical score resolves.

# %%
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from IPython.display import Markdown

import geomem_theory
from geomem import (
    Manifold,
    Status,
    compare,
    critical_time,
    load_data,
    lower,
    measure_resolved_dimension,
    phase_diagram,
    predicted_spectrum,
    score,
)
from geomem.figures.comparison import draw_curves
from geomem.figures.planes import kept_directions
from geomem.figures.style import COLUMN_WIDTH, STYLE, save_figure

here = Path(__file__).parent if "__file__" in globals() else Path()
figures = Path(os.environ.get("GEOMEM_FIGURES", here / "figures"))
figures.mkdir(exist_ok=True)
plt.rcParams.update(STYLE)
small = "GEOMEM_SMALL" in os.environ  # few data sets and noise variances, for a test
key = jax.random.key(0)

# %% [markdown]
# ## A mean of diagonal entries
#
# The spectrum of the published figure without its normalization (with it: notebook `trained_networks`). The prediction
# is of the mean over data sets of $t^2 (S^\top S)_{vv}$, the rows of S being scores on the rays of a random orthonormal
# frame: a diagonal mean that rare data sets carry, not a sorted singular value. Level `finite_n`, no parameter fitted,
# beside 300 data sets of N = 1000, one frame each.

# %%
manifold = Manifold([1.0, 0.09, 1e-4], [2, 5, 23])
times = np.geomspace(0.02, 2.0, 33)
num_datasets = 60 if small else 300
squares = []
for each in jax.random.split(jax.random.fold_in(key, 1), num_datasets):
    of_data, of_frame = jax.random.split(each)
    frame = np.asarray(jax.random.orthogonal(of_frame, 30))
    rows = np.asarray(score(np.zeros(30), manifold.sample(of_data, 1000), times, directions=frame))
    squares.append(times[:, None] * np.sum(rows**2, axis=1))
mean_square = np.mean(squares, axis=0)
exact = predicted_spectrum(manifold, noise_variance=times, num_samples=1000, theory="root_mean_square")
population = predicted_spectrum(manifold, noise_variance=times, theory="population")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(2 * COLUMN_WIDTH, 2.5), layout="constrained", sharey="row")
scale = mpl.cm.ScalarMappable(mpl.colors.LogNorm(times[0], times[-1]), "viridis")
for axes, title, values in (
    (left, "theory", exact.singular_value.values),
    (right, "empirical score", -np.sort(-np.sqrt(mean_square), axis=1)),
):
    for row, time in zip(values, times, strict=True):
        axes.plot(np.arange(30) + 1, row, color=scale.to_rgba(time), linewidth=0.8)
    axes.set(yscale="log", title=title, xlabel="ordered directions")
left.set_ylabel(r"root mean $t^2 (S^\top S)_{vv}$")
figure.colorbar(scale, ax=right, label="noise variance $t$ [data units$^2$]", pad=0.02)
save_figure(figure, figures / "diagonal_panels")
plt.show()

# %% [markdown]
# Values agree, and block by block they do so within the error bars:

# %%
blocks = [0, 2, 7]
diagonals = np.add.reduceat(squares, blocks, axis=2) / [2, 5, 23]
over = ("noise_variance", "block")
at = slice(0, None, 4)
measured = xr.Dataset(
    {
        "value": (over, np.mean(diagonals, axis=0)[at]),
        "error": (over, np.std(diagonals, axis=0, ddof=1)[at] / np.sqrt(num_datasets)),
    },
    {"noise_variance": times[at], "block": [0, 1, 2]},
    {"observable": r"mean of $t^2 (S^\top S)_{vv}$"},
)
predicted = xr.Dataset({"value": (over, exact.block_value.values**2)}, {"noise_variance": times, "block": [0, 1, 2]})
figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 2.8), layout="constrained")
for block in range(3):
    label = "no memorization" if block == 0 else None
    axes.plot(times, population.block_value[:, block] ** 2, color="0.7", linewidth=0.8, label=label)
draw_curves(axes, measured, predicted)
axes.set_yscale("log")
axes.legend(fontsize=6)
save_figure(figure, figures / "diagonal_mean")
plt.show()
of_means = compare(measured, predicted)
shown = ("reduced_chi_square", "max_abs_z", "log_time_shift", "log_time_shift_error")
print({name: round(of_means.attrs[name], 3) for name in shown})
assert of_means.attrs["max_abs_z"] < 4.5

# %% [markdown]
# ## When the gap closes
#
# The count of dimensions that a plot of sorted values shows ends where their gap closes: criterion `gap`. A bulk of
# many directions is wide before any one of them is lost, one of few is not. Variances 1 and 0.05, each of so many
# directions; level `finite_n` for both times. Dotted: fewer than 20 samples are active where it closes, and the
# law of the gap is not held against data.

# %%
Markdown(geomem_theory.spectrum_law.CHAPTER.to_markdown())

# %%
sizes = np.geomspace(100, 1e8, 2 if small else 19)
counts = np.array([5, 50] if small else [2, 3, 4, 6, 9, 14, 20, 30, 45, 70, 100, 150, 200])
closed, lost = (
    [
        critical_time(Manifold([1.0, 0.05], [count, count]), 0, num_samples=sizes, criterion=one, theory="finite_n")
        for count in counts
    ]
    for one in ("gap", "signal_to_noise")
)
ratio = np.array([np.log(gap.value / single.value) for gap, single in zip(closed, lost, strict=True)]) / np.log(2)
beyond = np.array([gap.status == Status.OUT_OF_VALIDITY for gap in closed])
figure, axes = plt.subplots(figsize=(COLUMN_WIDTH, 2.8), layout="constrained")
axes.set(xscale="log", yscale="log", xlabel="number of samples $N$", ylabel="directions of each variance")
axes.set_title(r"$t_\mathrm{gap}/t_{R = 1}$", fontsize=8)
axes.contourf(sizes, counts, ratio, [0.0, 10.0], colors="0.85")
axes.contourf(sizes, counts, beyond, [0.5, 1.5], colors="none", hatches=["..."])
lines = axes.contour(sizes, counts, ratio, [-1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2], colors="black", linestyles="solid")
lines.set_linewidths([2.0 if level == 0 else 0.8 for level in lines.levels])
# Away from the ends of the lines.
places = [(1e6, 2.2), (1e6, 3.6), (1e6, 7), (1e6, 17), (1e5, 29), (1e5, 58), (1e5, 110), (1e4, 130)]
axes.clabel(lines, fmt=lambda level: f"{2.0**level:.2g}", fontsize=6, manual=places)
save_figure(figure, figures / "gap_before_loss")
plt.show()
for place in (0, -1):
    print(f"{counts[place]} directions: t_gap/t_R", np.round(2.0 ** ratio[place, [0, len(sizes) // 2, -1]], 2))

# %% [markdown]
# Below the heavy line a count of dimensions outlives its directions: the gap is seen where their score is noise
# already. Above it, shaded, the gap is gone while every direction alone is still resolved; in the corner there is no
# gap at any noise variance.

# %% [markdown]
# ## How many dimensions are resolved
#
# D(t, N) counts the directions that are open, $t < s$, and along which the mean of the score over data sets exceeds
# its standard deviation. As t falls directions open, and are lost again, the widest first. Lines: `finite_n`; points:
# data sets that are drawn, or subsets of scikit-learn's handwritten digits, with standard errors. The 1797 digits hold
# 89 independent data sets of N = 20 and 17 of N = 100, no more: pale bars go from how many directions are resolved for
# certain to how many may be, by the 95 % interval of each. Of N = 800 there are two, which tell nothing. Beside the
# digits, as many Gaussian samples with their very spectrum, measured in the same way.

# %%
digits = load_data("digits")
digits_law = Manifold.from_data(digits)
cases = {
    "default": (manifold, manifold, np.geomspace(3e-3, 2, 22), [100, 1000, 10_000, 100_000], [200, 200, 60, 20]),
    "digits": (digits, digits_law, np.geomspace(8, 250, 13), [20, 100], 200),
}
if small:
    cases = {
        "default": (manifold, manifold, np.geomspace(3e-3, 2, 5), [100, 1000], [40, 40]),
        "digits": (digits, digits_law, np.geomspace(8, 250, 9), [20, 100], 10),
    }
found = {}
for name, (source, law, points, sizes, replicates) in cases.items():
    measured = measure_resolved_dimension(
        source, noise_variance=points, num_samples=sizes, num_replicates=replicates, key=key
    )
    diagram = phase_diagram(
        law, num_samples=sizes, local_variance=[1.0], criterion="signal_to_noise", theory="finite_n"
    )
    # It changes only where a block opens or is lost: both sides of every such time are the curve.
    events = np.concatenate([diagram.opening_time, np.ravel(diagram.critical_time)])
    events = events[(events > points[0]) & (events < points[-1])]
    fine = np.unique(np.concatenate([points[[0, -1]], events * (1 - 1e-9), events * (1 + 1e-9)]))
    dimension = kept_directions(diagram, fine).T
    over = ("noise_variance", "num_samples")
    found[name] = (measured, xr.Dataset({"value": (over, dimension)}, {over[0]: fine, over[1]: sizes}))
center = digits.mean(axis=0)
_, singular, directions = np.linalg.svd(digits - center, full_matrices=False)
normal = np.random.default_rng(0).normal(size=digits.shape)
like_digits = np.linalg.svd(normal - normal.mean(axis=0), full_matrices=False)[0] * singular
gaussian = measure_resolved_dimension(
    like_digits, noise_variance=cases["digits"][2], num_samples=cases["digits"][3], num_replicates=cases["digits"][4],
    key=key,
)  # fmt: skip

# %%
figure, both = plt.subplots(1, 2, figsize=(2 * COLUMN_WIDTH, 2.6), layout="constrained")
titles = {"default": "variances 1, 0.09, 1e-4 of 2, 5, 23 directions", "digits": "scikit-learn's digits, 61 directions"}
for axes, (name, (measured, predicted)) in zip(both, found.items(), strict=True):
    draw_curves(axes, measured, predicted)
    axes.set_title(titles[name], fontsize=8)
for place, size in enumerate(cases["digits"][3]):  # a line and its points each
    at, line = found["digits"][0].sel(num_samples=size), both[1].get_lines()[2 * place]
    aside = at.noise_variance * (0.985 + 0.03 * place)
    both[1].vlines(aside, at.lower, at.upper, color=line.get_color(), alpha=0.3, linewidth=2.5)
at = gaussian.sel(num_samples=100)
both[1].errorbar(
    at.noise_variance, at.value, at.error, fmt="k^", mfc="white", markersize=4, elinewidth=0.7, zorder=1,
    label="$N$ = 100, Gaussian data",
)  # fmt: skip
for axes in both:
    axes.legend(fontsize=6)
    axes.set_ylim(bottom=-1)
save_figure(figure, figures / "dimensions")
plt.show()
comparisons = {
    "default manifold": compare(*found["default"]),
    "Gaussian data with the digits' spectrum": compare(gaussian, found["digits"][1]),
    "digits": compare(*found["digits"]),
}
for name, compared in comparisons.items():
    print(name, {what: round(compared.attrs[what], 3) for what in shown})
assert comparisons["default manifold"].attrs["max_abs_z"] < 4.5

# %% [markdown]
# Gaussian data follow the theory, all within two standard errors; the digits do not. At large t they resolve fewer
# directions, for certain: of N = 100, 3 of the theory's 5 at t = 60 and 1 of 3 at t = 141. At t below 30 they resolve
# more: 4 to 9 of N = 100 where the theory has 1 or 2, by one to four standard errors, and at t = 19 for certain one
# more, of N = 20 two. How many more, 1797 digits do not tell.
#
# Digits are not symmetric about their mean, and the mean of their score there does not vanish, as that of Gaussian data
# does. It adds to the signal along a direction, or takes from it. Half the difference of the scores at
# $\pm\sqrt{t}\,v$ is free of it: with its mean in place of the score's nothing is left of the surplus. These counts
# are of the estimates above one, uncorrected, so those of Gaussian data are beside them. The deficit at large t stays.
# Between clusters the score is weaker than a Gaussian's, along the two widest directions it points away from the mean,
# and along some directions its noise is up to three times a Gaussian's.

# %%
times, size = cases["digits"][2][1::2], 100
opens = times[:, None] < singular**2 / len(digits)
rays = np.concatenate([directions, -directions, np.zeros((1, 61))])


def parts(pool):
    """Signal and noise of the score on its rays, of its odd part there, and of the score at the mean."""
    members, groups = len(pool) // size, []  # of disjoint subsets, from one permutation each
    for each in jax.random.split(key, 2 if small else 12):
        order = np.asarray(jax.random.permutation(each, len(pool)))
        rows = []
        for first in range(0, members * size, size):
            scores = np.asarray(score(pool.mean(axis=0), pool[order[first : first + size]], times, directions=rays))
            ahead, back = (np.einsum("tvd,vd->tv", part, directions) for part in (scores[:, :61], scores[:, 61:122]))
            rows.append((ahead, 0.5 * (ahead - back), scores[:, 122] @ directions.T))
        groups.append(rows)
    spread = np.var(groups, axis=1, ddof=1)
    # The squared mean of so many subsets holds their variance divided by their number.
    squares = (np.mean(groups, axis=1) ** 2 - spread / members).mean(axis=0)
    return np.mean(groups, axis=(0, 1)), squares, spread.mean(axis=0)


# %%
names = ("as measured", "without what is even", "open directions with a signal at the mean itself")
found_parts = {"digits": parts(digits), "Gaussian data": parts(like_digits @ directions)}
print("t:", times.round(1))
for source, (_, squares, noise) in found_parts.items():
    for name, square, variance in zip(names, squares, noise[[0, 0, 2]], strict=True):
        print(f"{source}, {name}, N = {size}:", (opens & (square > variance)).sum(axis=1))
print("finite_n:", found["digits"][1].value.sel(num_samples=size).interp(noise_variance=times).values.round(1))
place = np.argmin(np.abs(times - 60))
signals, _, noise = (part[:, place, :8] for part in found_parts["digits"])
population = jnp.vectorize(lower("population_score"))(
    times[place], singular[:8] ** 2 / len(digits), np.sqrt(times[place])
)
# As many independent data sets as there are disjoint subsets.
error = np.sqrt(noise[1] / (len(digits) // size))
print(f"t = {times[place]:.1f}, widest directions: signal without what is even, over that of a Gaussian:")
print(np.round(signals[1] / population, 2), "+-", np.round(error / np.abs(population), 2))
print("noise over that of Gaussian data:", np.round(noise[0] / found_parts["Gaussian data"][2][0, place, :8], 2))
