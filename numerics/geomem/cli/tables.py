"""What the commands print and write: rows, tables, JSON and files."""

import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from geomem.cli.words import heading
from geomem.core.status import Status
from geomem.files.writing import or_none, output_folder, write_whole

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from geomem.laws.law import Law
    from geomem.schedules.clock import Clock

_REACH = 0.02  # of directions from their block's critical time, in its logarithm


def write(writers: Mapping[Path, Callable[[Path], object]]) -> None:
    """Write the files of a command into one folder, all or none, and say on stderr which of another run they replaced.

    A run with the same inputs writes the same bytes: what held others is of another run.
    """
    output_folder(next(iter(writers)).parent)
    before = {path: path.read_bytes() for path in writers if path.is_file()}
    write_whole(writers)
    replaced = [str(path) for path, content in before.items() if path.read_bytes() != content]
    if replaced:
        print(f"geomem: replaced {', '.join(replaced)} of another run", file=sys.stderr)


def json_writer(document: object) -> Callable[[Path], object]:
    """What writes a document as JSON, for `write`."""
    return lambda file: file.write_text(json.dumps(document, indent=1) + "\n")


def block_row(law: "Law", index: int) -> dict[str, object]:
    """Which block it is, the beginning of its row."""
    law.indicator(index)  # names the blocks there are, if this is none of them
    return {
        "block": index,
        "local_variance": float(law.variances[index]),
        "multiplicity": int(law.multiplicities[index]),
    }


def diagram_row(at: "xr.Dataset") -> dict[str, object]:
    """Which block of a diagram it is, the beginning of its row."""
    return {
        "block": int(at.block),
        "local_variance": float(at.block_variance),
        "multiplicity": int(at.multiplicity),
    }


def time_row(at: "xr.Dataset") -> dict[str, object]:
    """The diagram's row of one block at one size; lost means: before it opens."""
    opening, time = float(at.opening_time), float(at.critical_time)
    return {
        "opening_time": opening,
        "critical_time": or_none(time),
        **readings(at, "opening_time_on_schedule", "critical_time_on_schedule", "opening_step", "critical_step"),
        "status": Status(int(at.status)).name,
        "lost": time >= opening if math.isfinite(time) else None,
    }


def range_row(at: "xr.Dataset") -> dict[str, object]:
    """Between which times the directions of a block are lost, if it groups a spectrum, or its time's standard error."""
    names = ("critical_time_lower", "critical_time_upper", "critical_time_error")
    return {name: or_none(float(at[name])) for name in names if name in at}


def warn_of_wide_blocks(at: "xr.Dataset", direction_variances: "np.ndarray") -> None:
    """Say on stderr how far from their block's critical time directions are lost, if it is too far.

    And how many blocks are enough, if critical times change with variances no more than between the ends of the
    blocks that there are.
    """
    import numpy as np

    from geomem.laws.covariance import block_ranges, sufficient_blocks

    ends = np.log(np.stack([at.critical_time_lower, at.critical_time_upper], axis=1))
    reach = np.abs(ends - np.log(at.critical_time.values)[:, None]).max(axis=1)
    if not np.nanmax(reach, initial=0.0) > _REACH:
        return
    ranges = block_ranges(direction_variances, at.multiplicity.values)
    known = np.isfinite(reach) & (ranges[:, 0] < ranges[:, 1])
    slope = np.max(np.ptp(ends[known], axis=1) / np.ptp(np.log(ranges[known]), axis=1))
    block, enough = int(np.nanargmax(reach)), sufficient_blocks(direction_variances, float(_REACH / slope))
    away = 100 * np.expm1(reach[block])
    print(
        f"geomem: directions of block {block} are lost up to {away:.0f} % away from its critical time; "
        f"{enough} blocks keep all directions within {100 * _REACH:.0f} %",
        file=sys.stderr,
    )


def readings(at: "xr.Dataset", *names: str) -> dict[str, float | int | None]:
    """Those of the readings of a schedule's clock that there are."""
    return {name: reading(name, at[name].item()) for name in names if name in at.variables}


def with_readings(rows: list[dict[str, object]], clock: "Clock | None") -> list[dict[str, object]]:
    """The rows of what was lost, with what the clock says of it, if there is one."""
    if clock is None:
        return rows
    from geomem.schedules.clock import clock_columns

    for name in ("critical_time", "empirical_loss_time", "loss_time"):
        if name in rows[0]:
            times = [time if isinstance(time := row[name], float) else math.nan for row in rows]
            for column, values in clock_columns(clock, times, name).items():
                read = [reading(column, value) for value in values.tolist()]
                rows = [row | {column: value} for row, value in zip(rows, read, strict=True)]
    return rows


def reading(name: str, value: float) -> float | int | None:
    """Steps are whole."""
    return int(value) if "step" in name and math.isfinite(value) else or_none(float(value))


def json_text(document: object) -> str:
    """The document as JSON on one line, for stdout."""
    return json.dumps(document, allow_nan=False)


def print_rows(rows: list[dict[str, object]], title: str, as_json: bool) -> None:
    """The rows as a table on stdout; or as JSON there and the table on stderr."""
    print_table(rows, title, as_json)
    if as_json:
        print(json_text(rows))


def print_table(rows: list[dict[str, object]], title: str, on_stderr: bool) -> None:
    """The rows as a table under a title, on stdout or on stderr."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in rows[0]:
        table.add_column(heading(name), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(name, value) for name, value in row.items()))
    console = Console(stderr=on_stderr)
    # Wider than the screen rather than with numbers cut off.
    console.width = max(console.width, console.measure(table, options=console.options.update(max_width=1000)).maximum)
    console.print(table)


def _cell(name: str, value: object) -> str:
    if value is None:
        return "-"
    if name == "lost":
        return "lost" if value else "kept"
    if name == "status":
        return str(value).lower().replace("_", " ")
    return f"{value:.5g}" if isinstance(value, float) else str(value)
