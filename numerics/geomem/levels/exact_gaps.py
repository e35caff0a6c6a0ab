"""The closing of gaps at level finite_n: the exact participation of N samples passes that at which two bulks meet.

The profile is that of the leading order, its scale exact. Where one sample has all the weight every value is one, and
no gap is left: so none is by the time at which half of the weight pairs coincide.
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geomem.laws.setting import Setting
from geomem.levels.gaps import gap_participation
from geomem.levels.lanes import TIMES, filled
from geomem.levels.quenched import padded
from geomem.lowering import lower

_participation_balance = lower("participation_balance")
_MOST = 1.0 / 20.0  # participation at which the law of the matrix is still held against data
_NONE_LEFT = 0.5  # and at which no gap is left


def at_mean(at: Setting) -> Setting:
    """The same direction seen from the mean of the data, where spectra are measured; of tangents, that of it."""
    return replace(at, probe=jax.tree.map(jnp.zeros_like, at.probe))


def closing_balance(at: Setting, time: Float[Array, ""]) -> Float[Array, ""]:
    """The balance of the participation where the gap closes: -ln(2 kappa), minus infinity if no gap is to be lost."""
    found = gap_participation(at, time)
    return _participation_balance(jnp.where(jnp.isinf(found), found, jnp.minimum(found, _NONE_LEFT)))


def closing_balances(at: Setting, times: Float[np.ndarray, " times"]) -> Float[np.ndarray, " times"]:
    """The same at every noise variance."""
    return np.asarray(_balances(padded(at), filled(times, TIMES)))[: len(times)]


def closing_slopes(
    at: Setting, tangents: Setting, times: Float[np.ndarray, " times"]
) -> Float[np.ndarray, "slopes times"]:
    """Its derivatives in ln t, and along tangents to the setting, stacked on a leading axis."""
    return np.asarray(_slopes(padded(at), padded(tangents), filled(times, TIMES)))[:, : len(times)]


@jax.jit
def _balances(at: Setting, times: Float[Array, " times"]) -> Float[Array, " times"]:
    return jax.vmap(partial(closing_balance, at))(times)


@jax.jit
def _slopes(at: Setting, tangents: Setting, times: Float[Array, " times"]) -> Float[Array, "slopes times"]:

    def at_time(time: Array) -> Array:
        of_time = jax.jvp(partial(closing_balance, at), (time,), (time,))[1]
        along = jax.vmap(lambda tangent: jax.jvp(lambda one: closing_balance(one, time), (at,), (tangent,))[1])
        return jnp.concatenate([of_time[None], along(tangents)])

    return jax.vmap(at_time, out_axes=1)(times)


def closing_holds(at: Setting, times: Float[np.ndarray, " times"]) -> Bool[np.ndarray, " times"]:
    """Whether so many samples are active where the gap closes that the law of the matrix is known."""
    return closing_balances(at, times) >= float(_participation_balance(_MOST))
