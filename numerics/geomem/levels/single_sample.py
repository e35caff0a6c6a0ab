"""Averages over one sample, E g (u v)^k exp(-u v), by sums over the contours' nodes.

Equations: `geomem_theory`, chapter `finite_n`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from geomem.levels.contours import COARSE, FINE, LINE_NODES, POLES, Energy, Lines, exponent, lines_of
from geomem.lowering import lower

_rising_factorial = lower("rising_factorial")
_mellin_residue = lower("mellin_residue")
_centered_mean = lower("centered_mean")
_centered_second_moment = lower("centered_second_moment")
# A factor g: its mean under the energy tilted by an amount, given the reference that g is measured from.
Factor = Callable[[Energy, Array, Array], Array]


def one(energy: Energy, reference: Array, tilt: Array) -> Array:
    """The factor 1."""
    return jnp.ones_like(tilt)


def centered(energy: Energy, reference: Array, tilt: Array) -> Array:
    """Mean of g = y_v - reference under the tilted energy."""
    return _centered_mean(tilt, energy.time, energy.probed_variance, energy.coordinate, reference)


def centered_squared(energy: Energy, reference: Array, tilt: Array) -> Array:
    """Mean of g^2 under the tilted energy."""
    return _centered_second_moment(tilt, energy.time, energy.probed_variance, energy.coordinate, reference)


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


def single_sample_averages(energy: Energy, reference: Float[Array, ""], points: Float[Array, " points"]) -> Averages:
    """The averages at every xi of `points`."""
    near_one, rows = _integrals(energy, reference, points, _INTEGRANDS)
    phi, *others = rows
    return Averages(_log_phi(near_one, phi), *others)


class WeightAverages(NamedTuple):
    """Single-sample averages of Boltzmann weights alone, at every xi; of a mixture they add."""

    psi: Float[Array, " points"]  # 1 - E exp(-u v)
    m1: Float[Array, " points"]  # E u v exp(-u v)
    m2: Float[Array, " points"]  # E (u v)^2 exp(-u v)


def weight_averages(energy: Energy, points: Float[Array, " points"]) -> WeightAverages:
    """The averages of weights alone at every xi of `points`."""
    near_one, (phi, m1, m2) = _integrals(energy, jnp.array(0.0), points, _OF_WEIGHTS)
    return WeightAverages(jnp.where(near_one, -phi, 1.0 - phi), m1, m2)


def _log_phi(near_one: Bool[Array, " points"], phi: Float[Array, " points"]) -> Float[Array, " points"]:
    """ln phi from phi, or from phi - 1 where it is near one."""
    return jnp.where(
        near_one,
        jnp.log1p(jnp.where(near_one, phi, 0.0)),
        jnp.log(jnp.where(near_one, 1.0, jnp.maximum(phi, 1e-300))),
    )


def _integrals(
    energy: Energy, reference: Array, points: Array, integrands: Integrands
) -> tuple[Bool[Array, " points"], Float[Array, "integrands points"]]:
    """The averages of the integrands at every xi, the first one less 1 where it is near that."""
    lines = lines_of(energy)
    first = sum(power < 2 for power, _ in integrands)
    # phi right of the pole at 0, phi - 1 left of it; on the same lines the first power, which has no pole there.
    chosen, near_one = _choose(energy, lines, points, 0)
    chosen_2, _ = _choose(energy, lines, points, 2)
    used = jnp.zeros(len(lines.vertex), dtype=bool).at[chosen].set(True).at[chosen_2].set(True)
    rows, scales = _integrands_on(energy, reference, lines, used, integrands)

    def at_point(at: tuple[Array, Array, Array]) -> Array:
        point, line, line_2 = at
        of_first = _sum_over(lines, rows[:, :first], scales, point, line)
        return jnp.append(of_first, _sum_over(lines, rows[:, first:], scales, point, line_2))

    # Loops, not batches: a batched sum would compute what is per line again for every point that picks the line.
    integrals = jax.lax.map(at_point, (points, chosen, chosen_2))
    residues = [
        _passed_residues(energy, reference, lines.vertex[chosen if power < 2 else chosen_2], points, power, factor)
        for power, factor in integrands
    ]
    return near_one, integrals.T + jnp.stack(residues)


def _choose(energy: Energy, lines: Lines, points: Array, power: int) -> tuple[Array, Array]:
    """For every point the line with the vertex nearest to the saddle point, and whether it is left of 0."""
    height = jax.lax.stop_gradient(exponent(energy, power, lines.vertex))
    usable = lines.resolved[:, power] & jnp.isfinite(height)
    served = usable[:, None] & (points[None, :] >= lines.lowest[:, None])
    # The integrand, followed along the axis, is least at the saddle point.
    heights = jnp.where(served, height[:, None] - lines.vertex[:, None] * points[None, :], jnp.inf)
    chosen = jnp.argmin(heights, axis=0)
    return chosen, lines.vertex[chosen] < 0


def _integrands_on(
    energy: Energy, reference: Float[Array, ""], lines: Lines, used: Bool[Array, " lines"], integrands: Integrands
) -> tuple[Complex[Array, "lines integrands nodes"], Float[Array, " lines"]]:
    """The integrands at xi = 0 on every line that is used, times the measure, and the logarithms of their scales."""

    def along(nodes: Array, weight: Array) -> tuple[Array, Array]:
        transform = exponent(energy, 0, nodes)
        scale = jax.lax.stop_gradient(transform[0].real)
        weighted = weight * jnp.exp(transform - scale.astype(complex))
        rows = [
            weighted * _power(power, nodes) * jax.vmap(partial(factor, energy, reference))(-nodes)
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
    fine = jnp.exp(jax.lax.complex(0.0, 1.0) * (turn * jnp.arange(FINE, dtype=float)).astype(complex))
    coarse = jnp.exp(jax.lax.complex(0.0, 1.0) * (turn * FINE * jnp.arange(COARSE, dtype=float)).astype(complex))
    theta = lines.step[line] * jnp.arange(LINE_NODES + 1, dtype=float)
    decay = jnp.exp(-lines.bend[line] * theta**2 * point)
    oscillation = jnp.outer(coarse, fine).ravel() * decay.astype(complex)
    return jnp.exp(scales[line] - lines.vertex[line] * point) * (rows[line] @ oscillation).real


def _power(power: int, nodes: Array) -> Array:
    """What a power of u v adds to the integrand of phi."""
    return jax.vmap(lambda node: _rising_factorial(node, float(power)))(nodes)


def _passed_residues(
    energy: Energy, reference: Array, vertex: Array, points: Array, power: int, factor: Factor
) -> Array:
    """Residues of the poles that lie right of each point's line, the one of phi = 1 at 0 left out."""
    total = jnp.zeros_like(points)
    for pole in range(max(power, 1), POLES):
        passed = vertex < -pole
        # Not evaluated where it is not passed: u^j overflows there.
        safe = jnp.where(passed, points, 0.0)
        terms = jax.vmap(lambda point, pole=pole: _mellin_residue(float(pole), float(power), point, *energy))(safe)
        total = total + jnp.where(passed, terms * factor(energy, reference, jnp.asarray(float(pole))), 0.0)
    return total
