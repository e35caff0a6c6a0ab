"""How well local scores tell what a score does, patch size by patch size: a network beside patches of its data."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, check_key, listed_noise_variances
from geomem.core.images import checked_images, checked_sides
from geomem.core.kinds import check_score, concrete_array
from geomem.core.progress import bar
from geomem.core.provenance import digest, key_record, provenance
from geomem.core.resampling import DATA_RESAMPLES, INTERVAL
from geomem.core.results import described, noise_axis
from geomem.core.status import InputError
from geomem.empirical.local import local_score_and_gibbs
from geomem.empirical.scores import score_of
from geomem.lowering import lower

_posterior_mean = jnp.vectorize(lower("posterior_mean_of_score"))
_FEWEST = 3  # probes, of which a median has an interval
_OVER = ("score", "noise_variance", "patch_size")


def local_agreement(
    score: Callable[..., Array | np.ndarray] | Sequence[Callable[..., Array | np.ndarray]],
    images: Numbers,
    probes: Numbers,
    *,
    noise_variance: Numbers,
    patch_sizes: Numbers,
    key: Array,
    equivariant: bool = True,
    boundary: str = "zero",
) -> xr.Dataset:
    """Squared correlation of what a score and local scores make of noised images, and the patch size that tells most.

    At noised probes x, the same for all, r^2 is the squared correlation over pixels and channels of the denoised image
    x + t S(x) with that of the local score of the images, one for each probe, of which the median is taken. What an
    output is multiplied by, or shifted by, does not matter. At small t any denoised image is nearly x, and all r^2 are
    nearly 1; the best patch size is told by differences, and its interval says whether they are enough. In
    arXiv:2412.20292 the r^2 is the median over starts of the same correlation, of images that the network and the local
    score generate from one start; its code does not square it.

    Args:
        score: a function of flat points (n, dims) and one noise variance to scores (n, dims), such as `score` of a
            training; or a list of them, since those of patches are computed once for all.
        images: what the network was trained on, (samples, height, width) or with channels last.
        probes: images of the same kind, held out, three at least; noise is added here, the same at every t in units of
            its deviation.
        noise_variance: noise variances t, in squared units of the pixels.
        patch_sizes: sides of patches in pixels, rising.
        key: for the noise.
        equivariant, boundary: as for `local_score`. A network that pads with zeros is told by `zero`.

    Returns:
        A data set over `score`, its number in the list if there is one, `noise_variance` and `patch_size`:

        - `r_squared`, `r_squared_lower` and `r_squared_upper`: the median over the probes, and its interval of 95 %;
        - `whole`, `whole_lower`, `whole_upper`: the same with the empirical score of whole images, no patch size;
        - `best_patch_size`, `best_patch_size_lower`, `best_patch_size_upper`: that of the largest median;
        - `participation` and `participation_error`: of the Gibbs measure over patches, the mean over pixels and probes
          and its standard error over the probes; from 1/2 on single patches are copied.

        Intervals are those over 200 drawings of the probes with replacement.

    Raises:
        InputError: for what is no score, one that gives values of another shape or not finite ones, fewer than three
            probes, patch sizes that do not rise, and as `local_score`.
    """
    scores = list(score) if isinstance(score, Sequence) and not isinstance(score, str) else [score]
    for one in scores or [None]:
        check_score(one)
    check_key(key)
    times = listed_noise_variances(noise_variance)
    clean, data = concrete_array(probes, "the probes"), concrete_array(images, "the images")
    sizes = np.array(checked_sides(patch_sizes, checked_images(data)))
    if not clean.ndim or len(clean) < _FEWEST:
        raise InputError(f"the probes have shape {clean.shape}; there must be at least {_FEWEST} images")
    noise = np.asarray(jax.random.normal(key, clean.shape))
    squares, weights = [], []
    with bar("noise levels", len(times)) as report:
        for time in times.tolist():
            x = clean + np.sqrt(time) * noise
            of_patches, gibbs = local_score_and_gibbs(
                x, data, [time] * len(sizes), patch_size=sizes.tolist(), equivariant=equivariant, boundary=boundary
            )
            flat = x.reshape(len(x), -1)
            given = np.stack([_values(one, flat, time) for one in scores])
            whole = _values(score_of(data.reshape(len(data), -1)), flat, time)
            others = np.concatenate([np.reshape(of_patches, (len(sizes), *flat.shape)), whole[None]])
            ours, theirs = (np.asarray(_posterior_mean(time, flat[None], each)) for each in (given, others))
            squares.append(_squared_correlation(ours[:, None], theirs))
            weights.append(gibbs.participation.mean(axis=(2, 3)))
            report(len(squares))
    found = np.stack(squares, axis=1)
    record = {
        "images_sha256": digest(data),
        "probes_sha256": digest(clean),
        "key": key_record(key),
        "equivariant": bool(equivariant),
        "boundary": boundary,
    }
    result = _summary(found[:, :, :-1], found[:, :, -1], np.stack(weights), times, sizes, provenance(record))
    return result if isinstance(score, Sequence) else result.isel(score=0, drop=True)


def _values(
    score: Callable[..., Array | np.ndarray], x: Float[np.ndarray, "probes dims"], time: float
) -> Float[np.ndarray, "probes dims"]:
    values = np.asarray(score(jnp.asarray(x), time), dtype=float)
    if values.shape != x.shape or not np.isfinite(values).all():
        raise InputError(
            f"of points {x.shape} a score gives values of shape {values.shape} at noise variance {time:g}; they must "
            "be as many, and finite"
        )
    return values


def _squared_correlation(
    one: Float[np.ndarray, "*many pixels"], other: Float[np.ndarray, "*several pixels"]
) -> Float[np.ndarray, "*both"]:
    """Over the pixels; 0 where one of the two is constant."""
    one, other = (each - each.mean(axis=-1, keepdims=True) for each in (one, other))
    both = np.sum(one**2, axis=-1) * np.sum(other**2, axis=-1)
    return np.divide(np.sum(one * other, axis=-1) ** 2, both, out=np.zeros_like(both), where=both > 0)


def _summary(
    squares: Float[np.ndarray, "scores times sizes probes"],
    wholes: Float[np.ndarray, "scores times probes"],
    weights: Float[np.ndarray, "times sizes probes"],
    times: np.ndarray,
    sizes: np.ndarray,
    record: str,
) -> xr.Dataset:
    """Medians and what they are over drawn probes."""
    count = wholes.shape[2]
    drawn = np.random.default_rng(0).integers(count, size=(DATA_RESAMPLES, count))
    medians = np.median(squares[..., drawn], axis=-1)  # (scores, times, sizes, drawings)
    texts = {
        "r_squared": "squared correlation of denoised images",
        "whole": "the same with the empirical score of whole images",
        "best_patch_size": "patch size of the largest median",
    }
    values = {
        "r_squared": (np.median(squares, axis=-1), medians),
        "whole": (np.median(wholes, axis=-1), np.median(wholes[..., drawn], axis=-1)),
        "best_patch_size": (sizes[np.argmax(np.median(squares, axis=-1), axis=2)], sizes[np.argmax(medians, axis=2)]),
    }
    data = {}
    for name, (value, others) in values.items():
        unit = "pixels" if name == "best_patch_size" else "1"
        over, ends = _OVER[: value.ndim], np.percentile(others, INTERVAL, axis=-1)
        data[name] = (over, value, described(texts[name], unit))
        for end, side in zip(ends, ("lower", "upper"), strict=True):
            data[f"{name}_{side}"] = (over, end, described(f"{side} end of its interval of 95 % over the probes", unit))
    for name, value, text in (
        ("participation", weights.mean(axis=2), "participation of patches, mean over pixels and probes"),
        ("participation_error", weights.std(axis=2, ddof=1) / np.sqrt(count), "its standard error"),
    ):
        data[name] = (_OVER[1:], value, described(text, "1"))
    coordinates = noise_axis(times) | {"patch_size": ("patch_size", sizes, described("side of the patches", "pixels"))}
    return xr.Dataset(data, coordinates, {"observable": "agreement with local scores", "provenance": record})
