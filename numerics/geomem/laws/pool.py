"""A law that is known by samples alone: a large data set, a generator, a curved manifold."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, check_data, check_key, whole_number
from geomem.core.kinds import refuse_beyond_memory
from geomem.core.provenance import digest
from geomem.core.pytrees import register
from geomem.core.status import InputError
from geomem.laws.law import Law
from geomem.laws.views import Pool, principal

_ROWS = 15  # for each sample of a data set
_LOOKED_AT, _APART, _SAME = 100, 20.0, 1e-12  # samples, whose neighbours are looked for

Sampler = Callable[[Array, int], Array]  # of a key and how many


@dataclass(frozen=True, init=False, eq=False)
class SampledLaw(Law):
    """A law by samples of it: averages over one sample are means over this pool.

    Exact for data sets that are drawn from the pool with replacement; for the law itself an estimate, whose error
    `halves` tells: on image patches it is small for pools of more than 15 N samples. Blocks are the principal
    directions of the pool's covariance, the widest first.

    Args:
        source: samples, (samples, dims), or a function of a key and a number that draws so many.
        num_samples: how many to draw with such a function, and the `key`.

    Raises:
        InputError: for samples that are no finite table, or a function without a number and a key.
    """

    samples: Float[Array, "samples dims"]
    center: Float[Array, " dims"]
    frame: Float[Array, "dims dims"]  # principal directions, in rows
    variances: Float[Array, " dims"]

    def __init__(self, source: Numbers | Sampler, *, num_samples: int | None = None, key: Array | None = None) -> None:
        if callable(source):
            if num_samples is None or key is None:
                raise InputError("a function that draws samples needs num_samples and a key")
            check_key(key)
            drawn = np.asarray(source(key, whole_number(num_samples, "num_samples", 2)))
        elif num_samples is not None or key is not None:
            raise InputError("num_samples and key are for a function that draws samples; these samples are given")
        else:
            drawn = source
        table = check_data(drawn).astype(float, copy=False)
        center = table.mean(axis=0)
        away = table - center
        variances, frame = principal(away.T @ away / len(table))
        for name, value in zip(_LEAVES, (table, center, frame, variances), strict=True):
            object.__setattr__(self, name, jnp.asarray(value))

    @property
    def knows(self) -> frozenset[str]:
        return frozenset({"views"})

    @property
    def called(self) -> str:
        return "a law known by samples"

    @property
    def advice(self) -> str:
        return "give a manifold, such as that of the samples' covariance"

    @property
    def multiplicities(self) -> Float[Array, " dims"]:
        return jnp.ones_like(self.variances)

    @property
    def size(self) -> int:
        """How many samples there are in the pool."""
        return len(self.samples)

    @property
    def largest_size(self) -> float:
        """A fifteenth of its samples: beyond, data sets know them too well."""
        return largest_size_of(self.size)

    @property
    def finest(self) -> float:
        """Of two neighbours one has all the weight: their squared distance is _APART times the noise variance."""
        table = np.asarray(self.samples)
        some = table[:: -(-len(table) // _LOOKED_AT)]
        squares = np.sum(table**2, axis=1)
        distances = squares[None, :] - 2.0 * some @ table.T + np.sum(some**2, axis=1)[:, None]
        distances = np.where(distances > _SAME * squares.max(), distances, np.inf)  # copies, and itself, are none
        return float(np.median(distances.min(axis=1))) / _APART

    def halves(self) -> tuple["SampledLaw", "SampledLaw"]:
        """Two pools of every other sample: what they differ in, over 2, is the standard error of what this one says."""
        table = np.asarray(self.samples)
        return SampledLaw(table[::2]), SampledLaw(table[1::2])

    def direction(self, block: int | np.integer) -> Float[Array, " dims"]:
        return self.indicator(block) @ self.frame

    def covariance(self) -> Float[Array, "dims dims"]:
        """The whole covariance."""
        return (self.frame.T * self.variances[None, :]) @ self.frame

    def stretched(self, matrix: Float[np.ndarray, "dims dims"]) -> "SampledLaw":
        center = np.asarray(self.center)
        return SampledLaw(center + (np.asarray(self.samples) - center) @ matrix.T)

    def view(self, point: Float[Array, " dims"], directions: Float[Array, "directions dims"]) -> Pool:
        squared = jnp.sum((self.samples - point[None, :]) ** 2, axis=1)
        return Pool(squared, self.samples @ directions.T, directions @ point)

    def sample(self, key: Array, num_samples: int) -> Float[Array, "samples dims"]:
        """Samples of the pool, drawn with replacement."""
        check_key(key)
        count = whole_number(num_samples, "num_samples", 0)
        refuse_beyond_memory(float(count) * self.samples.shape[1], "the samples")
        rows = jax.random.randint(key, (count,), 0, self.size)
        return self.samples[rows]

    def record(self) -> dict[str, object]:
        """What the provenance of a result says of the law."""
        return {"pool_size": self.size, "pool_sha256": digest(np.asarray(self.samples))}


def largest_size_of(size: int) -> float:
    """Number of samples up to which a pool of this size tells of data sets."""
    return size / _ROWS


_LEAVES = ("samples", "center", "frame", "variances")
register(SampledLaw, _LEAVES)
