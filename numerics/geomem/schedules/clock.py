"""Results on a sampler's clock: times of a noise schedule beside the noise variances of the theory."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from geomem.core.arguments import Numbers
from geomem.core.opening import is_there, named
from geomem.core.provenance import extended
from geomem.core.results import described
from geomem.core.status import InputError
from geomem.schedules.continuous import FlowMatching, OrnsteinUhlenbeck, Schedule, VarianceExploding
from geomem.schedules.diffusers import configuration_file, schedule_from_json
from geomem.schedules.discrete import Discrete

_NAMED: dict[str, Callable[[], Schedule]] = {
    "ve": VarianceExploding,
    "sigma": lambda: VarianceExploding("sigma"),
    "ou": OrnsteinUhlenbeck,
    "ddpm": Discrete.linear,
    "ddpm-cosine": Discrete.cosine,
    "flow": FlowMatching,
}

# What the variables of a result are called on the schedule's clock, and in its steps.
_NAMES = {
    "noise_variance": ("time_on_schedule", "step"),
    "opening_time": ("opening_time_on_schedule", "opening_step"),
    "critical_time": ("critical_time_on_schedule", "critical_step"),
    "opening_time_map": ("opening_time_map_on_schedule", "opening_step_map"),
    "critical_time_map": ("critical_time_map_on_schedule", "critical_step_map"),
    "loss_time": ("loss_time_on_schedule", "loss_step"),
    "empirical_loss_time": ("empirical_loss_time_on_schedule", "empirical_loss_step"),
}


class Clock(NamedTuple):
    """A schedule, the name by which results know it, and what their provenance says of it."""

    name: str
    schedule: Schedule
    record: dict[str, object]


def clock_of(name: str) -> Clock:
    """The schedule of that name with what results say of it.

    Raises:
        InputError: as `schedule_of`.
    """
    schedule = schedule_of(name)
    hashes = {} if name in _NAMED else {"schedule_sha256": sha256(configuration_file(name).read_bytes()).hexdigest()}
    return Clock(name, schedule, {"schedule": name} | hashes)


def schedule_of(name: str) -> Schedule:
    """A schedule by name (ve, sigma, ou, ddpm, ddpm-cosine or flow), or by a .json file or a folder of diffusers.

    Raises:
        InputError: if it is neither, or as `schedule_from_json`.
    """
    if name in _NAMED:
        return _NAMED[name]()
    if name and _is_path(Path(name)):
        return schedule_from_json(name)
    raise InputError(
        f"there is no schedule {named(name)!r}; choose one of {', '.join(_NAMED)}, a .json file or a folder"
    )


def located(name: str, folder: Path) -> str:
    """The name of a schedule as it is known from outside a folder, for one that is written in there."""
    return str(folder / name) if name not in _NAMED and _is_path(folder / name) else name


def _is_path(path: Path) -> bool:
    return path.suffix == ".json" or is_there(path, "folder")


def on_schedule(results: xr.Dataset, clock: Clock) -> xr.Dataset:
    """The results with every noise variance on the clock of a schedule too; see `clock_columns`."""
    found = results.assign_attrs(schedule=clock.name, provenance=extended(results.attrs["provenance"], clock.record))
    for source in (name for name in _NAMES if name in results.variables):
        text = results[source].attrs["long_name"]
        for column_name, values in clock_columns(clock, results[source].values, source).items():
            # Steps of training have a dimension of that name.
            name = f"schedule_{column_name}" if column_name in results.dims else column_name
            described_as = f"{text}, {'nearest step' if 'step' in name else 'time'} of the schedule"
            column = (results[source].dims, values, described(described_as, "1"))
            found = found.assign_coords({name: column}) if source in results.coords else found.assign({name: column})
    return found


def clock_columns(clock: Clock, noise_variance: Numbers, source: str = "noise_variance") -> dict[str, np.ndarray]:
    """Noise variances as times of a schedule and, of one with steps, as the nearest of these besides.

    `source` is which noise variances they are; the names go by it. Values are NaN where the
    schedule has no such time: an outcome, a sampler on it never comes there.
    """
    schedule, variances = clock.schedule, np.asarray(noise_variance, dtype=float)
    known = schedule.reaches(variances)
    readings = [schedule.time, schedule.step] if schedule.has_steps else [schedule.time]
    columns = {}
    for name, read in zip(_NAMES[source], readings, strict=False):
        columns[name] = np.full(variances.shape, np.nan)
        if known.any():
            columns[name][known] = read(variances[known])
    return columns
