"""When given data points are memorized: where, as the noise falls, one training sample has half of the weight."""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int
from scipy.optimize import elementwise

from geomem.core.arguments import Numbers, check_key, check_points, listed_sizes, whole_number
from geomem.core.kinds import refuse_other
from geomem.core.progress import bar
from geomem.core.provenance import digest, key_record, provenance
from geomem.core.results import SQUARED, described, status_attributes
from geomem.core.status import Status
from geomem.laws.law import Law, check_law
from geomem.laws.points import PointSetting, point_setting
from geomem.laws.probe import Probe
from geomem.levels.lanes import in_threads, refined
from geomem.levels.seen import not_converged, quenched_seen
from geomem.lowering import lower
from geomem.schedules.clock import Clock, on_schedule
from geomem.schedules.continuous import Schedule

_noised_sample_weight = lower("noised_sample_weight")
_planted_balance = jnp.vectorize(lower("planted_balance"))
_participation_balance = jnp.vectorize(lower("participation_balance"))
_RUNG = np.log(4.0)  # of the ladder in ln t on which the first change of sign is looked for
_WINDOW = (1e-12, 1e6)  # of the scale at which the ladder is entered
_TOLERANCE = 1e-6  # in ln t
_BESIDE = 0.1  # in ln t, for a slope


def critical_times_of(
    points: Numbers,
    law: Law,
    *,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    planted: bool = True,
    num_probes: int = 4,
    key: Array,
    schedule: Schedule | None = None,
) -> xr.Dataset:
    """For each given data point, the noise variance at which it is pulled to single training samples.

    Planted, a point y is in the training set, and the answer is where the Gibbs weight of y at y + sqrt(t) omega is one
    half: the mean over the noise omega and over data sets of N other samples of the law. A reverse trajectory from
    there ends at y with that probability, so the points of the largest noise variances are memorized first. Fresh, it
    is where the mean participation at y + sqrt(t) omega is one half: a new point is pulled to one training sample or
    another. Both are exact at finite N. A point and a size take some seconds of one core for a mixture of five
    Gaussians in 61 dimensions, half a second for a pool of 900.

    Args:
        points: points of the data, (points, dims).
        law: the data's law, one that is seen from points: such as that of `fit_law`, of samples that the points are
            not among. What is true of one point depends on the law around it; a mixture tells more of that than one
            Gaussian.
        num_samples: data-set sizes N, one or a list, a planted point not counted; give this or `log_num_samples`.
        planted: whether the points are in the training set.
        num_probes: noises to average over, each with its opposite; the same ones for all points, so that their order
            is told better than their values.
        key: for the noises.
        schedule: a noise schedule on whose clock the answers are told as well.

    Returns:
        A data set over `point` and `num_samples` with `critical_time`, in squared units of the data, the largest root
        on a ladder of factors of 4 in t; its `error`, the standard error of its logarithm by the number of noises, NaN
        for one; `residual`, -ln 2 w with w the weight or the participation there; and `status`. With a schedule also
        `critical_time_on_schedule`, and of one with steps `critical_step`, the nearest. Source: `geomem_theory`,
        equations `planted_balance` and `participation_balance`.

    Raises:
        InputError: for points of another space, a law that is not seen from points, a size below 2, a number of
            noises, a key or a schedule that is none.
    """
    check_key(key)
    check_law(law)
    pairs = whole_number(num_probes, "num_probes", 1)
    if schedule is not None:
        refuse_other(schedule, Schedule, "the schedule", "a noise schedule, such as Discrete.linear()")
    sizes, log_sizes = listed_sizes(num_samples, log_num_samples)
    given = check_points(points, (None, None), "the table of points")
    at, _ = point_setting(law, 0, Probe.point(given))
    noise = np.asarray(jax.random.normal(key, (pairs, given.shape[1])))
    both = np.concatenate([noise, -noise])
    log_planted = [float(_noised_sample_weight(row @ row)) if planted else -np.inf for row in both]
    lanes = _Lanes(
        at, np.repeat(given, len(sizes), axis=0), np.tile(log_sizes, len(given)), both, np.array(log_planted), planted
    )
    farthest = np.max(np.sum((given - np.asarray(law.center)) ** 2, axis=1))
    # Of a law of one place its distance is the scale, and of the points at it there is none.
    fields = _roots(lanes, np.log(float(at.largest_variance) or farthest or 1.0))
    value, error, residual, status = (field.reshape(len(given), len(sizes)) for field in fields)
    over = ("point", "num_samples")
    of_weight = "its own weight" if planted else "the participation"
    record: dict[str, object] = {
        "points_sha256": digest(given),
        "law": law.record(),
        "planted": bool(planted),
        "num_probes": pairs,
        "key": key_record(key),
    }
    found = xr.Dataset(
        {
            "critical_time": (over, value, described(f"noise variance where {of_weight} is one half", SQUARED)),
            "error": (over, error, described("standard error of its logarithm by the number of noises", "1")),
            "residual": (over, residual, described("balance of the criterion at the answer", "1")),
            "status": (over, status, status_attributes()),
        },
        {
            "num_samples": ("num_samples", sizes, described("number of training samples", "1")),
            "log_num_samples": ("num_samples", log_sizes, described("ln N", "1")),
        },
        {"provenance": provenance(record)},
    )
    if schedule is None:
        return found
    name = type(schedule).__name__
    return on_schedule(found, Clock(name, schedule, {"schedule": name}))


class _Lanes(NamedTuple):
    """Points and sizes, a lane for each pair, and the noises with the logarithm of the planted sample's weight."""

    at: PointSetting
    points: Float[np.ndarray, "lanes dims"]
    log_sizes: Float[np.ndarray, " lanes"]
    noises: Float[np.ndarray, "noises dims"]
    log_planted: Float[np.ndarray, " noises"]
    planted: bool

    def weights(
        self, lanes: Int[np.ndarray, " some"], log_times: Float[np.ndarray, " some"]
    ) -> Float[np.ndarray, "some noises"]:
        """Mean weights of the planted sample over data sets, or participations, for every noise."""
        noises = len(self.noises)

        def of_one(one: tuple[np.integer, np.floating, int]) -> np.floating:
            lane, log_time, noise = one
            # One point at a time: what is compiled serves any number of them.
            at = replace(self.at, base=self.points[[lane]], offset=self.noises[[noise]])
            given = (np.int64(0), np.exp(log_time), self.log_sizes[[lane]], self.log_planted[noise])
            found = refined(partial(quenched_seen, at, *given), not_converged)
            return np.asarray(found.planted_weight if self.planted else found.participation)[0, 0]

        rows = [(lane, at, noise) for lane, at in zip(lanes, log_times, strict=True) for noise in range(noises)]
        return np.array(in_threads(of_one, rows)).reshape(len(lanes), noises)

    def balances(
        self, log_times: Float[np.ndarray, " some"], lanes: Int[np.ndarray, " some"]
    ) -> Float[np.ndarray, " some"]:
        """Positive at noise variances above the critical one."""
        balance = _planted_balance if self.planted else _participation_balance
        return np.array(balance(self.weights(lanes, log_times).mean(axis=1)))


def _roots(lanes: _Lanes, log_largest: float) -> tuple[np.ndarray, ...]:
    """Critical times, errors of their logarithms, residuals, and status, of every lane."""
    count = len(lanes.log_sizes)
    everyone = np.arange(count)
    lowest, highest = log_largest + np.log(_WINDOW)
    upper = np.full(count, log_largest)
    above = lanes.balances(upper, everyone)
    with bar("points", count) as report:
        while len(low := everyone[(above <= 0) & (upper < highest)]):  # up to where the weight is small
            upper[low] += _RUNG
            above[low] = lanes.balances(upper[low], low)
        lower, below = upper.copy(), above.copy()
        while len(high := everyone[(above > 0) & (below > 0) & (lower > lowest)]):  # and down to where it is not
            upper[high], above[high] = lower[high], below[high]
            lower[high] -= _RUNG
            below[high] = lanes.balances(lower[high], high)
            report(int(np.sum(~(below > 0))))
        log_value, error, residual = np.full((3, count), np.nan)
        known = everyone[(above > 0) & (below <= 0)]
        if len(known):
            root = elementwise.find_root(
                lanes.balances,
                (lower[known], upper[known]),
                args=(known,),
                tolerances={"xatol": _TOLERANCE, "xrtol": 0.0},
            )
            log_value[known], residual[known] = root.x, root.f_x
            error[known] = _errors(lanes, known, root.x)
    failed = np.isnan(above) | np.isnan(below) | (np.isin(everyone, known) & ~np.isfinite(residual))
    status = np.where(np.isin(everyone, known), Status.CONVERGED, Status.NO_TRANSITION)
    return np.exp(log_value), error, residual, np.where(failed, Status.NOT_CONVERGED, status).astype(np.int8)


def _errors(
    lanes: _Lanes, some: Int[np.ndarray, " some"], log_times: Float[np.ndarray, " some"]
) -> Float[np.ndarray, " some"]:
    """Standard errors of roots by the scatter of the weights over noises, of which two opposite ones are one draw."""
    weights = lanes.weights(some, log_times)
    slope = (lanes.weights(some, log_times + _BESIDE) - weights).mean(axis=1) / _BESIDE
    pairs = weights.reshape(len(some), 2, -1).mean(axis=1)
    if pairs.shape[1] < 2:
        return np.full(len(some), np.nan)
    return pairs.std(axis=1, ddof=1) / np.sqrt(pairs.shape[1]) / np.abs(slope)
