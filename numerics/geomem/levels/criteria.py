"""Which equation decides a transition: one entry per level of the theory and criterion.

Every entry is a pair of lowered equations: the critical size, explicit in ln N_c, and
the criterion's own balance, zero at the transition. Critical times are where
ln N_c(t) equals ln N.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from geomem.core.status import InputError
from geomem.laws.manifold import Manifold
from geomem.laws.probe import Probe
from geomem.lowering import LoweredEquation, lower

THEORIES = ("gaussian_rem", "rem", "finite_n")
CRITERIA = ("condensation", "participation", "signal_to_noise")


# The critical tilt that each criterion of the Gibbs measure asks for: Y2 = 1 - lambda_c.
TILTS = {"condensation": 1.0, "participation": 0.5}


# The leading order of the signal-to-noise ratio holds where the squared weights, of tilt 2, are liquid.
VALID_TILT = 2.0
_log_size: dict[str, LoweredEquation] = {
    "rem": lower("critical_log_size_probed"),
    "gaussian_rem": lower("gaussian_critical_log_size_probed"),
    "sphere": lower("sphere_critical_log_size_probed"),
}
_entropy: dict[str, LoweredEquation] = {
    "rem": lower("entropy_probed"),
    "gaussian_rem": lower("gaussian_entropy_probed"),
    "sphere": lower("sphere_entropy_probed"),
}
_signal_to_noise_log_size = lower("signal_to_noise_log_size_probed")
_log_signal_to_noise = lower("log_signal_to_noise_probed")


class Setting(NamedTuple):
    """The spectrum, the probed direction in it, and the probe: what a criterion is evaluated for.

    `probed_variance` is the direction's own local variance. It equals its block's in
    every published quantity; sensitivities vary it alone.
    """

    variances: Float[Array, " blocks"]
    multiplicities: Float[Array, " blocks"]
    indicator: Float[Array, " blocks"]
    probed_variance: Float[Array, ""]
    probe: Probe


@jax.jit
def setting(manifold: Manifold, indicator: Float[Array, " blocks"], probe: Probe) -> Setting:
    """The setting of a direction of the block that `indicator` marks."""
    variances = manifold.block_variances()
    return Setting(variances, manifold.multiplicities, indicator, jnp.dot(indicator, variances), probe)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Criterion:
    """A criterion at one level of the theory, applicable to a setting at one noise variance."""

    level: str = field(metadata={"static": True})
    name: str = field(metadata={"static": True})

    def log_size(self, at: Setting, noise_variance: Float[Array, ""]) -> Float[Array, ""]:
        """ln N_c: the direction is resolved for larger N."""
        if self.name != "signal_to_noise":
            return _log_size[self.level](TILTS[self.name], *self._arguments(at, noise_variance))
        arguments, silent, quiet = self._safe_arguments(at, noise_variance)
        return jnp.where(silent, jnp.inf, jnp.where(quiet, -jnp.inf, _signal_to_noise_log_size(*arguments)))

    def balance(
        self, at: Setting, noise_variance: Float[Array, ""], log_num_samples: Float[Array, ""]
    ) -> Float[Array, ""]:
        """The entropy at the criterion's tilt, or ln R: zero at the transition, positive where resolved."""
        if self.name != "signal_to_noise":
            return _entropy[self.level](log_num_samples, TILTS[self.name], *self._arguments(at, noise_variance))
        arguments, silent, quiet = self._safe_arguments(at, noise_variance)
        ratio = _log_signal_to_noise(log_num_samples, *arguments)
        return jnp.where(silent, -jnp.inf, jnp.where(quiet, jnp.inf, ratio))

    def valid(
        self, at: Setting, noise_variance: Float[Array, ""], log_num_samples: Float[Array, ""]
    ) -> Bool[Array, ""]:
        """Whether the level's equation holds there: lambda_c > 2 for the leading-order signal-to-noise ratio."""
        if self.name != "signal_to_noise":
            return jnp.array(True)
        entropy = _entropy[self.level](log_num_samples, VALID_TILT, *self._arguments(at, noise_variance))
        return entropy >= 0

    def _arguments(self, at: Setting, noise_variance: Array) -> tuple[Array, ...]:
        rest = at.probe.rest(noise_variance, at.variances, at.multiplicities, at.indicator)
        coordinate = at.probe.coordinate(noise_variance, at.probed_variance, at.multiplicities)
        return noise_variance, at.variances, at.multiplicities, rest, at.probed_variance, coordinate

    def _safe_arguments(self, at: Setting, noise_variance: Array) -> tuple[tuple[Array, ...], Array, Array]:
        """Arguments without zeros under a logarithm, and where the zeros were.

        A probe with no coordinate along the direction has no signal there, and a
        direction without variance no noise; replacing the zeros before the equation
        keeps derivatives finite.
        """
        *spectrum, probed_variance, coordinate = self._arguments(at, noise_variance)
        quiet, silent = probed_variance == 0, coordinate == 0
        safe = (jnp.where(quiet, 1.0, probed_variance), jnp.where(silent, 1.0, coordinate))
        return (*spectrum, *safe), silent & ~quiet, quiet


def find_criterion(theory: str, criterion: str, normalized: bool) -> Criterion:
    """The criterion of that name at that level.

    Raises:
        InputError: for an unknown name, or for a combination that the theory does not have.
    """
    if theory not in THEORIES:
        raise InputError(f"there is no theory {theory!r}; choose one of {', '.join(THEORIES)}")
    if criterion not in CRITERIA:
        raise InputError(f"there is no criterion {criterion!r}; choose one of {', '.join(CRITERIA)}")
    if theory == "finite_n" and criterion == "condensation":
        raise InputError(
            "theory 'finite_n' has no sharp condensation; use criterion 'signal_to_noise' or 'participation', "
            "or theory 'rem'"
        )
    if normalized and theory != "gaussian_rem":
        raise InputError(
            f"theory {theory!r} does not know normalized data; use 'gaussian_rem', or a manifold with normalized=False"
        )
    if theory == "gaussian_rem" and criterion == "signal_to_noise":
        raise InputError(
            "theory 'gaussian_rem' has no signal-to-noise ratio; use theory 'rem', or criterion 'condensation' "
            "or 'participation'"
        )
    return Criterion("sphere" if normalized else theory, criterion)
