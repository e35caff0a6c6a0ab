"""Reading a measured curve: value and standard error over the time of a noise schedule. Nothing is ever unpickled."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from reprlib import repr as shown

import numpy as np
import xarray as xr

from geomem.core.observables import OBSERVABLES
from geomem.core.opening import reading, regular_file
from geomem.core.results import AGAIN, described
from geomem.core.status import InputError
from geomem.files.curve_tables import TEXTS, Table, read_frame, read_netcdf, read_npz, read_text, refuse_bytes
from geomem.files.formats import CURVES, file_and_key, refused, suffix
from geomem.schedules.clock import Clock, clock_of, located

_UNITS = ("1", "nats", "nats per dimension")
_READERS = {".csv": read_text, ".tsv": read_text, ".parquet": read_frame, ".npz": read_npz, ".nc": read_netcdf}
_COUNTS = ("num_samples", "dimension")  # metadata that are positive numbers


def load_curve(path: str | Path, *, said: Mapping[str, object] | None = None) -> xr.Dataset:
    """A measured curve from a table with the columns time, value, error and, of several replicates, replicate.

    Times are on the clock of the schedule, without one not negative, and increase; values are finite;
    `error` is the standard error of the value, positive. With a column `replicate`, of any
    labels, the rows of one label are one replicate; all have the same times, and `error` is
    that of their mean: the same for all of them, or left out to be had from their spread.
    Metadata may be anything that is text or a number. Known are `observable`; `schedule`, a
    name as of `--schedule` or a .json file or folder of diffusers, a relative path being taken from
    the curve's own folder; `units` of the value: 1, nats or nats per dimension, the last of an
    `excess-entropy` and 1 of the other observables of `OBSERVABLES`; `points`, which may be
    `independent`, of measurements that share no data; and `num_samples` and
    `dimension`, which are positive. What is `said` of them the file need not say, and may not
    contradict; what is None is not said.

    - .csv: lines `# key: value` of metadata, a line of column names, and the rows.
    - .npz: an array per column, and metadata as arrays without dimensions.
    - .nc (NetCDF): variables `value`, over `time` and maybe `replicate`, and `error` over `time`,
      metadata as attributes of the file; so is what this function returns once it is saved.
    - .nc, results of this package: FILE.nc:NAME is a variable of them over noise variances with error bars, such as the
      `value` of `excess_entropy`, the `measured` curve of `geomem compare` or, of several seeds, the dimension of
      networks; FILE.nc is `value`, `measured` or the only one. Where it is given for several sizes or training steps
      too, FILE.nc:NAME,num_samples=100 chooses. Times are noise variances, on the schedule `ve`; points without an
      error bar are left out, and a `covariance` is kept.

    Returns:
        A data set with `value` (time), the mean of the replicates if there are any, `error`
        (time) and, of replicates, `replicates` (replicate, time); metadata are attributes,
        `units` those of the variables; if the file has none those of the observable, else 1.

    Raises:
        InputError: if the file cannot be read or does not hold such a curve; by line in a CSV
            file, else by row, counted from 0, one replicate after the other.
    """
    return read_curve(path, said or {})[0]


def read_curve(path: str | Path, said: Mapping[str, object]) -> tuple[xr.Dataset, Clock | None]:
    """The curve of `load_curve`, and its schedule if there is one.

    Raises:
        InputError: as there.
    """
    file, key = file_and_key(path)
    end = suffix(file)
    with reading(path, "a curve"):
        if end not in _READERS or (key is not None and end != ".nc"):
            raise refused(path, "curve", CURVES)
        refuse_bytes(regular_file(file).stat().st_size)
        table = read_netcdf(file, key) if end == ".nc" else _READERS[end](file)
        return _curve(table, file.parent, said)


def _curve(table: Table, folder: Path, said: Mapping[str, object]) -> tuple[xr.Dataset, Clock | None]:
    """The checked curve and its schedule; `folder` is where relative paths start."""
    columns = {name: column for name, column in table.columns.items() if name != "replicate"}
    metadata = _checked_metadata(table.metadata, folder, said)
    for name, column in columns.items():
        _check_numbers(name, column, table.place, signed="schedule" in metadata)
    rows = _rows_of_replicates(table)
    time = columns["time"][rows[0]]
    _check_times(columns["time"], rows, table.place)
    clock = clock_of(str(metadata["schedule"])) if "schedule" in metadata else None
    if clock is not None:
        _check_on_schedule(clock, time, [table.place(rows[0, end]) for end in (0, -1)])
    text = str(metadata.get("observable", "value"))
    units = str(metadata.pop("units", OBSERVABLES[text].units if text in OBSERVABLES else "1"))
    over = ("replicate", "time")
    coordinates = {"time": ("time", time, {"long_name": "time on the schedule"})}
    if "replicate" not in table.columns:
        value, error, replicates = columns["value"], columns["error"], {}
    else:
        values = columns["value"][rows]
        errors = columns["error"][rows] if "error" in columns else None
        value, error = _mean(values, errors, time)
        replicates = {"replicates": (over, values, described(f"{text} of each replicate", units))}
        coordinates["replicate"] = ("replicate", table.columns["replicate"][rows[:, 0]], {"long_name": "replicate"})
    variables = {
        "value": ("time", value, described(text, units)),
        "error": ("time", error, described(f"standard error of {text}", units)),
    }
    covariance = {}
    if table.covariance is not None:
        again = f"time{AGAIN}"
        coordinates[again] = (again, time, coordinates["time"][2])
        attributes: dict[str, object] = {**described(f"covariance of {text}", f"squared {units}")}
        if math.isfinite(table.degrees_of_freedom):
            attributes |= {"degrees_of_freedom": table.degrees_of_freedom}
        covariance = {"covariance": (("time", again), table.covariance, attributes)}
    return xr.Dataset(variables | replicates | covariance, coordinates, metadata), clock


def _rows_of_replicates(table: Table) -> np.ndarray:
    """Which rows are of which replicate, shape (replicate, time); one replicate if there is no such column."""
    count = len(table.columns["time"])
    if count == 0:
        raise InputError("the curve has no rows")
    if "replicate" not in table.columns:
        return np.arange(count)[None]
    rows: dict[str, list[int]] = {}
    for row, label in enumerate(table.columns["replicate"].tolist()):
        rows.setdefault(label, []).append(row)
    first, *others = rows
    for label in others:
        if len(rows[label]) != len(rows[first]):
            raise InputError(
                f"replicate {shown(label)} has {len(rows[label])} times and replicate {shown(first)} has "
                f"{len(rows[first])}; they must be the same"
            )
    return np.array(list(rows.values()))


def _check_numbers(name: str, column: np.ndarray, place: Callable[[int], str], *, signed: bool) -> None:
    """`signed`: the times are on the clock of a schedule, which knows whether they may be negative."""
    allowed, requirement = {
        "time": (np.isfinite(column), "finite") if signed else (column >= 0, "finite and not negative"),
        "value": (np.isfinite(column), "finite"),
        "error": (column > 0, "positive and finite"),
    }[name]
    bad = np.flatnonzero(~(allowed & np.isfinite(column)))
    if len(bad):
        raise InputError(f"{place(bad[0])}: the {name} is {column[bad[0]]:g}; it must be {requirement}")


def _check_times(times: np.ndarray, rows: np.ndarray, place: Callable[[int], str]) -> None:
    """That they increase in every replicate and are the same in all."""
    clocks = times[rows]
    for replicate, step in np.argwhere(~(np.diff(clocks) > 0))[:1]:
        before, after = clocks[replicate, step : step + 2]
        raise InputError(
            f"{place(rows[replicate, step + 1])}: time {after} does not follow {before}; times must increase"
        )
    for replicate, step in np.argwhere(clocks != clocks[0])[:1]:
        raise InputError(
            f"{place(rows[replicate, step])}: time {clocks[replicate, step]} stands where the first replicate "
            f"has {clocks[0, step]}; all replicates must have the same times"
        )


def _check_on_schedule(clock: Clock, times: np.ndarray, places: list[str]) -> None:
    """The times of a schedule are an interval: if the first and the last time are on it, all are."""
    for time, place in zip((times[0], times[-1]), places, strict=True):
        try:
            variance = clock.schedule.noise_variance(time)
        except InputError as error:
            raise InputError(f"{place}: {error}") from error
        if not np.isfinite(variance):
            raise InputError(f"{place}: the schedule is pure noise at time {time:g}; leave it out")


def _mean(values: np.ndarray, errors: np.ndarray | None, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the replicates and its standard error, given or from their spread."""
    count = len(values)
    if errors is None and count < 2:
        raise InputError("one replicate has no spread to take the error from; give a column 'error' or two replicates")
    with np.errstate(over="ignore", invalid="ignore"):
        mean = values.mean(axis=0)
        error = values.std(axis=0, ddof=1) / math.sqrt(count) if errors is None else errors[0]
    if errors is not None:
        for place in np.flatnonzero((errors != error).any(axis=0))[:1]:
            raise InputError(
                f"the replicates have different errors at time {time[place]:g}; beside replicates the error is that of "
                "their mean: leave the column out to take it from their spread"
            )
    for place in np.flatnonzero(~(np.isfinite(mean) & np.isfinite(error) & (error > 0)))[:1]:
        raise InputError(
            f"the replicates have mean {mean[place]:g} and standard error {error[place]:g} at time {time[place]:g}; "
            "the mean must be finite, the error positive too: where all agree give a column 'error'"
        )
    return mean, error


def _checked_metadata(metadata: dict[str, object], folder: Path, said: Mapping[str, object]) -> dict[str, object]:
    """The metadata, schedules with their folder, and what is said beside them."""
    for key, value in metadata.items():
        if key in TEXTS and not isinstance(value, str):
            raise InputError(f"{key} is {shown(value)}; it must be text")
        if key in _COUNTS and not (isinstance(value, (int, float)) and 0 < value < math.inf):
            raise InputError(f"{key} is {shown(value)}; it must be a positive, finite number")
    if metadata.get("points", "independent") != "independent":
        raise InputError(f"points is {shown(metadata['points'])}; it can only say 'independent'")
    if metadata.get("schedule"):
        metadata = metadata | {"schedule": located(str(metadata["schedule"]), folder)}
    for key, value in said.items():
        if value is not None and metadata.setdefault(key, value) != value:
            raise InputError(f"the {key} is {shown(metadata[key])}, not {shown(value)}")
    observable = metadata.get("observable")
    known = [OBSERVABLES[observable].units] if isinstance(observable, str) and observable in OBSERVABLES else _UNITS
    units = metadata.get("units", known[0])
    if units not in known:
        of = "" if known is _UNITS else f" of {observable}"
        raise InputError(f"the units{of} are {shown(units)}; they must be {_one_of(known)}")
    return metadata


def _one_of(names: Sequence[str]) -> str:
    return repr(names[0]) if len(names) == 1 else f"one of {', '.join(map(repr, names))}"
