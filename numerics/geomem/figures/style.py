"""What all figures share: width, colours, dashes, markers and labels, a sampler's clock on the axis, files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from geomem.core.status import InputError
from geomem.files.writing import write_whole
from geomem.schedules.clock import schedule_of
from geomem.schedules.continuous import Schedule

COLUMN_WIDTH = 3.4  # inches, one column of a two-column paper
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.6,
}
COLOURS = "viridis"
# Lines differ in dashes and points in markers too, for those who see no colours; more lines are a colour scale.
MOST_LINES = 6
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
MARKERS = "os^Dv<>p"
UNITS = "data units$^2$"
TIME_LABEL = f"noise variance $t$ [{UNITS}]"
SIZE_LABEL = "data-set size $N$"
_TICKS = 4  # of a sampler's clock, at most


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure as PNG and as PDF, `path` being the name without a suffix; the same bytes every time."""
    write_whole(figure_writers(figure, path))


def figure_writers(figure: Figure, path: Path) -> dict[Path, Callable[[Path], object]]:
    """What `save_figure` writes, to be written together with other files."""

    def write_pdf(file: Path) -> None:
        # Laid out once, by the PNG, for both files alike. The engine "none" is one too: for it all is drawn once more.
        engine = figure.get_layout_engine()
        figure.set_layout_engine(None)
        figure.savefig(file, metadata={"CreationDate": None})
        figure.set_layout_engine(engine)

    return {
        path.with_suffix(".png"): lambda file: figure.savefig(file, dpi=300),
        path.with_suffix(".pdf"): write_pdf,
    }


def draw_clock(axes: Axes, side: Literal["top", "right"], results: xr.Dataset) -> None:
    """Times of the schedule of `on_schedule`'s results, if they are such, on that side, across from t.

    The limits of the axes are taken as they are.
    """
    low, high = axes.get_xlim() if side == "top" else axes.get_ylim()
    if "schedule" not in results.attrs or low <= 0:  # times of data without any variance are on a linear axis
        return
    name = results.attrs["schedule"]
    schedule = schedule_of(name)
    spread = np.geomspace(low, high, _TICKS + 2)[1:-1]
    reached = spread[schedule.reaches(spread)]
    times = [time for time in _rounded(schedule.time(reached)) if _is_on(schedule, time)] if reached.size else []
    if not times:
        return
    axis = axes.secondary_xaxis("top").xaxis if side == "top" else axes.secondary_yaxis("right").yaxis
    axis.set_ticks(schedule.noise_variance(times), [f"{time:g}" for time in times])
    axis.set_minor_locator(NullLocator())
    axis.set_label_text(f"time, schedule {Path(name).stem}", parse_math=False)


def _rounded(times: np.ndarray) -> list[float]:
    """Two digits of every time, towards 0 so that most stay on their schedule; without repetition."""
    sizes = np.abs(times[times != 0])
    unit = 10.0 ** (np.floor(np.log10(sizes)) - 1)
    return np.unique(np.sign(times[times != 0]) * np.floor(sizes / unit) * unit).tolist()


def _is_on(schedule: Schedule, time: float) -> bool:
    """Whether a schedule that ends before 0 still has the time after rounding."""
    try:
        return bool(np.isfinite(schedule.noise_variance(time)))
    except InputError:
        return False


def shades(count: int) -> np.ndarray:
    """So many colours from light to dark; the lightest end of the map is left out: it vanishes on white paper."""
    return mpl.colormaps[COLOURS](np.linspace(0.85, 0.0, count))
