"""Images from whatever holds some, their pixels mapped to one scale. Nothing is ever unpickled."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from geomem.core.opening import reading
from geomem.core.status import InputError
from geomem.files.formats import IMAGES, TABLES, file_and_key, refused, suffix
from geomem.files.patches import patch_images
from geomem.files.sources import Source, read_source

# Numbers of channels that are usual, then those that are met.
_USUAL, _MET = (1, 3), (1, 2, 3, 4)


def load_images(source: str | Path) -> Float32[np.ndarray, "samples height width channels"]:
    """Images by name, file or folder, in memory; pixels of 8 bits from 0 to 255 are mapped to -1 to 1.

    - `digits`: the 1797 handwritten digits that ship with scikit-learn, 8 by 8, levels 0 to 16 mapped to -1 to 1.
    - `patches`, `patches:16:colour` and others: patches of its two sample photographs, as for `load_data`, levels
      mapped to -1 to 1.
    - FILE.npy, FILE.npz[:KEY] or FILE.nc[:VARIABLE]: an array (samples, height, width), (samples, height, width,
      channels) or (samples, channels, height, width), told by which of the two axes is 1 or 3 long, else 2 or 4, of
      unsigned bytes or of floating-point numbers. These are mapped to -1 to 1 too if all lie between 0 and 1, stay as
      they are if some are negative, and are refused else.
    - A folder of .png, .jpg and .jpeg files, sorted by name, all of one size, grey or RGB of 8 bits a channel. Other
      pictures are refused: what palettes, transparency and more bits should become is not for a reader to say.
      Hidden files and those that are no pictures are left out, folders inside are refused.
    - FILE.bin, or a folder of data_batch_*.bin files: CIFAR's binary version, of 32 by 32 RGB (A. Krizhevsky,
      Learning multiple layers of features from tiny images, 2009). A file is CIFAR-10 if it is made of records of
      3073 bytes that start with a label below 10, else CIFAR-100 if of 3074 bytes that start with two labels
      below 20 and 100. The labels are left out.
    - Any other file: images in the IDX format of MNIST (http://yann.lecun.com/exdb/mnist), known by its first four
      bytes, such as train-images-idx3-ubyte; packed by gzip or not.

    Raises:
        InputError: if the source is none of these or damaged, an image differs from the first in size or mode, a
            number is not finite, or there are fewer than two images.

    Example:
        >>> from geomem import load_images
        >>> images = load_images("digits")
        >>> print(images.shape, f"pixels from {images.min():.0f} to {images.max():.0f}")
        (1797, 8, 8, 1) pixels from -1 to 1
    """
    with reading(source, "images"):
        if str(source).partition(":")[0] == "patches":
            return _mapped(patch_images(str(source)))
        if suffix(file_and_key(source)[0]) in TABLES:
            raise refused(source, "file of images", IMAGES)
        return _images(source, read_source(source))


def _images(source: str | Path, held: Source) -> Float32[np.ndarray, "samples height width channels"]:
    if str(source) == "digits":
        return _mapped(held.numbers / 8 - 1)
    return _mapped(held.numbers if held.channels_last else _channels_last(held.numbers))


def _mapped(pixels: np.ndarray) -> Float32[np.ndarray, "samples height width channels"]:
    if pixels.ndim not in (3, 4) or 0 in pixels.shape[1:]:
        raise InputError(
            f"the images have shape {pixels.shape}; they must be (samples, height, width) or "
            "(samples, height, width, channels); load_data takes tables"
        )
    if len(pixels) < 2:
        raise InputError(f"there are {len(pixels)} image(s); a data set needs at least two")
    if pixels.dtype != np.uint8 and pixels.dtype.kind != "f":
        raise InputError(f"the pixels have dtype {pixels.dtype}; they must be unsigned bytes or floating-point numbers")
    with np.errstate(over="ignore", invalid="ignore"):
        images = pixels.astype(np.float32, order="C")
    if pixels.ndim == 3:
        images = images[..., None]
    low, high = float(images.min()), float(images.max())
    if pixels.dtype == np.uint8:  # in place: the images may be most of what memory holds
        images /= 127.5
        images -= 1
    elif low >= 0 and high <= 1:
        images *= 2
        images -= 1
    elif low >= 0:
        raise InputError(
            f"the pixels are floating-point numbers from {low:g} to {high:g}; save them as unsigned bytes, or scaled "
            "to 0 to 1 or -1 to 1"
        )
    bad = np.flatnonzero(~np.isfinite(images).all(axis=(1, 2, 3)))
    if len(bad):
        raise InputError(
            f"image {bad[0]} holds NaN, infinity or numbers too large for float32; remove such images ({len(bad)})"
        )
    return images


def _channels_last(pixels: np.ndarray) -> np.ndarray:
    """The array with its channels, if there are any, as the last axis; they may be the second."""
    if pixels.ndim != 4 or 0 in pixels.shape[1:]:
        return pixels
    second, last = (pixels.shape[axis] in _USUAL for axis in (1, 3))
    if not second and not last:
        second, last = (pixels.shape[axis] in _MET for axis in (1, 3))
    if second == last:
        raise InputError(
            f"the images have shape {pixels.shape}; 1 to 4 channels must be the second or the last axis, and "
            f"{'could be either' if second else 'are neither'}; save grey images as (samples, height, width)"
        )
    return np.moveaxis(pixels, 1, 3) if second else pixels
