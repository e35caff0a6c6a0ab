"""Times at which typical trajectories of the reverse process change: onset, collapse, held-out, generalization.

Every time solves an explicit size, falling in t, for the data set's; the equations are `geomem_theory`, chapters
`trajectories` and `random_manifold`.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.boundaries.explicit import spectrum_window
from geomem.core.arguments import Numbers, as_log_sizes, as_noise_variances
from geomem.core.crossing import first_crossing
from geomem.core.results import Transition, status_of, transition
from geomem.core.status import InputError, Status
from geomem.laws.classes import class_terms
from geomem.laws.manifold import Manifold
from geomem.laws.mixture import GaussianMixture
from geomem.laws.random_manifold import RandomManifold, resolvent_at
from geomem.laws.union import Law
from geomem.lowering import lower

_collapse = lower("collapse_log_size")
_onset = lower("onset_log_size")
_held_out = lower("held_out_log_size")
_half_signal = lower("onset_half_signal")
_ratio = lower("generalization_ratio")
_random_collapse = lower("random_collapse_log_size")
_random_half_signal = lower("random_half_signal")
_random_held_out = lower("random_held_out_log_size")
_random_ratio = lower("random_generalization_ratio")
_speciation = lower("speciation_time")
_radius = lower("dominance_radius")
_captured = lower("captured_log_size")
_basin = lower("flow_basin_log_size")
_basin_radius = lower("flow_basin_radius")


class TrajectoryTimes(NamedTuple):
    """Noise variances of typical trajectories, each a `Transition` of the sizes' shape.

    `onset`: a training point begins to outweigh the rest where it lies; `collapse`: so does it at its noised
    points; `held_out`: the measure condenses at fresh points; `generalization`: the noised training set is
    closest to the law; `speciation`: trajectories choose a class, NO_TRANSITION where nothing is between classes.
    """

    collapse: Transition
    onset: Transition
    held_out: Transition
    generalization: Transition
    speciation: Transition


class _Sizes(NamedTuple):
    """Sizes whose crossing with the data set's are the times, and what goes with them, at one noise variance."""

    collapse: Float[Array, ""]
    onset: Float[Array, ""]
    held_out: Float[Array, ""]
    half_signal: Float[Array, ""]
    ratio: Float[Array, ""]


def trajectory_times(
    law: Law, *, num_samples: Numbers | None = None, log_num_samples: Numbers | None = None
) -> TrajectoryTimes:
    """Onset, collapse, held-out condensation and generalization of typical trajectories.

    Asymptotic formulas for many directions; `generalization` is below the true one by 20 to 30 % at N = 20 000
    and d = 60, and only there: at finite N it may exceed the collapse time.

    Args:
        law: the data's law. For a `RandomManifold` sizes are per dimension: `log_num_samples` is ln N/d. Of a
            `GaussianMixture` the classes' information is averaged exactly, over three classes or more by
            quasi-random points (to about 1e-4 nats).
        num_samples: data-set sizes N of any shape; give this or `log_num_samples`.

    Returns:
        `TrajectoryTimes`. Source: arXiv:2402.18491 and arXiv:2502.09578 (collapse).

    Raises:
        InputError: for normalized data, or as `critical_time`.
    """
    log_sizes = checked_log_sizes(law, num_samples, log_num_samples)
    shape = np.shape(log_sizes)
    times = _solve(law, jnp.ravel(jnp.asarray(log_sizes)))
    return jax.tree.map(lambda field: field.reshape(shape), times)


def dominance_radius(
    law: Law,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
) -> Float[Array, "..."]:
    """Squared distance from a training point, in noise variances per dimension, up to which its weight leads.

    Shape: noise variances + sizes. It is 1 at collapse, 0 at onset, and negative above it. Source: `geomem_theory`,
    equation `dominance_radius`.

    Raises:
        InputError: as `trajectory_times`.
    """
    if isinstance(law, GaussianMixture):
        raise InputError("the dominance radius of a mixture is not known; take that of its manifold")
    log_sizes = checked_log_sizes(law, num_samples, log_num_samples)
    times = as_noise_variances(noise_variance)
    rows = jax.vmap(partial(_sizes, law))(jnp.ravel(jnp.asarray(times)))
    each = jax.vmap(lambda onset, signal: jax.vmap(lambda size: _radius(size, onset, signal))(jnp.ravel(log_sizes)))
    return each(rows.onset, rows.half_signal).reshape(np.shape(times) + np.shape(log_sizes))


def flow_basin_radius(
    manifold: Manifold,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
) -> Float[Array, "..."]:
    """Squared distance from a training point, in noise variances per dimension, up to which the flow ends there.

    Shape: noise variances + sizes. An asymptotic formula for many directions, 1 at collapse and falling above it;
    negative where the flow loses even the training point itself. NaN below collapse, where the samples around it
    are condensed at the edge of its basin. Source: `geomem_theory`, equation `flow_basin_radius`.

    Raises:
        InputError: as `trajectory_times`.
    """
    log_sizes = checked_log_sizes(manifold, num_samples, log_num_samples)
    times = as_noise_variances(noise_variance)
    radii = _flow_radii(manifold, jnp.ravel(jnp.asarray(times)), jnp.ravel(jnp.asarray(log_sizes)))
    return radii.reshape(np.shape(times) + np.shape(log_sizes))


@jax.jit
def _flow_radii(
    manifold: Manifold, times: Float[Array, " times"], log_sizes: Float[Array, " sizes"]
) -> Float[Array, "times sizes"]:
    spectrum = (manifold.variances, manifold.multiplicities)
    limits, num_cells = spectrum_window(jnp.max(manifold.variances))

    def of_time(time: Array) -> Array:
        log_time = jnp.log(time)
        lowest = jnp.minimum(limits[0], log_time)
        crossing = first_crossing(
            lambda later: _basin(time, jnp.exp(later), *spectrum), log_sizes, lowest, log_time, num_cells
        )
        later = jnp.exp(crossing.point)
        captured = jax.vmap(lambda one: _captured(time, one, *spectrum))(later)
        signal = _half_signal(time, *spectrum)
        radii = jax.vmap(lambda one, *sizes: _basin_radius(time, one, *sizes, signal))(later, log_sizes, captured)
        return jnp.where(crossing.found, radii, jnp.nan)

    return jax.vmap(of_time)(times)


def checked_log_sizes(law: Law, num_samples: Numbers | None, log_num_samples: Numbers | None) -> Array | np.ndarray:
    """ln N, or for a random manifold ln N/d.

    Raises:
        InputError: for normalized data, or sizes that are none.
    """
    if not isinstance(law, RandomManifold):
        if isinstance(law, Manifold) and law.normalized:
            raise InputError("trajectories of normalized data are not known; use a manifold with normalized=False")
        return as_log_sizes(num_samples, log_num_samples)
    if num_samples is not None or log_num_samples is None:
        raise InputError("sizes for a random manifold are per dimension; give log_num_samples = ln N/d")
    sizes = jnp.asarray(np.asarray(log_num_samples, dtype=float))
    if sizes.ndim == 0 and not 0 < float(sizes) < np.inf:
        raise InputError(f"log_num_samples is {float(sizes):g}; per dimension it must be positive and finite")
    return sizes


@jax.jit
def collapse_log_sizes(law: Law, times: Float[Array, " times"]) -> Float[Array, " times"]:
    """The mutual information of a sample and its noised point at every noise variance, per dimension as ln N is."""
    return jax.vmap(lambda time: _sizes(law, time).collapse)(times)


def _sizes(law: Law, time: Float[Array, ""]) -> _Sizes:
    if isinstance(law, Manifold):
        spectrum = (time, law.variances, law.multiplicities)
        return _Sizes(*(each(*spectrum) for each in (_collapse, _onset, _held_out, _half_signal, _ratio)))
    if isinstance(law, GaussianMixture):
        # K of the mixture is that of a probe's own class and the classes' excess, in every size.
        own, terms = _sizes(law.manifold, time), class_terms(law, time)
        return _Sizes(
            collapse=own.collapse - terms.noised,
            onset=own.onset - terms.fresh,
            held_out=own.held_out - terms.fresh + terms.fresh_slope,
            half_signal=own.half_signal,
            ratio=own.ratio - 2.0 * terms.fresh_slope / jnp.sum(law.manifold.multiplicities),
        )
    number, slope = resolvent_at(law, time)
    collapse = _random_collapse(time, number, law.latent_ratio, law.variances, law.weights)
    signal = _random_half_signal(time, number)
    held_out = _random_held_out(time, number, slope, collapse)
    return _Sizes(collapse, collapse + signal, held_out, signal, _random_ratio(time, slope))


@jax.jit
def _solve(law: Law, log_sizes: Float[Array, " sizes"]) -> TrajectoryTimes:
    limits, num_cells = spectrum_window(_largest_variance(law))

    def where(name: str) -> Transition:
        def size(log_time: Array) -> Array:
            return getattr(_sizes(law, jnp.exp(log_time)), name)

        crossing = first_crossing(size, log_sizes, limits[0], limits[1], num_cells)
        residual = jax.vmap(size)(crossing.point) - log_sizes
        valid = jnp.isfinite(log_sizes) & (log_sizes > 0)
        status = status_of(valid, crossing.found, -residual, log_sizes, jnp.array(True))
        ends = (jnp.exp(crossing.lower), jnp.exp(crossing.upper))
        return transition(crossing.point, status, -residual, *ends, crossing.iterations)

    held_out = where("held_out")
    factor = jax.vmap(lambda time: _sizes(law, time).ratio)(jnp.nan_to_num(held_out.value, nan=1.0))
    generalization = held_out._replace(
        value=held_out.value * factor,
        log_value=held_out.log_value + jnp.log(factor),
        lower=held_out.lower * factor,
        upper=held_out.upper * factor,
    )
    return TrajectoryTimes(where("collapse"), where("onset"), held_out, generalization, _speciate(law, log_sizes))


def _largest_variance(law: Law) -> Float[Array, ""]:
    return jnp.max(law.variances) if isinstance(law, Manifold) else law.largest_variance


def _speciate(law: Law, log_sizes: Float[Array, " sizes"]) -> Transition:
    """Where trajectories choose a class, which does not depend on the size."""
    shape = log_sizes.shape
    time = jnp.array(0.0)
    if isinstance(law, GaussianMixture):
        time = _speciation(law.weights, law.offsets)
    found = time > 0
    log_value = jnp.broadcast_to(jnp.log(jnp.where(found, time, 1.0)), shape)
    status = jnp.full(shape, jnp.where(found, Status.CONVERGED, Status.NO_TRANSITION), dtype=jnp.int8)
    value = jnp.exp(log_value)
    return transition(log_value, status, jnp.zeros(shape), value, value, jnp.zeros(shape, dtype=int))
