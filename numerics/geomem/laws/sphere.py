"""Data divided by their norm, seen from a point on a principal axis: the law of the one coordinate that counts there.

Equations: `geomem_theory`, chapter `unit_normalized`.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from geomem.core.pytrees import pytree
from geomem.core.status import InputError
from geomem.laws.probe import Probe
from geomem.laws.setting import Components, Setting
from geomem.lowering import lower

_energy_floor = lower("sphere_energy_floor")
_log_weight = lower("sphere_log_weight")
_coordinate = lower("sphere_coordinate")
_length_moment = lower("sphere_length_moment")
_block_density = lower("sphere_block_density")
_other_square = lower("sphere_other_square")
_second_cumulant = lower("sphere_second_cumulant_probed")

# W = sinh(rho)/scale is a node at equal steps of rho: so many at most, of either sign, worked on so many at once.
_HALF, _CHUNK = 1 << 14, 256
# A step in rho and in the logarithm of a weight is at most this. By half of the nodes a mean has to be so exact that
# its square is nothing beside the variance over data sets of 1e15 samples.
_STEP, _WEIGHT_STEP = 0.165, 0.33
# The density ends so many e-folds, and ln N more, below one; where is looked for at these rho.
_DEEP, _ENDS = 38.0, np.geomspace(0.25, 300.0, 49)
# The integral over r = width sinh(pi/2 sinh omega), of both signs, by equal steps of omega.
_OMEGA = 0.084 * np.arange(40)
_R = np.sinh(np.pi / 2 * np.sinh(_OMEGA))
_DR = 0.084 * np.pi * np.cosh(np.pi / 2 * np.sinh(_OMEGA)) * np.cosh(_OMEGA) * np.where(_OMEGA > 0, 1.0, 0.5)

_WHY = (
    "a sample's weight depends on one coordinate of it only at the origin and on a principal axis of the data: use "
    "Probe.origin or Probe.along, or Probe.point inside one block"
)


class Nodes(NamedTuple):
    """A quadrature over the coordinate along the axis, which is what tells weights apart; it falls."""

    coordinates: Float[Array, " nodes"]
    shares: Float[Array, "all_and_half nodes"]  # of the law, by all nodes and by every other one
    squares: Float[Array, "nodes blocks"]  # mean squared coordinates of another direction of a block, given it
    log_weights: Float[Array, " nodes"]  # minus infinite where there is no node


class Sphere(NamedTuple):
    """Gaussian data divided by their norm, along directions, from a point on a principal axis.

    Variances are those before the division, in any unit.
    """

    variances: Float[Array, " blocks"]
    others: Float[Array, " blocks"]  # numbers of directions besides the axis
    axis_variance: Float[Array, ""]
    axis_place: Float[Array, ""]  # the point's coordinate along the axis
    along: Float[Array, " directions"]  # the directions' coordinates along the axis
    across: Float[Array, "directions blocks"]  # their squared lengths inside the blocks, the axis left out

    @property
    def place(self) -> Float[Array, " directions"]:
        """The point's coordinates along the directions."""
        return self.along * self.axis_place

    def energy_floor(self, time: Float[Array, ""]) -> Float[Array, ""]:
        """What all samples' energies have in common, over t."""
        return _energy_floor(self.axis_place, time)

    def nodes(self, time: Float[Array, ""], log_size: Float[Array, ""]) -> Nodes:
        """Nodes for data sets of at most this size. The axis points to where the point is.

        Fewer than needed where the weights span more than some thousand e-folds, which the rule of half of them tells.
        """
        place = jnp.abs(self.axis_place)
        amplitude, scale, end = jax.lax.stop_gradient(self.extent(time, log_size))
        # Of the coordinate in rho, at most.
        steepest = jnp.maximum(jnp.sqrt(jax.lax.stop_gradient(self.axis_variance)) / scale, 0.4)
        step = jnp.minimum(_STEP, _WEIGHT_STEP / jnp.maximum(amplitude * steepest, 1.0))
        last = jnp.minimum(jnp.ceil(end / step), _HALF - 1.0)
        step = end / last

        def of_chunk(number: Array, table: tuple[Array, Array]) -> tuple[Array, Array]:
            rho = step * (number * _CHUNK + jnp.arange(_CHUNK)).astype(float)
            rho = jnp.minimum(rho, end)
            ratios = jnp.sinh(rho) / scale
            densities = jax.vmap(self._densities)(ratios) * (jnp.cosh(rho) / scale)[:, None]
            place = jax.vmap(self._axis_coordinate)(ratios)
            cut = partial(jax.lax.dynamic_update_slice_in_dim, start_index=number * _CHUNK, axis=0)
            return cut(table[0], place), cut(table[1], densities)

        empty = (jnp.zeros(_HALF), jnp.zeros((_HALF, len(self.variances))))
        count = last.astype(int)
        half = jax.lax.fori_loop(0, count // _CHUNK + 1, of_chunk, empty)
        number = count - jnp.arange(2 * _HALF)
        found = number >= -count
        coordinates, densities = (leaf[jnp.minimum(jnp.abs(number), count)] for leaf in half)
        coordinates = coordinates * jnp.sign(number).astype(float)
        shares = jnp.where(found, step * (densities @ self.others), 0.0)
        halved = jnp.where(number % 2 == 0, 2.0 * shares, 0.0)
        squares = jax.vmap(_other_square, in_axes=(0, 0, None))(coordinates, densities, self.others)
        log_weights = jax.vmap(_log_weight, in_axes=(0, None, None))(coordinates, place, time)
        return Nodes(coordinates, jnp.stack([shares, halved]), squares, jnp.where(found, log_weights, -jnp.inf))

    def moments(self, nodes: Nodes) -> tuple[Float[Array, "nodes directions"], Float[Array, "nodes directions"]]:
        """Means and variances of the samples' coordinates along the directions at the nodes."""
        toward = jnp.where(self.axis_place < 0, -self.along, self.along)
        return nodes.coordinates[:, None] * toward[None, :], nodes.squares @ self.across.T

    def components(self, tilt: float | Array, time: Float[Array, ""]) -> Components:
        """The law tilted by exp(-lambda E/t), as one component, with moments along every direction."""
        nodes = self.nodes(time, jnp.zeros_like(time))
        exponents = jnp.where(jnp.isfinite(nodes.log_weights), tilt * nodes.log_weights, -jnp.inf)
        log_mean = jax.nn.logsumexp(exponents, b=nodes.shares[0])
        weights = nodes.shares[0] * jnp.exp(exponents - log_mean)
        rows, spreads = self.moments(nodes)
        means = weights @ rows
        variances = weights @ ((rows - means[None, :]) ** 2 + spreads)
        value = log_mean - tilt * self.energy_floor(time)
        return Components(jnp.ones(1), value, jnp.zeros(1), means[None, :], variances[None, :])

    def extent(
        self, time: Float[Array, ""], log_size: Float[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        """The range of ln v over the coordinate's, the scale of W = sinh(rho)/scale, and the end of rho, rounded up."""
        amplitude = _log_weight(jnp.ones_like(time), jnp.abs(self.axis_place), time)
        scale = jnp.sqrt(jnp.maximum(self.axis_variance, jnp.dot(self.others, self.variances)))
        ratios = np.sinh(_ENDS) / scale
        density = (jax.vmap(self._densities)(ratios) @ self.others) * (np.cosh(_ENDS) / scale)
        height = jnp.log(jnp.maximum(density, 0.0))
        weighted = jax.nn.logsumexp(height + amplitude * (jax.vmap(self._axis_coordinate)(ratios) - 1.0))
        floor = jnp.minimum(weighted, 0.0) - _DEEP - log_size
        beyond = jnp.sum((jnp.cumsum((height > floor)[::-1])[::-1] > 0).astype(int))
        return amplitude, scale, jnp.asarray(_ENDS)[jnp.minimum(beyond, len(_ENDS) - 1)]

    def _axis_coordinate(self, ratio: Float[Array, ""]) -> Float[Array, ""]:
        wide = self.axis_variance > 0
        return jnp.where(wide, _coordinate(ratio, jnp.where(wide, self.axis_variance, 1.0)), 0.0)

    def _densities(self, ratio: Float[Array, ""]) -> Float[Array, " blocks"]:
        """The density of W, a direction of every block at a time: `sphere_block_density` over r."""
        length = jnp.dot(self.others, _length_moment(ratio**2 / 2.0, self.variances))
        width = 1.0 / jnp.sqrt(jax.lax.stop_gradient(length))
        rows = jax.vmap(lambda r: _block_density(ratio, r, self.variances, self.others))(width * _R)
        return width * (_DR @ rows)


class SphereEnergy(NamedTuple):
    """The energy of one sample of length one, at one noise variance: all that its averages depend on."""

    time: Float[Array, ""]
    view: Sphere


@pytree
@dataclass(frozen=True)
class SphereSetting(Setting):
    """A direction of data divided by their norm, seen from a place on it."""

    def energy(self, time: Float[Array, ""]) -> SphereEnergy:
        return SphereEnergy(time, self.seen_from(self.place(time)))

    def second_cumulant(self, time: Float[Array, ""]) -> Float[Array, ""]:
        return _second_cumulant(self.variances, self.rest(time), self.probed_variance, self.coordinate(time))

    def generating_function(self, tilt: Float[Array, ""], time: Float[Array, ""]) -> Float[Array, ""]:
        return self.energy(time).view.components(tilt, time).reference

    def tilted_moments(
        self, tilt: Float[Array, ""], time: Float[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        at = self.energy(time).view.components(tilt, time)
        return at.means[0, 0], at.variances[0, 0]

    @property
    def local_variance(self) -> Float[Array, ""]:
        return _variance(self)

    def seen_from(self, place: Float[Array, ""]) -> Sphere:
        """The view along the direction from a place on it."""
        blocks = (self.variances, self.multiplicities - self.indicator)
        return Sphere(*blocks, self.probed_variance, place, jnp.ones(1), jnp.zeros((1, len(self.variances))))


@jax.jit
def _variance(at: SphereSetting) -> Float[Array, ""]:
    """From the origin all weights are equal."""
    nothing = jnp.zeros_like(at.probed_variance)
    return at.seen_from(nothing).components(0.0, nothing + 1.0).variances[0, 0]


def sphere_variances(
    variances: Float[Array, " blocks"], multiplicities: Float[Array, " blocks"]
) -> Float[Array, " blocks"]:
    """Variances of the data along the directions of every block, after the division."""
    one = np.eye(1, len(variances))[0]
    nothing = jnp.zeros(())
    view = Sphere(variances, multiplicities - one, variances[0], nothing, jnp.zeros(len(variances)), jnp.eye(len(one)))
    return view.components(0.0, nothing + 1.0).variances[0]


def refuse_off_axis(probe: Probe, asker: str) -> None:
    """Refuse a probe that is not on the probed direction.

    Raises:
        InputError: for such a probe.
    """
    if any(isinstance(number, Tracer) or number for number in (probe.spread, probe.noise, probe.data)):
        raise InputError(f"{asker} does not know normalized data at the probe {probe.kind!r}; {_WHY}")


def refuse_points_off_axis(
    base: Float[Array, "points dims"], offset: Float[Array, "points dims"], multiplicities: Float[np.ndarray, " blocks"]
) -> None:
    """Refuse points that are in several blocks, so that no principal axis goes through them.

    Raises:
        InputError: for such points.
    """
    if isinstance(base, Tracer) or isinstance(offset, Tracer):
        return
    block = np.repeat(np.arange(len(multiplicities)), multiplicities.astype(int))
    inside = np.eye(len(multiplicities))[block]
    several = ((np.asarray(base) ** 2 + np.asarray(offset) ** 2) @ inside > 0).sum(axis=1) > 1
    if several.any():
        raise InputError(f"point {np.flatnonzero(several)[0]} has coordinates in several blocks; {_WHY}")


def view_on_axis(
    variances: Float[Array, " blocks"],
    multiplicities: Float[Array, " blocks"],
    point: Float[Array, " dims"],
    directions: Float[Array, "directions dims"],
) -> Sphere:
    """The view from a point inside one block, in whose direction there is a principal axis.

    The blocks' directions are in order along the axes; from the origin, the axis is the first one.
    """
    block = jnp.searchsorted(jnp.cumsum(multiplicities), jnp.arange(len(point)).astype(float), side="right")
    inside = jnp.eye(len(multiplicities))[block]
    length = jnp.sqrt(jnp.sum(point**2))
    away = length > 0
    axis = jnp.where(away, point / jnp.where(away, length, 1.0), jnp.eye(1, len(point))[0])
    indicator = axis**2 @ inside
    along = directions @ axis
    across = (directions - along[:, None] * axis[None, :]) ** 2 @ inside
    return Sphere(variances, multiplicities - indicator, jnp.dot(indicator, variances), length, along, across)
