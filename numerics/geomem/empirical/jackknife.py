"""How a mean of ln Z over probes of a data set scatters between data sets: a jackknife of its samples.

A sample enters twice, as the start of its own probes and by its weight at all others. Leaving it out changes ln Z of a
probe by ln(1 - w), so that one pass over the weights serves every sample. Where few pairs of samples matter each of
them is counted at both of its ends, and the jackknife doubles the variance; what pairs contribute is therefore
subtracted once (B. Efron and C. Stein, Ann. Statist. 9, 586, 1981).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from geomem.core.precision import column_means
from geomem.core.progress import bar
from geomem.empirical.sums import TILE_WEIGHTS, Probes, relative_log_weight, squared_distances

_ALMOST_ONE = 1.0 - np.finfo(float).eps


class Sides(NamedTuple):
    """Sums of A, the change of ln Z of a sample's own probes (row) as another (column) is left out, at every time.

    Of the first samples, those with probes, and then of the others.
    """

    rows: Float[np.ndarray, "times probed"]  # over columns that have probes
    all_rows: Float[np.ndarray, "times probed"]
    columns: Float[np.ndarray, "times samples"]
    squares: Float[np.ndarray, "times times"]  # sum of A A
    crossed: Float[np.ndarray, "times times"]  # sum of A and its transpose, of pairs that both have probes


class Jackknife(NamedTuple):
    """A covariance that is never too small, and what of it pairs of samples contribute once too often.

    Their difference is right within a tenth but for what three samples do together, which it leaves out: differences
    along a curve, and so places on it, scatter more than it says.
    """

    covariance: Float[np.ndarray, "times times"]
    of_pairs: Float[np.ndarray, "times times"]


class Probing(NamedTuple):
    """Probes data[order] + sqrt(t) noise; `order` repeats no sample before all have been.

    Every probe sees the samples of one set, its own only where there is noise.
    """

    order: Int[np.ndarray, " probes"]
    noise: Float[np.ndarray, "probes dims"]
    sets: Bool[np.ndarray, "sets samples"]
    set_of: Int[np.ndarray, " probes"]


def covariance_over_data_sets(
    data: Float[np.ndarray, "samples dims"],
    times: Float[np.ndarray, " times"],
    probing: Probing,
    log_partition: Float[np.ndarray, "times probes"],
    values: Float[np.ndarray, "times probes"],
) -> Jackknife:
    """Covariance, over data sets and their noise, of the mean of `values`: ln Z and what knows the probe alone.

    The data may be of float32, or mapped: blocks of them are copied, never all.
    """
    num_samples, num_probes = len(data), len(probing.order)
    probed = min(num_samples, num_probes)
    ordered = np.append(probing.order[:probed], np.setdiff1d(np.arange(num_samples), probing.order))
    place = np.empty(num_samples, dtype=int)
    place[ordered] = np.arange(num_samples)
    at = place[probing.order]
    as_ordered = probing._replace(order=at, sets=probing.sets[:, ordered])
    sides = _sides(data, ordered, times, as_ordered, log_partition, probed)

    total, own = values.sum(axis=1), of_own_samples(values, at, num_samples)
    without = (total[:, None] + sides.columns - own) / (num_probes - np.bincount(at, minlength=num_samples))
    covariance = np.zeros((len(times), len(times)))
    for part in (without[:, :probed], without[:, probed:]):
        if part.shape[1]:
            moved = part - part.mean(axis=1, keepdims=True)
            covariance += moved @ moved.T
    return Jackknife(covariance, _of_pairs(sides, num_samples, probed) / num_probes**2)


def of_own_samples(
    values: Float[np.ndarray, "times probes"], order: Int[np.ndarray, " probes"], num_samples: int
) -> Float[np.ndarray, "times samples"]:
    """Sums of the values over the probes of every sample."""
    own = np.zeros((len(values), num_samples))
    np.add.at(own.T, order, values.T)
    return own


def _of_pairs(sides: Sides, num_samples: int, probed: int) -> Float[np.ndarray, "times times"]:
    """Sum over pairs of what is left of A and its transpose without the parts of their single samples."""
    whole, inside = sides.all_rows.sum(axis=1), sides.rows.sum(axis=1)
    own_columns = sides.columns[:, :probed]
    squares = (
        sides.squares
        - sides.all_rows @ sides.all_rows.T / num_samples
        - sides.columns @ sides.columns.T / probed
        + np.outer(whole, whole) / (num_samples * probed)
    )
    both = sides.rows @ own_columns.T
    return squares + sides.crossed - (both + both.T) / probed + np.outer(inside, inside) / probed**2


def _sides(
    data: Float[np.ndarray, "samples dims"],
    ordered: Int[np.ndarray, " samples"],
    times: Float[np.ndarray, " times"],
    probing: Probing,
    log_partition: Float[np.ndarray, "times probes"],
    probed: int,
) -> Sides:
    """The sums, over blocks of pairs; the samples with probes are the first."""
    width = int(np.clip(np.sqrt(TILE_WEIGHTS / len(times)), 8, min(512, len(data))))
    center = column_means(data)
    starts = range(0, len(data), width)
    # Blocks have one shape: what is missing in the last is a sample of index -1, which weighs nothing.
    index = np.full(len(starts) * width, -1)
    index[: len(data)] = np.arange(len(data))
    place, num_probes = probing.order, len(probing.order)
    sets = np.zeros((len(probing.sets), len(index)), dtype=bool)
    sets[:, : len(data)] = probing.sets
    rounds = [slice(first, first + probed) for first in range(0, num_probes, probed)]
    probes_at = np.full((len(rounds), len(index)), -1)
    for turn, part in enumerate(rounds):
        probes_at[turn, place[part]] = np.arange(num_probes)[part]

    def samples(block: slice) -> Array:
        return jnp.asarray(data[ordered[index[block]]] - center)

    def changes(own: slice, mine: Array, others: slice, theirs: Array) -> Array:
        """A of a block, over all probes of its own samples."""
        found = jnp.zeros((len(times), width, width))
        for turn in probes_at[:, own]:
            if (turn >= 0).any():
                probes = Probes(jnp.asarray(times), mine, jnp.asarray(probing.noise[turn]), jnp.asarray(center))
                seen = (
                    sets[probing.set_of[turn], others] & (turn >= 0)[:, None] & (index[own][:, None] != index[others])
                )
                heights = jnp.asarray(log_partition[:, turn])
                found = found + _changes(probes, heights, jnp.asarray(seen), theirs, jnp.asarray(index[others]))
        return found

    blocks = [slice(first, first + width) for first in starts]
    with_probes = -(-probed // width)
    rows, all_rows, columns = (np.zeros((len(times), len(index))) for _ in range(3))
    squares, crossed = (np.zeros((len(times), len(times))) for _ in range(2))
    with bar("pairs of samples", with_probes * len(blocks)) as report:
        done = 0
        for one in range(with_probes):
            own = samples(blocks[one])
            for other in range(one, len(blocks)):
                others = own if other == one else samples(blocks[other])
                there = changes(blocks[one], own, blocks[other], others)
                pairs = [(one, other, there)]
                if other < with_probes:
                    back = there if other == one else changes(blocks[other], others, blocks[one], own)
                    found = np.asarray(_products(there, jnp.swapaxes(back, 1, 2)))
                    crossed += found if other == one else found + found.T
                    pairs += [] if other == one else [(other, one, back)]
                for row, column, part in pairs:
                    of_rows, of_columns = np.asarray(part.sum(axis=2)), np.asarray(part.sum(axis=1))
                    all_rows[:, blocks[row]] += of_rows
                    if column < with_probes:
                        rows[:, blocks[row]] += np.asarray(part[:, :, index[blocks[column]] < probed].sum(axis=2))
                    columns[:, blocks[column]] += of_columns
                    squares += np.asarray(_products(part, part))
                    done += 1
                    report(done)
    return Sides(rows[:, :probed], all_rows[:, :probed], columns[:, : len(data)], squares, crossed)


@jax.jit
def _changes(probes: Probes, log_partition: Array, seen: Array, samples: Array, index: Array) -> Array:
    """What leaving out a sample of a tile (column) does to ln Z of a probe (row), (times, rows, columns).

    Nothing where the probe does not see it: its own sample goes with the probe.
    """
    distances = squared_distances(probes, samples, index)
    weights = jnp.exp(relative_log_weight(probes.times[:, None, None], distances, 0.0) - log_partition[:, :, None])
    return jnp.log1p(-jnp.where(seen[None], jnp.minimum(weights, _ALMOST_ONE), 0.0))


@jax.jit
def _products(one: Array, other: Array) -> Array:
    """Sums of products over all entries, (times, times)."""
    return one.reshape(len(one), -1) @ other.reshape(len(other), -1).T
