"""How the matrix whose singular values are measured fluctuates over data sets: means and variances of its entries.

Equations: `geomem_theory`, chapter `spectrum_law`.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from geomem.laws.law import Law
from geomem.lowering import lower

FEWEST_ACTIVE = 20.0  # active samples, below which the law of the matrix is not held against data
_population_eigenvalue = jnp.vectorize(lower("population_eigenvalue"))
_pull = jnp.vectorize(lower("pull_of_direction"))
_coupling = jnp.vectorize(lower("coupling_of_direction"))
_skew_share = jnp.vectorize(lower("skew_share_of_direction"))
_row_variance = jnp.vectorize(lower("row_variance"))
_transpose_covariance = jnp.vectorize(lower("transpose_covariance"))
_common_deviation = jnp.vectorize(lower("diagonal_common_deviation"))
_own_variance = jnp.vectorize(lower("diagonal_own_variance"))
_jacobian_variance = jnp.vectorize(lower("jacobian_entry_variance"))
_jacobian_own = jnp.vectorize(lower("jacobian_own_variance"))
_value_shift = jnp.vectorize(lower("mean_value_shift"))


class Profile(NamedTuple):
    """The law of the matrix A = diag(values) + W of -tS, by blocks.

    All but `values` is in units of the participation Y2 = kappa: variances are to be multiplied by it, deviations by
    its root. Entries (k, i) and (i, k) are correlated, others are not, but for diagonal ones, which have a part in
    common.
    """

    values: Float[np.ndarray, " blocks"]  # means of the diagonal entries, of infinitely many samples
    shifts: Float[np.ndarray, " blocks"]  # what they have beside it
    variances: Float[np.ndarray, "blocks blocks"]
    transposed: Float[np.ndarray, "blocks blocks"]  # covariances of (k, i) and (i, k)
    own: Float[np.ndarray, " blocks"]  # variances of diagonal entries, each for itself
    common: Float[np.ndarray, " blocks"]  # deviations of all of them together
    skew_shares: Float[np.ndarray, " blocks"]  # of the skewness that a covariance of as many samples has

    @property
    def correlations(self) -> Float[np.ndarray, "blocks blocks"]:
        """Of (k, i) and (i, k); one where nothing fluctuates."""
        scale = np.sqrt(self.variances * self.variances.T)
        return np.where(scale > 0, self.transposed / np.where(scale > 0, scale, 1.0), 1.0).clip(-1.0, 1.0)

    @property
    def symmetric(self) -> Float[np.ndarray, "blocks blocks"]:
        """Variances of the symmetric part, which is what moves values to first order."""
        return 0.25 * (self.variances + self.variances.T + 2.0 * self.transposed)


class Kernel(NamedTuple):
    """How the fluctuations of ln Z at two points are correlated, by blocks."""

    pulls: Float[np.ndarray, " blocks"]
    couplings: Float[np.ndarray, " blocks"]


def kernel(manifold: Law, time: float) -> Kernel:
    """Of the samples of a manifold."""
    variances = jnp.asarray(manifold.variances)
    return Kernel(np.asarray(_pull(time, variances)), np.asarray(_coupling(time, variances)))


def profile(manifold: Law, time: float, protocol: str) -> Profile:
    """Of the matrix that a protocol of `measure_spectrum` takes; of `orthogonal_frame` that of the Jacobian."""
    variances = jnp.asarray(manifold.variances)
    values, shares = _population_eigenvalue(time, variances), _skew_share(time, variances)
    pull, coupling = _pull(time, variances), _coupling(time, variances)
    rows, columns = coupling[:, None], coupling[None, :]
    if protocol == "central_difference":
        entries = _row_variance(1.0, pull[:, None], rows, columns)
        transposed = _transpose_covariance(1.0, pull[:, None], pull[None, :], rows, columns)
        own, common = _own_variance(1.0, pull, coupling), _common_deviation(1.0, pull)
        shifts = _value_shift(1.0, pull, coupling)
    else:
        entries = transposed = _jacobian_variance(1.0, rows, columns)
        own, common, shifts = _jacobian_own(1.0, coupling), pull, coupling - pull
    return Profile(*map(np.asarray, (values, shifts, entries, transposed, own, common, shares)))
