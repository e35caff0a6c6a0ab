"""Averages over one sample, E g (u v)^k exp(-u v), by Mellin-Barnes contour integrals.

A fixed family of lines in the complex plane serves all values of xi = ln u: for each,
the line whose vertex is nearest to the saddle point is taken, so that nothing cancels.
Near the poles and the branch point the lines are parabolas that open to the right,
along which u^-z decays. Equations: `theory`, chapter `finite_n`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float, Inexact

from numerics.criteria import Setting
from numerics.lowering import lower
from theory.symbols import Q_rest, d, j, k, lam, q_v, s, s_v, t, x_v, xi, y_0, z

_law = (t, s, d, Q_rest, s_v, q_v)
_mellin_exponent = lower("mellin_exponent", (z, k, xi, *_law))
_rising_factorial = lower("rising_factorial", (z, k))
_mellin_residue = lower("mellin_residue", (j, k, xi, *_law))
_centered_mean = lower("centered_mean", (lam, t, s_v, x_v, y_0))
_centered_second_moment = lower("centered_second_moment", (lam, t, s_v, x_v, y_0))

# Nodes on one half of a line, its vertex among them; the other half is its mirror image.
_COARSE, _FINE = 11, 19
_NODES = _COARSE * _FINE - 1
# Decay along a line, in e-folds, at which it is cut: machine precision.
_CUT = 37.0
# A trapezoidal rule of step h is exact to exp(-2 pi delta/h) for a function analytic to a distance delta.
_ANALYTIC = 26.0
# Reach of a straight line in units of its distance to the nearest singularity, as its nodes allow.
_STRAIGHT = 2.0 * np.pi * _NODES / _ANALYTIC * 0.95
# Poles of the Gamma function that lines may pass: u^j for j up to here is added as a residue.
_POLES = 3

# Vertices of the lines. Straight ones between the poles, by fraction of the unit strip;
# bent ones toward the pole at 0 from the left, and toward both ends of the right strip.
_FRACTIONS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_APPROACH = 0.5 * 0.8 ** np.arange(1, 32)
_ENDS = 0.5 * 0.75 ** np.arange(18)
# Past this, a line in the right strip belongs to phi < exp(-64), which no average sees.
_WIDEST_STRIP = 100.0


class Law(NamedTuple):
    """The energy's law at one noise variance and probe: what the Mellin-Barnes exponent needs."""

    time: Float[Array, ""]
    variances: Float[Array, " blocks"]
    multiplicities: Float[Array, " blocks"]
    rest: Float[Array, " blocks"]
    probed_variance: Float[Array, ""]
    squared_coordinate: Float[Array, ""]

    @property
    def coordinate(self) -> Float[Array, ""]:
        """The probe's coordinate along the probed direction, taken positive."""
        positive = self.squared_coordinate > 0
        return jnp.where(positive, jnp.sqrt(jnp.where(positive, self.squared_coordinate, 1.0)), 0.0)

    @property
    def branch_point(self) -> Float[Array, ""]:
        """t/s_max, the right end of the strip of convergence."""
        largest = jnp.maximum(jnp.max(self.variances), self.probed_variance)
        return self.time / jnp.maximum(largest, self.time / 1e9)


# A factor g: its mean under the law tilted by an amount, given the reference that g is measured from.
Factor = Callable[[Law, Array, Array], Array]


class Lines(NamedTuple):
    """Lines z = vertex + i theta + bend theta^2, one a row, with their nodes and what is integrated there."""

    vertex: Float[Array, " lines"]
    step: Float[Array, " lines"]  # between nodes, in theta
    bend: Float[Array, " lines"]
    lowest: Float[Array, " lines"]  # the least xi that the line serves
    z: Complex[Array, "lines nodes"]
    weight: Complex[Array, "lines nodes"]
    resolved: Bool[Array, "lines powers"]


def law_of(at: Setting, time: Float[Array, ""]) -> Law:
    """The law at the setting's probe and a noise variance."""
    rest = at.probe.rest(time, at.variances, at.multiplicities, at.indicator)
    coordinate = at.probe.coordinate(time, at.probed_variance, at.multiplicities)
    return Law(time, at.variances, at.multiplicities, rest, at.probed_variance, coordinate)


def one(law: Law, reference: Array, tilt: Array) -> Array:
    """The factor 1."""
    return jnp.ones_like(tilt)


def centered(law: Law, reference: Array, tilt: Array) -> Array:
    """Mean of g = y_v - reference under the tilted law."""
    return _centered_mean(tilt, law.time, law.probed_variance, law.coordinate, reference)


def centered_squared(law: Law, reference: Array, tilt: Array) -> Array:
    """Mean of g^2 under the tilted law."""
    return _centered_second_moment(tilt, law.time, law.probed_variance, law.coordinate, reference)


def exponent(law: Law, power: int, points: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
    """The Mellin-Barnes exponent at xi = 0, where xi adds -z xi; for real points its real part."""
    flat = jax.vmap(lambda point: _mellin_exponent(point, float(power), 0.0, *law))(points.ravel())
    return flat.reshape(points.shape)


def lines_of(law: Law) -> Lines:
    """The family of lines for a law, with nodes to where the integrand is negligible."""
    law = jax.lax.stop_gradient(law)  # the integrals do not depend on the lines
    cut = law.branch_point
    width = jnp.minimum(cut, _WIDEST_STRIP)
    straight = jnp.asarray([pole + fraction for pole in range(-_POLES, 0) for fraction in _FRACTIONS])
    right = jnp.concatenate([width * _ENDS, width * (1.0 - _ENDS[1:])])
    vertex = jnp.concatenate([straight, -jnp.asarray(_APPROACH), right])
    # A straight line close to a singularity needs small steps. Where its integrand decays too slowly for that, it
    # is bent; then it may serve only points beyond its own saddle point, for which u^-z decays along it.
    room = jnp.concatenate([jnp.full(len(straight), 1.0), jnp.asarray(_APPROACH), jnp.minimum(right, cut - right)])
    near = jnp.minimum(24.0, _STRAIGHT * room)
    end, decayed = _decay(law, vertex, jnp.zeros_like(vertex), near)
    bend = jnp.where(decayed, 0.0, 0.2 / room)
    bent_end, bent_decayed = _decay(law, vertex, bend, 30.0 * room)
    end, decayed = jnp.where(decayed, end, bent_end), decayed | (bent_decayed & (room < 0.45))

    step = end / _NODES
    theta = step[:, None] * jnp.arange(_NODES + 1, dtype=float)[None, :]
    nodes = jax.lax.complex(vertex[:, None] + bend[:, None] * theta**2, theta)
    half = jnp.where(jnp.arange(_NODES + 1) == 0, 0.5, 1.0)[None, :]
    # dz/(2 pi i), twice the real part for the mirror image.
    measure = half * step[:, None] / np.pi
    weight = jax.lax.complex(measure, -2.0 * measure * bend[:, None] * theta)
    lowest = jnp.where(bend > 0, _own_xi(law, 1, vertex), -jnp.inf)
    resolved = jnp.stack([_exactness(law, vertex, bend, step, lowest, power) for power in range(_POLES)], axis=1)
    resolved = resolved >= _ANALYTIC
    return Lines(vertex, step, bend, lowest, nodes, weight, resolved & decayed[:, None])


def _own_xi(law: Law, power: int, vertex: Array) -> Array:
    """The xi whose saddle point the vertex is."""
    return jax.jvp(lambda point: exponent(law, power, point), (vertex,), (jnp.ones_like(vertex),))[1]


def _decay(law: Law, vertex: Array, bend: Array, reach: Array) -> tuple[Array, Array]:
    """Where along each line, within reach in theta, the integrand has decayed, and whether it has.

    A bent line is looked at for the xi of its own saddle point. It must not rise above its value at the vertex.
    """
    theta = jnp.linspace(0.0, 1.0, 129)[None, :] * reach[:, None]
    points = jax.lax.complex(vertex[:, None] + bend[:, None] * theta**2, theta)
    height = exponent(law, 1, points).real - exponent(law, 1, vertex)[:, None]
    height = height - jnp.where(bend > 0, _own_xi(law, 1, vertex), 0.0)[:, None] * (points.real - vertex[:, None])
    low = height < -_CUT
    # Far along a bent line the Gamma function may grow again; the line ends where the integrand is least.
    last = jnp.where(low.any(axis=1), jnp.argmax(low, axis=1), jnp.argmin(height, axis=1))
    before = jnp.arange(129)[None, :] <= last[:, None]
    deep = jnp.min(jnp.where(before, height, 0.0), axis=1) < -0.8 * _CUT
    flat = jnp.max(jnp.where(before, height, 0.0), axis=1) < 0.5
    return reach * last.astype(float) / 128.0, deep & flat


def _exactness(law: Law, vertex: Array, bend: Array, step: Array, lowest: Array, power: int) -> Array:
    """Minus the logarithm of a line's trapezoidal error, relative to the integrand at its vertex.

    Moved by tau into either half plane of theta, the line meets the axis at vertex - tau - bend tau^2; the error is
    exp(-2 pi tau/step) times what the integrand has grown to there, at the best tau short of the next singularity.
    Near the branch point a far probe makes it grow like exp(1/distance), so the distance alone does not tell.
    """
    poles = -jnp.arange(power, _POLES + 6, dtype=float)
    singular = jnp.append(poles, law.branch_point)[None, :] - vertex[:, None]
    ahead = jnp.min(jnp.where(singular > 0, singular, jnp.inf), axis=1)
    behind = jnp.min(jnp.where(singular < 0, -singular, jnp.inf), axis=1)
    height = exponent(law, power, vertex)
    at = jnp.where(bend > 0, lowest, _own_xi(law, power, vertex))
    sides = []
    for sign, distance in ((-1.0, ahead), (1.0, behind)):
        # Solution of tau + sign bend tau^2 = distance, without its cancellation.
        limit = 2.0 * distance / (1.0 + jnp.sqrt(jnp.maximum(1.0 + 4.0 * sign * bend * distance, 0.0)))
        tau = jnp.asarray([0.15, 0.3, 0.45, 0.6, 0.75, 0.9])[None, :] * limit[:, None]
        moved = -sign * tau - bend[:, None] * tau**2
        growth = exponent(law, power, vertex[:, None] + moved) - height[:, None] - moved * at[:, None]
        sides.append(jnp.max(2.0 * np.pi * tau / step[:, None] - growth, axis=1))
    return jnp.minimum(*sides)


# What is averaged over one sample, as (power of u v, factor g). Powers 0 and 1, which come first, share a line.
Integrands = tuple[tuple[int, Factor], ...]
_INTEGRANDS: Integrands = ((0, one), (1, one), (1, centered), (1, centered_squared), (2, one), (2, centered_squared))
_OF_WEIGHTS: Integrands = ((0, one), (1, one), (2, one))


class Averages(NamedTuple):
    """Single-sample averages at every xi, with g = y_v - reference."""

    log_phi: Float[Array, " points"]  # ln E exp(-u v)
    m1: Float[Array, " points"]  # E u v exp(-u v)
    m1g: Float[Array, " points"]  # E g u v exp(-u v)
    m1gg: Float[Array, " points"]  # E g^2 u v exp(-u v)
    m2: Float[Array, " points"]  # E (u v)^2 exp(-u v)
    m2gg: Float[Array, " points"]  # E g^2 (u v)^2 exp(-u v)


def single_sample_averages(law: Law, reference: Float[Array, ""], points: Float[Array, " points"]) -> Averages:
    """The averages at every xi of `points`."""
    near_one, rows = _integrals(law, reference, points, _INTEGRANDS)
    phi, *others = rows
    return Averages(_log_phi(near_one, phi), *others)


class WeightAverages(NamedTuple):
    """Single-sample averages of Boltzmann weights alone, at every xi; of a mixture they add."""

    psi: Float[Array, " points"]  # 1 - E exp(-u v)
    m1: Float[Array, " points"]  # E u v exp(-u v)
    m2: Float[Array, " points"]  # E (u v)^2 exp(-u v)


def weight_averages(law: Law, points: Float[Array, " points"]) -> WeightAverages:
    """The averages of weights alone at every xi of `points`."""
    near_one, (phi, m1, m2) = _integrals(law, jnp.array(0.0), points, _OF_WEIGHTS)
    return WeightAverages(jnp.where(near_one, -phi, 1.0 - phi), m1, m2)


def _log_phi(near_one: Bool[Array, " points"], phi: Float[Array, " points"]) -> Float[Array, " points"]:
    """ln phi from phi, or from phi - 1 where it is near one."""
    return jnp.where(
        near_one,
        jnp.log1p(jnp.where(near_one, phi, 0.0)),
        jnp.log(jnp.where(near_one, 1.0, jnp.maximum(phi, 1e-300))),
    )


def _integrals(
    law: Law, reference: Array, points: Array, integrands: Integrands
) -> tuple[Bool[Array, " points"], Float[Array, "integrands points"]]:
    """The averages of the integrands at every xi, the first one less 1 where it is near that."""
    lines = lines_of(law)
    first = sum(power < 2 for power, _ in integrands)
    # phi right of the pole at 0, phi - 1 left of it; on the same lines the first power, which has no pole there.
    chosen, near_one = _choose(law, lines, points, 0)
    chosen_2, _ = _choose(law, lines, points, 2)
    used = jnp.zeros(len(lines.vertex), dtype=bool).at[chosen].set(True).at[chosen_2].set(True)
    rows, scales = _integrands_on(law, reference, lines, used, integrands)

    def at_point(at: tuple[Array, Array, Array]) -> Array:
        point, line, line_2 = at
        of_first = _sum_over(lines, rows[:, :first], scales, point, line)
        return jnp.append(of_first, _sum_over(lines, rows[:, first:], scales, point, line_2))

    # Loops, not batches: a batched sum would compute what is per line again for every point that picks the line.
    integrals = jax.lax.map(at_point, (points, chosen, chosen_2))
    residues = [
        _passed_residues(law, reference, lines.vertex[chosen if power < 2 else chosen_2], points, power, factor)
        for power, factor in integrands
    ]
    return near_one, integrals.T + jnp.stack(residues)


def _choose(law: Law, lines: Lines, points: Array, power: int) -> tuple[Array, Array]:
    """For every point the line with the vertex nearest to the saddle point, and whether it is left of 0."""
    height = jax.lax.stop_gradient(exponent(law, power, lines.vertex))
    usable = lines.resolved[:, power] & jnp.isfinite(height)
    served = usable[:, None] & (points[None, :] >= lines.lowest[:, None])
    # The integrand, followed along the axis, is least at the saddle point.
    heights = jnp.where(served, height[:, None] - lines.vertex[:, None] * points[None, :], jnp.inf)
    chosen = jnp.argmin(heights, axis=0)
    return chosen, lines.vertex[chosen] < 0


def _integrands_on(
    law: Law, reference: Float[Array, ""], lines: Lines, used: Bool[Array, " lines"], integrands: Integrands
) -> tuple[Complex[Array, "lines integrands nodes"], Float[Array, " lines"]]:
    """The integrands at xi = 0 on every line that is used, times the measure, and the logarithms of their scales."""

    def along(nodes: Array, weight: Array) -> tuple[Array, Array]:
        transform = exponent(law, 0, nodes)
        scale = jax.lax.stop_gradient(transform[0].real)
        weighted = weight * jnp.exp(transform - scale.astype(complex))
        rows = [
            weighted * _power(power, nodes) * jax.vmap(partial(factor, law, reference))(-nodes)
            for power, factor in integrands
        ]
        return jnp.stack(rows), scale

    def nothing(nodes: Array, weight: Array) -> tuple[Array, Array]:
        return jnp.zeros((len(integrands), len(nodes)), dtype=complex), jnp.array(0.0)

    return jax.lax.map(lambda line: jax.lax.cond(line[0], along, nothing, *line[1:]), (used, lines.z, lines.weight))


def _sum_over(lines: Lines, rows: Array, scales: Array, point: Array, line: Array) -> Float[Array, " integrands"]:
    """The integrals at one xi over one line: the rows times u^-z."""
    # Equal steps in theta make exp(-i theta xi) a product of a coarse and a fine factor, which saves most sines.
    turn = -lines.step[line] * point
    fine = jnp.exp(jax.lax.complex(0.0, 1.0) * (turn * jnp.arange(_FINE, dtype=float)).astype(complex))
    coarse = jnp.exp(jax.lax.complex(0.0, 1.0) * (turn * _FINE * jnp.arange(_COARSE, dtype=float)).astype(complex))
    theta = lines.step[line] * jnp.arange(_NODES + 1, dtype=float)
    decay = jnp.exp(-lines.bend[line] * theta**2 * point)
    oscillation = jnp.outer(coarse, fine).ravel() * decay.astype(complex)
    return jnp.exp(scales[line] - lines.vertex[line] * point) * (rows[line] @ oscillation).real


def _power(power: int, nodes: Array) -> Array:
    """What a power of u v adds to the integrand of phi."""
    return jax.vmap(lambda node: _rising_factorial(node, float(power)))(nodes)


def _passed_residues(law: Law, reference: Array, vertex: Array, points: Array, power: int, factor: Factor) -> Array:
    """Residues of the poles that lie right of each point's line, the one of phi = 1 at 0 left out."""
    total = jnp.zeros_like(points)
    for pole in range(max(power, 1), _POLES):
        passed = vertex < -pole
        # Not evaluated where it is not passed: u^j overflows there.
        safe = jnp.where(passed, points, 0.0)
        terms = jax.vmap(lambda point, pole=pole: _mellin_residue(float(pole), float(power), point, *law))(safe)
        total = total + jnp.where(passed, terms * factor(law, reference, jnp.asarray(float(pole))), 0.0)
    return total
