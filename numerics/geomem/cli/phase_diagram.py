"""`geomem phase-diagram`: critical times against data-set size and local variance."""

import math
from typing import TYPE_CHECKING

from geomem.cli.options import (
    ClockOption,
    ManifoldInput,
    OutputOptions,
    Question,
    Whole,
    asked_log_sizes,
    check_schedule,
    on_schedule,
    read_manifold,
    read_probe,
)
from geomem.cli.tables import block_row, print_rows, time_row, write

if TYPE_CHECKING:
    import numpy as np


def phase_diagram(
    *,
    manifold: ManifoldInput = ManifoldInput(),
    question: Question = Question(),
    block: Whole = 0,
    sizes: tuple[float, float, float] = (10.0, 1e9, 60.0),
    clock: ClockOption = ClockOption(),
    output: OutputOptions = OutputOptions(),
) -> None:
    """Critical time of every block against data-set size and local variance.

    Writes phase_diagram.nc, .png and .pdf, and prints when each block opens, when it is lost at N, and whether
    it is lost before it opens.

    Parameters
    ----------
    block
        Block whose variance is swept in the map.
    sizes
        Smallest and largest data-set size of the diagram, and how many.
    """
    law, num_samples, record, _ = read_manifold(manifold)
    log_sizes = asked_log_sizes(sizes)

    import numpy as np

    from geomem.boundaries.diagram import phase_diagram as compute
    from geomem.core.provenance import extended
    from geomem.figures.diagram import phase_diagram_figure
    from geomem.files.writing import output_folder
    from geomem.levels.criteria import find_criterion

    # All input is looked at before the folder is made and anything is computed.
    check_schedule(clock)
    point = read_probe(question.probe)
    find_criterion(question.theory, question.criterion, law.normalized)
    law.indicator(block)
    folder = output_folder(output.out)

    # N itself is solved along with the diagram's sizes and taken out again.
    solved = compute(
        law,
        log_num_samples=np.append(log_sizes, math.log(num_samples)),
        local_variance=_swept_variances(np.asarray(law.variances), 12 if question.theory == "finite_n" else 60),
        block=block,
        criterion=question.criterion,
        theory=question.theory,
        probe=point,
    )
    solved.attrs["provenance"] = extended(solved.attrs["provenance"], record | {"seed": output.seed})
    solved = on_schedule(solved, clock)
    diagram, at_size = solved.isel(num_samples=slice(None, -1)), solved.isel(num_samples=-1)
    rows = [block_row(law, index) | time_row(at_size.isel(block=index)) for index in range(law.num_blocks)]
    write(diagram, phase_diagram_figure(diagram), folder / "phase_diagram")
    print_rows(rows, f"{question.title}, N = {num_samples:.6g}{clock.title}", output.json)


def _swept_variances(variances: "np.ndarray", count: int) -> "np.ndarray":
    """Local variances of the map: the spectrum's range and a decade more on either side."""
    import numpy as np

    positive = variances[variances > 0]
    if len(positive) == 0:
        return np.geomspace(0.1, 10, count)
    return np.geomspace(positive.min() / 10, positive.max() * 10, count)
