"""`geomem critical-size`: how many samples keep a direction."""

import json
import math
from typing import Annotated

from geomem.cli.options import (
    ClockOption,
    ManifoldInput,
    OutputOptions,
    Question,
    Several,
    Whole,
    read_manifold,
    read_probe,
)
from geomem.cli.tables import block_row, or_none, print_rows, reading
from geomem.core.status import InputError, Status


def critical_size(
    *,
    noise_variance: Annotated[tuple[float, ...] | None, Several] = None,
    time: Annotated[tuple[float, ...] | None, Several] = None,
    manifold: ManifoldInput = ManifoldInput(),
    question: Question = Question(),
    block: Whole | None = None,
    clock: ClockOption = ClockOption(),
    output: OutputOptions = OutputOptions(),
) -> None:
    """How many samples keep a direction down to a noise variance.

    Writes critical_size.json and prints the table.

    Parameters
    ----------
    noise_variance
        Noise variances t.
    time
        Times on the schedule, instead.
    block
        Block of the direction [default: every block].
    """
    variances = _asked_variances(noise_variance, time, clock)
    law, _, record, _ = read_manifold(manifold)

    from geomem.boundaries.critical import critical_size as compute
    from geomem.core.provenance import provenance
    from geomem.files.writing import output_folder, write_whole
    from geomem.schedules.clock import clock_columns, schedule_record

    point = read_probe(question.probe)
    readings = {} if clock.schedule is None else clock_columns(clock.schedule, variances)
    rows = []
    for index in range(law.num_blocks) if block is None else [block]:
        sizes = compute(
            law,
            index,
            noise_variance=variances,
            criterion=question.criterion,
            theory=question.theory,
            probe=point,
        )
        rows += [
            block_row(law, index)
            | {"noise_variance": t}
            | {name: reading(name, values[place]) for name, values in readings.items()}
            | {
                "critical_size": or_none(float(sizes.value[place])),
                "log_critical_size": or_none(float(sizes.log_value[place])),
                "status": Status(int(sizes.status[place])).name,
            }
            for place, t in enumerate(variances)
        ]
    inputs = (
        record
        | law.record()
        | {
            "block": block,
            "noise_variance": list(variances),
            "criterion": question.criterion,
            "theory": question.theory,
            "probe": point.record(),
            "seed": output.seed,
        }
        | ({} if clock.schedule is None else schedule_record(clock.schedule))
    )
    document = {"rows": rows, "provenance": json.loads(provenance(inputs))}
    target = output_folder(output.out) / "critical_size.json"
    write_whole({target: lambda file: file.write_text(json.dumps(document, indent=1) + "\n")})
    print_rows(rows, question.title + clock.title, output.json)


def _asked_variances(
    noise_variance: tuple[float, ...] | None, time: tuple[float, ...] | None, clock: ClockOption
) -> tuple[float, ...]:
    """The noise variances t that are asked for, given as such or as times of the schedule."""
    if (noise_variance is None) == (time is None):
        raise InputError("give either --noise-variance or --time, with --schedule, and not both")
    if time is not None:
        if clock.schedule is None:
            raise InputError("--time is on the clock of a --schedule; give it too")
        if not time:
            raise InputError("--time needs at least one value")
        from geomem.schedules.clock import schedule_of

        schedule = schedule_of(clock.schedule)
        try:
            return tuple(schedule.noise_variance(time).tolist())
        except InputError as error:
            raise InputError(f"--time: {error}") from error
    if not noise_variance:
        raise InputError("--noise-variance needs at least one value")
    bad = [t for t in noise_variance if not 0 < t < math.inf]
    if bad:
        raise InputError(f"--noise-variance is {bad[0]:g}; it must be positive and finite")
    return noise_variance
