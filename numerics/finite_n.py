"""Averages over data sets at finite N: one table of single-sample averages, one sum per size.

The table's nodes in xi = ln u follow the saddle points of the single-sample transform,
dense where it varies fast and sparse where it does not, and serve every size; N enters
only in the sum over the nodes. Equations: `theory`, chapter `finite_n`.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8

from numerics.contour import Averages, Law, exponent, law_of, single_sample_averages
from numerics.criteria import Setting, setting
from numerics.critical import as_log_sizes, as_noise_variances
from numerics.lowering import lower
from numerics.manifold import Manifold
from numerics.probe import Probe
from numerics.solution import Numbers
from numerics.status import InputError, Status
from theory.symbols import (
    M_1,
    M_2,
    Y_2,
    M_1g,
    M_1gg,
    M_2gg,
    avg_g,
    avg_g_squared,
    avg_gg,
    g_1,
    lam,
    log_a,
    log_N,
    log_phi,
    quenched_score,
    quenched_variance,
    s_v,
    t,
    x_v,
    xi,
    y_0,
)

_node = (xi, log_N, log_phi, log_a)
_weight_density = lower("weight_density", (*_node, M_1))
_participation_density = lower("participation_density", (*_node, M_2))
_log_partition_density = lower("log_partition_density", (*_node, M_1))
_mean_density = lower("mean_density", (*_node, M_1g, g_1))
_second_moment_density = lower("second_moment_density", (*_node, M_1gg, g_1))
_squared_mean_density = lower("squared_mean_density", (*_node, M_1g, M_2gg, g_1))
_planted_density = lower("planted_density", _node)
_tilted_mean = lower("tilted_mean", (lam, t, s_v, x_v))
_planted_offset = lower("planted_offset", (x_v, y_0))
_score_mean = lower("quenched_score_mean", (avg_g, t, x_v, y_0))
_score_variance = lower("quenched_score_variance", (avg_g_squared, avg_g, t))
_second_moment = lower("quenched_second_moment", (avg_gg, avg_g, y_0))
_participation_balance = lower("participation_balance", (Y_2,))
_log_signal_to_noise = lower("quenched_log_signal_to_noise", (quenched_score, quenched_variance))

# Noise variances, sizes and blocks are padded to multiples of these: few shapes are compiled.
TIMES, _SIZES, _BLOCKS = 16, 16, 4
# Nodes of the integral over xi, and how far into its tails it goes, in e-folds.
_NODES = 1025
_TAIL = 38.0
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


class Saddles(NamedTuple):
    """Saddle points of the transform's integrand between its poles at -1 and 0, rising in xi."""

    tilt: Float[Array, " saddles"]  # minus the saddle point; the local power of u in 1 - phi
    xi: Float[Array, " saddles"]
    action: Float[Array, " saddles"]  # ln(1 - phi) to leading order
    log_psi: Float[Array, " saddles"]  # the same with the Gaussian fluctuation around the saddle point


class _Table(NamedTuple):
    """Single-sample averages at nodes in xi, and the nodes' weights in an integral over xi."""

    xi: Float[Array, " nodes"]
    weight: Float[Array, " nodes"]
    reference: Float[Array, ""]  # that g is measured from
    averages: Averages


def quenched(
    manifold: Manifold,
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
        InputError: for an unknown block, a normalized manifold, a planted weight that is
            not in (0, 1], or a single noise variance or size that is not valid.
    """
    if manifold.normalized:
        raise InputError("theory 'finite_n' does not know normalized data; use a manifold with normalized=False")
    at = setting(manifold, manifold.indicator(block), probe)
    log_sizes = as_log_sizes(num_samples, log_num_samples)
    times = as_noise_variances(noise_variance)
    if log_planted is not None and not -np.inf < log_planted <= 0:
        raise InputError(f"log_planted is {log_planted:g}; the planted weight must be above 0 and at most 1")
    planted = -np.inf if log_planted is None else float(log_planted)
    flat = np.asarray(times, dtype=float).ravel()
    valid = np.isfinite(flat) & (flat > 0)
    laws = laws_of(at, np.where(valid, flat, 1.0))
    kernel = partial(quenched_law, log_sizes=np.ravel(np.asarray(log_sizes)), log_planted=planted)
    rows = jax.tree.map(lambda *fields: np.stack(fields), *over_laws(kernel, laws))
    status = np.where(valid[:, None], rows.status, np.int8(Status.INVALID))
    rows = jax.tree.map(lambda row: np.where(valid[:, None], row, np.nan), rows)._replace(status=status)
    return jax.tree.map(lambda field: jnp.asarray(field.reshape(times.shape + log_sizes.shape)), rows)


def laws_of(at: Setting, times: Float[Array | np.ndarray, " times"]) -> list[Law]:
    """The law at every noise variance."""
    shaped = filled(np.asarray(times), TIMES)
    laws = jax.tree.map(np.asarray, _laws(padded(at), jnp.asarray(shaped)))
    return [Law(*(leaf[index] for leaf in laws)) for index in range(len(times))]


@jax.jit
def _laws(at: Setting, times: Float[Array, " times"]) -> Law:
    return jax.vmap(partial(law_of, at))(times)


def padded(at: Setting) -> Setting:
    """The setting with empty blocks added, so that few numbers of blocks are compiled."""
    missing = -len(at.variances) % _BLOCKS
    rows = (jnp.pad(row, (0, missing)) for row in (at.variances, at.multiplicities, at.indicator))
    return Setting(*rows, at.probed_variance, at.probe)


def filled(values: Float[np.ndarray, " values"], multiple: int) -> Float[np.ndarray, " filled"]:
    """The values with the last one repeated up to a multiple of so many: few shapes, hence few compilations."""
    return np.pad(values, (0, -len(values) % multiple), mode="edge")


Result = TypeVar("Result")


def over_laws(kernel: Callable[[Any], Result], items: Sequence[Any]) -> list[Result]:
    """The kernel at every item, in threads: a law is milliseconds of compiled work that holds no lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(kernel, items))


def quenched_law(law: Law, log_sizes: Float[np.ndarray, " sizes"], log_planted: float = -np.inf) -> Quenched:
    """`quenched` for one law and many sizes, as NumPy arrays."""
    count = len(log_sizes)
    sizes = filled(log_sizes, _SIZES)
    return jax.tree.map(lambda field: np.asarray(field)[:count], _quenched_law(law, sizes, np.float64(log_planted)))


@jax.jit
def _quenched_law(law: Law, log_sizes: Float[Array, " sizes"], log_planted: Float[Array, ""]) -> Quenched:
    """One table of single-sample averages, and the sums of every size over it; differentiable in forward mode."""
    usable = jnp.isfinite(log_sizes) & (log_sizes > 0)
    sizes = jnp.where(usable, log_sizes, np.log(2.0))
    saddles = saddles_of(jax.lax.stop_gradient(law))
    deep = _tilt_of_size(saddles, sizes) < _SMALLEST_TILT
    # Sizes that condense too deeply do not stretch the table of the others.
    largest = jnp.max(sizes)
    smallest = jnp.min(jnp.where(deep, largest, sizes))
    table = _table(law, saddles, jax.lax.stop_gradient(jnp.stack([smallest, largest])), log_planted)
    averages = jax.lax.map(lambda size: _averages(law, table, size, log_planted), sizes)
    solved = jnp.where(averages.error <= _TOLERANCE, Status.CONVERGED, Status.NOT_CONVERGED)
    status = jnp.where(usable, jnp.where(deep, Status.OUT_OF_VALIDITY, solved), Status.INVALID).astype(jnp.int8)
    known = status == Status.CONVERGED
    fields = jax.tree.map(lambda field: jnp.where(known, field, jnp.nan), averages._replace(status=averages.error))
    return fields._replace(error=averages.error, status=status)


def balances(law: Law, log_sizes: Float[np.ndarray, " sizes"], criterion: str) -> Float[np.ndarray, " sizes"]:
    """ln R, or -ln(2 Y_2): zero at the transition and positive where a direction is resolved."""
    rows = quenched_law(law, log_sizes)
    return np.asarray(_balance(rows, criterion))


def balances_with_slopes(
    law: Law, tangents: Law, log_sizes: Float[np.ndarray, " sizes"], criterion: str
) -> tuple[Float[np.ndarray, " sizes"], Float[np.ndarray, "tangents sizes"]]:
    """The same, and its derivatives along tangents to the law, stacked on a leading axis."""
    count = len(log_sizes)
    sizes = filled(log_sizes, _SIZES)
    values, slopes = _balances_with_slopes(law, tangents, sizes, criterion)
    return np.asarray(values)[:count], np.asarray(slopes)[:, :count]


@partial(jax.jit, static_argnames="criterion")
def _balances_with_slopes(law: Law, tangents: Law, sizes: Array, criterion: str) -> tuple[Array, Array]:
    def balance(law: Law) -> Array:
        return _balance(_quenched_law(law, sizes, jnp.array(-jnp.inf)), criterion)

    # The values do not depend on the tangent, and are not computed twice.
    return jax.vmap(lambda tangent: jax.jvp(balance, (law,), (tangent,)), out_axes=(None, 0))(tangents)


@partial(jax.jit, static_argnames="criterion")
def _balance(rows: Quenched, criterion: str) -> Array:
    if criterion == "participation":
        return jax.vmap(_participation_balance)(rows.participation)
    return jax.vmap(_log_ratio)(rows.score_mean, rows.score_variance)


def _log_ratio(mean: Array, variance: Array) -> Array:
    silent, quiet = mean == 0, variance == 0
    ratio = _log_signal_to_noise(jnp.where(silent, 1.0, mean), jnp.where(quiet, 1.0, variance))
    return jnp.where(silent, -jnp.inf, jnp.where(quiet, jnp.inf, ratio))


def _saddle(law: Law, vertex: Float[Array, "..."]) -> tuple[Array, Array]:
    """xi and action of the saddle point at a vertex on the real axis: a Legendre transform of the exponent."""
    value, slope = jax.jvp(lambda point: exponent(law, 0, point), (vertex,), (jnp.ones_like(vertex),))
    return slope, value - vertex * slope


def _saddle_table(law: Law, vertex: Float[Array, " saddles"]) -> tuple[Array, Array, Array]:
    """xi, action, and the action with the fluctuation around the saddle point, of many vertices."""
    (xi_, action), (curvature, _) = jax.jvp(partial(_saddle, law), (vertex,), (jnp.ones_like(vertex),))
    return xi_, action, action - 0.5 * jnp.log(2.0 * np.pi * curvature)


def saddles_of(law: Law) -> Saddles:
    tilt = jax.nn.sigmoid(jnp.linspace(14.0, -14.0, 800))
    return Saddles(tilt, *_saddle_table(law, -tilt))


def _tilt_of_size(saddles: Saddles, log_size: Float[Array, "..."]) -> Float[Array, "..."]:
    """Tilt at which 1 - phi = 1/N: min(1, lambda_c) up to logarithms."""
    return jnp.interp(-log_size, saddles.log_psi, saddles.tilt)


def nodes_of(
    law: Law, saddles: Saddles, sizes: Float[Array, " ends"], log_planted: Float[Array, " ends"]
) -> tuple[Float[Array, " nodes"], Float[Array, " nodes"]]:
    """Nodes in xi and their weights, uniform in a coordinate whose slope in xi is tilt + floor.

    They serve every size, and every weight of a planted sample, between the ends, the least first.
    1 - phi varies on the scale of one over the tilt, and phi, in its tail, on that of one over the floor.
    """
    smallest, largest = sizes[0], sizes[1]
    planted = log_planted[0] > -jnp.inf
    spread = jnp.sqrt(jnp.sum(jnp.where(law.variances > 0, law.multiplicities, 0.0)) / 2)
    # The planted sample's factor exp(-u w) varies on the scale of one.
    floor = jnp.where(planted, 1.0, jnp.minimum(1.0, law.branch_point / (1.0 + spread)))

    low = jnp.interp(-largest - _TAIL, saddles.log_psi, saddles.xi)
    high = _upper_end(law, saddles, smallest)
    low = jnp.where(planted, jnp.minimum(low, -log_planted[1] - _TAIL), low)
    high = jnp.where(planted, jnp.minimum(high, -log_planted[0] + np.log(_TAIL)), high)

    coordinate = saddles.action + floor * saddles.xi
    ends = jnp.interp(jnp.stack([low, high]), saddles.xi, coordinate)
    wanted = jnp.linspace(ends[0], ends[1], _NODES)
    logit = jnp.interp(wanted, coordinate, jax.scipy.special.logit(saddles.tilt))

    def place(logit: Array) -> Array:
        xi_, action = _saddle(law, -jax.nn.sigmoid(logit))
        return action + floor * xi_

    def newton(_: Array, logit: Array) -> Array:
        value, slope = jax.jvp(place, (logit,), (jnp.ones_like(logit),))
        return logit - (value - wanted) / slope

    logit = jax.lax.fori_loop(0, 4, newton, logit)
    tilt = jax.nn.sigmoid(logit)
    points, _ = _saddle(law, -tilt)
    return points, (wanted[1] - wanted[0]) / (tilt + floor)


def _upper_end(law: Law, saddles: Saddles, log_size: Float[Array, ""]) -> Float[Array, ""]:
    """xi at which phi^(N - 1) has vanished."""
    others = jnp.maximum(jnp.exp(log_size) - 1.0, 1.0)
    needed = 1.3 * _TAIL / others  # -ln phi there; the margin is for the error of the saddle-point estimate
    # By the saddle points of phi - 1, good where that is small, and by those of phi, good where phi is; the later one.
    by_psi = jnp.interp(jnp.log(-jnp.expm1(-jnp.minimum(needed, 1.0))), saddles.log_psi, saddles.xi)
    vertex = jnp.minimum(law.branch_point, 200.0) * jax.nn.sigmoid(jnp.linspace(-12.0, 12.0, 400))
    xi_, _, log_phi_ = _saddle_table(law, vertex)
    by_phi = jnp.interp(needed, jax.lax.cummax(-log_phi_), xi_)
    return jnp.where(needed > 0.2, jnp.maximum(by_psi, by_phi), by_psi)


def _table(law: Law, saddles: Saddles, sizes: Float[Array, " ends"], log_planted: Float[Array, ""]) -> _Table:
    # The integrals do not depend on where their nodes are.
    points, weight = jax.lax.stop_gradient(
        nodes_of(jax.lax.stop_gradient(law), saddles, sizes, jnp.stack([log_planted, log_planted]))
    )
    # Where a planted sample outweighs the others, the Gibbs average of y_v is near its coordinate, else near m(1).
    dominates = log_planted > -jnp.interp(-sizes[1], saddles.log_psi, saddles.xi)
    posterior = _tilted_mean(1.0, law.time, law.probed_variance, law.coordinate)
    reference = jnp.where(dominates, law.coordinate, posterior)
    return _Table(points, weight, reference, single_sample_averages(law, reference, points))


def _averages(law: Law, table: _Table, log_size: Float[Array, ""], log_planted: Float[Array, ""]) -> Quenched:
    """The sums over the nodes for one size."""
    time, coordinate, reference = law.time, law.coordinate, table.reference
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
        signal_to_noise=jnp.exp(_log_ratio(score_mean, score_variance)),
        second_moment=_second_moment(second, mean, reference),
        planted_weight=planted,
        error=error,
        status=jnp.zeros((), dtype=jnp.int8),
    )


def _each(density, *arguments: Array) -> Array:  # noqa: ANN001
    """A density at every node; arguments without an axis are the same at all of them."""
    return jax.vmap(density, in_axes=tuple(0 if argument.ndim else None for argument in arguments))(*arguments)
