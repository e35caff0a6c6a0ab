"""What the command `spectrum` works out: a measured spectrum, and beside it what the theory says of the same data."""

import jax
import numpy as np
import xarray as xr
from jaxtyping import Array

from numerics.criteria import opening_time
from numerics.critical import critical_time
from numerics.diagram import status_attributes
from numerics.manifold import Manifold
from numerics.phases import resolved_dimension
from numerics.progress import bar
from numerics.provenance import SQUARED, described, extended
from numerics.solution import Numbers
from numerics.spectrum import Score, measure_spectrum, predicted_spectrum


def spectrum_study(
    score: Score,
    x0: Numbers,
    manifold: Manifold,
    *,
    noise_variance: Numbers,
    num_samples: int,
    protocol: str,
    key: Array,
    num_replicates: int = 1,
    progress: bool = False,
) -> xr.Dataset:
    """`measure_spectrum` at a point, with predictions for data of this covariance spectrum.

    Returns:
        The measured data set with, besides, over `noise_variance`: `population_value` (and `index`) and
        `population_gap_dimension`, what it would be without memorization, and `resolved_dimension` of
        level finite_n; and over `block`: `critical_time` and `status` by signal_to_noise, level
        finite_n, and `opening_time`.

    Raises:
        InputError: as `measure_spectrum` and `critical_time`.
    """
    # The theory first: processes that share the samples wait for each other only at the end.
    theory = "finite_n"
    population = predicted_spectrum(manifold, noise_variance=noise_variance, theory="population")
    resolved = resolved_dimension(
        manifold, noise_variance=noise_variance, num_samples=num_samples, theory=theory, progress=progress
    )
    times, status = [], []
    with bar(progress, "critical times", manifold.num_blocks) as report:
        for block in range(manifold.num_blocks):
            found = critical_time(manifold, block, num_samples=num_samples, criterion="signal_to_noise", theory=theory)
            times.append(float(found.value))
            status.append(int(found.status))
            report(block + 1)
    variances = manifold.block_variances()
    measured = measure_spectrum(score, x0, noise_variance, protocol=protocol, key=key, num_replicates=num_replicates)
    over = "noise_variance"
    critical_text = "critical noise variance by signal_to_noise, level finite_n"
    opening_text = "noise variance below which a block is open"
    predictions = {
        "population_value": ((over, "index"), population.singular_value, described("value without memorization", "1")),
        "population_gap_dimension": (over, population.gap_dimension, described("the same without memorization", "1")),
        "resolved_dimension": (over, resolved, described("resolved dimension, level finite_n", "1")),
        "critical_time": ("block", np.array(times), described(critical_text, SQUARED)),
        "opening_time": ("block", np.asarray(jax.vmap(opening_time)(variances)), described(opening_text, SQUARED)),
        "status": ("block", np.array(status, dtype=np.int8), status_attributes()),
    }
    return (
        measured.assign({name: (dims, np.asarray(values), text) for name, (dims, values, text) in predictions.items()})
        .assign_coords(block_coordinates(manifold))
        .assign_attrs(
            provenance=extended(measured.attrs["provenance"], manifold.record() | {"num_samples": num_samples})
        )
    )


def block_coordinates(manifold: Manifold) -> dict[str, object]:
    """Coordinates of results over the blocks of a manifold."""
    return {
        "block_variance": ("block", np.asarray(manifold.block_variances()), described("local variance", SQUARED)),
        "multiplicity": ("block", np.asarray(manifold.multiplicities), described("number of directions", "1")),
    }
