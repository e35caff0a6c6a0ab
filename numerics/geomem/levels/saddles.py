"""Saddle points of the single-sample transform, and the nodes in ln u that follow them."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.levels.contours import Energy, exponent

# Nodes of the integral over xi, and how far into its tails it goes, in e-folds.
_NODES = 1025
_TAIL = 38.0


class Saddles(NamedTuple):
    """Saddle points of the transform's integrand between its poles at -1 and 0, rising in xi."""

    tilt: Float[Array, " saddles"]  # minus the saddle point; the local power of u in 1 - phi
    xi: Float[Array, " saddles"]
    action: Float[Array, " saddles"]  # ln(1 - phi) to leading order
    log_psi: Float[Array, " saddles"]  # the same with the Gaussian fluctuation around the saddle point


def saddle(energy: Energy, vertex: Float[Array, "..."]) -> tuple[Array, Array]:
    """xi and action of the saddle point at a vertex on the real axis: a Legendre transform of the exponent."""
    value, slope = jax.jvp(lambda point: exponent(energy, 0, point), (vertex,), (jnp.ones_like(vertex),))
    return slope, value - vertex * slope


def _saddle_table(energy: Energy, vertex: Float[Array, " saddles"]) -> tuple[Array, Array, Array]:
    """xi, action, and the action with the fluctuation around the saddle point, of many vertices."""
    (xi_, action), (curvature, _) = jax.jvp(partial(saddle, energy), (vertex,), (jnp.ones_like(vertex),))
    return xi_, action, action - 0.5 * jnp.log(2.0 * np.pi * curvature)


def saddles_of(energy: Energy) -> Saddles:
    tilt = jax.nn.sigmoid(jnp.linspace(14.0, -14.0, 800))
    return Saddles(tilt, *_saddle_table(energy, -tilt))


def tilt_of_size(saddles: Saddles, log_size: Float[Array, "..."]) -> Float[Array, "..."]:
    """Tilt at which 1 - phi = 1/N: min(1, lambda_c) up to logarithms."""
    return jnp.interp(-log_size, saddles.log_psi, saddles.tilt)


def nodes_of(
    energy: Energy, saddles: Saddles, sizes: Float[Array, " ends"], log_planted: Float[Array, " ends"]
) -> tuple[Float[Array, " nodes"], Float[Array, " nodes"]]:
    """Nodes in xi and their weights, uniform in a coordinate whose slope in xi is tilt + floor.

    They serve every size, and every weight of a planted sample, between the ends, the least first.
    1 - phi varies on the scale of one over the tilt, and phi, in its tail, on that of one over the floor.
    """
    smallest, largest = sizes[0], sizes[1]
    planted = log_planted[0] > -jnp.inf
    spread = jnp.sqrt(jnp.sum(jnp.where(energy.variances > 0, energy.multiplicities, 0.0)) / 2)
    # The planted sample's factor exp(-u w) varies on the scale of one.
    floor = jnp.where(planted, 1.0, jnp.minimum(1.0, energy.branch_point / (1.0 + spread)))

    low = jnp.interp(-largest - _TAIL, saddles.log_psi, saddles.xi)
    high = _upper_end(energy, saddles, smallest)
    low = jnp.where(planted, jnp.minimum(low, -log_planted[1] - _TAIL), low)
    high = jnp.where(planted, jnp.minimum(high, -log_planted[0] + np.log(_TAIL)), high)

    coordinate = saddles.action + floor * saddles.xi
    ends = jnp.interp(jnp.stack([low, high]), saddles.xi, coordinate)
    wanted = jnp.linspace(ends[0], ends[1], _NODES)
    logit = jnp.interp(wanted, coordinate, jax.scipy.special.logit(saddles.tilt))

    def place(logit: Array) -> Array:
        xi_, action = saddle(energy, -jax.nn.sigmoid(logit))
        return action + floor * xi_

    def newton(_: Array, logit: Array) -> Array:
        value, slope = jax.jvp(place, (logit,), (jnp.ones_like(logit),))
        return logit - (value - wanted) / slope

    logit = jax.lax.fori_loop(0, 4, newton, logit)
    tilt = jax.nn.sigmoid(logit)
    points, _ = saddle(energy, -tilt)
    return points, (wanted[1] - wanted[0]) / (tilt + floor)


def _upper_end(energy: Energy, saddles: Saddles, log_size: Float[Array, ""]) -> Float[Array, ""]:
    """xi at which phi^(N - 1) has vanished."""
    others = jnp.maximum(jnp.exp(log_size) - 1.0, 1.0)
    needed = 1.3 * _TAIL / others  # -ln phi there; the margin is for the error of the saddle-point estimate
    # By the saddle points of phi - 1, good where that is small, and by those of phi, good where phi is; the later one.
    by_psi = jnp.interp(jnp.log(-jnp.expm1(-jnp.minimum(needed, 1.0))), saddles.log_psi, saddles.xi)
    vertex = jnp.minimum(energy.branch_point, 200.0) * jax.nn.sigmoid(jnp.linspace(-12.0, 12.0, 400))
    xi_, _, log_phi_ = _saddle_table(energy, vertex)
    by_phi = jnp.interp(needed, jax.lax.cummax(-log_phi_), xi_)
    return jnp.where(needed > 0.2, jnp.maximum(by_psi, by_phi), by_psi)
