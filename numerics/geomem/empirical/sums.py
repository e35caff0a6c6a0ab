"""Sums over samples of their Gibbs weights, tile by tile: what one pass over the data computes.

At probes x + sqrt(t) v the squared distance to a sample is affine in two inner products, so
one matrix product serves every noise variance. Weights are relative to the nearest sample met so
far: the pass streams, and at t -> 0 it ends at the nearest sample.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geomem.core.arguments import Numbers, positive_noise_variances, refuse_size
from geomem.core.kinds import concrete_array
from geomem.core.status import InputError
from geomem.empirical.streaming import PassOptions, Samples, fold_samples
from geomem.lowering import lower

_distance_on_ray = jnp.vectorize(lower("distance_on_ray"))
relative_log_weight = jnp.vectorize(lower("relative_log_weight"))
# A squared distance from products of numbers is off by so much of their squares. It may be off by so much of t, as the
# weights are by half of it, and by so much of itself, of which the weights of near samples are differences.
ROUNDING, _OF_WEIGHT, _OF_DISTANCE = 8 * np.finfo(float).eps, 2e-7, 1e-12
TILE_WEIGHTS = 1 << 19  # computed at once, which should stay in the processor's cache


class Probes(NamedTuple):
    """Probes x + sqrt(t) v, relative to `center`: distances stay accurate far from the origin."""

    times: Float[Array, " levels"]
    x: Float[Array, "starts dims"]  # one for all directions, or one for each
    v: Float[Array, "directions dims"]  # none: the probes are x
    center: Float[Array, " dims"]

    @property
    def on_rays(self) -> bool:
        return len(self.v) > 0


class Sums(NamedTuple):
    """Sums over the samples met so far, with weights relative to the nearest of them."""

    nearest: Float[Array, "levels probes"]  # its squared distance
    index: Int[Array, "levels probes"]
    total: Float[Array, "levels probes"]
    squares: Float[Array, "levels probes"]
    weighted: Float[Array, "levels probes moments"]  # sum of the samples; no moments where only weights are asked for


class Given(NamedTuple):
    """Probes as they are computed with, and the shape of what is returned."""

    probes: Probes
    shape: tuple[int, ...]
    flat_shape: tuple[int, int]  # noise variances, probes
    dims: int

    @property
    def tile(self) -> int:
        """Samples whose weights are computed at once."""
        return int(np.clip(TILE_WEIGHTS // int(np.prod(self.flat_shape)), 8, 4096))

    @staticmethod
    def of(x: Numbers, noise_variance: Numbers, directions: Numbers | None) -> "Given":
        times = positive_noise_variances(noise_variance)
        starts = _points(x, "probes")
        dims, of_probes, v_rows = starts.shape[-1], starts.shape[:-1], np.zeros((0, starts.shape[-1]))
        if directions is not None:
            rays = _points(directions, "directions")
            try:
                of_probes = np.broadcast_shapes(starts.shape, rays.shape)[:-1]
            except ValueError as error:
                raise InputError(
                    f"probes of shape {starts.shape} do not fit directions of shape {rays.shape}"
                ) from error
            if rays.shape[-1] != dims:
                raise InputError(f"probes have {dims} dimensions but directions {rays.shape[-1]}")
            v_rows = np.broadcast_to(rays, (*of_probes, dims)).reshape(-1, dims)
        center = starts.reshape(-1, dims).mean(axis=0)
        x_rows = starts.reshape(-1, dims) - center
        probes = Probes(*map(jnp.asarray, (times.ravel(), x_rows, v_rows, center)))
        num_probes = max(len(x_rows), len(v_rows))
        return Given(probes, times.shape + of_probes, (times.size, num_probes), dims)


def _points(values: Numbers, name: str) -> np.ndarray:
    """One point or a table of them."""
    points = concrete_array(values, f"the {name}")
    if points.ndim not in (1, 2) or points.size == 0:
        raise InputError(f"the {name} have shape {points.shape}; they must be one point or a table of points")
    if not np.isfinite(points).all():
        raise InputError(f"the {name} hold NaN or infinity")
    refuse_size(float(np.abs(points).max()), f"the {name}")
    return points


def gibbs_sums(given: Given, data: Samples, moments: int, options: PassOptions) -> Sums:
    """The sums over all samples; of the samples themselves as many coordinates as `moments` says: none or all."""
    shape = given.flat_shape
    nothing = jnp.zeros(shape)
    zero = Sums(jnp.full(shape, jnp.inf), jnp.full(shape, -1), nothing, nothing, jnp.zeros((*shape, moments)))
    return fold_samples(_sums_tile, _merge, given.probes, zero, data, given.dims, given.tile, options)


def squared_distances(probes: Probes, y: Array, index: Array) -> Array:
    """Squared distances (levels or 1, probes, tile) to samples relative to the center; infinite where there is none."""
    x, v = probes.x, probes.v
    products = jnp.concatenate([x, v]) @ y.T
    lengths = jnp.sum(x**2, axis=1)[:, None] + jnp.sum(y**2, axis=1)[None, :]
    from_x = jnp.maximum(lengths - 2.0 * products[: len(x)], 0.0)
    allowed = jnp.maximum(_OF_WEIGHT * jnp.min(probes.times), _OF_DISTANCE * from_x)
    doubtful = jnp.any((ROUNDING * lengths > allowed) & (index[None, :] >= 0))

    def by_products() -> Array:
        if not probes.on_rays:
            return from_x[None]
        offset = jnp.sum(x * v, axis=1)[:, None] - products[len(x) :]
        squared = jnp.sum(v**2, axis=1)[None, :, None]
        return jnp.maximum(_distance_on_ray(probes.times[:, None, None], from_x[None], offset[None], squared), 0.0)

    distances = jax.lax.cond(doubtful, lambda: _by_differences(probes, y), by_products)
    return jnp.where(index >= 0, distances, jnp.inf)


def _by_differences(probes: Probes, y: Array) -> Array:
    """The same, exact also where probe and sample are close to each other and far from the center, but slow."""

    def of_probe(at: Array) -> Array:
        return jnp.sum((y - at[None, :]) ** 2, axis=1)

    if not probes.on_rays:
        return jax.lax.map(of_probe, probes.x)[None]
    at = probes.x[None] + jnp.sqrt(probes.times)[:, None, None] * probes.v[None]
    return jax.lax.map(of_probe, at.reshape(-1, y.shape[1])).reshape(*at.shape[:2], len(y))


def _weights(probes: Probes, distances: Array, nearest: Array) -> Array:
    """Weights relative to the nearest sample, (levels, probes, tile)."""
    safe = jnp.where(jnp.isfinite(nearest), nearest, 0.0)
    return jnp.exp(relative_log_weight(probes.times[:, None, None], distances, safe[:, :, None]))


def _sums_tile(probes: Probes, sums: Sums, samples: Array, index: Array) -> Sums:
    y = samples - probes.center[None, :]
    distances = squared_distances(probes, y, index)
    least = jnp.min(distances, axis=2)
    nearest = jnp.minimum(sums.nearest, least)
    weights = _weights(probes, distances, nearest)
    # The nearest sample changes a few times in a pass; then only is it worth looking for.
    closer = least < sums.nearest
    first = jax.lax.cond(closer.any(), lambda: first_at(distances, least, index), lambda: jnp.full(least.shape, -1))
    weighted = sums.weighted
    if weighted.shape[2]:
        weighted = (weights.reshape(-1, len(y)) @ y).reshape(weighted.shape)
    index = jnp.where(closer, jnp.broadcast_to(first, closer.shape), sums.index)
    tile = Sums(nearest, index, jnp.sum(weights, axis=2), jnp.sum(weights**2, axis=2), weighted)
    return with_tile(probes.times, sums, tile)


def with_tile(times: Float[Array, " levels"], sums: Sums, tile: Sums) -> Sums:
    """Sums with those of a tile, whose nearest samples and their indices are those of both."""
    shrunk = shrink(times, sums.nearest, tile.nearest)
    return Sums(
        nearest=tile.nearest,
        index=tile.index,
        total=sums.total * shrunk + tile.total,
        squares=sums.squares * shrunk**2 + tile.squares,
        weighted=sums.weighted * shrunk[:, :, None] + tile.weighted,
    )


def first_at(distances: Array, least: Array, index: Array) -> Array:
    """The first index at which the distance is the least; three times quicker than argmin on a processor."""
    beyond = jnp.max(index) + 1
    return jnp.min(jnp.where(distances == least[:, :, None], index[None, None, :], beyond), axis=2)


def shrink(times: Array, before: Array, after: Array) -> Array:
    """What weights relative to one nearest sample are worth relative to a nearer one."""
    known = jnp.isfinite(after)
    return jnp.exp(relative_log_weight(times[:, None], jnp.where(known, before, 0.0), jnp.where(known, after, 0.0)))


def _merge(probes: Probes, one: Sums, other: Sums) -> Sums:
    return merge(probes.times, one, other)


def merge(times: Float[Array, " levels"], one: Sums, other: Sums) -> Sums:
    """Sums over two sets of samples."""
    nearest = jnp.minimum(one.nearest, other.nearest)
    a, b = (shrink(times, part.nearest, nearest) for part in (one, other))
    first = (one.nearest < other.nearest) | ((one.nearest == other.nearest) & (one.index < other.index))
    return Sums(
        nearest=nearest,
        index=jnp.where(first, one.index, other.index),
        total=one.total * a + other.total * b,
        squares=one.squares * a**2 + other.squares * b**2,
        weighted=one.weighted * a[:, :, None] + other.weighted * b[:, :, None],
    )


class _Spread(NamedTuple):
    """The Gibbs measure that a second pass takes averages of."""

    probes: Probes
    nearest: Float[Array, "levels probes"]
    total: Float[Array, "levels probes"]
    mean: Float[Array, "levels probes dims"]  # relative to the center

    def weights(self, y: Array, index: Array) -> Array:
        """Gibbs weights, (levels, probes, tile)."""
        weights = _weights(self.probes, squared_distances(self.probes, y, index), self.nearest)
        return weights / self.total[:, :, None]


def spread_of(given: Given, sums: Sums) -> _Spread:
    """What a second pass needs of the first."""
    return _Spread(given.probes, sums.nearest, sums.total, sums.weighted / sums.total[:, :, None])


def covariance_tile(spread: _Spread, total: Array, samples: Array, index: Array) -> Array:
    """Covariances (levels, probes, dims, dims) under the Gibbs weights, those of a tile added."""
    y = samples - spread.probes.center[None, :]
    roots = jnp.sqrt(spread.weights(y, index))

    def at_probe(pair: tuple[Array, Array]) -> Array:
        root, mean = pair
        deviation = root[:, None] * (y - mean[None, :])
        return deviation.T @ deviation

    flat = (roots.reshape(-1, len(y)), spread.mean.reshape(-1, y.shape[1]))
    return total + jax.lax.map(at_probe, flat).reshape(total.shape)


def product_tile(context: tuple[_Spread, Array], total: Array, samples: Array, index: Array) -> Array:
    """Covariances times vectors (levels, probes, dims), those of a tile added."""
    spread, vectors = context
    y = samples - spread.probes.center[None, :]
    along = jnp.einsum("nd,lpd->lpn", y, vectors) - jnp.sum(spread.mean * vectors, axis=2)[:, :, None]
    pulls = spread.weights(y, index) * along
    return total + jnp.einsum("lpn,nd->lpd", pulls, y) - jnp.sum(pulls, axis=2)[:, :, None] * spread.mean


def add(context: object, one: Array, other: Array) -> Array:
    """The merge of states that are plain sums."""
    return one + other
