"""Sorted singular values of data divided by their norm, at the origin, over data sets.

The data sets are drawn as they are; of many samples the matrix of central differences is, with its exact moments.
Equations: `geomem_theory`, chapter `unit_normalized`.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.core.arguments import as_noise_variances
from geomem.core.kinds import refuse_beyond_memory
from geomem.core.status import InputError
from geomem.laws.manifold import Manifold
from geomem.laws.probe import Probe
from geomem.laws.setting import Setting
from geomem.levels.quenched import quenched
from geomem.levels.secants import Secants, secants
from geomem.levels.spectrum_draws import even_and_odd
from geomem.levels.spectrum_samples import ActiveSamples, spectra_of
from geomem.lowering import lower

_secant_value = lower("secant_value")
_origin_value = jnp.vectorize(lower("origin_value"))
# Of a data set that is drawn. At 6e5, 20 000 samples, means by moments alone were off by up to 0.6 of their deviations,
# which falls as the skewness does, with the root of the size.
_MOST_COORDINATES = 2e6


def block_values(
    manifold: Manifold, times: Float[np.ndarray, " times"], protocol: str
) -> Float[np.ndarray, "times blocks"]:
    """Values of -tS of every block, of infinitely many samples; NaN where a protocol has no value of a block.

    The rays of a random frame are on no principal axis.
    """
    if protocol == "orthogonal_frame":
        return np.full((len(times), manifold.num_blocks), np.nan)
    if protocol == "jacobian":
        return np.asarray(_origin_value(manifold.exact_variances()[None, :], times[:, None]))
    settings = [manifold.setting(manifold.indicator(block), Probe.along()) for block in range(manifold.num_blocks)]
    return np.stack([np.asarray(_values_along(at, jnp.asarray(times))) for at in settings], axis=1)


@jax.jit
def _values_along(at: Setting, times: Float[Array, " times"]) -> Float[Array, " times"]:
    return jax.lax.map(lambda time: _secant_value(at.tilted_moments(jnp.ones(()), time)[0], time), times)


def least_active(
    manifold: Manifold, times: Float[np.ndarray, " times"], log_size: float, protocol: str
) -> Float[np.ndarray, " times"]:
    """Number of active samples: at the origin all, of central differences at the probe with the fewest.

    Of a random frame these are fewer than there are at its rays.
    """
    if protocol == "jacobian":
        return np.full(len(times), np.exp(log_size))
    of_blocks = [
        quenched(manifold, block, noise_variance=times, log_num_samples=log_size).active_samples
        for block in range(manifold.num_blocks)
    ]
    return np.min(of_blocks, axis=0)


class _UnitSamples(ActiveSamples):
    """Data sets as they are, of samples of length one."""

    def __init__(self, manifold: Manifold, time: float, count: int, rng: np.random.Generator) -> None:
        self._deviations, self._length = np.asarray(manifold.axis_deviations()), time**-0.5
        self._count, self._rng, self._parts, self._responses, self._variances = count, rng, [], [], []

    def _draw(self) -> tuple[np.ndarray, np.ndarray]:
        samples = self._rng.standard_normal((self._count, len(self._deviations))) * self._deviations
        samples *= self._length / np.linalg.norm(samples, axis=1, keepdims=True)
        return samples, np.zeros(self._count)


def drawn_as_they_are(manifold: Manifold, log_size: float) -> bool:
    """Whether data sets of this size are drawn."""
    return bool(log_size + np.log(manifold.num_coordinates) <= np.log(_MOST_COORDINATES))


def sphere_spectra(
    manifold: Manifold, time: float, log_size: float, protocol: str, *, num_draws: int, seed: int
) -> Float[np.ndarray, "draws dims"]:
    """Sorted values of -tS by a protocol at the origin, descending; NaN where the exact moments are not known.

    Raises:
        InputError: for another protocol than central differences of more samples than are drawn.
    """
    rng, size = np.random.default_rng(seed), manifold.num_coordinates
    if drawn_as_they_are(manifold, log_size):
        count = round(np.exp(log_size))
        return spectra_of(_UnitSamples(manifold, time, count, rng), protocol, size, num_draws, rng)
    if protocol != "central_difference":
        raise InputError(
            f"the sorted values of normalized data by {protocol!r} are known of up to {_MOST_COORDINATES / size:.0f} "
            f"samples of {size} coordinates; use the protocol 'central_difference' or fewer samples"
        )
    refuse_beyond_memory(float(num_draws) * size**2, "the matrices that are drawn")
    moments = secants(manifold, noise_variance=as_noise_variances(time), log_num_samples=log_size)
    return _with_moments(moments, np.asarray(manifold.multiplicities, dtype=int), num_draws, rng)


def _with_moments(
    moments: Secants, counts: np.ndarray, num_draws: int, rng: np.random.Generator
) -> Float[np.ndarray, "draws dims"]:
    """Singular values of matrices of normal numbers with these means, variances and covariances."""
    blocks = np.repeat(np.arange(len(counts)), counts)
    size, diagonal = len(blocks), np.arange(len(blocks))
    if not np.isfinite(moments.mean).all():
        return np.full((num_draws, size), np.nan)
    # Of a block of one direction there is no other; its entries are on the diagonal.
    variance, transposed, between = (
        np.nan_to_num(field)[np.ix_(blocks, blocks)]
        for field in (moments.variance, moments.transposed, moments.between)
    )
    scale = np.sqrt(variance)
    product = scale * scale.T
    correlation = np.where(product > 0, transposed / np.where(product > 0, product, 1.0), 1.0).clip(-1.0, 1.0)
    even, odd = even_and_odd(rng.standard_normal((num_draws, size, size)))
    matrices = scale * (np.sqrt(0.5 * (1.0 + correlation)) * even + np.sqrt(0.5 * (1.0 - correlation)) * odd)
    between[diagonal, diagonal] = moments.diagonal[blocks]
    spreads, axes = np.linalg.eigh(between)
    own = rng.standard_normal((num_draws, size)) @ (axes * np.sqrt(spreads.clip(0.0))).T
    matrices[:, diagonal, diagonal] = moments.mean[blocks] + own
    return np.linalg.svd(matrices, compute_uv=False)
