"""Averages over data sets at given points, for many points, noise variances and sizes."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geomem.core.compilation import quick_options
from geomem.core.programs import Kept
from geomem.core.progress import bar
from geomem.core.status import Status
from geomem.laws.law import Law
from geomem.laws.points import PointSetting, point_setting
from geomem.laws.probe import Probe
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
            kernel = partial(quenched_seen, at, np.int64(point), *one)
            rows = refined(kernel, not_converged)
            report(next(done))
            return jax.tree.map(lambda leaf: np.asarray(leaf)[:, : len(log_sizes)], rows)

        found = in_threads(of_lane, lanes)
    shape = (points, len(times), directions, len(log_sizes))
    return jax.tree.map(lambda *rows: np.stack(rows).reshape(shape).swapaxes(1, 2), *found)


def not_converged(found: Quenched) -> Bool[np.ndarray, "directions sizes"]:
    """Which averages more panels may find."""
    return np.asarray(found.status) == Status.NOT_CONVERGED


def quenched_seen(*given: PointSetting | Array | np.ndarray | np.number) -> Quenched:
    """Averages at one point and noise variance, (directions, sizes).

    Given are the setting, the point's number, the noise variance, sizes, the planted sample's weight and the fineness.
    """
    return _kernel()(*given)


@cache
def _kernel() -> Callable[..., Quenched]:
    def at_one(
        at: PointSetting, point: Array, time: Array, log_sizes: Array, log_planted: Array, fineness: Array
    ) -> Quenched:
        view = at.view(time, point)
        seen = (view, time, log_sizes, log_planted)
        if isinstance(view, Pool):  # whose rule has no panels, as that of the next
            return quenched_pool(*seen)
        if isinstance(view, Sphere):
            return quenched_sphere(*seen)
        return quenched_gaussians(*seen, fineness)

    return Kept(at_one, "averages-at-a-point", quick_options())


def balances_at_points(
    criterion: str,
    at: PointSetting,
    times: Float[np.ndarray, " times"],
    rows: Float[np.ndarray, "times sizes"],
    members: Bool[np.ndarray, "groups points directions"],
) -> Float[np.ndarray, "groups times sizes"]:
    """ln R, or -ln(2 Y_2), of groups of directions that are seen from points.

    R is the mean over a group of squared means over that of variances; of Y_2 it is the mean.
    """
    if (rows == rows[:1]).all():
        found = averages_at_points(at, times, rows[0])
    else:
        each = [averages_at_points(at, times[[place]], row) for place, row in enumerate(rows)]
        found = jax.tree.map(lambda *one: np.concatenate(one, axis=2), *each)

    def over(values: Float[np.ndarray, "points directions times sizes"]) -> Float[np.ndarray, "groups times sizes"]:
        return np.stack([values[group].mean(axis=0) for group in members])

    if criterion == "participation":
        return np.asarray(_participation_balance(over(np.asarray(found.participation))))
    signal, noise = over(np.asarray(found.score_mean) ** 2), over(np.asarray(found.score_variance))
    return np.asarray(_log_ratio(np.sqrt(signal), noise))


def own_log_weights(
    law: Law, times: Float[np.ndarray, " times"], log_size: float, count: int
) -> Float[np.ndarray, "samples times"]:
    """Minus ln of the Gibbs weight of samples at themselves with noise, in data sets of N that they belong to.

    Means over the other samples; as many of the law are drawn, always the same.
    """
    probe = Probe.noised(np.asarray(law.sample(jax.random.key(0), count)), key=jax.random.key(1))
    at, _ = point_setting(law, 0, probe)
    own = -0.5 * np.sum(np.asarray(probe.offset) ** 2, axis=1)
    others = np.array([log_size + np.log1p(-np.exp(-log_size))])
    rows = []
    for place, log_own in enumerate(own):
        here = slice(place, place + 1)
        one = replace(at, base=at.base[here], offset=at.offset[here])
        rows.append(averages_at_points(one, times, others, log_own).log_partition[0, 0, :, 0] - log_own)
    return np.stack(rows)


def each_direction(at: PointSetting) -> Bool[np.ndarray, "directions points directions"]:
    """Every direction, from all points, as a group of its own."""
    count = len(at.directions)
    return np.broadcast_to(np.eye(count, dtype=bool)[:, None], (count, len(at.base), count))
