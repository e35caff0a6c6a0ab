"""Predictions of what curves measure are what the library says."""

import numpy as np

from geomem import Manifold, Status, quenched, resolved_dimension
from geomem.studies.curve import Asked, predict


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
