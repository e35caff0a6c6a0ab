"""Generated samples: how many are copies, and the training samples that are copied most beside their copies."""

import numpy as np

from geomem.core.status import InputError
from geomem.empirical.memorization import copied_rows, ratio_of_copies
from geomem.reports.data import strip
from geomem.reports.page import Section, joined, paragraph, picture, table
from geomem.reports.study import Study
from geomem.reports.words import number

_SHOWN, _COPIES = 5, 4  # training samples, and copies of each


def copies(study: Study) -> Section:
    """The ratio of copies with its interval, and the most copied.

    Raises:
        InputError: without samples, or as `memorization_ratio`.
    """
    if study.samples is None:
        raise InputError("no generated samples were given; --samples takes them")
    rows, samples = study.subject.rows, study.samples
    which = copied_rows(samples, rows)
    ratio, error = ratio_of_copies(which)
    low, high = max(0.0, ratio - 1.96 * error), min(1.0, ratio + 1.96 * error)
    numbers: dict[str, object] = {"memorization_ratio": ratio, "memorization_ratio_error": error}
    said = (
        f"{100 * ratio:.3g} % of {len(samples)} generated samples (95 % interval {100 * low:.3g} to {100 * high:.3g}) "
        "are copies: three times nearer to one training sample than to any other."
    )
    parts = [paragraph(said, "answer")]
    sources, counts = np.unique(which[which >= 0], return_counts=True)
    if not len(sources):
        parts.append(paragraph("None of them is a copy, so there is none to show."))
        return Section("Generated samples", joined(parts), numbers)
    order = np.argsort(-counts, kind="stable")[:_SHOWN]
    numbers |= {"most_copied_row": float(sources[order[0]]), "most_copied_times": float(counts[order[0]])}
    lines = []
    for source, count in zip(sources[order], counts[order], strict=True):
        made = np.flatnonzero(which == source)
        away = np.linalg.norm(samples[made] - rows[source], axis=1)
        lines.append([f"row {source}", str(count), number(float(away.min())), ", ".join(map(str, made[:_COPIES]))])
        if study.subject.pictures is not None:
            shown = np.concatenate([rows[[source]], samples[made[:_COPIES]]])
            titles = [f"row {source}", *(f"copy {one}" for one in made[:_COPIES])]
            alt = f"Training sample {source} beside {len(shown) - 1} of its {count} copies"
            parts.append(picture(strip(study, shown, titles), alt))
    head = ["training sample", "copies", "distance of the nearest", "generated samples"]
    return Section(
        "Generated samples", joined([*parts, table("The most copied training samples", head, lines)]), numbers
    )
