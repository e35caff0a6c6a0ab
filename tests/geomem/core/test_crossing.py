"""Crossings of curves and functions whose crossings are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem.core.crossing import first_crossing, level_crossing

POINTS = np.array([1.0, 2.0, 4.0, 8.0])
LOW, HIGH = jnp.array(-10.0), jnp.array(10.0)


@pytest.mark.parametrize(
    ("values", "asked", "place"),
    [
        ([0.0, 0.4, 0.8, 0.1], {}, 2.5),
        ([0.0, 0.5, 0.8, 0.1], {}, 2.0),  # at the level it counts as above
        ([0.5, 0.1, 0.8, 0.1], {}, -np.inf),
        ([0.0, 0.4, 0.4, 0.1], {}, np.inf),
        ([0.9, 0.6, 0.2, 0.9], {"falling": True}, 2.5),
        ([0.9, 0.5, 0.2, 0.9], {"falling": True}, 2.0),
        ([0.4, 0.9, 0.2, 0.1], {"falling": True}, -np.inf),
        ([0.9, 0.9, 0.5, 0.6], {"falling": True}, np.inf),
        ([0.9, 0.2, 0.6, 0.2], {"falling": True, "last": True}, 5.0),
        ([0.4, 0.9, 0.2, 0.9], {"falling": True, "last": True}, np.inf),
        ([0.4, 0.3, 0.2, 0.1], {"falling": True, "last": True}, -np.inf),
        ([0.9, 0.2, 0.8, 0.9], {"last": True}, 3.0),
    ],
)
def test_a_sampled_curve(values, asked, place):
    assert level_crossing(POINTS, np.array(values), 0.5, **asked) == pytest.approx(place)


def test_a_curve_over_falling_points():
    assert level_crossing(POINTS[::-1], np.array([0.0, 0.4, 0.8, 0.1]), 0.5) == pytest.approx(3.5)


def test_a_smooth_curve_meets_its_points_and_the_first_crossing():
    points = np.linspace(0.0, 3.0, 31)
    assert level_crossing(points, np.sin(points), 0.7, smooth=True) == pytest.approx(np.arcsin(0.7), abs=1e-4)
    assert level_crossing(points, np.sin(points), np.sin(1.2), smooth=True) == pytest.approx(1.2, rel=1e-12)
    assert level_crossing(points, np.sin(points), 2.0, smooth=True) == np.inf
    # What is not known beyond the crossing does not matter.
    partly = np.where(points > 1.2, np.nan, np.sin(points))
    assert level_crossing(points, partly, 0.7, smooth=True) == pytest.approx(np.arcsin(0.7), abs=1e-3)


@pytest.mark.parametrize("values", [[np.nan, 0.2, 0.8], [0.1, np.nan, 0.8], [0.1, 0.2, np.nan]])
def test_a_crossing_that_hangs_on_what_is_not_known_is_not_known(values):
    assert np.isnan(level_crossing(np.arange(3.0), np.array(values), 0.5))
    backward = np.array(values)[::-1]
    assert np.isnan(level_crossing(np.arange(3.0), backward, 0.5, falling=True, last=True))
    # What lies beyond the crossing does not matter.
    assert level_crossing(np.arange(4.0), np.array([0.0, 1.0, np.nan, 0.0]), 0.5) == 0.5


def test_a_function_that_is_not_known_everywhere_is_not_without_a_crossing():
    def function(x):
        return jnp.where(jnp.abs(x - 0.5) < 0.1, jnp.nan, x)

    crossing = first_crossing(function, jnp.array([0.7, 3.0]), jnp.array(0.0), jnp.array(1.0), 20)
    assert crossing.found.all()
    assert jnp.isnan(crossing.point).all()


def crossing(function, targets, num_cells=128):
    return first_crossing(function, jnp.atleast_1d(jnp.asarray(targets, dtype=float)), LOW, HIGH, num_cells)


def test_monotone():
    targets = jnp.linspace(-6.0, 6.0, 51)
    found = crossing(lambda u: -jnp.arcsinh(jnp.sinh(u)), targets)
    np.testing.assert_allclose(found.point, -targets, atol=1e-13)
    assert found.found.all()
    assert (found.lower <= found.point + 1e-13).all()
    assert (found.point <= found.upper + 1e-13).all()
    assert (found.iterations <= 5).all()


def test_the_largest_of_several_is_taken_from_either_side():
    targets = [-0.9, -0.5, 0.5, 0.999]  # cos(10) = -0.84: one is met from above, the others from below
    found = crossing(jnp.cos, targets)
    both = [(2 * np.pi * k + np.arccos(y), 2 * np.pi * k - np.arccos(y)) for y in targets for k in range(-2, 3)]
    roots = [max(r for r in np.ravel(both) if abs(r) <= 10 and abs(np.cos(r) - y) < 1e-9) for y in targets]
    np.testing.assert_allclose(found.point, roots, atol=1e-12)


@pytest.mark.parametrize("depth", [1e-3, 1e-5, 1e-7])
def test_a_pair_of_roots_inside_one_cell_is_seen(depth):
    """A parabola that passes the target by `depth` only; its two roots are much closer than the grid."""
    centre = 1.2345
    found = crossing(lambda u: -((u - centre) ** 2) - 0.1 * (u - centre) ** 3 / (1 + u**2), [-depth], num_cells=128)
    assert found.found[0]
    assert found.point[0] > centre
    np.testing.assert_allclose(found.point[0] - centre, np.sqrt(depth), rtol=0.05)


def test_no_crossing_is_an_outcome():
    found = crossing(jnp.tanh, [2.0, 0.0, -2.0, np.nan, np.inf])
    assert found.found.tolist() == [False, True, False, False, False]


def test_infinite_values_are_ordered():
    found = crossing(lambda u: jnp.where(u < 0, jnp.inf, -u), [-1.0, 5.0])
    np.testing.assert_allclose(found.point[0], 1.0, atol=1e-13)


def test_a_root_beside_an_infinite_end():
    """The cell below 0.08 ends at the pole; its chord says nothing of the slope."""
    target = 1 / 0.03
    found = crossing(lambda u: jnp.where(u > 0, 1 / u, jnp.inf), [target])
    np.testing.assert_allclose(found.point[0], 0.03, rtol=1e-12)


@pytest.mark.slow  # compiles for some seconds
def test_derivative_of_the_implicit_function():
    def root(scale, target):
        return first_crossing(lambda u: -scale * u**3 - u, target[None], LOW, HIGH, 128).point[0]

    scale, target = jnp.array(0.7), jnp.array(2.0)
    point = root(scale, target)
    slope = -3 * scale * point**2 - 1
    by_scale, by_target = jax.grad(root, argnums=(0, 1))(scale, target)
    np.testing.assert_allclose(by_scale, point**3 / slope, rtol=1e-12)
    np.testing.assert_allclose(by_target, 1 / slope, rtol=1e-12)
    second = jax.grad(jax.grad(root, argnums=1), argnums=1)(scale, target)
    np.testing.assert_allclose(second, 6 * scale * point / slope**3, rtol=1e-10)


def test_a_lane_without_crossing_leaves_other_derivatives_alone():
    def total(scale):
        found = first_crossing(lambda u: scale * jnp.tanh(u), jnp.array([0.5, 5.0]), LOW, HIGH, 64)
        return jnp.where(found.found, found.point, 0.0).sum()

    np.testing.assert_allclose(jax.grad(total)(jnp.array(1.0)), -0.5 / (1 - 0.25), rtol=1e-12)
