"""The data's law: a centered Gaussian given by its covariance spectrum."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, check_key, float_array, whole_number
from geomem.core.kinds import refuse_beyond_memory
from geomem.core.pytrees import rebuilt, register
from geomem.core.status import InputError
from geomem.laws.covariance import covariance_spectrum
from geomem.laws.gaussian import ManifoldSetting
from geomem.laws.law import LAWS, Classes, Law, Score, TypicalSizes, view_of_blocks
from geomem.laws.population import population_score
from geomem.laws.probe import Probe
from geomem.laws.setting import Setting
from geomem.laws.sphere import (
    SphereSetting,
    refuse_off_axis,
    refuse_points_off_axis,
    sphere_variances,
    view_on_axis,
)
from geomem.laws.views import View
from geomem.lowering import lower

_sphere_variance = lower("sphere_variance")
_collapse = lower("collapse_log_size")
_onset = lower("onset_log_size")
_held_out = lower("held_out_log_size")
_half_signal = lower("onset_half_signal")
_ratio = lower("generalization_ratio")


@dataclass(frozen=True, init=False, eq=False)
class Manifold(Law):
    """A linear manifold: blocks of directions that share one local variance.

    `variances` are the s_b = sigma_b^2, in squared units of the data, and
    `multiplicities` the numbers of directions d_b, both of shape (blocks,). Directions
    orthogonal to the manifold are one more block with s = 0 or a small s.

    `normalized=True` is the law of rows divided by their norm, `variances` being those
    before the division. Levels `gaussian_rem`, by the published approximation of many directions, and `finite_n`,
    exactly, know it, and `sample`; `finite_n` at `origin` and `along`, and from points on a principal axis. From the
    axis the mean score changes its sign near t = E y_v^2, where the signal vanishes at every size, and points outward
    below: it may stay above its noise where few samples are left. Look at the participation.

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
        object.__setattr__(self, "variances", jnp.asarray(float_array(variances, "variances")))
        object.__setattr__(self, "multiplicities", jnp.asarray(float_array(multiplicities, "multiplicities")))
        object.__setattr__(self, "normalized", normalized)
        _validate(self.variances, self.multiplicities)

    @property
    def knows(self) -> frozenset[str]:
        if self.normalized:
            return frozenset({"second_cumulant", "energy", "views", "secants", "gaps"})
        return frozenset(
            {
                "generating_function",
                "second_cumulant",
                "energy",
                "views",
                "tilts",
                "classes",
                "typical_sizes",
                "dominance_radius",
                "one_gaussian",
                "gaps",
            }
        )

    @property
    def called(self) -> str:
        return "normalized data" if self.normalized else "a manifold"

    @property
    def advice(self) -> str:
        return "use a manifold with normalized=False" if self.normalized else "use another law"

    @classmethod
    def from_data(cls, data: Numbers, *, center: bool = True, num_blocks: int | None = None) -> "Manifold":
        """The spectrum of a data set's covariance (normalized by the number of rows), descending.

        Variances that are no more than rounding become one block with s = 0: that of the data's own precision, which
        their values tell (data of 1e4 in float32 are wrong by up to 5e-4), or of the computation in float64. Every
        other direction is a block, which is exact, unless `num_blocks` groups them into that many (fewer if there
        are fewer), each with the mean of its members, so the trace is kept: such that the largest ratio of two
        variances in a block is as small as can be.

        Grouping saves time and moves answers. A critical time follows its direction's variance, at level `finite_n`
        in proportion where that is small, so a direction within 2 % of its block's needs a variance within 2 % of its
        block's: of the 61 directions of the digits that takes 53 blocks, of j^-1.5 for j to 100 65, to 3072 187.
        Fewer blocks are for directions with their own variances (`local_variance` of `critical_time`,
        `critical_size`, `phase` and `quenched`, `direction_variances` of `phase_diagram` and `resolved_dimension`),
        to which only the background is grouped: of j^-1.5 for j to 100, N = 1000, five blocks move critical times by
        up to 3.5 % that way, eight by less than 1 %.

        Raises:
            InputError: if the data are not a finite two-dimensional array of at least two rows.
        """
        return cls(*covariance_spectrum(data, center, num_blocks))

    def with_variances(self, variances: Float[Array, "... blocks"]) -> "Manifold":
        """The same manifold with other variances, one row per lane if there are several; not validated."""
        lanes = jnp.broadcast_to(self.multiplicities, variances.shape)
        return rebuilt(Manifold, {"variances": variances, "multiplicities": lanes, "normalized": self.normalized})

    def block_variances(self) -> Float[Array, " blocks"]:
        """Local variances of the data as they are: after normalization, if there is one.

        Normalized ones are s over the trace, the limit of many directions. Of few it is rough: of variances 1, 0.09
        and 1e-4 in 2, 5 and 23 directions it is 16 % above the exact one, 38 % and 49 % below.
        """
        if not self.normalized:
            return self.variances
        return jax.vmap(lambda variance: _sphere_variance(variance, self.variances, self.multiplicities))(
            self.variances
        )

    def exact_variances(self) -> Float[Array, " blocks"]:
        """The same, and of normalized data exactly."""
        return sphere_variances(self.variances, self.multiplicities) if self.normalized else self.variances

    @property
    def num_coordinates(self) -> int:
        """Number of the coordinates of a point; an InputError if memory does not hold one."""
        refuse_beyond_memory(self.dimension, f"the {self.dimension} coordinates of a point")
        return int(self.dimension)

    def axis_deviations(self) -> Float[Array, " dims"]:
        """Standard deviation along every coordinate axis, the blocks' directions in order, before any normalization."""
        ends = np.cumsum(np.asarray(self.multiplicities))
        return jnp.sqrt(self.variances)[np.searchsorted(ends, np.arange(self.num_coordinates), side="right")]

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
            InputError: if they would not fit into memory, or for a number or a key that is none.
        """
        check_key(key)
        num_samples = whole_number(num_samples, "num_samples", 0)
        refuse_beyond_memory(num_samples * float(self.dimension), f"{num_samples} samples of the law")
        scale = self.axis_deviations()
        rows = scale[None, :] * jax.random.normal(key, (num_samples, len(scale)))
        return rows / jnp.linalg.norm(rows, axis=1, keepdims=True) if self.normalized else rows

    def setting(self, indicator: Float[Array, " blocks"], probe: Probe) -> Setting:
        """A direction of the block that `indicator` marks, seen from a probe."""
        return _setting(self, indicator, probe)

    def view(self, point: Float[Array, " dims"], directions: Float[Array, "directions dims"]) -> View:
        if self.normalized:
            return view_on_axis(self.variances, self.multiplicities, point, directions)
        one_class = Classes(jnp.ones(1), jnp.zeros_like(point)[None], self.variances, self.multiplicities)
        return view_of_blocks(one_class, point, directions)

    @property
    def center(self) -> Float[Array, " dims"]:
        """The mean of the data."""
        return jnp.zeros(self.num_coordinates)

    def covariance(self) -> Float[Array, "dims dims"]:
        """Diagonal: the blocks' directions are in order along the coordinate axes."""
        refuse_beyond_memory(float(self.num_coordinates) ** 2, "the covariances of the coordinates")
        return jnp.diag(jnp.repeat(self.exact_variances(), np.asarray(self.multiplicities).astype(int)))

    def check_place(self, probe: Probe, asker: str) -> None:
        if self.normalized:
            refuse_off_axis(probe, asker)

    def check_points(self, base: Float[Array, "points dims"], offset: Float[Array, "points dims"]) -> None:
        if self.normalized:
            refuse_points_off_axis(base, offset, np.asarray(self.multiplicities))

    def covariance_at(self, point: Float[Array, " dims"]) -> Float[Array, "dims dims"]:
        """The same everywhere."""
        return self.covariance()

    def classes(self) -> Classes:
        """One class, about the origin."""
        self.require("classes", "an average over classes")
        centers = jnp.zeros((1, self.num_coordinates))
        return Classes(jnp.ones(1), centers, self.variances, self.multiplicities)

    def score(self) -> Score:
        """The population's score as a function (x, t) -> score of points (n, dims)."""
        return population_score(self.classes())

    def typical_sizes(self, time: Float[Array, ""]) -> TypicalSizes:
        """Source: `geomem_theory`, chapter `trajectories`."""
        spectrum = (time, self.variances, self.multiplicities)
        return TypicalSizes(*(each(*spectrum) for each in (_collapse, _onset, _held_out, _half_signal, _ratio)))


LAWS["manifold"] = lambda manifold: manifold


def is_normalized(law: Law) -> TypeGuard[Manifold]:
    """Whether its data are divided by their norm."""
    return isinstance(law, Manifold) and law.normalized


@jax.jit
def _setting(manifold: Manifold, indicator: Float[Array, " blocks"], probe: Probe) -> Setting:
    kind = SphereSetting if manifold.normalized else ManifoldSetting
    variances = manifold.block_variances()
    return kind(variances, manifold.multiplicities, indicator, jnp.dot(indicator, variances), probe)


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


register(Manifold, ("variances", "multiplicities"), ("normalized",))
