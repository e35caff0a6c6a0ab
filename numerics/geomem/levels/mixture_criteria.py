"""The criteria of `numerics.criteria` for Gaussian mixtures, at level `rem`."""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geomem.core.status import InputError
from geomem.laws.mixture import GaussianMixture
from geomem.laws.probe import Probe
from geomem.levels.criteria import TILTS, VALID_TILT, find_criterion
from geomem.lowering import lower

_generating_function = lower("generating_function")
_class_log_size = lower("critical_log_size_probed")
_log_size = lower("mixture_critical_log_size")
_tilted_mean = lower("tilted_mean")
_tilted_variance = lower("tilted_variance")
_posterior_mean = lower("mixture_posterior_mean")
_kept_log_size = lower("mixture_signal_to_noise_log_size")


# Probes whose place relative to the centers is known.
_PROBES = ("origin", "along", "random_direction")


class MixtureSetting(NamedTuple):
    """A mixture's spectrum, the probed direction and the probe, and where the centers are relative to them."""

    variances: Float[Array, " blocks"]
    multiplicities: Float[Array, " blocks"]
    indicator: Float[Array, " blocks"]
    probed_variance: Float[Array, ""]
    probe: Probe
    weights: Float[Array, " classes"]
    centers: Float[Array, " classes"]  # coordinates along the probed direction
    rests: Float[Array, "classes blocks"]  # squared lengths inside every block, the probed direction left out


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class MixtureCriterion:
    """A criterion applicable to a mixture's setting at one noise variance, as `numerics.criteria.Criterion`."""

    name: str = field(metadata={"static": True})

    def log_size(self, at: MixtureSetting, noise_variance: Float[Array, ""]) -> Float[Array, ""]:
        """ln N_c: the direction is resolved for larger N."""
        if self.name != "signal_to_noise":
            return _condensation_log_size(at, TILTS[self.name], noise_variance)
        return _signal_to_noise_log_size(at, noise_variance)

    def balance(
        self, at: MixtureSetting, noise_variance: Float[Array, ""], log_num_samples: Float[Array, ""]
    ) -> Float[Array, ""]:
        """The entropy at the criterion's tilt, or ln R: zero at the transition, positive where resolved."""
        return log_num_samples - self.log_size(at, noise_variance)

    def valid(
        self, at: MixtureSetting, noise_variance: Float[Array, ""], log_num_samples: Float[Array, ""]
    ) -> Bool[Array, ""]:
        """Whether the level's equation holds there: lambda_c > 2 for the leading-order signal-to-noise ratio."""
        if self.name != "signal_to_noise":
            return jnp.array(True)
        return log_num_samples >= _condensation_log_size(at, VALID_TILT, noise_variance)


def find_mixture_criterion(theory: str, criterion: str, probe: Probe) -> MixtureCriterion:
    """The criterion of that name for mixtures.

    Raises:
        InputError: for an unknown name, another level than `rem`, or a probe that is no fixed point.
    """
    find_criterion(theory, criterion, normalized=False)
    if theory != "rem":
        raise InputError(f"theory {theory!r} does not know mixtures; use theory 'rem'")
    if probe.kind not in _PROBES:
        raise InputError(
            f"the probe {probe.kind!r} of a mixture depends on a class; choose one of {', '.join(_PROBES)}, or use "
            "trajectory_times"
        )
    return MixtureCriterion(criterion)


def mixture_setting(law: GaussianMixture, block: int | np.integer, probe: Probe) -> MixtureSetting:
    """The setting of the first direction of a block.

    Raises:
        InputError: if there is no such block.
    """
    indicator = law.manifold.indicator(block)
    variances = law.manifold.block_variances()
    centers = indicator @ law.firsts
    lengths = jnp.diagonal(law.products, axis1=1, axis2=2).T
    rests = lengths - centers[:, None] ** 2 * indicator[None, :]
    probed = jnp.dot(indicator, variances)
    return MixtureSetting(variances, law.manifold.multiplicities, indicator, probed, probe, law.weights, centers, rests)


def _coordinate(at: MixtureSetting, time: Array) -> Float[Array, ""]:
    squared = at.probe.coordinate(time, at.probed_variance, at.multiplicities)
    # The root's slope is infinite at the origin, where nothing depends on it.
    return jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1.0)), 0.0)


def _seen_from_centers(
    at: MixtureSetting, time: Array
) -> tuple[Float[Array, "classes blocks"], Float[Array, " classes"]]:
    """The probe's squared lengths from every center, the probed direction left out, and its coordinate there."""
    # A random direction's product with a center is zero on average.
    rest = at.probe.rest(time, at.variances, at.multiplicities, at.indicator)
    return at.rests + rest[None, :], _coordinate(at, time) - at.centers


def _reference_and_excess(
    at: MixtureSetting, tilt: float, time: Array
) -> tuple[Float[Array, ""], Float[Array, " classes"]]:
    """K of the class where it is largest, and the excesses of all over it."""
    rests, coordinates = _seen_from_centers(at, time)
    lengths = rests + coordinates[:, None] ** 2 * at.indicator[None, :]
    values = jax.vmap(lambda one: _generating_function(tilt, time, at.variances, at.multiplicities, one))(lengths)
    return jnp.max(values), values - jnp.max(values)


def _condensation_log_size(at: MixtureSetting, tilt: float, time: Array) -> Float[Array, ""]:
    rests, coordinates = _seen_from_centers(at, time)
    _, excess = _reference_and_excess(at, tilt, time)

    def of_class(rest: Array, squared: Array) -> Array:
        return _class_log_size(tilt, time, at.variances, at.multiplicities, rest, at.probed_variance, squared)

    return _log_size(at.weights, jax.vmap(of_class)(rests, coordinates**2), excess)


def _signal_to_noise_log_size(at: MixtureSetting, time: Array) -> Float[Array, ""]:
    _, coordinates = _seen_from_centers(at, time)
    reference, excess = _reference_and_excess(at, 1.0, time)
    reference_2, excess_2 = _reference_and_excess(at, 2.0, time)

    def means(tilt: float) -> Float[Array, " classes"]:
        return at.centers + jax.vmap(lambda place: _tilted_mean(tilt, time, at.probed_variance, place))(coordinates)

    mean, place = _posterior_mean(at.weights, excess, means(1.0)), _coordinate(at, time)
    means_2, variance_2 = means(2.0), _tilted_variance(2.0, time, at.probed_variance)
    # Without a signal nothing resolves the direction, without noise nothing is needed to.
    silent = mean == place
    quiet = (variance_2 == 0) & (means_2 == mean).all()
    size = _kept_log_size(
        at.weights,
        excess,
        excess_2,
        jnp.where(quiet, means_2 + 1.0, means_2),
        mean,
        variance_2,
        jnp.where(silent, place + 1.0, place),
        reference,
        reference_2,
    )
    return jnp.where(quiet, -jnp.inf, jnp.where(silent, jnp.inf, size))
