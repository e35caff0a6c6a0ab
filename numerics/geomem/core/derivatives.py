"""Derivatives, in both modes, of what is found by any code and has a Jacobian in forward mode."""

from collections.abc import Callable
from typing import Any

import jax
from jax.core import Tracer
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PyTree

# Values of lanes: a pytree of arrays over them, for parameters that all lanes share and one number for each.
Values = Callable[[Any, Float[Array, " lanes"]], PyTree]
# Derivatives of every leaf of the values, in the parameters, raveled, and in the lanes' own numbers.
Slopes = Callable[[Any, Float[Array, " lanes"], PyTree], tuple[PyTree, PyTree]]


def is_traced(tree: PyTree) -> bool:
    """Whether some leaf has no value of its own: under `jit`, `vmap` or a derivative."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def with_slopes(values: Values, slopes: Slopes) -> Values:
    """The same values with derivatives, which are taken only if they are asked for."""

    @jax.custom_jvp
    def function(parameters: Any, lanes: Float[Array, " lanes"]) -> PyTree:  # noqa: ANN401 (any pytree of floats)
        return values(parameters, lanes)

    @function.defjvp
    def _rule(primals: tuple, tangents: tuple) -> tuple[PyTree, PyTree]:
        found = function(*primals)
        by_parameters, by_lane = slopes(*primals, found)
        along, own = ravel_pytree(tangents[0])[0], tangents[1]
        # Linear in the tangents with coefficients that do not depend on them, so that it can be transposed.
        return found, jax.tree.map(lambda row, slope: row @ along + slope * own, by_parameters, by_lane)

    return function
