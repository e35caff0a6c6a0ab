"""`geomem phase-diagram`: critical times against data-set size and local variance."""

import math
from typing import TYPE_CHECKING

from geomem.cli.laws import LawInput
from geomem.cli.options import ClockInput, ManifoldInput, QuestionInput
from geomem.cli.output import OutputOptions, Whole
from geomem.cli.ranges import check_size_range
from geomem.cli.tables import diagram_row, print_rows, range_row, time_row, warn_of_wide_blocks, write
from geomem.core.status import InputError
from geomem.files.writing import netcdf_writer

if TYPE_CHECKING:
    import numpy as np

_MOST_SIZES = 10_000  # more than a figure shows, and with a block each no more than memory holds


def phase_diagram(
    *,
    manifold: ManifoldInput = ManifoldInput(),
    law: LawInput = LawInput(),
    question: QuestionInput = QuestionInput(),
    block: Whole = 0,
    sizes: tuple[float, float, float] = (10.0, 1e9, 60.0),
    num_variances: Whole | None = None,
    clock: ClockInput = ClockInput(),
    output: OutputOptions = OutputOptions(),
) -> None:
    """Critical time of every block against data-set size and local variance.

    Writes phase_diagram.nc, .png and .pdf, and prints when each block opens, when it is lost at N, or at
    every N that is given, and whether it is lost before it opens. Of data the law is fitted, the blocks are principal
    directions, or groups of them, and averages are over points of the data with noise, which tell a standard error;
    with one Gaussian about its mean, of blocks that group the spectrum, from when to when the directions in them are
    lost.

    Parameters
    ----------
    block
        Block whose variance is swept in the map.
    sizes
        Smallest and largest data-set size of the diagram, and how many.
    num_variances
        Local variances of the map [default: 24, 60 where they cost little; none of a law that is fitted, each of
        which costs as much as the rest].
    """
    names = ("phase_diagram.nc", "phase_diagram.png", "phase_diagram.pdf")
    folder = output.folder(*names)
    found = manifold.read(several=True)
    highlighted = found.sizes
    asked, log_sizes = law.asked(question, found.data is not None), _log_sizes(sizes)
    if num_variances is not None and not 0 <= num_variances <= _MOST_SIZES:
        raise InputError(f"--num-variances is {num_variances}; it must be from 0 to {_MOST_SIZES}")
    schedule = clock.read()

    import numpy as np

    from geomem.boundaries.diagram import phase_diagram as compute
    from geomem.core.provenance import extended
    from geomem.figures.diagram import phase_diagram_figure
    from geomem.figures.style import figure_writers
    from geomem.laws.law import law_of
    from geomem.schedules.clock import on_schedule

    source = law_of(asked.of_spectrum, found.manifold)
    inputs = found.record | source.record() | asked.record
    inputs |= {"command": "phase-diagram", "block": block, "sizes": list(sizes), "seed": output.seed}
    inputs |= {"num_variances": num_variances, "num_points": law.num_points}
    inputs |= {"schedule": None} if schedule is None else schedule.record
    output.refuse_other_run(names, inputs)
    given = law.given(asked, found, output.seed)
    posed = asked.question if given is None else given.question
    spectrum = np.asarray(source.variances)
    if num_variances is None:
        num_variances = (60 if posed.level.cheap else 24) if given is None else 0

    # Every N is solved along with the diagram's sizes and taken out again; every variance of the map has its price.
    solved = compute(
        source if given is None else given.law,
        log_num_samples=np.append(log_sizes, np.log(highlighted)),
        local_variance=_swept_variances(spectrum, num_variances) if num_variances else None,
        block=block,
        criterion=posed.criterion,
        theory=posed.level,
        probe=posed.probe,
        direction_variances=found.direction_variances if given is None else None,
        num_blocks=None if given is None else manifold.num_blocks,
    )
    solved.attrs |= {} if given is None else given.attributes
    solved.attrs["provenance"] = extended(solved.attrs["provenance"], inputs)
    if schedule is not None:
        solved = on_schedule(solved, schedule)
    count, diagram = len(log_sizes), solved.isel(num_samples=slice(None, len(log_sizes)))
    at_sizes = [solved.isel(num_samples=count + place) for place in range(len(highlighted))]
    rows = [
        ({"num_samples": size} if len(highlighted) > 1 else {})
        | diagram_row(at_size.isel(block=index))
        | time_row(at_size.isel(block=index))
        | range_row(at_size.isel(block=index))
        for size, at_size in zip(highlighted, at_sizes, strict=True)
        for index in range(solved.sizes["block"])
    ]
    name = folder / "phase_diagram"
    # The figure shows every N as well, wherever it lies among the sizes.
    picture = phase_diagram_figure(solved.drop_duplicates("num_samples").sortby("num_samples"), highlighted)
    write({name.with_suffix(".nc"): netcdf_writer(diagram)} | figure_writers(picture, name))
    listed = ", ".join(f"{size:.6g}" for size in highlighted)
    title = f"{posed.title}{'' if given is None else given.title}, N = {listed}{clock.title}"
    print_rows(rows, title, output.json)
    if given is None and found.direction_variances is not None:
        warn_of_wide_blocks(at_sizes[0], found.direction_variances)


def _log_sizes(sizes: tuple[float, float, float]) -> "np.ndarray":
    """ln N of the diagram, from the smallest and the largest N and how many."""
    import numpy as np

    check_size_range(sizes, 1e300, _MOST_SIZES)
    low, high, count = sizes
    return np.linspace(math.log(low), math.log(high), int(count))


def _swept_variances(variances: "np.ndarray", count: int) -> "np.ndarray":
    """Local variances of the map: the spectrum's range and a decade more on either side."""
    import numpy as np

    positive = variances[variances > 0]
    if len(positive) == 0:
        return np.geomspace(0.1, 10, count)
    return np.geomspace(positive.min() / 10, positive.max() * 10, count)
