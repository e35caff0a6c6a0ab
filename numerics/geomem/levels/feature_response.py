"""What a network of random features keeps of directions: its response, its noise, and what follows from them.

Equations: `geomem_theory`, chapter `random_features`.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int, Int8

from geomem.core.status import Status
from geomem.levels.feature_resolvent import Contour, Network, Resolvent, around_spectrum, at_ridge, directions
from geomem.lowering import lower

_response = lower("ridge_response")
_trace_corner, _factor_corner = lower("trace_corner_pair"), lower("factor_corner_pair")
_noise, _filter = lower("noise_kernel"), lower("gradient_flow_filter")
_second, _log_ratio = lower("network_second_moment"), lower("network_log_signal_to_noise")
_excess = lower("network_excess_loss")

# What the equations of a resolvent may be off, and the contour integrals relative to their values.
_RESIDUAL = 1e-7
POINTS = 80  # on the upper half of a contour: enough for 1e-9 where floor and bound are up to 1e7 apart


class Kept(NamedTuple):
    """Response of a network along directions and its noise, and what their numerics are off, relative to them."""

    response: Float[Array, "..."]
    noise: Float[Array, "..."]
    residual: Float[Array, "..."]


class NetworkResponse(NamedTuple):
    """What a network of random features keeps of a direction, with the last axis over blocks.

    `response` is the score's response J_v along v, in inverse squared units of the data, and `second_moment` and
    `excess_loss` are mean squares of it, in the same units: of the score along v on fresh points, and of its difference
    from the exact one. `signal_to_noise` is R_v = J_v^2 (s_v + t)/(second moment less that). `residual` is what the
    equations and integrals are off, relative to their values; where it is above 1e-7 a lane is NOT_CONVERGED and NaN.
    """

    response: Float[Array | np.ndarray, "..."]
    second_moment: Float[Array | np.ndarray, "..."]
    signal_to_noise: Float[Array | np.ndarray, "..."]
    excess_loss: Float[Array | np.ndarray, "..."]
    status: Int8[Array | np.ndarray, "..."]
    residual: Float[Array | np.ndarray, "..."]


def kept_at_ridge(network: Network, ridge: Float[Array, ""], probed: Float[Array, " directions"]) -> Kept:
    """What training to the end with a ridge keeps of directions of these variances."""
    found = at_ridge(network, ridge)
    spectrum, own = (directions(network, found, variances) for variances in (network.variances, probed))
    corners = _corners(network, found, found, _means(network, spectrum, spectrum))
    slope = network.constants.slope
    noise = jax.vmap(lambda variance, form: _noise(slope, variance, form, form, *corners))(probed, own)
    return Kept(jax.vmap(partial(_response, slope))(own), noise, jnp.broadcast_to(found.residual, own.shape))


def kept_in_time(
    network: Network, times: Float[Array, " times"], probed: Float[Array, " directions"], num_points: int
) -> Kept:
    """What gradient flow has made of directions of these variances at these times, (times, directions).

    Two integrals over a contour around the spectrum; the resolvents on it, and their pairs, serve all times.
    """
    contour = around_spectrum(network, num_points)
    both = jax.tree.map(_mirrored, contour)
    forms, own = (_on_contour(network, contour, variances) for variances in (network.variances, probed))
    places, counts, alternating_pairs = _pairs(num_points)
    first = jax.tree.map(lambda one: one[places[0]], contour.resolvent)
    second = jax.tree.map(lambda one: one[places[1]], both.resolvent)
    mean_1, mean_2, *products = _means(network, forms, _mirrored(forms))
    means = (mean_1[places[0]], mean_2[places[1]], *(product[places[0], places[1]] for product in products))
    corners = jax.vmap(partial(_corners, network))(first, second, means)
    filters = jax.vmap(
        lambda time: both.weights * jax.vmap(lambda point: _filter(point, time))(both.points),
    )(times)
    of_pairs, slope = filters[:, places[0]] * filters[:, places[1]], network.constants.slope
    # For what every other point of the contour is off by, which is the imaginary part.
    alternating = jnp.asarray((-1.0) ** np.arange(num_points))

    def of_direction(direction: tuple[Array, Array]) -> tuple[Array, Array, Array]:
        variance, form = direction
        # The resolvent is that of U - z, whose contour integral is minus its sum over eigenvalues.
        parts = -filters[:, :num_points] * jax.vmap(partial(_response, slope))(form)[None, :]
        response = 2.0 * jnp.sum(parts.real, axis=1)
        kernel = jax.vmap(partial(_noise, slope, variance))(form[places[0]], _mirrored(form)[places[1]], *corners)
        of_kernel = of_pairs * kernel[None, :]
        noise = 2.0 * (of_kernel.real @ counts)
        halved = jnp.stack([parts.imag @ alternating / response, of_kernel.imag @ alternating_pairs / noise])
        # Twice as many points have the squared error.
        return response, noise, jnp.max((2.0 * halved) ** 2, axis=0)

    response, noise, error = jax.lax.map(of_direction, (probed, own.T))
    return Kept(response.T, noise.T, jnp.maximum(error.T, jnp.max(contour.resolvent.residual)))


@cache
def _pairs(
    num_points: int,
) -> tuple[Int[np.ndarray, "2 pairs"], Float[np.ndarray, " pairs"], Float[np.ndarray, " pairs"]]:
    """Pairs of a point of the upper half of a contour and one of the whole, and what sums over all of them are.

    What is summed is symmetric, and conjugate where both points are: twice the real parts of these pairs, counted so
    often, and of a sum with alternating signs along the contour twice the imaginary parts.
    """
    one, other = np.triu_indices(num_points)
    counts, signs = np.where(one == other, 1.0, 2.0), (-1.0) ** np.arange(num_points)
    alternating = [counts / 2.0 * (signs[one] + sign * signs[other]) for sign in (1.0, -1.0)]
    places = np.stack([np.tile(one, 2), np.append(other, num_points + other)])
    return places, np.tile(counts, 2), np.concatenate(alternating)


def answers(kept: Kept, probed: Float[Array, " directions"], time: Float[Array, ""]) -> NetworkResponse:
    """What a network's response and noise say of directions of these variances, on the last axis."""

    def of(equation: Callable[..., Array]) -> Array:
        return jnp.vectorize(lambda variance, *rest: equation(variance, time, *rest))(
            jnp.broadcast_to(probed, kept.response.shape), kept.response, kept.noise
        )

    fields = (kept.response, of(_second), jnp.exp(of(_log_ratio)), of(_excess))
    good = kept.residual <= _RESIDUAL
    status = jnp.where(good, Status.CONVERGED, Status.NOT_CONVERGED).astype(jnp.int8)
    return NetworkResponse(*(jnp.where(good, field, jnp.nan) for field in fields), status, kept.residual)


def log_ratios(kept: Kept, probed: Float[Array, " directions"], time: Float[Array, ""]) -> Float[Array, "..."]:
    """ln R of every direction, NaN where it is not known."""
    ratios = jax.vmap(lambda variance, *rest: _log_ratio(variance, time, *rest))(probed, kept.response, kept.noise)
    return jnp.where(kept.residual <= _RESIDUAL, ratios, jnp.nan)


def log_ratio_along(
    network: Network, probed: Float[Array, ""], time: Float[Array, ""], amount: Float[Array, ""], *, in_time: bool
) -> Float[Array, ""]:
    """ln R of one direction, of a network trained with a ridge or, `in_time`, for a time; NaN where not known."""
    if in_time:
        kept = jax.tree.map(lambda row: row[0], kept_in_time(network, amount[None], probed[None], POINTS))
    else:
        kept = kept_at_ridge(network, amount, probed[None])
    return log_ratios(kept, probed[None], time)[0]


def _corners(network: Network, first: Resolvent, second: Resolvent, means: tuple[Array, ...]) -> tuple[Array, Array]:
    """Corners of the trace and of the samples' factor, of two resolvents."""
    slope, memory, _, floor = network.constants
    numbers = (first.trace, second.trace, first.factor, second.factor, *means)
    given = (network.width_ratio, network.size_ratio, slope, memory, floor, network.time, *numbers)
    return _trace_corner(*given), _factor_corner(*given)


def _means(network: Network, first: Array, second: Array) -> tuple[Array, ...]:
    """Means over the spectrum of two forms, or two tables of them, and of their products times powers of s."""
    weights = [(network.shares * network.variances**power).astype(first.dtype) for power in range(3)]
    return (
        first @ weights[0],
        second @ weights[0],
        *((first * jnp.broadcast_to(weight, first.shape)) @ second.T for weight in weights),
    )


def _mirrored(upper: Array) -> Array:
    """Values on the whole contour, those of the lower half after those of the upper half, on the first axis."""
    return jnp.concatenate([upper, jnp.conj(upper)])


def _on_contour(
    network: Network, contour: Contour, variances: Float[Array, " directions"]
) -> Complex[Array, "points directions"]:
    return jax.vmap(lambda one: directions(network, one, variances))(contour.resolvent)
