"""Laws of data beside the Gaussian of a given spectrum: random manifolds, and mixtures of Gaussians."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import brentq

from numerics.lowering import lower
from numerics.manifold import Manifold, float_array
from numerics.solution import Numbers
from numerics.status import InputError
from theory.symbols import G, alpha, companion, s, s_v, t, w

_balance = lower("resolvent", (t, G, alpha, s, w))
_slope = lower("resolvent_slope", (G, alpha, s, w))
_edge = lower("bulk_edge_map", (companion, alpha, s, w))
_population_eigenvalue = jnp.vectorize(lower("population_eigenvalue", (t, s_v)))

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
        refuse_shares(shares)
        if not 0 < latent_ratio < np.inf:
            raise InputError(f"latent_ratio is {latent_ratio:g}; it must be positive and finite")
        object.__setattr__(self, "variances", jnp.asarray(values))
        object.__setattr__(self, "weights", jnp.asarray(shares))
        object.__setattr__(self, "latent_ratio", jnp.asarray(float(latent_ratio)))

    @property
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
        # With as many latent variables as directions the lowest edge is zero, where x is infinite.
        return np.sort([*edges, *([0.0] if len(edges) % 2 else [])])

    def jacobian_edges(self, noise_variance: Numbers) -> Float[np.ndarray, "... edges"]:
        """Edges of the bulks of -t times the Jacobian of the population's score, ascending, at noise variances t.

        Shape: noise variances + edges. The directions without latent variables, a share of 1 - m/d, are at 1 beside
        them. Source: `theory`, equation `jacobian_bulk_density`.

        Raises:
            InputError: for a noise variance that is not positive and finite.
        """
        times = np.asarray(float_array(noise_variance, "noise variance"))
        if not (np.isfinite(times) & (times > 0)).all():
            raise InputError(f"the noise variances {times.tolist()} must be positive and finite")
        return np.asarray(_population_eigenvalue(*np.broadcast_arrays(times[..., None], self.bulk_edges()[::-1])))


def refuse_shares(shares: Float[np.ndarray, " shares"]) -> None:
    """Refuse weights that are not positive or do not add to one."""
    if not (np.isfinite(shares) & (shares > 0)).all() or not np.isclose(shares.sum(), 1, rtol=1e-12):
        raise InputError(f"the weights {shares.tolist()} must be positive and add to one")


def register_law(law: type, leaves: tuple[str, ...]) -> None:
    """Make a law a pytree of these fields."""

    def unflatten(_: None, values: Iterable[object]) -> object:
        # Transformations rebuild pytrees with placeholder leaves, which are no user's input.
        one = object.__new__(law)
        for name, value in zip(leaves, values, strict=True):
            object.__setattr__(one, name, value)
        return one

    jax.tree_util.register_pytree_node(law, lambda one: ([getattr(one, name) for name in leaves], None), unflatten)


register_law(RandomManifold, ("variances", "weights", "latent_ratio"))


@dataclass(frozen=True, init=False, eq=False)
class GaussianMixture:
    """Data in classes: Gaussians of one covariance, that of `manifold`, about several centers.

    `weights` are the classes' shares, (classes,), and `centers` their means, (classes, dims), the blocks'
    directions in order along the coordinate axes. The first direction of a block is the one that is probed; a
    direction between centers is probed if it is a block of its own.

    Raises:
        InputError: for weights that are not positive or do not add to one, centers that do not fit, or a
            normalized manifold.
    """

    weights: Float[Array, " classes"]
    centers: Float[Array, "classes dims"]
    manifold: Manifold
    products: Float[Array, "blocks classes classes"]  # of the centers, inside every block
    firsts: Float[Array, "blocks classes"]  # the centers' coordinates along the first direction of every block
    largest_variance: Float[Array, ""]  # largest eigenvalue of the whole covariance
    offsets: Float[Array, " classes"]  # of the centers from their mean, along the direction in which they spread most

    def __init__(self, weights: Numbers, centers: Numbers, manifold: Manifold) -> None:
        shares = np.asarray(float_array(weights, "weights"))
        places = np.asarray(float_array(centers, "centers"))
        if manifold.normalized:
            raise InputError("a mixture of normalized data is not known; use a manifold with normalized=False")
        if shares.ndim != 1 or not shares.size:
            raise InputError(f"the weights have shape {shares.shape}; they must be a list, one per class")
        refuse_shares(shares)
        sizes = np.asarray(manifold.multiplicities, dtype=int)
        if places.shape != (len(shares), sizes.sum()) or not np.isfinite(places).all():
            raise InputError(
                f"the centers have shape {places.shape}; for these weights and this manifold they must be finite and "
                f"of shape {(len(shares), int(sizes.sum()))}, a row per class"
            )
        inside = np.split(places, np.cumsum(sizes)[:-1], axis=1)
        fields = {
            "weights": shares,
            "centers": places,
            "products": np.stack([part @ part.T for part in inside]),
            "firsts": np.stack([part[:, 0] for part in inside]),
            "largest_variance": _largest_eigenvalue(shares, inside, np.asarray(manifold.variances)),
            "offsets": _leading_offsets(shares, places),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, jnp.asarray(value))
        object.__setattr__(self, "manifold", manifold)

    @classmethod
    def two_classes(cls, squared_center: float | int, manifold: Manifold) -> "GaussianMixture":
        """Two classes of equal weight about m and -m, m along the first direction, of this squared length.

        Raises:
            InputError: if the squared length is negative or not finite.
        """
        if not 0 <= squared_center < np.inf:
            raise InputError(f"the squared length of the center is {squared_center:g}; it must be finite and >= 0")
        center = np.zeros(int(np.sum(np.asarray(manifold.multiplicities))))
        center[0] = np.sqrt(squared_center)
        return cls([0.5, 0.5], np.stack([center, -center]), manifold)

    @property
    def num_classes(self) -> int:
        return len(self.weights)

    def sample(self, key: Array, num_samples: int) -> Float[Array, "samples dims"]:
        """Independent samples; the class of each is drawn."""
        of_class, of_rest = jax.random.split(key)
        classes = jax.random.choice(of_class, self.num_classes, (num_samples,), p=self.weights)
        return self.centers[classes] + self.manifold.sample(of_rest, num_samples)

    def record(self) -> dict[str, object]:
        """What the provenance of a result says of the law."""
        return self.manifold.record() | {
            "weights": np.asarray(self.weights).tolist(),
            "center_products": np.asarray(self.products.sum(axis=0)).tolist(),
        }


register_law(GaussianMixture, ("weights", "centers", "manifold", "products", "firsts", "largest_variance", "offsets"))


def in_few_coordinates(vectors: Float[np.ndarray, "vectors dims"]) -> Float[np.ndarray, "vectors coordinates"]:
    """The vectors in as few coordinates as carry their products."""
    return np.asarray(np.linalg.qr(vectors.T, mode="r")).T


def _largest_eigenvalue(shares: np.ndarray, inside: list[np.ndarray], variances: np.ndarray) -> float:
    """Of the covariance within and between classes, which leaves the span of the centers' parts in every block."""
    mean = [shares @ part for part in inside]
    factors = [in_few_coordinates(part - middle) for part, middle in zip(inside, mean, strict=True)]
    rows = np.concatenate(factors, axis=1)
    within = np.repeat(variances, [factor.shape[1] for factor in factors])
    whole = np.diag(within) + (rows * shares[:, None]).T @ rows
    return float(max(np.linalg.eigvalsh(whole)[-1], variances.max()))


def _leading_offsets(shares: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The centers' coordinates, from their mean, along the leading direction of the covariance between classes."""
    coordinates = in_few_coordinates(places - places[0])  # exactly zero where all centers are one
    spread = coordinates - shares @ coordinates
    _, directions = np.linalg.eigh((spread * shares[:, None]).T @ spread)
    return spread @ directions[:, -1]


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
