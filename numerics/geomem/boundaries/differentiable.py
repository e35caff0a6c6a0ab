"""Derivatives of critical times that are searched for in Python, by the implicit-function theorem."""

from collections.abc import Callable
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from geomem.core.derivatives import Values, is_traced, with_slopes
from geomem.core.results import Transition
from geomem.laws.setting import Setting
from geomem.levels.level import Implicit
from geomem.levels.question import Question

Window = tuple[float, float] | None
Search = Callable[[Question[Implicit], Setting, Float[np.ndarray, " sizes"], Window], Transition]


@cache
def differentiable(search: Search, criterion: str, level: Implicit, window: Window) -> Values:
    """The search at a setting for many ln N, its answer as floats, of which only the root has derivatives.

    Under `jit` and `vmap` it is called back, a batch in turn.
    """

    def found(at: Setting, log_sizes: Array) -> Transition:
        answer = search(Question(criterion, level, at.probe), at, np.asarray(log_sizes), window)
        return jax.tree.map(lambda field: jnp.asarray(field, dtype=float), answer)

    def values(at: Setting, log_sizes: Array) -> Transition:
        if not is_traced((at, log_sizes)):
            return found(at, log_sizes)
        shapes = _of_root(log_sizes, other=log_sizes)
        return jax.pure_callback(found, shapes, at, log_sizes, vmap_method="sequential")

    def slopes(at: Setting, log_sizes: Array, answer: Transition) -> tuple[Transition, Transition]:
        by_place, by_size = _root_slopes(criterion, level, at, log_sizes, answer.log_value)
        return _of_root(by_place, other=jnp.zeros_like(by_place)), _of_root(by_size, other=jnp.zeros_like(by_size))

    return with_slopes(values, slopes)


def _of_root(root: Array, other: Array) -> Transition:
    """This for the logarithm of the root, and the other for all else that a search answers."""
    return Transition(other, root, *[other] * (len(Transition._fields) - 2))


@partial(jax.jit, static_argnums=(0, 1))
def _root_slopes(
    criterion: str, level: Implicit, at: Setting, log_sizes: Float[Array, " sizes"], log_times: Float[Array, " sizes"]
) -> tuple[Float[Array, "sizes numbers"], Float[Array, " sizes"]]:
    """Derivatives of roots ln t in all numbers of the setting and in ln N."""
    flat, back = ravel_pytree(at)

    def of_lane(lane: tuple[Array, Array]) -> tuple[Array, Array]:
        def balance(numbers: Array) -> Array:
            return level.balance(criterion, back(numbers[2:]), jnp.exp(numbers[0]), numbers[1][None])[0]

        slopes = jax.jacfwd(balance)(jnp.concatenate([jnp.stack(lane), flat]))
        return -slopes[2:] / slopes[0], -slopes[1] / slopes[0]

    return jax.lax.map(of_lane, (log_times, log_sizes))
