"""Saddle points of the single-sample transform, and what follows from them: where to integrate, and along which panels.

No value of an integral depends on it, so a few percent are enough. Energies are in units of the noise variance.
Equations: `geomem_theory`, chapter `finite_n`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact, Int
from numpy.polynomial import legendre

from geomem.laws.setting import Energy
from geomem.lowering import lower

_mellin_exponent = lower("mellin_exponent")
_generating_function = lower("generating_function_probed")
# Saddle points of a table; how near they come to a pole, and to the branch point and to 0 in units of their distance.
_SADDLES, _TO_POLE, _TO_END = 192, 1e-3, 1e-4
_FARTHEST = 300.0  # right of 0: there phi < exp(-_FARTHEST)
# Distances from the real axis, at one of which an integrand has decayed by so many e-folds.
_FAR, _DECAYED = np.asarray([0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0]), 37.0
# phi below which it is taken right of the pole at 0, 1 - phi being no longer small; and where the branch point is so
# near that between it and the pole there is little room.
_SWITCH, _SWITCH_NEAR = 0.38, 0.25
# Ends of the integrals over xi, in units of W = ln(-ln phi) less its value where -ln phi is one over the size.
_BEFORE, _AFTER = 36.0, 3.8
# Farther left than this, integrands are simple exponentials, and panels grow: the first to this width.
_TAIL_START, _TAIL_WIDTH = 4.0, 6.0
# Width of a panel in such units, in e-folds of xi, and in the local power of u.
_PANEL, _FOLDS, _TILT = 3.0, 2.5, 0.3
_STEEPEST = 12.0  # e-folds by which the distance of nodes may change along a panel


class Saddles(NamedTuple):
    """Saddle points of one power's integrand, rising in xi, and the shape of the path through each."""

    xi: Float[Array, " saddles"]
    vertex: Float[Array, " saddles"]
    log_scale: Float[Array, " saddles"]  # of the width of the integrand along the path
    bend: Float[Array, " saddles"]  # the path's curvature, in units of that width
    rate: Float[Array, " saddles"]  # xi less the mean slope of K up to where the integrand has decayed
    log_value: Float[Array, " saddles"]  # the saddle-point estimate of the integral


class Transform(NamedTuple):
    """What the saddle points say of a single-sample transform."""

    left: Saddles  # of phi - 1, from -1 to 0
    right: Saddles  # of phi, right of 0
    square: Saddles  # of the second power, from -2 on
    switch: Float[Array, ""]  # the xi beyond which the transform is taken right of 0


def exponent(energy: Energy, power: Float[Array, "..."], points: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
    """The Mellin-Barnes exponent at xi = 0, where xi adds -z xi; for real points its real part."""
    powers = jnp.broadcast_to(power, points.shape).ravel()
    flat = jax.vmap(lambda point, one: _mellin_exponent(point, one, 0.0, *energy))(points.ravel(), powers)
    return flat.reshape(points.shape)


def transform_of(energy: Energy) -> Transform:
    """The saddle points of an energy, without derivatives: integrals do not depend on them."""
    energy = jax.lax.stop_gradient(energy)
    branch = energy.branch_point
    near = jnp.log(jnp.minimum(branch, 1.0))
    # Logarithmic toward both ends of a strip, the far one of which may lie beyond all that is needed.
    left = -jax.nn.sigmoid(jnp.linspace(-np.log(_TO_POLE), near + np.log(_TO_END), _SADDLES))
    right = branch * jax.nn.sigmoid(jnp.linspace(near + np.log(_TO_END) - jnp.log(branch), _last(branch), _SADDLES))
    width = branch + 2.0
    place = jnp.linspace(np.log(_TO_POLE) - jnp.log(width), _last(branch) + jnp.log(width / branch), _SADDLES)
    square = jnp.where(place < 0, width * jax.nn.sigmoid(place) - 2.0, branch - width * jax.nn.sigmoid(-place))
    far = _reach(energy)
    tables = jax.vmap(lambda power, vertex: _saddles(energy, far, power, vertex))(
        jnp.asarray([0.0, 0.0, 2.0]), jnp.stack([left, right, square])
    )
    of_left, of_right, of_square = (jax.tree.map(lambda leaf, row=row: leaf[row], tables) for row in range(3))
    needed = -jnp.log(jnp.where(branch > 1.0, _SWITCH, _SWITCH_NEAR))
    (switch,) = interpolate(needed[None], jax.lax.cummax(-of_right.log_value), of_right.xi[None])[0]
    return Transform(of_left, of_right, of_square, switch)


def _last(branch: Float[Array, ""]) -> Float[Array, ""]:
    """Logit of the last saddle point between 0 and the branch point."""
    return jnp.minimum(-np.log(_TO_END), np.log(_FARTHEST) - jnp.log(branch) + jnp.where(branch > _FARTHEST, 0.0, 1e3))


def _reach(energy: Energy) -> Float[Array, ""]:
    """How far from the real axis integrands decay."""
    start, far = jnp.array(1.0), jnp.asarray(_FAR)
    heights = jax.vmap(lambda one: _generating_function(jax.lax.complex(start, one), *energy).real)(far)
    decayed = heights - _generating_function(start, *energy) - 0.5 * np.pi * far < -_DECAYED
    return jnp.min(jnp.where(decayed, far, _FAR[-1]))


def _saddles(energy: Energy, far: Array, power: Array, vertex: Float[Array, " saddles"]) -> Saddles:
    ones = jnp.ones_like(vertex)
    value, xi = jax.jvp(lambda point: exponent(energy, power, point), (vertex,), (ones,))

    def transform(point: Array) -> Array:
        return jax.vmap(lambda one: _generating_function(-one, *energy))(point)

    slope = jax.jvp(transform, (vertex,), (ones,))[1]
    rate = xi + jax.vmap(lambda one: _generating_function(jax.lax.complex(-one, far), *energy).imag)(vertex) / far

    def derivative(values: Array) -> Array:
        return _change(values) / _change(vertex)

    curvature = derivative(xi)
    whole, of_transform = derivative(curvature), derivative(derivative(slope))
    # Right of 0 the poles of the Gamma function bend the path to the left, where the integrand, if u is large, grows.
    aside = jnp.where(vertex > 0, jnp.clip(rate - 2.0, 0.0, 1.0), 0.0)
    third = (1.0 - aside) * whole + aside * of_transform
    scale = 1.0 / jnp.sqrt(curvature)
    log_value = value - vertex * xi - 0.5 * jnp.log(2.0 * np.pi * curvature)
    return Saddles(xi, vertex, jnp.log(scale), third / (6.0 * curvature) * scale, rate, log_value)


def _change(values: Float[Array, " saddles"]) -> Float[Array, " saddles"]:
    """From the place before to the one after; at the ends only from or to the place itself, twice that."""
    steps = jnp.diff(values)
    return jnp.concatenate([2.0 * steps[:1], steps[1:] + steps[:-1], 2.0 * steps[-1:]])


def interpolate(
    at: Float[Array, " points"], places: Float[Array, " places"], rows: Float[Array, "rows places"]
) -> Float[Array, "rows points"]:
    """Several functions of one coordinate that does not fall, linear between its places and constant beyond."""
    cell = jnp.clip(jnp.sum(places[None, :] <= at[:, None], axis=1) - 1, 0, len(places) - 2)
    low, high = places[cell], places[cell + 1]
    share = jnp.clip((at - low) / jnp.where(high > low, high - low, 1.0), 0.0, 1.0)
    return rows[:, cell] + (rows[:, cell + 1] - rows[:, cell]) * share[None]


def _kronrod(order: int = 10) -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, "rules nodes"]]:
    """Nodes on (0, 1), with the weights of the Gauss-Kronrod rule and of the Gauss rule inside it."""
    gauss, gauss_weights = legendre.leggauss(order)
    # The added nodes are the roots of Stieltjes' polynomial: with the Legendre one it is orthogonal to lower powers.
    exact, measure = legendre.leggauss(2 * order)
    values = legendre.legvander(exact, order + 1)
    products = values.T * measure * values[:, order] @ values
    lower_powers = np.linalg.solve(products[:-1, :-1], -products[:-1, -1])
    nodes = np.sort(np.concatenate([gauss, legendre.legroots(np.append(lower_powers, 1.0))]))
    moments = np.zeros(len(nodes))
    moments[0] = 2.0
    weights = np.linalg.solve(legendre.legvander(nodes, len(nodes) - 1).T, moments)
    inner = np.zeros(len(nodes))
    inner[1::2] = gauss_weights
    return (1.0 + nodes) / 2.0, np.stack([weights, inner]) / 2.0


_SHARES, _WEIGHTS = _kronrod()


class Panels(NamedTuple):
    """Intervals of xi, equal in a coordinate in which the integrands of all sizes vary on the scale of one."""

    xi: Float[Array, " places"]
    folds: Float[Array, " places"]  # ln(-ln phi) there, as the saddle points estimate it
    coordinate: Float[Array, " places"]
    low: Float[Array, ""]
    high: Float[Array, ""]
    count: Int[Array, ""]


def panels_of(
    transforms: Transform,
    shares: Float[Array, " classes"],
    log_sizes: Float[Array, " ends"],
    log_planted: Float[Array, " ends"],
    fineness: Float[Array, ""],
) -> Panels:
    """Panels for all sizes, and all weights of a planted sample, between these ends, the least first.

    The transform is that of a mixture of classes with these shares; theirs are stacked on a leading axis. There are
    `fineness` times as many panels as should be needed.
    """
    switch = transforms.switch[:, None]
    grids = (jnp.minimum(transforms.left.xi, switch), jnp.maximum(transforms.right.xi, switch))
    xi = jnp.concatenate(grids, axis=1).ravel()
    if len(shares) > 1:  # as many as one class has
        xi = jnp.sort(xi)[np.linspace(0, len(xi) - 1, len(xi) // len(shares)).astype(int)]
    log_phi = log_mixture(shares, jax.vmap(_log_phi, in_axes=(0, None))(transforms, xi))
    place = jax.lax.cummax(jnp.log(jnp.maximum(-log_phi, 1e-300)))
    smallest = jnp.log(jnp.maximum(jnp.expm1(log_sizes[0]), 1.0))
    low, high = interpolate(jnp.stack([-log_sizes[1] - _BEFORE, _AFTER - smallest]), place, xi[None])[0]
    planted = log_planted[1] > -jnp.inf
    lightest, heaviest = jnp.where(planted, log_planted, 0.0)
    low = jnp.where(planted, jnp.minimum(low, -heaviest - _BEFORE), low)
    high = jnp.where(planted, jnp.minimum(high, -lightest + _AFTER), high)
    # The others' factor phi^N varies with W, the planted sample's exp(-u w) with xi, and phi itself with ln xi and
    # where its local power of u changes.
    tilts = jax.vmap(lambda one: interpolate(xi, one.xi, one.vertex[None])[0])(transforms.left)
    scales = jnp.stack(
        [
            _without_tail(place + log_sizes[1]),
            jnp.where(planted, _without_tail(xi + heaviest), 0.0),
            _PANEL / _FOLDS * jnp.log1p(jnp.maximum(xi, 0.0)),
            *_PANEL / _TILT * tilts,
        ]
    )
    coordinate = jnp.cumsum(jnp.max(jnp.diff(scales, axis=1, prepend=scales[:, :1]), axis=0))
    ends = interpolate(jnp.stack([low, high]), xi, coordinate[None])[0]
    count = jnp.maximum(jnp.ceil(fineness * (ends[1] - ends[0]) / _PANEL), 1.0)
    return Panels(xi, place, coordinate, ends[0], ends[1], count.astype(int))


def log_mixture(shares: Float[Array, " classes"], log_phi: Float[Array, "classes points"]) -> Float[Array, " points"]:
    """ln of a mixture's transform, accurate where it is near one."""
    psi = shares @ -jnp.expm1(log_phi)
    small = psi < 0.5
    near_one = jnp.log1p(-jnp.where(small, psi, 0.0))
    return jnp.where(small, near_one, jax.scipy.special.logsumexp(log_phi, b=shares[:, None], axis=0))


def _log_phi(transform: Transform, xi: Float[Array, " places"]) -> Float[Array, " places"]:
    """The saddle-point estimate of ln phi; beyond the tables' ends by their last powers."""
    of_psi = jnp.minimum(_continued(transform.left, xi), np.log1p(-_SWITCH_NEAR))
    of_phi = jnp.minimum(_continued(transform.right, xi), np.log(_SWITCH))
    return jnp.where(xi < transform.switch, jnp.log1p(-jnp.exp(of_psi)), of_phi)


def _continued(saddles: Saddles, xi: Float[Array, " places"]) -> Float[Array, " places"]:
    (inside,) = interpolate(xi, saddles.xi, saddles.log_value[None])
    before, after = jnp.minimum(xi - saddles.xi[0], 0.0), jnp.maximum(xi - saddles.xi[-1], 0.0)
    return inside - saddles.vertex[0] * before - saddles.vertex[-1] * after


def _without_tail(place: Float[Array, " places"]) -> Float[Array, " places"]:
    """The place, but for the far left, where panels grow in proportion to the distance."""
    beyond = jnp.maximum(-_TAIL_START - place, 0.0)
    return jnp.maximum(place, -_TAIL_START) - _PANEL * jnp.log2(1.0 + beyond / _TAIL_WIDTH)


def log_psi(panels: Panels, points: Float[Array, " points"]) -> Float[Array, " points"]:
    """The saddle-point estimate of ln(1 - phi)."""
    (folds,) = interpolate(points, panels.xi, panels.folds[None])
    return jnp.log(-jnp.expm1(-jnp.exp(folds)))


def nodes_of(panels: Panels, number: Int[Array, ""]) -> tuple[Float[Array, " nodes"], Float[Array, "rules nodes"]]:
    """Nodes of a panel in xi, and their weights in an integral over it: by all of them, and by every other one.

    Along the panel xi is the exponential that passes through its ends and its middle.
    """
    step = (panels.high - panels.low) / panels.count.astype(float)
    places = panels.low + step * (number.astype(float) + jnp.asarray([0.0, 0.5, 1.0]))
    low, middle, high = interpolate(places, panels.coordinate, panels.xi[None])[0]
    rate = jnp.clip(2.0 * jnp.log((high - middle) / (middle - low)), -_STEEPEST, _STEEPEST)
    straight = jnp.abs(rate) < 1e-6
    rate = jnp.where(straight, 1.0, rate)
    position = jnp.where(straight, _SHARES, jnp.expm1(rate * _SHARES) / jnp.expm1(rate))
    slope = jnp.where(straight, 1.0, rate * jnp.exp(rate * _SHARES) / jnp.expm1(rate))
    return low + (high - low) * position, (high - low) * slope[None] * _WEIGHTS
