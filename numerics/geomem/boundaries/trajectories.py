"""Times at which typical trajectories of the reverse process change: onset, collapse, held-out, generalization.

Every time solves an explicit size, falling in t, for the data set's; the equations are `geomem_theory`, chapters
`trajectories` and `random_manifold`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.boundaries.explicit import spectrum_window
from geomem.core.arguments import Numbers, as_noise_variances
from geomem.core.crossing import first_crossing
from geomem.core.results import Transition, status_of, transition
from geomem.core.status import Status
from geomem.laws.law import Law, check_law
from geomem.lowering import lower

_half_signal = lower("onset_half_signal")
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


def trajectory_times(
    law: Law, *, num_samples: Numbers | None = None, log_num_samples: Numbers | None = None
) -> TrajectoryTimes:
    """Onset, collapse, held-out condensation and generalization of typical trajectories.

    Asymptotic formulas for many directions; `generalization` is below the true one by 20 to 30 % at N = 20 000
    and d = 60, and only there: at finite N it may exceed the collapse time.

    Args:
        law: the data's law. For a `RandomManifold` sizes are per dimension: `log_num_samples` is ln N/d. Of a
            `GaussianMixture` the classes' information is averaged exactly, over three classes or more by
            quasi-random points (to about 1e-4 nats); of one with several covariances all is averaged over 512 samples
            (to some tenths of a nat).
        num_samples: data-set sizes N of any shape; give this or `log_num_samples`.

    Returns:
        `TrajectoryTimes`. Source: arXiv:2402.18491 and arXiv:2502.09578 (collapse).

    Raises:
        InputError: for normalized data, or as `critical_time`.

    Example: in noise variances, and in steps of DDPM.

        >>> from geomem import Discrete, Manifold, trajectory_times
        >>> times = trajectory_times(Manifold([1.0, 0.09, 1e-4], [2, 5, 23]), num_samples=1000)
        >>> ddpm = Discrete.linear()
        >>> for t in (times.onset.value, times.collapse.value):
        ...     print(f"t = {t:.5f}, step {ddpm.step(t)}")
        t = 0.07627, step 80
        t = 0.03142, step 50
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

    Shape: noise variances + sizes. It is 1 at collapse, 0 at onset, and negative above it; of a `GaussianMixture`
    only the sign has a meaning there. An asymptotic formula for many directions, as `trajectory_times`. Source:
    `geomem_theory`, equations `dominance_radius` and `mixture_dominance_log_size`.

    Raises:
        InputError: as `trajectory_times`.
    """
    check_law(law)
    law.require("dominance_radius", "the dominance radius")
    log_sizes = checked_log_sizes(law, num_samples, log_num_samples)
    times = as_noise_variances(noise_variance)
    radii = _dominance_radii(law, jnp.ravel(jnp.asarray(times)), jnp.ravel(jnp.asarray(log_sizes)))
    return radii.reshape(np.shape(times) + np.shape(log_sizes))


@jax.jit
def _dominance_radii(
    law: Law, times: Float[Array, " times"], log_sizes: Float[Array, " sizes"]
) -> Float[Array, "times sizes"]:
    # One by one: of classes every one is an average over thousands of nodes, at many distances.
    return jax.lax.map(lambda time: law.dominance_radii(time, log_sizes), times)


def flow_basin_radius(
    manifold: Law,
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
    check_law(manifold)
    manifold.require("one_gaussian", "the radius of the flow's basins")
    log_sizes = checked_log_sizes(manifold, num_samples, log_num_samples)
    times = as_noise_variances(noise_variance)
    radii = _flow_radii(manifold, jnp.ravel(jnp.asarray(times)), jnp.ravel(jnp.asarray(log_sizes)))
    return radii.reshape(np.shape(times) + np.shape(log_sizes))


@jax.jit
def _flow_radii(
    manifold: Law, times: Float[Array, " times"], log_sizes: Float[Array, " sizes"]
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
        InputError: for a law whose trajectories are not known, or sizes that are none.
    """
    check_law(law)
    law.require("typical_sizes", "the theory of trajectories")
    return law.log_sizes(num_samples, log_num_samples)


@jax.jit
def _solve(law: Law, log_sizes: Float[Array, " sizes"]) -> TrajectoryTimes:
    limits, num_cells = spectrum_window(law.largest_variance)

    def where(name: str) -> Transition:
        def size(log_time: Array) -> Array:
            return getattr(law.typical_sizes(jnp.exp(log_time)), name)

        crossing = first_crossing(size, log_sizes, limits[0], limits[1], num_cells)
        residual = jax.vmap(size)(crossing.point) - log_sizes
        valid = jnp.isfinite(log_sizes) & (log_sizes > 0)
        status = status_of(valid, crossing.found, -residual, log_sizes, jnp.array(True))
        ends = (jnp.exp(crossing.lower), jnp.exp(crossing.upper))
        return transition(crossing.point, status, -residual, *ends, crossing.iterations)

    held_out = where("held_out")
    factor = jax.vmap(lambda time: law.typical_sizes(time).ratio)(jnp.nan_to_num(held_out.value, nan=1.0))
    generalization = held_out._replace(
        value=held_out.value * factor,
        log_value=held_out.log_value + jnp.log(factor),
        lower=held_out.lower * factor,
        upper=held_out.upper * factor,
    )
    return TrajectoryTimes(where("collapse"), where("onset"), held_out, generalization, _speciate(law, log_sizes))


def _speciate(law: Law, log_sizes: Float[Array, " sizes"]) -> Transition:
    """Where trajectories choose a class, which does not depend on the size."""
    shape = log_sizes.shape
    time = law.speciation_time()
    found = time > 0
    log_value = jnp.broadcast_to(jnp.log(jnp.where(found, time, 1.0)), shape)
    status = jnp.full(shape, jnp.where(found, Status.CONVERGED, Status.NO_TRANSITION), dtype=jnp.int8)
    value = jnp.exp(log_value)
    return transition(log_value, status, jnp.zeros(shape), value, value, jnp.zeros(shape, dtype=int))
