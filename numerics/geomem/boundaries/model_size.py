"""From which size on a model that holds samples one by one gains by memorizing.

Equations: `geomem_theory`, chapter `model_size`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from geomem.core.arguments import Numbers, listed_noise_variances, listed_sizes, refuse_unless
from geomem.core.kinds import concrete_array
from geomem.core.provenance import provenance
from geomem.core.results import described
from geomem.core.status import InputError
from geomem.laws.law import Law, check_law
from geomem.lowering import lower

_learned, _missed = lower("law_denoising_loss"), lower("missed_denoising_loss")
_share = lower("model_size_share")


def model_size_crossover(
    manifold: Law, *, num_samples: Numbers, noise_variance: Numbers, loss_weights: Numbers | None = None
) -> xr.Dataset:
    """Number of samples that a model must be able to hold for memorizing them to have the smaller training loss.

    Args:
        manifold: the data's law, a `Manifold`.
        num_samples: data-set sizes N.
        noise_variance: noise variances t of the training, in squared units of the data.
        loss_weights: weights of the noise variances in the training's loss; equal by default.

    Returns:
        A data set over `num_samples` with `lower` and `upper`: the crossover if a sample that is not held costs once
        the law's variance, as its mean does, and twice, as another sample does. Source: arXiv:2508.17689.

    Raises:
        InputError: for a law that is not one Gaussian or does not vary, sizes or noise variances that are no lists, or
            weights that are not positive or not as many.
    """
    check_law(manifold)
    manifold.require("one_gaussian", "the crossover in model size")
    sizes, _ = listed_sizes(num_samples, None)
    times = listed_noise_variances(noise_variance)
    shares = (
        np.ones(len(times)) if loss_weights is None else np.atleast_1d(concrete_array(loss_weights, "loss_weights"))
    )
    if shares.shape != times.shape:
        raise InputError(f"there are {len(times)} noise variances and {shares.size} weights; give one for each")
    refuse_unless(shares, np.isfinite(shares) & (shares > 0), "weight", "they must be positive, finite numbers")
    spectrum = (manifold.variances, manifold.multiplicities)
    missed = _missed(*spectrum)
    if not float(missed) > 0:
        raise InputError("all variances are zero; there is nothing to learn")
    learned = jnp.average(jax.vmap(lambda time: _learned(time, *spectrum))(jnp.asarray(times)), weights=shares)
    ends = [float(_share(learned, missed, jnp.asarray(factor))) for factor in (1.0, 2.0)]
    text = "samples that a model holds where memorizing begins to pay, a missed one costing"
    inputs = manifold.record() | {"noise_variance": times.tolist(), "loss_weights": shares.tolist()}
    return xr.Dataset(
        {
            "lower": ("num_samples", ends[0] * sizes, described(f"{text} once the variance", "1")),
            "upper": ("num_samples", ends[1] * sizes, described(f"{text} twice the variance", "1")),
        },
        {"num_samples": ("num_samples", sizes, described("number of training samples", "1"))},
        {"provenance": provenance(inputs)},
    )
