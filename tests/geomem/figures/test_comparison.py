"""The picture of a comparison shows both curves, and the residuals in error bars."""

import numpy as np
import xarray as xr

from geomem import comparison_figure


def test_a_comparison_is_drawn():
    times, sizes = np.geomspace(0.1, 10, 6), np.array([10, 100, 1000])
    over = ("noise_variance", "num_samples")
    value = np.exp(-times[:, None] / np.log(sizes))
    curve = xr.Dataset({"value": (over, value)}, {"noise_variance": times, "num_samples": sizes})
    figure = comparison_figure(curve.assign(error=0.1).assign(value=(over, value + 0.1)), curve)
    above, below = figure.axes
    assert len(above.containers) == 3  # points with error bars
    assert below.get_ylabel() == "$z$"
    for line in below.get_lines()[:3]:
        np.testing.assert_allclose(line.get_ydata(), 1.0)
    assert len(figure.legends[0].get_texts()) == 3
