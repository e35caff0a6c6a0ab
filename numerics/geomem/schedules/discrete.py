"""Schedules of steps: variance-preserving, by the alphabar of every step."""

import math
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import expit

from geomem.core.arguments import Numbers, float_array, positive_noise_variances, refuse_unless
from geomem.core.kinds import concrete_array
from geomem.core.status import InputError
from geomem.lowering import lower
from geomem.schedules.continuous import FORMULAS, Schedule, batched, checked_steps

# The offset of the cosine schedule and the largest beta it is cut at (arXiv:2102.09672, section 3.2).
_COSINE_OFFSET = 0.008
_LARGEST_BETA = 0.999
# The rate and the offset that diffusers has for its schedules exp and laplace.
_RATE = 12.0
_TAIL_OFFSET = 1e-6
# Positions between steps are differences of logarithms: known to rounding, also at the ends.
_ROUNDING = 1e-9
_cosine = batched(lower("cosine_alphabar"))
_exponential = batched(lower("exponential_alphabar"))
_log_ratio = batched(lower("laplace_log_ratio"))
_laplace = batched(lower("laplace_alphabar"))
_shifted = batched(lower("shifted_alphabar"))
_zero_terminal = batched(lower("zero_terminal_alphabar"))


@dataclass(frozen=True, init=False, eq=False)
class Discrete(Schedule):
    """A variance-preserving schedule of steps 0, 1, ..., a = sqrt(alphabar) (DDPM, arXiv:2006.11239).

    `alphabar` has shape (steps,), the `alphas_cumprod` of diffusers but in float64; its
    clock is the step. Between steps ln t is interpolated linearly. The last of three steps or more may be
    pure noise, alphabar 0 and t infinite (arXiv:2305.08891): no time is between it and the step before.

    Raises:
        InputError: for fewer than two steps, or an alphabar that is not between 0 and 1 or does not fall.
    """

    alphabar: Float[np.ndarray, " steps"]

    def __init__(self, alphabar: Numbers) -> None:
        values = concrete_array(alphabar, "alphabar").copy()
        pure = values.ndim == 1 and len(values) > 2 and values[-1] == 0
        _refuse_steps(values[:-1] if pure else values, "alphabar")
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
        values = concrete_array(betas, "betas")
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
        return cls.from_betas(np.linspace(*_ends(beta_start, beta_end), checked_steps(num_steps)))

    @classmethod
    def scaled_linear(
        cls, beta_start: float | int = 1e-4, beta_end: float | int = 2e-2, num_steps: int | np.integer = 1000
    ) -> "Discrete":
        """Betas whose square roots are on a line.

        Raises:
            InputError: as `linear`.
        """
        roots = np.sqrt(_ends(beta_start, beta_end))
        return cls.from_betas(np.linspace(*roots, checked_steps(num_steps)) ** 2)

    @classmethod
    def sigmoid(
        cls, beta_start: float | int = 1e-4, beta_end: float | int = 2e-2, num_steps: int | np.integer = 1000
    ) -> "Discrete":
        """Betas on the logistic function between -6 and 6 (arXiv:2203.02923, as diffusers has it).

        Raises:
            InputError: as `linear`.
        """
        start, end = _ends(beta_start, beta_end)
        return cls.from_betas(start + (end - start) * expit(np.linspace(-6, 6, checked_steps(num_steps))))

    @classmethod
    def cosine(cls, num_steps: int | np.integer = 1000) -> "Discrete":
        """Betas of the squared cosine, cut at 0.999 (arXiv:2102.09672; `squaredcos_cap_v2` of diffusers).

        Raises:
            InputError: if the number of steps is not a whole number from 2 to 1000000.
        """
        return cls._cut(_cosine(_fractions(num_steps), _COSINE_OFFSET))

    @classmethod
    def exponential(cls, num_steps: int | np.integer = 1000) -> "Discrete":
        """Steps that all keep the same share, e^-12 of alphabar in the end (`exp` of diffusers).

        Raises:
            InputError: as `cosine`.
        """
        return cls._cut(_exponential(_fractions(num_steps), _RATE))

    @classmethod
    def laplace(cls, num_steps: int | np.integer = 1000) -> "Discrete":
        """Steps that have the ratios of a Laplace law (arXiv:2407.03297, as diffusers has it).

        Raises:
            InputError: as `cosine`.
        """
        fractions = _fractions(num_steps)
        log_ratios = _log_ratio(np.minimum(fractions, 1 - fractions), _TAIL_OFFSET)
        return cls._cut(_laplace(np.where(fractions > 0.5, -log_ratios, log_ratios)))

    @classmethod
    def _cut(cls, kept: np.ndarray) -> "Discrete":
        """Of alphabar before the first step and after every one, shape (steps + 1,), no beta being above 0.999."""
        return cls.from_betas(np.minimum(1 - kept[1:] / kept[:-1], _LARGEST_BETA))

    def shifted(self, factor: float | int) -> "Discrete":
        """The schedule with so many times the noise variance at every step (`snr_shift_scale` of CogVideoX).

        Raises:
            InputError: if the factor is not positive and finite.
        """
        if not 0 < factor < math.inf:
            raise InputError(f"the factor of the noise variances is {factor:g}; it must be positive and finite")
        return Discrete(_shifted(self.alphabar, float(factor)))

    def to_pure_noise(self) -> "Discrete":
        """The schedule with its scales moved on a line so that the last is 0 (arXiv:2305.08891, algorithm 1)."""
        first, last = self.alphabar[[0, -1]].tolist()
        return Discrete(_zero_terminal(self.alphabar, first, last))

    @property
    def num_steps(self) -> int:
        return len(self.alphabar)

    @property
    def num_noisy(self) -> int:
        """How many steps have a finite noise variance: all, or all but the last."""
        return self.num_steps - int(self.alphabar[-1] == 0)

    @property
    def has_steps(self) -> bool:
        return True

    @property
    def _kind(self) -> str:
        return "variance_preserving"

    @cached_property
    def _log_variances(self) -> np.ndarray:
        return np.log(FORMULAS[self._kind].noise_variance(self.alphabar))

    @property
    def _finite(self) -> np.ndarray:
        """ln t of the steps where it is finite."""
        return self._log_variances[: self.num_noisy]

    def noise_variance(self, time: Numbers) -> Float[np.ndarray, "..."]:
        """The noise variance (1 - alphabar)/alphabar at a step, which need not be whole; infinite at pure noise.

        Raises:
            InputError: for a step before the first or after the last, or between pure noise and the step before it.
        """
        steps = concrete_array(time, "step")
        last, noisy = self.num_steps - 1, self.num_noisy - 1
        refuse_unless(steps, (steps >= 0) & (steps <= last), "step", f"the schedule has steps 0 to {last}")
        between = f"nothing is between step {noisy} and pure noise, step {last}"
        refuse_unless(steps, (steps <= noisy) | (steps == last), "step", between)
        variances = np.exp(np.interp(steps, np.arange(self.num_noisy), self._finite))
        return np.asarray(np.where(steps > noisy, np.inf, variances))

    def time(self, noise_variance: Numbers) -> Float[np.ndarray, "..."]:
        """The step, in general not whole, at a noise variance: the inverse of `noise_variance`.

        Raises:
            InputError: for a noise variance outside those of the steps.
        """
        return np.asarray(np.clip(self._checked_positions(noise_variance, _ROUNDING), 0, self.num_noisy - 1))

    def reaches(self, noise_variance: Numbers) -> Bool[np.ndarray, "..."]:
        """Whether a noise variance is between those of the first and the last step that is not pure noise."""
        positive = super().reaches(noise_variance)
        positions = self._positions(np.where(positive, float_array(noise_variance, "noise variance"), 1.0))
        return np.asarray(positive & self._near(positions, _ROUNDING))

    def step(self, noise_variance: Numbers) -> Int[np.ndarray, "..."]:
        """The step nearest to a noise variance in ln t.

        Raises:
            InputError: for a noise variance more than half a step outside those of the steps.
        """
        nearest = np.rint(self._checked_positions(noise_variance, 0.5)).astype(int)
        return np.asarray(np.clip(nearest, 0, self.num_noisy - 1))

    def _checked_positions(self, noise_variance: Numbers, margin: float) -> np.ndarray:
        variances = positive_noise_variances(noise_variance)
        steps = self._positions(variances)
        low, high = np.exp(self._finite[[0, -1]])
        refuse_unless(variances, self._near(steps, margin), "noise variance", f"the steps have {low:g} to {high:g}")
        return steps

    def _positions(self, variances: np.ndarray) -> np.ndarray:
        """Steps at noise variances, with ln t continued in a straight line by one step at either end."""
        inner = self._finite
        ln_t = np.concatenate([[2 * inner[0] - inner[1]], inner, [2 * inner[-1] - inner[-2]]])
        return np.asarray(np.interp(np.log(variances), ln_t, np.arange(-1, self.num_noisy + 1)))

    def _near(self, positions: np.ndarray, margin: float) -> np.ndarray:
        return np.asarray((positions >= -margin) & (positions <= self.num_noisy - 1 + margin))

    def traced_clock(self, noise_variance: jax.Array) -> tuple[jax.Array, jax.Array]:
        _, scale = super().traced_clock(noise_variance)
        steps = jnp.arange(self.num_noisy, dtype=float)
        step = jnp.interp(jnp.log(noise_variance), jnp.asarray(self._finite), steps, left=jnp.nan, right=jnp.nan)
        return step, scale

    def _scale(self, time: Numbers) -> np.ndarray:
        formulas = FORMULAS[self._kind]
        return formulas.scale(formulas.time(self.noise_variance(time)))


def _fractions(num_steps: int | np.integer) -> np.ndarray:
    """Before the first step and after every one, shape (steps + 1,)."""
    return np.arange(checked_steps(num_steps) + 1) / num_steps


def _ends(beta_start: float | int, beta_end: float | int) -> np.ndarray:
    """The first and the last beta, known to be between 0 and 1, also where no step is next to them."""
    ends = concrete_array([beta_start, beta_end], "beta_start and beta_end")
    _refuse_steps(ends, "beta")
    return ends


def _refuse_steps(values: np.ndarray, name: str) -> None:
    if values.ndim != 1 or len(values) < 2:
        raise InputError(f"{name} has shape {values.shape}; it must be a list of one number per step, at least two")
    refuse_unless(values, (values > 0) & (values < 1), name, "it must be between 0 and 1")
