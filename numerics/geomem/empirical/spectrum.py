"""Spectra of a score's Jacobian, measured at a point by several protocols."""

from enum import IntEnum

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, check_key, listed_noise_variances, whole_number
from geomem.core.kinds import check_score, concrete_array, refuse_beyond_memory, tracing_score
from geomem.core.provenance import key_record, provenance
from geomem.core.results import described, flag_attributes, spectrum_coordinates
from geomem.core.status import InputError
from geomem.empirical.gibbs import Gibbs, gibbs_and_jacobian, gibbs_and_score
from geomem.empirical.scores import EmpiricalScore, Score

PROTOCOLS = ("jacobian", "orthogonal_frame", "central_difference")
OPEN = 0.5  # values of -tJ below which a direction counts as open; the population's, t/(t + s), pass it at t = s
GAP_THRESHOLD = 0.1  # the least distance of the values on both sides of that which counts as a gap


class Gap(IntEnum):
    """What a spectrum of -tJ says of the dimension: values of `gap_status`."""

    GAP = 0
    ALL_OPEN = 1
    NONE_OPEN = 2
    UNDECIDED = 3


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
            frame z (arXiv:2410.08727); what all rows share is one large value, and may lower the least.
            `central_difference`: singular values of t times the central differences along the axes with
            step sqrt(t), from which what all rows share drops out.
        key: for the frames.
        num_replicates: number of frames; 1 for the other protocols, which draw nothing.

    Returns:
        A data set over `noise_variance`, `index` and `replicate` with `singular_value`, descending and
        dimensionless, and of every spectrum

        - `gap_dimension`, the number of open directions, whose values are below one half: without memorization
          the values lie in 0 to 1, and are below that where t < s. Values far below zero, between samples that
          the measure tells apart, count as well; those above 1 are of memorization and make no gap.
        - `gap_status`: `gap` where at least `GAP_THRESHOLD` lies between the open directions and the rest;
          `all_open`, `gap_dimension` is the number of directions; `none_open`, it is 0: t is above every variance,
          or all directions are lost, and the `participation` tells which, near 1/N for the one and towards 1 for
          the other; `undecided`, it is NaN: there are values on both sides of one half and no gap between them, or
          the spectrum is not known.
        - `gap`, the distance of the two values next to one half, 0 where all are on one side and NaN where the
          spectrum is not known, and `gap_index` of the upper of them, NaN where no gap counts.

        With an empirical score also its `participation` at x0.

    Raises:
        InputError: for an unknown protocol, a point or noise variances that are none, or replicates of a
            protocol that draws nothing.
    """
    point, times = checked_measurement(score, x0, noise_variance, protocol, key, num_replicates)
    if protocol == "jacobian":
        with tracing_score():
            jacobians, weights = _jacobians(score, point, times)
        matrices = jacobians[:, None]
    else:
        matrices, weights = _frame_scores(score, point, times, protocol, key, num_replicates)
    data = _of_matrices(matrices, times, protocol)
    if weights is not None:
        participation = np.asarray(weights.participation)
        text = described("sum of the squared Gibbs weights at x0", "1")
        data = data.assign(participation=("noise_variance", participation, text))
    inputs = {
        "protocol": protocol,
        "x0": point.tolist(),
        "num_replicates": num_replicates,
        "key": key_record(key),
    }
    return with_gaps(data.assign_attrs(provenance=provenance(inputs)))


def spectrum_of(matrices: Numbers, noise_variance: Numbers, *, protocol: str = "jacobian") -> xr.Dataset:
    """The data set of `measure_spectrum`, of matrices that a score was measured by elsewhere.

    Args:
        matrices: one for every noise variance, (times, dims, dims), or of several frames, (times, frames, dims, dims).
            Of protocol `jacobian` the Jacobians of the score; of `orthogonal_frame` the scores, a row of a frame each,
            score(x0 + sqrt(t) z_k); of `central_difference` half of the differences, a row of an axis each,
            (score(x0 + sqrt(t) e_k) - score(x0 - sqrt(t) e_k))/2. A score here is that of data with noise of
            variance t, and not what a sampler with a clock of its own calls so: see `score_from`.
        noise_variance: noise variances t, a list.
        protocol: as for `measure_spectrum`.

    Raises:
        InputError: for matrices that are none, not square, of another number than noise variances, or not finite,
            noise variances that are none, or an unknown protocol.
    """
    check_protocol(protocol, 1)
    times = listed_noise_variances(noise_variance)
    array = concrete_array(matrices, "the matrices")
    if array.ndim not in (3, 4) or 0 in array.shape or array.shape[-1] != array.shape[-2] or len(array) != len(times):
        raise InputError(
            f"the matrices have shape {array.shape}; for {len(times)} noise variances they must be ({len(times)}, "
            f"dims, dims), or ({len(times)}, frames, dims, dims)"
        )
    found = _of_matrices(array if array.ndim == 4 else array[:, None], times, protocol)
    return with_gaps(found.assign_attrs(provenance=provenance({"protocol": protocol})))


def _of_matrices(
    matrices: Float[np.ndarray, "times frames dims dims"], times: Float[np.ndarray, " times"], protocol: str
) -> xr.Dataset:
    """Values of -tJ of Jacobians, or of scores along the rows of frames."""
    finite = np.isfinite(matrices.reshape(len(times), -1)).all(axis=1)
    if not finite.all():
        raise InputError(f"the score is not finite around x0 at noise variance {times[np.argmin(finite)]:g}")
    scales = times[:, None, None, None]
    if protocol == "jacobian":
        symmetric = -0.5 * scales * (matrices + matrices.transpose(0, 1, 3, 2))
        values = np.linalg.eigvalsh(symmetric)[..., ::-1]
    else:
        values = np.linalg.svd(np.sqrt(scales) * matrices, compute_uv=False)
    axes, text = ("noise_variance", "index", "replicate"), described("value of -tJ", "1")
    coordinates = spectrum_coordinates(times, matrices.shape[-1])
    return xr.Dataset({"singular_value": (axes, values.transpose(0, 2, 1), text)}, coordinates)


def checked_measurement(
    score: Score, x0: Numbers, noise_variance: Numbers, protocol: str, key: Array, num_replicates: int
) -> tuple[Float[np.ndarray, " dims"], Float[np.ndarray, " times"]]:
    """The point and the noise variances of `measure_spectrum`, to which these are its arguments.

    Raises:
        InputError: as there.
    """
    check_key(key)
    check_score(score)
    point = concrete_array(x0, "x0")
    times = listed_noise_variances(noise_variance)
    check_protocol(protocol, num_replicates)
    if point.ndim != 1 or not len(point) or not np.isfinite(point).all():
        raise InputError(f"x0 has shape {point.shape}; it must be one point of finite coordinates")
    refuse_beyond_memory(float(len(times)) * num_replicates * len(point) ** 2, "the matrices of the spectra")
    return point, times


def jacobian_of(
    score: Score, point: Float[Array, " dims"], time: Float[Array, ""], columns_at_once: int | None = None
) -> Float[Array, "dims dims"]:
    """Jacobian at a point, by JAX, of a score that it can trace; so many columns at once, by default all."""

    def along(tangent: Array) -> Array:
        return jax.jvp(lambda x: jnp.asarray(score(x[None, :], time))[0], (point,), (tangent,))[1]

    axes = jnp.eye(len(point))
    if columns_at_once is None:
        return jax.vmap(along)(axes).T
    return jax.lax.map(along, axes, batch_size=min(len(point), columns_at_once)).T


def check_protocol(protocol: str, num_replicates: int) -> None:
    """Refuse what is no protocol, or replicates of one that draws nothing.

    Raises:
        InputError: for these.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"there is no protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    if whole_number(num_replicates, "num_replicates", 1) > 1 and protocol != "orthogonal_frame":
        raise InputError(f"num_replicates is {num_replicates}; it is more than 1 only for protocol 'orthogonal_frame'")


def _jacobians(score: Score, point: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, Gibbs | None]:
    """Jacobians (times, dims, dims), and the weights at the point where there are any."""
    if isinstance(score, EmpiricalScore):
        weights, matrices = gibbs_and_jacobian(point, score.data, times, score.options)
        return np.asarray(matrices), weights
    matrices = [np.asarray(jacobian_of(score, jnp.asarray(point), jnp.asarray(time))) for time in times]
    return np.stack(matrices), None


def _frame_scores(
    score: Score, point: np.ndarray, times: np.ndarray, protocol: str, key: Array, num_replicates: int
) -> tuple[np.ndarray, Gibbs | None]:
    """Scores, or half of their differences, (times, frames, rows, dims), and the weights at the point, if any."""
    size = len(point)
    if protocol == "orthogonal_frame":
        frames = np.asarray(jax.random.orthogonal(key, size, (num_replicates,)))
        scores, weights = _on_rays(score, point, frames.reshape(-1, size), times)
        return scores.reshape(len(times), num_replicates, size, size), weights
    axes = np.eye(size)
    scores, weights = _on_rays(score, point, np.concatenate([axes, -axes]), times)
    return 0.5 * (scores[:, :size] - scores[:, size:])[:, None], weights


def _on_rays(
    score: Score, point: np.ndarray, directions: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, Gibbs | None]:
    """Scores (times, directions, dims) at x0 + sqrt(t) v, and the weights at x0 where there are any."""
    if isinstance(score, EmpiricalScore):
        # One more ray, of length zero, sees the weights at x0 in the same pass.
        rays = np.concatenate([directions, np.zeros((1, len(point)))])
        weights, scores = gibbs_and_score(point, score.data, times, rays, score.options)
        return np.asarray(scores)[:, :-1], Gibbs(*(field[:, -1] for field in weights))
    points = point[None, None, :] + np.sqrt(times)[:, None, None] * directions[None]
    return np.stack([np.asarray(score(rows, float(time))) for rows, time in zip(points, times, strict=True)]), None


def with_gaps(spectrum: xr.Dataset) -> xr.Dataset:
    """The data set with the gap of every spectrum between its open directions and the rest."""
    values = spectrum.singular_value
    size = values.sizes["index"]
    opened = values < OPEN
    count = opened.sum("index")
    known = values.notnull().all("index")
    # Only a gap that begins at an open direction says how many there are: those above it are of memorization.
    distance = values.where(~opened).min("index") - values.where(opened).max("index")
    gap = distance.fillna(0.0).where(known)
    found = [known & (gap >= GAP_THRESHOLD), known & (count == size), known & (count == 0)]
    status = np.select(found, [Gap.GAP, Gap.ALL_OPEN, Gap.NONE_OPEN], Gap.UNDECIDED).astype(np.int8)
    return spectrum.assign(
        gap=gap.assign_attrs(described("distance of the values of -tJ next to one half", "1")),
        gap_index=(size - 1.0 - count).where(found[0]).assign_attrs(described("index of the value above the gap", "1")),
        gap_dimension=count.where(status != Gap.UNDECIDED).assign_attrs(
            described(f"number of open directions, told apart by a gap of at least {GAP_THRESHOLD:g}", "1")
        ),
        gap_status=(gap.dims, status, flag_attributes(Gap, "what the spectrum says of the dimension")),
    )
