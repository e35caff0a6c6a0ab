"""Mixtures of Gaussians of one covariance."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, float_array, refuse_shares
from geomem.core.status import InputError
from geomem.laws.law import register_law
from geomem.laws.manifold import Manifold


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
