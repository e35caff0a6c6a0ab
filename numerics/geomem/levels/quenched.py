"""Averages over data sets at finite N: one table of single-sample averages, one sum per size.

The table's nodes in xi = ln u follow the saddle points of the single-sample transform,
dense where it varies fast and sparse where it does not, and serve every size; N enters
only in the sum over the nodes. Equations: `geomem_theory`, chapter `finite_n`.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8

from geomem.core.arguments import Numbers, as_log_sizes, as_noise_variances
from geomem.core.status import InputError, Status
from geomem.laws.law import Law
from geomem.laws.probe import Probe
from geomem.laws.setting import Energy, Setting
from geomem.levels.saddles import Saddles, nodes_of, saddles_of, tilt_of_size
from geomem.levels.single_sample import Averages, single_sample_averages
from geomem.lowering import lower

_weight_density = lower("weight_density")
_participation_density = lower("participation_density")
_log_partition_density = lower("log_partition_density")
_mean_density = lower("mean_density")
_second_moment_density = lower("second_moment_density")
_squared_mean_density = lower("squared_mean_density")
_planted_density = lower("planted_density")
_tilted_mean = lower("tilted_mean")
_planted_offset = lower("planted_offset")
_score_mean = lower("quenched_score_mean")
_score_variance = lower("quenched_score_variance")
_second_moment = lower("quenched_second_moment")
_log_signal_to_noise = lower("quenched_log_signal_to_noise")
# Noise variances, sizes and blocks are padded to multiples of these: few shapes are compiled.
TIMES, SIZES, _BLOCKS = 16, 16, 4
# The critical tilt below which the condensation is too deep for the table.
_SMALLEST_TILT = 1e-3
# A size is accepted if its weights sum to one to this, and if half of the nodes give the same to the root of it.
_TOLERANCE = 1e-9


class Quenched(NamedTuple):
    """Averages over data sets. All fields have the shape noise variances + sizes.

    `score_mean` and `score_variance` are of the empirical score along the probed
    direction, `signal_to_noise` is R, squared mean over variance, `second_moment` is
    E sum w y_v^2, and `log_partition` is E ln Z with Z = sum exp(-E/t); a planted sample
    counts in all of them. `error` is the larger of |sum of weights - 1| and the square
    of the relative change when every other node is left out, which is how fast a
    trapezoidal rule of an analytic function converges.
    """

    log_partition: Float[Array, "..."]
    participation: Float[Array, "..."]
    active_samples: Float[Array, "..."]
    score_mean: Float[Array, "..."]
    score_variance: Float[Array, "..."]
    signal_to_noise: Float[Array, "..."]
    second_moment: Float[Array, "..."]
    planted_weight: Float[Array, "..."]
    error: Float[Array, "..."]
    status: Int8[Array, "..."]


class _Table(NamedTuple):
    """Single-sample averages at nodes in xi, and the nodes' weights in an integral over xi."""

    xi: Float[Array, " nodes"]
    weight: Float[Array, " nodes"]
    reference: Float[Array, ""]  # that g is measured from
    averages: Averages


def quenched(
    manifold: Law,
    block: int | np.integer,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    probe: Probe = Probe.along(),
    log_planted: float | int | None = None,
) -> Quenched:
    """Averages over data sets of N samples, at every N.

    Args:
        manifold: the data's law.
        block: the block that holds the probed direction, from 0.
        noise_variance: noise variances t, in squared units of the data.
        num_samples: data-set sizes N; give this or `log_num_samples` = ln N.
        probe: where the score is evaluated.
        log_planted: logarithm of the Boltzmann weight of one more, planted sample, at
            most 0. N counts the others. The planted sample is displaced from the probe
            across the probed direction: along it, it has the probe's coordinate.

    Returns:
        `Quenched`, of shape noise_variance.shape + size.shape. A lane whose critical tilt
        is below 1e-3 is NaN and OUT_OF_VALIDITY, one that misses the tolerance NaN and
        NOT_CONVERGED.

    Raises:
        InputError: for an unknown block, a law that is not one Gaussian, a planted weight that is
            not in (0, 1], or a single noise variance or size that is not valid.
    """
    manifold.require("energy", "theory 'finite_n'")
    at = manifold.setting(manifold.indicator(block), probe)
    log_sizes = as_log_sizes(num_samples, log_num_samples)
    times = as_noise_variances(noise_variance)
    if log_planted is not None and not -np.inf < log_planted <= 0:
        raise InputError(f"log_planted is {log_planted:g}; the planted weight must be above 0 and at most 1")
    planted = -np.inf if log_planted is None else float(log_planted)
    flat = np.asarray(times, dtype=float).ravel()
    valid = np.isfinite(flat) & (flat > 0)
    energies = energies_of(at, np.where(valid, flat, 1.0))
    kernel = partial(quenched_by_size, log_sizes=np.ravel(np.asarray(log_sizes)), log_planted=planted)
    rows = jax.tree.map(lambda *fields: np.stack(fields), *in_threads(kernel, energies))
    status = np.where(valid[:, None], rows.status, np.int8(Status.INVALID))
    rows = jax.tree.map(lambda row: np.where(valid[:, None], row, np.nan), rows)._replace(status=status)
    return jax.tree.map(lambda field: jnp.asarray(field.reshape(times.shape + log_sizes.shape)), rows)


def energies_of(at: Setting, times: Float[Array | np.ndarray, " times"]) -> list[Energy]:
    """The energy at every noise variance."""
    shaped = filled(np.asarray(times), TIMES)
    energies = jax.tree.map(np.asarray, _energies(padded(at), jnp.asarray(shaped)))
    return [Energy(*(leaf[index] for leaf in energies)) for index in range(len(times))]


@jax.jit
def _energies(at: Setting, times: Float[Array, " times"]) -> Energy:
    return jax.vmap(at.energy)(times)


def padded(at: Setting) -> Setting:
    """The setting with empty blocks added, so that few numbers of blocks are compiled."""
    missing = [(0, 0)] * (at.variances.ndim - 1) + [(0, -at.variances.shape[-1] % _BLOCKS)]
    rows = {name: jnp.pad(getattr(at, name), missing) for name in ("variances", "multiplicities", "indicator")}
    return replace(at, **rows)


def filled(values: Float[np.ndarray, " values"], multiple: int) -> Float[np.ndarray, " filled"]:
    """The values with the last one repeated up to a multiple of so many: few shapes, hence few compilations."""
    return np.pad(values, (0, -len(values) % multiple), mode="edge")


Result = TypeVar("Result")


def in_threads(kernel: Callable[[Any], Result], items: Sequence[Any]) -> list[Result]:
    """The kernel at every item, in threads: an energy is milliseconds of compiled work that holds no lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(kernel, items))


def quenched_by_size(energy: Energy, log_sizes: Float[np.ndarray, " sizes"], log_planted: float = -np.inf) -> Quenched:
    """`quenched` for one energy and many sizes, as NumPy arrays."""
    count = len(log_sizes)
    sizes = filled(log_sizes, SIZES)
    return jax.tree.map(lambda field: np.asarray(field)[:count], quenched_at(energy, sizes, np.float64(log_planted)))


@jax.jit
def quenched_at(energy: Energy, log_sizes: Float[Array, " sizes"], log_planted: Float[Array, ""]) -> Quenched:
    """One table of single-sample averages, and the sums of every size over it; differentiable in forward mode."""
    usable = jnp.isfinite(log_sizes) & (log_sizes > 0)
    sizes = jnp.where(usable, log_sizes, np.log(2.0))
    saddles = saddles_of(jax.lax.stop_gradient(energy))
    deep = tilt_of_size(saddles, sizes) < _SMALLEST_TILT
    # Sizes that condense too deeply do not stretch the table of the others.
    largest = jnp.max(sizes)
    smallest = jnp.min(jnp.where(deep, largest, sizes))
    table = _table(energy, saddles, jax.lax.stop_gradient(jnp.stack([smallest, largest])), log_planted)
    averages = jax.lax.map(lambda size: _averages(energy, table, size, log_planted), sizes)
    solved = jnp.where(averages.error <= _TOLERANCE, Status.CONVERGED, Status.NOT_CONVERGED)
    status = jnp.where(usable, jnp.where(deep, Status.OUT_OF_VALIDITY, solved), Status.INVALID).astype(jnp.int8)
    known = status == Status.CONVERGED
    fields = jax.tree.map(lambda field: jnp.where(known, field, jnp.nan), averages._replace(status=averages.error))
    return fields._replace(error=averages.error, status=status)


def log_ratio(mean: Array, variance: Array) -> Array:
    silent, quiet = mean == 0, variance == 0
    ratio = _log_signal_to_noise(jnp.where(silent, 1.0, mean), jnp.where(quiet, 1.0, variance))
    return jnp.where(silent, -jnp.inf, jnp.where(quiet, jnp.inf, ratio))


def _table(energy: Energy, saddles: Saddles, sizes: Float[Array, " ends"], log_planted: Float[Array, ""]) -> _Table:
    # The integrals do not depend on where their nodes are.
    points, weight = jax.lax.stop_gradient(
        nodes_of(jax.lax.stop_gradient(energy), saddles, sizes, jnp.stack([log_planted, log_planted]))
    )
    # Where a planted sample outweighs the others, the Gibbs average of y_v is near its coordinate, else near m(1).
    dominates = log_planted > -jnp.interp(-sizes[1], saddles.log_psi, saddles.xi)
    posterior = _tilted_mean(1.0, energy.time, energy.probed_variance, energy.coordinate)
    reference = jnp.where(dominates, energy.coordinate, posterior)
    return _Table(points, weight, reference, single_sample_averages(energy, reference, points))


def _averages(energy: Energy, table: _Table, log_size: Float[Array, ""], log_planted: Float[Array, ""]) -> Quenched:
    """The sums over the nodes for one size."""
    time, coordinate, reference = energy.time, energy.coordinate, table.reference
    offset = _planted_offset(coordinate, reference)
    log_phi_, m1, m1g, m1gg, m2, m2gg = table.averages
    node = (table.xi, log_size, log_phi_, log_planted)
    densities = jnp.stack(
        [
            _each(_weight_density, *node, m1),
            _each(_log_partition_density, *node, m1),
            _each(_participation_density, *node, m2),
            _each(_mean_density, *node, m1g, offset),
            _each(_second_moment_density, *node, m1gg, offset),
            _each(_squared_mean_density, *node, m1g, m2gg, offset),
            _each(_planted_density, *node),
        ]
    )
    whole = densities @ table.weight
    half = 2.0 * densities[:, ::2] @ table.weight[::2]
    total, log_partition, participation, mean, second, squared, planted = whole
    score_variance = _score_variance(squared, mean, time)
    score_mean = _score_mean(mean, time, coordinate, reference)
    change = jnp.abs(half - whole) / jnp.maximum(jnp.abs(whole), 1e-300)
    # The mean of g may vanish; what it is compared with is the spread.
    change = change.at[3].set(jnp.abs(half[3] - mean) / jnp.sqrt(jnp.maximum(second, 1e-300)))
    change = jnp.where(densities.any(axis=1), change, 0.0)
    error = jnp.maximum(jnp.abs(total - 1.0), jnp.max(change) ** 2)
    return Quenched(
        log_partition=log_partition,
        participation=participation,
        active_samples=1.0 / participation,
        score_mean=score_mean,
        score_variance=score_variance,
        signal_to_noise=jnp.exp(log_ratio(score_mean, score_variance)),
        second_moment=_second_moment(second, mean, reference),
        planted_weight=planted,
        error=error,
        status=jnp.zeros((), dtype=jnp.int8),
    )


def _each(density, *arguments: Array) -> Array:  # noqa: ANN001
    """A density at every node; arguments without an axis are the same at all of them."""
    return jax.vmap(density, in_axes=tuple(0 if argument.ndim else None for argument in arguments))(*arguments)
