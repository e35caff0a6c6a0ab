"""The empirical score of a data set: Gibbs averages over its samples, in one pass over them.

At probes x + sqrt(t) v the squared distance to a sample is affine in two inner products, so
one matrix product serves every noise variance. Weights are summed relative to the nearest
sample met so far: the pass streams, its memory is bounded by a chunk, and at t -> 0 it ends
at the nearest sample. Equations: `theory`, chapter `empirical`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from numerics.critical import positive_noise_variances
from numerics.lowering import lower
from numerics.passes import Options, Samples, fold
from numerics.solution import Numbers
from numerics.status import InputError
from theory.symbols import (
    D_0,
    D_nearest,
    avg_y,
    covariance,
    delta_vw,
    ray_distance,
    t,
    v_offset,
    v_squared,
    weight_sum,
    x_v,
)

_distance_on_ray = jnp.vectorize(lower("distance_on_ray", (t, D_0, v_offset, v_squared)))
_relative_log_weight = jnp.vectorize(lower("relative_log_weight", (t, ray_distance, D_nearest)))
_log_partition = jnp.vectorize(lower("log_partition_of_sum", (t, weight_sum, D_nearest)))
_score = jnp.vectorize(lower("empirical_score", (t, avg_y, x_v)))
_jacobian = jnp.vectorize(lower("empirical_jacobian", (t, covariance, delta_vw)))

# Weights of one tile of samples, which should stay in the processor's cache.
_TILE_WEIGHTS = 1 << 19


class Gibbs(NamedTuple):
    """What the Gibbs measure over the samples looks like from every probe, noise variances + probes in shape.

    `log_partition` is ln Z = ln sum exp(-|x - y|^2/2t), `participation` Y2, the sum of the
    squared weights, and the nearest sample is given by its distance and its row.
    """

    log_partition: Float[Array, "..."]
    participation: Float[Array, "..."]
    nearest_distance: Float[Array, "..."]
    nearest_index: Int[Array, "..."]


class _Probes(NamedTuple):
    """Probes x + sqrt(t) v, relative to `center`: distances stay accurate far from the origin."""

    times: Float[Array, " levels"]
    x: Float[Array, "starts dims"]  # one for all directions, or one for each
    v: Float[Array, "directions dims"]  # none: the probes are x
    center: Float[Array, " dims"]

    @property
    def on_rays(self) -> bool:
        return len(self.v) > 0


class _Sums(NamedTuple):
    """Sums over the samples met so far, with weights relative to the nearest of them."""

    nearest: Float[Array, "levels probes"]  # its squared distance
    index: Int[Array, "levels probes"]
    total: Float[Array, "levels probes"]
    squares: Float[Array, "levels probes"]
    weighted: Float[Array, "levels probes moments"]  # sum of the samples; no moments where only weights are asked for


def gibbs(
    x: Numbers,
    data: Samples,
    noise_variance: Numbers,
    *,
    directions: Numbers | None = None,
    chunk_size: int | None = None,
    checkpoint: str | Path | None = None,
    mesh: Mesh | None = None,
    progress: bool = False,
) -> Gibbs:
    """The Gibbs measure over a data set, seen from probes x, or x + sqrt(t) v with `directions` v.

    Args:
        x: probes, (dims,) or (probes, dims).
        data: samples: an array, (samples, dims); the path of a .npy file, which is memory-mapped;
            or an iterable of such arrays. float32 data are read as they are and summed in float64: the
            result is that of the stored numbers, whose coordinates are off by up to 2^-24 of themselves.
        noise_variance: noise variances t, of any shape, in squared units of the data.
        directions: v, (dims,) or (probes, dims); broadcast against x.
        chunk_size: samples read at once; by default 32 MB of them.
        checkpoint: a .npz file for the running sums. It is written about every ten seconds and when
            interrupted; a call with the same arguments goes on from it, and removes it at the end. Every
            process of several writes one of its own, its number before the suffix.
        mesh: one-dimensional mesh of devices, of one or several processes, that share the samples.
        progress: show a progress bar on stderr.

    Returns:
        `Gibbs`, of shape noise_variance.shape + probes.

    Raises:
        InputError: for dimensions that do not match, no data, NaN or infinity (with the row), a
            noise variance that is not positive, or a file that is no table of real numbers.
    """
    given = _Given.of(x, noise_variance, directions)
    return _shaped_gibbs(given, _sums(given, data, 0, Options(chunk_size, checkpoint, mesh, progress)))


def denoiser(
    x: Numbers,
    data: Samples,
    noise_variance: Numbers,
    *,
    directions: Numbers | None = None,
    chunk_size: int | None = None,
    checkpoint: str | Path | None = None,
    mesh: Mesh | None = None,
    progress: bool = False,
) -> Float[Array, "..."]:
    """Gibbs average of the samples, sum_mu w_mu y_mu: shape noise_variance.shape + probes + (dims,).

    Arguments and errors as for `gibbs`.
    """
    given = _Given.of(x, noise_variance, directions)
    sums = _sums(given, data, given.dims, Options(chunk_size, checkpoint, mesh, progress))
    return _mean(given.probes, sums).reshape(*given.shape, given.dims)


def score(
    x: Numbers,
    data: Samples,
    noise_variance: Numbers,
    *,
    directions: Numbers | None = None,
    chunk_size: int | None = None,
    checkpoint: str | Path | None = None,
    mesh: Mesh | None = None,
    progress: bool = False,
) -> Float[Array, "..."]:
    """The empirical score, (sum_mu w_mu y_mu - x)/t: shape noise_variance.shape + probes + (dims,).

    Arguments and errors as for `gibbs`.
    """
    return gibbs_and_score(x, data, noise_variance, directions, Options(chunk_size, checkpoint, mesh, progress))[1]


def jacobian(
    x: Numbers,
    data: Samples,
    noise_variance: Numbers,
    *,
    chunk_size: int | None = None,
    checkpoint: str | Path | None = None,
    mesh: Mesh | None = None,
    progress: bool = False,
) -> Float[Array, "..."]:
    """Jacobian of the empirical score: shape noise_variance.shape + probes + (dims, dims).

    Takes two passes, the second over the samples relative to their Gibbs average, so that
    nothing cancels; `data` must be an array or a file. Arguments and errors as for `gibbs`.
    """
    return gibbs_and_jacobian(x, data, noise_variance, Options(chunk_size, checkpoint, mesh, progress))[1]


def jacobian_operator(
    x: Numbers,
    data: Samples,
    noise_variance: Numbers,
    *,
    chunk_size: int | None = None,
    mesh: Mesh | None = None,
    progress: bool = False,
) -> Callable[[Numbers], Float[Array, "..."]]:
    """The Jacobian of the empirical score as a function v -> J v, for dimensions too many for the matrix.

    v broadcasts to noise_variance.shape + probes + (dims,), the shape of the result. Every
    application is one pass over the samples. Arguments and errors as for `jacobian`.
    """
    given, options = _Given.of(x, noise_variance, None), Options(chunk_size, None, mesh, progress)
    spread = _spread(given, _first_pass(given, data, options))

    def apply(v: Numbers) -> Float[Array, "..."]:
        shape = (*given.shape, given.dims)
        vectors = jnp.broadcast_to(jnp.asarray(v, dtype=float), shape).reshape(*given.flat_shape, given.dims)
        zero = jnp.zeros_like(vectors)
        products = fold(_product_tile, _add, (spread, vectors), zero, data, given.dims, given.tile, options)
        return _jacobian(given.probes.times[:, None, None], products, vectors).reshape(shape)

    return apply


def gibbs_and_score(
    x: Numbers, data: Samples, noise_variance: Numbers, directions: Numbers | None, options: Options
) -> tuple[Gibbs, Float[Array, "..."]]:
    """`gibbs` and `score` in one pass."""
    given = _Given.of(x, noise_variance, directions)
    sums = _sums(given, data, given.dims, options)
    return _shaped_gibbs(given, sums), _score_of(given.probes, sums).reshape(*given.shape, given.dims)


def gibbs_and_jacobian(
    x: Numbers, data: Samples, noise_variance: Numbers, options: Options
) -> tuple[Gibbs, Float[Array, "..."]]:
    """`gibbs` and `jacobian` in two passes."""
    given = _Given.of(x, noise_variance, None)
    sums = _first_pass(given, data, options)
    if options.checkpoint is not None:
        # Of its own name: an interrupted second pass is not taken for a foreign first one.
        options = options._replace(checkpoint=Path(options.checkpoint).with_suffix(".second.npz"))
    zero = jnp.zeros((*given.flat_shape, given.dims, given.dims))
    covariances = fold(_covariance_tile, _add, _spread(given, sums), zero, data, given.dims, given.tile, options)
    times = given.probes.times[:, None, None, None]
    matrices = _jacobian(times, covariances, jnp.eye(given.dims)[None, None])
    return _shaped_gibbs(given, sums), matrices.reshape(*given.shape, given.dims, given.dims)


class _Given(NamedTuple):
    """Probes as they are computed with, and the shape of what is returned."""

    probes: _Probes
    shape: tuple[int, ...]
    flat_shape: tuple[int, int]  # noise variances, probes
    dims: int

    @property
    def tile(self) -> int:
        """Samples whose weights are computed at once."""
        return int(np.clip(_TILE_WEIGHTS // int(np.prod(self.flat_shape)), 8, 4096))

    @staticmethod
    def of(x: Numbers, noise_variance: Numbers, directions: Numbers | None) -> "_Given":
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
        probes = _Probes(*map(jnp.asarray, (times.ravel(), x_rows, v_rows, center)))
        num_probes = max(len(x_rows), len(v_rows))
        return _Given(probes, times.shape + of_probes, (times.size, num_probes), dims)


def _points(values: Numbers, name: str) -> np.ndarray:
    """One point or a table of them."""
    points = np.asarray(values, dtype=float)
    if points.ndim not in (1, 2) or points.size == 0:
        raise InputError(f"the {name} have shape {points.shape}; they must be one point or a table of points")
    if not np.isfinite(points).all():
        raise InputError(f"the {name} hold NaN or infinity")
    return points


def _sums(given: _Given, data: Samples, moments: int, options: Options) -> _Sums:
    shape = given.flat_shape
    nothing = jnp.zeros(shape)
    zero = _Sums(jnp.full(shape, jnp.inf), jnp.full(shape, -1), nothing, nothing, jnp.zeros((*shape, moments)))
    return fold(_sums_tile, _merge, given.probes, zero, data, given.dims, given.tile, options)


def _squared_distances(probes: _Probes, y: Array, index: Array) -> Array:
    """Squared distances (levels or 1, probes, tile) to samples relative to the center; infinite where there is none."""
    x, v = probes.x, probes.v
    products = jnp.concatenate([x, v]) @ y.T
    lengths = jnp.sum(x**2, axis=1)[:, None] + jnp.sum(y**2, axis=1)[None, :]
    from_x = jnp.maximum(lengths - 2.0 * products[: len(x)], 0.0)
    from_x = jnp.where(index[None, :] >= 0, from_x, jnp.inf)
    if not probes.on_rays:
        return from_x[None]
    offset = jnp.sum(x * v, axis=1)[:, None] - products[len(x) :]
    squared = jnp.sum(v**2, axis=1)[None, :, None]
    distances = _distance_on_ray(probes.times[:, None, None], from_x[None], offset[None], squared)
    return jnp.maximum(distances, 0.0)


def _weights(probes: _Probes, distances: Array, nearest: Array) -> Array:
    """Weights relative to the nearest sample, (levels, probes, tile)."""
    safe = jnp.where(jnp.isfinite(nearest), nearest, 0.0)
    return jnp.exp(_relative_log_weight(probes.times[:, None, None], distances, safe[:, :, None]))


def _sums_tile(probes: _Probes, sums: _Sums, samples: Array, index: Array) -> _Sums:
    y = samples - probes.center[None, :]
    distances = _squared_distances(probes, y, index)
    least = jnp.min(distances, axis=2)
    nearest = jnp.minimum(sums.nearest, least)
    weights = _weights(probes, distances, nearest)
    # The nearest sample changes a few times in a pass; then only is it worth looking for.
    closer = least < sums.nearest
    first = jax.lax.cond(closer.any(), lambda: _first(distances, least, index), lambda: jnp.full(least.shape, -1))
    shrink = _shrink(probes.times, sums.nearest, nearest)
    weighted = sums.weighted
    if weighted.shape[2]:
        tile = (weights.reshape(-1, len(y)) @ y).reshape(weighted.shape)
        weighted = weighted * shrink[:, :, None] + tile
    return _Sums(
        nearest=nearest,
        index=jnp.where(closer, jnp.broadcast_to(first, closer.shape), sums.index),
        total=sums.total * shrink + jnp.sum(weights, axis=2),
        squares=sums.squares * shrink**2 + jnp.sum(weights**2, axis=2),
        weighted=weighted,
    )


def _first(distances: Array, least: Array, index: Array) -> Array:
    """The first index at which the distance is the least; three times quicker than argmin on a processor."""
    beyond = jnp.max(index) + 1
    return jnp.min(jnp.where(distances == least[:, :, None], index[None, None, :], beyond), axis=2)


def _shrink(times: Array, before: Array, after: Array) -> Array:
    """What weights relative to one nearest sample are worth relative to a nearer one."""
    known = jnp.isfinite(after)
    return jnp.exp(_relative_log_weight(times[:, None], jnp.where(known, before, 0.0), jnp.where(known, after, 0.0)))


def _merge(probes: _Probes, one: _Sums, other: _Sums) -> _Sums:
    """Sums over two sets of samples."""
    nearest = jnp.minimum(one.nearest, other.nearest)
    a, b = (_shrink(probes.times, part.nearest, nearest) for part in (one, other))
    first = (one.nearest < other.nearest) | ((one.nearest == other.nearest) & (one.index < other.index))
    return _Sums(
        nearest=nearest,
        index=jnp.where(first, one.index, other.index),
        total=one.total * a + other.total * b,
        squares=one.squares * a**2 + other.squares * b**2,
        weighted=one.weighted * a[:, :, None] + other.weighted * b[:, :, None],
    )


def _shaped_gibbs(given: _Given, sums: _Sums) -> Gibbs:
    return Gibbs(*(field.reshape(given.shape) for field in _gibbs(given.probes, sums)))


@jax.jit
def _gibbs(probes: _Probes, sums: _Sums) -> tuple[Array, ...]:
    log_partition = _log_partition(probes.times[:, None], sums.total, sums.nearest)
    return log_partition, sums.squares / sums.total**2, jnp.sqrt(sums.nearest), sums.index


@jax.jit
def _mean(probes: _Probes, sums: _Sums) -> Array:
    return sums.weighted / sums.total[:, :, None] + probes.center[None, None, :]


@jax.jit
def _score_of(probes: _Probes, sums: _Sums) -> Array:
    points = probes.x[None]
    if probes.on_rays:
        points = points + jnp.sqrt(probes.times)[:, None, None] * probes.v[None]
    return _score(probes.times[:, None, None], sums.weighted / sums.total[:, :, None], points)


class _Spread(NamedTuple):
    """What a second pass needs of the first."""

    probes: _Probes
    nearest: Float[Array, "levels probes"]
    total: Float[Array, "levels probes"]
    mean: Float[Array, "levels probes dims"]  # relative to the center

    def weights(self, y: Array, index: Array) -> Array:
        """Gibbs weights, (levels, probes, tile)."""
        weights = _weights(self.probes, _squared_distances(self.probes, y, index), self.nearest)
        return weights / self.total[:, :, None]


def _first_pass(given: _Given, data: Samples, options: Options) -> _Sums:
    if not isinstance(data, (np.ndarray, jax.Array, list, tuple, str, Path)):
        raise InputError("a Jacobian takes two passes over the data; give an array or a .npy file, not chunks")
    return _sums(given, data, given.dims, options)


def _spread(given: _Given, sums: _Sums) -> _Spread:
    return _Spread(given.probes, sums.nearest, sums.total, sums.weighted / sums.total[:, :, None])


def _covariance_tile(spread: _Spread, total: Array, samples: Array, index: Array) -> Array:
    y = samples - spread.probes.center[None, :]
    roots = jnp.sqrt(spread.weights(y, index))

    def at_probe(pair: tuple[Array, Array]) -> Array:
        root, mean = pair
        deviation = root[:, None] * (y - mean[None, :])
        return deviation.T @ deviation

    flat = (roots.reshape(-1, len(y)), spread.mean.reshape(-1, y.shape[1]))
    return total + jax.lax.map(at_probe, flat).reshape(total.shape)


def _product_tile(context: tuple[_Spread, Array], total: Array, samples: Array, index: Array) -> Array:
    spread, vectors = context
    y = samples - spread.probes.center[None, :]
    along = jnp.einsum("nd,lpd->lpn", y, vectors) - jnp.sum(spread.mean * vectors, axis=2)[:, :, None]
    pulls = spread.weights(y, index) * along
    return total + jnp.einsum("lpn,nd->lpd", pulls, y) - jnp.sum(pulls, axis=2)[:, :, None] * spread.mean


def _add(context: object, one: Array, other: Array) -> Array:
    return one + other
