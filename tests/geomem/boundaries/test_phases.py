"""Phases and dimensions of directions with their own variances, against the spectrum that is not grouped."""

import numpy as np
import pytest

from geomem import InputError, Manifold, phase, resolved_dimension

VARIANCES = np.append(np.arange(1, 41) ** -1.0, np.zeros(3))
CUTS = [1, 4, 14, 40]
BLOCKS = Manifold([part.mean() for part in np.split(VARIANCES, CUTS)], [1, 3, 10, 26, 3])
WHOLE = Manifold(np.append(VARIANCES[:40], 0.0), [*np.ones(40), 3])
LEVELS = ["rem", pytest.param("finite_n", marks=pytest.mark.slow)]  # forty directions by integrals


@pytest.mark.parametrize("theory", LEVELS)
def test_a_direction_of_its_own_variance_is_that_of_a_block_of_it(theory):
    law, asked = Manifold([1.0, 0.4], [3, 2]), {"noise_variance": [0.5, 0.3, 0.1, 0.02], "num_samples": [30, 3000]}
    own = phase(law, 0, theory=theory, local_variance=0.4, **asked)
    assert own.shape == (4, 2)
    assert set(own.ravel()) == {"unresolved", "generalizing", "memorized"}
    np.testing.assert_array_equal(own, phase(law, 1, theory=theory, **asked))


@pytest.mark.parametrize("theory", LEVELS)
def test_the_dimension_of_blocks_is_that_of_their_directions(theory):
    """A direction on the edge of its phase may fall on the other side: the background is grouped."""
    times = np.geomspace(0.01, 2, 10)
    asked = {"noise_variance": times, "num_samples": [1000, 1e6], "theory": theory}
    whole = resolved_dimension(WHOLE, **asked)
    own = resolved_dimension(BLOCKS, direction_variances=VARIANCES, **asked)
    assert own.shape == (10, 2)
    assert np.abs(own - whole).max() <= 1
    assert (own == whole).mean() >= 0.9
    assert np.abs(resolved_dimension(BLOCKS, **asked) - whole).max() >= 4


@pytest.mark.parametrize(
    ("variances", "message"),
    [
        (VARIANCES[:-1], r"shape \(42,\); the manifold has 43 directions"),
        (-VARIANCES, "of block 0 must be positive and finite"),
        (np.where(VARIANCES == 0.2, 0.0, VARIANCES), "of block 2 must be positive"),
        (VARIANCES * 2, "of block 0 are from 2 to 2, but the block's own variance is 1; give them in the order"),
        (np.append(1.0, VARIANCES[:-1]), "of block 4 must be zero, as the block's own is"),
        ([[1.0]], "shape"),
        ("some", "is not a number"),
    ],
)
def test_variances_of_other_directions_are_refused(variances, message):
    with pytest.raises(InputError, match=message):
        resolved_dimension(BLOCKS, direction_variances=variances, noise_variance=0.1, num_samples=10, theory="rem")
