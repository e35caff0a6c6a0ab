"""Squared lengths of every probe, as the definitions give them."""

import jax
import numpy as np
import pytest

from geomem import InputError, Manifold, Probe

S, D, TIME = np.array([1.0, 0.09, 0.0]), np.array([2, 5, 3]), 0.3


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        (Probe.origin(), [0, 0, 0]),
        (Probe.along(), [0, TIME, 0]),
        (Probe.along(3), [0, 9 * TIME, 0]),
        (Probe.random_direction(2.0), 4 * TIME * D / 10),
        (Probe.data_point(), D * S),
        (Probe.typical(), D * (S + TIME)),
    ],
)
def test_squared_lengths(probe, expected):
    manifold = Manifold(S, D)
    np.testing.assert_allclose(probe.squared_lengths(manifold, TIME, 1), expected, rtol=1e-15)


def test_normalized_data_point():
    manifold = Manifold([1.0, 0.5], [2, 4], normalized=True)
    np.testing.assert_allclose(Probe.data_point().squared_lengths(manifold, 1, 0), [0.5, 0.5], rtol=1e-15)


def test_an_amplitude_may_be_traced():
    manifold = Manifold(S, D)
    slope = jax.grad(lambda a: Probe.along(a).squared_lengths(manifold, TIME, 1).sum())(2.0)
    assert float(slope) == pytest.approx(4 * TIME)


@pytest.mark.parametrize("amplitude", [-1.0, np.nan, np.inf, "x"])
def test_bad_amplitude(amplitude):
    with pytest.raises(InputError, match="amplitude"):
        Probe.along(amplitude)


def test_unknown_block():
    with pytest.raises(InputError, match="there is no block 3"):
        Probe.along().squared_lengths(Manifold(S, D), TIME, 3)
