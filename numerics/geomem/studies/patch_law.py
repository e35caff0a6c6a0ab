"""The law of the patches of images: samples of it are what a local score averages over.

Equations: `geomem_theory`, chapter `local_scores`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Inexact

from geomem.core.arguments import Numbers, check_key, float_array, is_whole, refuse_unless
from geomem.core.images import checked_images, checked_side, image_shape, is_periodic
from geomem.core.status import InputError
from geomem.laws.full_mixture import FullMixture
from geomem.laws.law import Law
from geomem.lowering import lower
from geomem.studies.fitting import FAMILIES, fit_law

_patch_log_size = jnp.vectorize(lower("patch_log_size"))
_MOST_PATCHES = 30_000  # that a mixture is fitted to, or that are a pool
_PART = 1 << 22  # numbers of patches that are cut at once

Pixel = tuple[int, int]
Images = Float[np.ndarray, "samples height width channels"]


class PatchLaw(NamedTuple):
    """The law of patches around a pixel, their pixels in rows, row by row, with the channels of a pixel side by side.

    `positions` is with how many patches of an image one of a probe is compared: N images are N times so many samples.
    `directions` are the unit vectors, (channels, dims), of the pixel that a patch is around, which is the one that is
    scored.
    """

    law: Law
    positions: int
    directions: Float[np.ndarray, "channels dims"]

    def log_num_samples(self, num_images: Numbers) -> Float[np.ndarray, "..."]:
        """ln of the number of patches of so many images, as `quenched`, `critical_time` and others take it."""
        sizes = np.asarray(float_array(num_images, "num_images"), dtype=float)
        refuse_unless(sizes, np.isfinite(sizes) & (sizes >= 1), "number of images", "it must be finite and at least 1")
        return np.asarray(_patch_log_size(np.log(sizes), float(self.positions)))


def patch_law(
    images: Numbers,
    *,
    patch_size: int,
    pixel: Pixel | None = None,
    boundary: str = "zero",
    family: str = "gaussian",
    key: Array | None = None,
) -> PatchLaw:
    """The law of patches of images, for the theory of `local_score`: of every level, criterion and probe.

    Args:
        images: the data set, (samples, height, width) or with channels last.
        patch_size: side of the patches in pixels; one of even size is around the pixel below and right of its middle.
        pixel: row and column of the pixel that the patches are around, as a score that is not equivariant compares
            them; by default patches are around all pixels, as an equivariant one does.
        boundary: as for `local_score`. With `zero` the patches around all pixels are those that do not reach over the
            border, which are compared with each other alone; around one pixel they are what there is of them.
        family: `gaussian`: of the mean and covariance of all patches, which of periodic images is the stationary
            Gaussian of their power spectrum; or as for `fit_law`, of at most 30 000 patches.
        key: for other families than `gaussian`: which patches are taken, and for the fit.

    Returns:
        `PatchLaw`: law, positions, and the directions of the scored pixel. Patches of one image are counted as
        independent samples. Source: `geomem_theory`, chapter `local_scores`.

    Raises:
        InputError: for images that are none, a patch larger than they are, a pixel that is not in them, a family
            without a key, or as `fit_law`.

    Example: below which noise variance scores by patches of all digits collapse onto single ones.

        >>> from geomem import load_images, patch_law, trajectory_times
        >>> found = patch_law(load_images("digits"), patch_size=3)
        >>> times = trajectory_times(found.law, log_num_samples=found.log_num_samples(1797))
        >>> print(f"{found.positions} places: t = {times.collapse.value:.3f}")
        36 places: t = 0.037
    """
    rows, periodic = checked_images(images, least=1 if pixel is None else 2), is_periodic(boundary)
    side = checked_side(patch_size, rows)
    return law_in_window(Window.of(rows, side, pixel, periodic), rows, family, key)


def law_in_window(window: "Window", images: Images, family: str, key: Array | None) -> PatchLaw:
    """`patch_law` of checked images."""
    if family not in FAMILIES:
        raise InputError(f"there is no family {family!r} of laws; choose one of {', '.join(FAMILIES)}")
    if family == "gaussian":
        law: Law = _gaussian(window, images)
    elif key is None:
        raise InputError(f"a law of family {family!r} is fitted to some of the patches; give a key")
    else:
        check_key(key)
        of_patches, of_fit = jax.random.split(key)
        law = fit_law(window.some(images, _MOST_PATCHES, of_patches), family=family, key=of_fit).law
    return PatchLaw(law, window.positions, window.directions())


class Window(NamedTuple):
    """Where patches are cut: rows and columns of their first pixels, and their shape.

    They may have zeros behind their numbers, up to `dims` of them, which change no weight: what is compiled for patches
    of one size then serves all.
    """

    first_rows: np.ndarray
    first_columns: np.ndarray
    height: int
    width: int
    own: Pixel  # the place in the patch of the pixel that it is around
    channels: int
    dims: int
    whole: bool  # whether it is around all pixels of periodic images

    @classmethod
    def of(cls, images: Images, side: int, pixel: Pixel | None, periodic: bool, dims: int = 0) -> "Window":
        *shape, channels = image_shape(images)
        before = side // 2
        if pixel is None:
            firsts = [np.arange(length if periodic else length - side + 1) - before * periodic for length in shape]
            dims = max(side * side * channels, dims)
            return cls(*firsts, side, side, (before, before), channels, dims, periodic)
        if not (
            isinstance(pixel, tuple)
            and len(pixel) == 2
            and all(is_whole(place) and 0 <= place < length for place, length in zip(pixel, shape, strict=True))
        ):
            raise InputError(
                f"the pixel is {pixel!r}; it must be a row and a column of {shape[0]} by {shape[1]} pixels"
            )
        begin = [place - before for place in pixel]
        end = [first + side for first in begin]
        if not periodic:
            begin = [max(first, 0) for first in begin]
            end = [min(last, length) for last, length in zip(end, shape, strict=True)]
        own = (pixel[0] - begin[0], pixel[1] - begin[1])
        firsts = [np.array([first]) for first in begin]
        height, width = end[0] - begin[0], end[1] - begin[1]
        return cls(*firsts, height, width, own, channels, max(height * width * channels, dims), False)

    @property
    def positions(self) -> int:
        """Patches of an image."""
        return len(self.first_rows) * len(self.first_columns)

    def directions(self) -> Float[np.ndarray, "channels dims"]:
        """Unit vectors of the pixel that patches are around."""
        first = (self.own[0] * self.width + self.own[1]) * self.channels
        return np.eye(self.channels, self.dims, first)

    def cut(self, images: Images, places: np.ndarray) -> Float[np.ndarray, "places dims"]:
        """The patches at these places, counted image by image, row by row."""
        image, place = np.divmod(places, self.positions)
        row, column = np.divmod(place, len(self.first_columns))
        rows = (self.first_rows[row][:, None] + np.arange(self.height)) % images.shape[1]
        columns = (self.first_columns[column][:, None] + np.arange(self.width)) % images.shape[2]
        found = images[image[:, None, None], rows[:, :, None], columns[:, None, :]]
        return self.filled(found.reshape(len(places), -1).astype(float))

    def filled(self, numbers: Float[np.ndarray, "*rows numbers"]) -> Float[np.ndarray, "*rows dims"]:
        """With zeros behind."""
        beyond = self.dims - numbers.shape[-1]
        return np.concatenate([numbers, np.zeros((*numbers.shape[:-1], beyond))], axis=-1) if beyond else numbers

    def some(self, images: Images, most: int, key: Array) -> Float[np.ndarray, "patches dims"]:
        """So many patches at most, drawn without repetition."""
        count = len(images) * self.positions
        if count <= most:
            return self.cut(images, np.arange(count))
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist())
        return self.cut(images, np.sort(rng.choice(count, most, replace=False)))


def stationary_covariance(
    power: Inexact[np.ndarray, "channels channels height width"], side: int
) -> Float[np.ndarray, "dims dims"]:
    """Covariance of patches of a stationary field on a periodic grid, of that power spectrum.

    The power of channels c and c' is the mean of conj(f_c) f_c' over fields, f = `numpy.fft.fft2` of one, over the
    number of pixels; its inverse transform is the covariance of pixels by how far they are apart.
    """
    height, width = power.shape[2:]
    apart = np.fft.ifft2(power).real
    places = np.stack(np.divmod(np.arange(side * side), side))
    away = places[:, None, :] - places[:, :, None]  # of the second pixel from the first
    dims = side * side * len(power)
    return apart[:, :, away[0] % height, away[1] % width].transpose(2, 0, 3, 1).reshape(dims, dims)


def _power(images: Images) -> Complex[np.ndarray, "channels channels height width"]:
    """The power spectrum of the images about the mean of all pixels."""
    mean, count = images.mean(axis=(0, 1, 2), dtype=float), images.shape[3]
    power = np.zeros((count, count, *images.shape[1:3]), dtype=complex)
    for part in _parts(images):
        waves = np.fft.fft2(np.moveaxis(part - mean, 3, 0), axes=(2, 3))
        power += np.einsum("cnij,dnij->cdij", waves.conj(), waves)
    return power / (len(images) * images.shape[1] * images.shape[2])


def _gaussian(window: Window, images: Images) -> FullMixture:
    """Of the mean and covariance of all patches; of all of periodic images that of their power spectrum."""
    if window.whole:
        mean = window.filled(np.tile(images.mean(axis=(0, 1, 2), dtype=float), window.height * window.width))
        covariance = window.filled(window.filled(stationary_covariance(_power(images), window.height)).T)
        return FullMixture([1.0], mean[None], covariance[None])
    center = window.filled(np.full(window.height * window.width * window.channels, images.mean(dtype=float)))
    total, products = np.zeros(window.dims), np.zeros((window.dims, window.dims))
    count, at_once = len(images) * window.positions, max(_PART // window.dims, 1)
    for first in range(0, count, at_once):
        rows = window.cut(images, np.arange(first, min(first + at_once, count))) - center
        total += rows.sum(axis=0)
        products += rows.T @ rows
    mean = total / count
    return FullMixture([1.0], (center + mean)[None], (products / count - np.outer(mean, mean))[None])


def _parts(images: Images) -> list[Images]:
    """Images in parts whose transforms are small."""
    at_once = max(_PART // images[0].size, 1)
    return [images[first : first + at_once].astype(float) for first in range(0, len(images), at_once)]
