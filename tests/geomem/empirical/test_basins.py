"""Measured basins of attraction: two samples in closed form, convergence in the steps, and the theory beside them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr

from geomem import InputError, Manifold, flow_basin_radius, measure_basin, trajectory_times
from geomem.empirical.basins import _STEP, _falls_to_half, _returns
from geomem.empirical.scores import Averager

KEY = jax.random.key(0)


def test_two_samples_part_at_the_plane_between_them():
    """From y = -1 or 1 the flow returns if sqrt(r t) omega does not carry it across 0."""
    times, radii = np.array([0.5, 50.0]), np.array([0.0, 0.3, 2.0, 9.0])
    basin = measure_basin([[-1.0], [1.0]], times, radius=radii, num_probes=2000, key=KEY)
    assert basin.value.dims == ("noise_variance", "radius")
    assert (basin.value[:, 0] == 1).all()
    expected = ndtr(1 / np.sqrt(times[:, None] * radii[1:]))
    z = (basin.value[:, 1:] - expected) / np.sqrt(expected * (1 - expected) / 2000)
    assert float(np.abs(z).max()) < 4.5
    np.testing.assert_allclose(basin.error, np.sqrt(basin.value * (1 - basin.value) / 2000))
    assert np.isnan(basin.critical_radius).all()  # chance keeps it above one half


def test_half_the_step_ends_at_the_same_points():
    data = Averager.of(np.asarray(Manifold([1.0, 0.1], [10, 20]).sample(KEY, 500)))
    own, omega = jnp.arange(200), jax.random.normal(jax.random.key(1), (200, 30))
    for radius in (0.6, 1.0, 1.4):
        one, other = (_returns(data, own, omega, jnp.array(1.0), jnp.array(radius), h) for h in (_STEP, _STEP / 2))
        assert 0.2 < one.mean() < 0.9
        assert (one != other).sum() <= 1


def test_the_same_wherever_the_data_lie():
    """Moved far from the origin, and with every sample twice."""
    data = np.asarray(Manifold([1.0], [8]).sample(KEY, 50))
    basins = [
        measure_basin(rows, 0.5, radius=[0.5, 1.0, 2.0, 4.0], num_probes=100, key=KEY)
        for rows in (data, data + 1e4, np.repeat(data, 2, axis=0))
    ]
    np.testing.assert_array_equal(basins[0].value, basins[1].value)
    # Other points are chosen of twice as many.
    assert float(np.abs(basins[2].value - basins[0].value).max()) < 4.5 * np.sqrt(0.5 / 100)
    assert (np.diff(basins[0].value) <= 0).all()
    lower, middle, upper = (float(basins[0][f"critical_radius{end}"][0]) for end in ("_lower", "", "_upper"))
    assert lower < middle < upper


def test_one_half_is_interpolated():
    radii = np.array([1.0, 2.0, 4.0])
    assert _falls_to_half(radii, np.array([0.9, 0.6, 0.2])) == pytest.approx(2.5)
    assert _falls_to_half(radii, np.array([0.8, 0.3, 0.6])) == pytest.approx(1.6)
    assert np.isnan(_falls_to_half(radii, np.array([0.9, 0.8, 0.7])))
    assert np.isnan(_falls_to_half(radii, np.array([0.4, 0.3, 0.2])))


@pytest.mark.slow  # 2 x 20 000 samples in 60 dimensions
def test_the_formula_is_the_limit_of_many_directions():
    """At fixed ln N/d, between collapse and onset, the measured radius exceeds it by a correction in 1/d."""
    rate = np.log(20_000) / 60
    times = trajectory_times(Manifold([1.0], [60]), num_samples=20_000)
    time = float(times.collapse.value) ** 0.25 * float(times.onset.value) ** 0.75
    measured = {}
    for dims, num_sets, num_probes, radii in ((30, 40, 100, (0.8, 0.9, 1.0)), (60, 2, 200, (0.6, 0.7, 0.8))):
        law, num_samples = Manifold([1.0], [dims]), round(np.exp(rate * dims))
        sets = []
        for key in jax.random.split(KEY, num_sets):
            data = law.sample(key, num_samples)
            sets.append(measure_basin(data, time, radius=radii, num_probes=num_probes, key=key))
        value = np.mean([basin.value.values[0] for basin in sets], axis=0)
        error = np.sqrt(value * (1 - value) / (num_sets * num_probes))
        ends = [_falls_to_half(np.array(radii), value + shift) for shift in (-error, 0, error)]
        measured[dims] = ends[1], (ends[2] - ends[0]) / 2
    limit = float(flow_basin_radius(Manifold([1.0], [60]), noise_variance=time, num_samples=20_000))
    extrapolated = 2 * measured[60][0] - measured[30][0]
    assert abs(extrapolated - limit) < 3 * np.hypot(2 * measured[60][1], measured[30][1])
    assert measured[60][0] > limit + 3 * measured[60][1]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"data": [[1.0]]}, "needs at least two samples"),
        ({"noise_variance": -1.0}, "noise variance"),
        ({"radius": [1.0, 0.5]}, "increasing list"),
        ({"radius": [-1.0, 0.5]}, "increasing list"),
        ({"radius": [np.nan]}, "increasing list"),
        ({"num_probes": 0}, "num_probes is 0"),
    ],
)
def test_bad_input(changed, message):
    arguments = {"data": [[0.0], [1.0]], "noise_variance": 1.0, "radius": [0.5], "num_probes": 4, "key": KEY}
    with pytest.raises(InputError, match=message):
        measure_basin(**(arguments | changed))
