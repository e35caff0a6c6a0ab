"""One noised image, denoised by patches of every size and by whole images, at several noise variances."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from geomem.core.results import described, noise_axis
from geomem.empirical.gibbs import denoiser
from geomem.empirical.local import local_score
from geomem.lowering import lower

_posterior_mean = jnp.vectorize(lower("posterior_mean_of_score"))
WHOLE = "whole"  # how the ideal denoiser is called, among the patch sizes


def denoised_pictures(
    images: Float[np.ndarray, "samples height width channels"],
    place: int,
    patch_sizes: Sequence[int],
    noise_variance: Float[np.ndarray, " times"],
    *,
    boundary: str,
    key: Array,
) -> xr.Dataset:
    """The image of that place with noise, denoised by all others: one noise, larger with t.

    `noised` (noise_variance, row, column, channel), and `denoised` with an axis `denoiser` of the patch sizes and
    `whole`: the average over whole images, which is the ideal denoiser of the data set and knows no patches.
    """
    image, others = images[place].astype(float), np.delete(images, place, axis=0)
    noise = np.asarray(jax.random.normal(key, image.shape))
    noised = image + np.sqrt(noise_variance)[:, None, None, None] * noise
    rows = others.reshape(len(others), -1)
    denoised = np.empty((len(noise_variance), len(patch_sizes) + 1, *image.shape))
    for level, (time, x) in enumerate(zip(noise_variance, noised, strict=True)):
        scores = local_score(x[None], others, [time] * len(patch_sizes), patch_size=patch_sizes, boundary=boundary)
        denoised[level, :-1] = _posterior_mean(time, x[None], scores[:, 0])
        denoised[level, -1] = np.asarray(denoiser(x.ravel(), rows, time)).reshape(image.shape)
    pixels = ("row", "column", "channel")
    return xr.Dataset(
        {
            "image": (pixels, image, described("the image", "1")),
            "noised": (("noise_variance", *pixels), noised, described("with noise", "1")),
            "denoised": (("noise_variance", "denoiser", *pixels), denoised, described("mean given the noised", "1")),
        },
        noise_axis(noise_variance) | {"denoiser": [*map(str, patch_sizes), WHOLE]},
    )
