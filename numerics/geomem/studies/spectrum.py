"""What the command `spectrum` works out: a measured spectrum, and beside it what the theory says of the same data."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from geomem.boundaries.critical import critical_time
from geomem.boundaries.phases import resolved_dimension
from geomem.core.arguments import Numbers, as_log_sizes, listed_noise_variances
from geomem.core.kinds import one_size, refuse_beyond_memory
from geomem.core.progress import bar
from geomem.core.provenance import extended, provenance
from geomem.core.results import SQUARED, described, spectrum_coordinates, status_attributes
from geomem.core.status import InputError
from geomem.empirical.scores import Score
from geomem.empirical.spectrum import checked_measurement, measure_spectrum, with_gaps
from geomem.laws.covariance import asked_variances
from geomem.laws.law import Law, block_coordinates, check_law
from geomem.laws.manifold import Manifold
from geomem.laws.setting import opening_time
from geomem.levels.eigenvalues import PREDICTIONS

_MARGIN = 3.0  # of noise variances beyond critical times
_PER_DECADE = 6  # noise variances


def spectrum_study(
    score: Score,
    x0: Numbers,
    manifold: Manifold,
    *,
    noise_variance: Numbers | None = None,
    num_samples: int,
    protocol: str,
    key: Array,
    num_replicates: int = 1,
    direction_variances: Numbers | None = None,
) -> xr.Dataset:
    """`measure_spectrum` at a point, with predictions for data of this covariance spectrum.

    `direction_variances`, (directions,), are those of the manifold's directions in the order of its blocks, where
    these are means of them. By default there are six noise variances in a decade, from 1e-3 to 10 times the largest
    variance, or farther: to a factor 3 beyond every critical time.

    Returns:
        The measured data set with, besides, over `noise_variance`: `population_value` (and `index`) and
        `population_gap_dimension` and `population_gap_status`, what they would be without memorization, and
        `resolved_dimension` of level finite_n; and over `block`: `critical_time` and `status` by
        signal_to_noise, level finite_n, and `opening_time`. With `direction_variances` the population's values and
        the dimension are those of directions with their own variances, and there are `critical_time_lower` and
        `critical_time_upper`, between which the directions of a block are lost.

    Raises:
        InputError: as `measure_spectrum`, `critical_time` and `resolved_dimension`.
    """
    one_size(as_log_sizes(num_samples, None), "a study of a spectrum")
    # The theory first: processes that share the samples wait for each other only at the end.
    theory = "finite_n"
    # Where noise variances are not given, that of any number stands for them.
    checked_measurement(score, x0, 1.0 if noise_variance is None else noise_variance, protocol, key, num_replicates)
    asked, whole = asked_variances(manifold, direction_variances), manifold
    if direction_variances is not None:
        whole = Manifold(direction_variances, np.ones(np.shape(direction_variances)), manifold.normalized)
    times, status, lower, upper = [], [], [], []
    with bar("critical times", manifold.num_blocks) as report:
        for block in range(manifold.num_blocks):
            found = [
                critical_time(
                    manifold,
                    block,
                    num_samples=num_samples,
                    criterion="signal_to_noise",
                    theory=theory,
                    local_variance=one,
                )
                for one in asked[block]
            ]
            values = [float(one.value) for one in found]
            times.append(values[0])
            status.append(int(found[0].status))
            lower.append(np.min(values))
            upper.append(np.max(values))
            report(block + 1)
    variances = manifold.block_variances()
    if noise_variance is None:
        noise_variance = _about(np.asarray(variances), np.array([lower, upper]))
    population = predicted_spectrum(whole, noise_variance=noise_variance, theory="population")
    resolved = resolved_dimension(
        manifold,
        noise_variance=noise_variance,
        num_samples=num_samples,
        theory=theory,
        direction_variances=direction_variances,
    )
    measured = measure_spectrum(score, x0, noise_variance, protocol=protocol, key=key, num_replicates=num_replicates)
    over = "noise_variance"
    critical_text = "critical noise variance by signal_to_noise, level finite_n"
    opening_text = "noise variance below which a block is open"
    predictions = {
        "population_value": ((over, "index"), population.singular_value, described("value without memorization", "1")),
        "population_gap_dimension": (over, population.gap_dimension, described("the same without memorization", "1")),
        "population_gap_status": (over, population.gap_status, population.gap_status.attrs),
        "resolved_dimension": (over, resolved, described("resolved dimension, level finite_n", "1")),
        "critical_time": ("block", np.array(times), described(critical_text, SQUARED)),
        "opening_time": ("block", np.asarray(jax.vmap(opening_time)(variances)), described(opening_text, SQUARED)),
        "status": ("block", np.array(status, dtype=np.int8), status_attributes()),
    }
    if direction_variances is not None:
        text = f"{critical_text}, of the directions of a block"
        predictions["critical_time_lower"] = ("block", np.array(lower), described(f"least {text}", SQUARED))
        predictions["critical_time_upper"] = ("block", np.array(upper), described(f"greatest {text}", SQUARED))
    return (
        measured.assign({name: (dims, np.asarray(values), text) for name, (dims, values, text) in predictions.items()})
        .assign_coords(block_coordinates(manifold))
        .assign_attrs(
            provenance=extended(measured.attrs["provenance"], manifold.record() | {"num_samples": num_samples})
        )
    )


def _about(variances: Float[np.ndarray, " blocks"], critical: Float[np.ndarray, "ends blocks"]) -> np.ndarray:
    """Noise variances about the variances of the data, and the critical times of their blocks, where there are any."""
    largest = float(variances.max()) or 1.0
    known = critical[np.isfinite(critical)]
    low = min(1e-3 * largest, known.min(initial=np.inf) / _MARGIN)
    high = max(10 * largest, known.max(initial=0.0) * _MARGIN)
    # To rounding, four decades are four.
    return np.geomspace(low, high, 1 + math.ceil(_PER_DECADE * math.log10(high / low) - 1e-9))


def predicted_spectrum(
    manifold: Law,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    theory: str,
) -> xr.Dataset:
    """The spectrum that `measure_spectrum` would find, on average over data sets.

    Predictions: `population`, the eigenvalues t/(t + s), without memorization, at every size;
    `finite_n`, from the exact mean and variance of the score over data sets at the probe
    `random_direction`, for all rows of an orthogonal frame; `published`, the formula of the public
    notebook of arXiv:2410.08727, whose units do not balance, with the variances as they are before any
    normalization.
    `finite_n` is the root of a diagonal mean, to be compared with a mean over data sets and not with
    sorted singular values. The variables are those of `measure_spectrum`, without replicates, and
    `block_value`, the value of every block in the manifold's order.

    Raises:
        InputError: for an unknown prediction, or a law that it does not know.
    """
    check_law(manifold)
    times = listed_noise_variances(noise_variance)
    counts = np.asarray(manifold.multiplicities, dtype=int)
    if not isinstance(theory, str) or theory not in PREDICTIONS:
        raise InputError(f"there is no predicted spectrum {theory!r}; choose one of {', '.join(PREDICTIONS)}")
    prediction = PREDICTIONS[theory]
    manifold.require(prediction.needs, f"theory {theory!r}")
    inputs = manifold.record() | {"theory": theory}
    sizes = []
    if prediction.of_size:
        log_size = one_size(as_log_sizes(num_samples, log_num_samples), "a predicted spectrum")
        inputs["log_num_samples"] = log_size
        sizes = [jnp.asarray(log_size)]
    refuse_beyond_memory(float(len(times)) * float(np.sum(counts)), "the predicted spectra")
    values = prediction.values(manifold, jnp.asarray(times), *sizes)
    spectra = -np.sort(-np.repeat(np.asarray(values, dtype=float), counts, axis=1), axis=1)
    text = described(f"value of -tJ, {theory}", "1")
    data = {
        "singular_value": (("noise_variance", "index"), spectra, text),
        "block_value": (("noise_variance", "block"), np.asarray(values), text),
    }
    return with_gaps(xr.Dataset(data, spectrum_coordinates(times, counts.sum()), {"provenance": provenance(inputs)}))
