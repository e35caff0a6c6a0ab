"""A law seen from one point along several directions: all that averages over data sets there depend on.

Equations: `geomem_theory`, chapter `points`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.laws.setting import Components, Energy
from geomem.laws.sphere import Sphere
from geomem.lowering import lower

_generating_function = lower("generating_function_probed")
_response = lower("tilted_response")
_spread = lower("tilted_spread")
_posterior_mean = lower("mixture_posterior_mean")


class Gaussians(NamedTuple):
    """A mixture of Gaussians. Blocks are eigenspaces of a component's covariance, whose variances they have."""

    weights: Float[Array, " components"]
    variances: Float[Array, "components blocks"]
    multiplicities: Float[Array, "components blocks"]
    lengths: Float[Array, "components blocks"]  # squared, of the point from the component's mean
    offsets: Float[Array, "components directions"]  # the mean's coordinates along the directions
    overlaps: Float[Array, "components directions blocks"]  # of the directions with the point's displacement
    shares: Float[Array, "components directions blocks"]  # squared lengths of the directions
    place: Float[Array, " directions"]  # the point's coordinates along the directions

    def in_noise_units(self, time: Float[Array, ""]) -> "Gaussians":
        """The same with lengths in units of the noise's standard deviation."""
        unit = jnp.sqrt(time)
        return self._replace(
            variances=self.variances / time,
            lengths=self.lengths / time,
            offsets=self.offsets / unit,
            overlaps=self.overlaps / unit,
            place=self.place / unit,
        )

    def energies(self, time: Float[Array, ""]) -> Energy:
        """The energies of the components, stacked; no direction is taken out of them."""
        nothing = jnp.zeros_like(self.weights)
        times = jnp.broadcast_to(time, nothing.shape)
        return Energy(times, self.variances, self.multiplicities, self.lengths, nothing, nothing)

    def components(self, tilt: float | Array, time: Float[Array, ""]) -> Components:
        """The law tilted by exp(-lambda E/t); moments of y along every direction, (components, directions)."""
        values = jax.vmap(lambda energy: _generating_function(tilt, *energy))(self.energies(time))
        responses = jax.vmap(lambda row: _response(tilt, time, row))(self.variances)
        spreads = jax.vmap(lambda row: _spread(tilt, time, row))(self.variances)
        means = self.offsets + jnp.einsum("klb,kb->kl", self.overlaps, responses)
        reference = jnp.max(values)
        return Components(
            self.weights, reference, values - reference, means, jnp.einsum("klb,kb->kl", self.shares, spreads)
        )

    def posterior_means(self, time: Float[Array, ""]) -> Float[Array, " directions"]:
        """m(1) along every direction."""
        at = self.components(1.0, time)
        return jax.vmap(lambda means: _posterior_mean(at.weights, at.excess, means), in_axes=1)(at.means)


class Pool(NamedTuple):
    """A law known by samples alone."""

    squared_distances: Float[Array, " samples"]  # from the point
    coordinates: Float[Array, "samples directions"]
    place: Float[Array, " directions"]

    def in_noise_units(self, time: Float[Array, ""]) -> "Pool":
        """The same with lengths in units of the noise's standard deviation."""
        unit = jnp.sqrt(time)
        return Pool(self.squared_distances / time, self.coordinates / unit, self.place / unit)

    def components(self, tilt: float | Array, time: Float[Array, ""]) -> Components:
        """The pool tilted by exp(-lambda E/t), as one component, with moments along every direction."""
        exponents = -tilt * self.squared_distances / (2.0 * time)
        shares = jax.nn.softmax(exponents)
        value = jax.nn.logsumexp(exponents) - jnp.log(float(len(exponents)))
        means = shares @ self.coordinates
        spread = shares @ (self.coordinates - means[None, :]) ** 2
        return Components(jnp.ones(1), value, jnp.zeros(1), means[None, :], spread[None, :])

    def posterior_means(self, time: Float[Array, ""]) -> Float[Array, " directions"]:
        """m(1) along every direction."""
        return self.components(1.0, time).means[0]


View = Gaussians | Pool | Sphere


def principal(
    covariance: Float[np.ndarray, "dims dims"],
) -> tuple[Float[np.ndarray, " dims"], Float[np.ndarray, "dims dims"]]:
    """Variances along the principal directions, the largest first, and these directions, in rows.

    Of the two signs of a direction the one is taken in which its largest coordinate is positive.
    """
    return _in_order(*np.linalg.eigh(covariance))


def leading(
    covariance: Float[np.ndarray, "dims dims"], count: int
) -> tuple[Float[np.ndarray, " count"], Float[np.ndarray, "count dims"]]:
    """The same of the leading directions alone."""
    from scipy.linalg import eigh  # slow to import

    dims = len(covariance)
    return _in_order(*eigh(covariance, subset_by_index=(dims - count, dims - 1)))


def _in_order(variances: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = columns.T[::-1]
    largest = rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)]
    return np.maximum(variances[::-1], 0.0), rows * np.sign(largest)[:, None]
