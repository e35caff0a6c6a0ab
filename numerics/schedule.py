"""Noise schedules: the times of a model's own clock against the noise variance t of the theory.

A schedule noises a sample to a y + b omega, which is the variance-exploding process at
t = (b/a)^2 after a change of scale; the formulas are `theory`, chapter `schedules`. Times
that the theory gives as noise variances are converted by `time`, and a score measured on a
schedule is the theory's, at x/a and the same t, times `score_factor`.
"""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from reprlib import repr as shown  # what a file holds may be long
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit

from numerics.critical import positive_noise_variances
from numerics.lowering import lower
from numerics.manifold import float_array
from numerics.solution import Numbers
from numerics.status import InputError
from theory.schedules import SCHEDULES
from theory.symbols import cosine_offset, scale, t, tau

# The offset of the cosine schedule and the largest beta it is cut at (arXiv:2102.09672, section 3.2).
_COSINE_OFFSET = 0.008
_LARGEST_BETA = 0.999

_MOST_STEPS = 1_000_000

# Positions between steps are differences of logarithms: known to rounding, also at the ends.
_ROUNDING = 1e-9

_Function = Callable[[np.ndarray], np.ndarray]


def _batched(function: Callable[..., jax.Array]) -> _Function:
    """A function of one number, lowered from the theory, for arrays of any shape."""

    def evaluate(values: np.ndarray) -> np.ndarray:
        return np.asarray(jax.vmap(function)(jnp.asarray(values.ravel()))).reshape(values.shape)

    return evaluate


class _Clock(NamedTuple):
    """The equations of `ScheduleEquations`, lowered."""

    scale: _Function
    noise_variance: _Function
    time: _Function


_CLOCKS = {
    name: _Clock(
        _batched(lower(one.scale.name, (one.clock,))),
        _batched(lower(one.noise_variance.name, (one.clock,))),
        _batched(lower(one.time.name, (t,))),
    )
    for name, one in SCHEDULES.items()
}
_score_factor = _batched(lower("score_factor", (scale,)))
_jacobian_factor = _batched(lower("jacobian_factor", (scale,)))
_cosine = lower("cosine_alphabar", (tau, cosine_offset))


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
        raise NotImplementedError

    @property
    def _unit(self) -> int:
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
        return _CLOCKS[self._kind].noise_variance(self._checked(time))

    def time(self, noise_variance: Numbers) -> Float[np.ndarray, "..."]:
        """The time at a noise variance: the inverse of `noise_variance`.

        Raises:
            InputError: for a noise variance that is not positive and finite, or not on the schedule.
        """
        return np.asarray(self._unit * _CLOCKS[self._kind].time(positive_noise_variances(noise_variance)))

    def step(self, noise_variance: Numbers) -> Int[np.ndarray, "..."]:
        """The step nearest to a noise variance.

        Raises:
            InputError: if the schedule has no steps, or as `time`.
        """
        raise InputError("the clock of this schedule has no steps")

    def reaches(self, noise_variance: Numbers) -> Bool[np.ndarray, "..."]:
        """Whether there is a time at a noise variance; there is none if that is NaN, infinite or not positive."""
        variances = np.asarray(float_array(noise_variance, "noise variance"))
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

    def _scale(self, time: Numbers) -> np.ndarray:
        return _CLOCKS[self._kind].scale(self._checked(time))

    def _checked(self, time: Numbers) -> np.ndarray:
        """Times on the theory's clock."""
        times = np.asarray(float_array(time, "time"))
        inside = (times > 0) & (times < self._end * self._unit)
        _refuse(times, inside, "time", f"the schedule has times between 0 and {self._end * self._unit:g}")
        clocks = np.asarray(times / self._unit)
        variances = _CLOCKS[self._kind].noise_variance(clocks)
        _refuse(times, (variances > 0) & np.isfinite(variances), "time", "its noise variance is beyond float64")
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
    so many times tau, steps being 1, 2, ..., num_steps.

    Raises:
        InputError: if the number of steps is not a whole number from 2 to 1000000.
    """

    num_steps: int | None = None
    _end: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        if self.num_steps is not None:
            _checked_steps(self.num_steps)

    @property
    def _kind(self) -> str:
        return "flow_matching"

    @property
    def _unit(self) -> int:
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
        return np.asarray(np.clip(np.rint(self.time(noise_variance)).astype(int), 1, self.num_steps))


@dataclass(frozen=True, init=False, eq=False)
class Discrete(Schedule):
    """A variance-preserving schedule of steps 0, 1, ..., a = sqrt(alphabar) (DDPM, arXiv:2006.11239).

    `alphabar` has shape (steps,), the `alphas_cumprod` of diffusers but in float64; its
    clock is the step. Between steps ln t is interpolated linearly.

    Raises:
        InputError: for fewer than two steps, or an alphabar that is not between 0 and 1 or does not fall.
    """

    alphabar: Float[np.ndarray, " steps"]

    def __init__(self, alphabar: Numbers) -> None:
        values = np.array(float_array(alphabar, "alphabar"))
        _refuse_steps(values, "alphabar")
        values.setflags(write=False)
        object.__setattr__(self, "alphabar", values)
        stuck = np.flatnonzero(~(np.diff(self._log_variances) > 0))
        if len(stuck):
            raise InputError(f"the noise does not grow from step {stuck[0]} to {stuck[0] + 1}; alphabar must fall")

    @classmethod
    def from_betas(cls, betas: Numbers) -> "Discrete":
        """Of the variances beta that the steps add, shape (steps,): alphabar is the product of 1 - beta.

        Raises:
            InputError: for fewer than two betas, or one that is not between 0 and 1.
        """
        values = np.asarray(float_array(betas, "betas"))
        _refuse_steps(values, "beta")
        return cls(np.cumprod(1 - values))

    @classmethod
    def linear(
        cls, beta_start: float | int = 1e-4, beta_end: float | int = 2e-2, num_steps: int | np.integer = 1000
    ) -> "Discrete":
        """Betas on a line, by default those of DDPM.

        Raises:
            InputError: as `from_betas`, or if the number of steps is not a whole number from 2 to 1000000.
        """
        return cls.from_betas(np.linspace(*_ends(beta_start, beta_end), _checked_steps(num_steps)))

    @classmethod
    def scaled_linear(
        cls, beta_start: float | int = 1e-4, beta_end: float | int = 2e-2, num_steps: int | np.integer = 1000
    ) -> "Discrete":
        """Betas whose square roots are on a line.

        Raises:
            InputError: as `linear`.
        """
        roots = np.sqrt(_ends(beta_start, beta_end))
        return cls.from_betas(np.linspace(*roots, _checked_steps(num_steps)) ** 2)

    @classmethod
    def sigmoid(
        cls, beta_start: float | int = 1e-4, beta_end: float | int = 2e-2, num_steps: int | np.integer = 1000
    ) -> "Discrete":
        """Betas on the logistic function between -6 and 6 (arXiv:2203.02923, as diffusers has it).

        Raises:
            InputError: as `linear`.
        """
        start, end = _ends(beta_start, beta_end)
        return cls.from_betas(start + (end - start) * expit(np.linspace(-6, 6, _checked_steps(num_steps))))

    @classmethod
    def cosine(cls, num_steps: int | np.integer = 1000) -> "Discrete":
        """Betas of the squared cosine, cut at 0.999 (arXiv:2102.09672; `squaredcos_cap_v2` of diffusers).

        Raises:
            InputError: if the number of steps is not a whole number from 2 to 1000000.
        """
        fractions = np.arange(_checked_steps(num_steps) + 1) / num_steps
        values = _batched(lambda fraction: _cosine(fraction, _COSINE_OFFSET))(fractions)
        return cls.from_betas(np.minimum(1 - values[1:] / values[:-1], _LARGEST_BETA))

    @property
    def num_steps(self) -> int:
        return len(self.alphabar)

    @property
    def has_steps(self) -> bool:
        return True

    @property
    def _kind(self) -> str:
        return "variance_preserving"

    @cached_property
    def _log_variances(self) -> np.ndarray:
        return np.log(_CLOCKS[self._kind].noise_variance(self.alphabar))

    def noise_variance(self, time: Numbers) -> Float[np.ndarray, "..."]:
        """The noise variance (1 - alphabar)/alphabar at a step, which need not be whole.

        Raises:
            InputError: for a step before the first or after the last.
        """
        steps = np.asarray(float_array(time, "step"))
        last = self.num_steps - 1
        _refuse(steps, (steps >= 0) & (steps <= last), "step", f"the schedule has steps 0 to {last}")
        return np.asarray(np.exp(np.interp(steps, np.arange(self.num_steps), self._log_variances)))

    def time(self, noise_variance: Numbers) -> Float[np.ndarray, "..."]:
        """The step, in general not whole, at a noise variance: the inverse of `noise_variance`.

        Raises:
            InputError: for a noise variance outside those of the steps.
        """
        return np.asarray(np.clip(self._checked_positions(noise_variance, _ROUNDING), 0, self.num_steps - 1))

    def reaches(self, noise_variance: Numbers) -> Bool[np.ndarray, "..."]:
        """Whether a noise variance is between those of the first and the last step."""
        positive = super().reaches(noise_variance)
        positions = self._positions(np.where(positive, float_array(noise_variance, "noise variance"), 1.0))
        return np.asarray(positive & self._near(positions, _ROUNDING))

    def step(self, noise_variance: Numbers) -> Int[np.ndarray, "..."]:
        """The step nearest to a noise variance in ln t.

        Raises:
            InputError: for a noise variance more than half a step outside those of the steps.
        """
        nearest = np.rint(self._checked_positions(noise_variance, 0.5)).astype(int)
        return np.asarray(np.clip(nearest, 0, self.num_steps - 1))

    def _checked_positions(self, noise_variance: Numbers, margin: float) -> np.ndarray:
        variances = positive_noise_variances(noise_variance)
        steps = self._positions(variances)
        low, high = np.exp(self._log_variances[[0, -1]])
        _refuse(variances, self._near(steps, margin), "noise variance", f"the steps have {low:g} to {high:g}")
        return steps

    def _positions(self, variances: np.ndarray) -> np.ndarray:
        """Steps at noise variances, with ln t continued in a straight line by one step at either end."""
        inner = self._log_variances
        ln_t = np.concatenate([[2 * inner[0] - inner[1]], inner, [2 * inner[-1] - inner[-2]]])
        return np.asarray(np.interp(np.log(variances), ln_t, np.arange(-1, self.num_steps + 1)))

    def _near(self, positions: np.ndarray, margin: float) -> np.ndarray:
        return np.asarray((positions >= -margin) & (positions <= self.num_steps - 1 + margin))

    def _scale(self, time: Numbers) -> np.ndarray:
        clock = _CLOCKS[self._kind]
        return clock.scale(clock.time(self.noise_variance(time)))


_NAMED: dict[str, Callable[[], Schedule]] = {
    "ve": VarianceExploding,
    "sigma": lambda: VarianceExploding("sigma"),
    "ou": OrnsteinUhlenbeck,
    "ddpm": Discrete.linear,
    "ddpm-cosine": Discrete.cosine,
    "flow": FlowMatching,
}


def schedule_of(name: str) -> Schedule:
    """A schedule by name (ve, sigma, ou, ddpm, ddpm-cosine or flow) or by a .json file of diffusers.

    Raises:
        InputError: if it is neither, or as `schedule_from_json`.
    """
    if name in _NAMED:
        return _NAMED[name]()
    if Path(name).suffix == ".json":
        return schedule_from_json(name)
    raise InputError(f"there is no schedule {name!r}; choose one of {', '.join(_NAMED)} or a .json file")


# The schedulers of diffusers that take their noise from betas. They differ in how they sample, not in the noise.
_WITH_BETAS = (
    "DDIMInverseScheduler",
    "DDIMParallelScheduler",
    "DDIMScheduler",
    "DDPMParallelScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepInverseScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "SASolverScheduler",
    "TCDScheduler",
    "UniPCMultistepScheduler",
)
_FLOWS = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", "FlowMatchLCMScheduler")
_EDMS = ("EDMDPMSolverMultistepScheduler", "EDMEulerScheduler")


def schedule_from_json(path: str | Path) -> Schedule:
    """The noise schedule of a `scheduler_config.json` as the diffusers library writes it.

    What only sets the grid of a sampler (Karras sigmas, shifts, spacings) does not change
    the noise at a time, and is passed over. Times are the configuration's timesteps where it
    has a number of them, also of a flow.

    Raises:
        InputError: if the file cannot be read as JSON, is of an unknown scheduler, lacks a
            key, or its noise does not grow.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"there is no schedule file {str(path)!r}")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        # Of numbers with thousands of digits Python says how it could be made to read them.
        reason = (
            "a number in it is too long" if "set_int_max_str_digits" in str(error) else " ".join(str(error).split())
        )
        raise InputError(f"{path} cannot be read as JSON: {reason}") from error
    try:
        return _from_config(config)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _from_config(config: object) -> Schedule:
    if not isinstance(config, dict):
        raise InputError("a scheduler's configuration is a JSON object with the key '_class_name'")
    kind = _entry(config, "_class_name", str)
    if kind in _EDMS:
        return VarianceExploding("sigma")
    if kind in _FLOWS or (kind in _WITH_BETAS and config.get("use_flow_sigmas")):
        return FlowMatching(_entry(config, "num_train_timesteps", int) if "num_train_timesteps" in config else None)
    if kind not in _WITH_BETAS:
        raise InputError(
            f"the scheduler {shown(kind)} is not known; known are {', '.join(_WITH_BETAS + _FLOWS + _EDMS)}"
        )
    if config.get("rescale_betas_zero_snr"):
        raise InputError("rescale_betas_zero_snr makes the last step pure noise, which has no finite noise variance")
    if config.get("trained_betas") is not None:
        betas = _entry(config, "trained_betas", list)
        for step, beta in enumerate(betas):
            _check_type(f"trained_betas {step}", beta, float)
        return Discrete.from_betas(betas)
    shape = _entry(config, "beta_schedule", str)
    num_steps = _entry(config, "num_train_timesteps", int)
    if shape == "squaredcos_cap_v2":
        return Discrete.cosine(num_steps)
    makers = {"linear": Discrete.linear, "scaled_linear": Discrete.scaled_linear, "sigmoid": Discrete.sigmoid}
    if shape not in makers:
        raise InputError(
            f"the beta_schedule {shown(shape)} is not known; known are {', '.join(makers)} and squaredcos_cap_v2"
        )
    return makers[shape](_entry(config, "beta_start", float), _entry(config, "beta_end", float), num_steps)


_KINDS: dict[type, str] = {str: "text", int: "a whole number", float: "a number", list: "a list"}


def _entry(config: dict[str, Any], key: str, kind: type) -> Any:  # noqa: ANN401 (JSON holds anything)
    if key not in config:
        raise InputError(f"the key {key!r} is missing")
    _check_type(key, config[key], kind)
    return config[key]


def _check_type(name: str, value: object, kind: type) -> None:
    # JSON does not tell 1 from 1.0, but true is no number, and a whole number may be beyond all others.
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise InputError(f"{name} is {shown(value)}; it must be {_KINDS[kind]}")
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        raise InputError(f"{name} is {shown(value)}; it must be a finite number")


def _ends(beta_start: float | int, beta_end: float | int) -> np.ndarray:
    """The first and the last beta, known to be between 0 and 1, also where no step is next to them."""
    ends = np.asarray(float_array([beta_start, beta_end], "beta_start and beta_end"))
    _refuse_steps(ends, "beta")
    return ends


def _checked_steps(num_steps: int | np.integer) -> int:
    if isinstance(num_steps, bool) or not isinstance(num_steps, (int, np.integer)) or not 2 <= num_steps <= _MOST_STEPS:
        raise InputError(
            f"the number of steps is {shown(num_steps)}; it must be a whole number from 2 to {_MOST_STEPS}"
        )
    return int(num_steps)


def _refuse_steps(values: np.ndarray, name: str) -> None:
    if values.ndim != 1 or len(values) < 2:
        raise InputError(f"{name} has shape {values.shape}; it must be a list of one number per step, at least two")
    _refuse(values, (values > 0) & (values < 1), name, "it must be between 0 and 1")


def _refuse(values: np.ndarray, allowed: np.ndarray | np.bool, name: str, requirement: str) -> None:
    """Name the first value that is not allowed."""
    if values.size == 0:
        raise InputError(f"{name} is empty; give at least one value")
    bad = np.flatnonzero(~np.atleast_1d(allowed).ravel())
    if len(bad):
        place = f"{name} {bad[0]}" if values.ndim else f"the {name}"
        raise InputError(f"{place} is {values.ravel()[bad[0]]:g}; {requirement}")
