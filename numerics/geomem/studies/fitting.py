"""A law from data: one Gaussian, several, or the samples themselves, with a record of how far it may be trusted."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import jax
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, check_data, check_key, whole_number
from geomem.core.provenance import digest, key_record, provenance
from geomem.core.results import described, noise_axis
from geomem.core.status import InputError
from geomem.laws.law import Law
from geomem.laws.pool import SampledLaw, largest_size_of
from geomem.laws.probe import Probe
from geomem.levels.quenched import quenched
from geomem.studies.fits import (
    MOST_DIMS,
    RIDGES,
    Candidate,
    Coordinates,
    Split,
    best_mixture,
    best_of,
    judged,
    log_densities,
    one_gaussian,
    several_gaussians,
)

FAMILIES = ("auto", "gaussian", "mixture", "pool")
_MOST_ROWS = 10_000  # of each half of a mixture
_FACTOR, _DIMS = 3, 64  # as many times more to choose by, in up to so many dimensions
_HELD_OUT, _MOST_HELD_OUT = 1 / 5, 2000
_POINTS, _DIRECTIONS = 12, 6  # to compare halves at and along
FEWEST_ROWS = 10


class Fitted(NamedTuple):
    """A law that was fitted to data, and how far it may be trusted.

    `family` is `gaussian`, `mixture` or `pool`; `num_components` how many Gaussians the law has, 0 for a pool, and
    `regularization` what was added to all variances of each, in squared units of the data. `nats_gained` is the
    log-likelihood of a held-out sample over that by one Gaussian, in nats, each of which is a factor e in N by which
    the theory of one Gaussian is off; NaN for a pool, which has no density.

    `by_noise` has, over `noise_variance`: `noised_gain`, the same of samples and laws with noise, with its standard
    error `noised_gain_error`; `expected_error` of ln R by the number of rows, at `largest_size` samples, from halves of
    the data; `misfit`, what ln R is off by from that of a pool of rows, at a fifteenth of them, NaN for a pool; and
    `trusted`, whether both are below 1. Both are medians over held-out points with noise and the leading directions.
    `largest_size` is the N up to which the law was looked at: the number of rows, or a fifteenth of it for a pool.
    `note` says in words what was chosen, and why.
    """

    law: Law
    family: str
    num_components: int
    regularization: float
    nats_gained: float
    by_noise: xr.Dataset
    largest_size: float
    note: str


class Choice(NamedTuple):
    """What was chosen: its gains with noise over one Gaussian, the law of all rows, and that of any of them."""

    family: str
    num_components: int
    ridge: float
    nats_gained: float
    noised_gain: Float[np.ndarray, "times held"]
    law: Law
    of_training: Law
    of_rows: Callable[[np.ndarray], Law]
    why: str


def fit_law(data: Numbers, *, family: str = "auto", key: Array, num_components: int | None = None) -> Fitted:
    """A law from data, chosen by samples that are held out of its fit.

    A mixture is of Gaussians of full covariances, fitted by scikit-learn from k-means on. How many there are, up to 30,
    and what is added to their variances is chosen by the log-likelihood of held-out samples *with noise*, the mean over
    five noise variances: without noise it depends on what is added, and ranks fits less well by their error in R.
    Of data in more than 512 dimensions the Gaussians are fitted along the 128 leading directions, and all others have
    one variance, the same in every Gaussian; what they say of noise below it, or along such directions, is rough, and
    `note` says how far their own variances differ from it. Covariances are summed over blocks of rows: float32 and
    mapped data are not copied.

    Args:
        data: samples, (samples, dims), 10 or more.
        family: `gaussian`: one, of the data's mean and covariance; `mixture`; `pool`: the samples themselves, as
            `SampledLaw`; or `auto`: a mixture if it gains more than two standard errors over one Gaussian, else that.
            A pool has to be asked for: it is the best of them for N below a fifteenth of its samples and wrong
            beyond, and the N of interest is most often that of the data.
        key: for what is held out, its noise, and k-means.
        num_components: of a mixture, 2 or more; by default it is chosen.

    Returns:
        `Fitted`. Its law is that of all rows; the record is of fits to four fifths of them, 30 000 at the most, from 64
        dimensions on fewer and from 192 on 10 000, or to halves of these, 10 000 each at the most. Halves tell the
        error by the number of rows alone: what a family cannot be of the data's law both halves miss, and `misfit`
        tells. With too few rows for a mixture, fewer than two in every dimension for each of two components, the law
        is one Gaussian, and `note` says so.

    Raises:
        InputError: for data that are no table, fewer than 10 rows or all the same, an unknown family, more components
            than the rows carry, or a mixture without scikit-learn.
    """
    found = chosen_law(data, family=family, key=key, num_components=num_components)
    rows, coordinates, held_out, training, split, pool, chosen = found
    fifteenth = max(2.0, float(int(largest_size_of(len(rows)))))
    size = fifteenth if family == "pool" else float(len(rows))
    times = split.times * coordinates.scale**2
    probe = Probe.noised(rows[held_out[:_POINTS]], key=jax.random.fold_in(key, 1))

    def apart(one: Law, other: Law, num_samples: float) -> Float[np.ndarray, " times"]:
        directions = coordinates.axes[:_DIRECTIONS]
        laws = (one, other)
        found = [quenched(law, directions, noise_variance=times, num_samples=num_samples, probe=probe) for law in laws]
        return _apart(*(np.asarray(row.signal_to_noise) for row in found))

    # Of two halves each has the error of one of them.
    with _one_thread():
        halves = chosen.of_rows(training[::2]), chosen.of_rows(training[1::2])
    error = apart(*halves, size) / np.sqrt(2)
    compared = max(2.0, float(int(pool.largest_size)))
    misfit = np.full(len(times), np.nan) if family == "pool" else apart(chosen.of_training, pool, compared)
    record: dict[str, object] = {
        "data_sha256": digest(rows),
        "family": family,
        "num_components": num_components,
        "key": key_record(key),
        "law": chosen.law.record(),
    }
    by_noise = _by_noise(times, chosen.noised_gain, error, misfit, record)
    regularization = chosen.ridge * coordinates.scale**2
    return Fitted(
        chosen.law,
        chosen.family,
        chosen.num_components,
        regularization,
        chosen.nats_gained,
        by_noise,
        size,
        f"{chosen.why}{coordinates.left_out}; {_trusted(by_noise)}",
    )


class Found(NamedTuple):
    """What a law was chosen by: the rows and their coordinates, which are held out, and the choice."""

    rows: Float[np.ndarray, "rows dims"]
    coordinates: Coordinates
    held_out: np.ndarray
    training: np.ndarray
    split: Split
    pool: SampledLaw
    chosen: "Choice"


def chosen_law(data: Numbers, *, family: str, key: Array, num_components: int | None = None) -> Found:
    """The choice of `fit_law`, without what it says of how far the law may be trusted, which takes longer.

    Raises:
        InputError: as there.
    """
    rows = check_data(data)
    check_key(key)
    if family not in FAMILIES:
        raise InputError(f"there is no family {family!r} of laws; choose one of {', '.join(FAMILIES)}")
    if num_components is not None:
        whole_number(num_components, "num_components", 2)
        if family in ("gaussian", "pool"):
            raise InputError(f"num_components is for a mixture, and the family is {family!r}; leave it out")
    if len(rows) < FEWEST_ROWS:
        raise InputError(f"the data have {len(rows)} rows; a law is fitted to at least {FEWEST_ROWS}")
    with _one_thread():
        return _chosen(rows, family, key, num_components)


def _one_thread() -> AbstractContextManager:
    """Products of matrices as small as these wait for each other in threads, and take ten times as long."""
    try:
        from threadpoolctl import threadpool_limits  # comes with scikit-learn
    except ImportError:
        return nullcontext()
    return threadpool_limits(1, user_api="blas")


def _chosen(rows: Float[np.ndarray, "rows dims"], family: str, key: Array, num_components: int | None) -> Found:
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
    coordinates = Coordinates.of(rows)
    held_out, training = np.split(rng.permutation(len(rows)), [min(int(_HELD_OUT * len(rows)), _MOST_HELD_OUT)])
    # Few rows choose too much to be added to the variances. In more dimensions a fit takes longer.
    most = _MOST_ROWS * max(1.0, min(_FACTOR, _FACTOR * _DIMS / coordinates.rows.shape[1]))
    split = Split.of(coordinates, training[: int(most)], held_out, rng)
    one = best_of(judged(split, one_gaussian(split.training, ridge), ridge) for ridge in RIDGES)
    # A pool of all of so many dimensions is too much to compare with.
    pool = SampledLaw(rows[training if rows.shape[1] <= MOST_DIMS else training[:_MOST_ROWS]])
    if family == "pool":
        gain = split.densities_of_pool() - one.densities
        why = f"a pool of {len(rows)} samples, as asked for"
        chosen = Choice(
            "pool", 0, 0.0, np.nan, gain, SampledLaw(rows), pool, lambda which: SampledLaw(rows[which]), why
        )
    else:
        several, why = best_mixture(split, family, num_components, one, rng)
        chosen = _choice(coordinates, split, one, several, why, rng)
    return Found(rows, coordinates, held_out, training, split, pool, chosen)


def _choice(
    coordinates: Coordinates,
    split: Split,
    one: Candidate,
    several: Candidate | None,
    why: str,
    rng: np.random.Generator,
) -> Choice:
    rows = coordinates.rows
    if several is None:

        def gaussian(which: np.ndarray) -> Law:
            return coordinates.law(one_gaussian(rows[which], 0.0))

        nothing = np.zeros_like(one.densities)
        return Choice(
            "gaussian", 1, 0.0, 0.0, nothing, gaussian(np.arange(len(rows))), coordinates.law(one.fit), gaussian, why
        )
    count, ridge = several.fit.num_classes, several.ridge
    raw, of_one = (log_densities(candidate.fit, split.held_out, 0.0).mean() for candidate in (several, one))
    law = coordinates.law(several_gaussians(rows, count, ridge, rng, several.fit))

    def mixture(which: np.ndarray) -> Law:
        return coordinates.law(several_gaussians(rows[which[:_MOST_ROWS]], count, ridge, rng))

    gain = several.densities - one.densities
    return Choice("mixture", count, ridge, float(raw - of_one), gain, law, coordinates.law(several.fit), mixture, why)


def _apart(
    first: Float[np.ndarray, "points directions times"], second: Float[np.ndarray, "points directions times"]
) -> Float[np.ndarray, " times"]:
    """Median difference in the logarithm over points and directions; what is not known at either counts as infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):  # where a mean is zero
        apart = np.abs(np.log(first) - np.log(second))
    return np.median(np.where(np.isnan(apart), np.inf, apart), axis=(0, 1))


def _by_noise(
    times: Float[np.ndarray, " times"],
    gain: Float[np.ndarray, "times held"],
    error: Float[np.ndarray, " times"],
    misfit: Float[np.ndarray, " times"],
    record: dict[str, object],
) -> xr.Dataset:
    axis = "noise_variance"
    scatter = gain.std(axis=1, ddof=1) / np.sqrt(gain.shape[1])
    return xr.Dataset(
        {
            "noised_gain": (axis, gain.mean(axis=1), described("held-out gain over one Gaussian, with noise", "nats")),
            "noised_gain_error": (axis, scatter, described("standard error", "nats")),
            "expected_error": (axis, error, described("expected error of ln R by the number of rows", "1")),
            "misfit": (axis, misfit, described("difference in ln R from the rows as a pool", "1")),
            "trusted": (axis, (error < 1) & ~(misfit >= 1), described("whether both are below 1", "1")),
        },
        noise_axis(times),
        {"provenance": provenance(record)},
    )


def _trusted(by_noise: xr.Dataset) -> str:
    times = by_noise.noise_variance.values[by_noise.trusted.values]
    if not len(times):
        return "ln R is expected to be off by more than 1 at every noise variance"
    known = f"at {len(times)} of {by_noise.noise_variance.size} noise variances, {times.min():.3g} to {times.max():.3g}"
    return f"ln R of halves of the data, and of these as a pool, differs by less than 1 {known}"
