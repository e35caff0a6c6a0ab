"""The figures of local scores show every patch size, and pictures in rows."""

import numpy as np
import pytest
import xarray as xr

from geomem.figures.local import local_figure, pictures_figure


@pytest.mark.parametrize("counts", [[100.0], [10.0, 100.0]])
def test_where_patches_copy_is_drawn(counts):
    sizes, times = np.array([3, 5, 7]), np.geomspace(0.01, 1, 4)
    logs = sizes[:, None] * -np.log(times)
    logs[2, 0], logs[0, 3] = np.inf, -np.inf
    plane, whole = ("patch_size", "noise_variance"), ("patch_size", "noise_variance", "num_images")
    diagram = xr.Dataset(
        {
            "log_critical_size": (plane, logs),
            "log_collapse_size": (plane, logs + 1),
            "participation": (whole, np.full((3, 4, len(counts)), 0.5)),
        },
        {"patch_size": sizes, "noise_variance": times, "num_images": counts},
    )
    left, right = local_figure(diagram).axes[:2]
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["3 by 3", "5 by 5", "7 by 7"]
    exact = left.get_lines()[2]
    assert np.isfinite(exact.get_xdata()).all()
    np.testing.assert_allclose(exact.get_xdata()[1], np.exp(logs[1, 1]))
    assert len(right.get_legend().get_texts()) == len(counts)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_in_rows(channels):
    pixels = ("row", "column", "channel")
    rng = np.random.default_rng(0)
    pictures = xr.Dataset(
        {
            "image": (pixels, rng.uniform(-1, 1, (4, 5, channels))),
            "noised": (("noise_variance", *pixels), rng.normal(size=(2, 4, 5, channels))),
            "denoised": (("noise_variance", "denoiser", *pixels), rng.normal(size=(2, 2, 4, 5, channels))),
        },
        {"noise_variance": [0.1, 1.0], "denoiser": ["3", "whole"]},
    )
    axes = pictures_figure(pictures).axes
    assert len(axes) == 2 * 4
    assert [one.get_title() for one in axes[:4]] == ["noised", "3 by 3", "whole images", "the image"]
    assert axes[4].get_images()[0].get_array().shape[:2] == (4, 5)
