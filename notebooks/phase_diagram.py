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
# # From a covariance spectrum to a phase diagram
#
# A diffusion model trained on few samples memorizes. On data near a manifold this does not
# happen at once: directions are lost one subspace after another, at noise variances set by
# the local variance of the data along them (Achilli et al., *Losing dimensions*,
# arXiv:2410.08727). This notebook derives the equations, solves them for the default
# manifold, s = (1, 0.09, 10⁻⁴) with d = (2, 5, 23) directions, and asks which directions go first.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import geomem_theory
from geomem import Manifold, Probe, critical_time, phase_diagram, phase_diagram_figure
from geomem.figures.diagram import diagram_title, draw_critical_times, draw_sensitivity
from geomem.figures.style import COLUMN_WIDTH, STYLE, save_figure

here = Path(__file__).parent if "__file__" in globals() else Path()
figures = Path(os.environ.get("GEOMEM_FIGURES", here / "figures"))
figures.mkdir(exist_ok=True)
plt.rcParams.update(STYLE)

# %% [markdown]
# ## The generating function
#
# The empirical score is a Gibbs average over training samples. All that matters of the data is
# the generating function K of the energy of one sample; here is its derivation, performed as you read.

# %%
geomem_theory.partition.CHAPTER

# %% [markdown]
# ## Entropy, condensation, participation
#
# The Legendre transform of K counts samples; where the count falls below one the measure condenses.

# %%
geomem_theory.condensation.CHAPTER

# %% [markdown]
# ## The score and its signal-to-noise ratio

# %%
geomem_theory.score.CHAPTER

# %% [markdown]
# ## Critical times by every criterion and level
#
# `gaussian_rem` is the published level: two cumulants of the energy. `rem` keeps the exact law of
# the energy. On a manifold of few wide directions they differ by more than an order of magnitude,
# because a Gaussian energy has no floor at zero, and the exact one does.

# %%
manifold = Manifold([1.0, 0.09, 1e-4], [2, 5, 23])
sizes, variances = np.geomspace(10, 1e9, 60), np.geomspace(1e-5, 10, 60)
combinations = [
    ("gaussian_rem", "condensation"),
    ("gaussian_rem", "participation"),
    ("rem", "condensation"),
    ("rem", "participation"),
    ("rem", "signal_to_noise"),
]
diagrams = {
    (level, criterion): phase_diagram(
        manifold, num_samples=sizes, local_variance=variances, criterion=criterion, theory=level
    )
    for level, criterion in combinations
}

figure, grid = plt.subplots(2, 3, figsize=(2 * COLUMN_WIDTH, 4.4), layout="constrained", sharex=True, sharey=True)
for axes, diagram in zip(grid.flat, diagrams.values(), strict=False):
    draw_critical_times(axes, diagram)
    axes.set_title(diagram_title(diagram), fontsize=8)
    axes.label_outer()
handles, labels = grid.flat[0].get_legend_handles_labels()
grid.flat[2].tick_params(labelbottom=True)
grid.flat[2].set_xlabel("data-set size $N$")
grid.flat[-1].axis("off")
grid.flat[-1].legend(handles, labels, loc="center", frameon=False, title="local variance\n(thin lines: opening)")
save_figure(figure, figures / "criteria")
figure

# %% [markdown]
# The triangles at the right edge are the opening times, t = s. A block is lost altogether at the sizes where its
# curve lies above its opening time. Faint parts lie where the leading order of the signal-to-noise ratio does not
# hold: the squared weights condense there, and the level has no reliable answer.

# %%
at_1000 = {
    (level, criterion): [
        float(critical_time(manifold, block, num_samples=1000, criterion=criterion, theory=level).value)
        for block in range(3)
    ]
    for level, criterion in combinations
}
for (level, criterion), times in at_1000.items():
    print(f"{level:13} {criterion:16}", *(f"{time:.6f}" for time in times))
ratio = at_1000["gaussian_rem", "condensation"][0] / at_1000["rem", "condensation"][0]
print(f"two cumulants over exact energy law, block 0 at N = 1000: {ratio:.1f}")
assert ratio > 20

# %% [markdown]
# ## Who is lost first
#
# Take one direction of the same spectrum and give it another variance: d ln t_c / d ln s, with the spectrum
# fixed, says whether of two directions the one of higher or of lower variance is lost first.
# Condensation of the measure, probed along a direction, loses the *lower* variance first wherever t < s (hatched):
# the probe adds $s t/(2(t+s)^2)$ to ln N_c, which is largest at s = t. The signal-to-noise ratio, the criterion
# that tells directions apart, loses the higher one first; only a probe far out, at several noise lengths,
# reverses it in a small region near t = s. There the leading order no longer holds (faint): whether the
# reversal is real is a question for the exact theory, in `notebooks/finite_n.py`.

# %%
cases = {
    "condensation, rem": diagrams["rem", "condensation"],
    "condensation, gaussian_rem": diagrams["gaussian_rem", "condensation"],
    "signal to noise, rem": diagrams["rem", "signal_to_noise"],
    "signal to noise, rem, amplitude 6": phase_diagram(
        manifold,
        num_samples=sizes,
        local_variance=variances,
        criterion="signal_to_noise",
        theory="rem",
        probe=Probe.along(6.0),
    ),
}
figure, grid = plt.subplots(2, 2, figsize=(2 * COLUMN_WIDTH, 5.0), layout="constrained", sharex=True, sharey=True)
for axes, (title, diagram) in zip(grid.flat, cases.items(), strict=True):
    draw_sensitivity(axes, diagram)
    axes.set_title(title, fontsize=8)
    axes.label_outer()
save_figure(figure, figures / "lost_first")
for title, diagram in cases.items():
    share = float((diagram.lost_first < 0).mean())
    print(f"{title:35} lower variance first on {share:.0%} of the map")
figure

# %%
condensation = cases["condensation, rem"]
before_opening = condensation.critical_time_map.values < condensation.local_variance.values
assert ((condensation.lost_first.values < 0) == before_opening).all()
assert (condensation.sensitivity_swept > 0).all()

# %% [markdown]
# With the swept block's variance changed in its background instead, condensation always comes earlier for higher
# variance: `sensitivity_swept` is positive everywhere. The two questions have different answers; the diagram keeps
# them apart.
#
# ## The figures of the command
#
# `geomem phase-diagram` draws, as here, how many directions are kept over N and t, which variances are kept at N, and
# the map of critical times of a swept block, by default at level `finite_n`, for a spectrum or straight from data.

# %%
figure = phase_diagram_figure(diagrams["rem", "signal_to_noise"])
save_figure(figure, figures / "phase_diagram_rem")
figure
