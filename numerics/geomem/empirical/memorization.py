"""Whether generated samples copy the training data: ratios, the size up to which a model memorizes, and when.

A training set in which points are equal counts each place once: a copy of a repeated point has it as its nearest
neighbour, and the next other one as its second.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int

from geomem.core.arguments import Numbers, check_data, check_points, listed_noise_variances
from geomem.core.crossing import level_crossing
from geomem.core.kinds import check_score, concrete_array, refuse_other
from geomem.core.progress import bar
from geomem.core.provenance import digest, provenance
from geomem.core.results import SQUARED, Transition, described, noise_axis
from geomem.core.status import InputError, Status
from geomem.empirical.scores import Averager, over_tiles
from geomem.empirical.sums import ROUNDING

# A sample is a copy if its nearest training point is nearer than this share of the distance of the next.
_NEARER = 1 / 3
# The share of copies up to which a model memorizes its training set, and that from which it has begun to.
_MEMORIZED = 0.9
_BEGUN = 0.1
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_POINTS_AT_ONCE = 4096  # between two reports of progress
_OF_DISTANCE = 1e-6  # a squared distance may be off by so much of itself
_DISTANCES_AT_ONCE = 1 << 22


def memorization_ratio(samples: Numbers | xr.DataArray, data: Numbers) -> tuple[float, float]:
    """Fraction of samples that are copies: three times nearer to one training point than to any other.

    Not zero without memorization: where the data are locally uniform in k dimensions, fresh points have 3^-k.
    The distances are computed with as many training points at once as there are, and few samples.

    Args:
        samples: generated points, (samples, dims).
        data: training points, (points, dims). Points equal to each other count as one; nearly equal ones do not,
            and make their copies appear as none.

    Returns:
        The ratio and its standard error: that of the posterior of a binomial probability under a uniform prior. It
        tends to the binomial one for many samples; at ratio 0 or 1, where that would be zero, it is about one over
        the number of samples. Source: arXiv:2310.02664.

    Raises:
        InputError: for points that are no finite tables of the same dimensions, or data with one place only.
    """
    return ratio_of_copies(copied_rows(samples, data))


def ratio_of_copies(copied: Int[np.ndarray, " samples"]) -> tuple[float, float]:
    """The fraction of copies and its standard error, of what `copied_rows` finds."""
    copies, number = int(np.sum(copied >= 0)), len(copied)
    error = np.sqrt((copies + 1) * (number - copies + 1) / ((number + 2) ** 2 * (number + 3)))
    return copies / number, float(error)


def copied_rows(samples: Numbers | xr.DataArray, data: Numbers) -> Int[np.ndarray, " samples"]:
    """Of every sample that is a copy the row in the data that it copies, the first of equal ones; of others -1.

    Raises:
        InputError: as `memorization_ratio`.
    """
    places, first_rows = np.unique(check_data(data), axis=0, return_index=True)
    points = check_points(_numbers(samples), (None, places.shape[1]), "samples")
    if len(places) < 2 or not len(points):
        raise InputError(f"there are {len(points)} samples and {len(places)} places in the data; it takes one and two")
    nearest = _nearest(points, places, 2)
    # Of the two that matter, without the rounding of the products, which may have exchanged them.
    distances = np.stack([np.linalg.norm(points - places[nearest[:, rank]], axis=1) for rank in range(2)])
    first, second = np.sort(distances, axis=0)
    own = nearest[np.arange(len(points)), distances.argmin(axis=0)]
    return np.where(first < _NEARER * second, first_rows[own], -1)


def _numbers(values: Numbers | xr.DataArray) -> Numbers:
    """Those of an array of xarray, too."""
    return values.values if isinstance(values, xr.DataArray) else values


def effective_memorization(num_samples: Numbers, ratio: Numbers, standard_error: Numbers) -> Transition:
    """The largest data-set size at which nine in ten of a model's samples are copies.

    Args:
        num_samples: data-set sizes N, increasing, at least two.
        ratio: of every size, the `memorization_ratio`.
        standard_error: its standard error.

    Returns:
        A `Transition` of one size, where the ratio, linear in ln N, last falls to 0.9; `lower` and `upper` are where
        it does less and plus its standard error. Status NO_TRANSITION if it is below 0.9 at every size, with
        lower = 0 and upper the smallest size, or 0.9 or more at the largest, with lower the largest size and upper
        infinite: bounds on the size that is asked for. Source: arXiv:2310.02664.

    Raises:
        InputError: for lists that are none, or differ in length.
    """
    sizes, ratios, errors = _checked_curve("num_samples", num_samples, ratio, standard_error)
    fall = partial(level_crossing, np.log(sizes), level=_MEMORIZED, falling=True, last=True)
    return _transition(sizes, *(fall(ratios + sign * errors) for sign in (0, -1, 1)))


def memorization_start(step: Numbers, ratio: Numbers, standard_error: Numbers) -> Transition:
    """The training step at which a model begins to memorize: one in ten of its samples is a copy.

    Args:
        step: training steps, increasing, at least two.
        ratio: at every step, the `memorization_ratio`.
        standard_error: its standard error.

    Returns:
        A `Transition` of one step, where the ratio, linear in the logarithm of the step, first rises to 0.1; `lower`
        and `upper` are where it does plus and less its standard error. Status NO_TRANSITION if it is 0.1 or more at
        the first step, with lower = 0 and upper that step, or below at every step, with lower the last step and upper
        infinite. That it is proportional to the data-set size is found in arXiv:2505.16959.

    Raises:
        InputError: for lists that are none, or differ in length.
    """
    steps, ratios, errors = _checked_curve("step", step, ratio, standard_error)
    rise = partial(level_crossing, np.log(steps), level=_BEGUN)
    return _transition(steps, *(rise(ratios + sign * errors) for sign in (0, 1, -1)))


def score_distance(
    score: Callable[..., Array | np.ndarray],
    reference: Callable[..., Array | np.ndarray],
    points: Numbers | xr.DataArray,
    noise_variance: Numbers | xr.DataArray,
) -> xr.Dataset:
    """Mean squared distance of two scores per dimension, t |S - S_ref|^2/d, at every noise variance.

    It is dimensionless: 1 is the size of the score of the noise alone.

    Args:
        score, reference: functions of points (n, dims) and one noise variance to scores (n, dims).
        points: noised points, (noise variances, points, dims), such as `x` of `generate`; or (points, dims), the
            same at all.
        noise_variance: noise variances t, a list.

    Returns:
        A data set over `noise_variance` with `value`, the mean over the points, and `error`, its standard error for
        independent points.

    Raises:
        InputError: for points that do not fit, fewer than two, or a score that is not finite.
    """
    check_score(score)
    check_score(reference)
    times = listed_noise_variances(_numbers(noise_variance))
    places = concrete_array(_numbers(points), "points")
    if places.ndim == 2:
        places = np.broadcast_to(places, (len(times), *places.shape))
    if places.ndim != 3 or len(places) != len(times) or places.shape[1] < 2 or not np.isfinite(places).all():
        raise InputError(
            f"points have the shape {np.shape(points)}; for {len(times)} noise variances they must be finite, "
            "(points, dims) or (noise variances, points, dims), and at least two"
        )
    rows = []
    for time, x in zip(times, places, strict=True):
        both = [np.asarray(each(jnp.asarray(x), float(time)), dtype=float) for each in (score, reference)]
        rows.append(time * np.mean((both[0] - both[1]) ** 2, axis=1))
        if not np.isfinite(rows[-1]).all():
            raise InputError(f"a score is not finite at noise variance {time:g}")
    squares = np.stack(rows)
    error = squares.std(axis=1, ddof=1) / np.sqrt(squares.shape[1])
    return xr.Dataset(
        {
            "value": ("noise_variance", squares.mean(axis=1), described("t |S - S_ref|^2 per dimension", "1")),
            "error": ("noise_variance", error, described("standard error over the points", "1")),
        },
        noise_axis(times),
        {"observable": "score distance", "provenance": provenance({"points_sha256": digest(places)})},
    )


def collapse_of_trajectories(trajectory: xr.Dataset, data: Numbers) -> xr.Dataset:
    """Noise variances at which trajectories change their nearest training point for the last time.

    Of the reverse SDE this is near the theory's time of collapse. The probability flow is a scaling until then, so
    that most of its trajectories begin nearest to the training point they end at.

    Args:
        trajectory: of `generate`, with `keep_every`: the change is known to lie between two noise variances kept.
        data: training points, (points, dims). Points equal to each other count as one.

    Returns:
        A data set over `sample` with `collapse_time`, the geometric mean of the two noise variances, or the first
        one kept if the nearest point never changes (a lower bound then), and `nearest`, the row in the data of the
        last one (the first of equal rows); and over `quantile` the `collapse_time_quantile`.

    Raises:
        InputError: for a trajectory of fewer than two noise variances, or data that do not fit.
    """
    refuse_other(trajectory, xr.Dataset, "the trajectory", "a result of generate")
    if "x" not in trajectory or trajectory.x.dims != ("noise_variance", "sample", "dim"):
        raise InputError("this is no trajectory of generate: there is no x over noise_variance, sample and dim")
    times, x = trajectory.noise_variance.values, trajectory.x.values
    if len(times) < 2:
        raise InputError("the trajectory holds one noise variance; generate it with keep_every")
    rows = check_data(data)
    places, first_rows = np.unique(rows, axis=0, return_index=True)
    points = check_points(x.reshape(-1, x.shape[2]), (None, places.shape[1]), "the trajectory")
    nearest = _nearest(points, places, min(2, len(places)))[:, 0].reshape(x.shape[:2])
    other = nearest[:-1] != nearest[-1]
    last = len(other) - 1 - np.argmax(other[::-1], axis=0)
    collapse = np.where(other.any(axis=0), np.sqrt(times[last] * times[last + 1]), times[0])
    record = {"data_sha256": digest(rows), "trajectory": trajectory.attrs.get("provenance", "")}
    return xr.Dataset(
        {
            "collapse_time": ("sample", collapse, described("last change of the nearest training point", SQUARED)),
            "nearest": ("sample", first_rows[nearest[-1]], described("row of the nearest training point", "1")),
            "collapse_time_quantile": (
                "quantile",
                np.quantile(collapse, _QUANTILES),
                described("quantile of the collapse time", SQUARED),
            ),
        },
        {"quantile": ("quantile", np.array(_QUANTILES), described("fraction of the trajectories below", "1"))},
        {"observable": "collapse of trajectories", "provenance": provenance(record)},
    )


def _nearest(
    points: Float[np.ndarray, "points dims"], places: Float[np.ndarray, "places dims"], count: int
) -> Int[np.ndarray, "points count"]:
    """Rows of the nearest places, the nearest first."""
    from scipy.spatial.distance import cdist  # slow to import

    averager = Averager.of(places)
    center = np.asarray(averager.center)
    longest = np.max(np.sum((places - center) ** 2, axis=1))
    found = []
    with bar("points", len(points)) as report:
        for first in range(0, len(points), _POINTS_AT_ONCE):
            part = points[first : first + _POINTS_AT_ONCE]
            nearest = np.array(_nearest_of(averager, jnp.asarray(part), count))
            # Distances come from products; where what they round off is a part of one, from differences.
            rounded = ROUNDING * (np.sum((part - center) ** 2, axis=1) + longest)
            farthest = np.sum((part - places[nearest[:, -1]]) ** 2, axis=1)
            doubtful = np.flatnonzero(rounded > _OF_DISTANCE * farthest)
            for rows in np.array_split(doubtful, -(-len(doubtful) * len(places) // _DISTANCES_AT_ONCE) or 1):
                nearest[rows] = np.argsort(cdist(part[rows], places), axis=1, kind="stable")[:, :count]
            found.append(nearest)
            report(first + len(part))
    return np.concatenate(found)


@partial(jax.jit, static_argnames="count")
def _nearest_of(averager: Averager, points: Array, count: int) -> Int[Array, "points count"]:
    def tile(x: Array) -> Array:
        distances = averager.distances_of(x - averager.center[None, :])
        ranks = []
        for _ in range(count):
            nearest = jnp.argmin(distances, axis=1)
            ranks.append(nearest)
            distances = distances.at[jnp.arange(len(x)), nearest].set(jnp.inf)
        return jnp.stack(ranks, axis=1)

    return over_tiles(tile, points, len(averager.sums))


def _checked_curve(name: str, places: Numbers, ratio: Numbers, standard_error: Numbers) -> tuple[np.ndarray, ...]:
    """Places that increase, with the ratio of copies at each and its error."""
    names, given = (name, "ratio", "standard_error"), (places, ratio, standard_error)
    at, ratios, errors = (concrete_array(*each) for each in zip(given, names, strict=True))
    if at.ndim != 1 or len(at) < 2 or ratios.shape != at.shape or errors.shape != at.shape:
        shapes = (at.shape, ratios.shape, errors.shape)
        raise InputError(f"{name}, ratio and error have the shapes {shapes}; give lists of one length, at least two")
    if not (np.isfinite(at).all() and at[0] > 0 and (np.diff(at) > 0).all()):
        raise InputError(f"{name} is {at.tolist()}; it must be positive and increase")
    if not ((ratios >= 0) & (ratios <= 1)).all() or not (np.isfinite(errors) & (errors >= 0)).all():
        raise InputError("a ratio is not between 0 and 1, or a standard error not finite or negative")
    return at, ratios, errors


def _transition(
    places: Float[np.ndarray, " places"], log_value: float, log_lower: float, log_upper: float
) -> Transition:
    """A place between the given ones; minus and plus infinity are those before and behind them all."""
    found = bool(np.isfinite(log_value))
    ends = [float(np.exp(end)) for end in (log_lower, log_upper)]
    if not found:
        ends = [0.0, float(places[0])] if log_value < 0 else [float(places[-1]), np.inf]
    values = (np.exp(log_value), log_value, 0.0) if found else (np.nan, np.nan, np.nan)
    status = jnp.asarray(Status.CONVERGED if found else Status.NO_TRANSITION, dtype=jnp.int8)
    value, log_value_, residual, low, high = (jnp.asarray(float(each)) for each in (*values, *ends))
    return Transition(value, log_value_, status, residual, low, high, jnp.asarray(0))
