"""How wide a network of random features must be to resolve a direction."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers
from geomem.core.crossing import first_crossing
from geomem.core.results import Transition, status_of, transition
from geomem.laws.law import Law, check_law
from geomem.levels.activations import Activation, check_activation
from geomem.levels.feature_networks import compiled, concrete_numbers, constants_of, network_of, refuse_both
from geomem.levels.feature_response import log_ratio_along

# Widths from one unit to so many times N + d, in cells of about a third of e.
_WIDEST, _CELLS = 1e2, 40


def critical_width(
    manifold: Law,
    block: int | np.integer,
    *,
    noise_variance: Numbers,
    num_samples: Numbers,
    ridge: Numbers | None = None,
    training_time: Numbers | None = None,
    activation: Activation = "tanh",
) -> Transition:
    """Least width from which a network of random features resolves a direction: R_v = 1, and smaller if narrower.

    Arguments as for `random_features`; here bad numbers are refused in batches, too. Near as many units as samples
    the ratio falls again, in long training without a ridge, and may do so below one.

    Returns:
        A `Transition` in the number of hidden units, of the shape that the given numbers broadcast to; NO_TRANSITION
        where one unit is enough, or a hundred units per sample and dimension are not. `residual` is ln R.

    Raises:
        InputError: as `random_features`, or for an unknown block.
    """
    check_law(manifold)
    manifold.require("one_gaussian", "theory 'random_features'")
    refuse_both(ridge, training_time)
    check_activation(activation)
    in_time = training_time is not None
    amount = training_time if in_time else 0.0 if ridge is None else ridge
    given = {"noise variance": noise_variance, "num_samples": num_samples}
    given["training_time" if in_time else "ridge"] = amount
    numbers = concrete_numbers(given)
    shape = np.broadcast_shapes(*(values.shape for values in numbers))
    cells = _Cells(*(jnp.asarray(np.broadcast_to(values, shape).ravel()) for values in numbers))
    probed = jnp.dot(manifold.indicator(block), manifold.block_variances())
    spectrum = (manifold.variances, manifold.multiplicities)
    found = compiled(_solve, activation, in_time)(spectrum, probed, cells)
    return jax.tree.map(lambda field: field.reshape(shape), found)


class _Cells(NamedTuple):
    time: Array
    size: Array
    amount: Array  # ridge or training time


def _solve(
    activation: Activation, in_time: bool, spectrum: tuple[Array, Array], probed: Float[Array, ""], cells: _Cells
) -> Transition:
    def of_cell(cell: _Cells) -> tuple[Array, ...]:
        kind = constants_of(activation, spectrum, cell.time)

        def log_ratio(log_inverse_width: Array) -> Array:
            network = network_of(spectrum, kind, cell.time, cell.size, jnp.exp(-log_inverse_width))
            return log_ratio_along(network, probed, cell.time, cell.amount, in_time=in_time)

        # The first crossing from above is that of the least width.
        widest = jnp.log(_WIDEST * (cell.size + jnp.sum(spectrum[1])))
        crossing = first_crossing(log_ratio, jnp.zeros(1), -widest, jnp.zeros(()), _CELLS)
        one = jax.tree.map(lambda field: field[0], crossing)
        # The ratio rises with the width there, unless one unit has had enough.
        found = one.found & (log_ratio(jnp.zeros(())) < 0)
        return one.point, found, log_ratio(one.point), one.lower, one.upper, one.iterations

    place, found, residual, lower, upper, iterations = jax.lax.map(of_cell, cells)
    always = jnp.ones_like(found)
    status = status_of(always, found, residual, jnp.zeros_like(residual), always)
    return transition(-place, status, residual, jnp.exp(-upper), jnp.exp(-lower), iterations)
