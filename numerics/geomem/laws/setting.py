"""A direction of a law, seen from a probe: what a level of the theory is asked about."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, float_array
from geomem.core.status import InputError
from geomem.laws.probe import Probe
from geomem.lowering import lower

# Noise variance below which a direction of variance s is open.
opening_time = lower("opening_time")
_critical_log_size = lower("critical_log_size_of_slope")
_kept_log_size = lower("mixture_signal_to_noise_log_size")
_posterior_mean = lower("mixture_posterior_mean")


class Components(NamedTuple):
    """A law tilted by exp(-lambda E/t), as a mixture of components that are seen from the probe."""

    weights: Float[Array, " components"]
    reference: Float[Array, ""]  # the largest K
    excess: Float[Array, " components"]  # K of the components less it
    means: Float[Array, " components *directions"]  # of y_v
    variances: Float[Array, " components *directions"]  # of y_v


@runtime_checkable
class SampleEnergy(Protocol):
    """The energy of one sample of some law, at one noise variance and probe: a pytree that a level averages over."""

    @property
    def time(self) -> Float[Array, ""]: ...


class Energy(NamedTuple):
    """The energy of one Gaussian sample, at one noise variance and probe: all that its averages depend on."""

    time: Float[Array, ""]
    variances: Float[Array, " blocks"]
    multiplicities: Float[Array, " blocks"]
    rest: Float[Array, " blocks"]
    probed_variance: Float[Array, ""]
    squared_coordinate: Float[Array, ""]

    @property
    def coordinate(self) -> Float[Array, ""]:
        """The probe's coordinate along the probed direction, taken positive."""
        return root(self.squared_coordinate)

    @property
    def branch_point(self) -> Float[Array, ""]:
        """t/s_max, the right end of the strip of convergence."""
        largest = jnp.maximum(jnp.max(self.variances), self.probed_variance)
        return self.time / jnp.maximum(largest, self.time / 1e9)

    def in_noise_units(self) -> "Energy":
        """The same energy with lengths in units of the noise's standard deviation."""
        time, variances, multiplicities, rest, probed, squared = self
        return Energy(time / time, variances / time, multiplicities, rest / time, probed / time, squared / time)


def root(squared: Float[Array, ""]) -> Float[Array, ""]:
    """The square root, also where it is zero with a derivative: nothing depends on it there."""
    return jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1.0)), 0.0)


@dataclass(frozen=True)
class Setting:
    """A direction of a law, seen from a probe: what a level of the theory is asked about.

    `probed_variance` is the direction's own local variance, that of its block. Everything is for one noise variance t;
    batches are `jax.vmap`'s. A law's setting gives `generating_function` and `tilted_moments`; the rest follows, and is
    overridden where a closed form is known.
    """

    variances: Float[Array, "..."]
    multiplicities: Float[Array, "..."]
    indicator: Float[Array, "..."]
    probed_variance: Float[Array, "..."]
    probe: Probe

    @property
    def largest_variance(self) -> Float[Array, ""]:
        """The scale of the search for critical times."""
        return jnp.max(self.variances)

    def beside(self, factor: Float[Array, ""]) -> "Setting":
        """The setting of another direction of the same spectrum, whose variance is `factor` times this one's.

        Of the two only one is taken out of the rest, in which the other stays: this one's part of the probe is added
        there, and the other's subtracted, unless the probe is a place on the direction and has no other part. What
        the spectrum alone decides does not change.
        """
        own = jnp.stack([self.probed_variance, self.probed_variance * factor])
        return replace(
            self,
            variances=jnp.concatenate([self.variances, own]),
            multiplicities=jnp.concatenate([self.multiplicities, jnp.zeros(2)]),
            indicator=jnp.concatenate([self.indicator, jnp.array([-1.0, 1.0])]),
            probed_variance=own[1],
        )

    def of_variance(self, local_variance: Numbers | None) -> "Setting":
        """The setting of a direction of its own variance in the block's background; the block's own, if it is None.

        Of traced variances the values are not looked at: where there is none, the answer is NaN.

        Raises:
            InputError: for a variance that is not one positive, finite number, or a block without variance.
        """
        if local_variance is None:
            return self
        own = float_array(local_variance, "local_variance")
        if own.ndim != 0:
            raise InputError(f"the local variance has shape {own.shape}; it must be one number, that of one direction")
        if not isinstance(own, Tracer) and not 0 < own < np.inf:
            raise InputError(f"the local variance is {float(own):g}; it must be positive and finite")
        if not isinstance(self.probed_variance, Tracer) and not self.probed_variance > 0:
            block = int(jnp.argmax(self.indicator))
            raise InputError(f"block {block} has no variance, so no direction of it has one; choose another block")
        return self.beside(jnp.asarray(own) / self.probed_variance)

    def coordinate(self, time: Float[Array, ""]) -> Float[Array, ""]:
        """The probe's squared coordinate along the direction."""
        return self.probe.coordinate(time, self.probed_variance, self.multiplicities)

    def place(self, time: Float[Array, ""]) -> Float[Array, ""]:
        """The probe's coordinate along the direction; of its sign nothing depends where it is not given."""
        return root(self.coordinate(time))

    def rest(self, time: Float[Array, ""]) -> Float[Array, " blocks"]:
        """The probe's squared length in every block, the direction left out."""
        return self.probe.rest(time, self.variances, self.multiplicities, self.indicator)

    def generating_function(self, tilt: Float[Array, ""], time: Float[Array, ""]) -> Float[Array, ""]:
        """K = ln E exp(-lambda E/t) at the tilt lambda."""
        raise NotImplementedError

    def tilted_moments(
        self, tilt: Float[Array, ""], time: Float[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Mean and variance of y_v under the law tilted by exp(-lambda E/t)."""
        raise NotImplementedError

    def second_cumulant(self, time: Float[Array, ""]) -> Float[Array, ""]:
        """Variance of the energy."""
        raise NotImplementedError

    @property
    def local_variance(self) -> Float[Array, ""]:
        """The data's own variance along the direction, below which noise leaves it open."""
        return self.probed_variance

    def energy(self, time: Float[Array, ""]) -> SampleEnergy:
        """The energy of a sample."""
        raise NotImplementedError

    def components(self, tilt: float, time: Float[Array, ""]) -> Components:
        """The tilted law; of one component, if it is no mixture."""
        at = jnp.asarray(tilt)
        mean, variance = self.tilted_moments(at, time)
        return Components(jnp.ones(1), self.generating_function(at, time), jnp.zeros(1), mean[None], variance[None])

    def critical_log_size(self, tilt: float, time: Float[Array, ""]) -> Float[Array, ""]:
        """ln N at which the critical tilt is this."""
        at = jnp.asarray(tilt)
        value, slope = jax.jvp(lambda one: self.generating_function(one, time), (at,), (jnp.ones_like(at),))
        return _critical_log_size(at, value, slope)

    def entropy(self, log_size: Float[Array, ""], tilt: float, time: Float[Array, ""]) -> Float[Array, ""]:
        """S at the tilt: ln N less the critical one."""
        return log_size - self.critical_log_size(tilt, time)

    def signal_to_noise_log_size(self, time: Float[Array, ""]) -> Float[Array, ""]:
        """ln N at which R = 1 to leading order; infinite without a signal, minus infinite without noise."""
        one, two = (self.components(tilt, time) for tilt in (1.0, 2.0))
        mean, place = _posterior_mean(one.weights, one.excess, one.means), self.place(time)
        silent = mean == place
        quiet = (two.variances == 0).all() & (two.means == mean).all()
        size = _kept_log_size(
            one.weights,
            one.excess,
            two.excess,
            jnp.where(quiet, two.means + 1.0, two.means),
            two.variances,
            mean,
            jnp.where(silent, place + 1.0, place),
            one.reference,
            two.reference,
        )
        return jnp.where(quiet, -jnp.inf, jnp.where(silent, jnp.inf, size))

    def log_signal_to_noise(self, log_size: Float[Array, ""], time: Float[Array, ""]) -> Float[Array, ""]:
        """ln R to leading order."""
        return log_size - self.signal_to_noise_log_size(time)
