"""Sorted singular values over data sets where few samples are active: those samples are drawn.

Of a data set only the samples near the probes have any weight. They are drawn from the law tilted towards them, as many
as there are at its energies, with weights that leave the variance of every sum over samples what it is; of data sets
that are not larger these are all samples as they are.

Equations: `geomem_theory`, chapters `partition` and `spectrum_law`.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from geomem.levels.activity import MOST_DRAWN, Activity
from geomem.lowering import lower

_tilted_mean = jnp.vectorize(lower("tilted_mean"))
_tilted_variance = jnp.vectorize(lower("tilted_variance"))

_EXPONENT = 700.0  # beyond it there are no such numbers
_LEAST = 0.05  # share of the drawn weights that their sum less its mean part is at least


class ActiveSamples:
    """Draws of the samples that matter, and the matrix of each; lengths are in units of the root of t."""

    def __init__(self, activity: Activity, rng: np.random.Generator) -> None:
        counts = activity.counts.astype(int)
        self._ratios = np.repeat(activity.ratios, counts)
        self._rng, log_size = rng, activity.log_size
        self._count = round(np.exp(min(log_size, float(np.log(MOST_DRAWN)))))
        tilt = activity.tilt_of(self._count)
        self._tilt, self._deviations = tilt, np.sqrt(self._ratios / (1.0 + tilt * self._ratios))
        # The mean Boltzmann factor is one in units of its own; of that these samples have a part, at this tilt.
        self._log_scale = activity.log_scale(self._count, tilt)
        seen = 1.0 + 0.5 * tilt
        log_seen = 0.5 * (np.log(self._count) - log_size - activity.log_generating(tilt))
        log_seen += activity.log_generating(seen) - activity.log_generating(1.0)
        # What is not drawn enters by its mean: all less what is seen, each a law at a tilt and its part.
        self._parts = [(1.0, 1.0), (seen, -float(np.exp(log_seen)))] if tilt else []
        # A point at z seen at a tilt is one at z over the tilt: the exponent is linear in z.
        self._responses = [np.asarray(_tilted_mean(tilt, 1.0, self._ratios, 1.0 / tilt)) for tilt, _ in self._parts]
        self._variances = [np.asarray(_tilted_variance(tilt, 1.0, self._ratios)) for tilt, _ in self._parts]

    def jacobian(self) -> Float[np.ndarray, "dims dims"]:
        """The exact Jacobian at the mean of the data."""
        samples, logs = self._draw()
        weights, unit = _in_units(logs[:, None])
        unseen = sum(part * variances for (_, part), variances in zip(self._parts, self._variances, strict=True))
        drawn = weights.sum()
        total = max(float(drawn + unit[0] * sum(part for _, part in self._parts)), float(_LEAST * drawn))
        mean = weights[:, 0] @ samples / total
        second = (samples.T * weights[:, 0]) @ samples + unit[0] * np.diag(unseen * np.ones(len(mean)))
        return np.eye(len(mean)) - second / total + np.outer(mean, mean)

    def rows(self, frame: Float[np.ndarray, "dims dims"], *, central: bool) -> Float[np.ndarray, "dims dims"]:
        """Rows of scores at the points of a frame; of central differences, half those of opposite points."""
        samples, logs = self._draw()
        along = samples @ frame.T
        forward = frame - self._averages(samples, logs[:, None] + along, frame)
        if not central:
            return forward
        return 0.5 * (forward + frame + self._averages(samples, logs[:, None] - along, -frame))

    def _draw(self) -> tuple[np.ndarray, np.ndarray]:
        """Samples, and logarithms of their Boltzmann factors at the mean of the data over N times the mean factor."""
        # Those of a data set that are near the probes are no fixed number.
        count = int(self._rng.poisson(self._count)) if self._tilt else self._count
        samples = self._rng.standard_normal((max(count, 1), len(self._ratios))) * self._deviations
        energies = 0.5 * np.sum(samples**2, axis=1)
        return samples, self._log_scale + (0.5 * self._tilt - 1.0) * energies

    def _averages(
        self,
        samples: Float[np.ndarray, "samples dims"],
        logs: Float[np.ndarray, "samples dims"],
        frame: Float[np.ndarray, "dims dims"],
    ) -> Float[np.ndarray, "dims dims"]:
        """Gibbs averages of the samples at the points of the frame's rows."""
        factors, unit = _in_units(logs)
        sums, drawn = factors.T @ samples, factors.sum(axis=0)
        totals = drawn
        for (_, part), response in zip(self._parts, self._responses, strict=True):
            means = frame * response
            mass = unit * part * np.exp(0.5 * np.sum(frame * means, axis=1))
            sums, totals = sums + mass[:, None] * means, totals + mass
        return sums / np.maximum(totals, _LEAST * drawn)[:, None]


def _in_units(
    logs: Float[np.ndarray, "samples points"],
) -> tuple[Float[np.ndarray, "samples points"], Float[np.ndarray, " points"]]:
    """Exponentials in units in which the largest is one, and what one is in them."""
    log_unit = -logs.max(axis=0)
    return np.exp(logs + log_unit), np.exp(np.minimum(log_unit, _EXPONENT))


def sampled_spectra(activity: Activity, protocol: str, *, num_draws: int, seed: int) -> Float[np.ndarray, "draws dims"]:
    """Sorted values of -tS by a protocol of `measure_spectrum`, descending, of drawn data sets."""
    rng = np.random.default_rng(seed)
    return spectra_of(ActiveSamples(activity, rng), protocol, int(activity.counts.sum()), num_draws, rng)


def spectra_of(
    samples: ActiveSamples, protocol: str, size: int, num_draws: int, rng: np.random.Generator
) -> Float[np.ndarray, "draws dims"]:
    """The same of samples that are drawn in some way, in so many directions."""
    spectra = np.empty((num_draws, size))
    for row in spectra:
        if protocol == "jacobian":
            row[:] = np.linalg.eigvalsh(samples.jacobian())[::-1]
        elif protocol == "central_difference":
            row[:] = np.linalg.svd(samples.rows(np.eye(size), central=True), compute_uv=False)
        else:
            frame = np.linalg.qr(rng.standard_normal((size, size)))[0]
            row[:] = np.linalg.svd(samples.rows(frame, central=False), compute_uv=False)
    return spectra
