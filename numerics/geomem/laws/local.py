"""The data near a point: the spectrum of the nearest samples, and the covariance that an embedding gives them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.spatial.distance import cdist

from geomem.core.arguments import Numbers, check_data, float_array, parts, whole_number
from geomem.core.kinds import concrete_array, tracing
from geomem.core.status import InputError
from geomem.laws.law import check_law
from geomem.laws.manifold import Manifold


def local_covariance(
    embedding: Callable[[Array], Array], point: Numbers, manifold: Manifold
) -> Float[Array, "dims dims"]:
    """Covariance of the embedded data near a point, to first order: J S J^T.

    J is the embedding's Jacobian at the point and S the covariance of the manifold, whose samples
    spread around the point by much less than the embedding bends. In squared units of the embedded data.

    Args:
        embedding: takes points (n, latent) to data (n, dims), as `partial(on_sphere, key=key, radius=2.0)`.
        point: (latent,).
        manifold: the law of the samples around the point.

    Raises:
        InputError: for a point that is not one of the manifold's space, and for normalized samples.
    """
    check_law(manifold)
    if not callable(embedding):
        raise InputError("the embedding must be a function of points (n, latent) to points (n, dims)")
    manifold.require("one_gaussian", "the covariance around a point")
    at = jnp.asarray(float_array(point, "point"))
    deviations = manifold.axis_deviations()
    if at.shape != deviations.shape:
        raise InputError(f"the point has shape {at.shape}; it must have {len(deviations)} coordinates, as the manifold")
    with tracing("the embedding"):
        factor = jax.jacfwd(lambda x: embedding(x[None])[0])(at) * deviations[None, :]
    return factor @ factor.T


def local_spectrum(
    data: Numbers, x: Numbers, num_neighbours: int | np.integer, *, num_blocks: int | None = None
) -> Manifold:
    """The spectrum of the samples nearest to a point, around their mean.

    On a curved manifold this is what the theory means by local variances, up to one scale: the number of
    wide directions and the ratios of variances are the manifold's, their size is that of the
    neighbourhood. A uniform ball of radius r in m dimensions has variance r^2/(m + 2) along each. Curvature adds
    directions of a variance that grows as r^4; in a neighbourhood no wider than the noise all directions are
    alike, and few neighbours per dimension spread the spectrum (`critical_times_of_data`). Source: K. Fukunaga
    and D. R. Olsen, IEEE Trans. Comput. C-20, 176 (1971).

    Args:
        data: the samples, (samples, dims). A sample at x is a neighbour too.
        x: the point, (dims,).
        num_neighbours: how many of the samples to take.
        num_blocks: as for `Manifold.from_data`.

    Raises:
        InputError: as `Manifold.from_data`, for a point that is not one of the data's space, and for a number of
            neighbours that is not between 2 and the number of samples.

    Example: a sphere bends two directions into a third, which all samples see and the nearest hardly do.

        >>> import jax
        >>> from geomem import Manifold, local_spectrum, on_sphere
        >>> flat = Manifold([1.0, 0.1], [1, 2]).sample(jax.random.key(0), 20_000)
        >>> curved = on_sphere(flat, jax.random.key(1), radius=2.0)
        >>> for law in (Manifold.from_data(curved), local_spectrum(curved, curved[0], 1000)):
        ...     print(" ".join(f"{variance:.4f}" for variance in law.variances))
        0.7739 0.0976 0.0900 0.0879
        0.0437 0.0315 0.0264 0.0002
    """
    rows = check_data(data)
    point = concrete_array(x, "x")
    if point.shape != (rows.shape[1],) or not np.isfinite(point).all():
        raise InputError(f"x has shape {point.shape}; it must be a finite point of {rows.shape[1]} coordinates")
    if whole_number(num_neighbours, "num_neighbours", 2) > len(rows):
        raise InputError(f"num_neighbours is {num_neighbours}; it must be from 2 to the {len(rows)} samples there are")
    distances = np.concatenate([cdist(part, point[None])[:, 0] for part in parts(rows)])
    nearest = np.argpartition(distances, num_neighbours - 1)[:num_neighbours]
    return Manifold.from_data(rows[nearest], num_blocks=num_blocks)
