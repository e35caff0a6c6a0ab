"""Averages over data sets at finite N, for many noise variances and sizes, with derivatives.

Equations: `geomem_theory`, chapter `finite_n`.
"""

from dataclasses import replace
from functools import cache, partial
from operator import itemgetter

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, as_log_sizes, as_noise_variances
from geomem.core.derivatives import Values, is_traced, with_slopes
from geomem.core.kinds import one_number
from geomem.core.status import InputError, Status
from geomem.laws.law import Law
from geomem.laws.points import PointSetting, asks_for_points, point_setting
from geomem.laws.probe import PointProbe, Probe
from geomem.laws.setting import SampleEnergy, Setting
from geomem.levels.lanes import SIZES, TIMES, filled, in_threads, refined
from geomem.levels.pool import averages_at
from geomem.levels.seen import averages_at_points
from geomem.levels.sums import Quenched

_BLOCKS = 4  # blocks are padded to a multiple of so many


def quenched(
    manifold: Law,
    block: int | np.integer | Numbers,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    probe: Probe = Probe.along(),
    log_planted: float | int | None = None,
    local_variance: Numbers | None = None,
) -> Quenched:
    """Averages over data sets of N samples, at every N.

    Args:
        manifold: the data's law.
        block: the block that holds the probed direction, from 0; or unit vectors, (dims,) or (directions, dims).
        noise_variance: noise variances t, in squared units of the data.
        num_samples: data-set sizes N; give this or `log_num_samples` = ln N.
        probe: where the score is evaluated.
        log_planted: logarithm of the Boltzmann weight of one more, planted sample, at
            most 0. N counts the others. The planted sample is displaced from the probe
            across the probed direction: along it, it has the probe's coordinate.
        local_variance: the direction's own variance, by default that of its block; as for `critical_time`.

    Returns:
        `Quenched`, of shape noise_variance.shape + size.shape; with unit vectors in rows an axis of directions is
        before these, and with a probe of several points an axis of points before that. A lane whose error may be above
        1e-6 is NaN and NOT_CONVERGED; most errors are below 1e-9, and no such lane is known for t/s between 1e-100 and
        1e100. Differentiable in the manifold's variances, the local variance, t, ln N and the probe's amplitude, by
        forward mode through the integrals, and `jax.jit` and `jax.vmap` apply; not for unit vectors and given points.

    Raises:
        InputError: for an unknown block, a law that the level does not know, directions that are no unit vectors, a
            planted weight that is not in (0, 1], a local variance that is not positive and finite, or a single noise
            variance or size that is not valid.
    """
    from_points = asks_for_points(manifold, block, probe)
    log_sizes = as_log_sizes(num_samples, log_num_samples)
    times = as_noise_variances(noise_variance)
    if log_planted is not None and not -np.inf < one_number(log_planted, "log_planted") <= 0:
        raise InputError(f"log_planted is {log_planted:g}; the planted weight must be above 0 and at most 1")
    planted = -np.inf if log_planted is None else float(log_planted)
    if from_points:
        seen, several = point_setting(manifold, block, probe, local_variance)
        return _at_points(seen, several, times, log_sizes, planted)
    manifold.require("energy", "theory 'finite_n'")
    manifold.check_place(probe, "theory 'finite_n'")
    indicator = manifold.indicator(block)  # ty: ignore[invalid-argument-type]
    at = manifold.setting(indicator, probe).of_variance(local_variance)
    if is_traced((at, times, log_sizes)):
        rows = _traced(at, jnp.ravel(jnp.asarray(times)), jnp.ravel(jnp.asarray(log_sizes)), planted)
    else:
        rows = _averaged(at, np.ravel(np.asarray(times, dtype=float)), np.ravel(np.asarray(log_sizes)), planted)
    return jax.tree.map(lambda field: jnp.asarray(field).reshape(times.shape + log_sizes.shape), rows)


def _at_points(
    at: PointSetting, several: bool, times: Array | np.ndarray, log_sizes: Array | np.ndarray, log_planted: float
) -> Quenched:
    """The averages at the probe's points along the directions."""
    if is_traced((at, times, log_sizes)):
        raise InputError("averages at given points are not traced by JAX; call them outside of jit, grad and vmap")
    flat, sizes = np.ravel(np.asarray(times, dtype=float)), np.ravel(np.asarray(log_sizes, dtype=float))
    valid = np.isfinite(flat) & (flat > 0)
    known = np.where(valid, flat, 1.0)
    rows = averages_at_points(at, known, sizes, log_planted)
    status = np.where(valid[:, None], rows.status, np.int8(Status.INVALID))
    rows = jax.tree.map(lambda row: np.where(valid[:, None], row, np.nan), rows)._replace(status=status)
    lead = (len(at.base),) if isinstance(at.probe, PointProbe) and not at.probe.single else ()
    lead += (len(at.directions),) if several else ()
    return jax.tree.map(lambda field: jnp.asarray(field).reshape(lead + times.shape + log_sizes.shape), rows)


def _averaged(
    at: Setting, times: Float[np.ndarray, " times"], log_sizes: Float[np.ndarray, " sizes"], log_planted: float
) -> Quenched:
    valid = np.isfinite(times) & (times > 0)
    energies = energies_of(at, np.where(valid, times, 1.0))
    kernel = partial(quenched_by_size, log_sizes=log_sizes, log_planted=log_planted)
    rows = jax.tree.map(lambda *fields: np.stack(fields), *in_threads(kernel, energies))
    status = np.where(valid[:, None], rows.status, np.int8(Status.INVALID))
    return jax.tree.map(lambda row: np.where(valid[:, None], row, np.nan), rows)._replace(status=status)


def _traced(
    at: Setting, times: Float[Array, " times"], log_sizes: Float[Array, " sizes"], log_planted: float
) -> Quenched:
    """The same by JAX alone, for `jit`, `vmap` and derivatives."""
    valid = jnp.isfinite(times) & (times > 0)
    function = _differentiable(log_planted)
    rows = jax.lax.map(lambda time: function(at.energy(time), log_sizes), jnp.where(valid, times, 1.0))
    status = jnp.where(valid[:, None], rows.status, float(Status.INVALID)).astype(jnp.int8)
    return jax.tree.map(lambda row: jnp.where(valid[:, None], row, jnp.nan), rows)._replace(status=status)


@cache
def _differentiable(log_planted: float) -> Values:
    """`averages_at` with derivatives in both modes."""
    return with_slopes(partial(_floats, log_planted), partial(_slopes, log_planted))


def _floats(log_planted: float, energy: SampleEnergy, log_sizes: Float[Array, " sizes"]) -> Quenched:
    """All averages, the status among them as a float, which has a derivative."""
    rows = averages_at(energy, log_sizes, jnp.asarray(log_planted), jnp.array(1.0))
    return rows._replace(status=rows.status.astype(float))


@partial(jax.jit, static_argnums=0)
def _slopes(
    log_planted: float, energy: SampleEnergy, log_sizes: Float[Array, " sizes"], found: Quenched
) -> tuple[Quenched, Quenched]:
    """Derivatives in all that an energy is given by, and in ln N, of which every size has its own."""
    flat, back = ravel_pytree(energy)
    function = partial(_floats, log_planted)
    by_energy = jax.jacfwd(lambda numbers: function(back(numbers), log_sizes))(flat)
    by_size = jax.jvp(partial(function, energy), (log_sizes,), (jnp.ones_like(log_sizes),))[1]
    return by_energy, by_size


def energies_of(at: Setting, times: Float[Array | np.ndarray, " times"]) -> list[SampleEnergy]:
    """The energy at every noise variance."""
    shaped = filled(np.asarray(times), TIMES)
    energies = jax.tree.map(np.asarray, _energies(padded(at), jnp.asarray(shaped)))
    return [jax.tree.map(itemgetter(index), energies) for index in range(len(times))]


@jax.jit
def _energies(at: Setting, times: Float[Array, " times"]) -> SampleEnergy:
    return jax.vmap(at.energy)(times)


def padded(at: Setting) -> Setting:
    """The setting with empty blocks added, so that few numbers of blocks are compiled."""
    missing = [(0, 0)] * (at.variances.ndim - 1) + [(0, -at.variances.shape[-1] % _BLOCKS)]
    rows = {name: jnp.pad(getattr(at, name), missing) for name in ("variances", "multiplicities", "indicator")}
    return replace(at, **rows)


def quenched_by_size(
    energy: SampleEnergy, log_sizes: Float[np.ndarray, " sizes"], log_planted: float = -np.inf
) -> Quenched:
    """`quenched` for one energy and many sizes, as NumPy arrays."""
    at = partial(averages_at, energy, filled(log_sizes, SIZES), np.float64(log_planted))
    rows = refined(at, lambda rows: np.asarray(rows.status) == Status.NOT_CONVERGED)
    return jax.tree.map(lambda field: np.asarray(field)[: len(log_sizes)], rows)
