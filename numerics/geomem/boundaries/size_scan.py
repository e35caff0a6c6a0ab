"""Roots in ln N of a balance that is costly at every noise variance: a scan down in ln N, and polynomials in a cell."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy.polynomial import chebyshev
from scipy.optimize import elementwise

from geomem.core.status import Status

LARGEST_LOG_SIZE = np.log(1e15)
SCAN = 96  # sizes
_NODES = 16  # of an interpolant in the cell with the root
# What a solved balance may be off, and how many steps it may take from the interpolant's root.
RESIDUAL, STEPS = 1e-8, 5


def first_cell(values: Float[np.ndarray, " scan"]) -> tuple[int, int]:
    """Place in a scan down in ln N where the balance is no longer positive: CONVERGED; or how the lane ends."""
    if np.isinf(values[0]):
        return 0, int(Status.NO_TRANSITION)
    if np.isnan(values[0]):
        return 0, int(Status.NOT_CONVERGED)
    if not values[0] > 0:  # lost at the largest size
        return 0, int(Status.OUT_OF_VALIDITY)
    below = np.flatnonzero(~(values > 0))
    if not len(below):
        return 0, int(Status.NO_TRANSITION)
    unknown = np.isnan(values[below[0]])
    return int(below[0]), int(Status.NOT_CONVERGED if unknown else Status.CONVERGED)


def roots_in_cells(
    balances: Callable[[np.ndarray], np.ndarray], low: Float[np.ndarray, " cells"], high: Float[np.ndarray, " cells"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Roots of the balances between these sizes, what is left of the balances there, Newton steps, and status."""
    nodes = np.cos(np.pi * np.arange(_NODES) / (_NODES - 1))
    inner = 0.5 * (low + high)[:, None] + 0.5 * (high - low)[:, None] * nodes
    fits = [
        chebyshev.Chebyshev.fit(places, row, _NODES - 1, domain=[bottom, top])
        for places, row, bottom, top in zip(inner, balances(inner), low, high, strict=True)
    ]
    ends = zip(fits, low, high, strict=True)
    roots = np.array([float(elementwise.find_root(fit, (bottom, top)).x) for fit, bottom, top in ends])
    slopes = [fit.deriv() for fit in fits]
    steps, open_ = np.zeros(len(roots), dtype=int), np.ones(len(roots), dtype=bool)
    for _ in range(STEPS + 1):
        residual = balances(roots[:, None])[:, 0]
        open_ = np.abs(residual) > RESIDUAL
        if not open_.any() or steps.max() == STEPS:
            break
        for lane in np.flatnonzero(open_):
            roots[lane] -= residual[lane] / float(slopes[lane](roots[lane]))
        steps += open_
    status = np.where(open_, Status.NOT_CONVERGED, Status.CONVERGED)
    return np.where(open_, np.nan, roots), residual, steps, status
