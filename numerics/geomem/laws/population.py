"""The score of a law that is a mixture of Gaussians of one covariance, of one class or more."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from geomem.core.arguments import check_columns
from geomem.laws.law import Classes, Score
from geomem.lowering import lower

_population_score = jnp.vectorize(lower("population_score"))
_generating_function = lower("generating_function")
_over_classes = lower("mixture_posterior_mean")


class _OnAxes(NamedTuple):
    """The classes, and which block every axis belongs to."""

    classes: Classes
    along_axes: Float[Array, "dims blocks"]  # 1 for the block of the axis, else 0


def population_score(classes: Classes) -> Score:
    """The score as a function of points x, (points, dims), and one noise variance t: traceable, and a pytree.

    Source: `geomem_theory`, equations `population_score` and `mixture_posterior_mean`.
    """
    blocks = np.repeat(np.eye(len(classes.variances)), np.asarray(classes.multiplicities, dtype=int), axis=0)
    return Partial(_score, _OnAxes(classes, jnp.asarray(blocks)))


def _score(law: _OnAxes, x: Array | np.ndarray, noise_variance: Array | float) -> Float[Array, "points dims"]:
    weights, centers, variances, multiplicities = law.classes
    x = jnp.asarray(x)
    time = jnp.asarray(noise_variance, dtype=float)
    check_columns(x, centers.shape[1])
    along = law.along_axes @ variances
    if len(weights) == 1:
        return _population_score(time, along[None, :], x - centers)

    def at(point: Array) -> Array:
        offsets = point[None, :] - centers
        lengths = offsets**2 @ law.along_axes
        logs = jax.vmap(lambda own: _generating_function(1.0, time, variances, multiplicities, own))(lengths)
        # A class's score is affine in its posterior mean, so the mixture's is the average of the classes' too.
        scores = _population_score(time, along[None, :], offsets)
        average = jax.vmap(lambda column: _over_classes(weights, logs - jnp.max(logs), column), in_axes=1)
        return average(scores)

    return jax.vmap(at)(x)
