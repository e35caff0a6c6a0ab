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
from geomem.levels.level import Implicit
from geomem.levels.quenched import padded
from geomem.levels.spectrum_profile import FEWEST_ACTIVE
from geomem.lowering import lower

_participation_balance = lower("participation_balance")
_NONE_LEFT = 0.5  # participation at which no gap is left


def balances(
    level: Implicit, at: Setting, times: Float[np.ndarray, " times"], log_sizes: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "times sizes"]:
    """How far the level's participation is from that of the closing, in logarithms."""
    return level.balances("participation", _at_mean(at), times, log_sizes) - _closing_balances(at, times)[:, None]


def balance(
    level: Implicit, at: Setting, time: Float[Array, ""], log_sizes: Float[Array, " sizes"]
) -> Float[Array, " sizes"]:
    """The same at one noise variance, traceable by JAX."""
    return level.balance("participation", _at_mean(at), time, log_sizes) - _closing_balance(at, time)


def balances_with_slopes(
    level: Implicit,
    at: Setting,
    tangents: Setting,
    times: Float[np.ndarray, " times"],
    log_sizes: Float[np.ndarray, "..."],
) -> tuple[Float[np.ndarray, "times sizes"], Float[np.ndarray, "slopes times sizes"]]:
    """The same with its derivatives, in ln t and along tangents to the setting, stacked on a leading axis."""
    places = (_at_mean(at), _at_mean(tangents))
    values, slopes = level.balances_with_slopes("participation", *places, times, log_sizes)
    closing = _closing_balances(at, times)
    of_closing = np.asarray(_slopes(padded(at), padded(tangents), filled(times, TIMES)))[:, : len(times)]
    return values - closing[:, None], slopes - of_closing[:, :, None]


def exist(at: Setting) -> bool:
    """Whether there is a gap that can be lost."""
    return bool(np.isfinite(_closing_balances(at, np.array([float(at.largest_variance)])))[0])


def hold(at: Setting, times: Float[np.ndarray, " times"]) -> Bool[np.ndarray, " times"]:
    """Whether so many samples are active where the gap closes that the law of the matrix is known."""
    return _closing_balances(at, times) >= float(_participation_balance(1.0 / FEWEST_ACTIVE))


def _at_mean(at: Setting) -> Setting:
    """The same direction seen from the mean of the data, where spectra are measured; of tangents, that of it."""
    return replace(at, probe=jax.tree.map(jnp.zeros_like, at.probe))


def _closing_balance(at: Setting, time: Float[Array, ""]) -> Float[Array, ""]:
    """The balance of the participation where the gap closes: -ln(2 kappa), minus infinity if no gap is to be lost."""
    found = gap_participation(at, time)
    return _participation_balance(jnp.where(jnp.isinf(found), found, jnp.minimum(found, _NONE_LEFT)))


def _closing_balances(at: Setting, times: Float[np.ndarray, " times"]) -> Float[np.ndarray, " times"]:
    return np.asarray(_balances(padded(at), filled(times, TIMES)))[: len(times)]


@jax.jit
def _balances(at: Setting, times: Float[Array, " times"]) -> Float[Array, " times"]:
    return jax.vmap(partial(_closing_balance, at))(times)


@jax.jit
def _slopes(at: Setting, tangents: Setting, times: Float[Array, " times"]) -> Float[Array, "slopes times"]:

    def at_time(time: Array) -> Array:
        of_time = jax.jvp(partial(_closing_balance, at), (time,), (time,))[1]
        along = jax.vmap(lambda tangent: jax.jvp(lambda one: _closing_balance(one, time), (at,), (tangent,))[1])
        return jnp.concatenate([of_time[None], along(tangents)])

    return jax.vmap(at_time, out_axes=1)(times)
