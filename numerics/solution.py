"""What a solver answers: a value, how well it solves its equation, and how it ended."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int, Int8

# What may be passed for an array of numbers: an array, a list, one number.
Numbers = Array | np.ndarray | np.number | Sequence | float | int


class Transition(NamedTuple):
    """A critical noise variance or a critical data-set size, per lane.

    All fields have the shape of the lanes. For times, `value` is a noise variance in
    the squared units of the data and `log_value` its logarithm; for sizes `value` is a
    number of samples, infinite where it overflows, and `log_value` is ln N.

    `residual` is the criterion's own equation at the answer (the entropy S, or ln R),
    dimensionless and zero at an exact solution. `lower` and `upper` enclose the value.
    """

    value: Float[Array, "..."]
    log_value: Float[Array, "..."]
    status: Int8[Array, "..."]
    residual: Float[Array, "..."]
    lower: Float[Array, "..."]
    upper: Float[Array, "..."]
    iterations: Int[Array, "..."]
