"""Averages over one sample, E g (u v)^k exp(-u v), by Mellin-Barnes contour integrals.

A fixed family of lines in the complex plane serves all values of xi = ln u: for each,
the line whose vertex is nearest to the saddle point is taken, so that nothing cancels.
Near the poles and the branch point the lines are parabolas that open to the right,
along which u^-z decays. Equations: `geomem_theory`, chapter `finite_n`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Inexact

from geomem.laws.setting import Energy
from geomem.lowering import lower

_mellin_exponent = lower("mellin_exponent")
COARSE, FINE = 11, 19
LINE_NODES = COARSE * FINE - 1
# Decay along a line, in e-folds, at which it is cut: machine precision.
_CUT = 37.0
# A trapezoidal rule of step h is exact to exp(-2 pi delta/h) for a function analytic to a distance delta.
_ANALYTIC = 26.0
# Reach of a straight line in units of its distance to the nearest singularity, as its nodes allow.
_STRAIGHT = 2.0 * np.pi * LINE_NODES / _ANALYTIC * 0.95
# Poles of the Gamma function that lines may pass: u^j for j up to here is added as a residue.
POLES = 3
# Vertices of the lines. Straight ones between the poles, by fraction of the unit strip;
# bent ones toward the pole at 0 from the left, and toward both ends of the right strip.
_FRACTIONS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_APPROACH = 0.5 * 0.8 ** np.arange(1, 32)
_ENDS = 0.5 * 0.75 ** np.arange(18)
# Past this, a line in the right strip belongs to phi < exp(-64), which no average sees.
_WIDEST_STRIP = 100.0


class Lines(NamedTuple):
    """Lines z = vertex + i theta + bend theta^2, one a row, with their nodes and what is integrated there."""

    vertex: Float[Array, " lines"]
    step: Float[Array, " lines"]  # between nodes, in theta
    bend: Float[Array, " lines"]
    lowest: Float[Array, " lines"]  # the least xi that the line serves
    z: Complex[Array, "lines nodes"]
    weight: Complex[Array, "lines nodes"]
    resolved: Bool[Array, "lines powers"]


def exponent(energy: Energy, power: int, points: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
    """The Mellin-Barnes exponent at xi = 0, where xi adds -z xi; for real points its real part."""
    flat = jax.vmap(lambda point: _mellin_exponent(point, float(power), 0.0, *energy))(points.ravel())
    return flat.reshape(points.shape)


def lines_of(energy: Energy) -> Lines:
    """The family of lines for a energy, with nodes to where the integrand is negligible."""
    energy = jax.lax.stop_gradient(energy)  # the integrals do not depend on the lines
    cut = energy.branch_point
    width = jnp.minimum(cut, _WIDEST_STRIP)
    straight = jnp.asarray([pole + fraction for pole in range(-POLES, 0) for fraction in _FRACTIONS])
    right = jnp.concatenate([width * _ENDS, width * (1.0 - _ENDS[1:])])
    vertex = jnp.concatenate([straight, -jnp.asarray(_APPROACH), right])
    # A straight line close to a singularity needs small steps. Where its integrand decays too slowly for that, it
    # is bent; then it may serve only points beyond its own saddle point, for which u^-z decays along it.
    room = jnp.concatenate([jnp.full(len(straight), 1.0), jnp.asarray(_APPROACH), jnp.minimum(right, cut - right)])
    near = jnp.minimum(24.0, _STRAIGHT * room)
    end, decayed = _decay(energy, vertex, jnp.zeros_like(vertex), near)
    bend = jnp.where(decayed, 0.0, 0.2 / room)
    bent_end, bent_decayed = _decay(energy, vertex, bend, 30.0 * room)
    end, decayed = jnp.where(decayed, end, bent_end), decayed | (bent_decayed & (room < 0.45))

    step = end / LINE_NODES
    theta = step[:, None] * jnp.arange(LINE_NODES + 1, dtype=float)[None, :]
    nodes = jax.lax.complex(vertex[:, None] + bend[:, None] * theta**2, theta)
    half = jnp.where(jnp.arange(LINE_NODES + 1) == 0, 0.5, 1.0)[None, :]
    # dz/(2 pi i), twice the real part for the mirror image.
    measure = half * step[:, None] / np.pi
    weight = jax.lax.complex(measure, -2.0 * measure * bend[:, None] * theta)
    lowest = jnp.where(bend > 0, _own_xi(energy, 1, vertex), -jnp.inf)
    resolved = jnp.stack([_exactness(energy, vertex, bend, step, lowest, power) for power in range(POLES)], axis=1)
    resolved = resolved >= _ANALYTIC
    return Lines(vertex, step, bend, lowest, nodes, weight, resolved & decayed[:, None])


def _own_xi(energy: Energy, power: int, vertex: Array) -> Array:
    """The xi whose saddle point the vertex is."""
    return jax.jvp(lambda point: exponent(energy, power, point), (vertex,), (jnp.ones_like(vertex),))[1]


def _decay(energy: Energy, vertex: Array, bend: Array, reach: Array) -> tuple[Array, Array]:
    """Where along each line, within reach in theta, the integrand has decayed, and whether it has.

    A bent line is looked at for the xi of its own saddle point. It must not rise above its value at the vertex.
    """
    theta = jnp.linspace(0.0, 1.0, 129)[None, :] * reach[:, None]
    points = jax.lax.complex(vertex[:, None] + bend[:, None] * theta**2, theta)
    height = exponent(energy, 1, points).real - exponent(energy, 1, vertex)[:, None]
    height = height - jnp.where(bend > 0, _own_xi(energy, 1, vertex), 0.0)[:, None] * (points.real - vertex[:, None])
    low = height < -_CUT
    # Far along a bent line the Gamma function may grow again; the line ends where the integrand is least.
    last = jnp.where(low.any(axis=1), jnp.argmax(low, axis=1), jnp.argmin(height, axis=1))
    before = jnp.arange(129)[None, :] <= last[:, None]
    deep = jnp.min(jnp.where(before, height, 0.0), axis=1) < -0.8 * _CUT
    flat = jnp.max(jnp.where(before, height, 0.0), axis=1) < 0.5
    return reach * last.astype(float) / 128.0, deep & flat


def _exactness(energy: Energy, vertex: Array, bend: Array, step: Array, lowest: Array, power: int) -> Array:
    """Minus the logarithm of a line's trapezoidal error, relative to the integrand at its vertex.

    Moved by tau into either half plane of theta, the line meets the axis at vertex - tau - bend tau^2; the error is
    exp(-2 pi tau/step) times what the integrand has grown to there, at the best tau short of the next singularity.
    Near the branch point a far probe makes it grow like exp(1/distance), so the distance alone does not tell.
    """
    poles = -jnp.arange(power, POLES + 6, dtype=float)
    singular = jnp.append(poles, energy.branch_point)[None, :] - vertex[:, None]
    ahead = jnp.min(jnp.where(singular > 0, singular, jnp.inf), axis=1)
    behind = jnp.min(jnp.where(singular < 0, -singular, jnp.inf), axis=1)
    height = exponent(energy, power, vertex)
    at = jnp.where(bend > 0, lowest, _own_xi(energy, power, vertex))
    sides = []
    for sign, distance in ((-1.0, ahead), (1.0, behind)):
        # Solution of tau + sign bend tau^2 = distance, without its cancellation.
        limit = 2.0 * distance / (1.0 + jnp.sqrt(jnp.maximum(1.0 + 4.0 * sign * bend * distance, 0.0)))
        tau = jnp.asarray([0.15, 0.3, 0.45, 0.6, 0.75, 0.9])[None, :] * limit[:, None]
        moved = -sign * tau - bend[:, None] * tau**2
        growth = exponent(energy, power, vertex[:, None] + moved) - height[:, None] - moved * at[:, None]
        sides.append(jnp.max(2.0 * np.pi * tau / step[:, None] - growth, axis=1))
    return jnp.minimum(*sides)
