"""Where the score is evaluated, relative to a probed direction."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers
from geomem.core.status import InputError
from geomem.laws.manifold import Manifold
from geomem.lowering import LoweredEquation, lower
from geomem_theory.probe import PROBES

KINDS = tuple(PROBES)
_coordinate: dict[str, LoweredEquation] = {kind: lower(f"{kind}_coordinate") for kind in KINDS}
_rest: dict[str, LoweredEquation] = {kind: lower(f"{kind}_rest") for kind in KINDS}
_squared_length: dict[str, LoweredEquation] = {kind: lower(f"{kind}_squared_length") for kind in KINDS}


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Probe:
    """A probe point, known to the theory by its squared length in every block.

    Make one with `origin`, `along`, `random_direction`, `data_point` or `typical`; the
    formulas are `theory`, chapter `probe`.
    """

    kind: str = field(metadata={"static": True})
    amplitude: float | Float[Array, ""] = 1.0

    @classmethod
    def origin(cls) -> "Probe":
        """The mean of the data, Q = 0."""
        return cls("origin")

    @classmethod
    def along(cls, amplitude: Numbers = 1.0) -> "Probe":
        """The point a sqrt(t) v on the probed direction v."""
        return cls("along", _checked_amplitude(amplitude))

    @classmethod
    def random_direction(cls, amplitude: Numbers = 1.0) -> "Probe":
        """Distance a sqrt(t) in a uniformly random direction, Q_b = a^2 t d_b/d."""
        return cls("random_direction", _checked_amplitude(amplitude))

    @classmethod
    def data_point(cls) -> "Probe":
        """A fresh point of the data's law, Q_b = d_b s_b (no sample is planted there)."""
        return cls("data_point")

    @classmethod
    def typical(cls) -> "Probe":
        """A noised point of the data's law, Q_b = d_b (s_b + t)."""
        return cls("typical")

    def squared_lengths(
        self, manifold: Manifold, noise_variance: Numbers, block: int | np.integer
    ) -> Float[Array, " blocks"]:
        """Squared length Q_b of the probe inside every block, for one noise variance.

        `block` holds the probed direction. Units: squared units of the data.

        Raises:
            InputError: if the manifold has no such block.
        """
        return _squared_length[self.kind](
            jnp.asarray(noise_variance, dtype=float),
            manifold.block_variances(),
            manifold.multiplicities,
            manifold.indicator(block),
            self.amplitude,
        )

    def record(self) -> dict[str, object]:
        """What the provenance of a result says of the probe."""
        return {"kind": self.kind, "amplitude": float(self.amplitude)}

    def coordinate(self, noise_variance: Array, probed_variance: Array, multiplicities: Array) -> Float[Array, ""]:
        """Squared coordinate along the probed direction."""
        return _coordinate[self.kind](noise_variance, probed_variance, multiplicities, self.amplitude)

    def rest(
        self, noise_variance: Array, variances: Array, multiplicities: Array, indicator: Array
    ) -> Float[Array, " blocks"]:
        """Squared length in every block, the probed direction left out."""
        return _rest[self.kind](noise_variance, variances, multiplicities, indicator, self.amplitude)


def _checked_amplitude(amplitude: Numbers) -> float | Array:
    if isinstance(amplitude, Tracer):
        return amplitude
    if not isinstance(amplitude, (int, float, np.number)) or not 0 <= amplitude < np.inf:
        raise InputError(f"the probe's amplitude is {amplitude}; it must be finite and not negative")
    return float(amplitude)
