"""Predictions of what curves measure are what the library says."""

import numpy as np
import xarray as xr

from geomem import FlowMatching, Manifold, Status, quenched, resolved_dimension
from geomem.schedules.clock import Clock
from geomem.studies.curve import Asked, on_noise_variance, predict


def test_every_observable_is_what_the_library_says():
    law, times, asked = Manifold([1.0, 0.1], [2, 4]), np.array([0.05, 0.5]), Asked(100.0, block=1)
    solved = quenched(law, 1, noise_variance=times, num_samples=100.0)
    assert (solved.status == Status.CONVERGED).all()
    np.testing.assert_allclose(predict("participation", law, times, asked).value, solved.participation)
    dimension = resolved_dimension(law, noise_variance=times, num_samples=100.0, theory="finite_n")
    np.testing.assert_array_equal(predict("dimension", law, times, asked).value, dimension)
    variances = np.array([1.2, 0.8, 0.16, 0.12, 0.08, 0.04])
    own = predict("dimension", law, times, Asked(100.0, direction_variances=variances)).value
    several = {"noise_variance": times, "num_samples": 100.0, "theory": "finite_n", "direction_variances": variances}
    np.testing.assert_array_equal(own, resolved_dimension(law, **several))


def test_a_clock_that_falls_with_the_noise_gives_a_curve_over_rising_noise():
    times, values = np.array([100.0, 500.0, 900.0]), np.array([1.0, 2.0, 3.0])
    curve = xr.Dataset({"value": ("time", values), "error": ("time", np.full(3, 0.1))}, {"time": times})
    found = on_noise_variance(curve, Clock("mochi", FlowMatching(1000, from_noise=True), {}))
    np.testing.assert_allclose(found.noise_variance, [1 / 81, 1.0, 81.0], rtol=1e-12)
    assert found.value.values.tolist() == [3, 2, 1]
    assert found.time.values.tolist() == [900, 500, 100]
