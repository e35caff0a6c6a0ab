"""Values of -tJ that are predicted block by block: without memorization, root mean squares, and as published."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from geomem.laws.manifold import Manifold
from geomem.laws.probe import Probe
from geomem.levels.quenched import quenched
from geomem.lowering import lower

_population_eigenvalue = jnp.vectorize(lower("population_eigenvalue"))
_noisy_eigenvalue = jnp.vectorize(lower("noisy_eigenvalue"))
_published_value = lower("published_singular_value")
_published_excess = lower("published_excess")
_published_time = lower("gaussian_critical_time")
_second_cumulant = lower("second_cumulant_probed")
_sphere_second_cumulant = lower("sphere_second_cumulant_probed")


class Prediction(NamedTuple):
    """A predicted spectrum: the values of every block, whether they depend on the size, and what it must know."""

    values: Callable[..., Float[Array, "times blocks"]]
    of_size: bool
    needs: str


def _population(manifold: Manifold, times: Float[Array, " times"]) -> Float[Array, "times blocks"]:
    return _population_eigenvalue(times[:, None], manifold.variances[None, :])


def _root_mean_square(
    manifold: Manifold, times: Float[Array, " times"], log_size: Float[Array, ""]
) -> Float[Array, "times blocks"]:
    probe, dims = Probe.random_direction(), jnp.sum(manifold.multiplicities)

    def of_block(block: int) -> Float[Array, " times"]:
        found = quenched(manifold, block, noise_variance=times, log_num_samples=log_size, probe=probe)
        return _noisy_eigenvalue(times, dims, found.score_mean, found.score_variance)

    return jnp.stack([of_block(block) for block in range(manifold.num_blocks)], axis=-1)


@jax.jit
def _published(
    manifold: Manifold, times: Float[Array, " times"], log_size: Float[Array, ""]
) -> Float[Array, "times blocks"]:
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


PREDICTIONS = {
    "population": Prediction(_population, of_size=False, needs="one_gaussian"),
    "root_mean_square": Prediction(_root_mean_square, of_size=True, needs="one_gaussian"),
    "published": Prediction(_published, of_size=True, needs="second_cumulant"),
}
