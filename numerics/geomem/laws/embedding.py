"""Nonlinear embeddings: samples of a linear manifold become data on a curved one."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, check_key, float_array, whole_number
from geomem.core.derivatives import is_traced
from geomem.core.kinds import concrete_array, refuse_beyond_memory
from geomem.core.status import InputError


def on_sphere(points: Numbers, key: Array, *, radius: Numbers) -> Float[Array, "samples ambient"]:
    """The points wrapped onto a sphere around the origin, by the exponential map at its pole.

    The origin goes to the pole; every other point goes as far from it, along a great circle, as it is
    from the origin. At the pole the map is an isometry, so the tangent variances of the data there are those of
    the points; at the distance r lengths across the great circle shrink by sin(r/R)/(r/R), R the radius. Points
    beyond R pi go around the sphere.

    Args:
        points: (samples, dims). They and `radius` are in units of the data, which have one dimension more.
        key: for the orthogonal matrix, uniform over all of them, that turns sphere and pole. The same for the
            same key.
        radius: of the sphere.

    Raises:
        InputError: for points that are no table of numbers, and for a radius that is not finite and positive.
    """
    check_key(key)
    rows = _table(points)
    length = concrete_array(radius, "radius")
    if length.ndim or not 0 < length < np.inf:
        raise InputError(f"radius is {radius}; it must be a finite number above 0")
    return _wrapped(rows, jax.random.orthogonal(key, rows.shape[1] + 1), jnp.asarray(length))


def tanh_features(points: Numbers, key: Array, *, dims: int) -> Float[Array, "samples {dims}"]:
    """Random features tanh(W x) of the points, between -1 and 1.

    The entries of W are Gaussian of variance one over the dimension of the points, so points whose coordinates are of
    order one make tanh bend and not saturate. It is the hidden manifold model of S. Goldt, M. Mezard, F. Krzakala and
    L. Zdeborova, Phys. Rev. X 10, 041044 (2020), with Gaussian features.

    Args:
        points: (samples, latent), dimensionless.
        key: for W. The same for the same key.
        dims: number of features.

    Raises:
        InputError: for points that are no table of numbers, and for a number of features that is none.
    """
    check_key(key)
    rows = _table(points)
    dims = whole_number(dims, "dims", 1)
    refuse_beyond_memory(float(dims) * max(rows.shape), f"{dims} features")
    weights = jax.random.normal(key, (dims, rows.shape[1])) / np.sqrt(rows.shape[1])
    return jnp.tanh(rows @ weights.T)


@jax.jit
def _wrapped(
    points: Float[Array, "samples dims"], orthogonal: Float[Array, "ambient ambient"], radius: Float[Array, ""]
) -> Float[Array, "samples ambient"]:
    def wrap(x: Float[Array, " dims"]) -> Float[Array, " ambient"]:
        squared = jnp.sum(x**2)
        # The root has no derivative at the pole; even functions of it have, their first one zero.
        length = jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1.0)), 0.0)
        turn = length / (jnp.pi * radius)  # jnp.sinc counts in units of pi
        # The cosine by its half angle: written with the squared length, its second derivative at the pole is right too.
        height = radius - 0.5 * squared / radius * jnp.sinc(0.5 * turn) ** 2
        return orthogonal @ jnp.append(x * jnp.sinc(turn), height)

    return jax.vmap(wrap)(points)


def _table(points: Numbers) -> Float[Array, "samples dims"]:
    rows = jnp.asarray(float_array(points, "points"))
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise InputError(f"the points have shape {rows.shape}; they must be a table of samples by dimensions")
    if not is_traced(rows) and not bool(jnp.isfinite(rows).all()):
        raise InputError("the points hold NaN or infinity")
    return rows
