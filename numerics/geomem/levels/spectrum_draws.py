"""Sorted singular values over data sets, by drawing the matrix from its law: no data are drawn.

To leading order in 1/N the matrix is Gaussian. Of many active samples it is as skew as a covariance of equal samples,
which its edges feel at once, and its scale fluctuates with the participation.

Equations: `geomem_theory`, chapter `spectrum_law`.
"""

from functools import partial

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from geomem.levels.activity import Activity
from geomem.levels.spectrum_profile import Kernel, Profile
from geomem.lowering import lower

_frame_row_rest = jnp.vectorize(partial(lower("frame_row_rest"), 1.0))

_BATCH = 2**22  # entries of matrices at once


class Fluctuations:
    """Draws of the matrix in the eigenbasis of the covariance."""

    def __init__(self, profile: Profile, activity: Activity, rng: np.random.Generator) -> None:
        counts = activity.counts.astype(int)
        self.blocks = np.repeat(np.arange(len(counts)), counts)
        self._profile, self._activity, self._rng = profile, activity, rng

    @property
    def size(self) -> int:
        """Number of directions."""
        return len(self.blocks)

    def draws(
        self, count: int
    ) -> tuple[Float[np.ndarray, "draws dims"], Float[np.ndarray, "draws dims dims"], Float[np.ndarray, " draws"]]:
        """Means of the diagonal entries, given Y2, the matrices' fluctuations about them, and Y2."""
        profile, blocks = self._profile, self.blocks
        noise = self._rng.standard_normal((count, self.size, self.size))
        even, odd = even_and_odd(noise)
        skew, participation = self._skew(count)
        share = np.sqrt(np.outer(profile.skew_shares, profile.skew_shares))[np.ix_(blocks, blocks)]
        even = np.sqrt(1.0 - share**2) * even - share * skew
        correlation = profile.correlations[np.ix_(blocks, blocks)]
        scale = np.sqrt(profile.variances)[np.ix_(blocks, blocks)]
        matrices = scale * (np.sqrt(0.5 * (1.0 + correlation)) * even + np.sqrt(0.5 * (1.0 - correlation)) * odd)
        diagonal, together = np.arange(self.size), self._rng.standard_normal((count, 1))
        own = np.sqrt(0.5 * profile.own)[blocks]
        matrices[:, diagonal, diagonal] = own * even[:, diagonal, diagonal] + profile.common[blocks] * together
        matrices *= np.sqrt(participation)[:, None, None]
        means = profile.values[blocks] + participation[:, None] * profile.shifts[blocks]
        return means, matrices, participation

    def _skew(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Fluctuations of sample covariances of equal directions, and Y2."""
        spread = np.log1p(self._activity.participation_variance)
        logs = self._activity.log_participation - 0.5 * spread + np.sqrt(spread) * self._rng.standard_normal(count)
        return self._of_equal(count, self._activity.skew_samples), np.exp(logs)

    def _of_equal(self, count: int, samples: float) -> np.ndarray:
        """Of so many samples, by their Cholesky factors (M. S. Bartlett, 1933)."""
        diagonal = np.arange(self.size)
        factors = np.tril(self._rng.standard_normal((count, self.size, self.size)), -1)
        squares = 2.0 * self._rng.standard_gamma(0.5 * (samples - diagonal), (count, self.size))
        factors[:, diagonal, diagonal] = np.sqrt(squares)
        covariances = factors @ factors.transpose(0, 2, 1) / samples
        covariances[:, diagonal, diagonal] -= 1.0
        return np.sqrt(samples) * covariances


def even_and_odd(noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Independent symmetric and antisymmetric matrices of unit variance beside the diagonal."""
    transposed = noise.transpose(0, 2, 1)
    return (noise + transposed) / np.sqrt(2.0), (noise - transposed) / np.sqrt(2.0)


class Frames:
    """Random orthonormal frames, the rows of a matrix: what they add to the Jacobian's own fluctuations."""

    def __init__(self, kernel: Kernel, blocks: Int[np.ndarray, " dims"], rng: np.random.Generator) -> None:
        self._pulls, self._couplings = kernel.pulls[blocks], kernel.couplings[blocks]
        self._rng = rng

    def matrix(
        self, mean: Float[np.ndarray, " dims"], fluctuation: Float[np.ndarray, "dims dims"], participation: float
    ) -> Float[np.ndarray, "dims dims"]:
        """The matrix in a frame: what all rows share, what is symmetric, and what every row has of its own."""
        size = len(mean)
        frame = np.linalg.qr(self._rng.standard_normal((size, size)))[0]
        pulls = 0.5 * frame**2 @ self._pulls
        overlaps = (frame * self._couplings) @ frame.T
        rest = np.asarray(_frame_row_rest(pulls[:, None] + pulls[None, :], overlaps, 1.0))
        scales, axes = np.linalg.eigh(rest)
        own = (axes * np.sqrt(scales.clip(0.0))) @ self._rng.standard_normal((size, size))
        shared = self._rng.standard_normal(size)
        together = np.exp(-pulls)[:, None]
        beside = np.sqrt(participation * self._couplings) * (together * shared + own)
        return frame * mean + together * (frame @ fluctuation) + beside


def drawn_spectra(
    profile: Profile, activity: Activity, frames: Kernel | None, *, symmetric: bool, num_draws: int, seed: int
) -> Float[np.ndarray, "draws dims"]:
    """Sorted singular values of drawn matrices, descending; eigenvalues where the matrix is `symmetric`.

    With the kernel `frames` the rows are a random orthonormal frame.
    """
    rng = np.random.default_rng(seed)
    fluctuations = Fluctuations(profile, activity, rng)
    spectra, left, diagonal = [], num_draws, np.arange(fluctuations.size)
    while left:
        count = min(left, max(1, _BATCH // fluctuations.size**2))
        means, matrices, participation = fluctuations.draws(count)
        if frames is None:
            matrices[:, diagonal, diagonal] += means
        else:
            rows = Frames(frames, fluctuations.blocks, rng)
            matrices = np.stack([rows.matrix(*each) for each in zip(means, matrices, participation, strict=True)])
        values = np.linalg.eigvalsh(matrices)[:, ::-1] if symmetric else np.linalg.svd(matrices, compute_uv=False)
        spectra.append(values)
        left -= count
    return np.concatenate(spectra)
