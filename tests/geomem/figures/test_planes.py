"""Planes of the phase diagram shade what is kept: as many directions as are counted, where they are."""

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from geomem import Manifold, Probe, phase_diagram, phase_diagram_figure, resolved_dimension
from geomem.core.status import Status
from geomem.figures.planes import draw_kept_directions, draw_spectrum_plane, kept_directions

SIZES, TIMES = np.geomspace(10, 1e6, 8), np.geomspace(1e-3, 3, 50)


def diagram(manifold, **changes):
    arguments = {"num_samples": SIZES, "local_variance": np.geomspace(1e-3, 10, 9)} | changes
    return phase_diagram(manifold, criterion="signal_to_noise", theory="rem", **arguments)


def shading(found, low=1e-3, high=3.0):
    """Times and sizes of the cells, and the numbers shown in them."""
    axes = Figure().add_subplot()
    axes.set(xscale="log", yscale="log", ylim=(low, high))
    draw_kept_directions(axes, found)
    meshes = [mesh for mesh in axes.collections if isinstance(mesh, QuadMesh)]
    edges = meshes[0].get_coordinates()
    # Cells reach halfway to their neighbours'.
    times, columns = edges[:, 0, 1], edges[0, :, 0]
    return 0.5 * (times[1:] + times[:-1]), 0.5 * (columns[1:] + columns[:-1]), np.ma.filled(meshes[0].get_array(), 0)


def test_the_number_kept_is_the_resolved_dimension(default_manifold):
    direct = resolved_dimension(default_manifold, noise_variance=TIMES, num_samples=SIZES, theory="rem")
    kept = kept_directions(diagram(default_manifold), TIMES)
    assert set(np.unique(kept)) == {0, 2, 5, 7}
    np.testing.assert_array_equal(kept, direct.T)


def test_the_shaded_number_is_the_resolved_dimension(default_manifold):
    times, columns, shown = shading(diagram(default_manifold))
    direct = resolved_dimension(default_manifold, noise_variance=times, num_samples=columns, theory="rem")
    assert shown.shape == direct.shape
    # Centres of cells are those of their edges; a few cells at the lines are on the other side.
    assert np.mean(shown != direct) < 0.01


def test_a_block_that_is_never_lost_is_kept_below_its_opening_time():
    found = diagram(Manifold([1.0, 0.1, 0.0], [2, 3, 4])).copy(deep=True)
    assert (found.status[2] == Status.NO_TRANSITION).all()  # it has no variance
    found["status"][0] = Status.NO_TRANSITION
    found["critical_time"][0] = np.nan
    kept = kept_directions(found, [1e-30, 0.5, 2.0])
    np.testing.assert_array_equal(kept, np.tile([2, 2, 0], (8, 1)))
    assert (shading(found)[2][-1] == 0).all()
    assert (shading(found)[2][0] == 2).all()


def test_what_is_not_known_is_not_counted(default_manifold):
    found = diagram(default_manifold).copy(deep=True)
    found["status"][0, 3] = Status.NOT_CONVERGED
    found["critical_time"][0, 3] = np.nan
    kept = kept_directions(found, [0.5, 2.0])
    assert np.isnan(kept[3, 0])
    assert kept[3, 1] == 0
    assert np.isfinite(np.delete(kept, 3, axis=0)).all()


def test_without_a_signal_nothing_is_kept(default_manifold):
    found = diagram(default_manifold, probe=Probe.origin())
    assert (found.status == Status.NO_TRANSITION).all()
    assert (kept_directions(found, TIMES) == 0).all()


@pytest.mark.parametrize("place", [2, 7])
def test_the_region_of_the_spectrum_plane_is_between_its_lines(default_manifold, place):
    found = diagram(default_manifold)
    axes = Figure().add_subplot()
    draw_spectrum_plane(axes, found, place)
    at = found.isel(num_samples=place)
    regions = [path for region in axes.collections for path in region.get_paths()]
    for variance, lost, opens in zip(
        found.local_variance.values, at.critical_time_map.values, at.opening_time_map.values, strict=True
    ):
        for time in np.geomspace(2e-3, 5, 12):
            inside = any(path.contains_point((variance * 0.999, time)) for path in regions)
            if abs(np.log(time / lost)) > 0.05 and abs(np.log(time / opens)) > 0.05:
                assert inside == (lost < time < opens), (variance, time)
    (marks,) = (line for line in axes.lines if line.get_marker() != "None")
    np.testing.assert_array_equal(marks.get_xdata(), [1e-4, 0.09, 1.0])


def test_the_size_asked_for_is_drawn(default_manifold):
    found = diagram(default_manifold)
    figure = phase_diagram_figure(found, num_samples=900.0)
    nearest = SIZES[np.abs(np.log(SIZES / 900)).argmin()]
    for axes in (figure.axes[0], figure.axes[2]):
        assert any(np.array_equal(line.get_xdata(), [nearest, nearest]) for line in axes.lines)
    line = figure.axes[1].lines[1]
    np.testing.assert_array_equal(line.get_ydata(), found.critical_time_map.sel(num_samples=nearest))


def test_many_numbers_share_shades():
    axes = Figure().add_subplot()
    axes.set(xscale="log", yscale="log", ylim=(1e-3, 3))
    draw_kept_directions(axes, diagram(Manifold(np.geomspace(1, 1e-3, 20), np.ones(20))))
    bar = axes.figure.axes[-1]
    assert bar.get_xlabel() == "number of directions kept, $D(t, N)$"
    assert len(bar.get_xticks()) < 10
