"""Level rem: the random-energy model with the exact law of the energy, for many directions."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geomem.laws.law import Law
from geomem.laws.setting import Setting
from geomem.levels.gaps import gap_log_size
from geomem.levels.level import TILTS, Explicit, register
from geomem.lowering import lower

# The leading order of the signal-to-noise ratio and of gaps holds where the squared weights, of tilt 2, are liquid.
_VALID_TILT = 2.0
_asymptotic = lower("asymptotic_excess_entropy")


class REM(Explicit):
    """The random-energy model; its signal-to-noise ratio and its gaps are the leading order, valid for lambda_c > 2."""

    name = "rem"
    criteria = ("condensation", "participation", "signal_to_noise", "gap")
    needs = "generating_function"
    needs_of: ClassVar[Mapping[str, str]] = MappingProxyType({"gap": "gaps"})

    def log_size(self, criterion: str, at: Setting, time: Float[Array, ""]) -> Float[Array, ""]:
        if criterion in TILTS:
            return at.critical_log_size(TILTS[criterion], time)
        if criterion == "gap":
            return gap_log_size(at, time)
        return at.signal_to_noise_log_size(time)

    def balance(
        self, criterion: str, at: Setting, time: Float[Array, ""], log_size: Float[Array, ""]
    ) -> Float[Array, ""]:
        if criterion in TILTS:
            return at.entropy(log_size, TILTS[criterion], time)
        if criterion == "gap":
            return log_size - gap_log_size(at, time)
        return at.log_signal_to_noise(log_size, time)

    def valid(self, criterion: str, at: Setting, time: Float[Array, ""], log_size: Float[Array, ""]) -> Bool[Array, ""]:
        if criterion in TILTS:
            return jnp.array(True)
        return at.entropy(log_size, _VALID_TILT, time) >= 0

    def excess_entropy(
        self, law: Law, times: Float[np.ndarray, " times"], log_size: float
    ) -> tuple[Float[np.ndarray, " times"], Float[np.ndarray, " times"]]:
        limits = np.asarray(collapse_log_sizes(law, jnp.asarray(times)))
        dimension = float(law.dimension)
        value = np.array([max(0.0, float(_asymptotic(log_size, float(limit), dimension))) for limit in limits])
        return value, np.zeros(len(times))


REM_LEVEL = register(REM(), "asymptotic")


@jax.jit
def _collapse_log_sizes(law: Law, times: Float[Array, " times"]) -> Float[Array, " times"]:
    return jax.vmap(lambda time: law.typical_sizes(time).collapse)(times)


def collapse_log_sizes(law: Law, times: Float[Array, " times"]) -> Float[Array, " times"]:
    """The mutual information of a sample and its noised point at every noise variance, per dimension as ln N is.

    Raises:
        InputError: for a law of which it is not known.
    """
    law.require("typical_sizes", "the mutual information")
    return _collapse_log_sizes(law, times)
