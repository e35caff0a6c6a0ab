"""When trajectories change: collapse, onset, held-out and generalization times, and the excess entropy."""

import jax
import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from geomem.boundaries.excess_entropy import expected_excess_entropy
from geomem.boundaries.trajectories import trajectory_times
from geomem.core.status import Status
from geomem.empirical.excess_entropy import collapse_time, excess_entropy
from geomem.figures.style import STYLE, TIME_LABEL
from geomem.laws.manifold import Manifold
from geomem.reports.page import Section, joined, paragraph, picture, table
from geomem.reports.study import THEORY, Study
from geomem.reports.words import interval, number, of_measured, reading
from geomem.studies.fits import MOST_DIMS
from geomem.studies.generalization import generalization_time

_PROBES, _FEW_PROBES, _MANY_NUMBERS = 1000, 250, 2e7  # of data of more numbers fewer are taken
_RANGE, _MEASURED, _PREDICTED = (1 / 8, 4.0), 10, 3  # about the collapse, and how many noise variances
_COPIES = {"copies", "near_copies"}  # sentences of the checks
_LEVEL = 0.05  # of the excess entropy at which the collapse is read off


def times(study: Study) -> Section:
    """Noise variances at which trajectories of a sampler change, measured and by theory.

    Raises:
        InputError: for data whose samples are all the same.
    """
    rows, clock = study.subject.rows, study.clock
    of_collapse, of_generalization, of_entropy = jax.random.split(jax.random.fold_in(study.key, 2), 3)
    probes = _PROBES if rows.size <= _MANY_NUMBERS else _FEW_PROBES
    collapse = collapse_time(rows, key=of_collapse, num_probes=probes, level=_LEVEL)
    generalization = generalization_time(rows, key=of_generalization, num_probes=probes)
    numbers: dict[str, object] = {}
    lines = []
    for name, found, how in (
        ("collapse", collapse, f"measured: excess entropy at {100 * _LEVEL:g} % of ln N/d"),
        ("generalization", generalization, "measured: best likelihood of held-out samples"),
    ):
        value, lower, upper = of_measured(found)
        numbers |= {name: value, f"{name}_lower": lower, f"{name}_upper": upper}
        lines.append([name, number(value), interval(lower, upper), reading(value, clock) or "-", how])
    for name, value in _of_theory(study).items():
        numbers[f"{name}_in_theory"] = value
        called = name.replace("_", "-")
        lines.append([called, number(value), "-", reading(value, clock) or "-", "theory: formula for many directions"])
    head = ["time", "noise variance t", "95 % interval", "on schedule", "how"]
    if clock is None:
        lines, head = [[*line[:3], line[4]] for line in lines], [*head[:3], head[4]]
    parts = [
        paragraph(
            "Above the collapse a noised training sample is drawn to many samples at once, below it to its own alone. "
            "At the onset single samples begin to matter where they lie, and at the held-out time new samples see one "
            "training sample each. At the generalization time the noised training set is closest to the law of the "
            "data: a sampler that stopped there would be nearest to it."
        ),
        table("Times of trajectories, in noise variance", head, lines),
        paragraph(
            "The theory's times are formulas for many directions: at 60 that of generalization is 20 to 30 % off, at "
            "few they are off by factors and in another order. Measured and predicted collapse are two numbers: at "
            f"finite N the excess entropy vanishes nowhere, and the measured one is where it is {100 * _LEVEL:g} % of "
            "ln N/d.",
            "quiet",
        ),
    ]
    if _COPIES & study.subject.sentences.keys():
        said = (
            "Rows repeat others: of a held-out row a copy may be left among the training samples, which makes the "
            "measured generalization time too small. Without copies (--drop-duplicates) it is not."
        )
        parts.append(paragraph(said, "why"))
    middle = float(collapse.value)
    if not np.isfinite(middle):
        parts.append(
            paragraph("There is no collapse: repeated samples, or too few, keep the excess entropy up.", "why")
        )
        return Section("Times of trajectories", joined(parts), numbers)
    ends = _RANGE[0] * middle, _RANGE[1] * middle
    measured = excess_entropy(rows, np.geomspace(*ends, _MEASURED), num_probes=probes, key=of_entropy)
    predicted = None
    if study.large:
        parts.append(paragraph(f"Of more than {MOST_DIMS} dimensions no excess entropy is predicted here.", "why"))
    else:
        predicted = expected_excess_entropy(
            study.fitted.law, noise_variance=np.geomspace(*ends, _PREDICTED), num_samples=study.size, theory=THEORY
        )
    numbers |= {f"excess_entropy_{place}": float(one) for place, one in enumerate(measured.value)}
    parts.append(_curve(measured, predicted, middle))
    return Section("Times of trajectories", joined(parts), numbers)


def _of_theory(study: Study) -> dict[str, float]:
    """The times of the fitted law, but for those that there are none of."""
    law = study.fitted.law
    if study.fitted.family == "gaussian":  # closed forms by its spectrum, which compile in a fraction of the time
        law = Manifold(law.variances, law.multiplicities)
    elif study.large:
        return {}
    found = trajectory_times(law, num_samples=study.size)
    names = ("onset", "collapse", "held_out", "generalization", "speciation")
    return {name: float(one.value) for name in names if int((one := getattr(found, name)).status) == Status.CONVERGED}


def _curve(measured: xr.Dataset, predicted: xr.Dataset | None, collapse: float):  # noqa: ANN202
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.5, 2.8), layout="constrained")
        axes = figure.subplots()
        axes.errorbar(
            measured.noise_variance, measured.value, 1.96 * measured.error, color="black", marker="o", markersize=4,
            linestyle="none", label="measured, 95 %",
        )  # fmt: skip
        if predicted is not None:
            axes.errorbar(
                predicted.noise_variance, predicted.value, 1.96 * predicted.error, color="#c0392b", marker="s",
                markersize=4, linestyle="--", label="predicted by the law",
            )  # fmt: skip
        axes.axvline(collapse, color="0.5", linestyle=":", label="collapse")
        axes.set(xscale="log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set(xlabel=TIME_LABEL, ylabel="excess entropy [nats per dimension]")
        axes.legend(frameon=False)
    alt = (
        f"Excess entropy against the noise variance, from {number(float(measured.value.min()))} to "
        f"{number(float(measured.value.max()))} nats per dimension, measured and predicted."
    )
    return picture(
        figure,
        alt,
        "Excess entropy: minus the mean logarithm of the weight that a noised training sample gives its own sample, "
        "per dimension. It is zero where its own sample has all the weight.",
    )
