"""`geomem critical-size`: how many samples keep a direction."""

import math
from typing import TYPE_CHECKING, Annotated

from geomem.cli.options import ClockInput, ManifoldInput, QuestionInput
from geomem.cli.output import OutputOptions, Several, Whole
from geomem.cli.tables import block_row, json_writer, print_rows, reading, write
from geomem.core.status import InputError, Status
from geomem.files.writing import or_none

if TYPE_CHECKING:
    from geomem.schedules.clock import Clock


def critical_size(
    *,
    noise_variance: Annotated[tuple[float, ...] | None, Several] = None,
    time: Annotated[tuple[float, ...] | None, Several] = None,
    manifold: ManifoldInput = ManifoldInput(),
    law: str = "manifold",
    question: QuestionInput = QuestionInput(),
    block: Whole | None = None,
    clock: ClockInput = ClockInput(),
    output: OutputOptions = OutputOptions(),
) -> None:
    """How many samples keep a direction down to a noise variance.

    Writes critical_size.json and prints the table; of blocks that group the spectrum of data also from which to
    which size the directions in them are kept.

    Parameters
    ----------
    noise_variance
        Noise variances t.
    time
        Times on the schedule, instead.
    law
        Law of the data with this spectrum: manifold.
    block
        Block of the direction [default: every block].
    """
    folder = output.folder("critical_size.json")
    schedule = clock.read()
    variances = _asked_variances(noise_variance, time, schedule)
    spectrum, _, record, _, directions, *_ = manifold.read()
    asked = question.posed()

    import numpy as np

    from geomem.boundaries.critical import critical_size as compute
    from geomem.core.provenance import document_of, provenance
    from geomem.laws.covariance import asked_variances
    from geomem.laws.law import law_of
    from geomem.schedules.clock import clock_columns

    source = law_of(law, spectrum)
    inputs = record | source.record() | asked.record()
    inputs |= {"law": law, "block": block, "noise_variance": list(variances), "seed": output.seed}
    inputs |= {"schedule": None} if schedule is None else schedule.record
    output.refuse_other_run(["critical_size.json"], inputs)
    of_blocks = asked_variances(source, directions)
    readings = {} if schedule is None else clock_columns(schedule, variances)
    rows = []
    for index in range(source.num_blocks) if block is None else [block]:
        block_columns = block_row(source, index)
        solved = [
            compute(
                source,
                index,
                noise_variance=variances,
                criterion=asked.criterion,
                theory=asked.level,
                probe=asked.probe,
                local_variance=own,
            )
            for own in of_blocks[index]
        ]
        sizes, values = solved[0], np.array([one.value for one in solved])
        reach = {"critical_size_lower": values.min(axis=0), "critical_size_upper": values.max(axis=0)}
        rows += [
            block_columns
            | {"noise_variance": t}
            | {name: reading(name, values[place]) for name, values in readings.items()}
            | {
                "critical_size": or_none(float(sizes.value[place])),
                "log_critical_size": or_none(float(sizes.log_value[place])),
                "status": Status(int(sizes.status[place])).name,
            }
            | ({} if directions is None else {name: or_none(float(column[place])) for name, column in reach.items()})
            for place, t in enumerate(variances)
        ]
    document = {"rows": rows, "provenance": document_of(provenance(inputs))}
    write({folder / "critical_size.json": json_writer(document)})
    print_rows(rows, asked.title + clock.title, output.json)


def _asked_variances(
    noise_variance: tuple[float, ...] | None, time: tuple[float, ...] | None, clock: "Clock | None"
) -> tuple[float, ...]:
    """The noise variances t that are asked for, given as such or as times of the schedule."""
    if (noise_variance is None) == (time is None):
        raise InputError("give either --noise-variance or --time, with --schedule, and not both")
    if time is not None:
        if clock is None:
            raise InputError("--time is on the clock of a --schedule; give it too")
        if not time:
            raise InputError("--time needs at least one value")
        try:
            variances = tuple(clock.schedule.noise_variance(time).tolist())
        except InputError as error:
            raise InputError(f"--time: {error}") from error
        for one, variance in zip(time, variances, strict=True):
            if variance == math.inf:
                raise InputError(f"--time: the schedule is pure noise at time {one:g}, where no size is critical")
        return variances
    if not noise_variance:
        raise InputError("--noise-variance needs at least one value")
    bad = [t for t in noise_variance if not 0 < t < math.inf]
    if bad:
        raise InputError(f"--noise-variance is {bad[0]:g}; it must be positive and finite")
    return noise_variance
