"""How many samples are active at the mean of the data, and how unequal their weights are.

Equations: `geomem_theory`, chapter `spectrum_law`.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from geomem.laws.law import Law
from geomem.laws.probe import Probe
from geomem.laws.setting import Setting
from geomem.lowering import lower

_generating_function = lower("generating_function")
_weight_moment = lower("weight_moment")
_skew_log_samples = lower("skew_log_samples")
_participation_variance = lower("participation_variance")

MOST_DRAWN = 4000  # samples that are drawn
_MATTERS = 2.5  # tilt of energies between those of second and third cumulants
_EXPONENT = 700.0  # beyond it there are no such numbers


class Activity(NamedTuple):
    """The Gibbs weights of a data set at the mean of the data, at one noise variance."""

    at: Setting
    counts: Float[np.ndarray, " blocks"]
    ratios: Float[np.ndarray, " blocks"]  # s/t
    time: float
    log_size: float

    def log_moment(self, tilt: float) -> float:
        """ln(E v^tilt/(E v)^tilt) of a sample's Boltzmann factor v."""
        return float(_weight_moment(tilt, 1.0, self.ratios, self.counts))

    @property
    def log_participation(self) -> float:
        """ln of the mean of Y2, to leading order in 1/N; its inverse is the number of active samples."""
        return self.log_moment(2.0) - self.log_size

    @property
    def skew_samples(self) -> float:
        """Number of equal samples whose covariance is as skew."""
        log_samples = float(_skew_log_samples(self.log_size, self.log_moment(2.0), self.log_moment(3.0)))
        return float(np.exp(min(log_samples, _EXPONENT)))

    @property
    def participation_variance(self) -> float:
        """Relative variance of Y2 over data sets."""
        moments = (self.log_moment(tilt) for tilt in (2.0, 3.0, 4.0))
        return float(_participation_variance(self.log_size, *moments))

    def drawn_weights(self, rng: np.random.Generator) -> Float[np.ndarray, " samples"]:
        """Gibbs weights at the mean of the data, of the samples that matter, over the mean of their sum."""
        count = round(np.exp(min(self.log_size, float(np.log(MOST_DRAWN)))))
        tilt = self.tilt_of(count)
        blocks = zip(self.ratios / (1.0 + tilt * self.ratios), self.counts, strict=True)
        energies = np.sum([scale * rng.standard_gamma(0.5 * number, count) for scale, number in blocks], axis=0)
        return np.exp(self.log_scale(count, tilt) + (0.5 * tilt - 1.0) * energies)

    def log_scale(self, count: int, tilt: float) -> float:
        """What makes exp((tilt/2 - 1) E/t) the weight of one of so many samples of the law of a tilt.

        Sums of them have the variance that they have over the data. The unit is N times the mean Boltzmann factor.
        """
        return 0.5 * (self.log_generating(tilt) - float(np.log(count)) - self.log_size) - self.log_generating(1.0)

    def log_generating(self, tilt: float) -> float:
        """K at the mean of the data."""
        return float(_generating_function(tilt, 1.0, self.ratios, self.counts, np.zeros_like(self.ratios)))

    def tilt_of(self, count: int) -> float:
        """The tilt whose law has, in so many samples, as many as the data have at the energies that matter.

        These are the energies of second and third cumulants of sums over samples. 0 where the data are not more.
        """
        log_count = float(np.log(count))
        if log_count >= self.log_size * (1.0 - 1e-12):
            return 0.0
        entropy = float(self.at.entropy(jnp.asarray(self.log_size), _MATTERS, jnp.asarray(self.time)))
        energy = (entropy - self.log_size - self.log_generating(_MATTERS)) / _MATTERS

        def excess(tilt: float) -> float:
            return self.log_size - log_count + self.log_generating(tilt) + tilt * energy

        return float(brentq(excess, 0.0, _MATTERS)) if excess(_MATTERS) < 0 else _MATTERS


def activity(manifold: Law, time: float, log_size: float) -> Activity:
    """The weights of N samples of the law at its mean."""
    at = manifold.setting(manifold.indicator(0), Probe.origin())
    variances, counts = np.asarray(manifold.variances), np.asarray(manifold.multiplicities)
    return Activity(at, counts, variances / time, time, log_size)
