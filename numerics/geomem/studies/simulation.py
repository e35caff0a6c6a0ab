"""Averages over data sets by drawing data sets: slow, plain, and independent of the theory it tests."""

from collections.abc import Callable
from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, as_log_sizes, check_key, is_whole, whole_number
from geomem.core.kinds import one_number, one_size, refuse_beyond_memory
from geomem.core.provenance import digest, key_record, provenance
from geomem.core.status import InputError
from geomem.laws.law import Law
from geomem.laws.manifold import Manifold
from geomem.laws.points import asks_for_points, point_setting
from geomem.laws.probe import Probe
from geomem.levels.quenched import quenched

OBSERVABLES = ("log_partition", "participation", "score_mean", "score_variance")

_FEWEST = 8  # data sets that an error bar needs
_COUNTS, _SEEN = 0.01, 20  # 1 - Y2 from which on a second sample counts, and data sets in which that has to be seen


def theory_versus_simulation(
    manifold: Law,
    block: int | np.integer | Numbers,
    *,
    noise_variance: float | int,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    probe: Probe = Probe.along(),
    num_datasets: int,
    key: Array,
) -> xr.Dataset:
    """Level `finite_n` beside the average over `num_datasets` data sets that are drawn.

    `block` is that of a direction of one Gaussian, or one unit vector, (dims,), of any law that is seen from points;
    the probe is then one point, or about the mean.

    Returns:
        A data set over `observable` (log_partition, participation, score_mean,
        score_variance) with `value` (simulated), `prediction`, `standard_error` of the
        value, and `z`, their difference as a normal score: in standard errors if the data sets are many, and
        so that few exceed it no more often. Means take Student's law for that, the variance its cube root (E. B. Wilson
        and M. M. Hilferty, PNAS 17, 684, 1931) and the kurtosis of the scores, at least a normal one's. Where a second
        sample counts in fewer than 20 of the data sets, participation's standard error is at least what one more of
        them would have changed: its sample's own, of what was hardly seen, would be too small.

    Raises:
        InputError: as `quenched`, for a size that is no single whole number, several directions or points, and for
            fewer than 8 data sets.
    """
    from_points = asks_for_points(manifold, block, probe)
    if not from_points:
        manifold.require("energy", "a simulation")
    check_key(key)
    whole_number(num_datasets, "num_datasets", _FEWEST)  # an error bar of a variance needs as many
    noise_variance = one_number(noise_variance, "noise_variance")
    count = np.exp(one_size(as_log_sizes(num_samples, log_num_samples), "a simulation"))
    if not np.isclose(count, np.round(count), rtol=1e-9):
        raise InputError(f"the data-set size is {count!r}; to draw data sets it must be one whole number")
    # One at a time; of each its score is kept.
    numbers = float(manifold.dimension) * (float(count) + float(num_datasets))
    refuse_beyond_memory(numbers, f"a data set of {float(count):g} samples and {num_datasets} scores")
    predicted = quenched(manifold, block, noise_variance=noise_variance, num_samples=float(count), probe=probe)
    time = jnp.asarray(noise_variance)
    if from_points:
        seen, several = point_setting(manifold, block, probe)
        if several or len(seen.base) > 1:
            raise InputError("a simulation is of one direction, (dims,), at one point; ask for them one by one")
        point, direction = seen.base[0] + jnp.sqrt(time) * seen.offset[0], seen.directions[0]
    else:
        one, place = cast("Manifold", manifold), cast("int", block)  # of a law that knows `energy`
        point, direction = jnp.asarray(_probe_point(one, place, probe, noise_variance)), one.direction(place)
    draw, given = _drawing(manifold)
    drawn = _draw(draw, given, point, direction, time, key, round(float(count)), num_datasets)
    log_partition, participation, along = (np.asarray(column) for column in drawn)
    variance = float(along.var(ddof=1))
    means = np.stack([log_partition, participation, along])
    error = means.std(axis=1, ddof=1) / np.sqrt(num_datasets)
    if np.sum(participation < 1 - _COUNTS) < _SEEN:
        # Two samples of equal weight have a participation of one half.
        error[1] = max(error[1], 0.5 / num_datasets)
    relative = _relative_error_of_variance(along)
    value = [*means.mean(axis=1), variance]
    prediction = [np.asarray(getattr(predicted, name)).item() for name in OBSERVABLES]
    inputs = manifold.record() | {
        "block": int(block) if is_whole(block) else digest(np.asarray(block)),
        "noise_variance": noise_variance,
        "num_samples": float(count),
        "probe": probe.record(),
        "num_datasets": num_datasets,
        "key": key_record(key),
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        of_means = _normal_score((np.array(value[:3]) - prediction[:3]) / error, num_datasets - 1)
        of_variance = 3.0 * (np.cbrt(variance / prediction[3]) - 1.0) / relative
    return xr.Dataset(
        {
            "value": ("observable", value),
            "prediction": ("observable", prediction),
            "standard_error": ("observable", [*error, variance * relative]),
            "z": ("observable", [*of_means, of_variance]),
        },
        {"observable": list(OBSERVABLES)},
        {"provenance": provenance(inputs)},
    )


def _relative_error_of_variance(values: Float[np.ndarray, " values"]) -> float:
    """Standard error of the variance of such values, over the variance; a kurtosis seen in few is often too small."""
    deviation = values - values.mean()
    spread = max(float(np.mean(deviation**2)), 1e-300)
    kurtosis = max(float(np.mean(deviation**4)) / spread**2, 3.0)
    return float(np.sqrt((kurtosis - 1.0) / (len(values) - 1)))


def _normal_score(
    ratio: Float[np.ndarray, " observables"], degrees_of_freedom: int
) -> Float[np.ndarray, " observables"]:
    """What a normal variable exceeds as often as Student's does the ratio."""
    from scipy.stats import norm, t  # slow to import, and rarely needed

    return np.sign(ratio) * norm.isf(t.sf(np.abs(ratio), degrees_of_freedom))


def _probe_point(
    manifold: Manifold, block: int | np.integer, probe: Probe, noise_variance: float | int
) -> Float[np.ndarray, " dims"]:
    """A point with the probe's coordinate along the direction and its lengths in the blocks."""
    at, time = manifold.setting(manifold.indicator(block), probe), jnp.asarray(noise_variance)
    rest, place = np.asarray(at.rest(time)), float(at.place(time))
    counts = np.asarray(manifold.multiplicities, dtype=int)
    point = np.zeros(counts.sum())
    for b, first in enumerate(np.append(0, np.cumsum(counts)[:-1])):
        # The last direction of a block is not the probed one where there is any length left for it.
        point[first + counts[b] - 1] = np.sqrt(rest[b])
    return point + np.asarray(manifold.direction(block)) * place


def _drawing(law: Law) -> tuple[Callable[..., Array], tuple[Law | Array]]:
    """What draws samples of a law, and what of it JAX may trace: blocks of directions are counted before."""
    if "energy" not in law.knows:
        return _samples_of_law, (law,)
    blocks = cast("Manifold", law)
    return _rows_of_length_one if blocks.normalized else _samples_of_blocks, (blocks.axis_deviations(),)


def _samples_of_blocks(deviations: Array, key: Array, num_samples: int) -> Float[Array, "samples dims"]:
    return deviations[None, :] * jax.random.normal(key, (num_samples, len(deviations)))


def _rows_of_length_one(deviations: Array, key: Array, num_samples: int) -> Float[Array, "samples dims"]:
    rows = _samples_of_blocks(deviations, key, num_samples)
    return rows / jnp.linalg.norm(rows, axis=1, keepdims=True)


def _samples_of_law(law: Law, key: Array, num_samples: int) -> Float[Array, "samples dims"]:
    return law.sample(key, num_samples)


@partial(jax.jit, static_argnames=("draw", "num_samples", "num_datasets"))
def _draw(
    draw: Callable[..., Array],
    given: tuple[Law | Array],
    point: Array,
    direction: Array,
    noise_variance: Array,
    key: Array,
    num_samples: int,
    num_datasets: int,
) -> tuple[Array, Array, Array]:
    """ln Z, participation and score along the direction of every data set, from the definitions."""

    def one(key: Array) -> tuple[Array, Array, Array]:
        data = draw(*given, key, num_samples)
        exponents = -jnp.sum((data - point[None, :]) ** 2, axis=1) / (2.0 * noise_variance)
        weights = jax.nn.softmax(exponents)
        score = (weights @ data - point) / noise_variance
        return jax.nn.logsumexp(exponents), jnp.sum(weights**2), score @ direction

    return jax.lax.map(one, jax.random.split(key, num_datasets))
