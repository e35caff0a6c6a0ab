"""The resolved dimension as it is measured: signal and noise of the empirical score over replicate data sets."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from scipy.special import ndtr

from geomem.core.arguments import Numbers, check_data, listed_noise_variances, whole_numbers
from geomem.core.progress import bar
from geomem.core.provenance import digest, key_record, provenance
from geomem.core.resampling import DATA_RESAMPLES
from geomem.core.results import SQUARED, described, noise_axis
from geomem.core.status import InputError
from geomem.empirical.gibbs import score
from geomem.laws.law import Law, is_law
from geomem.laws.setting import opening_time

_PARTS = 10  # of the jackknife
# Data sets in groups; the members of a group are independent of each other.
Scores = Float[np.ndarray, "groups members times directions"]


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
    range of t. From a manifold data sets are drawn. Of given data as many disjoint subsets are taken as
    there are, then again of another permutation; signal and noise are estimated within a permutation,
    whose subsets are independent, so that neither is biased by the samples that permutations share.
    Criterion: arXiv:2410.08727, section 5.

    Args:
        source: a manifold, or a data set, (samples, dims).
        noise_variance: noise variances t, a list.
        num_samples: data-set sizes, one or a list; of given data at most 45 % of the samples.
        num_replicates: data sets of each size, one number or one per size; at least 8.
        key: for the draws.

    Returns:
        A data set over `noise_variance` and `num_samples` with `value`, the resolved dimension, and its
        `error`; and over `direction` too `signal_to_noise` and `signal_to_noise_error`, a standard error:
        of data sets that are drawn by the bootstrap, of given data by leaving out a tenth of the samples
        in turn (an upper estimate, up to three times too large: it counts the scatter of permutations,
        which are few, ninefold). The error of the dimension is what these make of it, directions taken
        as independent.

    Raises:
        InputError: for a data set, noise variances, sizes or numbers of replicates that are none.
    """
    times = listed_noise_variances(noise_variance)
    given = _source_of(source)
    sizes, repeats = whole_numbers(num_samples, "num_samples", 2), whole_numbers(num_replicates, "num_replicates", 8)
    if repeats.size not in (1, sizes.size):
        raise InputError(f"there are {sizes.size} sizes but {repeats.size} num_replicates; give one, or one per size")
    if sizes.max() > given.largest:
        raise InputError(f"num_samples is {sizes.max()}; subsets that share nothing have at most {given.largest:.0f}")
    opens = times[:, None] < np.asarray(jax.vmap(opening_time)(jnp.asarray(given.variances)))
    # Where none opens there is still a curve, of zeros.
    kept = opens.any(axis=0) | (np.arange(len(given.variances)) == 0)
    directions, variances, opens = given.directions[kept], given.variances[kept], opens[:, kept]
    counts = np.broadcast_to(repeats, sizes.shape)
    total = int(counts.sum()) * given.num_estimates
    columns, done = [], 0
    with bar("data sets", total) as report:

        def along(data: Array | np.ndarray) -> Float[np.ndarray, "times directions"]:
            """Component along every direction of the score on its ray."""
            nonlocal done
            scores = np.asarray(score(given.center, data, times, directions=directions))
            done += 1
            report(min(done, total))
            return np.einsum("tvd,vd->tv", scores, directions)

        for place, (size, count) in enumerate(zip(sizes.tolist(), counts.tolist(), strict=True)):
            ratio, error = given.estimate(along, jax.random.fold_in(key, place), size, count)
            resolved = np.sum(opens & (ratio > 1), axis=1)
            # Resamples so few in number leave every chance above one half of one of them.
            with np.errstate(divide="ignore", invalid="ignore"):  # what does not vary is certain
                chance = ndtr((ratio - 1) / error).clip(0.5 / DATA_RESAMPLES, 1 - 0.5 / DATA_RESAMPLES)
            spread = np.sqrt(np.sum(opens * chance * (1 - chance), axis=1))
            columns.append((resolved.astype(float), spread, ratio, error))
    value, error, ratio, ratio_error = (np.stack(column, axis=1) for column in zip(*columns, strict=True))
    over = ("noise_variance", "num_samples")
    record = given.record | {
        "num_samples": sizes.tolist(),
        "num_replicates": counts.tolist(),
        "key": key_record(key),
    }
    return xr.Dataset(
        {
            "value": (over, value, described("resolved dimension", "1")),
            "error": (over, error, described("standard error of the resolved dimension", "1")),
            "signal_to_noise": ((*over, "direction"), ratio, described("squared mean over variance of the score", "1")),
            "signal_to_noise_error": ((*over, "direction"), ratio_error, described("its standard error", "1")),
        },
        noise_axis(times)
        | {
            "num_samples": ("num_samples", sizes, described("number of training samples", "1")),
            "local_variance": ("direction", variances, described("local variance", SQUARED)),
        },
        {"observable": "resolved dimension", "provenance": provenance(record)},
    )


# What measures one data set, (times, directions).
Along = Callable[[Array | np.ndarray], np.ndarray]


class _Source(NamedTuple):
    """Where the score is evaluated, rays from the center along principal directions, and where data sets come from."""

    center: Float[np.ndarray, " dims"]
    directions: Float[np.ndarray, "directions dims"]
    variances: Float[np.ndarray, " directions"]
    # Signal-to-noise ratio and its standard error from so many data sets of a size.
    estimate: Callable[[Along, Array, int, int], tuple[np.ndarray, np.ndarray]]
    num_estimates: int  # how many times as many data sets that takes
    largest: float  # size of a data set
    record: dict[str, object]


def _source_of(source: Law | Numbers) -> _Source:
    if is_law(source):
        source.require("one_gaussian", "the measured resolved dimension")
        variances = np.repeat(np.asarray(source.variances), np.asarray(source.multiplicities, dtype=int))
        estimate = partial(_of_draws, source)
        return _Source(
            np.zeros(len(variances)), np.eye(len(variances)), variances, estimate, 1, np.inf, source.record()
        )
    pool = check_data(cast(Numbers, source))
    center = pool.mean(axis=0, dtype=float)
    _, singular, directions = np.linalg.svd(pool - center, full_matrices=False)
    record: dict[str, object] = {"data_sha256": digest(pool)}
    largest = (len(pool) - -(-len(pool) // _PARTS)) // 2
    estimate = partial(_of_subsets, pool)
    return _Source(center, directions, singular**2 / len(pool), estimate, 1 + _PARTS, largest, record)


def _of_draws(manifold: Law, along: Along, key: Array, size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """By drawing from a manifold, with the error of the bootstrap."""
    scores = np.array([[along(manifold.sample(each, size)) for each in jax.random.split(key, count)]])
    rng = np.random.default_rng(0)
    again = [_signal_to_noise(scores[:, rng.integers(count, size=count)]) for _ in range(DATA_RESAMPLES)]
    return _signal_to_noise(scores), np.std(again, axis=0, ddof=1)


def _of_subsets(pool: np.ndarray, along: Along, key: Array, size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """By choosing from a pool, with the error of a jackknife of its samples."""

    def estimate(chosen: np.ndarray) -> np.ndarray:
        groups = _subsets(pool[chosen], key, size, count)
        return _signal_to_noise(np.array([[along(data) for data in group] for group in groups]))

    order = np.asarray(jax.random.permutation(key, len(pool)))
    left_out = np.array_split(order, _PARTS)
    without = [estimate(np.setdiff1d(order, part)) for part in left_out]
    return estimate(order), np.sqrt(_PARTS - 1) * np.std(without, axis=0)


def _subsets(pool: np.ndarray, key: Array, size: int, count: int) -> Iterator[Iterator[np.ndarray]]:
    """Groups of disjoint subsets, a permutation of the samples each; at least so many subsets."""
    members = len(pool) // size
    for each in jax.random.split(key, -(-count // members)):
        order = np.asarray(jax.random.permutation(each, len(pool)))
        yield (pool[order[first : first + size]] for first in range(0, members * size, size))


def _signal_to_noise(scores: Scores) -> np.ndarray:
    """Squared mean over variance, neither biased by the finite number of members."""
    variance = scores.var(axis=1, ddof=1)
    squared_mean = scores.mean(axis=1) ** 2 - variance / scores.shape[1]
    return squared_mean.mean(axis=0) / variance.mean(axis=0)
