"""Averages over data sets of a law that samples, or the nodes of a quadrature, stand for: sums in place of contours.

Single-sample averages are sums over them, and the integrals over xi = ln u are sums of equal steps. Equations:
`geomem_theory`, chapters `finite_n`, `points` and `unit_normalized`.
"""

from math import factorial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.laws.setting import SampleEnergy
from geomem.laws.sphere import Sphere, SphereEnergy
from geomem.laws.views import Pool
from geomem.levels.contours import Averages
from geomem.levels.points import finished
from geomem.levels.sums import DENSITIES, Quenched, quenched_at, sums_of_directions, usable_sizes
from geomem.lowering import lower

_planted_offset = lower("planted_offset")
_weight = jnp.vectorize(lower("pool_weight"))
_complement = jnp.vectorize(lower("pool_complement"))
_average = jnp.vectorize(lower("pool_average"))
# The end of the sum over xi beyond the last sample that counts, in e-folds. Weights beyond exp(_HEAVY), or N times
# those below exp(-_LIGHT), add nothing, or only 1, to a mean; of those of samples below exp(-_SERIES_FROM) so many
# powers are enough for some 1e-11 of it.
_AFTER, _SERIES_FROM, _POWERS = 4.0, 4.0, 6
_FAR = 45.0  # e-folds before the next sample of a pool, where there is nothing yet
# Series of 1 - exp(-x), x exp(-x) and x^2 exp(-x).
_SERIES = np.array(
    [[(-1.0) ** (n - k) / factorial(n - k) if n >= k else 0.0 for n in range(1, _POWERS + 1)] for k in (0, 1, 2)]
) * np.array([[-1.0], [1.0], [1.0]])
_HEAVY, _LIGHT = 3.8, 45.0
_GONE = 32.0  # e-folds that phi^N has fallen where a sum over xi ends


class Rule(NamedTuple):
    """The step in xi, e-folds before the first sample that counts, and samples and nodes in xi worked on at once."""

    step: float
    before: float
    chunk: int
    at_once: int


# Of samples what is not known is more than what a rule leaves; nodes are as exact as their rule, and fewer.
OF_SAMPLES, OF_NODES = Rule(0.4, 24.0, 2048, 16), Rule(0.33, 27.0, 512, 32)
# Of two integrals over xi at once; all samples are worked on.
OF_PAIRS = Rule(0.4, 24.0, 0, 32)


class _Weighted(NamedTuple):
    """Nodes that stand for a law, of rising energies; lengths are in units of the noise."""

    energies: Float[Array, " nodes"]
    shares: Float[Array, "all_and_half nodes"]  # of the law
    coordinates: Float[Array, "nodes directions"]
    spreads: Float[Array, "nodes directions"]  # variances of the coordinates at a node
    place: Float[Array, " directions"]


@jax.jit
def quenched_pool(
    view: Pool,
    time: Float[Array, ""],
    log_sizes: Float[Array, " sizes"],
    log_planted: Float[Array, ""],
) -> Quenched:
    """Averages for data sets drawn from a pool with replacement, (directions, sizes)."""
    usable, sizes = usable_sizes(log_sizes)
    scaled = view.in_noise_units(time)
    count = len(view.squared_distances)
    order = jnp.argsort(view.squared_distances)
    energies = scaled.squared_distances[order] / 2.0
    tilted = scaled.components(1.0, jnp.ones_like(time))
    lighter = jnp.arange(count + 1) / count
    low, nodes = nodes_in_xi(energies, lighter, tilted.reference, sizes, log_planted, OF_SAMPLES)
    dominates = log_planted > jnp.max(sizes) + tilted.reference
    reference = jnp.where(dominates, scaled.place, tilted.means[0])
    offsets = jax.vmap(_planted_offset)(scaled.place, reference)
    # Whole chunks; what is added has no weight.
    missing = -count % OF_SAMPLES.chunk
    own = jnp.pad(energies, (0, missing), constant_values=jnp.inf).reshape(-1, OF_SAMPLES.chunk)
    g = (
        scaled.coordinates[jnp.pad(order, (0, missing))].reshape(len(own), OF_SAMPLES.chunk, -1)
        - reference[None, None, :]
    )
    light = _power_sums(own, g)

    def of_block(number: Array, sums: Float[Array, "..."]) -> Float[Array, "..."]:
        xi = _block_of_nodes(low, number, OF_SAMPLES)
        begin = jnp.searchsorted(energies, xi[0] - _HEAVY).astype(int) // OF_SAMPLES.chunk
        end = jnp.maximum(jnp.searchsorted(own[:, 0], xi[-1] + _SERIES_FROM).astype(int), begin)

        def of_chunk(chunk: Array, means: tuple[Array, ...]) -> tuple[Array, ...]:
            weights = capped_weights(xi, own[chunk])
            left = _average(weights, 0.0)
            first = weights * left
            second = weights * first
            squares = g[chunk] ** 2
            parts = (
                jnp.where(jnp.isfinite(own[chunk]), 1.0 - left, 0.0).sum(axis=1),
                first.sum(axis=1),
                (first @ g[chunk]).T,
                (first @ squares).T,
                second.sum(axis=1),
                (second @ squares).T,
            )
            return tuple(mean + part for mean, part in zip(means, parts, strict=True))

        found = jax.lax.fori_loop(begin, end, of_chunk, _light_sums(xi, own[:, 0], end, light))
        psi, *others = (each / count for each in found)
        psi = psi + (begin * OF_SAMPLES.chunk).astype(float) / count
        # Samples are all there is: of them no fewer say anything about the rule.
        rows = jax.tree.map(lambda row: jnp.stack([row] * 2, axis=-2), Averages(log_phi_of(psi), *others))
        return sums + sums_of_directions(xi, _all_and_half(OF_SAMPLES), sizes, log_planted, offsets, rows)

    start = jnp.zeros((len(reference), 3, len(sizes), DENSITIES))
    width = OF_SAMPLES.step * OF_SAMPLES.at_once

    def following(number: Array) -> Array:
        """The next block, or that before the next sample if there is nothing in between; a planted one is anywhere."""
        behind = low + width * (number + 1).astype(float) - _HEAVY  # samples that still count in the next block
        after = energies[jnp.minimum(jnp.searchsorted(energies, behind), count - 1)]
        ahead = jnp.floor((after - _FAR - low) / width).astype(int)
        return jnp.where(log_planted > -jnp.inf, number + 1, jnp.maximum(number + 1, ahead))

    def step(at: tuple[Array, Array]) -> tuple[Array, Array]:
        return following(at[0]), of_block(*at)

    _, sums = jax.lax.while_loop(lambda at: at[0] < nodes, step, (jnp.zeros_like(nodes), start))
    return finished(time, scaled.place, reference, sizes, sums, usable, power=2.0, log_floor=1.0)


class _PowerSums(NamedTuple):
    """Sums over every chunk of powers 1 to _POWERS of the weights over the chunk's first, alone and with g and g^2."""

    one: Float[Array, "chunks powers"]
    g: Float[Array, "chunks powers directions"]
    gg: Float[Array, "chunks powers directions"]


def _power_sums(energies: Float[Array, "chunks samples"], g: Float[Array, "chunks samples directions"]) -> _PowerSums:
    powers = jnp.asarray(np.arange(1.0, _POWERS + 1))

    def of_chunk(pair: tuple[Array, Array]) -> _PowerSums:
        own, rows = pair
        weights = jnp.exp(-powers[:, None] * (own - own[0])[None, :])
        return _PowerSums(weights.sum(axis=1), weights @ rows, weights @ rows**2)

    return jax.lax.map(of_chunk, (energies, g))


def _light_sums(
    xi: Float[Array, " nodes"], energies: Float[Array, " chunks"], end: Array, sums: _PowerSums
) -> tuple[Array, ...]:
    """What the chunks from `end` on add, whose weights times u are small: by series of the exponential."""
    from_end = jnp.arange(len(energies)) >= end
    size = jnp.where(from_end[None, :], xi[:, None] - energies[None, :], -jnp.inf)
    powers = jnp.asarray(np.arange(1.0, _POWERS + 1))
    values = jnp.exp(jnp.where(from_end[None, :, None], size[:, :, None] * powers[None, None, :], -jnp.inf))
    of_psi, of_first, of_second = (values * jnp.asarray(row)[None, None, :] for row in _SERIES)
    flat = (len(xi), -1)
    g, gg = (rows.reshape(-1, rows.shape[2]) for rows in (sums.g, sums.gg))
    first, second = of_first.reshape(flat), of_second.reshape(flat)
    one = sums.one.ravel()
    psi = of_psi.reshape(flat) @ one
    return psi, first @ one, (first @ g).T, (first @ gg).T, second @ one, (second @ gg).T


@jax.jit
def quenched_sphere(
    view: Sphere, time: Float[Array, ""], log_sizes: Float[Array, " sizes"], log_planted: Float[Array, ""]
) -> Quenched:
    """Averages for data divided by their norm, (directions, sizes), by nodes over the coordinate that counts.

    The error is at least what the nodes' shares add up to beside one.
    """
    usable, sizes = usable_sizes(log_sizes)
    nodes = view.nodes(time, jax.lax.stop_gradient(jnp.max(sizes)))
    unit = jnp.sqrt(time)
    rows, spreads = view.moments(nodes)
    law = _Weighted(-nodes.log_weights, nodes.shares, rows / unit, spreads / time, view.place / unit)
    floor = view.energy_floor(time)
    sums, reference = _sums(law, sizes, log_planted + floor)
    missing = jnp.abs(jnp.sum(nodes.shares[0]) - 1.0)
    found = finished(time, law.place, reference, sizes, sums, usable, power=2.0, log_floor=1.0, least_error=missing)
    return found._replace(log_partition=found.log_partition - floor)


@jax.jit
def averages_at(
    energy: SampleEnergy, log_sizes: Float[Array, " sizes"], log_planted: Float[Array, ""], fineness: Float[Array, ""]
) -> Quenched:
    """`quenched_at` for the energy of any law: contours of a Gaussian one, nodes on the sphere, whose rule is one.

    Differentiable in forward mode.
    """
    if isinstance(energy, SphereEnergy):
        rows = quenched_sphere(energy.view, energy.time, log_sizes, log_planted)
        return jax.tree.map(lambda field: field[0], rows)
    return quenched_at(energy, log_sizes, log_planted, fineness)


def _sums(
    law: _Weighted, sizes: Float[Array, " sizes"], log_planted: Array
) -> tuple[Float[Array, "directions rules sizes densities"], Float[Array, " directions"]]:
    """The integrals over xi of every size, and what coordinates are measured from: near their Gibbs averages."""
    rule, count, directions = OF_NODES, len(law.energies), len(law.place)
    log_mean = jax.nn.logsumexp(-law.energies, b=law.shares[0])
    tilted = law.shares[0] * jnp.exp(-law.energies - log_mean)
    means = tilted @ law.coordinates
    dominates = log_planted > jnp.max(sizes) + log_mean
    reference = jnp.where(dominates, law.place, means)
    offsets = jax.vmap(_planted_offset)(law.place, reference)
    lighter = jnp.concatenate([jnp.zeros((len(law.shares), 1)), jnp.cumsum(law.shares, axis=1)], axis=1)
    low, blocks = nodes_in_xi(law.energies, lighter[0], log_mean, sizes, log_planted, rule)
    # Whole chunks; what is added has no weight.
    missing = (0, -count % rule.chunk)
    energies = jnp.pad(law.energies, missing, constant_values=jnp.inf)
    coordinates, spreads = (jnp.pad(rows, (missing, (0, 0))) for rows in (law.coordinates, law.spreads))
    shares = jnp.pad(law.shares, ((0, 0), missing))

    def of_block(number: Array, sums: Float[Array, "..."]) -> Float[Array, "..."]:
        xi = _block_of_nodes(low, number, rule)
        dead = jnp.searchsorted(energies, xi[0] - _HEAVY)
        last = jnp.minimum(jnp.searchsorted(energies, xi[-1] + _LIGHT + jnp.max(sizes)), count)

        def of_chunk(chunk: Array, means: tuple[Array, ...]) -> tuple[Array, ...]:
            def cut(rows: Array, axis: int) -> Array:
                return jax.lax.dynamic_slice_in_dim(rows, chunk * rule.chunk, rule.chunk, axis)

            g = cut(coordinates, 0) - reference[None, :]
            squares = g**2 + cut(spreads, 0)
            weights = capped_weights(xi, cut(energies, 0))
            taken = _complement(weights)
            first = weights * (1.0 - taken)
            parts = []
            for share in cut(shares, 1):
                one = first * share[None, :]
                two = weights * one
                of_powers = (taken @ share, one.sum(axis=1), (one @ g).T, (one @ squares).T)
                parts.append((*of_powers, two.sum(axis=1), (two @ squares).T))
            stacked = [jnp.stack(one, axis=-2) for one in zip(*parts, strict=True)]
            return tuple(mean + part for mean, part in zip(means, stacked, strict=True))

        rules = (len(law.shares), rule.at_once)
        start = [jnp.zeros(rules)] * 2 + [jnp.zeros((directions, *rules))] * 2 + [jnp.zeros(rules)]
        begin, end = dead // rule.chunk, (last + rule.chunk - 1) // rule.chunk
        found = jax.lax.fori_loop(begin, end, of_chunk, (*start, jnp.zeros((directions, *rules))))
        psi, *others = found
        psi = psi + lighter[:, jnp.minimum(begin * rule.chunk, count)][:, None]
        rows = Averages(log_phi_of(psi), *others)
        return sums + sums_of_directions(xi, _all_and_half(rule), sizes, log_planted, offsets, rows)

    start = jnp.zeros((directions, 3, len(sizes), DENSITIES))
    return jax.lax.fori_loop(0, blocks, of_block, start), reference


def capped_weights(xi: Float[Array, " xi"], energies: Float[Array, " samples"]) -> Float[Array, "xi samples"]:
    """u v at every xi and sample: of infinite energies none, and no larger ones than tell."""
    own = energies[None, :]
    weights = jnp.minimum(_weight(jnp.minimum(xi[:, None], own + 600.0), own), 1e3)
    return jnp.where(jnp.isfinite(own), weights, 0.0)


def log_phi_of(psi: Float[Array, "..."]) -> Float[Array, "..."]:
    """ln(1 - psi), where psi is small and where it is near one."""
    return jnp.where(psi < 0.5, jnp.log1p(-jnp.minimum(psi, 0.5)), jnp.log(jnp.maximum(1.0 - psi, 1e-300)))


def _block_of_nodes(low: Array, number: Array, rule: Rule) -> Float[Array, " nodes"]:
    return low + rule.step * (number * rule.at_once + jnp.arange(rule.at_once)).astype(float)


def _all_and_half(rule: Rule) -> Float[Array, "all_and_half nodes"]:
    """Weights of the nodes of a block, all of them and every other one."""
    half = 2.0 * rule.step * (np.arange(rule.at_once) % 2 == 0).astype(float)
    return jnp.stack([jnp.full(rule.at_once, rule.step), jnp.asarray(half)])


def nodes_in_xi(
    energies: Float[Array, " samples"],
    lighter: Float[Array, " one_more"],
    log_mean: Array,
    sizes: Float[Array, " sizes"],
    log_planted: Array,
    rule: Rule,
) -> tuple[Array, Array]:
    """The first node, and the number of blocks of nodes; `lighter` is the share of all samples before each."""
    low = -jnp.max(sizes) - log_mean - rule.before
    # Where phi^N is gone for the smallest size: of samples of weights above exp(_AFTER) nothing is left in phi.
    share = -jnp.expm1(-_GONE * jnp.exp(-jnp.min(sizes)))
    last = jnp.sum(jnp.isfinite(energies).astype(int)) - 1
    place = jnp.minimum(jnp.searchsorted(lighter[1:], share).astype(int), last)
    high = energies[place] + _AFTER + jnp.where(place == last, jnp.log(_GONE), 0.0)
    planted = log_planted > -jnp.inf
    low = jnp.where(planted, jnp.minimum(low, -log_planted - rule.before), low)
    high = jnp.where(planted, jnp.minimum(high, -log_planted + _AFTER), high)
    return low, jnp.maximum(jnp.ceil((high - low) / (rule.step * rule.at_once)), 1.0).astype(int)
