"""Continuous schedules that are set by numbers, or end: what configurations of samplers say beside the kind."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from geomem.core.arguments import Numbers, positive_noise_variances, refuse_unless
from geomem.core.kinds import concrete_array
from geomem.core.status import InputError
from geomem.schedules.continuous import FORMULAS, Schedule

_ROUNDING = 1e-6  # how far beyond its ends a time is taken for them: as far as float32 rounds it


@dataclass(frozen=True)
class Trigonometric(Schedule):
    """x = cos(tau) y + noise sin(tau) omega, tau between 0 and pi/2, on a clock of so many units per radian.

    That of TrigFlow (arXiv:2410.11081), whose noise is as large as data of that standard deviation.

    Raises:
        InputError: if the noise or the unit is not positive and finite.
    """

    noise: float = 1.0
    unit: float = 1.0
    _end: ClassVar[float] = math.pi / 2

    def __post_init__(self) -> None:
        _refuse_parameters({"noise": self.noise, "unit": self.unit})

    @property
    def _kind(self) -> str:
        return "trigonometric"

    @property
    def _parameters(self) -> tuple[float, ...]:
        return (float(self.noise),)

    @property
    def _unit(self) -> float:
        return self.unit


@dataclass(frozen=True)
class Bounded(Schedule):
    """A schedule of the theory between two noise variances, on a clock of so many units per unit of the theory's.

    `name` is that in `geomem_theory.clocks.SCHEDULES`, whose clock must rise, and `parameters` is what its
    equations take beside the time. With `held`, the first and the last time, the noise variance stays what it is at
    its bounds at times up to there.

    Raises:
        InputError: if the noise variances do not rise from 0 or more to a finite one, or for a parameter or unit that
            is not positive and finite.
    """

    name: str
    lowest: float
    highest: float
    parameters: tuple[float, ...] = ()
    unit: float = 1.0
    held: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        named = {f"parameter {place}": value for place, value in enumerate(self.parameters)}
        _refuse_parameters({**named, "unit": self.unit})
        if not 0 <= self.lowest < self.highest < math.inf:
            raise InputError(f"the noise variances {self.lowest:g} and {self.highest:g} must rise and be finite")

    @property
    def _kind(self) -> str:
        return self.name

    @property
    def _parameters(self) -> tuple[float, ...]:
        return self.parameters

    @property
    def _unit(self) -> float:
        return self.unit

    def time(self, noise_variance: Numbers) -> Float[np.ndarray, "..."]:
        """The time at a noise variance: the inverse of `noise_variance`.

        Raises:
            InputError: for a noise variance that is not on the schedule.
        """
        variances = positive_noise_variances(noise_variance)
        requirement = f"the schedule has {self.lowest:g} to {self.highest:g}"
        refuse_unless(variances, self.reaches(variances), "noise variance", requirement)
        return np.asarray(np.clip(super().time(variances), *self._ends))

    def reaches(self, noise_variance: Numbers) -> Bool[np.ndarray, "..."]:
        """Whether a noise variance is between the bounds, which are known as well as float32 has them."""
        variances = concrete_array(noise_variance, "noise variance")
        inside = (variances >= self.lowest * (1 - _ROUNDING)) & (variances <= self.highest * (1 + _ROUNDING))
        return np.asarray(super().reaches(variances) & inside)

    def traced_clock(self, noise_variance: jax.Array) -> tuple[jax.Array, jax.Array]:
        time, scale = super().traced_clock(noise_variance)
        lowest, highest = self.lowest * (1 - _ROUNDING), self.highest * (1 + _ROUNDING)
        inside = (noise_variance >= lowest) & (noise_variance <= highest)
        return jnp.where(inside, jnp.clip(time, *self._ends), jnp.nan), scale

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """The times of the bounds, on the schedule's clock."""
        bounds = np.array([self.lowest, self.highest])
        first, last = (self._unit * FORMULAS[self._kind].time(bounds, *self._parameters)).tolist()
        return first, last

    def _checked(self, time: Numbers) -> np.ndarray:
        times = concrete_array(time, "time")
        first, last = self.held or self._ends
        margin = _ROUNDING * (last - first)
        inside = (times >= first - margin) & (times <= last + margin) & ((times > first) | (self.lowest > 0))
        refuse_unless(times, inside, "time", f"the schedule has times between {first:g} and {last:g}")
        return np.asarray(np.clip(times, *self._ends) / self._unit)


def _refuse_parameters(values: dict[str, float]) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise InputError(f"the {name} of the schedule is {value:g}; it must be positive and finite")
