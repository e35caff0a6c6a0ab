"""What the command `spectrum` works out: a measured spectrum, and beside it what the theory says of the same data."""

import math
from collections.abc import Mapping

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
from geomem.empirical.spectrum import check_protocol, checked_measurement, measure_spectrum, with_gaps
from geomem.laws.covariance import asked_variances
from geomem.laws.law import Law, block_coordinates, check_law
from geomem.laws.manifold import Manifold, is_normalized
from geomem.laws.setting import opening_time
from geomem.levels.eigenvalues import PREDICTIONS
from geomem.levels.sorted_values import sorted_values
from geomem.levels.sphere_spectra import block_values

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
    if noise_variance is None:
        noise_variance = _about(np.asarray(manifold.exact_variances()), np.array([lower, upper]))
    population = predicted_spectrum(whole, noise_variance=noise_variance, theory="population", protocol=protocol)
    resolved = resolved_dimension(
        manifold,
        noise_variance=noise_variance,
        num_samples=num_samples,
        theory=theory,
        direction_variances=direction_variances,
    )
    measured = measure_spectrum(score, x0, noise_variance, protocol=protocol, key=key, num_replicates=num_replicates)
    over = "noise_variance"
    opening = np.asarray(jax.vmap(opening_time)(manifold.exact_variances()))
    critical_text = "critical noise variance by signal_to_noise, level finite_n"
    opening_text = "noise variance below which a block is open"
    predictions = {
        "population_value": ((over, "index"), population.singular_value, described("value without memorization", "1")),
        "population_gap_dimension": (over, population.gap_dimension, described("the same without memorization", "1")),
        "population_gap_status": (over, population.gap_status, population.gap_status.attrs),
        "resolved_dimension": (over, resolved, described("resolved dimension, level finite_n", "1")),
        "critical_time": ("block", np.array(times), described(critical_text, SQUARED)),
        "opening_time": ("block", opening, described(opening_text, SQUARED)),
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


SORTED = "finite_n"  # the prediction that is a law of sorted values, and no value of every block


def predicted_spectrum(
    manifold: Law,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    theory: str,
    protocol: str = "central_difference",
) -> xr.Dataset:
    """The spectrum that `measure_spectrum` finds at the mean of the data, over data sets.

    Args:
        manifold: the law of the data.
        noise_variance: noise variances t, a list.
        num_samples: the data-set size N; give this or `log_num_samples` = ln N.
        theory: `finite_n`, the law of the sorted values; `population`, the eigenvalues t/(t + s), without
            memorization, at every size; `root_mean_square`, of every block by itself, from the exact mean and variance
            of the score over data sets at the probe `random_direction`, for all rows of an orthogonal frame: the root
            of a diagonal mean, and no prediction of sorted values; `published`, the formula of the public notebook of
            arXiv:2410.08727, whose units do not balance, with the variances as they are before any normalization.
        protocol: `central_difference`, `orthogonal_frame` or `jacobian`; of normalized data also of `population`.

    Returns:
        A data set with the variables of `measure_spectrum`, without replicates, and `block_value`, the value of every
        block in the manifold's order, of infinitely many samples at `finite_n`. At `finite_n` `singular_value` is the
        mean of the sorted values, and there are `standard_deviation`, `lower` and `upper`, the ends of the band that
        holds 90 %; `active_samples`, to leading order; `status`, OUT_OF_VALIDITY where these are fewer than 20, or, of
        more than 4000 samples, fewer than the directions, or where of more than 100 (and up to 300) directions the
        matrix is as skew as that of ten equal samples for each; and, of up to 300 directions, `draws` (noise_variance,
        draw, index), spectra of the law, which `compare` judges by. Of more directions the mean is that of the vector
        equation, and of an orthogonal frame without the one value that all its rows share. Source: `geomem_theory`,
        chapter `spectrum_law`.
        Of normalized data, up to 300 directions, the spectra are those at the origin, whose data sets are drawn as they
        are, however few samples are active; of more than 2e6 coordinates in all, central differences alone, from the
        exact moments of the matrix, whose skewness is left out: about a third of a deviation at the edges, and less of
        more. A value of a block may be negative there, and of an orthogonal frame no block has one (NaN).
        `active_samples` are exact, at the probe that has the fewest. Chapter `unit_normalized`.

    Raises:
        InputError: for an unknown prediction or protocol, or a law that it does not know.
    """
    check_law(manifold)
    check_protocol(protocol, 1)
    times = listed_noise_variances(noise_variance)
    if not isinstance(theory, str) or theory not in (SORTED, *PREDICTIONS):
        raise InputError(
            f"there is no predicted spectrum {theory!r}; choose one of {', '.join((SORTED, *PREDICTIONS))}"
        )
    prediction = PREDICTIONS["population" if theory == SORTED else theory]
    sphere = manifold if is_normalized(manifold) and theory in (SORTED, "population") else None
    if sphere is None:
        manifold.require("one_gaussian" if theory == SORTED else prediction.needs, f"theory {theory!r}")
    counts = np.asarray(manifold.multiplicities, dtype=int)
    inputs = manifold.record() | {"theory": theory}
    log_size, sizes = np.nan, []
    if theory == SORTED or prediction.of_size:
        log_size = one_size(as_log_sizes(num_samples, log_num_samples), "a predicted spectrum")
        inputs["log_num_samples"] = log_size
        sizes = [jnp.asarray(log_size)] if prediction.of_size else []
    refuse_beyond_memory(float(len(times)) * float(np.sum(counts)), "the predicted spectra")
    if sphere is not None:
        inputs["protocol"] = protocol
        values = block_values(sphere, np.asarray(times), protocol)
    else:
        values = np.asarray(prediction.values(manifold, jnp.asarray(times), *sizes), dtype=float)
    # Singular values of what is no Jacobian: a mean below zero is one above.
    sizes_of_values = values if sphere is None or protocol == "jacobian" else np.abs(values)
    spectra = -np.sort(-np.repeat(sizes_of_values, counts, axis=1), axis=1)
    text = described(f"value of -tJ, {theory}", "1")
    data: dict[str, tuple[tuple[str, ...], np.ndarray, Mapping[str, object]]] = {
        "singular_value": (("noise_variance", "index"), spectra, text),
        "block_value": (("noise_variance", "block"), values, text),
    }
    if theory == SORTED:
        inputs["protocol"] = protocol
        data |= _law_of_sorted(manifold, times, log_size, protocol)
    return with_gaps(xr.Dataset(data, spectrum_coordinates(times, counts.sum()), {"provenance": provenance(inputs)}))


def _law_of_sorted(
    manifold: Law, times: Float[np.ndarray, " times"], log_size: float, protocol: str
) -> dict[str, tuple[tuple[str, ...], np.ndarray, Mapping[str, object]]]:
    """The variables of the law of sorted values."""
    law = sorted_values(manifold, times, log_size, protocol)
    over = ("noise_variance", "index")
    columns = {
        "singular_value": (over, law.mean),
        "standard_deviation": (over, law.deviation),
        "lower": (over, law.lower),
        "upper": (over, law.upper),
        "active_samples": (over[:1], law.active_samples),
    }
    if law.draws is not None:
        columns["draws"] = (("noise_variance", "draw", "index"), law.draws)
    data: dict[str, tuple[tuple[str, ...], np.ndarray, Mapping[str, object]]] = {
        name: (*column, described(_TEXTS[name], "1")) for name, column in columns.items()
    }
    return data | {"status": (over[:1], law.status, status_attributes())}


_TEXTS = {
    "singular_value": "mean of the sorted value of -tJ",
    "standard_deviation": "standard deviation of the sorted value over data sets",
    "lower": "value that 5 % of data sets are below",
    "upper": "value that 5 % of data sets are above",
    "active_samples": "number of active samples at the mean of the data, to leading order",
    "draws": "sorted values of drawn data sets",
}
