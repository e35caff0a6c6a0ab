"""Basins of attraction as they are measured: which training points the probability flow of a data set ends at.

The flow is followed by the steps of `sampling`. Where the Gibbs average of the samples stands still they are exact,
so that a few of them per e-fold of t follow it.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Float, Int

from geomem.core.arguments import Numbers, check_data, check_key, listed_noise_variances, whole_number
from geomem.core.crossing import level_crossing
from geomem.core.kinds import concrete_array, refuse_beyond_memory
from geomem.core.provenance import digest, key_record, provenance
from geomem.core.results import described, noise_axis
from geomem.core.status import InputError
from geomem.empirical.sampling import flow_step
from geomem.empirical.scores import Averager
from geomem.empirical.sums import TILE_WEIGHTS

_STEP = 0.1  # in ln t; a half or a quarter of it changed none of 700 ends at d = 60, N = 20 000
_LOWEST = 1e-12  # of the first noise variance: where the flow is stopped at the latest, between equal samples
# The samples' relative distances grow once one of them has all the weight: the flow ends there.
_DECIDED = 1 - 1e-9


def measure_basin(
    data: Numbers, noise_variance: Numbers, *, radius: Numbers, num_probes: int, key: Array
) -> xr.Dataset:
    """How often the probability flow of the empirical score returns to a training point from a distance.

    The flow starts at y + sqrt(r t) omega, y a training point chosen at random, omega standard normal and r the
    `radius`, at noise variance t, and is followed to where one sample has all the weight. The same points and
    directions serve every radius and noise variance.

    Args:
        data: samples, (samples, dims), in memory.
        noise_variance: noise variances t, a list.
        radius: squared distances r in noise variances per dimension, an increasing list.
        num_probes: starts at each radius and noise variance.
        key: for the choice of points and directions.

    Returns:
        A data set over `noise_variance` and `radius` with `value`, the fraction of flows that end at their own
        point, and `error`, its binomial standard error; and over `noise_variance` the `critical_radius` where the
        fraction falls to one half, with `critical_radius_lower` and `critical_radius_upper`, where the fraction
        less and plus its error do. NaN where that is not between the radii. Points equal to each other count as one.

    Raises:
        InputError: for data, noise variances, radii or a number of probes that are none.
    """
    check_key(key)
    samples = check_data(data)
    times = listed_noise_variances(noise_variance)
    radii = _radii(radius)
    num_probes = whole_number(num_probes, "num_probes", 1)
    refuse_beyond_memory(float(num_probes) * samples.shape[1], f"{num_probes} starts")
    choice, draw = jax.random.split(key)
    own = jax.random.randint(choice, (num_probes,), 0, len(samples))
    omega = jax.random.normal(draw, (num_probes, samples.shape[1]))
    averager = Averager.of(samples)
    returned = np.array(
        [[_returns(averager, own, omega, jnp.asarray(time), jnp.asarray(r), _STEP) for r in radii] for time in times]
    )
    value = returned.mean(axis=2)
    error = np.sqrt(value * (1 - value) / num_probes)
    over = ("noise_variance", "radius")
    critical = {
        name: ("noise_variance", [_falls_to_half(radii, curve) for curve in curves], described(meaning, "1"))
        for name, curves, meaning in (
            ("critical_radius", value, "radius where one half returns"),
            ("critical_radius_lower", value - error, "its lower end, one standard error"),
            ("critical_radius_upper", value + error, "its upper end, one standard error"),
        )
    }
    record = {"data_sha256": digest(samples), "num_probes": num_probes, "key": key_record(key)}
    return xr.Dataset(
        {
            "value": (over, value, described("fraction of flows that return", "1")),
            "error": (over, error, described("binomial standard error of the fraction", "1")),
            **critical,
        },
        noise_axis(times)
        | {"radius": ("radius", radii, described("squared distance in noise variances per dimension", "1"))},
        {"observable": "basin of attraction", "provenance": provenance(record)},
    )


def _radii(values: Numbers) -> Float[np.ndarray, " radii"]:
    radii = np.atleast_1d(concrete_array(values, "radius"))
    if radii.ndim != 1 or not np.isfinite(radii).all() or (radii < 0).any() or (np.diff(radii) <= 0).any():
        raise InputError(f"radius is {values}; it must be an increasing list of finite numbers from 0")
    return radii


@partial(jax.jit, static_argnames="step")
def _returns(
    averager: Averager,
    own: Int[Array, " probes"],
    omega: Float[Array, "probes dims"],
    time: Float[Array, ""],
    radius: Float[Array, ""],
    step: float,
) -> Bool[Array, " probes"]:
    """Whether flows from around their own samples end there, by steps of so much in ln t."""
    samples = averager.sums[:, :-1]
    ratio = float(np.exp(-step))

    def undecided(state: tuple) -> Array:
        at, *_, largest, _ = state
        return (largest < _DECIDED) & (at > _LOWEST * time)

    def follow(probe: tuple[Array, Array]) -> Array:
        index, direction = probe

        def advance(state: tuple) -> tuple:
            at, x, before, *_ = state
            weights, total, now = averager(x, at)
            moved = flow_step(at, at * ratio, x, now, before, 0.5)
            return at * ratio, moved, now, 1 / total, weights[index]

        start = samples[index] + jnp.sqrt(radius * time) * direction
        state = (time, start, averager(start, time)[2], jnp.zeros(()), jnp.zeros(()))
        # Of samples that are equal, each has the largest weight.
        return jax.lax.while_loop(undecided, advance, state)[-1] > 0.5

    batch = max(1, TILE_WEIGHTS // len(samples))
    return jax.lax.map(follow, (own, omega), batch_size=min(batch, len(own)))


def _falls_to_half(radii: np.ndarray, fractions: np.ndarray) -> float:
    """Where a curve first falls to one half; NaN if it does not between the ends."""
    radius = level_crossing(radii, fractions, 0.5, falling=True)
    return radius if np.isfinite(radius) else np.nan
