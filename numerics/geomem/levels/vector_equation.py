"""Sorted values of matrices of very many directions, by the quadratic vector equation: one unknown for every block.

The resolvent of a block solves 1/m_k = a_k - z - S_k, S_k what the noise adds to its value (O. Ajanki, L. Erdos and
T. Krueger, arXiv:1506.05095); the noise is as skew as the covariance of samples with the given weights (V. A.
Marchenko and L. A. Pastur, Math. USSR-Sb. 1, 457, 1967). Values are quantiles of its density.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from geomem.levels.activity import Activity
from geomem.levels.spectrum_profile import Profile

_POINTS, _REACH = 601, 1.5  # about a block, and how many radii of its bulk they go
_BLUR, _TAIL = 0.002, 0.004  # of the density, in radii; and its tails, in units of its mean over a bulk
_STEPS, _TOLERANCE = 3000, 1e-8
_BINS = 24  # that weights are taken together in
_EQUAL = 1000.0  # equal samples, from which on weights need not be drawn


class Expected(NamedTuple):
    """Means and standard deviations of sorted values, descending."""

    mean: Float[np.ndarray, " dims"]
    deviation: Float[np.ndarray, " dims"]


def expected_spectrum(profile: Profile, activity: Activity, rng: np.random.Generator) -> Expected:
    """Sorted eigenvalues of the symmetric part, for very many directions.

    The deviations are of what all have in common, of the participation's fluctuation, and of eigenvalues that repel
    each other (J. Gustavsson, Ann. Inst. H. Poincare B 41, 151, 2005).
    """
    counts, weights, numbers = activity.counts, *_weights(activity, rng)
    participation = float(numbers @ weights**2)
    values = profile.values + participation * profile.shifts
    rows = participation * profile.symmetric @ counts
    own = np.diag(profile.symmetric)
    # A covariance's bulk reaches farther to one side; a block has of that what its own variances have.
    radii = 2.0 * np.sqrt(rows) + weights.max() * float(counts @ own) * own / max(float(own.max()), 1e-300)
    noisy = rows > (1e-14 * np.maximum(values, 1e-14)) ** 2
    means, deviations = [np.repeat(values[~noisy], counts[~noisy].astype(int))], []
    deviations.append(np.zeros(len(means[0])))
    if noisy.any():
        offsets = _REACH * np.linspace(-1.0, 1.0, _POINTS)
        grid = (values[noisy, None] + radii[noisy, None] * offsets).ravel()
        order = np.argsort(grid)
        points = (grid + 1j * _BLUR * np.repeat(radii[noisy], _POINTS))[order]
        resolvents = _resolvents(points, values, counts, profile, weights, numbers)
        densities = counts * resolvents.imag / np.pi * noisy
        densities = np.where(densities < _TAIL * counts / np.maximum(radii, 1e-300), 0.0, densities)
        quantile = _quantiles(points.real, densities.sum(axis=1), int(counts[noisy].sum()))
        at_quantile = np.stack([np.interp(quantile, points.real, column) for column in densities.T], axis=1)
        total = np.maximum(at_quantile.sum(axis=1), 1e-300)
        shares = at_quantile / total[:, None]
        common = np.sqrt(participation) * shares @ profile.common
        scale = 0.5 * np.sqrt(activity.participation_variance) * (quantile - shares @ values)
        repelled = np.sqrt(np.log(np.maximum(shares @ counts, 2.0))) / (np.pi * total)
        means.append(quantile)
        deviations.append(np.sqrt(common**2 + scale**2 + repelled**2))
    mean, deviation = np.concatenate(means), np.concatenate(deviations)
    order = np.argsort(-mean)
    return Expected(mean[order], deviation[order])


def _weights(activity: Activity, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Weights and how many samples have them: of a drawn data set in bins, or equal ones, as many as are as skew."""
    equal = activity.skew_samples
    if equal >= _EQUAL:
        return np.array([np.exp(0.5 * (activity.log_participation - np.log(equal)))]), np.array([equal])
    drawn = activity.drawn_weights(rng)
    edges = np.geomspace(drawn.min(), drawn.max() * (1 + 1e-12), _BINS + 1)
    place = np.searchsorted(edges, drawn, side="right") - 1
    squares, cubes = (np.bincount(place, drawn**power, _BINS) for power in (2, 3))
    there = squares > 0
    weights = cubes[there] / squares[there]
    return weights, squares[there] / weights**2


def _resolvents(
    points: Complex[np.ndarray, " points"],
    values: Float[np.ndarray, " blocks"],
    counts: Float[np.ndarray, " blocks"],
    profile: Profile,
    weights: Float[np.ndarray, " weights"],
    numbers: Float[np.ndarray, " weights"],
) -> Complex[np.ndarray, "points blocks"]:
    """The vector equation's solution by damped iteration, all points at once."""
    shares = profile.skew_shares
    variances = float(numbers @ weights**2) * profile.symmetric * counts
    skewed = variances * np.outer(shares, shares)
    own = counts * shares * np.sqrt(np.diag(profile.symmetric))
    squares = numbers * weights**2 / (numbers @ weights**2)
    found = 1.0 / (values - points[:, None])
    open_ = np.arange(len(points))
    for _ in range(_STEPS):
        now = found[open_]
        skew = (squares / (1.0 - weights * (now @ own)[:, None])).sum(axis=1) - 1.0
        noise = now @ variances.T + skew[:, None] * (now @ skewed.T)
        then = 1.0 / (values - points[open_, None] - noise)
        then = then.real + 1j * np.abs(then.imag)
        found[open_] = 0.5 * (now + then)
        open_ = open_[np.abs(then - now).max(axis=1) > _TOLERANCE * np.abs(now).max(axis=1)]
        if not len(open_):
            break
    return found


def _quantiles(
    points: Float[np.ndarray, " points"], density: Float[np.ndarray, " points"], count: int
) -> Float[np.ndarray, " dims"]:
    """Where the count passes 1/2, 3/2, ..."""
    steps = 0.5 * (density[1:] + density[:-1]) * np.diff(points)
    passed = np.concatenate([[0.0], np.cumsum(steps)])
    places = (np.arange(count) + 0.5) * passed[-1] / count
    return np.interp(places, passed, points)
