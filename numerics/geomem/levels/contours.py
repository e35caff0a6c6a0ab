"""Averages over one sample, E g (u v)^k exp(-u v), by Mellin-Barnes integrals, each along a path of its own.

A path passes the saddle point of its integrand, follows steepest descent to third order there, and ends in lines along
which the integrand decays. Energies are in units of the noise variance. Equations: `geomem_theory`, chapter `finite_n`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from geomem.laws.setting import Energy
from geomem.levels.saddles import Saddles, Transform, exponent, interpolate
from geomem.lowering import lower

_rising_factorial = lower("rising_factorial")
_tilted_mean = lower("tilted_mean")
_tilted_variance = lower("tilted_variance")
_mean_slope = lower("mean_slope")
_centered_second_moment = lower("centered_second_moment")
# Nodes of half a path: steps in tau, where y = sinh(rate tau)/rate in units of the integrand's width.
_STEP, _RATE, _NODES = 0.18, 0.65, 46
_TAU = _STEP * np.arange(_NODES)
_Y, _DY = np.sinh(_RATE * _TAU) / _RATE, np.cosh(_RATE * _TAU)
_FIRST_HALVED = np.where(_TAU > 0, 1.0, 0.5)
_RULES = np.stack([np.ones(_NODES), 2.0 * (np.arange(_NODES) % 2 == 0)])  # weights of all nodes and every other one
_NUMBER = np.arange(_NODES, dtype=float)[None, None]
_GROUPS = 3  # of neighbouring points that share their paths
# Slopes of a path's ends toward the right, and the distance, in units of that of the pole, to which it turns left.
_SLOPE, _TURN = 0.65, 1.5
_END = 20.0  # about where integrands of scale one end
_CUT = 60.0  # e-folds below its largest value, where an integrand ends


class Averages(NamedTuple):
    """Single-sample averages at every xi, with g = y_v - reference, by all and by every other node of the paths."""

    log_phi: Float[Array, "rules points"]  # ln E exp(-u v)
    m1: Float[Array, "rules points"]  # E u v exp(-u v)
    m1g: Float[Array, "rules points"]  # E g u v exp(-u v)
    m1gg: Float[Array, "rules points"]  # E g^2 u v exp(-u v)
    m2: Float[Array, "rules points"]  # E (u v)^2 exp(-u v)
    m2gg: Float[Array, "rules points"]  # E g^2 (u v)^2 exp(-u v)


# What integrands have beside their common exponential, from the nodes and weights of the two families of paths:
# an array (groups, nodes, integrands) for each.
Factors = Callable[
    [Complex[Array, "paths groups nodes"], Complex[Array, "paths groups nodes"]],
    tuple[Complex[Array, "groups nodes integrands"], Complex[Array, "groups nodes more_integrands"]],
]


def averages(
    energy: Energy, transform: Transform, reference: Float[Array, ""], points: Float[Array, " points"]
) -> Averages:
    """The averages at every xi of `points`, which rise; neighbours share a path."""
    of_phi, of_square, log_phi = integrals(energy, transform, points, partial(_factors, energy, reference))
    (m1, m1gg), (m2, m2gg, m1_slope) = of_phi, of_square
    return Averages(log_phi, m1, (posterior_mean(energy) - reference) * m1 - m1_slope, m1gg, m2, m2gg)


def integrals(
    energy: Energy, transform: Transform, points: Float[Array, " points"], factors: Factors
) -> tuple[
    Float[Array, "integrands rules points"], Float[Array, "more_integrands rules points"], Float[Array, "rules points"]
]:
    """Integrals at every xi of `points`, which rise, along the paths of phi and of the second power; and ln phi.

    Neighbours share a path. Of the paths of phi, phi itself is the first integrand, without a factor, and `factors`
    gives the others.
    """
    xi = points.reshape(_GROUPS, -1)
    own = xi[:, xi.shape[1] // 2]
    left = own < transform.switch
    # phi - 1 left of its pole at 0, phi right of it. The first power shares the path; it has no pole there.
    of_phi = jax.tree.map(partial(jnp.where, left), _shape(transform.left, own), _shape(transform.right, own))
    shapes = jax.tree.map(lambda *one: jnp.stack(one), of_phi, _shape(transform.square, own))
    room = shapes.vertex + jnp.stack([jnp.where(left, 1.0, 0.0), jnp.full(_GROUPS, 2.0)])
    z, weight = jax.vmap(jax.vmap(_path))(shapes, room)
    at_zero = exponent(energy, jnp.asarray([0.0, 2.0])[:, None, None], z)
    # A product of matrices, so that the compiler does not compute it again for every point.
    exact = jnp.stack([at_zero, z * own[None, :, None].astype(complex)], axis=-1) @ np.array([1.0 + 0.0j, -1.0])
    height = jax.lax.stop_gradient(exact)
    top = height[..., :1].real
    depth = height.real - top
    last = _last(depth)
    kept = last >= _NUMBER

    # From the path's own xi to those of the points, whose integrand is largest near the same vertex.
    away = (xi - own[:, None])[None, :, :, None]
    modulus = jnp.exp(jnp.where(kept, depth, -jnp.inf)[:, :, None] - (z.real - z.real[..., :1])[:, :, None] * away)
    phase = jnp.where(kept, height.imag, 0.0)[:, :, None] - z.imag[:, :, None] * away
    waves = jnp.stack([modulus * jnp.cos(phase), modulus * jnp.sin(phase)])
    integrands = waves[:, :, :, None] * _RULES[None, None, None, :, None]
    # Zero, but with the derivatives of the exponentials, so that these are not computed for every point.
    change = jnp.where(kept, exact - height, 0.0)
    measure = weight * (1.0 + change * (1.0 + 0.5 * change))
    first, second = factors(z, measure)
    both = (jnp.concatenate([measure[0][..., None], first], axis=-1), second)
    # The error is about the square of what halving changes; what is cut off is an error itself.
    size = jnp.exp(depth) * weight.imag
    lost = jnp.sum(jnp.where(last == _NUMBER, size, 0.0), axis=-1) / jnp.sum(jnp.where(kept, size, 0.0), axis=-1)
    half = 1.0 + jnp.sqrt(lost)
    scale = jnp.exp(top - z.real[..., :1] * away[..., 0])
    rules = jnp.stack([jnp.ones_like(half), half], axis=1)[:, :, :, None] * scale[:, None]

    def summed(path: int) -> Float[Array, "integrands rules points"]:
        parts = jnp.stack([both[path].imag, both[path].real])
        sums = jnp.einsum("cgrmn,cgni->irgm", integrands[:, path], parts) * rules[path][None]
        return sums.reshape(len(sums), 2, -1)

    of_first, of_second = summed(0), summed(1)
    near_one = jnp.repeat(left, xi.shape[1])[None]
    of_psi = jnp.log1p(jnp.where(near_one, of_first[0], 0.0))
    log_phi = jnp.where(near_one, of_psi, jnp.log(jnp.where(near_one, 1.0, jnp.maximum(of_first[0], 1e-300))))
    return of_first[1:], of_second, log_phi


def posterior_mean(energy: Energy) -> Float[Array, ""]:
    """m(1), the mean of y_v given the probe."""
    return _tilted_mean(1.0, energy.time, energy.probed_variance, energy.coordinate)


def first_power(z: Complex[Array, "..."]) -> Complex[Array, "..."]:
    """What makes the integrand of phi that of E u v exp(-u v)."""
    return jax.vmap(lambda node: _rising_factorial(node, 1.0))(z.ravel()).reshape(z.shape)


def _factors(
    energy: Energy,
    reference: Array,
    z: Complex[Array, "paths groups nodes"],
    weight: Complex[Array, "paths groups nodes"],
) -> tuple[Complex[Array, "groups nodes integrands"], Complex[Array, "groups nodes more_integrands"]]:
    """Those of the averages along the direction that the energy is probed along."""
    at = (energy.time, energy.probed_variance, energy.coordinate)
    first = first_power(z[0]) * weight[0]
    slope = _at_tilts(_mean_slope, at, z[1])
    mean, variance = _at_tilts(_tilted_mean, at, z), _at_tilts(_tilted_variance, at[:2], z)
    second = centered_second_moment(mean, variance, reference)
    of_square = jnp.stack([weight[1], weight[1] * second[1], weight[1] * slope], axis=-1)
    return jnp.stack([first, first * second[0]], axis=-1), of_square


def centered_second_moment(
    mean: Complex[Array, "*nodes"], variance: Complex[Array, "*nodes"], reference: Float[Array, "..."]
) -> Complex[Array, "*nodes"]:
    """Mean of g^2 at every node, from the tilted mean and variance there."""
    about = jnp.broadcast_to(reference, mean.shape).ravel()
    return jax.vmap(_centered_second_moment)(mean.ravel(), variance.ravel(), about).reshape(mean.shape)


def _last(depth: Float[Array, "paths groups nodes"]) -> Float[Array, "paths groups 1"]:
    """Number of the last node: where the integrand has decayed, or is least, for far out it may grow again."""
    ended = (depth < -_CUT) | (depth == jnp.min(depth, axis=-1, keepdims=True))
    return jnp.min(jnp.where(ended, _NUMBER, float(_NODES)), axis=-1, keepdims=True)


class _Shape(NamedTuple):
    """A path: where it crosses the real axis, its scale, and its curvature there in units of the scale."""

    vertex: Float[Array, "..."]
    scale: Float[Array, "..."]
    bend: Float[Array, "..."]
    rate: Float[Array, "..."]


def _shape(saddles: Saddles, points: Float[Array, " points"]) -> _Shape:
    columns = jnp.stack([saddles.vertex, saddles.log_scale, saddles.bend, saddles.rate])
    vertex, log_scale, bend, rate = interpolate(points, saddles.xi, columns)
    return _Shape(vertex, jnp.exp(log_scale), bend, rate)


def _path(shape: _Shape, room: Float[Array, ""]) -> tuple[Complex[Array, " nodes"], Complex[Array, " nodes"]]:
    """Nodes of the upper half of a path, and dz/(2 pi i) there, times two for the lower half.

    Far out the integrand is the Gamma function times exp(-rate z). To the right it decays along a line, of the less
    slope the smaller the rate. To the left it grows with a positive rate: the more it does, the less slope, and the
    path turns around the pole and goes on almost upright.
    """
    right = shape.bend >= 0
    bend = jnp.maximum(jnp.abs(shape.bend), 1e-9)
    reach = jnp.log(_END + 4.0 * jnp.maximum(shape.vertex, 0.0))
    falling = _SLOPE / (1.0 + jnp.maximum(reach - shape.rate, 0.0))
    slope = jnp.where(right, falling, jnp.minimum(_SLOPE, 1.0 / jnp.maximum(shape.rate, 1.0)))
    share = jnp.where(right, 1.0, slope / _SLOPE)  # of the curvature that the line has; the turn has the rest
    corner = slope**2 / (2.0 * bend * share)
    root = jnp.sqrt(corner**2 + (slope * _Y) ** 2)
    around = _TURN * room / shape.scale
    turn = bend * (1.0 - share) * _Y**2 / jnp.maximum(around, 1e-300)
    shift = (slope * _Y) ** 2 / (root + corner) + around * turn / (1.0 + turn)
    tangent = slope**2 * _Y / root + 2.0 * bend * (1.0 - share) * _Y / (1.0 + turn) ** 2
    side = jnp.where(right, 1.0, -1.0)
    z = jax.lax.complex(shape.vertex + shape.scale * side * shift, shape.scale * _Y)
    measure = shape.scale * _DY * (_STEP / np.pi * _FIRST_HALVED)
    return z, jax.lax.complex(side * tangent * measure, measure)


def _at_tilts(moment, at: tuple[Array, ...], z: Complex[Array, "..."]) -> Complex[Array, "..."]:  # noqa: ANN001
    """A moment of the coordinate under the law tilted by -z."""
    return jax.vmap(lambda node: moment(-node, *at))(z.ravel()).reshape(z.shape)
