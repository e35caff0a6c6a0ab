"""Scatter that is drawn: how often, curves of one covariance, and the interval that is read off them."""

import numpy as np
from jaxtyping import Float

CURVES = 400  # that are drawn with the covariance of a measured one
DATA_RESAMPLES = 200  # of which each is measured, or fitted, anew

INTERVAL = (2.5, 97.5)  # percentiles: the ends of a 95 % interval
HALF_INTERVAL = 1.96  # the half of one, in standard errors of a normal variable


def drawn(
    mean: Float[np.ndarray, " times"], covariance: Float[np.ndarray, "times times"], seed: int = 0
) -> Float[np.ndarray, "curves times"]:
    """Normal curves of that mean and covariance; an estimate of it may have eigenvalues that are negative by noise."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    roots = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
    return mean + np.random.default_rng(seed).normal(size=(CURVES, len(mean))) @ roots.T
