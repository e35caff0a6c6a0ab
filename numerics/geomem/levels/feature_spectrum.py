"""The spectrum of the training operator of a network of random features: at which rates it learns.

Equations: `geomem_theory`, chapter `random_features`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, refuse_unless
from geomem.core.kinds import concrete_array, one_number
from geomem.core.provenance import provenance
from geomem.core.results import described, status_attributes
from geomem.core.status import Status
from geomem.laws.law import Law, check_law
from geomem.levels.activations import Activation, check_activation
from geomem.levels.feature_networks import compiled, concrete_numbers, constants_of, network_of
from geomem.levels.feature_resolvent import above_axis, eigenvalue_bounds

_RESIDUAL = 1e-8
# Points of the axis by default, evenly spaced in its logarithm; at the floor itself the density may be a pole.
_POINTS, _ABOVE = 400, 1.0 + 1e-4


def training_spectrum(
    manifold: Law,
    *,
    noise_variance: float | int,
    num_samples: float | int,
    width: float | int,
    activation: Activation = "tanh",
    rates: Numbers | None = None,
) -> xr.Dataset:
    """Density of the rates at which a network of random features is trained: eigenvalues of its features' moments U.

    Gradient flow learns what belongs to an eigenvalue x of U in a training time 1/x. With more hidden units than
    dimensions the spectrum falls apart: the fast bulks learn the data's law, one for each variance, the slow one, of
    rates below the features' own variance under the noise, the samples.

    Args:
        manifold: the data's law, a `Manifold`.
        noise_variance: noise variance t, in squared units of the data.
        num_samples: number of training samples N, from 1.
        width: number of hidden units P, from 1.
        activation: as for `random_features`.
        rates: where the density is wanted; by default everywhere that there may be one.

    Returns:
        A data set over `rate` with `density`, of mean one together with the rest, and `status`; and without an axis
        `floor`, the smallest rate, and `mass_at_floor`, the share of eigenvalues that lie exactly there, those of a
        network with more units than samples and dimensions together. Source: arXiv:2505.17638, for every spectrum.

    Raises:
        InputError: as `random_features`, or for rates that are no list of positive numbers.
    """
    check_law(manifold)
    manifold.require("one_gaussian", "the spectrum of training")
    check_activation(activation)
    given = {"noise_variance": noise_variance, "num_samples": num_samples, "width": width}
    numbers = {name: one_number(value, name) for name, value in given.items()}
    concrete_numbers(numbers)
    spectrum, cell = (manifold.variances, manifold.multiplicities), jnp.asarray(list(numbers.values()))
    floor, most = map(float, compiled(_bounds, activation)(spectrum, cell))
    if rates is None:
        axis = np.geomspace(floor * _ABOVE, most, _POINTS)
    else:
        axis = np.atleast_1d(concrete_array(rates, "rates"))
        refuse_unless(axis, np.isfinite(axis) & (axis > 0) & (axis.ndim == 1), "rate", "it must be positive and finite")
    density, residual = map(np.asarray, compiled(_densities, activation)(spectrum, cell, axis))
    good = residual <= _RESIDUAL
    dims = float(manifold.dimension)
    at_floor = max(0.0, 1.0 - (dims + numbers["num_samples"]) / numbers["width"])
    status = np.where(good, Status.CONVERGED, Status.NOT_CONVERGED).astype(np.int8)
    inputs = manifold.record() | numbers | {"activation": str(activation)}
    return xr.Dataset(
        {
            "density": ("rate", np.where(good, density, np.nan), described("density of eigenvalues", "1/rate")),
            "status": ("rate", status, status_attributes()),
            "floor": ((), floor, described("smallest rate", "1/training time")),
            "mass_at_floor": ((), at_floor, described("share of eigenvalues that are the smallest", "1")),
        },
        {"rate": ("rate", axis, described("rate of learning", "1/training time"))},
        {"provenance": provenance(inputs)},
    )


def _bounds(activation: Activation, spectrum: tuple[Array, Array], numbers: Float[Array, "3"]) -> tuple[Array, Array]:
    kind = constants_of(activation, spectrum, numbers[0])
    return eigenvalue_bounds(network_of(spectrum, kind, *numbers))


def _densities(
    activation: Activation, spectrum: tuple[Array, Array], numbers: Float[Array, "3"], rates: Float[Array, " rates"]
) -> tuple[Float[Array, " rates"], Float[Array, " rates"]]:
    kind = constants_of(activation, spectrum, numbers[0])
    network = network_of(spectrum, kind, *numbers)
    found = jax.vmap(lambda rate: above_axis(network, rate))(rates)
    # The trace is per dimension.
    return jnp.maximum(found.trace.imag, 0.0) / (np.pi * network.width_ratio), found.residual
