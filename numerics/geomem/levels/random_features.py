"""Level random_features: a trained network of random features in place of the score that memorizes perfectly.

Equations: `geomem_theory`, chapter `random_features`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geomem.core.kinds import concrete_array
from geomem.core.status import InputError
from geomem.laws.setting import Setting
from geomem.levels.activations import Activation, check_activation
from geomem.levels.feature_networks import compiled, constants_of, network_of, refuse_both
from geomem.levels.feature_response import log_ratio_along
from geomem.levels.level import Implicit, register_kind
from geomem.levels.rem import REM_LEVEL

# Pairs of a noise variance and a size that are asked at once: a single shape is compiled.
_PAIRS = 128


@register_kind
@dataclass(frozen=True)
class RandomFeatures(Implicit):
    """A network of random features as a level: give it as `theory` where a level's name goes.

    Arguments as for `random_features`, one number each; the number of samples is asked of it. Its criteria are
    `signal_to_noise`, R_v = 1 along v, and at a training time tau `memorization`, d R_v/d tau = 0: of more samples the
    network is still learning the direction then, of fewer it already memorizes it. R_v is an average over fresh points,
    so that the probe's place does not matter.

    Raises:
        InputError: as `random_features`.
    """

    width: float | int
    ridge: float | int | None = None
    training_time: float | int | None = None
    activation: Activation = "tanh"

    name = "random_features"
    criteria = ("signal_to_noise", "memorization")
    needs = "one_gaussian"
    instead: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            one: f"has no {one}: a network has no Gibbs weights; use criterion 'signal_to_noise'"
            for one in ("condensation", "participation")
        }
    )
    leading = REM_LEVEL
    supported = (1e-6, 1e2)
    sizes_share = False

    def __post_init__(self) -> None:
        refuse_both(self.ridge, self.training_time)
        check_activation(self.activation)
        for name, least in (("width", 1.0), ("ridge", 0.0), ("training_time", 0.0)):
            value = getattr(self, name)
            if value is not None:
                number = concrete_array(value, name)
                if number.ndim or not least <= number < math.inf or (name == "training_time" and number == 0):
                    more = "positive" if name == "training_time" else f"at least {least:g}"
                    raise InputError(f"{name} is {value!r}; it must be one finite number, {more}")

    def check_criterion(self, criterion: str) -> None:
        super().check_criterion(criterion)
        if criterion == "memorization" and self.training_time is None:
            raise InputError("criterion 'memorization' is about a network in training; give it a training time")

    def record(self) -> dict[str, object]:
        activation = self.activation if isinstance(self.activation, str) else repr(self.activation)
        numbers = {"width": self.width, "ridge": self.ridge, "training_time": self.training_time}
        return super().record() | numbers | {"activation": activation}

    def balance(
        self, criterion: str, at: Setting, time: Float[Array, ""], log_sizes: Float[Array, " sizes"]
    ) -> Float[Array, " sizes"]:
        spectrum, in_time = (at.variances, at.multiplicities), self.training_time is not None
        kind = constants_of(self.activation, spectrum, time)

        def log_ratio(log_size: Array) -> Array:
            numbers = (time, jnp.exp(log_size), jnp.asarray(float(self.width)))
            network = network_of(spectrum, kind, *numbers)
            amount = jnp.asarray(float(self.training_time or self.ridge or 0.0))

            def after(amount: Array) -> Array:
                return log_ratio_along(network, at.probed_variance, time, amount, in_time=in_time)

            # d ln R/d ln tau
            return jax.jvp(after, (amount,), (amount,))[1] if criterion == "memorization" else after(amount)

        return jax.lax.map(log_ratio, log_sizes) if in_time else jax.vmap(log_ratio)(log_sizes)

    def balances(
        self,
        criterion: str,
        at: Setting,
        times: Float[np.ndarray, " times"],
        log_sizes: Float[np.ndarray, " sizes"] | Float[np.ndarray, "times sizes"],
    ) -> Float[np.ndarray, "times sizes"]:
        return self._at_pairs(partial(compiled(_table, self, criterion), at), times, log_sizes)

    def balances_with_slopes(
        self,
        criterion: str,
        at: Setting,
        tangents: Setting,
        times: Float[np.ndarray, " times"],
        log_sizes: Float[np.ndarray, " sizes"] | Float[np.ndarray, "times sizes"],
    ) -> tuple[Float[np.ndarray, "times sizes"], Float[np.ndarray, "slopes times sizes"]]:
        rows = self._at_pairs(partial(compiled(_table_with_slopes, self, criterion), at, tangents), times, log_sizes)
        return rows[..., 0], np.moveaxis(rows[..., 1:], -1, 0)

    def _at_pairs(
        self,
        table: Callable[..., Array],
        times: Float[np.ndarray, " times"],
        log_sizes: Float[np.ndarray, "..."],
    ) -> Float[np.ndarray, "times sizes *numbers"]:
        """A table's rows at all pairs of a noise variance and a size, in parts of one shape."""
        rows = np.broadcast_to(log_sizes, (len(times), np.shape(log_sizes)[-1]))
        pairs = np.stack([np.repeat(times, rows.shape[1]), rows.ravel()], axis=1)
        found = []
        for first in range(0, len(pairs), _PAIRS):
            part = pairs[first : first + _PAIRS]
            found.append(np.asarray(table(np.pad(part, [(0, _PAIRS - len(part)), (0, 0)], "edge"), len(part))))
        joined = np.concatenate(found)[: len(pairs)]
        return joined.reshape(*rows.shape, *joined.shape[1:])


def _table(
    level: RandomFeatures, criterion: str, at: Setting, pairs: Float[Array, "pairs 2"], count: Int[Array, ""] | int
) -> Float[Array, " pairs"]:
    """Balances of the first so many pairs."""
    return _for_each(level, lambda time, log_size: level.balance(criterion, at, time, log_size[None])[0], pairs, count)


def _table_with_slopes(
    level: RandomFeatures,
    criterion: str,
    at: Setting,
    tangents: Setting,
    pairs: Float[Array, "pairs 2"],
    count: Int[Array, ""] | int,
) -> Float[Array, "pairs numbers"]:
    """Balances and their slopes, in ln t and along the tangents, of the first so many pairs."""
    # ln t first, and then with ln t as it is the tangents.
    along = jax.tree.map(lambda leaf: jnp.concatenate([jnp.zeros_like(leaf[:1]), leaf]), tangents)
    in_time = jnp.zeros(len(along.probed_variance)).at[0].set(1.0)

    def of_pair(time: Array, log_size: Array) -> Array:
        def balance(log_time: Array, at: Setting) -> Array:
            return level.balance(criterion, at, jnp.exp(log_time), log_size[None])[0]

        place = (jnp.log(time), at)
        value, slopes = jax.vmap(lambda *tangent: jax.jvp(balance, place, tangent), out_axes=(None, 0))(in_time, along)
        return jnp.append(value, slopes)

    return _for_each(level, of_pair, pairs, count)


def _for_each(
    level: RandomFeatures,
    function: Callable[[Array, Array], Array],
    pairs: Float[Array, "pairs 2"],
    count: Int[Array, ""] | int,
) -> Float[Array, "..."]:
    """The function at the first so many pairs: what a training time costs is not spent on more."""
    if level.training_time is None:
        return jax.vmap(lambda pair: function(*pair))(pairs)
    shape = jax.eval_shape(function, *pairs[0]).shape
    nothing = jnp.full((len(pairs), *shape), jnp.nan)
    return jax.lax.fori_loop(0, count, lambda place, rows: rows.at[place].set(function(*pairs[place])), nothing)
