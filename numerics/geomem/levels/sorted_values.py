"""The law of the sorted singular values that `measure_spectrum` finds, over data sets."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int8

from geomem.core.kinds import refuse_beyond_memory
from geomem.core.progress import bar
from geomem.core.status import InputError, Status
from geomem.laws.law import Law
from geomem.laws.manifold import Manifold, is_normalized
from geomem.levels.activity import MOST_DRAWN, Activity, activity
from geomem.levels.spectrum_draws import drawn_spectra
from geomem.levels.spectrum_profile import FEWEST_ACTIVE, kernel, profile
from geomem.levels.spectrum_samples import sampled_spectra
from geomem.levels.sphere_spectra import drawn_as_they_are, least_active, sphere_spectra
from geomem.levels.vector_equation import expected_spectrum

MOST_DIRECTIONS = 300  # that matrices are drawn of
_DRAWS, _FEWER, _WIDE = 1200, 400, 64  # matrices, and of more directions than that
_EQUAL, _LEAST_EQUAL = 10.0, 200.0  # equal samples per direction and in all, from which on none need be drawn
# Of a larger data set, samples that are chosen for every direction: of 20 the band held 64 to 80 % of values.
_FEWEST_CHOSEN = 40
_SEED = 0
_BAND = (0.05, 0.95)
_NORMAL_END = 1.6448536269514722  # of a normal variable's band


class SortedValues(NamedTuple):
    """Law of the sorted values at every noise variance, descending."""

    mean: Float[np.ndarray, "times index"]
    deviation: Float[np.ndarray, "times index"]
    lower: Float[np.ndarray, "times index"]  # ends of the band of 90 %
    upper: Float[np.ndarray, "times index"]
    draws: Float[np.ndarray, "times draws index"] | None  # none of very many directions
    active_samples: Float[np.ndarray, " times"]
    status: Int8[np.ndarray, " times"]


def sorted_values(manifold: Law, times: Float[np.ndarray, " times"], log_size: float, protocol: str) -> SortedValues:
    """Law of the sorted values of -tS by a protocol at the mean of the data."""
    if is_normalized(manifold):
        return _on_sphere(manifold, times, log_size, protocol)
    activities = [activity(manifold, float(time), log_size) for time in times]
    size = int(np.sum(np.asarray(manifold.multiplicities)))
    num_draws = _DRAWS if size <= _WIDE else _FEWER
    if size <= MOST_DIRECTIONS:
        refuse_beyond_memory(float(len(times)) * num_draws * size, "the spectra that are drawn")
        draws = []
        with bar("noise variances", len(times)) as report:
            for one in activities:
                draws.append(_draws(manifold, one, protocol, num_draws))
                report(len(draws))
        drawn = np.stack(draws)
        mean, deviation, lower, upper = _summary(drawn)
    else:
        drawn = None
        each = [_expected(manifold, one, protocol) for one in activities]
        mean, deviation = (np.stack(column) for column in zip(*each, strict=True))
        lower, upper = mean - _NORMAL_END * deviation, mean + _NORMAL_END * deviation
    active = np.array([np.exp(-one.log_participation) for one in activities])
    # Of a larger data set the samples that are chosen do not fill more directions than there are active samples.
    fewest = FEWEST_ACTIVE if log_size <= np.log(MOST_DRAWN) else max(FEWEST_ACTIVE, float(size))
    too_few = log_size > np.log(MOST_DRAWN) and MOST_DRAWN / _FEWEST_CHOSEN < size <= MOST_DIRECTIONS
    known = (active >= fewest) & ~np.array([too_few and _are_samples_drawn(one) for one in activities])
    status = np.where(known, Status.CONVERGED, Status.OUT_OF_VALIDITY).astype(np.int8)
    return SortedValues(mean, deviation, lower, upper, drawn, active, status)


def _on_sphere(manifold: Manifold, times: Float[np.ndarray, " times"], log_size: float, protocol: str) -> SortedValues:
    """The same of data divided by their norm."""
    size = manifold.num_coordinates
    if not (np.asarray(manifold.variances) > 0).any():
        raise InputError("all variances are zero; samples of length zero cannot be divided by it")
    if size > MOST_DIRECTIONS:
        raise InputError(
            f"the sorted values of normalized data are known of up to {MOST_DIRECTIONS} coordinates, and these have "
            f"{size}; use a manifold with normalized=False"
        )
    num_draws = _DRAWS if size <= _WIDE and log_size <= np.log(MOST_DRAWN) else _FEWER
    refuse_beyond_memory(float(len(times)) * num_draws * size, "the spectra that are drawn")
    draws = []
    with bar("noise variances", len(times)) as report:
        for time in times:
            draws.append(sphere_spectra(manifold, float(time), log_size, protocol, num_draws=num_draws, seed=_SEED))
            report(len(draws))
    drawn, active = np.stack(draws), least_active(manifold, times, log_size, protocol)
    known = drawn_as_they_are(manifold, log_size) | (active >= FEWEST_ACTIVE)
    status = np.where(known, Status.CONVERGED, Status.OUT_OF_VALIDITY).astype(np.int8)
    status[np.isnan(drawn).any(axis=(1, 2))] = Status.NOT_CONVERGED
    return SortedValues(*_summary(drawn), drawn, active, status)


def _summary(drawn: Float[np.ndarray, "times draws index"]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Means, standard deviations and the ends of the bands."""
    return drawn.mean(axis=1), drawn.std(axis=1, ddof=1), *np.quantile(drawn, _BAND, axis=1)


def _are_samples_drawn(one: Activity) -> bool:
    """Whether the matrix is too skew to be drawn by itself."""
    return bool(one.skew_samples < max(_EQUAL * one.counts.sum(), _LEAST_EQUAL))


def _draws(manifold: Law, one: Activity, protocol: str, num_draws: int) -> Float[np.ndarray, "draws index"]:
    if _are_samples_drawn(one):
        return sampled_spectra(one, protocol, num_draws=num_draws, seed=_SEED)
    frames = kernel(manifold, one.time) if protocol == "orthogonal_frame" else None
    symmetric = protocol == "jacobian"
    matrix = profile(manifold, one.time, protocol)
    return drawn_spectra(matrix, one, frames, symmetric=symmetric, num_draws=num_draws, seed=_SEED)


def _expected(manifold: Law, one: Activity, protocol: str) -> tuple[np.ndarray, np.ndarray]:
    return expected_spectrum(profile(manifold, one.time, protocol), one, np.random.default_rng(_SEED))
