"""Level finite_n: the balance of a criterion at every noise variance and size, exact at every N."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geomem.levels.contours import Law, law_of
from geomem.levels.criteria import Criterion, Setting
from geomem.levels.quenched import (
    SIZES,
    TIMES,
    Quenched,
    filled,
    laws_of,
    log_ratio,
    over_laws,
    padded,
    quenched_law,
    quenched_of_law,
)
from geomem.lowering import lower


def spectrum_slopes(
    rule: Criterion, at: Setting, log_time: float, log_size: float, varying: Int[np.ndarray, " varying"]
) -> Float[np.ndarray, " varying"]:
    """Derivatives of a critical time's logarithm at level finite_n with respect to ln s of these blocks."""
    if np.isnan(log_time):
        return np.full(len(varying), np.nan)
    time = np.exp(log_time)
    along = jax.tree.map(np.asarray, spectrum_tangents(padded(at), jnp.asarray(time)))
    pairs = [(laws_of(at, np.array([time]))[0], Law(*(leaf[[block]] for leaf in along))) for block in varying]
    rows = over_laws(lambda pair: balances_with_slopes(pair[0], pair[1], np.array([log_size]), rule.name)[1], pairs)
    slopes = np.concatenate(rows)[:, 0]
    # With all variances multiplied by a number the critical time is too, so the derivatives add up to one.
    return slopes / slopes.sum()


@jax.jit
def spectrum_tangents(at: Setting, time: Float[Array, ""]) -> Law:
    """Tangents of the law to ln s of every block in turn, on a leading axis."""

    def law(log_factors: Array) -> Law:
        own = jnp.exp(jnp.dot(at.indicator, log_factors)) * at.probed_variance
        return law_of(at._replace(variances=at.variances * jnp.exp(log_factors), probed_variance=own), time)

    nothing = jnp.zeros(len(at.variances))
    return jax.vmap(lambda along: jax.jvp(law, (nothing,), (along,))[1])(jnp.eye(len(nothing)))


_participation_balance = lower("participation_balance")


def balances(law: Law, log_sizes: Float[np.ndarray, " sizes"], criterion: str) -> Float[np.ndarray, " sizes"]:
    """ln R, or -ln(2 Y_2): zero at the transition and positive where a direction is resolved."""
    rows = quenched_law(law, log_sizes)
    return np.asarray(_balance(rows, criterion))


def balances_with_slopes(
    law: Law, tangents: Law, log_sizes: Float[np.ndarray, " sizes"], criterion: str
) -> tuple[Float[np.ndarray, " sizes"], Float[np.ndarray, "tangents sizes"]]:
    """The same, and its derivatives along tangents to the law, stacked on a leading axis."""
    count = len(log_sizes)
    sizes = filled(log_sizes, SIZES)
    values, slopes = _balances_with_slopes(law, tangents, sizes, criterion)
    return np.asarray(values)[:count], np.asarray(slopes)[:, :count]


@partial(jax.jit, static_argnames="criterion")
def _balances_with_slopes(law: Law, tangents: Law, sizes: Array, criterion: str) -> tuple[Array, Array]:
    def balance(law: Law) -> Array:
        return _balance(quenched_of_law(law, sizes, jnp.array(-jnp.inf)), criterion)

    # The values do not depend on the tangent, and are not computed twice.
    return jax.vmap(lambda tangent: jax.jvp(balance, (law,), (tangent,)), out_axes=(None, 0))(tangents)


@partial(jax.jit, static_argnames="criterion")
def _balance(rows: Quenched, criterion: str) -> Array:
    if criterion == "participation":
        return jax.vmap(_participation_balance)(rows.participation)
    return jax.vmap(log_ratio)(rows.score_mean, rows.score_variance)


TANGENTS = 2  # ln s with the spectrum following, and of the probed direction alone


# Balances (times, sizes) and their slopes along the tangents (tangents, times, sizes), at log times and log sizes.
Evaluate = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def evaluator(rule: Criterion, at: Setting, swept: Setting | None, log_sizes: np.ndarray) -> Evaluate:
    """What a walk evaluates for these sizes; with slopes if there is a tangent `swept`."""

    def evaluate(log_times: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        times = np.exp(log_times)
        laws = laws_of(at, times)
        # One shape for the whole walk, though sizes drop out.
        count, sizes = len(sizes), filled(sizes, len(log_sizes))
        if swept is None:
            rows = over_laws(partial(balances, log_sizes=sizes, criterion=rule.name), laws)
            values = np.stack(rows)
            slopes = np.zeros((0, *values.shape))
        else:
            times = jnp.asarray(filled(times, TIMES))
            tangents = jax.tree.map(np.asarray, law_tangents(padded(at), padded(swept), times))
            pairs = [(law, Law(*(leaf[i] for leaf in tangents))) for i, law in enumerate(laws)]
            rows = over_laws(lambda pair: balances_with_slopes(pair[0], pair[1], sizes, rule.name), pairs)
            values, slopes = np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows], axis=1)
        return values[:, :count], slopes[:, :, :count]

    return evaluate


@jax.jit
def law_tangents(at: Setting, swept: Setting, times: Float[Array, " times"]) -> Law:
    """Tangents of the laws to ln s with the spectrum following, and of the probed direction alone."""
    nothing = jax.tree.map(jnp.zeros_like, at)
    own = nothing._replace(probed_variance=at.probed_variance)

    def at_time(time: Array) -> Law:
        along = [jax.jvp(lambda one: law_of(one, time), (at,), (tangent,))[1] for tangent in (swept, own)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *along)

    return jax.vmap(at_time)(times)
