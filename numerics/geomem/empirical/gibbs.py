"""The empirical score of a data set: Gibbs averages over its samples, in one pass over them, or two for a Jacobian.

The pass streams: its memory is bounded by a chunk (see `streaming`), and at t -> 0 it ends at the nearest sample (see
`sums`). Equations: `geomem_theory`, chapter `empirical`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from geomem.core.arguments import Numbers
from geomem.core.frames import SupportsArray
from geomem.core.status import InputError
from geomem.empirical.streaming import PassOptions, Samples, fold_samples
from geomem.empirical.sums import Given, Probes, Sums, add, covariance_tile, gibbs_sums, product_tile, spread_of
from geomem.lowering import lower

_log_partition = jnp.vectorize(lower("log_partition_of_sum"))
_score = jnp.vectorize(lower("empirical_score"))
_jacobian = jnp.vectorize(lower("empirical_jacobian"))


class Gibbs(NamedTuple):
    """What the Gibbs measure over the samples looks like from every probe, noise variances + probes in shape.

    `log_partition` is ln Z = ln sum exp(-|x - y|^2/2t), `participation` Y2, the sum of the
    squared weights, and the nearest sample is given by its distance and its row.
    """

    log_partition: Float[Array, "..."]
    participation: Float[Array, "..."]
    nearest_distance: Float[Array, "..."]
    nearest_index: Int[Array, "..."]


def gibbs(
    x: Numbers,
    data: Samples,
    noise_variance: Numbers,
    *,
    directions: Numbers | None = None,
    chunk_size: int | None = None,
    checkpoint: str | Path | None = None,
    mesh: Mesh | None = None,
) -> Gibbs:
    """The Gibbs measure over a data set, seen from probes x, or x + sqrt(t) v with `directions` v.

    Args:
        x: probes, (dims,) or (probes, dims).
        data: samples: an array, (samples, dims); a source of `load_data`, of which .npy files are
            memory-mapped; or an iterable of such arrays. float32 data are read as they are and summed in float64: the
            result is that of the stored numbers, whose coordinates are off by up to 2^-24 of themselves.
        noise_variance: noise variances t, of any shape, in squared units of the data.
        directions: v, (dims,) or (probes, dims); broadcast against x.
        chunk_size: samples read at once; by default 32 MB of them.
        checkpoint: a .npz file for the running sums. It is written about every ten seconds and when
            interrupted; a call with the same arguments goes on from it, and removes it at the end. Every
            process of several writes one of its own, its number before the suffix.
        mesh: one-dimensional mesh of devices, of one or several processes, that share the samples.

    Returns:
        `Gibbs`, of shape noise_variance.shape + probes.

    Raises:
        InputError: for dimensions that do not match, no data, NaN or infinity (with the row), a
            noise variance that is not positive, or a file that is no table of real numbers.
    """
    given = Given.of(x, noise_variance, directions)
    return _shaped_gibbs(given, gibbs_sums(given, data, 0, PassOptions(chunk_size, checkpoint, mesh)))


def denoiser(
    x: Numbers,
    data: Samples,
    noise_variance: Numbers,
    *,
    directions: Numbers | None = None,
    chunk_size: int | None = None,
    checkpoint: str | Path | None = None,
    mesh: Mesh | None = None,
) -> Float[Array, "..."]:
    """Gibbs average of the samples, sum_mu w_mu y_mu: shape noise_variance.shape + probes + (dims,).

    Arguments and errors as for `gibbs`.
    """
    given = Given.of(x, noise_variance, directions)
    sums = gibbs_sums(given, data, given.dims, PassOptions(chunk_size, checkpoint, mesh))
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
) -> Float[Array, "..."]:
    """The empirical score, (sum_mu w_mu y_mu - x)/t: shape noise_variance.shape + probes + (dims,).

    Arguments and errors as for `gibbs`.
    """
    return gibbs_and_score(x, data, noise_variance, directions, PassOptions(chunk_size, checkpoint, mesh))[1]


def jacobian(
    x: Numbers,
    data: Samples,
    noise_variance: Numbers,
    *,
    chunk_size: int | None = None,
    checkpoint: str | Path | None = None,
    mesh: Mesh | None = None,
) -> Float[Array, "..."]:
    """Jacobian of the empirical score: shape noise_variance.shape + probes + (dims, dims).

    Takes two passes, the second over the samples relative to their Gibbs average, so that
    nothing cancels; `data` must be an array or a file. Arguments and errors as for `gibbs`.
    """
    return gibbs_and_jacobian(x, data, noise_variance, PassOptions(chunk_size, checkpoint, mesh))[1]


def jacobian_operator(
    x: Numbers,
    data: Samples,
    noise_variance: Numbers,
    *,
    chunk_size: int | None = None,
    mesh: Mesh | None = None,
) -> Callable[[Numbers], Float[Array, "..."]]:
    """The Jacobian of the empirical score as a function v -> J v, for dimensions too many for the matrix.

    v broadcasts to noise_variance.shape + probes + (dims,), the shape of the result. Every
    application is one pass over the samples. Arguments and errors as for `jacobian`.
    """
    given, options = Given.of(x, noise_variance, None), PassOptions(chunk_size, None, mesh)
    spread = spread_of(given, _first_pass(given, data, options))

    def apply(v: Numbers) -> Float[Array, "..."]:
        shape = (*given.shape, given.dims)
        vectors = jnp.broadcast_to(jnp.asarray(v, dtype=float), shape).reshape(*given.flat_shape, given.dims)
        zero = jnp.zeros_like(vectors)
        products = fold_samples(product_tile, add, (spread, vectors), zero, data, given.dims, given.tile, options)
        return _jacobian(given.probes.times[:, None, None], products, vectors).reshape(shape)

    return apply


def gibbs_and_score(
    x: Numbers, data: Samples, noise_variance: Numbers, directions: Numbers | None, options: PassOptions
) -> tuple[Gibbs, Float[Array, "..."]]:
    """`gibbs` and `score` in one pass."""
    given = Given.of(x, noise_variance, directions)
    sums = gibbs_sums(given, data, given.dims, options)
    return _shaped_gibbs(given, sums), _score_of(given.probes, sums).reshape(*given.shape, given.dims)


def gibbs_and_jacobian(
    x: Numbers, data: Samples, noise_variance: Numbers, options: PassOptions
) -> tuple[Gibbs, Float[Array, "..."]]:
    """`gibbs` and `jacobian` in two passes."""
    given = Given.of(x, noise_variance, None)
    sums = _first_pass(given, data, options)
    if options.checkpoint is not None:
        # Of its own name: an interrupted second pass is not taken for a foreign first one.
        options = options._replace(checkpoint=Path(options.checkpoint).with_suffix(".second.npz"))
    zero = jnp.zeros((*given.flat_shape, given.dims, given.dims))
    covariances = fold_samples(
        covariance_tile, add, spread_of(given, sums), zero, data, given.dims, given.tile, options
    )
    times = given.probes.times[:, None, None, None]
    matrices = _jacobian(times, covariances, jnp.eye(given.dims)[None, None])
    return _shaped_gibbs(given, sums), matrices.reshape(*given.shape, given.dims, given.dims)


def _shaped_gibbs(given: Given, sums: Sums) -> Gibbs:
    return Gibbs(*(field.reshape(given.shape) for field in _gibbs(given.probes, sums)))


@jax.jit
def _gibbs(probes: Probes, sums: Sums) -> tuple[Array, ...]:
    log_partition = _log_partition(probes.times[:, None], sums.total, sums.nearest)
    return log_partition, sums.squares / sums.total**2, jnp.sqrt(sums.nearest), sums.index


@jax.jit
def _mean(probes: Probes, sums: Sums) -> Array:
    return sums.weighted / sums.total[:, :, None] + probes.center[None, None, :]


@jax.jit
def _score_of(probes: Probes, sums: Sums) -> Array:
    points = probes.x[None]
    if probes.on_rays:
        points = points + jnp.sqrt(probes.times)[:, None, None] * probes.v[None]
    return _score(probes.times[:, None, None], sums.weighted / sums.total[:, :, None], points)


def _first_pass(given: Given, data: Samples, options: PassOptions) -> Sums:
    if not isinstance(data, (np.ndarray, jax.Array, list, tuple, SupportsArray, str, Path)):
        raise InputError("a Jacobian takes two passes over the data; give an array or a file, not chunks")
    return gibbs_sums(given, data, given.dims, options)
