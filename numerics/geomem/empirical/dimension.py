"""The local dimension of data at given points, from their empirical score at a noise variance that fits each point.

It is d + d ln p_t/d ln sqrt(t), which FLIPD takes of a trained score and LIDL of fitted densities. Of the empirical
score it is a Gibbs average, known with its slope and its error. Equations: `geomem_theory`, chapter `dimension`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from geomem.core.arguments import Numbers, check_data, check_points, listed_noise_variances, parts
from geomem.core.provenance import digest, provenance
from geomem.core.resampling import HALF_INTERVAL
from geomem.core.results import SQUARED, described, noise_axis, with_status
from geomem.core.status import InputError
from geomem.empirical.moments import LEVELS, MOMENTS, displacements, distance_moments
from geomem.lowering import lower

_slope = jnp.vectorize(lower("local_dimension_slope"))
_extrapolated = jnp.vectorize(lower("extrapolated_dimension"))
_displaced = jnp.vectorize(lower("squared_displacement"))
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

_PER_HALF = 2  # noise variances are sqrt(2) apart, so that half of each is another
_MOST_LEVELS = 96  # beyond which distances are rounding
_BATCH = 512  # points of one pass
_FEWEST_SAMPLES = 40
# Fewer than 20 active samples know no dimension: ln Z then varies by more than a fifth between data sets.
_COLLAPSED = 1 / 20
_SEEN = 3.0  # standard errors from which on a slope is one
_BACK = 2 * _PER_HALF  # levels from there down: a fourth of the noise variance


class _Levels(NamedTuple):
    """What is known at every noise variance and point."""

    times: Float[np.ndarray, " levels"]
    participation: Float[np.ndarray, "levels points"]
    dimension: Float[np.ndarray, "levels points"]
    slope: Float[np.ndarray, "levels points"]
    extrapolated: Float[np.ndarray, "levels points"]
    first_of_half: Float[np.ndarray, "levels points"]  # of the average distances at half of it
    variances: Float[np.ndarray, "3 levels points"]  # of the last three
    collapsed: np.ndarray  # bool, levels and points


def local_dimension(data: Numbers, points: Numbers, *, noise_variance: Numbers | None = None) -> xr.Dataset:
    """The local dimension of data around points, with a 95 % interval.

    The noise variance of a point lies above the collapse there, where fewer than 20 samples carry the score, and at a
    fourth of the first one above it at which the dimension has a slope in ln t of three standard errors: curvature, an
    end of the data, or other directions that open. The value is halfway from the dimension there to that extrapolated
    to t = 0 by its slope, which takes off what curvature adds. The interval is of the scatter over data sets, by the
    delta method and no smaller than on a plane, of the slope, and of how far the samples that are seen lie to one
    side, as they do near an end of the data. It is wide where samples are few for the dimension. Neither is negative.

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

    Example: a sphere in three dimensions.

        >>> import numpy as np
        >>> from geomem import local_dimension
        >>> draw = np.random.default_rng(0)
        >>> points = draw.normal(size=(3000, 3))
        >>> sphere = points / np.linalg.norm(points, axis=1, keepdims=True)
        >>> found = local_dimension(sphere, [[0, 0, 1]])
        >>> print(f"{found.lower.item():.1f} < {found.value.item():.1f} < {found.upper.item():.1f}")
        1.6 < 2.0 < 2.4
    """
    rows = check_data(data)
    asked = check_points(points, (None, rows.shape[1]), "the table of points")
    if len(rows) < _FEWEST_SAMPLES:
        raise InputError(f"the data have {len(rows)} rows; a local dimension needs at least {_FEWEST_SAMPLES}")
    if len(asked) == 0:
        raise InputError("there are no points; give at least one")
    largest = _largest_noise_variance(rows, asked)
    if noise_variance is None:
        batches = [_chosen(rows, batch, _ladder(rows, batch, largest)) for batch in _batches(asked)]
        names = ("point",)
    else:
        times = listed_noise_variances(noise_variance)
        batches = [_as_given(_at(rows, batch, times)) for batch in _batches(asked)]
        names = ("noise_variance", "point")
    value, half, participation, chosen = (np.concatenate(part, axis=-1) for part in zip(*batches, strict=True))
    found = xr.Dataset(
        {
            "value": (names, np.maximum(value, 0.0), described("local dimension", "1")),
            "lower": (names, np.maximum(value - half, 0.0), described("lower end of its 95 % interval", "1")),
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
    for first in range(0, _MOST_LEVELS, LEVELS):
        sums.append(distance_moments(rows, points, ladder[first : first + LEVELS]))
        done = np.concatenate(sums)
        # Backwards, with half of every noise variance among them.
        order = np.arange(len(done) - _PER_HALF)[::-1]
        found = _levels(ladder[order], done[order], done[order + _PER_HALF], rows.shape[1])
        if found.collapsed[:_PER_HALF].all():
            break
    assert found is not None
    return found


def _at(rows: np.ndarray, points: np.ndarray, times: np.ndarray) -> _Levels:
    sums = distance_moments(rows, points, np.concatenate([times, times / 2]))
    return _levels(times, sums[: len(times)], sums[len(times) :], rows.shape[1])


def _levels(times: np.ndarray, sums: np.ndarray, half: np.ndarray, dims: int) -> _Levels:
    """The dimension and its errors from sums at noise variances, and at half of them."""
    mean, second = (sums[..., power] / sums[..., 0] for power in (1, 2))
    of_half = [half[..., power] / half[..., 0] for power in range(1, MOMENTS)]
    participation = np.asarray(_participation(sums[..., 0], half[..., 0]))
    variances = np.stack(
        [
            np.maximum(by_weights(participation, mean, second, *of_half), on_plane(participation, mean))
            for by_weights, on_plane in _VARIANCES
        ]
    )
    # Repeated samples share the score however small t is, but are then more dimensions away than there are.
    too_many = mean - HALF_INTERVAL * np.sqrt(variances[0]) > dims
    return _Levels(
        times,
        participation,
        mean,
        np.asarray(_slope(mean, second)),
        np.asarray(_extrapolated(mean, second)),
        of_half[0],
        variances,
        (participation > _COLLAPSED) | too_many,
    )


def _as_given(levels: _Levels) -> tuple[np.ndarray, ...]:
    """Value, half of the interval and participation where the noise variance is given."""
    value = np.where(levels.collapsed, np.nan, levels.dimension)
    times = np.broadcast_to(levels.times[:, None], value.shape)
    return value, HALF_INTERVAL * np.sqrt(levels.variances[0]), levels.participation, times


def _chosen(rows: np.ndarray, points: np.ndarray, levels: _Levels) -> tuple[np.ndarray, ...]:
    """Value, half of the interval, participation and the noise variance of every point."""
    last = len(levels.times) - 1
    place = np.arange(last + 1)[:, None]
    lowest = np.max(np.where(levels.collapsed, place + 1, 0), axis=0)
    sloping = np.abs(levels.slope) > _SEEN * np.sqrt(levels.variances[1])
    first = np.min(np.where(sloping & (place >= lowest), place, last + 1), axis=0)
    at = np.clip(first - _BACK, np.minimum(lowest, last), last)
    pick = (at, np.arange(levels.slope.shape[1]))
    # A slope below three errors is as much chance as curvature: half of it is taken off.
    value = np.where(lowest > last, np.nan, (levels.dimension[pick] + levels.extrapolated[pick]) / 2)
    participation, times = levels.participation[pick], levels.times[at]
    displaced = _displaced(times, displacements(rows, points, times), participation, levels.first_of_half[pick])
    systematic = levels.slope[pick] ** 2 + np.maximum(displaced, 0.0)
    return value, np.sqrt(HALF_INTERVAL**2 * levels.variances[2][pick] + systematic), participation, times
