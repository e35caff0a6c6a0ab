"""Data F z with a random matrix F of many dimensions, by their spectral sums."""

from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import brentq

from geomem.core.arguments import Numbers
from geomem.core.kinds import concrete_array, one_number
from geomem.core.pytrees import register
from geomem.core.status import InputError
from geomem.laws.classes import refuse_shares
from geomem.laws.law import Law, TypicalSizes
from geomem.lowering import lower

_balance = lower("resolvent")
_slope = lower("resolvent_slope")
_edge = lower("bulk_edge_map")
_population_eigenvalue = jnp.vectorize(lower("population_eigenvalue"))
_collapse = lower("random_collapse_log_size")
_half_signal = lower("random_half_signal")
_held_out = lower("random_held_out_log_size")
_ratio = lower("random_generalization_ratio")
_EDGE_POINTS = 2000
_NEWTON_STEPS = 100
_TOLERANCE = 1e-15


@dataclass(frozen=True, init=False, eq=False)
class RandomManifold(Law):
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
        values, shares = (concrete_array(each, name) for each, name in ((variances, "variances"), (weights, "weights")))
        if values.ndim != 1 or values.shape != shares.shape or not values.size:
            raise InputError(f"there are {values.size} variances but {shares.size} weights; give one per block")
        if not (np.isfinite(values) & (values >= 0)).all():
            raise InputError(f"the variances {values.tolist()} must be finite and not negative")
        refuse_shares(shares)
        latent_ratio = one_number(latent_ratio, "latent_ratio")
        if not 0 < latent_ratio < np.inf:
            raise InputError(f"latent_ratio is {latent_ratio:g}; it must be positive and finite")
        object.__setattr__(self, "variances", jnp.asarray(values))
        object.__setattr__(self, "weights", jnp.asarray(shares))
        object.__setattr__(self, "latent_ratio", jnp.asarray(float(latent_ratio)))

    @property
    def knows(self) -> frozenset[str]:
        return frozenset({"typical_sizes", "dominance_radius"})

    @property
    def called(self) -> str:
        return "random manifolds"

    @property
    def dimension(self) -> float:
        """1: sizes are per dimension."""
        return 1.0

    @property
    def largest_variance(self) -> Float[Array, ""]:
        """A bound on the spectrum, attained by one block: s (1 + sqrt(d/m))^2."""
        return jnp.max(self.variances) * (1.0 + jnp.sqrt(1.0 / self.latent_ratio)) ** 2

    def record(self) -> dict[str, object]:
        """What the provenance of a result says of the law."""
        return {name: np.asarray(getattr(self, name)).tolist() for name in _LEAVES}

    def log_sizes(self, num_samples: Numbers | None, log_num_samples: Numbers | None) -> Array:
        """ln N/d.

        Raises:
            InputError: for sizes that are none, or not per dimension.
        """
        if num_samples is not None or log_num_samples is None:
            raise InputError("sizes for a random manifold are per dimension; give log_num_samples = ln N/d")
        sizes = jnp.asarray(concrete_array(log_num_samples, "log_num_samples"))
        if sizes.ndim == 0 and not 0 < float(sizes) < np.inf:
            raise InputError(f"log_num_samples is {float(sizes):g}; per dimension it must be positive and finite")
        return sizes

    def typical_sizes(self, time: Float[Array, ""]) -> TypicalSizes:
        """Per dimension. Source: `geomem_theory`, chapter `random_manifold`."""
        number, slope = resolvent_at(self, time)
        collapse = _collapse(time, number, self.latent_ratio, self.variances, self.weights)
        signal = _half_signal(time, number)
        held_out = _held_out(time, number, slope, collapse)
        return TypicalSizes(collapse, collapse + signal, held_out, signal, _ratio(time, slope))

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
        # With as many latent variables as directions the lowest edge is zero, where x is infinite.
        return np.sort([*edges, *([0.0] if len(edges) % 2 else [])])

    def jacobian_edges(self, noise_variance: Numbers) -> Float[np.ndarray, "... edges"]:
        """Edges of the bulks of -t times the Jacobian of the population's score, ascending, at noise variances t.

        Shape: noise variances + edges. The directions without latent variables, a share of 1 - m/d, are at 1 beside
        them. Source: `geomem_theory`, equation `jacobian_bulk_density`.

        Raises:
            InputError: for a noise variance that is not positive and finite.
        """
        times = concrete_array(noise_variance, "noise variance")
        if not (np.isfinite(times) & (times > 0)).all():
            raise InputError(f"the noise variances {times.tolist()} must be positive and finite")
        return np.asarray(_population_eigenvalue(*np.broadcast_arrays(times[..., None], self.bulk_edges()[::-1])))


_LEAVES = ("variances", "weights", "latent_ratio")
register(RandomManifold, _LEAVES)


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
