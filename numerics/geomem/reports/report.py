"""The report of a data set: one page that says what is memorized, computed part by part in the order of cost."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array

from geomem.core.arguments import Numbers, check_key, listed_sizes, refuse_traced
from geomem.core.kinds import check_score
from geomem.core.opening import as_path, kind_of_file, named, reason
from geomem.core.progress import bar
from geomem.core.provenance import digest, document_of, key_record, provenance
from geomem.core.status import InputError
from geomem.files.writing import check_output, output_folder, write_whole
from geomem.reports.subject import Subject, samples_of, subject_of
from geomem.schedules.clock import Clock, clock_of

Score = Callable[..., Array | np.ndarray]
_SIZES = (1 / 30, 1e4, 9)  # of the data's own, and how many
_FEWEST = 5.0


class Report(NamedTuple):
    """A page, and the numbers that its sentences use: by part and by name."""

    html: str
    numbers: dict[str, dict[str, object]]


def report(
    data: Numbers | str | Path,
    out: str | Path | None = None,
    *,
    header: bool | None = None,
    schedule: str | Path | None = None,
    samples: Numbers | str | Path | None = None,
    sizes: Numbers | None = None,
    score: Score | None = None,
    key: Array | None = None,
    overwrite: bool = False,
) -> Report:
    """One page that says what a data set's diffusion model memorizes: which directions, when, and for how many samples.

    The page is one file of HTML that loads nothing. A part that cannot be computed says why in its place.

    Args:
        data: samples, (samples, dims), pictures, (samples, height, width[, channels]), a data frame, or a name, file
            or folder as `load_data` takes them.
        out: the file to write; without it none is written.
        header: whether the first line of a .csv or .tsv file names its columns, as for `load_data`.
        schedule: the sampler's, by name (ve, sigma, ou, ddpm, ddpm-cosine or flow) or by a configuration of diffusers.
        samples: generated samples, as the data, or their file.
        sizes: data-set sizes N of the diagram, to which the data's own is added; by default from a thirtieth of it to
            10 000 times as many.
        score: of a trained model, as `score_from` makes it: its denoised samples are shown beside the others.
        key: for the fit of the law, the points at which it is seen, and noise.
        overwrite: whether a file that is there is replaced.

    Returns:
        `Report`, with the page in `html` and in `numbers` what its sentences say, noise variances in squared units of
        the data. Laws are fitted by `fit_law`; losses are by signal to noise at level `finite_n`, at eight data points
        with noise.

    Raises:
        InputError: for data, samples, sizes, a schedule or a score that are none, a file that is there or cannot be
            written, or without Bokeh.
    """
    refuse_traced(data, "the data")
    refuse_traced(samples, "the samples")
    if key is not None:
        check_key(key)
    file = None if out is None else checked_file(out, overwrite)
    clock = None if schedule is None else clock_of(str(as_path(schedule, "the schedule")))
    subject = subject_of(data, header=header)
    made = report_of(subject, clock, samples, sizes, score, jax.random.key(0) if key is None else key)
    if file is not None:
        write_report(made, file)
    return made


def checked_file(out: str | Path, overwrite: bool) -> Path:
    """The file of a page, which is not there unless it may be replaced.

    Raises:
        InputError: if it is there, or is no file that can be written.
    """
    file = as_path(out, "out")
    called = repr(named(file))
    try:
        kind = kind_of_file(file)
    except OSError as error:
        raise InputError(f"out is {called}, and no file can be there: {reason(error)}") from error
    if kind == "folder" or not file.name:
        raise InputError(f"{called} is a folder; give the name of a file, such as report.html")
    if file.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"out is {called}; a page ends in .html")
    check_output(file.parent, [file.name])
    if kind != "nothing" and not overwrite:
        other = "choose another name, or replace it by --overwrite (in Python overwrite=True)"
        raise InputError(f"{called} is there already; {other}")
    return file


def write_report(made: Report, file: Path) -> None:
    """Write the page, whole or not at all."""
    output_folder(file.parent)
    write_whole({file: lambda path: path.write_text(made.html, encoding="utf-8")})


def report_of(
    subject: Subject,
    clock: Clock | None,
    samples: Numbers | str | Path | None,
    sizes: Numbers | None,
    score: Score | None,
    key: Array,
) -> Report:
    """The report of a subject.

    Raises:
        InputError: as `report`.
    """
    try:
        from geomem.reports.page import Section, document, paragraph
    except ImportError as error:
        raise InputError("a report is drawn by Bokeh; install 'geomem[report]'") from error
    from geomem.reports.answer import answer
    from geomem.reports.copies import copies
    from geomem.reports.data import data
    from geomem.reports.denoiser import work
    from geomem.reports.diagram import diagram, scripts
    from geomem.reports.glossary import glossary
    from geomem.reports.study import Study
    from geomem.reports.times import times

    library = scripts()
    if score is not None:
        check_score(score)
    given = None if samples is None else subject.as_rows(samples_of(samples))
    study = Study(subject, clock, _sizes(sizes, len(subject.rows)), given, score, key)
    # In the order of the page; computed by cost.
    titles = {
        answer: "The answer",
        diagram: "Phase diagram",
        data: "The data",
        times: "Times of trajectories",
        work: "Denoisers at work",
        copies: "Generated samples",
        glossary: "Words, lines and sources",
    }
    order = [glossary, copies, data, diagram, answer, work, times]
    if given is None:
        titles.pop(copies)
        order.remove(copies)
    found: dict[Callable, Section] = {}
    with bar("parts of the report", len(order)) as told:
        for part in order:
            try:
                found[part] = part(study)
            except InputError as error:
                found[part] = Section(titles[part], paragraph(f"This part is not there: {error}.", "why"), {})
            except Exception as error:  # the page is written anyway
                said = f"This part could not be computed ({type(error).__name__}: {error})."
                found[part] = Section(titles[part], paragraph(said, "why"), {})
            told(len(found))
    sections = [found[part] for part in titles]
    numbers = {part.__name__: dict(found[part].numbers) for part in titles}
    inputs = {
        "data": subject.name,
        "data_sha256": digest(subject.rows),
        "samples_sha256": None if given is None else digest(given),
        "sizes": study.sizes.tolist(),
        "schedule": None if clock is None else clock.record,
        "key": key_record(key),
    }
    record = document_of(provenance(inputs)) | {"numbers": numbers}
    on = "" if clock is None else f", on the clock of schedule {clock.name}"
    lead = paragraph(f"{len(subject.rows)} samples in {subject.rows.shape[1]} dimensions{on}.", "quiet")
    html = document(f"What a diffusion model memorizes of {subject.name}", lead, sections, record, library)
    return Report(html, numbers)


def _sizes(sizes: Numbers | Sequence[float] | None, count: int) -> np.ndarray:
    """The sizes of the diagram in order, the data's own among them.

    Raises:
        InputError: for sizes that are none.
    """
    if sizes is None:
        low, high, number = _SIZES
        given = np.geomspace(max(low * count, _FEWEST), high * count, number)
        given = np.unique([float(f"{one:.2g}") for one in given])
    else:
        given, _ = listed_sizes(sizes, None)
        if not (np.isfinite(given) & (given >= 2)).all():
            raise InputError("sizes must be numbers of samples, finite and at least 2")
    return np.unique(np.append(given, float(count)))
