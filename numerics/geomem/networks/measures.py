"""What is measured of a trained score: spectra at training points, and its own probability flow."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from geomem.core.results import SQUARED, described, spectrum_coordinates
from geomem.core.status import InputError
from geomem.empirical.memorization import collapse_of_trajectories, memorization_ratio, score_distance
from geomem.empirical.sampling import generate
from geomem.empirical.scores import score_of
from geomem.empirical.spectrum import OPEN, jacobian_of, measure_spectrum, with_gaps
from geomem.networks.data_sets import TrainingSets
from geomem.networks.experiment import Experiment, Measures

Traceable = Callable[..., Array]  # a score that JAX can trace
_FLOW_POINTS = 20  # of the flow, at which scores are compared
_TANGENTS_AT_ONCE = 128  # of a network, whose hidden layers they fill memory with


def measure_spectra(
    score: Traceable, rows: Float[np.ndarray, "samples dims"], sets: TrainingSets, measures: Measures, key: Array
) -> xr.Dataset:
    """Of a score at training points of its own: values of -tJ along blocks, spectra and dimensions."""
    times, points = measures.noise_variances, rows[: measures.num_points]
    of_noise, of_frames = jax.random.split(key)
    noise = jnp.sqrt(times)[:, None, None] * jax.random.normal(of_noise, (1, *points.shape))
    probes = jnp.asarray(points)[None] + (noise if measures.noised else jnp.zeros_like(noise))
    values, diagonals = map(np.asarray, _eigenvalues(score, probes, jnp.asarray(times), jnp.asarray(sets.axes)))
    finite = np.isfinite(values).all(axis=(1, 2))
    if not finite.all():
        raise InputError(f"a score is not finite at noise variance {times[~finite][0]:g}; raise measures.first")
    counts = np.asarray(sets.manifold.multiplicities, dtype=int)
    means = np.add.reduceat(diagonals, np.cumsum(counts) - counts, axis=2) / counts[None, None]
    if measures.protocol == "jacobian":
        spectra = values.swapaxes(1, 2)
    else:
        one_each = [
            measure_spectrum(score, point, times, protocol=measures.protocol, key=frame).singular_value.values[..., 0]
            for point, frame in zip(points, jax.random.split(of_frames, len(points)), strict=True)
        ]
        spectra = np.stack(one_each, axis=2)
    coordinates = spectrum_coordinates(times, rows.shape[1])
    over = "noise_variance"
    gaps = with_gaps(xr.Dataset({"singular_value": ((over, "index", "point"), spectra)}, coordinates))
    dimension = (values < OPEN).sum(axis=2).mean(axis=1)
    return xr.Dataset(
        {
            "block_mean": ((over, "block"), means.mean(axis=1), described("mean value of -tJ along a block", "1")),
            "singular_value": gaps.singular_value.mean("point").assign_attrs(described("value of -tJ", "1")),
            "gap_dimension": gaps.gap_dimension.mean("point").assign_attrs(
                described("mean number of open directions over points where it is decided", "1")
            ),
            "dimension": (over, dimension, described("number of eigenvalues of -tJ below one half", "1")),
        }
    )


@jax.jit
def _eigenvalues(
    score: Traceable,
    probes: Float[Array, "times points dims"],
    times: Float[Array, " times"],
    axes: Float[Array, "dims dims"],
) -> tuple[Float[Array, "times points dims"], Float[Array, "times points dims"]]:
    """Eigenvalues of the symmetric part of -tJ, descending, and its diagonal on the axes."""
    num_points, dims = probes.shape[1:]
    together = min(num_points, max(1, _TANGENTS_AT_ONCE // dims))

    def at(time: Array, point: Array) -> tuple[Array, Array]:
        matrix = -time * jacobian_of(score, point, time, _TANGENTS_AT_ONCE)
        values = jnp.linalg.eigvalsh(0.5 * (matrix + matrix.T))[::-1]
        return values, jnp.sum(axes * (matrix @ axes), axis=0)

    return jax.lax.map(
        lambda row: jax.lax.map(lambda point: at(row[0], point), row[1], batch_size=together), (times, probes)
    )


def measure_flow(
    score: Traceable, reference: Traceable, rows: Float[np.ndarray, "samples dims"], sets: TrainingSets,
    experiment: Experiment, key: Array,
) -> xr.Dataset:  # fmt: skip
    """Of a network's own probability flow: distances from other scores along it, and what its samples copy.

    Only the collapse is of its reverse SDE: trajectories of the flow have chosen where they end from the start.
    """
    measures, training = experiment.measures, experiment.training
    follow = partial(
        generate,
        score,
        key,
        num_samples=measures.num_generated,
        dims=rows.shape[1],
        noise_variance=np.geomspace(training.sigma_max**2, training.sigma_min**2, measures.num_sampling_steps + 1),
    )
    flow = follow(method="ode", keep_every=max(1, measures.num_sampling_steps // _FLOW_POINTS))
    others = {"empirical": reference} | ({"population": score_of(sets.manifold)} if sets.exact else {})
    times = flow.noise_variance.values
    distances = {
        f"distance_to_{name}": (
            "flow_noise_variance",
            score_distance(score, other, flow.x.values, times).value.values,
            described(f"t |S - S_ref|^2 per dimension, from the {name} score", "1"),
        )
        for name, other in others.items()
    }
    ratio, error = memorization_ratio(flow.x.values[-1], rows)
    collapse = float(collapse_of_trajectories(follow(method="sde", keep_every=2), rows).collapse_time.median())
    return xr.Dataset(
        {
            **distances,
            "memorization_ratio": ((), ratio, described("memorized fraction of generated samples", "1")),
            "memorization_ratio_error": ((), error, described("its standard error", "1")),
            "collapse_time": ((), collapse, described("median collapse of the reverse SDE", SQUARED)),
        },
        {"flow_noise_variance": ("flow_noise_variance", times, described("noise variance of the flow", SQUARED))},
    )
