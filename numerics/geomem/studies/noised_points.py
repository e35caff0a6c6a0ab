"""Points of data with noise, from which a law of these data is seen, and the other rows."""

import jax
import numpy as np
from jaxtyping import Array, Float

from geomem.laws.probe import Probe


def noised_points(
    rows: Float[np.ndarray, "rows dims"], count: int, key: Array
) -> tuple[Float[np.ndarray, "points dims"], Probe, Float[np.ndarray, "others dims"]]:
    """So many rows chosen at random, the probe that they are with noise, and the rows that are not among them.

    For a key that chose the law too: it is another here.
    """
    of_rows, of_noise = jax.random.split(jax.random.fold_in(key, 1))
    order = np.asarray(jax.random.permutation(of_rows, len(rows)))
    points = rows[order[:count]]
    return points, Probe.noised(points, key=of_noise), rows[np.sort(order[count:])]
