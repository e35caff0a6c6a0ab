"""The resolved dimension as it is measured: signal and noise of the empirical score over replicate data sets."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Float, Num
from scipy.special import nctdtr, ndtr, ndtri

from geomem.core.arguments import Numbers, check_data, check_key, listed_noise_variances
from geomem.core.kinds import refuse_beyond_memory, whole_numbers
from geomem.core.precision import column_means
from geomem.core.progress import bar
from geomem.core.provenance import digest, key_record, provenance
from geomem.core.resampling import DATA_RESAMPLES, INTERVAL
from geomem.core.results import SQUARED, described, noise_axis, with_status
from geomem.core.status import InputError
from geomem.empirical.gibbs import score
from geomem.laws.covariance import above_rounding
from geomem.laws.law import Law, is_law
from geomem.laws.setting import opening_time

_FEWEST = 8  # independent data sets from which a dimension is told
# Data sets in groups; the members of a group are independent of each other.
Scores = Float[np.ndarray, "groups members times directions"]
Ratios = Float[np.ndarray, "times directions"]


def measure_resolved_dimension(
    source: Law | Numbers,
    *,
    noise_variance: Numbers,
    num_samples: Numbers,
    num_replicates: Numbers,
    key: Array,
) -> xr.Dataset:
    """D(t, N): how many directions are open and have a signal-to-noise ratio above one, over replicate data sets.

    The score is evaluated at sqrt(t) v from the mean for every principal direction v that opens in the
    range of t. From a manifold data sets are drawn. Given data are cut into disjoint subsets, then again in
    another order, until there are enough. Subsets are independent within an order; those of several orders
    share samples, and what all samples have in common by chance is in every one of them. Signal and noise are
    therefore estimated within an order, and errors are those of one order alone, M/N data sets of M samples:
    more orders can only lower them. Which directions are open is told by the variances of the data themselves, as
    they are. Criterion: arXiv:2410.08727, section 5.

    A count of noisy ratios above one is not the count of ratios above one: the many directions of next to no
    signal add to it. That bias is what scatter about the estimates adds to their own count, and is taken off.

    Args:
        source: a manifold, or a data set, (samples, dims).
        noise_variance: noise variances t, a list.
        num_samples: data-set sizes, one or a list; of given data at most half of the samples.
        num_replicates: data sets of each size, one number or one per size; at least 8.
        key: for the draws.

    Returns:
        A data set over `noise_variance` and `num_samples` with `value`, the resolved dimension, its standard
        `error`, directions taken as independent, and `status`; NaN and NOT_CONVERGED where fewer than eight
        data sets are independent, as of given data where N > M/8; how many are is the coordinate `independent`.
        `lower` counts the directions whose 95 % interval is above one, `upper` those whose interval is not below
        it; what is between is undecided. Over `direction` too `signal_to_noise` and `signal_to_noise_error`, a
        standard error. Intervals are those of a mean over a deviation, noncentral t, as if scores were normal over
        data sets.

    Raises:
        InputError: for a data set, noise variances, sizes or numbers of replicates that are none.
    """
    check_key(key)
    times = listed_noise_variances(noise_variance)
    given = _source_of(source)
    sizes, repeats = whole_numbers(num_samples, "num_samples", 2), whole_numbers(num_replicates, "num_replicates", 8)
    if repeats.size not in (1, sizes.size):
        raise InputError(f"there are {sizes.size} sizes but {repeats.size} num_replicates; give one, or one per size")
    if 2 * sizes.max() > given.samples:
        raise InputError(
            f"num_samples is {sizes.max()}; subsets that share nothing have at most {given.samples // 2:.0f}"
        )
    opens = times[:, None] < np.asarray(jax.vmap(opening_time)(jnp.asarray(given.variances)))
    # Where none opens there is still a curve, of zeros.
    kept = opens.any(axis=0) | (np.arange(len(given.variances)) == 0)
    directions, variances, opens = given.directions[kept], given.variances[kept], opens[:, kept]
    counts = np.broadcast_to(repeats, sizes.shape)
    scores = float(counts.max()) * len(times) * len(directions)
    refuse_beyond_memory(scores, f"the scores of {counts.max()} data sets")
    members = np.minimum(counts, given.samples / sizes).astype(int)
    groups = -(-counts // members)
    columns = []
    with bar("data sets", int(np.sum(groups * members))) as report:
        done = 0

        def along(data: Array | np.ndarray) -> Ratios:
            """Component along every direction of the score on its ray."""
            nonlocal done
            scores = np.asarray(score(given.center, data, times, directions=directions))
            done += 1
            report(done)
            return np.einsum("tvd,vd->tv", scores, directions)

        for place, (size, *shape) in enumerate(zip(sizes.tolist(), groups.tolist(), members.tolist(), strict=True)):
            draws = given.draws(jax.random.fold_in(key, place), size, *shape)
            ratio, error = _signal_to_noise(np.array([[along(data) for data in group] for group in draws]))
            columns.append((*_dimension(ratio, opens, shape[1]), ratio, error))
    value, error, lower, upper, ratio, ratio_error = (np.stack(c, axis=1) for c in zip(*columns, strict=True))
    over = ("noise_variance", "num_samples")
    record = given.record | {
        "num_samples": sizes.tolist(),
        "num_replicates": counts.tolist(),
        "key": key_record(key),
    }
    measured = xr.Dataset(
        {
            "value": (over, value, described("resolved dimension", "1")),
            "error": (over, error, described("standard error of the resolved dimension", "1")),
            "lower": (over, lower, described("directions that are resolved for certain", "1")),
            "upper": (over, upper, described("directions that may be resolved", "1")),
            "signal_to_noise": ((*over, "direction"), ratio, described("squared mean over variance of the score", "1")),
            "signal_to_noise_error": ((*over, "direction"), ratio_error, described("its standard error", "1")),
        },
        noise_axis(times)
        | {
            "num_samples": ("num_samples", sizes, described("number of training samples", "1")),
            "independent": ("num_samples", members, described("number of independent data sets", "1")),
            "local_variance": ("direction", variances, described("local variance", SQUARED)),
        },
        {"observable": "dimension", "provenance": provenance(record)},
    )
    return with_status(measured)


class _Source(NamedTuple):
    """Where the score is evaluated, rays from the center along principal directions, and where data sets come from."""

    center: Float[np.ndarray, " dims"]
    directions: Float[np.ndarray, "directions dims"]
    variances: Float[np.ndarray, " directions"]
    # Data sets of a size: so many groups of so many members.
    draws: Callable[[Array, int, int, int], Iterator[Iterator[Array | np.ndarray]]]
    samples: float  # that there are
    record: dict[str, object]


def _source_of(source: Law | Numbers) -> _Source:
    if is_law(source):
        source.require("one_gaussian", "the measured resolved dimension")
        refuse_beyond_memory(float(source.dimension) ** 2, "the directions of the law")
        variances = np.repeat(np.asarray(source.variances), np.asarray(source.multiplicities, dtype=int))
        draws = partial(_samples, source)
        return _Source(np.zeros(len(variances)), np.eye(len(variances)), variances, draws, np.inf, source.record())
    pool = check_data(cast(Numbers, source))
    center = column_means(pool)
    _, singular, directions = np.linalg.svd(pool - center, full_matrices=False)
    variances = above_rounding(pool, singular**2 / len(pool), lambda: directions)
    record: dict[str, object] = {"data_sha256": digest(pool)}
    return _Source(center, directions, variances, partial(_subsets, pool), len(pool), record)


def _samples(manifold: Law, key: Array, size: int, groups: int, members: int) -> Iterator[Iterator[Array]]:
    """Drawn from a manifold."""
    for part in jax.random.split(key, (groups, members)):
        yield (manifold.sample(each, size) for each in part)


def _subsets(pool: np.ndarray, key: Array, size: int, groups: int, members: int) -> Iterator[Iterator[np.ndarray]]:
    """Disjoint subsets of a pool, one order of its samples for each group."""
    for each in jax.random.split(key, groups):
        order = np.asarray(jax.random.permutation(each, len(pool)))
        yield (pool[order[first : first + size]] for first in range(0, members * size, size))


def _signal_to_noise(scores: Scores) -> tuple[Ratios, Ratios]:
    """Squared mean over variance, neither biased by the finite number of members, and the error of one group of them.

    The error is that of the delta method for normal scores, of a ratio below 1/members that of 1/members, which it
    may be. Not lowered by the number of groups: they share what the mean and the variance of a pool are by chance,
    and how much that is they do not tell.
    """
    members = scores.shape[1]
    variance = scores.var(axis=1, ddof=1)
    squared_mean = scores.mean(axis=1) ** 2 - variance / members
    with np.errstate(divide="ignore", invalid="ignore"):  # a score that does not vary
        ratio = squared_mean.mean(axis=0) / variance.mean(axis=0)
    signal = np.maximum(ratio, 1 / members)
    return ratio, np.sqrt(4 * signal / members + 2 / members**2 + 2 * signal**2 / (members - 1))


def _dimension(
    ratio: Ratios, opens: Bool[np.ndarray, "times directions"], members: int
) -> tuple[Num[np.ndarray, " times"], ...]:
    """Resolved dimension, its error, and how many directions are resolved for certain and how many may be.

    The mean over the deviation, squared, is ratio + 1/members; its root, times that of the number of members, is of
    noncentral t where scores are normal. The chance of less at a ratio of one is how sure a direction is above one,
    and about the chance that it is found there once more if its estimate is the truth. The sum over directions is
    thus the count with the noise added twice; what the second time adds is taken off for the first (the bootstrap's
    correction of a bias). The error is the scatter of this under the same noise.
    """
    measured = np.sqrt(np.maximum(members * ratio + 1, 0.0))
    chance = np.where(opens, nctdtr(members - 1, np.sqrt(members), measured), 0.0)
    upper, lower = (np.sum(chance > percent / 100, axis=1) for percent in INTERVAL)
    if members < _FEWEST:
        unknown = np.full(len(ratio), np.nan)
        return unknown, unknown, lower, upper
    count = 2 * np.sum(opens & (ratio > 1), axis=1) - np.sum(chance, axis=1)
    # Resamples so few in number leave every chance above one half of one of them.
    deviations = ndtri(chance.clip(0.5 / DATA_RESAMPLES, 1 - 0.5 / DATA_RESAMPLES))
    again = deviations + np.random.default_rng(0).normal(size=(DATA_RESAMPLES, *deviations.shape))
    counts = np.sum(np.where(opens, 2.0 * (again > 0) - ndtr(again), 0.0), axis=2)
    return np.rint(count.clip(lower, upper)), np.std(counts, axis=0, ddof=1), lower, upper
