"""Figures draw what the diagram holds and are the same every time."""

import json

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from geomem import Manifold, Probe, phase_diagram, phase_diagram_figure
from geomem.figures.diagram import draw_critical_times
from geomem.figures.style import save_figure
from geomem.schedules.clock import clock_of, on_schedule


def diagram(manifold, **changes):
    arguments = {
        "num_samples": np.geomspace(10, 1e6, 8), "local_variance": np.geomspace(1e-3, 10, 9),
        "criterion": "signal_to_noise", "theory": "rem",
    } | changes  # fmt: skip
    return phase_diagram(manifold, **arguments)


def panels(figure):
    """The three planes, without colour bars."""
    return figure.axes[:3]


def block_lines(axes):
    """Of every block the faint and the solid part of the critical line."""
    drawn = [line.get_ydata() for line in axes.lines if len(np.atleast_1d(line.get_ydata())) == 8]
    return list(zip(drawn[::2], drawn[1::2], strict=True))


def test_few_blocks_are_labelled_lines(default_manifold):
    found = diagram(default_manifold)
    figure = phase_diagram_figure(found)
    above = panels(figure)[0]
    labels = [text.get_text() for text in above.texts]
    assert labels == ["$s_{0} = 1$", "$s_{1} = 0.09$", "$s_{2} = 0.0001$", "$t_{c,0}$", "$t_{c,1}$", "$t_{c,2}$"]
    assert len({line.get_linestyle() for line in above.lines if line.get_label().startswith("$s")}) == 3
    # Solid and faint parts together show every critical time.
    for block, (faint, solid) in enumerate(block_lines(above)):
        np.testing.assert_allclose(np.fmax(faint, solid), found.critical_time[block])
    for axes in panels(figure):
        assert axes.get_xlabel()
        assert axes.get_ylabel()
    assert figure.get_size_inches()[0] == pytest.approx(3.4)


@pytest.mark.parametrize("variances", [[1.0, 0.09, 1e-4], [1.0, 0.97, 0.95], [1e-3, 1.0], [1.0] * 6])
def test_labels_do_not_overlap(variances):
    figure = phase_diagram_figure(diagram(Manifold(variances, np.arange(len(variances)) + 1)))
    figure.draw_without_rendering()
    above = panels(figure)[0]
    boxes = [text.get_window_extent() for text in above.texts]
    frame = above.get_window_extent()
    for place, box in enumerate(boxes):
        assert frame.x0 < box.x0 < box.x1 < frame.x1
        assert frame.y0 < box.y0 < box.y1 < frame.y1
        assert not any(box.overlaps(other) for other in boxes[:place])


def test_many_blocks_have_no_labels():
    found = diagram(Manifold(np.geomspace(1, 1e-3, 20), np.ones(20)))
    above = panels(phase_diagram_figure(found))[0]
    assert not above.texts
    assert len(block_lines(above)) == 20


def test_many_blocks_are_a_colour_scale():
    axes = Figure().add_subplot()
    draw_critical_times(axes, diagram(Manifold(np.geomspace(1, 1e-3, 20), np.ones(20))))
    assert axes.figure.axes[-1].get_ylabel() == "local variance $s_b$"


def test_contours_have_labels_at_decades(default_manifold):
    below = panels(phase_diagram_figure(diagram(default_manifold)))[2]
    assert {text.get_text() for text in below.texts} >= {"$10^{-2}$", "$10^{-1}$"}


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize(
    ("manifold", "changes"),
    [
        (Manifold([1.0, 0.1], [2, 3]), {"probe": Probe.origin()}),
        (Manifold([0.0], [3]), {}),
        (Manifold([1.0], [3]), {"local_variance": [1.0], "num_samples": [10.0, 100.0]}),
        (Manifold([1.0], [3]), {"local_variance": [0.0, 0.1, 1.0], "num_samples": [10.0]}),
        (Manifold(np.geomspace(1, 0.5, 9), np.ones(9)), {"probe": Probe.origin()}),
    ],
    ids=["no transition", "no variance", "one variance", "a variance of zero, one size", "many blocks, no transition"],
)
def test_degenerate_diagrams_are_drawn(tmp_path, manifold, changes):
    save_figure(phase_diagram_figure(diagram(manifold, **changes)), tmp_path / "figure")
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_sizes_that_overflow_are_drawn_by_their_logarithm():
    found = diagram(Manifold([1.0], [300]), num_samples=None, log_num_samples=np.linspace(10, 900, 5))
    above = panels(phase_diagram_figure(found))[0]
    assert above.get_xlabel() == r"data-set size, $\log_{10} N$"
    np.testing.assert_allclose(above.get_xlim(), np.array([10, 900]) / np.log(10))


@pytest.mark.parametrize("name", ["ddpm", "ou"])
def test_a_schedule_has_an_axis_of_its_own(default_manifold, name):
    figure = phase_diagram_figure(on_schedule(diagram(default_manifold), clock_of(name)))
    figure.draw_without_rendering()
    for axes in panels(figure)[:2]:
        (clock,) = axes.child_axes
        assert clock.get_ylabel() == f"time, schedule {name}"
        np.testing.assert_allclose(clock.get_ylim(), axes.get_ylim())
        labels = [float(label.get_text()) for label in clock.get_yticklabels()]
        assert len(labels) > 2
        np.testing.assert_allclose(clock.get_yticks(), clock_of(name).schedule.noise_variance(labels))


@pytest.mark.parametrize(
    "config",
    [
        {"_class_name": "EDMEulerScheduler", "sigma_min": 0.1, "sigma_max": 0.9},
        {"_class_name": "CosineDPMSolverMultistepScheduler", "sigma_min": 0.01},
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "invert_sigmas": True},
    ],
)
def test_clocks_that_end_or_fall_or_are_below_zero(tmp_path, default_manifold, config):
    file = tmp_path / "other.json"
    file.write_text(json.dumps(config))
    clock = clock_of(str(file))
    figure = phase_diagram_figure(on_schedule(diagram(default_manifold), clock))
    (axis,) = panels(figure)[0].child_axes
    labels = [float(label.get_text()) for label in axis.get_yticklabels()]
    assert len(labels) > 1
    np.testing.assert_allclose(axis.get_yticks(), clock.schedule.noise_variance(labels))


def test_a_schedule_that_is_not_in_sight_has_none(tmp_path, default_manifold):
    file = tmp_path / "late.json"
    file.write_text('{"_class_name": "DDPMScheduler", "trained_betas": [0.9999, 0.9999]}')
    above = panels(phase_diagram_figure(on_schedule(diagram(default_manifold), clock_of(str(file)))))[0]
    assert not above.child_axes


def test_a_schedule_where_data_have_no_variance(tmp_path):
    found = on_schedule(diagram(Manifold([0.0], [3])), clock_of("ou"))
    figure = phase_diagram_figure(found)
    save_figure(figure, tmp_path / "figure")
    assert panels(figure)[0].get_ylim() == (0, 1)  # on a linear axis, which no clock is beside
    assert not panels(figure)[0].child_axes


@pytest.mark.slow  # compiles for some seconds
def test_files_are_the_same_every_time(tmp_path, default_manifold):
    found = diagram(default_manifold)
    for name in ("first", "second"):
        save_figure(phase_diagram_figure(found), tmp_path / name)
    for suffix in (".png", ".pdf"):
        first, second = ((tmp_path / name).with_suffix(suffix).read_bytes() for name in ("first", "second"))
        assert first == second


def test_style_does_not_leak(default_manifold):
    before = dict(mpl.rcParams)
    phase_diagram_figure(diagram(default_manifold))
    assert dict(mpl.rcParams) == before
