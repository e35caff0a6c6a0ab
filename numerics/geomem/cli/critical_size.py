"""`geomem critical-size`: how many samples keep a direction."""

import math
from typing import TYPE_CHECKING, Annotated

from geomem.cli.laws import GivenLaw, LawInput
from geomem.cli.options import ClockInput, ManifoldInput, QuestionInput
from geomem.cli.output import OutputOptions, Several, Whole
from geomem.cli.tables import block_row, json_writer, print_rows, reading, write
from geomem.core.status import InputError, Status
from geomem.files.writing import or_none

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from jaxtyping import Array

    from geomem.laws.law import Law
    from geomem.levels.level import Level
    from geomem.levels.question import Question
    from geomem.schedules.clock import Clock

    Values = np.ndarray | Array


def critical_size(
    *,
    noise_variance: Annotated[tuple[float, ...] | None, Several] = None,
    time: Annotated[tuple[float, ...] | None, Several] = None,
    manifold: ManifoldInput = ManifoldInput(),
    law: LawInput = LawInput(),
    question: QuestionInput = QuestionInput(),
    block: Whole | None = None,
    clock: ClockInput = ClockInput(),
    output: OutputOptions = OutputOptions(),
) -> None:
    """How many samples keep a direction down to a noise variance.

    Writes critical_size.json and prints the table. Of data the law is fitted, the blocks are principal directions, or
    groups of them, and averages are over points of the data with noise, which tell a standard error; with one Gaussian
    about its mean, of blocks that group the spectrum, also from which to which size the directions in them are kept.

    Parameters
    ----------
    noise_variance
        Noise variances t.
    time
        Times on the schedule, instead.
    block
        Block of the direction [default: every block].
    """
    folder = output.folder("critical_size.json")
    schedule = clock.read()
    variances = _asked_variances(noise_variance, time, schedule)
    found = manifold.read()
    asked = law.asked(question, found.data is not None)

    import numpy as np

    from geomem.core.provenance import document_of, provenance
    from geomem.laws.law import law_of
    from geomem.schedules.clock import clock_columns

    source = law_of(asked.of_spectrum, found.manifold)
    inputs = found.record | source.record() | asked.record
    inputs |= {"block": block, "noise_variance": list(variances), "seed": output.seed, "num_points": law.num_points}
    inputs |= {"schedule": None} if schedule is None else schedule.record
    output.refuse_other_run(["critical_size.json"], inputs)
    given = law.given(asked, found, output.seed)
    readings = {} if schedule is None else clock_columns(schedule, variances)
    if given is None:
        blocks = _of_blocks(source, found.direction_variances, asked.question, variances, block)
    else:
        blocks = _along_directions(given, np.asarray(variances), manifold.num_blocks, block)
    rows = [
        start
        | {"noise_variance": t}
        | {name: reading(name, values[place]) for name, values in readings.items()}
        | {name: values[place] for name, values in columns.items()}
        for start, columns in blocks
        for place, t in enumerate(variances)
    ]
    said = {} if given is None else given.attributes | given.law.record() | given.question.record()
    document = {"rows": rows, "provenance": document_of(provenance(inputs | said))}
    write({folder / "critical_size.json": json_writer(document)})
    title = f"{asked.question.title}{'' if given is None else given.title}{clock.title}"
    print_rows(rows, title, output.json)


def _of_blocks(
    source: "Law",
    directions: "np.ndarray | None",
    asked: "Question[Level]",
    variances: tuple[float, ...],
    block: int | None,
) -> "Iterator[tuple[dict[str, object], dict[str, list]]]":
    """The beginning of the rows of a block of one Gaussian, and their columns over the noise variances."""
    import numpy as np

    from geomem.boundaries.critical import critical_size as compute
    from geomem.laws.covariance import asked_variances

    of_blocks = asked_variances(source, directions)
    for index in range(source.num_blocks) if block is None else [block]:
        start = block_row(source, index)
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
        columns = _columns(sizes.value, sizes.log_value, sizes.status)
        yield start, columns | ({} if directions is None else {name: _numbers(one) for name, one in reach.items()})


def _along_directions(
    given: GivenLaw, variances: "np.ndarray", num_blocks: int | None, block: int | None
) -> "Iterator[tuple[dict[str, object], dict[str, list]]]":
    """The same of blocks of principal directions of a fitted law."""
    import numpy as np

    from geomem.boundaries.principal_sizes import principal_sizes

    found = principal_sizes(given.question, given.law, variances, num_blocks)
    count = len(found.blocks.variances)
    if block is not None and not 0 <= block < count:
        raise InputError(f"there is no block {block}: the law has blocks 0 to {count - 1}")
    for index in range(count) if block is None else [block]:
        start: dict[str, object] = {"block": index, "local_variance": float(found.blocks.variances[index])}
        start |= {"multiplicity": int(found.blocks.multiplicities[index])}
        sizes, error = np.exp(found.log_size[index]), found.log_error[index]
        columns = _columns(sizes, found.log_size[index], found.status[index])
        yield start, columns | {"log_critical_size_error": _numbers(error)}


def _columns(values: "Values", log_values: "Values", status: "Values") -> dict[str, list]:
    return {
        "critical_size": _numbers(values),
        "log_critical_size": _numbers(log_values),
        "status": [Status(int(one)).name for one in status],
    }


def _numbers(values: "Values") -> list[float | None]:
    return [or_none(float(one)) for one in values]


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
