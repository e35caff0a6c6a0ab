"""The bootstrap: how often, curves of probes that are drawn again, and the interval that is read off them."""

import numpy as np
from jaxtyping import Float

# A resample of probes is a product of matrices; one of data sets is measured, or fitted, anew.
PROBE_RESAMPLES = 400
DATA_RESAMPLES = 200

INTERVAL = (2.5, 97.5)  # percentiles: the ends of a 95 % interval
HALF_INTERVAL = 1.96  # the half of one, in standard errors of a normal variable


def resampled(values: Float[np.ndarray, "times probes"]) -> Float[np.ndarray, "resamples times"]:
    """Mean curves over probes that are drawn again from the given ones."""
    count = values.shape[1]
    return np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), PROBE_RESAMPLES) @ values.T / count
