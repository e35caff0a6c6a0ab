"""The phase diagram on the sampler's clock: moving where scripts run, with a still picture and a table of it."""

import json
from functools import cache

import numpy as np
import xarray as xr
from markupsafe import Markup
from matplotlib.colors import to_hex

from geomem.core.status import InputError
from geomem.figures.diagram import phase_diagram_figure
from geomem.figures.planes import kept_directions
from geomem.figures.style import shades
from geomem.reports.page import Section, embedded, joined, paragraph, picture, table
from geomem.reports.study import Fates, Study
from geomem.reports.words import block_name, directions, number, on_axis, reading
from geomem.schedules.clock import Clock

_TIMES = 160  # of the curves D(t)
_INK = "#555c64"  # on white, in dark mode too: some blocks' colours are dark
_DASHES = ("solid", "dashed", "dotdash", "dotted")
_FINITE = 1e300


def diagram(study: Study) -> Section:
    """Critical times of every block against N, and D(t) at a size that is chosen.

    Raises:
        InputError: for data whose law cannot be fitted.
    """
    found, clock = study.diagram, study.clock
    each = [Fates.of(found.isel(num_samples=place)) for place in range(len(study.sizes))]
    variances = found.opening_time.values
    low = min([float(fates.lost[fates.lost > 0].min()) for fates in each if (fates.lost > 0).any()] or [np.inf])
    times = np.geomspace(min(low, variances[variances > 0].min()) / 3, 2 * variances.max(), _TIMES)
    axis = on_axis(times, clock)
    known = np.isfinite(axis)
    if not known.any():
        raise InputError("the schedule has none of the noise variances at which directions open or are lost")
    times, axis = times[known], axis[known]
    kept = kept_directions(found, times)[study.place]
    rows = [_rows(study, fates) for fates in each]
    sizes_said = [f"N = {number(float(size))}" for size in study.sizes]
    data = {
        "sizes": [float(size) for size in study.sizes],
        "sizes_said": sizes_said,
        "times": [float(time) for time in times],
        "blocks": [
            {
                "count": float(found.multiplicity.values[block]),
                "opening": float(variances[block]),
                "lost": [_finite(float(fates.lost[block])) for fates in each],
            }
            for block in range(len(variances))
        ],
        "rows": rows,
    }
    still = picture(
        phase_diagram_figure(found, study.size),
        f"Phase diagram: critical noise variance of {len(variances)} blocks of directions against the number of "
        f"samples, and in grey the number of directions kept; N = {number(study.size)} is marked. The table below has "
        "its numbers.",
        "Grey: D(t, N), how many directions are open and not lost.",
        kind="still",
    )
    colours = [to_hex(colour) for colour in shades(len(variances))[::-1]]
    head = ["block", "directions", "opens at t", "lost below t", "95 % interval", "at this N"]
    body = joined(
        [
            paragraph(
                "Each line is the noise variance at which a block of directions is lost, against the number of "
                "samples; a triangle at the right marks where the block opens."
            ),
            _controls(study, sizes_said, found, colours),
            still,
            table(f"Fates of the blocks at {sizes_said[study.place]}", head, rows[study.place], "fates"),
            embedded("diagram-data", data),
            Markup('<script type="application/json" id="diagram-figure">{}</script>').format(
                Markup(_figure_json(study, found, each, axis, times, kept, colours))
            ),
        ]
    )
    numbers = {
        f"{name}_{block}": float(getattr(each[study.place], name)[block])
        for block in range(len(variances))
        for name in ("variances", "counts", "lost", "lower", "upper")
    }
    return Section("Phase diagram", body, numbers)


def scripts() -> str:
    """The library that draws it, as a text.

    Raises:
        InputError: without Bokeh.
    """
    return "\n".join(part.replace("</script", "<\\/script") for part in _bokeh().js_raw)


@cache
def _bokeh():  # noqa: ANN202
    try:
        from bokeh.resources import Resources
    except ImportError as error:
        raise InputError("a report is drawn by Bokeh; install 'geomem[report]'") from error
    return Resources(mode="inline", components=["bokeh"], log_level="error")


def _rows(study: Study, fates: Fates) -> list[list[str]]:
    """The table's rows at one size."""
    rows = []
    for block, variance in enumerate(fates.variances):
        lost = float(fates.lost[block])
        said = "-" if np.isnan(lost) else "none found" if lost == 0 else _told(lost, study.clock)
        reach = [float(one[block]) for one in (fates.lower, fates.upper)]
        between = f"{number(reach[0])} to {number(reach[1])}" if np.isfinite(reach).all() and lost > 0 else "-"
        opens = _told(float(variance), study.clock)
        row = [block_name(block), number(float(fates.counts[block])), opens, said, between]
        row.append(_fate(float(variance), lost))
        rows.append(row)
    return rows


def _told(time: float, clock: Clock | None) -> str:
    """A noise variance in a cell."""
    said = reading(time, clock)
    return f"{number(time)}, {said}" if said else number(time)


def _fate(variance: float, lost: float) -> str:
    if variance == 0:
        return "no variance"
    if np.isnan(lost):
        return "not known"
    if lost >= variance:
        return "never resolved"
    return "resolved, no loss found" if lost == 0 else "resolved, then lost"


def _controls(study: Study, sizes_said: list[str], found: xr.Dataset, colours: list[str]) -> Markup:
    """The slider, the boxes and the place of the moving diagram."""
    boxes = joined(
        Markup(
            '<label><input type="checkbox" id="block-{}" checked> <span class="swatch" style="color:{}" '
            'aria-hidden="true">&#9632;</span> block {} ({}, variance {})</label>'
        ).format(block, colours[block], block, directions(count), number(float(found.opening_time.values[block])))
        for block, count in enumerate(found.multiplicity.values)
    )
    return Markup(
        '<div class="moving"><p><label for="size">Number of samples: <output id="size-said" for="size" '
        'aria-live="polite">{}</output></label><br><input type="range" id="size" min="0" max="{}" step="1" value="{}">'
        "</p><fieldset><legend>Blocks</legend>{}</fieldset><p>The lower curve is D(t): how many directions are open "
        "and not lost at a noise variance, for the N of the slider and the blocks that are ticked.</p>"
        '<div id="diagram" role="img" aria-label="Critical noise variance of each block against the number of '
        'samples, and below it the number of directions kept against the noise; the table has the numbers"></div></div>'
    ).format(sizes_said[study.place], len(sizes_said) - 1, study.place, boxes)


def _finite(value: float) -> float | None:
    return value if value < _FINITE else None


def _figure_json(
    study: Study,
    found: xr.Dataset,
    each: list[Fates],
    axis: np.ndarray,
    times: np.ndarray,
    kept: np.ndarray,
    colours: list[str],
) -> str:
    """The moving diagram as Bokeh reads it."""
    _bokeh()
    from bokeh.embed import json_item
    from bokeh.layouts import column
    from bokeh.models import ColumnDataSource, HoverTool, Range1d, Span
    from bokeh.plotting import figure

    clock, sizes = study.clock, study.sizes
    log_axis = clock is None or not clock.schedule.has_steps
    label = "noise variance t" if clock is None else f"time of schedule {clock.name}"
    above = figure(
        height=380, sizing_mode="stretch_width", x_axis_type="log", y_axis_type="log" if log_axis else "linear",
        x_axis_label="number of samples N", y_axis_label=f"lost at {label}", tools="pan,wheel_zoom,box_zoom,reset",
    )  # fmt: skip
    for block, variance in enumerate(found.opening_time.values):
        lost = np.array([fates.lost[block] for fates in each])
        lost = np.where(lost > 0, lost, np.nan)
        source = ColumnDataSource(
            {
                "N": sizes,
                "y": on_axis(lost, clock),
                "t": [number(float(time)) for time in lost],
                "when": [reading(float(time), clock) or "-" for time in lost],
            }
        )
        line = above.line(
            "N", "y", source=source, color=colours[block], line_width=2.5, name=f"line-{block}",
            line_dash=_DASHES[block % len(_DASHES)],
        )  # fmt: skip
        tips = [("block", str(block)), ("N", "@N{0.[0]a}"), ("lost at t", "@t"), ("variance", number(float(variance)))]
        tips += [] if clock is None else [("on schedule", "@when")]
        above.add_tools(HoverTool(renderers=[line], tooltips=tips))
        opening = on_axis(np.array([variance]), clock)
        if np.isfinite(opening).all() and variance > 0:
            above.scatter([sizes[-1] * 1.3], opening, marker="triangle", size=8, color=colours[block])
    above.add_layout(
        Span(location=study.size, dimension="height", line_color=_INK, line_width=2, name="size", level="underlay")
    )
    below = figure(
        height=300, sizing_mode="stretch_width", x_axis_type="log" if log_axis else "linear",
        x_axis_label=label, y_axis_label="directions kept, D(t)", tools="pan,wheel_zoom,box_zoom,reset",
        y_range=Range1d(start=0, end=float(found.multiplicity.values.sum()) * 1.05),
    )  # fmt: skip
    shown = ColumnDataSource({"x": axis, "D": kept, "t": [number(float(time)) for time in times]}, name="kept")
    curve = below.step("x", "D", source=shown, mode="center", line_width=2.5, color="#3b82c4")
    below.add_tools(HoverTool(renderers=[curve], tooltips=[("D", "@D"), ("t", "@t"), ("at", "@x{0.[000]}")]))
    for one in (above, below):
        one.background_fill_color = one.border_fill_color = None
        one.outline_line_color, one.grid.grid_line_color, one.grid.grid_line_alpha = _INK, _INK, 0.25
        one.toolbar.logo = None
        for line in (*one.xaxis, *one.yaxis):
            line.axis_label_text_color = line.major_label_text_color = _INK
            line.axis_line_color = line.major_tick_line_color = line.minor_tick_line_color = _INK
    item = json_item(column(above, below, sizing_mode="stretch_width"))
    return json.dumps(item).replace("<", "\\u003c").replace("&", "\\u0026")
