"""Denoisers at work: samples with noise, and what empirical and local scores of the others make of them."""

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from geomem.core.status import InputError
from geomem.empirical.gibbs import denoiser, score
from geomem.empirical.local import local_score
from geomem.figures.style import STYLE
from geomem.lowering import lower
from geomem.reports.data import draw, grey_scale
from geomem.reports.page import Section, joined, paragraph, picture
from geomem.reports.study import Study
from geomem.reports.words import at, number, reading

_posterior_mean = jnp.vectorize(lower("posterior_mean_of_score"))
_SHOWN, _LEVELS = 3, 2  # samples, and noise variances
_MOST_WORK = 5e8  # pairs of pixels of all probes and images, for a local score
_SIDES = (1 / 4, 1 / 2)  # of a picture, odd


def work(study: Study) -> Section:
    """Pictures with noise of the critical variances, denoised by several scores; the pictures are held out.

    Raises:
        InputError: for data whose law cannot be fitted, or a score that does not answer.
    """
    pictures = study.subject.pictures
    if pictures is None and study.score is None:
        raise InputError("the data are no pictures, and denoised rows of a table show nothing")
    times = _times(study)
    rows, numbers = study.subject.rows, {}
    of_rows, of_noise = jax.random.split(jax.random.fold_in(study.key, 3))
    order = np.asarray(jax.random.permutation(of_rows, len(rows)))
    chosen, others = rows[order[:_SHOWN]], rows[np.sort(order[_SHOWN:])]
    noise = np.asarray(jax.random.normal(of_noise, chosen.shape))
    noised = [chosen + np.sqrt(time) * noise for time in times]
    parts = []
    if study.score is not None:
        parts.append(_of_model(study, others, noised, times, numbers))
    if pictures is None:
        return Section("Denoisers at work", joined(parts), numbers)
    sides = sorted({max(1, int(min(pictures.shape[:2]) * share) | 1) for share in _SIDES})
    images, few = _images(study, others, sides)
    columns = {"original": [chosen] * len(times), "with noise": noised}
    columns["empirical"] = [np.asarray(denoiser(x, others, time)) for x, time in zip(noised, times, strict=True)]
    for side in sides:
        columns[f"local {side}×{side}"] = [
            _local(study, x, images, time, side) for x, time in zip(noised, times, strict=True)
        ]
    if study.score is not None:
        columns["your model"] = [
            np.asarray(_posterior_mean(time, x, np.asarray(study.score(x, time), dtype=float)))
            for x, time in zip(noised, times, strict=True)
        ]
    numbers |= {f"time_{place}": time for place, time in enumerate(times)}
    said = (
        f"{len(chosen)} samples that are left out of the training set, with noise of variance "
        f"{' and '.join(at(time, study.clock) for time in times)}. The empirical score of the other samples denoises "
        "towards whole training samples: what is lost of the original is replaced by theirs. Local scores, which see a "
        "patch around every pixel alone as networks of convolutions do, put together patches of many samples, a mosaic."
    )
    parts.append(paragraph(said))
    if few:
        parts.append(paragraph(f"The local scores are of {len(images)} of the samples, chosen at random.", "quiet"))
    names = ", ".join(columns)
    parts.append(
        picture(
            _figure(study, columns, times),
            f"{len(chosen)} pictures at {len(times)} noise variances, in columns: {names}.",
        )
    )
    return Section("Denoisers at work", joined(parts), numbers)


def _times(study: Study) -> list[float]:
    """Critical noise variances: of the blocks lost first and last, or half of the widest one's own."""
    fates = study.fates
    found = [float(fates.lost[place]) for place in fates.order]
    if not found:
        return [float(fates.variances.max()) / 2]
    return list(dict.fromkeys([found[0], found[-1]]))[:_LEVELS]


def _images(study: Study, others: np.ndarray, sides: list[int]) -> tuple[np.ndarray, bool]:
    """The others as pictures, no more than a local score is quick for."""
    pictures = study.subject.pictures
    assert pictures is not None
    height, width = pictures.shape[:2]
    most = int(_MOST_WORK / (_SHOWN * (height * width) ** 2 * len(sides)))
    few = most < len(others)
    return pictures.drawn(others[: max(most, 2)] if few else others), few


def _local(study: Study, x: np.ndarray, images: np.ndarray, time: float, side: int) -> np.ndarray:
    pictures = study.subject.pictures
    assert pictures is not None
    seen = pictures.drawn(x)
    found = np.asarray(_posterior_mean(time, seen, np.asarray(local_score(seen, images, time, patch_size=side))))
    if pictures.channels_first:
        found = np.moveaxis(found, 3, 1)
    return found.reshape(len(x), -1)[:, pictures.held]


def _of_model(study: Study, others: np.ndarray, noised: list[np.ndarray], times: list[float], numbers: dict) -> Markup:
    """How far the model's score is from the empirical one."""
    assert study.score is not None
    lines = []
    for place, (x, time) in enumerate(zip(noised, times, strict=True)):
        own = np.asarray(study.score(x, time), dtype=float)
        if own.shape != x.shape or not np.isfinite(own).all():
            what = f"has shape {own.shape} for points of shape {x.shape}" if own.shape != x.shape else "is not finite"
            raise InputError(f"the model's score {what} at noise variance {time:g}")
        apart = time * float(np.mean((own - np.asarray(score(x, others, time))) ** 2))
        numbers[f"model_distance_{place}"] = apart
        lines.append(f"{number(apart)} at {at(time, study.clock)}")
    said = (
        "How far the model's score is from the empirical one, t |S - S_empirical|^2 per dimension, where 1 is the size "
        "of the noise's own: "
    )
    return paragraph(f"{said}{', '.join(lines)}.")


def _figure(study: Study, columns: dict[str, list[np.ndarray]], times: list[float]) -> Figure:
    pictures, scale = study.subject.pictures, grey_scale(study)
    assert pictures is not None
    count = _SHOWN * len(times)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.5, 0.98 * count + 0.3), layout="constrained")
        grid = figure.subplots(count, len(columns), squeeze=False)
        for place, (name, each) in enumerate(columns.items()):
            drawn = np.concatenate([pictures.drawn(rows) for rows in each])
            for axes, one in zip(grid[:, place], drawn, strict=True):
                draw(axes, one, scale)
                axes.set(xticks=[], yticks=[])
            grid[0, place].set_title(name, fontsize=8)
        for row in range(count):
            time = times[row // _SHOWN]
            if row % _SHOWN == 0:
                grid[row, 0].set_ylabel(f"t = {number(time)}\n{reading(time, study.clock)}".strip(), fontsize=7)
    return figure
