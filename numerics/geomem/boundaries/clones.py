"""Where two trajectories that are cloned at a noise variance end: at the same sample, in the same class."""

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array

from geomem.boundaries.trajectories import checked_log_sizes
from geomem.core.arguments import Numbers, listed_noise_variances, positive_noise_variances
from geomem.core.kinds import one_size
from geomem.core.provenance import provenance
from geomem.core.results import data_set_curve, described, noise_axis, size_of, with_status
from geomem.laws.classes import ClassProducts, over_probes
from geomem.laws.law import Law, check_law
from geomem.levels.finite_n import planted_averages
from geomem.levels.typical_points import scramble_error
from geomem.lowering import lower

_own_posterior = lower("own_class_posterior")


def expected_collapse_probability(
    law: Law,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
) -> xr.Dataset:
    """Probability that two trajectories of the empirical reverse process, cloned at t, end at the same sample.

    From a noised training point a trajectory ends at every sample with the probability of its Gibbs weight, so this
    is the mean participation there, exact at finite N. Arguments and errors as for `expected_excess_entropy`.
    """
    log_size = one_size(checked_log_sizes(law, num_samples, log_num_samples), "the collapse probability")
    times = listed_noise_variances(noise_variance)
    law.require("classes", "theory 'finite_n'")
    values = planted_averages(law, times, log_size).participation
    about = size_of(log_size), float(law.dimension), law.record()
    text = "probability of a common nearest sample"
    curve = data_set_curve("collapse-probability", text, times, values.mean(axis=1), scramble_error(values), *about)
    return with_status(curve)


def cloning_curve(law: Law, *, noise_variance: Numbers) -> xr.Dataset:
    """Probability that two trajectories of the population's reverse process, cloned at t, end in the same class.

    An average over points: of two classes to 1e-9, of three or more by quasi-random ones to about 2e-4.

    Returns:
        A data set with `value` over `noise_variance`. Source: arXiv:2402.18491; `geomem_theory`, equation
        `own_class_posterior`.

    Raises:
        InputError: for a law without classes, or a noise variance that is not positive and finite.
    """
    times = np.ravel(positive_noise_variances(noise_variance))

    @jax.jit
    def curve(classes: ClassProducts, times: Array) -> Array:
        def at(time: Array) -> Array:
            def posterior(own: int, excess: Array) -> Array:
                return _own_posterior(classes.weights[own], classes.weights, excess)

            return over_probes(classes, posterior, time, jnp.ones_like(time), classes.variances + time)

        return jax.lax.map(at, times)

    check_law(law)
    value = np.asarray(curve(law.class_products(), jnp.asarray(times)))
    return xr.Dataset(
        {"value": ("noise_variance", value, described("same class", "1"))},
        noise_axis(times),
        {"observable": "cloning", "provenance": provenance(law.record())},
    )
