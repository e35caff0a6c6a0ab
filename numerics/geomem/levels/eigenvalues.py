"""Values of -tJ that are predicted: without memorization, with the exact variance of the score, and as published."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from geomem.laws.manifold import Manifold
from geomem.laws.probe import Probe
from geomem.levels.quenched import quenched
from geomem.lowering import lower

population_eigenvalue = jnp.vectorize(lower("population_eigenvalue"))
_noisy_eigenvalue = jnp.vectorize(lower("noisy_eigenvalue"))
_published_value = lower("published_singular_value")
_published_excess = lower("published_excess")
_published_time = lower("gaussian_critical_time")
_second_cumulant = lower("second_cumulant_probed")
_sphere_second_cumulant = lower("sphere_second_cumulant_probed")


def finite_n_values(manifold: Manifold, times: Array, log_size: Array) -> Float[Array, "times blocks"]:
    spread = [
        quenched(
            manifold, block, noise_variance=times, log_num_samples=log_size, probe=Probe.random_direction()
        ).score_variance
        for block in range(manifold.num_blocks)
    ]
    dims = jnp.sum(manifold.multiplicities)
    return _noisy_eigenvalue(times[:, None], manifold.variances[None, :], dims, jnp.stack(spread, axis=-1))


@jax.jit
def published_values(manifold: Manifold, times: Array, log_size: Array) -> Float[Array, "times blocks"]:
    variances, counts = manifold.variances, manifold.multiplicities
    nothing = jnp.zeros_like(variances)  # the probe sqrt(t) v has no length beside v

    def value(time: Array, variance: Array) -> Array:
        if manifold.normalized:
            cumulant = _sphere_second_cumulant(variances, nothing, variance, time)
        else:
            cumulant = _second_cumulant(variances, counts, nothing, variance, time)
        excess = _published_excess(time, _published_time(cumulant, log_size))
        return _published_value(time, variance, jnp.maximum(excess, 0.0), variances, counts)

    return jax.vmap(lambda time: jax.vmap(lambda variance: value(time, variance))(variances))(times)
