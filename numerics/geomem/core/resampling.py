"""The bootstrap: mean curves of probes that are drawn again, and the interval that is read off them."""

import numpy as np
from jaxtyping import Float

RESAMPLES, INTERVAL = 400, (2.5, 97.5)


def resampled(values: Float[np.ndarray, "times probes"]) -> Float[np.ndarray, "resamples times"]:
    """Mean curves over probes that are drawn again from the given ones."""
    count = values.shape[1]
    return np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES) @ values.T / count
