"""Noise schedules: the times of a model's own clock against the noise variance t of the theory.

A schedule noises a sample to a y + b omega, which is the variance-exploding process at
t = (b/a)^2 after a change of scale; the formulas are `geomem_theory`, chapter `schedules`. Times
that the theory gives as noise variances are converted by `time`, and a score measured on a
schedule is the theory's, at x/a and the same t, times `score_factor`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from reprlib import repr as shown
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from geomem.core.arguments import Numbers, is_whole, positive_noise_variances, refuse_unless
from geomem.core.kinds import concrete_array
from geomem.core.status import InputError
from geomem.lowering import lower
from geomem_theory.clocks import SCHEDULES

_MOST_STEPS = 1_000_000  # a thousand times as many as models are trained with
_Function = Callable[..., np.ndarray]


def batched(function: Callable[..., jax.Array]) -> _Function:
    """A function lowered from the theory, of arrays of any shape for the first of its arguments."""

    def evaluate(values: np.ndarray, *parameters: float) -> np.ndarray:
        one = partial(_of_first, function, parameters)
        return np.asarray(jax.vmap(one)(jnp.asarray(values.ravel()))).reshape(values.shape)

    return evaluate


def _of_first(function: Callable[..., jax.Array], parameters: tuple[float, ...], value: jax.Array) -> jax.Array:
    return function(value, *parameters)


class _Formulas(NamedTuple):
    """The equations of `ScheduleEquations`, lowered."""

    scale: _Function
    noise_variance: _Function
    time: _Function


FORMULAS = {
    name: _Formulas(*(batched(lower(equation.name)) for equation in (one.scale, one.noise_variance, one.time)))
    for name, one in SCHEDULES.items()
}
_score_factor = batched(lower("score_factor"))
_jacobian_factor = batched(lower("jacobian_factor"))


@dataclass(frozen=True, eq=False)
class Schedule:
    """A noise schedule on a clock of its own, here a continuous one.

    All methods take numbers or arrays of any shape and give float64 arrays of that shape.
    Times are on the schedule's clock; noise variances t are variance-exploding ones, in
    squared units of the data.
    """

    _end: ClassVar[float] = math.inf

    @property
    def _kind(self) -> str:
        """Its name in the theory."""
        raise NotImplementedError

    @property
    def _parameters(self) -> tuple[float, ...]:
        """What its equations take beside the time."""
        return ()

    @property
    def _unit(self) -> float | int:
        """How many units of the schedule's clock are one of the theory's."""
        return 1

    @property
    def has_steps(self) -> bool:
        """Whether the clock counts steps."""
        return False

    def noise_variance(self, time: Numbers) -> Float[np.ndarray, "..."]:
        """The noise variance t = (b/a)^2 at a time.

        Raises:
            InputError: for a time that is not on the schedule, or whose t is beyond float64.
        """
        return FORMULAS[self._kind].noise_variance(self._checked(time), *self._parameters)

    def time(self, noise_variance: Numbers) -> Float[np.ndarray, "..."]:
        """The time at a noise variance: the inverse of `noise_variance`.

        Raises:
            InputError: for a noise variance that is not positive and finite, or not on the schedule.
        """
        clocks = FORMULAS[self._kind].time(positive_noise_variances(noise_variance), *self._parameters)
        return np.asarray(self._unit * clocks)

    def step(self, noise_variance: Numbers) -> Int[np.ndarray, "..."]:
        """The step nearest to a noise variance.

        Raises:
            InputError: if the schedule has no steps, or as `time`.
        """
        raise InputError("the clock of this schedule has no steps")

    def reaches(self, noise_variance: Numbers) -> Bool[np.ndarray, "..."]:
        """Whether there is a time at a noise variance; there is none if that is NaN, infinite or not positive."""
        variances = concrete_array(noise_variance, "noise variance")
        return np.asarray(np.isfinite(variances) & (variances > 0))

    def score_factor(self, time: Numbers) -> Float[np.ndarray, "..."]:
        """The factor 1/a in score(x; time) = (1/a) score_VE(x/a; t).

        Raises:
            InputError: as `noise_variance`.
        """
        return _score_factor(self._scale(time))

    def jacobian_factor(self, time: Numbers) -> Float[np.ndarray, "..."]:
        """The factor 1/a^2 of the Jacobians of the two scores.

        Raises:
            InputError: as `noise_variance`.
        """
        return _jacobian_factor(self._scale(time))

    def traced_clock(self, noise_variance: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Time and scale a at one noise variance, traceable by JAX; NaN where the schedule has no such time."""
        equations = SCHEDULES[self._kind]
        clock = lower(equations.time.name)(noise_variance, *self._parameters)
        return self._unit * clock, lower(equations.scale.name)(clock, *self._parameters)

    def _scale(self, time: Numbers) -> np.ndarray:
        return FORMULAS[self._kind].scale(self._checked(time), *self._parameters)

    def _checked(self, time: Numbers) -> np.ndarray:
        """Times on the theory's clock."""
        times = concrete_array(time, "time")
        inside = (times > 0) & (times < self._end * self._unit)
        refuse_unless(times, inside, "time", f"the schedule has times between 0 and {self._end * self._unit:g}")
        clocks = np.asarray(times / self._unit)
        variances = FORMULAS[self._kind].noise_variance(clocks, *self._parameters)
        refuse_unless(times, (variances > 0) & np.isfinite(variances), "time", "its noise variance is beyond float64")
        return clocks


@dataclass(frozen=True)
class VarianceExploding(Schedule):
    """x = y + sqrt(t) omega, on the clock of t itself or of sigma = sqrt(t), as EDM (arXiv:2206.00364).

    Raises:
        InputError: if there is no such clock.
    """

    clock: str = "noise_variance"

    def __post_init__(self) -> None:
        if self.clock not in ("noise_variance", "sigma"):
            raise InputError(f"there is no clock {self.clock!r}; choose noise_variance or sigma")

    @property
    def _kind(self) -> str:
        return "sigma" if self.clock == "sigma" else "variance_exploding"


@dataclass(frozen=True)
class OrnsteinUhlenbeck(Schedule):
    """dx = -x dtau + sqrt(2) dW: a = e^-tau, b^2 = 1 - e^-2tau (arXiv:2402.18491)."""

    @property
    def _kind(self) -> str:
        return "ornstein_uhlenbeck"


@dataclass(frozen=True)
class FlowMatching(Schedule):
    """x = (1 - tau) y + tau omega, from data at tau = 0 to noise at tau = 1 (arXiv:2210.02747).

    The clock is tau, which diffusers calls sigma; or with `num_steps`, its num_train_timesteps, their timesteps:
    so many times tau, steps being 1, 2, ..., num_steps. A clock `from_noise` is 1 - tau and falls with the noise, as
    that of Mochi, whose configuration says invert_sigmas; its steps are 0, 1, ..., num_steps - 1.

    Raises:
        InputError: if the number of steps is not a whole number from 2 to 1000000.
    """

    num_steps: int | None = None
    from_noise: bool = False
    _end: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.num_steps is not None:
            checked_steps(self.num_steps)

    @property
    def _kind(self) -> str:
        return "flow_from_noise" if self.from_noise else "flow_matching"

    @property
    def _unit(self) -> float | int:
        return self.num_steps or 1

    @property
    def has_steps(self) -> bool:
        return self.num_steps is not None

    def step(self, noise_variance: Numbers) -> Int[np.ndarray, "..."]:
        """The step nearest to a noise variance in tau.

        Raises:
            InputError: without a number of steps, or as `time`.
        """
        if self.num_steps is None:
            return super().step(noise_variance)
        first = 0 if self.from_noise else 1
        nearest = np.rint(self.time(noise_variance)).astype(int)
        return np.asarray(np.clip(nearest, first, self.num_steps - 1 + first))


def checked_steps(num_steps: int | np.integer) -> int:
    """The number of steps.

    Raises:
        InputError: if it is not a whole number from 2 to 1000000.
    """
    if not is_whole(num_steps) or not 2 <= num_steps <= _MOST_STEPS:
        raise InputError(
            f"the number of steps is {shown(num_steps)}; it must be a whole number from 2 to {_MOST_STEPS}"
        )
    return int(num_steps)
