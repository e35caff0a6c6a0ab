"""`geomem report`: one page about a data set."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from geomem.cli.options import ClockInput, advised
from geomem.cli.output import Folder, Several, Whole, check_seed
from geomem.cli.ranges import check_size_range

_MOST_SIZES = 200


def report(
    *,
    data: str,
    out: Folder = Path("report.html"),
    samples: str | None = None,
    sizes: tuple[float, float, float] | None = None,
    header: Annotated[bool | None, Parameter(negative="--no-header")] = None,
    columns: Annotated[tuple[str, ...] | None, Several] = None,
    drop_duplicates: bool = False,
    standardize: bool = False,
    clock: ClockInput = ClockInput(),
    overwrite: bool = False,
    seed: Whole = 0,
) -> None:
    """One page that answers: which directions of the data are memorized, when, and how many samples keep them.

    Writes a file of HTML that loads nothing from elsewhere: the answer, the phase diagram on the sampler's clock, the
    data, times of trajectories, denoisers at work and, of generated samples, their copies. Needs 'geomem[report]'.

    Parameters
    ----------
    data
        Data set, as for phase-diagram: a name, a file or a folder.
    out
        The file to write.
    samples
        File of samples that a model generated, to be looked through for copies.
    sizes
        Smallest and largest data-set size of the diagram, and how many [default: from N/30 to 10 000 N].
    header
        Whether the first line of a .csv or .tsv file names its columns [default: if its cells start with letters].
    columns
        Columns of the data to use, counted from 0 or by their names [default: all].
    drop_duplicates
        Drop rows of the data that repeat earlier ones, or nearly.
    standardize
        Divide every column of the data by its standard deviation.
    overwrite
        Replace a file that is there.
    seed
        Seed of random draws.
    """
    check_seed(seed)
    listed = _listed(sizes)

    import sys

    import jax

    from geomem.reports.report import checked_file, report_of, write_report
    from geomem.reports.subject import subject_of

    file = checked_file(out, overwrite)
    schedule = clock.read()
    subject = subject_of(data, header=header, columns=columns, drop_duplicates=drop_duplicates, standardize=standardize)
    for note in advised(subject.sentences):
        print(f"geomem: {note}", file=sys.stderr)
    made = report_of(subject, schedule, samples, listed, None, jax.random.key(seed))
    write_report(made, file)
    print(f"geomem: wrote {file}", file=sys.stderr)


def _listed(sizes: tuple[float, float, float] | None) -> list[float] | None:
    """The sizes of the diagram, from the smallest and the largest and how many."""
    if sizes is None:
        return None
    check_size_range(sizes, 1e15, _MOST_SIZES)
    low, high, count = sizes
    return [low * (high / low) ** (place / (count - 1)) for place in range(int(count))]
