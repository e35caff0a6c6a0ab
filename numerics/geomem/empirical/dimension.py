"""The local dimension of data at given points, from their empirical score at a noise variance that fits each point.

It is d + d ln p_t/d ln sqrt(t), what FLIPD takes of a trained score and LIDL of fitted densities. Of the empirical score
it is a Gibbs average, known with its slope and its error. Equations: `geomem_theory`, chapter `dimension`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int

from geomem.core.arguments import Numbers, check_data, check_points, listed_noise_variances, parts
from geomem.core.provenance import digest, provenance
from geomem.core.resampling import HALF_INTERVAL
from geomem.core.results import SQUARED, described, noise_axis, with_status
from geomem.core.status import InputError
from geomem.empirical.streaming import PassOptions, fold_samples
from geomem.empirical.sums import ROUNDING, Given, Probes, relative_log_weight, squared_distances
from geomem.lowering import lower

_of_sample = jnp.vectorize(lower("dimension_of_sample"))
_slope = jnp.vectorize(lower("local_dimension_slope"))
_extrapolated = jnp.vectorize(lower("extrapolated_dimension"))
_participation = jnp.vectorize(lower("participation_of_half"))
# Of the dimension, its slope and the dimension extrapolated: the variance by the weights, and the least it is.
_VARIANCES = tuple(
    (jnp.vectorize(lower(f"{by_weights}_variance")), jnp.vectorize(lower(f"plane_{on_plane}_variance")))
    for by_weights, on_plane in (
        ("local_dimension", "dimension"),
        ("local_dimension_slope", "slope"),
        ("extrapolated_dimension", "extrapolated"),
    )
)

_MOMENTS = 5  # of the distance, up to the fourth power
_LEVELS = 8  # noise variances of one pass, sqrt(2) apart, so that half of each is another
_PER_HALF = 2
_MOST_LEVELS = 96  # beyond which distances are rounding
_BATCH = 512  # points of one pass
_FEWEST_SAMPLES = 40
# Fewer than 20 active samples know no dimension: ln Z then varies by more than a fifth between data sets.
_COLLAPSED = 1 / 20
# What the next order in 1/N adds to a variance, in units of the participation: measured on planes of 1 to 5 dimensions.
_NEXT_ORDER = 8.0
_SEEN = 3.0  # standard errors from which on a slope is one
_BACK = 2 * _PER_HALF  # levels from there down: a fourth of the noise variance


class _Moments(NamedTuple):
    """Sums over the samples met so far, of weights relative to the nearest and of powers of the distance under them."""

    nearest: Float[Array, " points"]  # its squared distance
    sums: Float[Array, "levels points moments"]


class _Levels(NamedTuple):
    """What is known at every noise variance and point."""

    times: Float[np.ndarray, " levels"]
    participation: Float[np.ndarray, "levels points"]
    dimension: Float[np.ndarray, "levels points"]
    slope: Float[np.ndarray, "levels points"]
    extrapolated: Float[np.ndarray, "levels points"]
    variances: Float[np.ndarray, "3 levels points"]  # of the last three
    collapsed: np.ndarray  # bool, levels and points


def local_dimension(data: Numbers, points: Numbers, *, noise_variance: Numbers | None = None) -> xr.Dataset:
    """The local dimension of data around points, with a 95 % interval.

    The noise variance of a point lies above the collapse there, where fewer than 20 samples carry the score, and at a
    fourth of the first one above it at which the dimension has a slope in ln t of three standard errors: curvature, an
    end of the data, or other directions that open. The slope that is left is subtracted, what curvature adds to first
    order. The interval is of the scatter over data sets, by the delta method and no smaller than on a plane, and of
    the slope. It is wide where samples are few for the dimension, and too narrow nearer to an end of the data than
    sqrt(t).

    Args:
        data: samples, (samples, dims), 40 or more.
        points: points of the same law, (points, dims). Samples at a point itself, which is how a point of the data
            finds itself, are left out there: they are of dimension zero.
        noise_variance: noise variances t at which the dimension is asked for, as it is there: no extrapolation. A
            list, or one number.

    Returns:
        A data set over `point`, and over `noise_variance` before it if a list of these was given, with `value`,
        `lower` and `upper`; `participation`, the inverse of the number of samples it comes from; `status`,
        NOT_CONVERGED where so few carry the score that there is no value; and `chosen_noise_variance` where none
        was given. Source: arXiv:2406.03537 (FLIPD), arXiv:2206.14882 (LIDL); `geomem_theory`, chapter `dimension`.

    Raises:
        InputError: for data, points or noise variances that are none, fewer than 40 samples, or samples that are all
            the same.

    Example: a sphere in three dimensions, and a line.

        >>> import numpy as np
        >>> from geomem import local_dimension
        >>> draw = np.random.default_rng(0)
        >>> points = draw.normal(size=(3000, 3))
        >>> sphere = points / np.linalg.norm(points, axis=1, keepdims=True)
        >>> found = local_dimension(sphere, [[0, 0, 1]])
        >>> print(f"{found.lower.item():.1f} < {found.value.item():.1f} < {found.upper.item():.1f}")
        1.8 < 2.0 < 2.3
    """
    rows = check_data(data)
    asked = check_points(points, (None, rows.shape[1]), "the table of points")
    if len(rows) < _FEWEST_SAMPLES:
        raise InputError(f"the data have {len(rows)} rows; a local dimension needs at least {_FEWEST_SAMPLES}")
    if len(asked) == 0:
        raise InputError("there are no points; give at least one")
    largest = _largest_noise_variance(rows, asked)
    if noise_variance is None:
        batches = [_chosen(_ladder(rows, batch, largest)) for batch in _batches(asked)]
        names = ("point",)
    else:
        times = listed_noise_variances(noise_variance)
        batches = [_as_given(_at(rows, batch, times)) for batch in _batches(asked)]
        names = ("noise_variance", "point")
    value, half, participation, chosen = (np.concatenate(part, axis=-1) for part in zip(*batches, strict=True))
    found = xr.Dataset(
        {
            "value": (names, value, described("local dimension", "1")),
            "lower": (names, value - half, described("lower end of its 95 % interval", "1")),
            "upper": (names, value + half, described("upper end of its 95 % interval", "1")),
            "participation": (names, participation, described("participation $Y_2$", "1")),
        },
        attrs={
            "observable": "local dimension",
            "provenance": provenance({"data_sha256": digest(rows), "points_sha256": digest(asked)}),
        },
    )
    found = with_status(found)
    if noise_variance is None:
        return found.assign(chosen_noise_variance=(names, chosen, described("noise variance", SQUARED)))
    found = found.assign_coords(noise_axis(times))
    return found if np.ndim(noise_variance) else found.isel(noise_variance=0)


def _batches(points: np.ndarray) -> Iterator[np.ndarray]:
    return (points[first : first + _BATCH] for first in range(0, len(points), _BATCH))


def _largest_noise_variance(rows: np.ndarray, points: np.ndarray) -> float:
    """So large that all samples carry the score at every point.

    Raises:
        InputError: if the samples are all the same.
    """
    total, mean = 0.0, np.asarray(rows.mean(axis=0, dtype=float))
    for part in parts(rows):
        total += float(np.sum((part - mean) ** 2))
    if total == 0:
        raise InputError("all samples are the same; they have no dimension")
    return total / len(rows) + float(np.sum((points - mean) ** 2, axis=1).max())


def _ladder(rows: np.ndarray, points: np.ndarray, largest: float) -> _Levels:
    """From the largest noise variance down to the collapse at every point, ascending."""
    steps = np.arange(_MOST_LEVELS)
    ladder, sums = largest * 2.0 ** (-steps / _PER_HALF), []
    found = None
    for first in range(0, _MOST_LEVELS, _LEVELS):
        sums.append(_sums(rows, points, ladder[first : first + _LEVELS]))
        done = np.concatenate(sums)
        # Backwards, with half of every noise variance among them.
        order = np.arange(len(done) - _PER_HALF)[::-1]
        found = _levels(ladder[order], done[order], done[order + _PER_HALF], rows.shape[1])
        if found.collapsed[:_PER_HALF].all():
            break
    assert found is not None
    return found


def _at(rows: np.ndarray, points: np.ndarray, times: np.ndarray) -> _Levels:
    sums = _sums(rows, points, np.concatenate([times, times / 2]))
    return _levels(times, sums[: len(times)], sums[len(times) :], rows.shape[1])


def _levels(times: np.ndarray, sums: np.ndarray, half: np.ndarray, dims: int) -> _Levels:
    """The dimension and its errors from sums at noise variances, and at half of them."""
    mean, second = (sums[..., power] / sums[..., 0] for power in (1, 2))
    of_half = [half[..., power] / half[..., 0] for power in range(1, _MOMENTS)]
    participation = np.asarray(_participation(sums[..., 0], half[..., 0]))
    variances = np.stack(
        [
            np.maximum(by_weights(participation, mean, second, *of_half), on_plane(participation, mean))
            for by_weights, on_plane in _VARIANCES
        ]
    ) * (1 + _NEXT_ORDER * participation)
    # Repeated samples share the score however small t is, but are then more dimensions away than there are.
    too_many = mean - HALF_INTERVAL * np.sqrt(variances[0]) > dims
    return _Levels(
        times,
        participation,
        mean,
        np.asarray(_slope(mean, second)),
        np.asarray(_extrapolated(mean, second)),
        variances,
        (participation > _COLLAPSED) | too_many,
    )


def _as_given(levels: _Levels) -> tuple[np.ndarray, ...]:
    """Value, half of the interval and participation where the noise variance is given."""
    value = np.where(levels.collapsed, np.nan, levels.dimension)
    times = np.broadcast_to(levels.times[:, None], value.shape)
    return value, HALF_INTERVAL * np.sqrt(levels.variances[0]), levels.participation, times


def _chosen(levels: _Levels) -> tuple[np.ndarray, ...]:
    """Value, half of the interval, participation and the noise variance of every point."""
    last = len(levels.times) - 1
    place = np.arange(last + 1)[:, None]
    lowest = np.max(np.where(levels.collapsed, place + 1, 0), axis=0)
    sloping = np.abs(levels.slope) > _SEEN * np.sqrt(levels.variances[1])
    first = np.min(np.where(sloping & (place >= lowest), place, last + 1), axis=0)
    at = np.clip(first - _BACK, np.minimum(lowest, last), last)
    pick = (at, np.arange(levels.slope.shape[1]))
    value = np.where(lowest > last, np.nan, levels.extrapolated[pick])
    half = HALF_INTERVAL * np.sqrt(levels.variances[2][pick] + levels.slope[pick] ** 2)
    return value, half, levels.participation[pick], levels.times[at]


def _sums(rows: np.ndarray, points: np.ndarray, times: np.ndarray) -> Float[np.ndarray, "levels points moments"]:
    """The sums over all samples at any noise variances, so many in one pass as are compiled for."""
    found = []
    for first in range(0, len(times), _LEVELS):
        some = times[first : first + _LEVELS]
        given = Given.of(points, np.pad(some, (0, _LEVELS - len(some)), mode="edge"), None)
        zero = _Moments(jnp.full(len(points), jnp.inf), jnp.zeros((*given.flat_shape, _MOMENTS)))
        total = fold_samples(_tile, _merge, given.probes, zero, rows, given.dims, given.tile, PassOptions())
        found.append(np.asarray(total.sums)[: len(some)])
    return np.concatenate(found)


def _tile(probes: Probes, moments: _Moments, samples: Array, index: Int[Array, " tile"]) -> _Moments:
    y = samples - probes.center[None, :]
    distances = squared_distances(probes, y, index)[0]
    lengths = jnp.sum(probes.x**2, axis=1)[:, None] + jnp.sum(y**2, axis=1)[None, :]
    distances = jnp.where(distances > ROUNDING * lengths, distances, jnp.inf)  # no sample at the point itself
    nearest = jnp.minimum(moments.nearest, jnp.min(distances, axis=1))
    seen, times = jnp.isfinite(distances), probes.times[:, None, None]
    safe = jnp.where(seen, distances, 0.0)[None]
    weights = jnp.where(seen[None], jnp.exp(relative_log_weight(times, safe, _finite(nearest)[None, :, None])), 0.0)
    reduced = _of_sample(times, safe)
    sums = []
    for _ in range(_MOMENTS):
        sums.append(jnp.sum(weights, axis=2))
        weights = weights * reduced
    kept = moments.sums * _shrink(probes, moments.nearest, nearest)
    return _Moments(nearest, kept + jnp.stack(sums, axis=2))


def _finite(nearest: Array) -> Array:
    return jnp.where(jnp.isfinite(nearest), nearest, 0.0)


def _shrink(probes: Probes, before: Array, after: Array) -> Float[Array, "levels points 1"]:
    """What weights relative to one nearest sample are worth relative to a nearer one; there may be none yet."""
    start = jnp.where(jnp.isfinite(before), before, _finite(after))
    return jnp.exp(relative_log_weight(probes.times[:, None], start[None], _finite(after)[None]))[:, :, None]


def _merge(probes: Probes, one: _Moments, other: _Moments) -> _Moments:
    nearest = jnp.minimum(one.nearest, other.nearest)
    parts_of = (part.sums * _shrink(probes, part.nearest, nearest) for part in (one, other))
    return _Moments(nearest, sum(parts_of, start=jnp.zeros_like(one.sums)))
