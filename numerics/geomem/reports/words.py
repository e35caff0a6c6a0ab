"""Numbers and noise variances as the sentences of a report have them."""

import math
from typing import TYPE_CHECKING

import numpy as np

from geomem.schedules.clock import Clock, clock_columns

if TYPE_CHECKING:
    import xarray as xr

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """A number to a few digits; counts up to a million in full."""
    if not math.isfinite(value):
        return "-" if math.isnan(value) else "infinity"
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    if 1e3 <= abs(value) < 1e6:
        return str(round(float(f"{value:.{digits}g}")))
    mantissa, sign, exponent = f"{value:.{digits}g}".partition("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(_RAISED)}" if sign else mantissa


def reading(time: float, clock: Clock | None) -> str:
    """Where a noise variance is on the clock of a sampler, in words; nothing without one."""
    if clock is None or not math.isfinite(time):
        return ""
    found = {name: float(column[0]) for name, column in clock_columns(clock, [time]).items()}
    if "step" in found:
        return f"step {found['step']:.0f}" if math.isfinite(found["step"]) else "not on the schedule"
    at = found["time_on_schedule"]
    return f"time {number(at)}" if math.isfinite(at) else "not on the schedule"


def at(time: float, clock: Clock | None) -> str:
    """A noise variance, and where it is on the clock."""
    said = reading(time, clock)
    return f"t = {number(time)}" + (f" ({said})" if said else "")


def interval(lower: float, upper: float) -> str:
    """An interval, or that there is none."""
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return "no interval"
    return f"{number(lower)} to {number(upper)}"


def on_axis(times: np.ndarray, clock: Clock | None) -> np.ndarray:
    """Noise variances as the diagrams' axis has them: themselves, or times of the schedule, NaN where it has none."""
    return times if clock is None else clock_columns(clock, times)["time_on_schedule"]


def block_name(place: int) -> str:
    """What a block is called, from 0 as in the commands' tables."""
    return f"block {place}"


def directions(count: float) -> str:
    """So many directions."""
    return "1 direction" if count == 1 else f"{count:.0f} directions"


def of_measured(found: "xr.Dataset") -> tuple[float, float, float]:
    """Value, lower and upper end of a result that has all three."""
    return float(found.value), float(found.lower), float(found.upper)
