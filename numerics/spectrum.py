"""Spectra of a score's Jacobian: measured at a point by several protocols, and predicted."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from numerics.critical import as_noise_variances, positive_noise_variances
from numerics.empirical import gibbs, jacobian
from numerics.empirical import score as _empirical_score
from numerics.finite_n import quenched
from numerics.lowering import lower
from numerics.manifold import Manifold
from numerics.passes import Samples
from numerics.probe import Probe
from numerics.provenance import described, provenance
from numerics.solution import Numbers
from numerics.status import InputError
from theory.symbols import dims, quenched_variance, s_v, t

PROTOCOLS = ("jacobian", "orthogonal_frame", "central_difference")
# The least distance of neighbouring values of -tJ, which lie between 0 and 1, that counts as a gap.
GAP_THRESHOLD = 0.1

Score = Callable[..., Array | np.ndarray]

_population_eigenvalue = jnp.vectorize(lower("population_eigenvalue", (t, s_v)))
_noisy_eigenvalue = jnp.vectorize(lower("noisy_eigenvalue", (t, s_v, dims, quenched_variance)))


@dataclass(frozen=True, eq=False)
class EmpiricalScore:
    """The empirical score of a data set as a callable (x, t) -> score.

    `measure_spectrum` knows it, and takes all noise variances in one pass over the samples.
    """

    data: Samples

    def __call__(self, x: Numbers, noise_variance: Numbers) -> Float[Array, "..."]:
        return _empirical_score(x, self.data, noise_variance)


def measure_spectrum(
    score: Score,
    x0: Numbers,
    noise_variance: Numbers,
    *,
    protocol: str,
    key: Array,
    num_replicates: int = 1,
) -> xr.Dataset:
    """Spectrum of -t times the Jacobian of a score at a point.

    Args:
        score: any callable that takes points (n, dims) and one noise variance to scores (n, dims);
            `EmpiricalScore(data)` is one. Protocol `jacobian` differentiates it by JAX.
        x0: the point, (dims,).
        noise_variance: noise variances t, a list.
        protocol: `jacobian`: eigenvalues of the symmetric part of -tJ. `orthogonal_frame`: singular
            values of t S, the rows of S being score(x0 + sqrt(t) z_k)/sqrt(t) for a random orthonormal
            frame z (arXiv:2410.08727). `central_difference`: singular values of t times the central
            differences along the axes with step sqrt(t), from which what all rows share drops out.
        key: for the frames.
        num_replicates: number of frames; 1 for the other protocols, which draw nothing.

    Returns:
        A data set over `noise_variance`, `index` and `replicate` with `singular_value`, descending and
        dimensionless, and of every spectrum the largest `gap` between neighbours, `gap_index` of the value
        above it, and `gap_dimension`, the number of values below it: 0 where the gap is below
        `GAP_THRESHOLD`. With an empirical score also its `participation` at x0.

    Raises:
        InputError: for an unknown protocol, a point or noise variances that are none, or replicates of a
            protocol that draws nothing.
    """
    point = np.asarray(x0, dtype=float)
    times = np.atleast_1d(positive_noise_variances(noise_variance))
    if protocol not in PROTOCOLS:
        raise InputError(f"there is no protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    if point.ndim != 1 or not len(point) or not np.isfinite(point).all():
        raise InputError(f"x0 has shape {point.shape}; it must be one point of finite coordinates")
    if times.ndim != 1:
        raise InputError(f"the noise variances have shape {times.shape}; they must be a list")
    if num_replicates < 1 or (num_replicates > 1 and protocol != "orthogonal_frame"):
        raise InputError(
            f"num_replicates is {num_replicates}; it must be at least 1, and more only for protocol 'orthogonal_frame'"
        )
    if protocol == "jacobian":
        matrices = -times[:, None, None] * _jacobians(score, point, times)
        values = np.linalg.eigvalsh(0.5 * (matrices + matrices.transpose(0, 2, 1)))[:, ::-1, None]
    else:
        values = _frame_values(score, point, times, protocol, key, num_replicates)
    axes = ("noise_variance", "index", "replicate")
    data = xr.Dataset(
        {"singular_value": (axes, values, described("value of -tJ", "1"))}, _coordinates(times, len(point))
    )
    if isinstance(score, EmpiricalScore):
        participation = np.asarray(gibbs(point, score.data, times).participation)
        text = described("sum of the squared Gibbs weights at x0", "1")
        data = data.assign(participation=("noise_variance", participation, text))
    inputs = {
        "protocol": protocol,
        "x0": point.tolist(),
        "num_replicates": num_replicates,
        "key": np.asarray(jax.random.key_data(key)).tolist(),
    }
    return _with_gaps(data.assign_attrs(provenance=provenance(inputs)))


def predicted_spectrum(
    manifold: Manifold,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    theory: str,
) -> xr.Dataset:
    """The spectrum that `measure_spectrum` would find, on average over data sets.

    Theories: `population`, the eigenvalues t/(t + s), without memorization; `finite_n`, these with
    the exact variance of the score over data sets, as the rows of an orthogonal frame see it. The
    latter is the root of a diagonal mean, to be compared with a mean over data sets and not with
    sorted singular values. Its variables are those of `measure_spectrum`, without replicates.

    Raises:
        InputError: for an unknown theory, or as `quenched`.
    """
    times = np.atleast_1d(np.asarray(as_noise_variances(noise_variance), dtype=float))
    counts = np.asarray(manifold.multiplicities, dtype=int)
    if theory == "population":
        values = _population_eigenvalue(times[:, None], manifold.variances[None, :])
    elif theory == "finite_n":
        columns = [
            quenched(
                manifold,
                block,
                noise_variance=times,
                num_samples=num_samples,
                log_num_samples=log_num_samples,
                probe=Probe.random_direction(),
            ).score_variance
            for block in range(manifold.num_blocks)
        ]
        spread = jnp.stack(columns, axis=-1)
        if spread.ndim != 2:
            raise InputError("a predicted spectrum is for one data-set size")
        values = _noisy_eigenvalue(times[:, None], manifold.variances[None, :], float(counts.sum()), spread)
    else:
        raise InputError(f"there is no predicted spectrum {theory!r}; choose population or finite_n")
    spectra = -np.sort(-np.repeat(np.asarray(values), counts, axis=1), axis=1)
    data = {"singular_value": (("noise_variance", "index"), spectra, described(f"value of -tJ, {theory}", "1"))}
    inputs = {
        "variances": np.asarray(manifold.variances).tolist(),
        "multiplicities": counts.tolist(),
        "theory": theory,
    }
    return _with_gaps(xr.Dataset(data, _coordinates(times, counts.sum()), {"provenance": provenance(inputs)}))


def _jacobians(score: Score, point: np.ndarray, times: np.ndarray) -> np.ndarray:
    if isinstance(score, EmpiricalScore):
        return np.asarray(jacobian(point, score.data, times))
    derivative = jax.jacfwd(lambda x, time: jnp.asarray(score(x[None, :], time))[0])
    return np.stack([np.asarray(derivative(jnp.asarray(point), jnp.asarray(time))) for time in times])


def _frame_values(
    score: Score, point: np.ndarray, times: np.ndarray, protocol: str, key: Array, num_replicates: int
) -> np.ndarray:
    """Singular values (times, dims, replicates)."""
    size = len(point)
    if protocol == "orthogonal_frame":
        frames = np.asarray(jax.random.orthogonal(key, size, (num_replicates,)))
        scores = _on_rays(score, point, frames.reshape(-1, size), times)
        rows = np.sqrt(times)[:, None, None, None] * scores.reshape(len(times), num_replicates, size, size)
    else:
        axes = np.eye(size)
        scores = _on_rays(score, point, np.concatenate([axes, -axes]), times)
        rows = 0.5 * np.sqrt(times)[:, None, None] * (scores[:, :size] - scores[:, size:])
        rows = rows[:, None]
    return np.linalg.svd(rows, compute_uv=False).transpose(0, 2, 1)


def _on_rays(score: Score, point: np.ndarray, directions: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Scores (times, directions, dims) at x0 + sqrt(t) v."""
    if isinstance(score, EmpiricalScore):
        return np.asarray(_empirical_score(point, score.data, times, directions=directions))
    points = point[None, None, :] + np.sqrt(times)[:, None, None] * directions[None]
    return np.stack([np.asarray(score(rows, float(time))) for rows, time in zip(points, times, strict=True)])


def _with_gaps(spectrum: xr.Dataset) -> xr.Dataset:
    """The data set with the largest gap of every spectrum."""
    values = spectrum.singular_value
    size = values.sizes["index"]
    if size == 1:
        gap = xr.zeros_like(values.isel(index=0, drop=True))
        place = gap.astype(int)
    else:
        gaps = -values.diff("index", label="lower")
        gap, place = gaps.max("index"), gaps.argmax("index")
    known = gap >= GAP_THRESHOLD
    return spectrum.assign(
        gap=gap.assign_attrs(described("largest distance of neighbouring values", "1")),
        gap_index=place.assign_attrs(described("index of the value above the gap", "1")),
        gap_dimension=xr.where(known, size - 1 - place, 0).assign_attrs(
            described(f"number of values below a gap of at least {GAP_THRESHOLD:g}", "1")
        ),
    )


def _coordinates(times: np.ndarray, size: int | np.integer) -> dict[str, object]:
    return {
        "noise_variance": ("noise_variance", times, described("noise variance", "squared units of the data")),
        "index": ("index", np.arange(size), described("place in the spectrum, largest first", "1")),
    }
