"""The data's law: a centered Gaussian given by its covariance spectrum."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, check_data, float_array, parts
from geomem.core.results import SQUARED, described
from geomem.core.status import InputError
from geomem.laws.covariance import grouped
from geomem.lowering import lower

_MOST_NUMBERS = 10**9  # that are drawn at once, 8 GB
_sphere_variance = lower("sphere_variance")


@dataclass(frozen=True, init=False, eq=False)
class Manifold:
    """A linear manifold: blocks of directions that share one local variance.

    `variances` are the s_b = sigma_b^2, in squared units of the data, and
    `multiplicities` the numbers of directions d_b, both of shape (blocks,). Directions
    orthogonal to the manifold are one more block with s = 0 or a small s.

    `normalized=True` is the law of rows divided by their norm, `variances` being those
    before the division. Only level `gaussian_rem` and `sample` know it.

    A pytree with float64 leaves; validation lets tracers pass, so values can be
    differentiated with respect to the variances.

    Raises:
        InputError: for variances that are empty, negative or not finite, for
            multiplicities that are not positive integers, or if their lengths differ.
    """

    variances: Float[Array, " blocks"]
    multiplicities: Float[Array, " blocks"]
    normalized: bool

    def __init__(self, variances: Numbers, multiplicities: Numbers, normalized: bool = False) -> None:
        leaves = (
            jnp.asarray(float_array(variances, "variances")),
            jnp.asarray(float_array(multiplicities, "multiplicities")),
        )
        self._set(*leaves, normalized)
        _validate(self.variances, self.multiplicities)

    def _set(self, variances: Array, multiplicities: Array, normalized: bool) -> None:
        object.__setattr__(self, "variances", variances)
        object.__setattr__(self, "multiplicities", multiplicities)
        object.__setattr__(self, "normalized", normalized)

    @property
    def num_blocks(self) -> int:
        return len(self.variances)

    @classmethod
    def from_data(cls, data: Numbers, *, center: bool = True, num_blocks: int | None = None) -> "Manifold":
        """The spectrum of a data set's covariance (normalized by the number of rows), descending.

        Variances that are zero to machine precision become one block with s = 0.
        `num_blocks` groups the others by Ward's method on ln s into that many blocks (fewer
        if there are fewer), each with the mean of its members, so the trace is kept.

        Raises:
            InputError: if the data are not a finite two-dimensional array of at least two rows.
        """
        rows = check_data(data)
        if num_blocks is not None and num_blocks < 1:
            raise InputError(f"num_blocks is {num_blocks}; it must be at least 1")
        num_samples, ambient_dim = rows.shape
        # The triangular factor has the singular values of the rows, and takes them part by part.
        triangle = np.zeros((0, ambient_dim))
        with np.errstate(over="ignore", invalid="ignore"):
            mean = rows.mean(axis=0, dtype=float) if center else np.zeros(ambient_dim)
            for part in parts(rows):
                triangle = np.linalg.qr(np.concatenate([triangle, (part - mean) / np.sqrt(num_samples)]), mode="r")
        finite = np.isfinite(triangle).all()
        singular = np.linalg.svd(triangle, compute_uv=False) if finite else np.array([np.inf])
        if not singular.max(initial=0.0) < np.sqrt(np.finfo(float).max):
            raise InputError("the data are too large for their variances to be finite; rescale them")
        spectrum = np.zeros(ambient_dim)
        spectrum[: len(singular)] = singular**2
        # Singular values at rounding level are zeros, as in the numerical rank of a matrix.
        floor = (singular.max() * max(rows.shape) * np.finfo(float).eps) ** 2
        positive = spectrum[spectrum > floor]
        variances, multiplicities = grouped(positive, num_blocks)
        if len(positive) < ambient_dim:
            variances = np.append(variances, 0.0)
            multiplicities = np.append(multiplicities, ambient_dim - len(positive))
        return cls(variances, multiplicities)

    def with_variances(self, variances: Float[Array, "... blocks"]) -> "Manifold":
        """The same manifold with other variances, one row per lane if there are several; not validated."""
        lanes = jnp.broadcast_to(self.multiplicities, variances.shape)
        return _unflatten(self.normalized, (variances, lanes))

    def block_variances(self) -> Float[Array, " blocks"]:
        """Local variances of the data as they are: after normalization, if there is one."""
        if not self.normalized:
            return self.variances
        return jax.vmap(lambda variance: _sphere_variance(variance, self.variances, self.multiplicities))(
            self.variances
        )

    def indicator(self, block: int | np.integer) -> Float[Array, " blocks"]:
        """1 for `block`, else 0.

        Raises:
            InputError: if there is no such block.
        """
        if isinstance(block, bool) or not isinstance(block, (int, np.integer)) or not 0 <= block < self.num_blocks:
            raise InputError(f"there is no block {block!r}: the manifold has blocks 0 to {self.num_blocks - 1}")
        return jnp.asarray(np.eye(self.num_blocks)[block])

    def axis_deviations(self) -> Float[Array, " dims"]:
        """Standard deviation along every coordinate axis, the blocks' directions in order, before any normalization."""
        directions = np.repeat(np.arange(self.num_blocks), np.asarray(self.multiplicities, dtype=int))
        return jnp.sqrt(self.variances)[directions]

    def record(self) -> dict[str, object]:
        """What the provenance of a result says of the law."""
        return {
            "variances": np.asarray(self.variances).tolist(),
            "multiplicities": np.asarray(self.multiplicities, dtype=int).tolist(),
            "normalized": self.normalized,
        }

    def sample(self, key: Array, num_samples: int) -> Float[Array, "samples dims"]:
        """Independent samples, the blocks' directions in order along the coordinate axes.

        Raises:
            InputError: if they would not fit into memory.
        """
        dims = float(np.sum(np.asarray(self.multiplicities)))
        if num_samples * dims > _MOST_NUMBERS:
            raise InputError(f"{num_samples:g} samples of {dims:g} dimensions are too many to be drawn at once")
        scale = self.axis_deviations()
        rows = scale[None, :] * jax.random.normal(key, (num_samples, len(scale)))
        return rows / jnp.linalg.norm(rows, axis=1, keepdims=True) if self.normalized else rows


def _validate(variances: Array, multiplicities: Array) -> None:
    for name, values in (("variances", variances), ("multiplicities", multiplicities)):
        if values.ndim != 1 or len(values) == 0:
            raise InputError(f"the {name} have shape {values.shape}; they must be a non-empty list, one per block")
    if len(variances) != len(multiplicities):
        raise InputError(
            f"there are {len(variances)} variances but {len(multiplicities)} multiplicities; give one per block"
        )
    # Tracers have no values to look at; the solvers mark such lanes instead.
    if not isinstance(variances, Tracer):
        _refuse_blocks("variance", np.asarray(variances), lambda s: s >= 0, "not negative")
    if not isinstance(multiplicities, Tracer):
        _refuse_blocks(
            "multiplicity", np.asarray(multiplicities), lambda d: (d >= 1) & (d == np.round(d)), "a positive integer"
        )


def _refuse_blocks(
    name: str, values: np.ndarray, allowed: Callable[[np.ndarray], np.ndarray], requirement: str
) -> None:
    bad = np.flatnonzero(~(np.isfinite(values) & allowed(values)))
    if len(bad):
        raise InputError(f"the {name} of block {bad[0]} is {values[bad[0]]:g}; it must be finite and {requirement}")


def _flatten(manifold: Manifold) -> tuple[tuple[Array, Array], bool]:
    return (manifold.variances, manifold.multiplicities), manifold.normalized


def _unflatten(normalized: bool, leaves: tuple[Array, Array]) -> Manifold:
    # Transformations rebuild pytrees with batched and with placeholder leaves, which are no user's input.
    manifold = object.__new__(Manifold)
    manifold._set(*leaves, normalized)
    return manifold


jax.tree_util.register_pytree_node(Manifold, _flatten, _unflatten)


# Noise variance below which a direction of variance s is open.
opening_time = lower("opening_time")


def block_coordinates(manifold: Manifold) -> dict[str, object]:
    """Coordinates of results over the blocks of a manifold."""
    return {
        "block_variance": ("block", np.asarray(manifold.block_variances()), described("local variance", SQUARED)),
        "multiplicity": ("block", np.asarray(manifold.multiplicities), described("number of directions", "1")),
    }
