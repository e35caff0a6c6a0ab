"""Roots in ln t where every size has its own price: a scan down for all that are still open, and a root in the cell."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.optimize import elementwise

from geomem.boundaries.size_scan import RESIDUAL
from geomem.boundaries.walk import Roots
from geomem.core.status import Status

# The step in ln t down, and that of the climb to where the scan starts.
_STEP, _CLIMB = 0.5, 2.0
# Error of a root in ln t.
_ERROR = 1e-11


def scan_to_roots(
    balances: Callable[[np.ndarray, np.ndarray], np.ndarray],
    log_sizes: Float[np.ndarray, " sizes"],
    start: float,
    limits: tuple[float, float],
) -> Roots:
    """The largest root of each size's balance: `walk_to_roots` of pairs of a noise variance and a size, lane by lane.

    What is not known counts as lost, so that a root above it is found; without one a lane is NOT_CONVERGED.
    """

    def at(log_times: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        return balances(np.exp(log_times), sizes[:, None])[:, 0]

    lanes = len(log_sizes)
    log_time, upper, lower, error, slope = np.full((5, lanes), np.nan)
    found = Roots(log_time, np.full(lanes, int(Status.NO_TRANSITION)), upper, lower, error, slope, np.zeros((0, lanes)))
    if not limits[0] < limits[1]:
        return found
    place = min(start, limits[1]) if start > limits[0] else limits[1]
    values = at(np.full(lanes, place), log_sizes)
    while place < limits[1] and (values < 0).any():
        place = min(place + _CLIMB, limits[1])
        values = at(np.full(lanes, place), log_sizes)
    # Lost at the top of the window already, or nowhere: no transition.
    found.status[np.isnan(values)] = Status.NOT_CONVERGED
    running, crossed = values > 0, np.zeros(lanes, dtype=bool)
    while running.any() and place > limits[0]:
        below = max(place - _STEP, limits[0])
        rows = at(np.full(running.sum(), below), log_sizes[running])
        ended = running.copy()
        ended[running] = ~(rows > 0)
        upper[ended], lower[ended] = place, below
        slope[running] = (values[running] - rows) / (place - below)
        values[running] = rows
        crossed |= ended
        running &= ~ended
        place = below
    if not crossed.any():
        return found

    def known(log_times: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        rows = at(log_times, sizes)
        return np.where(np.isnan(rows), -1.0, rows)

    ends = (lower[crossed], upper[crossed])
    root = elementwise.find_root(known, ends, args=(log_sizes[crossed],), tolerances={"xatol": _ERROR}).x
    # A jump to what is not known is no root.
    solved = np.abs(at(root, log_sizes[crossed])) <= RESIDUAL
    log_time[crossed], error[crossed] = np.where(solved, root, np.nan), _ERROR
    found.status[crossed] = np.where(solved, Status.CONVERGED, Status.NOT_CONVERGED)
    return found
