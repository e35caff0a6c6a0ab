"""Averages over data sets by drawing data sets: slow, plain, and independent of the theory it tests."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, as_log_sizes, check_key, is_whole
from geomem.core.kinds import refuse_beyond_memory
from geomem.core.provenance import key_record, provenance
from geomem.core.status import InputError
from geomem.laws.law import check_law
from geomem.laws.manifold import Manifold
from geomem.laws.probe import Probe
from geomem.levels.quenched import quenched

OBSERVABLES = ("log_partition", "participation", "score_mean", "score_variance")

_FEWEST = 8  # data sets that an error bar needs
_COUNTS, _SEEN = 0.01, 20  # 1 - Y2 from which on a second sample counts, and data sets in which that has to be seen


def theory_versus_simulation(
    manifold: Manifold,
    block: int | np.integer,
    *,
    noise_variance: float | int,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    probe: Probe = Probe.along(),
    num_datasets: int,
    key: Array,
) -> xr.Dataset:
    """Level `finite_n` beside the average over `num_datasets` data sets that are drawn.

    Returns:
        A data set over `observable` (log_partition, participation, score_mean,
        score_variance) with `value` (simulated), `prediction`, `standard_error` of the
        value, and `z`, their difference as a normal score: in standard errors if the data sets are many, and
        so that few exceed it no more often. Means take Student's law for that, the variance its cube root (E. B. Wilson
        and M. M. Hilferty, PNAS 17, 684, 1931) and the kurtosis of the scores, at least a normal one's. Where a second
        sample counts in fewer than 20 of the data sets, participation's standard error is at least what one more of
        them would have changed: its sample's own, of what was hardly seen, would be too small.

    Raises:
        InputError: as `quenched`, for a size that is no single whole number, and for
            fewer than 8 data sets.
    """
    check_law(manifold)
    manifold.require("energy", "a simulation")
    check_key(key)
    if not is_whole(num_datasets) or num_datasets < _FEWEST:
        raise InputError(f"num_datasets is {num_datasets!r}; an error bar of a variance needs at least {_FEWEST}")
    size = np.exp(as_log_sizes(num_samples, log_num_samples))
    count = np.asarray(size)
    if count.ndim or not np.isclose(count, np.round(count), rtol=1e-9):
        raise InputError(f"the data-set size is {size!r}; to draw data sets it must be one whole number")
    # One at a time; of each its score is kept.
    numbers = float(manifold.dimension) * (float(count) + float(num_datasets))
    refuse_beyond_memory(numbers, f"a data set of {float(count):g} samples and {num_datasets} scores")
    predicted = quenched(manifold, block, noise_variance=noise_variance, num_samples=float(count), probe=probe)
    point = _probe_point(manifold, block, probe, noise_variance)
    log_partition, participation, score = (
        np.asarray(column)
        for column in _draw(
            manifold.axis_deviations(),
            jnp.asarray(point),
            jnp.asarray(float(noise_variance)),
            key,
            round(float(count)),
            num_datasets,
            manifold.normalized,
        )
    )
    along = score[:, _direction(manifold, block)]
    variance = float(along.var(ddof=1))
    means = np.stack([log_partition, participation, along])
    error = means.std(axis=1, ddof=1) / np.sqrt(num_datasets)
    if np.sum(participation < 1 - _COUNTS) < _SEEN:
        # Two samples of equal weight have a participation of one half.
        error[1] = max(error[1], 0.5 / num_datasets)
    relative = _relative_error_of_variance(along)
    value = [*means.mean(axis=1), variance]
    prediction = [float(getattr(predicted, name)) for name in OBSERVABLES]
    inputs = manifold.record() | {
        "block": int(block),
        "noise_variance": float(noise_variance),
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


def _direction(manifold: Manifold, block: int | np.integer) -> int:
    """Coordinate axis of the probed direction: the first of its block."""
    return int(np.asarray(manifold.multiplicities)[:block].sum())


def _probe_point(
    manifold: Manifold, block: int | np.integer, probe: Probe, noise_variance: float | int
) -> Float[np.ndarray, " dims"]:
    """A point with the probe's coordinate along the direction and its lengths in the blocks."""
    at, time = manifold.setting(manifold.indicator(block), probe), jnp.asarray(float(noise_variance))
    rest, place = np.asarray(at.rest(time)), float(at.place(time))
    counts = np.asarray(manifold.multiplicities, dtype=int)
    point = np.zeros(counts.sum())
    for b, first in enumerate(np.append(0, np.cumsum(counts)[:-1])):
        # The last direction of a block is not the probed one where there is any length left for it.
        point[first + counts[b] - 1] = np.sqrt(rest[b])
    point[_direction(manifold, block)] += place
    return point


@partial(jax.jit, static_argnames=("num_samples", "num_datasets", "normalized"))
def _draw(
    scale: Array,
    point: Array,
    noise_variance: Array,
    key: Array,
    num_samples: int,
    num_datasets: int,
    normalized: bool,
) -> tuple[Array, Array, Array]:
    """ln Z, participation and score of every data set, from the definitions."""

    def one(key: Array) -> tuple[Array, Array, Array]:
        data = scale[None, :] * jax.random.normal(key, (num_samples, len(point)))
        data = data / jnp.linalg.norm(data, axis=1, keepdims=True) if normalized else data
        exponents = -jnp.sum((data - point[None, :]) ** 2, axis=1) / (2.0 * noise_variance)
        weights = jax.nn.softmax(exponents)
        score = (weights @ data - point) / noise_variance
        return jax.nn.logsumexp(exponents), jnp.sum(weights**2), score

    return jax.lax.map(one, jax.random.split(key, num_datasets))
