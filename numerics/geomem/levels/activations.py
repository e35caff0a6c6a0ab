"""What an activation is to a network of random features: four constants, by closed form or by its Hermite coefficients.

Equations: `geomem_theory`, chapter `random_features`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.core.status import InputError
from geomem.lowering import lower

Activation = str | Callable[[Array], Array]

ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "tanh": jnp.tanh,
        "erf": jax.scipy.special.erf,
        "relu": jax.nn.relu,
        "gelu": jax.nn.gelu,
        "silu": jax.nn.silu,
    }
)
_CLOSED = {
    name: tuple(lower(f"{name}_{constant}") for constant in ("slope", "memory", "floor")) for name in ("erf", "relu")
}
_blur = lower("feature_blur_share")
_memory, _floor = lower("hermite_memory"), lower("hermite_floor")

# The trapezoidal rule on a Gaussian is exact to rounding where the activation varies slowly between its nodes: tanh of
# inputs of standard deviation up to 10. What is left of the orders is taken at the next one.
_NODES, _REACH, _ORDERS = 1025, 12.0, 128
# A linear activation has no floor; this one only keeps directions that the network has no part in from infinity.
_LEAST_FLOOR = 1e-13


class Constants(NamedTuple):
    """Constants of the Gaussian equivalent of one activation, at one mean variance and noise variance."""

    slope: Float[Array, ""]
    memory: Float[Array, ""]
    blur: Float[Array, ""]
    floor: Float[Array, ""]


def check_activation(activation: object) -> None:
    """Refuse what is no activation.

    Raises:
        InputError: for an unknown name, or what is no function from arrays of JAX to arrays of their shape.
    """
    if not isinstance(activation, str):
        try:
            shaped = callable(activation) and jax.eval_shape(activation, jnp.zeros(3)).shape == (3,)
        except Exception:  # a user's function may fail in any way
            shaped = False
        if not shaped:
            raise InputError(f"the activation {activation!r} is no function of JAX arrays that keeps their shape")
    elif activation not in ACTIVATIONS:
        raise InputError(
            f"there is no activation {activation!r}; choose one of {', '.join(ACTIVATIONS)}, or give a function"
        )


def constants(activation: Activation, mean_variance: Float[Array, ""], time: Float[Array, ""]) -> Constants:
    """The constants of an activation, for data of this variance per direction."""
    if isinstance(activation, str) and activation in _CLOSED:
        slope, memory, floor = (each(mean_variance, time) for each in _CLOSED[activation])
    else:
        function = ACTIVATIONS[activation] if isinstance(activation, str) else activation
        slope, weights, orders = _hermite(function, mean_variance + time)
        memory, floor = (each(mean_variance, time, weights, orders) for each in (_memory, _floor))
    blur = _blur(slope, time)
    return Constants(slope, memory, blur, jnp.maximum(floor, _LEAST_FLOOR * blur))


def _hermite(
    function: Callable[[Array], Array], variance: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, " orders"], Float[Array, " orders"]]:
    """Mean slope of the activation of a Gaussian, and its squared Hermite coefficients from order 2 on."""
    nodes, weights, table = _rule()
    deviation = jnp.sqrt(variance)
    values = function(deviation * nodes)
    coefficients = table @ values
    squares = coefficients**2
    rest = jnp.maximum(weights @ values**2 - jnp.sum(squares), 0.0)
    orders = jnp.arange(2.0, _ORDERS + 2.0)
    return coefficients[1] / deviation, jnp.append(squares[2:], rest), orders


@cache
def _rule() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes, weights of a standard Gaussian, and those times its normalized Hermite polynomials, order by order."""
    nodes = np.linspace(-_REACH, _REACH, _NODES)
    weights = np.exp(-(nodes**2) / 2) * (nodes[1] - nodes[0]) / np.sqrt(2 * np.pi)
    rows = [np.ones(_NODES), nodes]
    for order in range(1, _ORDERS):
        rows.append((nodes * rows[order] - np.sqrt(order) * rows[order - 1]) / np.sqrt(order + 1))
    return nodes, weights, weights * np.array(rows)
