"""Resolvents of the training operator of a network of random features: at a ridge, and around the whole spectrum.

Equations: `geomem_theory`, chapter `random_features`. Everything is for one network at one noise variance; batches are
`jax.vmap`'s.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from geomem.levels.activations import Constants
from geomem.lowering import lower

_trace_map, _factor_map = lower("feature_trace_map"), lower("sample_factor_map")
_direction, _bound = lower("direction_resolvent"), lower("largest_feature_value_bound")

_STEPS, _TOLERANCE = 80, 1e-14
# In ln z, the strip |Im| < pi/2, in which exp(-z tau) falls, without the spectrum, a cut on the real axis, is the image
# of 0 < Im u < pi/2, of period 4 K in Re u, K being half the cut's length and ln 2: of ln cosh(u + K) - ln cosh(u - K),
# summed over periods, less u. The contour runs in the middle, in even steps of u, and such a sum over num_points of its
# upper half has an error of exp(-pi^2 num_points/(4 K)). K is so large that two periods to either side are enough.
_MIDDLE, _LEAST_HALF_PERIOD, _PERIODS = np.pi / 4, 2.0, np.arange(-2.0, 3.0)
# Shares of the turn by which a root is brought from the negative real axis, where there is one, to its place: a step of
# Newton's each. With twelve such shares some roots were lost, with sixteen none in 360 000.
_TURNS = np.minimum((np.arange(24) + 1) / 20, 1.0)
# To the positive axis, where a root's imaginary part may end as a square root, by halves, to 1e-13.
_TO_AXIS = 1.0 - np.repeat(np.concatenate([np.arange(15, 0, -1) / 16, 0.5 ** np.arange(5, 44)]), 2)


class Network(NamedTuple):
    """A network of random features on a spectrum, at one noise variance."""

    width_ratio: Float[Array, ""]
    size_ratio: Float[Array, ""]
    time: Float[Array, ""]
    constants: Constants
    variances: Float[Array, " blocks"]
    shares: Float[Array, " blocks"]


class Resolvent(NamedTuple):
    """The two numbers of a resolvent, and what is left of their equations, relative to them."""

    trace: Float[Array, "..."] | Complex[Array, "..."]
    factor: Float[Array, "..."] | Complex[Array, "..."]
    residual: Float[Array, "..."]


class Contour(NamedTuple):
    """The upper half of a contour around the spectrum, its weights dz/(2 pi i), and the resolvent on it."""

    points: Complex[Array, " points"]
    weights: Complex[Array, " points"]
    resolvent: Resolvent


def at_ridge(network: Network, ridge: Float[Array, ""]) -> Resolvent:
    """The resolvent at a ridge, by Newton's method from above, where it falls to the root; differentiable."""
    fixed = jax.lax.stop_gradient((network, ridge))
    highest = fixed[0].width_ratio / (fixed[1] + fixed[0].constants.floor)
    start = jnp.stack([highest, _maps(*fixed, jnp.stack([highest, jnp.array(jnp.inf)]))[1]])

    def unfinished(state: tuple[Array, Array, Array]) -> Array:
        _, change, count = state
        return (change > _TOLERANCE) & (count < _STEPS)

    def newton(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        place, _, count = state
        step = _newton_step(*fixed, place)
        return place - step, jnp.max(jnp.abs(step / place)), count + 1

    place, _, _ = jax.lax.while_loop(unfinished, newton, (start, jnp.array(jnp.inf), jnp.array(0)))
    return _polished(network, ridge, place)


def around_spectrum(network: Network, num_points: int) -> Contour:
    """The resolvent on the upper half of a contour of twice so many points around the spectrum, which is none of 0."""
    smallest, largest = jax.tree.map(jnp.log, eigenvalue_bounds(jax.lax.stop_gradient(network)))
    half = jnp.maximum((largest - smallest) / 2.0 + np.log(2.0), _LEAST_HALF_PERIOD)
    # From right to left.
    places = half * (1.0 - (2.0 * np.arange(num_points) + 1.0) / num_points)
    ends = half * (4.0 * _PERIODS + np.array([[-1.0], [1.0]]))
    away = jax.lax.complex(places[:, None, None] - ends[None], jnp.asarray(_MIDDLE))
    outward = jnp.where(away.real > 0, away, -away)
    log_cosh, tanh = outward + jnp.log1p(jnp.exp(-2.0 * outward)), jnp.tanh(away)
    shift = jax.lax.complex((smallest + largest) / 2.0 - places, jnp.asarray(-_MIDDLE))
    points = jnp.exp(jnp.sum(log_cosh[:, 0] - log_cosh[:, 1], axis=1) + shift)
    slopes = jnp.sum(tanh[:, 0] - tanh[:, 1], axis=1) - 1.0
    weights = points * slopes * (1j / (np.pi * num_points) * half.astype(complex))
    return Contour(points, weights, jax.vmap(partial(_turned, network))(points))


def eigenvalue_bounds(network: Network) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Between which the eigenvalues of the training operator are, the rates of learning at unit rate."""
    largest = _bound(network.width_ratio, network.size_ratio, *network.constants, jnp.max(network.variances))
    return network.constants.floor, largest


def directions(
    network: Network, resolvent: Resolvent, variances: Float[Array, " directions"]
) -> Float[Array, " directions"] | Complex[Array, " directions"]:
    """h_v of directions of these variances, of one resolvent."""
    slope, blur = network.constants.slope, network.constants.blur
    return jax.vmap(lambda one: _direction(resolvent.trace, resolvent.factor, slope, blur, one))(variances)


def above_axis(network: Network, value: Float[Array, ""]) -> Resolvent:
    """The resolvent right above a point of the positive axis: its trace's imaginary part is pi times the density."""
    place = _followed(network, value, -np.pi, _TO_AXIS)
    return _polished(network, -jax.lax.complex(value, jnp.zeros_like(value)), place)


def _turned(network: Network, point: Complex[Array, ""]) -> Resolvent:
    """The resolvent at a complex point in the upper half-plane."""
    place = _followed(network, jnp.abs(point), jnp.angle(point) - np.pi, _TURNS)
    found = _polished(network, -point, place)
    # The resolvent of a point above the axis is above it, and there is one such root.
    above = (place.imag > 0).all()
    return found._replace(residual=jnp.where(above, found.residual, jnp.inf))


def _followed(
    network: Network,
    modulus: Float[Array, ""],
    full_turn: Float[Array, ""] | float,
    shares: Float[np.ndarray, " steps"],
) -> Complex[Array, "2"]:
    """The two numbers at a complex point, followed on a circle from the negative axis by shares of the turn."""
    fixed = jax.lax.stop_gradient(network)
    start = at_ridge(fixed, modulus)

    def turn(place: Array, share: Array) -> tuple[Array, None]:
        angle = share * full_turn
        ridge = jax.lax.complex(modulus * jnp.cos(angle), modulus * jnp.sin(angle))
        return place - _newton_step(fixed, ridge, place), None

    place, _ = jax.lax.scan(turn, jnp.stack([start.trace, start.factor]).astype(complex), jnp.asarray(shares))
    return place


def _maps(network: Network, ridge: Array, place: Array) -> Array:
    """What the two numbers, the trace and the samples' factor, are by their equations."""
    slope, memory, blur, floor = network.constants
    spectrum = (network.variances, network.shares)
    trace = _trace_map(place[0], place[1], ridge, network.width_ratio, slope, memory, blur, floor, *spectrum)
    return jnp.stack([trace, _factor_map(place[0], place[1], network.size_ratio, slope, memory, blur, *spectrum)])


def _newton_step(network: Network, ridge: Array, place: Array) -> Array:
    return _solved(*_linearized(network, ridge, place))


def _linearized(network: Network, ridge: Array, place: Array) -> tuple[Array, Array]:
    """What is left of the equations, and its derivatives."""
    at = partial(_maps, network, ridge)
    directions = jnp.eye(2, dtype=place.dtype)
    values, slopes = jax.vmap(lambda along: jax.jvp(at, (place,), (along,)), out_axes=(None, 1))(directions)
    return place - values, directions - slopes


def _solved(rest: Array, slopes: Array) -> Array:
    (a, b), (c, d) = slopes
    return jnp.stack([d * rest[0] - b * rest[1], a * rest[1] - c * rest[0]]) / (a * d - b * c)


def _polished(network: Network, ridge: Array, place: Array) -> Resolvent:
    """The root with its derivatives: a last step of Newton's method, of which only the equations are differentiated."""
    place = jax.lax.stop_gradient(place)
    rest, slopes = _linearized(*jax.lax.stop_gradient((network, ridge)), place)
    step = _solved(place - _maps(network, ridge, place), slopes)
    found = place - step
    return Resolvent(found[0], found[1], jnp.max(jnp.abs(rest / place)))
