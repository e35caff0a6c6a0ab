"""The answer in three sentences, and how far to trust it."""

import numpy as np

from geomem.boundaries.principal_sizes import BlockSizes
from geomem.core.status import Status
from geomem.reports.page import Section, joined, listed, paragraph
from geomem.reports.study import Study
from geomem.reports.words import at, directions, interval, number

_DOWN_TO = 0.5  # of the noise variance at which the first directions are lost
_LARGEST, _MOST = "10¹⁵", 1e15
_DONE = {"dropped", "standardized"}  # sentences that say what was done, not what was found
_HARDLY = 100.0  # from the one end of an interval to the other


def answer(study: Study) -> Section:
    """What is resolved at N, what is lost first, and how many samples would keep it.

    Raises:
        InputError: for data whose law cannot be fitted.
    """
    fates = study.fates
    count, low, high = fates.resolved_count()
    size = number(study.size)
    numbers: dict[str, object] = {
        "num_samples": study.size,
        "num_directions": float(study.num_looked_at),
        "resolved": count,
        "resolved_lower": low,
        "resolved_upper": high,
    }
    first = (
        f"At your N = {size}, {number(count)} of {_looked_at(study)} directions (95 % interval {number(low)} to "
        f"{number(high)}) are still resolved where they open, at a noise variance as large as their own variance."
    )
    sentences = [first, *_lost_first(study, numbers)]
    if study.subject.sentences.keys() - _DONE:
        found = "But look first at what the checks of the data found, below: it is not as the theory takes data to be."
        sentences.append(found)
    trust = listed(_trust(study, numbers))
    caution = (
        "All this is of the exact empirical score of your samples, the one that fits them perfectly: a network follows "
        "it only as far as it memorizes, so read it as what training to the end leads to."
    )
    body = [paragraph(" ".join(sentences), "answer"), paragraph("How far to trust it:"), trust, paragraph(caution)]
    return Section("The answer", joined(body), numbers)


def _lost_first(study: Study, numbers: dict[str, object]) -> list[str]:
    """The second sentence and the third, and their numbers."""
    fates, order = study.fates, study.fates.order
    unresolved = np.flatnonzero((fates.variances > 0) & ~fates.resolved & ~np.isnan(fates.lost))
    wanted = [float(fates.variances[place]) for place in unresolved[:1]]
    if order:
        first = order[0]
        time = float(fates.lost[first])
        lower, upper = float(fates.lower[first]), float(fates.upper[first])
        wanted.append(_DOWN_TO * time)
    if not wanted:
        return [
            "None of them is lost again at any lower noise variance, as far as the theory tells from these points.",
            "No more samples are needed to keep them.",
        ]
    sizes = study.critical_sizes(np.array(wanted))
    said = []
    if order:
        numbers |= {
            "first_lost_block": float(first),
            "first_lost_directions": float(fates.counts[first]),
            "first_lost_variance": float(fates.variances[first]),
            "first_lost_time": time,
            "first_lost_time_lower": lower,
            "first_lost_time_upper": upper,
        }
        one = fates.counts[first] == 1
        said.append(
            f"As the noise falls further, the {_named(fates.counts[first])} of block {first} (variance "
            f"{number(float(fates.variances[first]))}) {'is' if one else 'are'} lost first, at noise variance "
            f"{at(time, study.clock)}, {_with_interval(lower, upper)}: below it the score along "
            f"{'it' if one else 'them'} depends more on which samples there happen to be than on their law."
        )
    else:
        said.append("None of those is lost again at a lower noise variance, as far as the theory tells.")
    needed = []
    if order:
        these = "this one" if one else "these"
        text = f"to keep {these} down to half of that, {at(wanted[-1], study.clock)}, you need "
        needed.append(text + _samples(sizes, first, len(wanted) - 1, "needed_to_keep", numbers))
        numbers["needed_to_keep_time"] = wanted[-1]
    for place in unresolved[:1]:
        text = f"to resolve {directions(fates.counts[place])} more where they open (block {place}), you need "
        needed.append(text + _samples(sizes, int(place), 0, "needed_to_resolve", numbers))
    sentence = "; ".join(needed)
    return [*said, sentence[0].upper() + sentence[1:] + "."]


def _looked_at(study: Study) -> str:
    return f"the {study.num_looked_at} widest of {study.dims}" if study.large else str(study.dims)


def _named(count: float) -> str:
    return "direction" if count == 1 else directions(count)


def _samples(sizes: BlockSizes, block: int, place: int, name: str, numbers: dict[str, object]) -> str:
    """How many samples, with an interval; and as numbers of that name."""
    log_size, error = float(sizes.log_size[block, place]), float(sizes.log_error[block, place])
    known = sizes.status[block, place] in (Status.CONVERGED, Status.OUT_OF_VALIDITY)
    if not (known and np.isfinite(log_size)):
        return f"more samples than the theory tells: no number of them up to N = {_LARGEST} is found to be enough"
    value, lower, upper = (float(np.exp(log_size + sign * 1.96 * error)) for sign in (0, -1, 1))
    lower, upper = max(lower, 2.0), min(upper, _MOST)  # no data set is smaller, and none of the theory larger
    numbers |= {name: value, f"{name}_lower": lower, f"{name}_upper": upper}
    return f"N = {number(value)} samples, {_with_interval(lower, upper)}"


def _with_interval(lower: float, upper: float) -> str:
    if not np.isfinite([lower, upper]).all():
        return "without an interval"
    hardly = ", hardly known from so few points" if upper > _HARDLY * lower else ""
    return f"95 % interval {interval(lower, upper)}{hardly}"


def _trust(study: Study, numbers: dict[str, object]) -> list[object]:
    """Law, checks and numbers of samples."""
    fitted = study.fitted
    numbers |= {"nats_gained": fitted.nats_gained, "num_components": float(fitted.num_components)}
    ratio = study.size / study.dims
    numbers["samples_per_dimension"] = ratio
    known = fitted.by_noise
    off = float(np.max(np.fmax(known.expected_error, known.misfit)))
    numbers["largest_error_of_log_ratio"] = off
    law = f"The law of the data is {fitted.note}."
    if fitted.family == "mixture":
        law += f" Without noise it gains {number(fitted.nats_gained)} nats a held-out sample."
    if fitted.regularization:
        law += f" It has {number(fitted.regularization)} added to all variances; see the data, below."
    checks = [f"{sentence[0].upper()}{sentence[1:]}." for sentence in study.subject.sentences.values()]
    found = checks or ["The checks of the data found nothing: no copies, outliers or columns of unlike scales."]
    if study.large:
        law += " What is said of noise below the mean variance of those others is rough."
    enough = "" if ratio > 1 else " With no more samples than dimensions some directions have no variance at all."
    return [
        law,
        f"At the noise variance where the law is known least, signal to noise is expected to be off by a factor of "
        f"{number(float(np.exp(off)), 2)}, by the number of rows and by the choice of such a law.",
        *found,
        f"There are {number(ratio)} samples per dimension (N = {number(study.size)}, d = {study.dims}).{enough}",
        f"The intervals are of the scatter over {study.num_points} data points with noise, at which the law is seen; "
        "they hold neither errors of the law nor the choice of blocks.",
    ]
