"""Measurements on real data, and what one Gaussian, a mixture and a pool say of them, for `notebooks/real_data.py`.

Run from the repository root with `python notebooks/data/real_data.py patches`, `digits` or `memorized`; it writes
`notebooks/data/real_data_NAME.nc`. Patches and `memorized` take a quarter of an hour of one
core each, digits some minutes.
"""

import sys
from pathlib import Path

import jax
import numpy as np
import xarray as xr

from geomem import Probe, SampledLaw, critical_times_of, fit_law, load_data, principal_directions, quenched

FOLDER = Path(__file__).parent
DIRECTIONS = 24
KEY = jax.random.key(0)


def scores_of(rows, size, points, offsets, time, directions):
    """Components of the empirical score of disjoint data sets, (sets, points, directions), at noised points."""
    sets = len(rows) // size
    used = rows[: sets * size]
    along = (used @ directions.T).reshape(sets, size, -1)
    noised = points + np.sqrt(time) * offsets
    exponents = ((used @ noised.T - np.sum(used**2, axis=1)[:, None] / 2) / time).reshape(sets, size, -1)
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return (weights.transpose(0, 2, 1) @ along - noised @ directions.T) / time


def ratios(scores):
    """Squared means and variances over data sets, (points, directions), the first without the second's share in it."""
    variance = scores.var(axis=0, ddof=1)
    return scores.mean(axis=0) ** 2 - variance / len(scores), variance


def of_all_points(scores):
    """R over all points along every direction, and its standard error by a jackknife of the data sets."""
    groups = np.array_split(np.arange(len(scores)), min(len(scores), 40))
    squares, variances = (part.mean(axis=0) for part in ratios(scores))
    left_out = [
        np.divide(*(part.mean(axis=0) for part in ratios(np.delete(scores, group, axis=0)))) for group in groups
    ]
    count = len(groups)
    return squares, variances, np.sqrt((count - 1) * np.var(left_out, axis=0))


def predicted(law, directions, times, sizes, probe):
    """Squared means and variances, (times, sizes, points, directions)."""
    found = quenched(law, directions, noise_variance=times, num_samples=sizes, probe=probe)
    order = (2, 3, 0, 1)
    return np.asarray(found.score_mean).transpose(order) ** 2, np.asarray(found.score_variance).transpose(order)


ORDERS = 16  # in which patches are cut into data sets
PATCH_TIMES, PATCH_SIZES = np.geomspace(3e-4, 8.9, 12), [200, 1000]
OF_PATCHES = {  # of 200 000 patches, of which the first 30 000 are those of the name `patches`
    "gaussian": lambda pool: fit_law(pool[:30_000], family="gaussian", key=KEY).law,
    "mixture": lambda pool: fit_law(pool[:30_000], family="mixture", num_components=30, key=KEY).law,
    "pool of 30 000": lambda pool: SampledLaw(pool[:30_000]),
    "pool": SampledLaw,
}


def split_patches():
    """A pool, noised held-out points, patches for data sets, and the leading directions with all variances."""
    rows = load_data("patches:531720")  # all there are
    pool, held_out, rest = np.split(rows, [200_000, 200_016])
    whole = SampledLaw(pool)
    probe = Probe.noised(held_out, key=KEY)
    return pool, probe, rest, principal_directions(whole)[:DIRECTIONS], whole


def patches():
    pool, probe, rest, directions, whole = split_patches()
    shape = (len(PATCH_TIMES), len(PATCH_SIZES))
    measured = np.zeros((2, *shape, len(probe.base), DIRECTIONS))
    error, halves = np.empty((*shape, DIRECTIONS)), []
    for row, column in np.ndindex(shape):
        place = probe.base, np.asarray(probe.offset), PATCH_TIMES[row], directions
        for order in range(ORDERS):
            size = PATCH_SIZES[column]
            scores = scores_of(np.random.default_rng(order).permutation(rest), size, *place)
            measured[:, row, column] += np.array(ratios(scores)) / ORDERS
            if order == 0:
                error[row, column] = of_all_points(scores)[2]
                halves.append([np.divide(*ratios(scores[half::2])) for half in (0, 1)])
    for column, size in enumerate(PATCH_SIZES):
        first, second = np.array(halves[column :: len(PATCH_SIZES)]).swapaxes(0, 1)
        counts = (first > 0.1) & (second > 0.1)
        own = np.median(np.abs(np.log(first[counts] / second[counts]))) / 2
        print(f"N = {size}: the measurement's own error of ln R, of one order of the patches, is {own:.3f}", flush=True)
    found, cells = {}, {}
    for name, law in OF_PATCHES.items():
        cells[name] = predicted(law(pool), directions, PATCH_TIMES, PATCH_SIZES, probe)
        found[name] = np.divide(*(part.mean(axis=-2) for part in cells[name]))
        print(name, flush=True)
    variances = np.asarray(whole.variances)[:DIRECTIONS]
    ratio = np.divide(*measured.mean(axis=-2))
    write("patches", PATCH_TIMES, PATCH_SIZES, variances, ratio, error, found, measured, cells)


def digits():
    """The law of one half beside data sets of the other, and the other way round; the first is drawn."""
    times, sizes = np.geomspace(2.0, 250.0, 12), [20, 100]
    rows = load_data("digits")
    held_out, *halves = np.split(np.random.default_rng(0).permutation(rows), [37, 917])
    whole = SampledLaw(rows)
    directions = principal_directions(whole)[:DIRECTIONS]
    probe = Probe.noised(held_out, key=KEY)
    shape = (len(times), len(sizes))
    rng = np.random.default_rng(1)
    measured = np.zeros((2, 2, *shape, len(held_out), DIRECTIONS))  # of each half, means and variances
    error = np.zeros((2, *shape, DIRECTIONS))
    for place, half in enumerate(halves[::-1]):
        orders = [rng.permutation(half) for _ in range(10)]
        for row, column in np.ndindex(shape):
            sets = [scores_of(each, sizes[column], held_out, np.asarray(probe.offset), times[row], directions)
                    for each in orders]  # fmt: skip
            measured[place, :, row, column] = np.mean([ratios(one) for one in sets], axis=0)
            # Sets of several orders share samples: the error is that of one order.
            error[place, row, column] = np.sqrt(np.mean([of_all_points(one)[2] ** 2 for one in sets], axis=0))
    print("measured", flush=True)
    found, cells = {}, {}
    for name, law in OF_DIGITS.items():
        both = np.array([predicted(law(half), directions, times, sizes, probe) for half in halves])
        found[name] = np.divide(*both[0].mean(axis=-2))
        cells[name] = np.concatenate(both, axis=-2)
        print(name, flush=True)
    ratio = np.divide(*measured[0].mean(axis=-2))
    together = np.concatenate(measured, axis=-2)
    write("digits", times, sizes, np.asarray(whole.variances)[:DIRECTIONS], ratio, error[0], found, together, cells)


def measured_times(points, others, size, noises, times, subsets, rng, planted):
    """Where the mean weight of every point at its noised place, or the participation, is one half."""
    found = []
    for place, point in enumerate(points):
        away = (np.delete(others, place, axis=0) if planted else others) - point
        chosen = [rng.choice(len(away), size, replace=False) for _ in range(subsets)]
        squares, along = np.sum(away**2, axis=1), away @ noises.T
        means = []
        for time in times:
            # Less the squared length of the noise, which all have in common.
            exponents = -squares[:, None] / (2 * time) + along / np.sqrt(time)
            of_set = np.stack([exponents[rows] for rows in chosen])
            if planted:
                log_others = np.logaddexp.reduce(of_set, axis=1)
                means.append(np.mean(1 / (1 + np.exp(np.minimum(log_others, 500.0)))))
            else:
                weights = np.exp(of_set - of_set.max(axis=1, keepdims=True))
                means.append(np.mean(np.sum(weights**2, axis=1) / np.sum(weights, axis=1) ** 2))
        above = np.array(means) >= 0.5
        last = np.flatnonzero(above).max()  # the largest noise variance
        ends = slice(last, last + 2)
        found.append(np.exp(np.interp(0.5, np.array(means)[ends][::-1], np.log(times)[ends][::-1])))
    return np.array(found)


def split_digits():
    """One half for a law, the other for training sets, the points among it, and the digits' rows that these are."""
    rows = load_data("digits")
    order = np.random.default_rng(0).permutation(len(rows))
    return rows[order[:898]], rows[order[898:]], rows[order[898:962]], order[898:962]


OF_DIGITS = {
    "gaussian": lambda half: fit_law(half, family="gaussian", key=KEY).law,
    "mixture": lambda half: fit_law(half, family="mixture", key=KEY).law,
    "pool": SampledLaw,
}


def predicted_times(name, points, half, planted):
    found = critical_times_of(
        points, OF_DIGITS[name](half), num_samples=TRAINING_SETS, planted=planted, num_probes=2, key=KEY
    )
    print(name, planted, flush=True)
    return found.critical_time.values, found.error.values


TRAINING_SETS = [100, 800]


def memorized():
    """Critical times of digits of one half by the law of the other, beside training sets from their own half."""
    half, other, points, rows = split_digits()
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(16, other.shape[1]))
    noises, times = np.concatenate([noise, -noise]), np.geomspace(1.0, 400.0, 61)
    measured = np.empty((2, len(points), len(TRAINING_SETS)))
    for kind, planted in enumerate((True, False)):
        others = other if planted else other[len(points) :]
        for column, size in enumerate(TRAINING_SETS):
            subsets = 1 if size > len(others) / 2 else 20
            measured[kind, :, column] = measured_times(points, others, size, noises, times, subsets, rng, planted)
    found = np.array([[predicted_times(name, points, half, kind) for kind in (True, False)] for name in OF_DIGITS])
    over = ("planted", "point", "num_samples")
    xr.Dataset(
        {
            "measured": (over, measured),
            "predicted": (("law", *over), found[:, :, 0]),
            "error": (("law", *over), found[:, :, 1]),
        },
        {"row": ("point", rows), "num_samples": TRAINING_SETS, "planted": [1, 0], "law": list(OF_DIGITS)},
    ).to_netcdf(FOLDER / "real_data_memorized.nc", engine="h5netcdf")


def write(name, times, sizes, variances, ratio, error, found, measured, cells):
    """The file: R over all points, and how far every law is from it point by point where R is above a tenth."""
    squares, spread = measured
    counts = squares > 0.1 * spread
    measured_log = np.log(np.where(counts, squares / spread, 1.0))
    apart, side = [], []
    for of_mean, of_variance in cells.values():
        with np.errstate(divide="ignore"):
            log_ratio = np.log(of_mean / of_variance)
        difference = np.where(counts, np.abs(log_ratio - measured_log), np.nan)
        right = np.where(counts, (log_ratio > 0) == (measured_log > 0), np.nan)
        apart.append([[np.nanmedian(difference[:, column]) for column in range(len(sizes))]])
        side.append([[np.nanmean(right[:, column]) for column in range(len(sizes))]])
    over = ("noise_variance", "num_samples", "direction")
    xr.Dataset(
        {
            "ratio": (over, ratio),
            "error": (over, error),
            "predicted": (("law", *over), np.stack(list(found.values()))),
            "log_ratio_error": (("law", "num_samples"), np.concatenate(apart)),
            "right_side_of_one": (("law", "num_samples"), np.concatenate(side)),
            "cells": ("num_samples", counts.sum(axis=(0, 2, 3))),
        },
        {"noise_variance": times, "num_samples": sizes, "local_variance": ("direction", variances), "law": list(found)},
    ).to_netcdf(FOLDER / f"real_data_{name}.nc", engine="h5netcdf")


if __name__ == "__main__":
    {"patches": patches, "digits": digits, "memorized": memorized}[sys.argv[1]]()
