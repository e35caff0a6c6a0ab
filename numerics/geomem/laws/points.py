"""Directions of a law seen from given points: unit vectors, and a setting that levels can be asked about."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, float_array, is_whole
from geomem.core.kinds import concrete_array
from geomem.core.pytrees import pytree
from geomem.core.status import InputError
from geomem.laws.law import Law, check_law
from geomem.laws.probe import PointProbe, Probe, check_probe
from geomem.laws.setting import Components, Setting
from geomem.laws.views import View, principal

_UNIT = 1e-6  # what a unit vector's length may be off


@pytree
@dataclass(frozen=True)
class PointSetting(Setting):
    """Directions of a law, (directions, dims), seen from points base + sqrt(t) offset, (points, dims).

    Closed forms of one point's tilted law are those of the first point and direction.
    """

    law: Law
    base: Float[Array | np.ndarray, "points dims"]
    offset: Float[Array | np.ndarray, "points dims"]
    directions: Float[Array, "directions dims"]

    def view(self, time: Float[Array, ""], point: int | Array = 0) -> View:
        """The law seen from one of the points."""
        x = self.base[point] + jnp.sqrt(time) * self.offset[point]
        return self.law.view(x, self.directions)

    def along(self, direction: int) -> "PointSetting":
        """The setting of one of the directions."""
        one = slice(direction, direction + 1)
        return replace(self, directions=self.directions[one], probed_variance=self.probed_variance[one])

    @property
    def largest_variance(self) -> Float[Array, ""]:
        return jnp.max(self.variances)

    def place(self, time: Float[Array, ""]) -> Float[Array, ""]:
        return self.view(time).place[0]

    def generating_function(self, tilt: Float[Array, ""], time: Float[Array, ""]) -> Float[Array, ""]:
        at = self.view(time).components(tilt, time)
        return at.reference + jax.nn.logsumexp(at.excess, b=at.weights)

    def components(self, tilt: float, time: Float[Array, ""]) -> Components:
        at = self.view(time).components(tilt, time)
        return at._replace(means=at.means[:, 0], variances=at.variances[:, 0])

    def second_cumulant(self, time: Float[Array, ""]) -> Float[Array, ""]:
        def of_tilt(tilt: Array) -> Array:
            return self.generating_function(tilt, time)

        nothing, one = jnp.zeros_like(time), jnp.ones_like(time)
        return time**2 * jax.jvp(lambda tilt: jax.jvp(of_tilt, (tilt,), (one,))[1], (nothing,), (one,))[1]


def principal_directions(law: Law, point: Numbers | None = None) -> Float[np.ndarray, "dims dims"]:
    """Principal directions of the law's whole covariance, in rows, the widest first.

    With a point, of a mixture those of the class that the point most likely belongs to: the local ones.

    Raises:
        InputError: for a law that has no covariance, a point that is none of the data's space, or with a point for a
            law that is not made of Gaussians.
    """
    check_law(law)
    law.require("views", "principal directions")
    if point is None:
        return principal(np.asarray(law.covariance()))[1]
    x = concrete_array(point, "the point")
    if x.shape != (len(law.center),) or not np.isfinite(x).all():
        raise InputError(f"the point has shape {x.shape}; it must be {len(law.center)} finite coordinates")
    return principal(np.asarray(law.covariance_at(jnp.asarray(x))))[1]


def asks_for_points(law: Law, block: int | np.integer | Numbers, probe: Probe) -> bool:
    """Whether a direction is seen from a point: it is a vector, or the probe a point, or the law has no other view.

    Raises:
        InputError: for what is no law, or no probe.
    """
    check_law(law)
    check_probe(probe)
    of_blocks = {"energy", "generating_function", "second_cumulant"} & law.knows
    return not is_whole(block) or isinstance(probe, PointProbe) or ("views" in law.knows and not of_blocks)


def one_by_one(probe: Probe) -> bool:
    """Whether the probe is another point for every direction."""
    return not isinstance(probe, PointProbe) and bool(probe.along_v)


def point_setting(
    law: Law, block: int | np.integer | Numbers, probe: Probe, local_variance: Numbers | None = None
) -> tuple[PointSetting, bool]:
    """The setting of a block's direction or of unit vectors, and whether they are several.

    Raises:
        InputError: for an unknown block, vectors that are no unit vectors of the data's space, points of another
            space, a law that is not known from points, a probe that is no point, or a local variance.
    """
    law.require("views", "a theory at given points")
    if local_variance is not None:
        raise InputError("a direction that is seen from a given point has the law's own variance; leave it out")
    dims = len(law.center)
    if is_whole(block):
        directions, several = jnp.asarray(law.direction(block))[None, :], False
    else:
        directions, several = _unit_vectors(block, dims)
    if isinstance(probe, PointProbe):
        base, offset = jnp.asarray(probe.base), jnp.asarray(probe.offset)
        if base.shape[1] != dims:
            raise InputError(f"the points have {base.shape[1]} coordinates; the law's data have {dims}")
    else:
        base, offset = _about_the_mean(law, directions, probe)
    law.check_points(base, offset)
    variances = jnp.asarray(law.block_variances())
    probed = _variances_along(law, directions)
    return (
        PointSetting(
            variances, law.multiplicities, jnp.zeros(len(variances)), probed, probe, law, base, offset, directions
        ),
        several,
    )


def _about_the_mean(law: Law, directions: Array, probe: Probe) -> tuple[Array, Array]:
    if probe.of_data or bool(probe.spread):
        raise InputError(
            f"the probe {probe.kind!r} is no point of {law.called}; use Probe.noised or Probe.point, or one of origin "
            "and along"
        )
    if one_by_one(probe) and len(directions) > 1:
        raise InputError(
            "the probe 'along' is another point for every direction; give one direction at a time, or Probe.point or "
            "Probe.noised"
        )
    return law.center[None, :], jnp.asarray(probe.along_v) * directions[:1]


def _variances_along(law: Law, directions: Float[Array, "directions dims"]) -> Float[Array, " directions"]:
    """v^T Sigma v of the whole covariance."""
    return jnp.sum(directions * (directions @ law.covariance()), axis=1)


def _unit_vectors(values: Numbers, dims: int) -> tuple[Float[Array, "directions dims"], bool]:
    vectors = float_array(values, "the directions")
    if vectors.ndim not in (1, 2) or vectors.shape[-1] != dims or not vectors.size:
        raise InputError(
            f"the directions have shape {vectors.shape}; they must be one vector of {dims} coordinates, or rows of such"
        )
    if not isinstance(vectors, Tracer):
        lengths = np.linalg.norm(np.atleast_2d(np.asarray(vectors)), axis=1)
        bad = np.flatnonzero(~(np.abs(lengths - 1.0) <= _UNIT))
        if len(bad):
            raise InputError(f"direction {bad[0]} has length {lengths[bad[0]]:g}; divide it by that")
    return jnp.atleast_2d(jnp.asarray(vectors)), vectors.ndim == 2
