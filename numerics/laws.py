"""Laws of data beside the Gaussian of a given spectrum."""

from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import brentq

from numerics.lowering import lower
from numerics.manifold import float_array
from numerics.solution import Numbers
from numerics.status import InputError
from theory.symbols import G, alpha, companion, s, t, w

_balance = lower("resolvent", (t, G, alpha, s, w))
_slope = lower("resolvent_slope", (G, alpha, s, w))
_edge = lower("bulk_edge_map", (companion, alpha, s, w))

_EDGE_POINTS = 2000
_NEWTON_STEPS = 100
_TOLERANCE = 1e-15


@dataclass(frozen=True, init=False, eq=False)
class RandomManifold:
    """Data F z with a random matrix F of many dimensions, and latent variables in blocks.

    `latent_ratio` is the number of latent variables over that of dimensions, m/d, `weights` the share of the
    latent variables in every block, and `variances` the data's variance per dimension that a block would bring
    alone: entries of F have variance s/m. Only spectral sums per dimension are known of it.

    Raises:
        InputError: for variances that are negative, weights that are not positive or do not add to one, a ratio
            that is not positive, or lengths that differ.
    """

    variances: Float[Array, " blocks"]
    weights: Float[Array, " blocks"]
    latent_ratio: Float[Array, ""]

    def __init__(self, variances: Numbers, weights: Numbers, latent_ratio: float | int) -> None:
        values, shares = (
            np.asarray(float_array(each, name)) for each, name in ((variances, "variances"), (weights, "weights"))
        )
        if values.ndim != 1 or values.shape != shares.shape or not values.size:
            raise InputError(f"there are {values.size} variances but {shares.size} weights; give one per block")
        if not (np.isfinite(values) & (values >= 0)).all():
            raise InputError(f"the variances {values.tolist()} must be finite and not negative")
        if not (np.isfinite(shares) & (shares > 0)).all() or not np.isclose(shares.sum(), 1, rtol=1e-12):
            raise InputError(f"the weights {shares.tolist()} must be positive and add to one")
        if not 0 < latent_ratio < np.inf:
            raise InputError(f"latent_ratio is {latent_ratio:g}; it must be positive and finite")
        object.__setattr__(self, "variances", jnp.asarray(values))
        object.__setattr__(self, "weights", jnp.asarray(shares))
        object.__setattr__(self, "latent_ratio", jnp.asarray(float(latent_ratio)))

    def largest_variance(self) -> Float[Array, ""]:
        """A bound on the spectrum, attained by one block: s (1 + sqrt(d/m))^2."""
        return jnp.max(self.variances) * (1.0 + jnp.sqrt(1.0 / self.latent_ratio)) ** 2

    def bulk_edges(self) -> Float[np.ndarray, " edges"]:
        """Edges of the bulks of the non-zero spectrum, ascending."""
        slope = jax.jit(jax.grad(lambda x: _edge(x, self.latent_ratio, self.variances, self.weights)))
        variances = np.asarray(self.variances, dtype=float)
        poles = np.append(np.unique(-float(self.latent_ratio) / variances[variances > 0]), 0.0)
        if len(poles) == 1:
            return np.zeros(0)
        # Between neighbouring poles of the map, and to infinity on either side of them.
        inside = np.geomspace(1e-9, 1.0, _EDGE_POINTS)[:-1]
        pieces = [poles[0] / inside, -poles[0] * np.geomspace(1e-6, 1e6, _EDGE_POINTS)]
        for left, right in pairwise(poles):
            half = 0.5 * (right - left)
            pieces.append(np.concatenate([left + half * inside, right - half * inside[::-1]]))
        edges = []
        for piece in pieces:
            points = np.sort(piece)
            slopes = np.asarray(jax.vmap(slope)(jnp.asarray(points)))
            for place in np.flatnonzero(slopes[:-1] * slopes[1:] < 0):
                root = brentq(lambda x: float(slope(jnp.asarray(x))), points[place], points[place + 1], rtol=1e-15)
                edges.append(float(_edge(root, self.latent_ratio, self.variances, self.weights)))
        return np.sort(edges)


def _flatten(law: RandomManifold) -> tuple[tuple[Array, ...], None]:
    return (law.variances, law.weights, law.latent_ratio), None


def _unflatten(_: None, leaves: tuple[Array, ...]) -> RandomManifold:
    # Transformations rebuild pytrees with placeholder leaves, which are no user's input.
    law = object.__new__(RandomManifold)
    for name, leaf in zip(("variances", "weights", "latent_ratio"), leaves, strict=True):
        object.__setattr__(law, name, leaf)
    return law


jax.tree_util.register_pytree_node(RandomManifold, _flatten, _unflatten)


def resolvent_at(law: RandomManifold, time: Float[Array, ""]) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The resolvent G at a noise variance, and its slope in t; differentiable once."""

    def balance(number: Array, at: Array) -> Array:
        return _balance(at, number, law.latent_ratio, law.variances, law.weights)

    def unfinished(state: tuple[Array, Array, Array]) -> Array:
        _, change, count = state
        return (change > _TOLERANCE) & (count < _NEWTON_STEPS)

    def newton(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        number, _, count = state
        value, slope = jax.jvp(lambda g: balance(g, fixed), (number,), (jnp.ones_like(number),))
        return number - value / slope, jnp.abs(value / (slope * number)), count + 1

    fixed = jax.lax.stop_gradient(time)
    # The balance is concave and increasing: from below, Newton's steps rise to the root.
    start = 1.0 / (fixed + jnp.dot(law.weights, law.variances))
    number, _, _ = jax.lax.while_loop(unfinished, newton, (start, jnp.array(jnp.inf), jnp.array(0)))
    known = jax.lax.stop_gradient(_slope(number, law.latent_ratio, law.variances, law.weights))
    # The loop carries no derivative; the implicit function's is known.
    number = number + known * (time - fixed)
    return number, _slope(number, law.latent_ratio, law.variances, law.weights)
