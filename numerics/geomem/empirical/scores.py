"""Scores that JAX can trace, of data in memory and of a law: what samplers and basins call at every step.

`EmpiricalScore` is for data that need not fit in memory, and works on the host. Equations: `geomem_theory`, chapters
`empirical`, `score` and `mixture`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.tree_util import Partial
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, check_columns, check_data
from geomem.empirical.gibbs import gibbs_and_score
from geomem.empirical.streaming import PassOptions, Samples
from geomem.empirical.sums import TILE_WEIGHTS
from geomem.files.checkpoint import checkpoint_path
from geomem.laws.law import Law, is_law
from geomem.lowering import lower

_relative_log_weight = jnp.vectorize(lower("relative_log_weight"))
_empirical_score = jnp.vectorize(lower("empirical_score"))


class Averager(NamedTuple):
    """Samples as their Gibbs averages are computed with: two matrix products and one exponential per weight."""

    center: Float[Array, " dims"]
    # Applied to (x, 1): squared distances from x to the samples, less |x|^2.
    distances: Float[Array, "dims_and_one samples"]
    # Under weights: the sum of the samples, and of the weights.
    sums: Float[Array, "samples dims_and_one"]

    @staticmethod
    def of(samples: Float[np.ndarray, "samples dims"]) -> "Averager":
        """Coordinates are relative to the samples' mean: distances stay accurate far from the origin."""
        center = samples.mean(axis=0, dtype=float)
        rows = samples - center[None, :]
        distances = np.concatenate([-2.0 * rows.T, np.sum(rows**2, axis=1)[None, :]])
        sums = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
        return Averager(*map(jnp.asarray, (center, distances, sums)))

    def distances_of(self, x: Float[Array, "*points dims"]) -> Float[Array, "*points samples"]:
        """Squared distances from points to the samples, less |x|^2, the points relative to the center."""
        return self._with_one(x) @ self.distances

    def _with_one(self, x: Array) -> Array:
        return jnp.concatenate([x, jnp.ones((*x.shape[:-1], 1))], axis=-1)

    def __call__(
        self, x: Float[Array, "*points dims"], time: Float[Array, ""]
    ) -> tuple[Float[Array, "*points samples"], Float[Array, "*points"], Float[Array, "*points dims"]]:
        """Weights relative to the nearest sample's, their sums, and the averages under them, relative to the center."""
        # The exponent is linear in the distance: applied to the smaller factor of the product it costs nothing.
        exponents = _relative_log_weight(time, self._with_one(x), 0.0) @ self.distances
        weights = jnp.exp(exponents - jax.lax.stop_gradient(jnp.max(exponents, axis=-1, keepdims=True)))
        sums = weights @ self.sums
        return weights, sums[..., -1], sums[..., :-1] / sums[..., -1:]


def over_tiles(function: Callable[[Array], Array], x: Float[Array, "points dims"], num_samples: int) -> Array:
    """A function of points, of as many at once as have `TILE_WEIGHTS` weights on so many samples."""
    num_points, dims = x.shape
    tiles = -(-num_points // max(1, TILE_WEIGHTS // num_samples))
    if tiles <= 1:
        return function(x)
    rows = -(-num_points // tiles)
    padded = jnp.pad(x, ((0, tiles * rows - num_points), (0, 0)))
    values = jax.lax.map(function, padded.reshape(tiles, rows, dims))
    return values.reshape(-1, *values.shape[2:])[:num_points]


def score_of(source: Numbers | Law) -> Callable[..., Float[Array, "points dims"]]:
    """The score of data in memory (the empirical score), or of a law (the population's), as a function (x, t) -> score.

    Args:
        source: samples, (samples, dims), or a law, whose blocks' directions are in order along the axes.

    Returns:
        A function of points x, (points, dims), and one noise variance t, in squared units of the data, to scores
        (points, dims): traceable, differentiable, and a pytree, so that a compiled function that takes it is
        compiled once for all data of one shape. Of data it computes `TILE_WEIGHTS` weights at once. Source:
        `geomem_theory`, equations `empirical_score` and `population_score`.

    Raises:
        InputError: for data that are no finite table of two samples or more, or a law whose score is not known.
    """
    if is_law(source):
        return source.score()
    return Partial(_score_of_data, Averager.of(check_data(cast(Numbers, source))))


@jax.jit  # tiles are a loop, which would be compiled anew at every call
def _score_of_data(
    averager: Averager, x: Array | np.ndarray, noise_variance: Array | float
) -> Float[Array, "points dims"]:
    x = jnp.asarray(x)
    time = jnp.asarray(noise_variance, dtype=float)
    check_columns(x, len(averager.center))

    def tile(points: Array) -> Array:
        relative = points - averager.center[None, :]
        return _empirical_score(time, averager(relative, time)[2], relative)

    return over_tiles(tile, x, len(averager.sums))


Score = Callable[..., Array | np.ndarray]


@dataclass(frozen=True, eq=False)
class EmpiricalScore:
    """The empirical score of a data set as a callable (x, t) -> score.

    `measure_spectrum` knows it, and takes all noise variances in one pass over the samples. `data` and
    the options are those of `score`.
    """

    data: Samples
    chunk_size: int | None = None
    checkpoint: str | Path | None = None
    mesh: Mesh | None = None

    def __post_init__(self) -> None:
        if self.checkpoint is not None:
            checkpoint_path(self.checkpoint)

    @property
    def options(self) -> PassOptions:
        return PassOptions(self.chunk_size, self.checkpoint, self.mesh)

    def __call__(self, x: Numbers, noise_variance: Numbers) -> Float[Array, "..."]:
        return gibbs_and_score(x, self.data, noise_variance, None, self.options)[1]
