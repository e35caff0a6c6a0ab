"""A direction of one Gaussian, whose answers are closed forms."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from geomem.core.pytrees import pytree
from geomem.laws.setting import Energy, Setting
from geomem.lowering import lower

_generating_function = lower("generating_function_probed")
_tilted_mean = lower("tilted_mean")
_tilted_variance = lower("tilted_variance")
_second_cumulant = lower("second_cumulant_probed")
_critical_log_size = lower("critical_log_size_probed")
_entropy = lower("entropy_probed")
_signal_to_noise_log_size = lower("signal_to_noise_log_size_probed")
_log_signal_to_noise = lower("log_signal_to_noise_probed")


@pytree
@dataclass(frozen=True)
class ManifoldSetting(Setting):
    """A direction of a Gaussian, whose answers are closed forms."""

    def generating_function(self, tilt: Float[Array, ""], time: Float[Array, ""]) -> Float[Array, ""]:
        return _generating_function(tilt, *self.energy(time))

    def tilted_moments(
        self, tilt: Float[Array, ""], time: Float[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        energy = self.energy(time)
        mean = _tilted_mean(tilt, time, self.probed_variance, energy.coordinate)
        return mean, _tilted_variance(tilt, time, self.probed_variance)

    def second_cumulant(self, time: Float[Array, ""]) -> Float[Array, ""]:
        return _second_cumulant(*self.energy(time)[1:])

    def energy(self, time: Float[Array, ""]) -> Energy:
        rest, coordinate = self.rest(time), self.coordinate(time)
        return Energy(time, self.variances, self.multiplicities, rest, self.probed_variance, coordinate)

    def critical_log_size(self, tilt: float, time: Float[Array, ""]) -> Float[Array, ""]:
        return _critical_log_size(tilt, *self.energy(time))

    def entropy(self, log_size: Float[Array, ""], tilt: float, time: Float[Array, ""]) -> Float[Array, ""]:
        return _entropy(log_size, tilt, *self.energy(time))

    def signal_to_noise_log_size(self, time: Float[Array, ""]) -> Float[Array, ""]:
        energy, silent, quiet = self._safe_energy(time)
        return jnp.where(silent, jnp.inf, jnp.where(quiet, -jnp.inf, _signal_to_noise_log_size(*energy)))

    def log_signal_to_noise(self, log_size: Float[Array, ""], time: Float[Array, ""]) -> Float[Array, ""]:
        energy, silent, quiet = self._safe_energy(time)
        ratio = _log_signal_to_noise(log_size, *energy)
        return jnp.where(silent, -jnp.inf, jnp.where(quiet, jnp.inf, ratio))

    def _safe_energy(self, time: Float[Array, ""]) -> tuple[Energy, Array, Array]:
        """The energy without zeros under a logarithm, and where the zeros were.

        A probe with no coordinate along the direction has no signal there, and a
        direction without variance no noise; replacing the zeros before the equation
        keeps derivatives finite.
        """
        energy = self.energy(time)
        quiet, silent = energy.probed_variance == 0, energy.squared_coordinate == 0
        safe = energy._replace(
            probed_variance=jnp.where(quiet, 1.0, energy.probed_variance),
            squared_coordinate=jnp.where(silent, 1.0, energy.squared_coordinate),
        )
        return safe, silent & ~quiet, quiet
