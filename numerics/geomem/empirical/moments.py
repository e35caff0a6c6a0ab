"""Moments of the distances between points and samples under the Gibbs weights, samples at a point itself left out."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geomem.empirical.streaming import PassOptions, fold_samples
from geomem.empirical.sums import ROUNDING, Given, Probes, relative_log_weight, squared_distances
from geomem.lowering import lower

_of_sample = jnp.vectorize(lower("dimension_of_sample"))

MOMENTS = 5  # of the distance in units of t, from the sum of the weights to the fourth power
LEVELS = 8  # noise variances of one pass: so many as are compiled for


class _Context(NamedTuple):
    """Points, and the noise variances at which the weights are taken: the same at every point, or one for each."""

    probes: Probes
    times: Float[Array, "levels own"]


class _Sums(NamedTuple):
    """Sums over the samples met so far, under weights relative to the nearest."""

    nearest: Float[Array, " points"]  # its squared distance
    sums: Float[Array, "levels points moments"]


class _Seen(NamedTuple):
    """A tile of samples as the points see it."""

    nearest: Float[Array, " points"]
    distances: Float[Array, "1 points tile"]  # squared
    weights: Float[Array, "levels points tile"]
    y: Float[Array, "tile dims"]


def distance_moments(
    rows: Float[np.ndarray, "samples dims"],
    points: Float[np.ndarray, "points dims"],
    times: Float[np.ndarray, " times"],
) -> Float[np.ndarray, "times points moments"]:
    """Sums over the samples of their weights, relative to the nearest, times powers 0 to 4 of |x - y|^2/t."""
    found = []
    for first in range(0, len(times), LEVELS):
        some = times[first : first + LEVELS]
        padded = np.pad(some, (0, LEVELS - len(some)), mode="edge")
        found.append(_folded(_moments_tile, MOMENTS, rows, points, padded[:, None])[: len(some)])
    return np.concatenate(found)


def displacements(
    rows: Float[np.ndarray, "samples dims"],
    points: Float[np.ndarray, "points dims"],
    times: Float[np.ndarray, " points"],
) -> Float[np.ndarray, " points"]:
    """Squared distances from the points to the Gibbs averages of the samples, every point at a time of its own."""
    sums = _folded(_displacements_tile, points.shape[1] + 1, rows, points, times[None, :])[0]
    return np.sum((sums[:, 1:] / sums[:, :1]) ** 2, axis=1)


def _folded(
    tile: Callable[..., _Sums], moments: int, rows: np.ndarray, points: np.ndarray, times: np.ndarray
) -> Float[np.ndarray, "levels points moments"]:
    given = Given.of(points, times.ravel(), None)
    zero = _Sums(jnp.full(len(points), jnp.inf), jnp.zeros((len(times), len(points), moments)))
    context = _Context(given.probes, jnp.asarray(times))
    samples = int(np.clip(given.tile * given.flat_shape[0] // len(times), 8, 4096))
    return np.asarray(fold_samples(tile, _merge, context, zero, rows, given.dims, samples, PassOptions()).sums)


def _seen(context: _Context, sums: _Sums, samples: Array, index: Int[Array, " tile"]) -> _Seen:
    probes = context.probes
    y = samples - probes.center[None, :]
    distances = squared_distances(probes, y, index)[0]
    lengths = jnp.sum(probes.x**2, axis=1)[:, None] + jnp.sum(y**2, axis=1)[None, :]
    apart = jnp.isfinite(distances) & (distances > ROUNDING * lengths)
    nearest = jnp.minimum(sums.nearest, jnp.min(jnp.where(apart, distances, jnp.inf), axis=1))
    safe = jnp.where(apart, distances, 0.0)[None]
    exponents = relative_log_weight(context.times[:, :, None], safe, _finite(nearest)[None, :, None])
    return _Seen(nearest, safe, jnp.where(apart[None], jnp.exp(exponents), 0.0), y)


def _moments_tile(context: _Context, sums: _Sums, samples: Array, index: Array) -> _Sums:
    seen = _seen(context, sums, samples, index)
    reduced, weights, found = _of_sample(context.times[:, :, None], seen.distances), seen.weights, []
    for _ in range(MOMENTS):
        found.append(jnp.sum(weights, axis=2))
        weights = weights * reduced
    return _added(context, sums, seen.nearest, jnp.stack(found, axis=2))


def _displacements_tile(context: _Context, sums: _Sums, samples: Array, index: Array) -> _Sums:
    """The sum of the weights, and that of the samples from the point on."""
    seen = _seen(context, sums, samples, index)
    total = jnp.sum(seen.weights, axis=2, keepdims=True)
    moved = (seen.weights.reshape(-1, len(seen.y)) @ seen.y).reshape(*total.shape[:2], -1)
    moved = moved - total * context.probes.x[None]
    return _added(context, sums, seen.nearest, jnp.concatenate([total, moved], axis=2))


def _added(context: _Context, sums: _Sums, nearest: Array, more: Array) -> _Sums:
    return _Sums(nearest, sums.sums * _shrink(context, sums.nearest, nearest) + more)


def _finite(nearest: Array) -> Array:
    return jnp.where(jnp.isfinite(nearest), nearest, 0.0)


def _shrink(context: _Context, before: Array, after: Array) -> Float[Array, "levels points 1"]:
    """What weights relative to one nearest sample are worth relative to a nearer one; there may be none yet."""
    start = jnp.where(jnp.isfinite(before), before, _finite(after))
    return jnp.exp(relative_log_weight(context.times, start[None], _finite(after)[None]))[:, :, None]


def _merge(context: _Context, one: _Sums, other: _Sums) -> _Sums:
    nearest = jnp.minimum(one.nearest, other.nearest)
    return _added(context, one, nearest, other.sums * _shrink(context, other.nearest, nearest))
