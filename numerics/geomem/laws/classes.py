"""What the classes of a Gaussian mixture add to trajectories: averages of their excess over random probes; and spread.

Equations: `geomem_theory`, chapter `mixture`.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import ndtri

from geomem.core.arguments import Numbers
from geomem.core.kinds import concrete_array
from geomem.core.status import InputError
from geomem.lowering import lower

_excess_mean = lower("class_excess_mean")
_excess_covariance = lower("class_excess_covariance")
_mixture_excess = lower("mixture_generating_function")
# Averages over one standard normal variable: a trapezoidal rule, exact to some 1e-14; the faster the excess varies,
# the farther out is the place where its exponential matters. Over several: quasi-random points, good to about 1e-4.
_REACH, _NODES, _POINTS = 8.5, 171, 1 << 12
_JITTER = 1e-14
_AT_ONCE = 256  # nodes


class ClassProducts(NamedTuple):
    """A mixture as averages over its random probes see it: by the products of its centers inside every block."""

    weights: Float[Array, " classes"]
    products: Float[Array, "blocks classes classes"]
    variances: Float[Array, " blocks"]


class ClassTerms(NamedTuple):
    """What classes add at one noise variance: to K at noised and at fresh points, and to K' at the latter."""

    noised: Float[Array, ""]
    fresh: Float[Array, ""]
    fresh_slope: Float[Array, ""]


def class_terms(law: ClassProducts, time: Float[Array, ""]) -> ClassTerms:
    """Means of the mixture's excess ln sum pi_i e^h_i over random probes, and their slope in the tilt at 1."""
    variances = law.variances

    def mean_at(tilt: Array, x_variances: Array) -> Array:
        return over_probes(law, lambda _, excess: _mixture_excess(law.weights, excess), time, tilt, x_variances)

    one = jnp.ones_like(time)
    noised = mean_at(one, variances + time)
    fresh, slope = jax.jvp(lambda tilt: mean_at(tilt, variances), (one,), (one,))
    return ClassTerms(noised, fresh, slope)


def over_probes(
    law: ClassProducts,
    function: Callable[[int, Array], Array],
    time: Float[Array, ""],
    tilt: Float[Array, ""],
    x_variances: Float[Array, " blocks"],
) -> Float[Array, ""]:
    """Mean over random probes of a function of their class and of every class's excess over it."""
    total = jnp.zeros_like(time)
    for own in range(len(law.weights)):
        others = np.delete(np.arange(len(law.weights)), own)
        nodes, weights = _normal_nodes(len(others))
        means, root = _excess_moments(law, own, others, (tilt, time, law.variances), x_variances)

        def at_node(
            normal: Array, own: int = own, others: np.ndarray = others, means: Array = means, root: Array = root
        ) -> Array:
            return function(own, jnp.zeros(len(law.weights)).at[others].set(means + root @ normal))

        # Part by part: solvers ask for many noise variances at once, and all nodes of them would not fit in memory.
        values = jax.lax.map(at_node, jnp.asarray(nodes), batch_size=_AT_ONCE)
        total = total + law.weights[own] * jnp.dot(jnp.asarray(weights), values)
    return total


def overlaps(law: ClassProducts, own: int) -> Float[Array, "blocks classes classes"]:
    """Inner products, inside every block, of the vectors from one class's center to the others'."""
    products = law.products
    return products - products[:, own : own + 1, :] - products[:, :, own : own + 1] + products[:, own, own, None, None]


def _excess_moments(
    law: ClassProducts,
    own: int,
    others: np.ndarray,
    spectrum: tuple[Array, Array, Array],
    x_variances: Float[Array, " blocks"],
) -> tuple[Float[Array, " others"], Float[Array, "others others"]]:
    """Means of the other classes' excesses at random probes of one, and a root of their covariance."""
    between = overlaps(law, own)[:, others][:, :, others]
    means = jax.vmap(lambda squared: _excess_mean(*spectrum, squared))(jnp.diagonal(between, axis1=1, axis2=2).T)
    entry = jax.vmap(lambda products: _excess_covariance(*spectrum, products, x_variances))
    covariance = jax.vmap(entry)(jnp.moveaxis(between, 0, 2))
    # Centers that coincide make it singular.
    jitter = _JITTER * (jnp.trace(covariance) + 1.0) * jnp.eye(len(others))
    return means, jnp.linalg.cholesky(covariance + jitter)


def _normal_nodes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of an average over so many standard normal variables."""
    if count == 0:
        return np.zeros((1, 0)), np.ones(1)
    if count == 1:
        nodes = np.linspace(-_REACH, _REACH, _NODES)
        weights = np.exp(-(nodes**2) / 2)
        return nodes[:, None], weights / weights.sum()
    from scipy.stats import qmc  # slow to import, and rarely needed

    points = qmc.Sobol(count, rng=0).random(_POINTS)
    return ndtri(points), np.full(_POINTS, 1 / _POINTS)


def in_few_coordinates(vectors: Float[np.ndarray, "vectors dims"]) -> Float[np.ndarray, "vectors coordinates"]:
    """The vectors in as few coordinates as carry their products."""
    return np.asarray(np.linalg.qr(vectors.T, mode="r")).T


def largest_eigenvalue(shares: np.ndarray, inside: list[np.ndarray], variances: np.ndarray) -> float:
    """Of the covariance within and between classes, which leaves the span of the centers' parts in every block."""
    mean = [shares @ part for part in inside]
    factors = [in_few_coordinates(part - middle) for part, middle in zip(inside, mean, strict=True)]
    rows = np.concatenate(factors, axis=1)
    within = np.repeat(variances, [factor.shape[1] for factor in factors])
    whole = np.diag(within) + (rows * shares[:, None]).T @ rows
    return float(max(np.linalg.eigvalsh(whole)[-1], variances.max()))


def leading_offsets(shares: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The centers' coordinates, from their mean, along the leading direction of the covariance between classes."""
    coordinates = in_few_coordinates(places - places[0])  # exactly zero where all centers are one
    spread = coordinates - shares @ coordinates
    _, directions = np.linalg.eigh((spread * shares[:, None]).T @ spread)
    return spread @ directions[:, -1]


def class_shares(weights: Numbers) -> Float[np.ndarray, " classes"]:
    """The shares of classes.

    Raises:
        InputError: if they are no list, not positive, or do not add to one.
    """
    shares = concrete_array(weights, "weights")
    if shares.ndim != 1 or not shares.size:
        raise InputError(f"the weights have shape {shares.shape}; they must be a list, one per class")
    refuse_shares(shares)
    return shares


def refuse_shares(shares: Float[np.ndarray, " shares"]) -> None:
    """Refuse weights that are not positive or do not add to one."""
    if not (np.isfinite(shares) & (shares > 0)).all() or not np.isclose(shares.sum(), 1, rtol=1e-12):
        raise InputError(f"the weights {shares.tolist()} must be positive and add to one")
