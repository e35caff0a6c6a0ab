"""Averages over data sets at given points, for many points, noise variances and sizes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.core.progress import bar
from geomem.core.status import Status
from geomem.laws.points import PointSetting
from geomem.laws.sphere import Sphere
from geomem.laws.views import Pool
from geomem.levels.lanes import SIZES, filled, in_threads, refined
from geomem.levels.points import quenched_gaussians
from geomem.levels.pool import quenched_pool, quenched_sphere
from geomem.levels.sums import Quenched, log_ratio
from geomem.lowering import lower

_participation_balance = jnp.vectorize(lower("participation_balance"))
_log_ratio = jnp.vectorize(log_ratio)


def averages_at_points(
    at: PointSetting,
    times: Float[np.ndarray, " times"],
    log_sizes: Float[np.ndarray, " sizes"],
    log_planted: float = -np.inf,
) -> Quenched:
    """Averages over data sets, of shape (points, directions, times, sizes), as NumPy arrays."""
    points, directions = len(at.base), len(at.directions)
    sizes = filled(log_sizes, SIZES)
    lanes = [(point, place) for point in range(points) for place in range(len(times))]
    done = iter(range(1, len(lanes) + 1))
    with bar("points and noise variances", len(lanes)) as report:

        def of_lane(lane: tuple[int, int]) -> Quenched:
            point, place = lane
            one = (np.float64(times[place]), sizes, np.float64(log_planted))
            kernel = partial(_quenched_seen, at, np.int64(point), *one)
            rows = refined(kernel, lambda found: np.asarray(found.status) == Status.NOT_CONVERGED)
            report(next(done))
            return jax.tree.map(lambda leaf: np.asarray(leaf)[:, : len(log_sizes)], rows)

        found = in_threads(of_lane, lanes)
    shape = (points, len(times), directions, len(log_sizes))
    return jax.tree.map(lambda *rows: np.stack(rows).reshape(shape).swapaxes(1, 2), *found)


@jax.jit
def _quenched_seen(
    at: PointSetting,
    point: Array,
    time: Array,
    log_sizes: Array,
    log_planted: Array,
    fineness: Array,
) -> Quenched:
    view = at.view(time, point)
    given = (view, time, log_sizes, log_planted)
    if isinstance(view, Pool):  # whose rule has no panels, as that of the next
        return quenched_pool(*given)
    if isinstance(view, Sphere):
        return quenched_sphere(*given)
    return quenched_gaussians(*given, fineness)


def balances_at_points(
    criterion: str, at: PointSetting, times: Float[np.ndarray, " times"], rows: Float[np.ndarray, "times sizes"]
) -> Float[np.ndarray, "directions times sizes"]:
    """ln R, or -ln(2 Y_2), over all points: the mean over points of squared means over that of variances, or of Y_2."""
    if (rows == rows[:1]).all():
        found = averages_at_points(at, times, rows[0])
    else:
        each = [averages_at_points(at, times[[place]], row) for place, row in enumerate(rows)]
        found = jax.tree.map(lambda *one: np.concatenate(one, axis=2), *each)
    if criterion == "participation":
        return np.asarray(_participation_balance(found.participation.mean(axis=0)))
    signal = np.sqrt((found.score_mean**2).mean(axis=0))
    return np.asarray(_log_ratio(signal, found.score_variance.mean(axis=0)))
