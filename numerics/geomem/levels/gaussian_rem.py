"""Level gaussian_rem, the published one: the random-energy model with two cumulants of the energy kept."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from jaxtyping import Array, Float

from geomem.laws.setting import Setting
from geomem.levels.level import TILTS, Explicit, register
from geomem.lowering import lower

_log_size = lower("gaussian_log_size_of_cumulant")
_entropy = lower("gaussian_entropy_of_cumulant")


class GaussianREM(Explicit):
    """The published level (arXiv:2410.08727): a Gaussian law of the energy."""

    name = "gaussian_rem"
    criteria = ("condensation", "participation")
    needs = "second_cumulant"
    instead: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "signal_to_noise": "has no signal-to-noise ratio; use theory 'rem', or criterion 'condensation' or "
            "'participation'"
        }
    )

    def log_size(self, criterion: str, at: Setting, time: Float[Array, ""]) -> Float[Array, ""]:
        return _log_size(TILTS[criterion], time, at.second_cumulant(time))

    def balance(
        self, criterion: str, at: Setting, time: Float[Array, ""], log_size: Float[Array, ""]
    ) -> Float[Array, ""]:
        return _entropy(log_size, TILTS[criterion], time, at.second_cumulant(time))


register(GaussianREM())
