"""Reading images: pictures, arrays, and files as MNIST and CIFAR ship them. Nothing is ever unpickled."""

import gzip
import math
import struct
import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from geomem.core.status import InputError
from geomem.files.data import digits, file_and_key, read_npz, reading

_CHANNELS = {"L": 1, "RGB": 3}  # by Pillow's name of the mode
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
# Numbers of channels that are usual, then those that are met.
_USUAL, _MET = (1, 3), (1, 2, 3, 4)
_IDX_IMAGES = b"\x00\x00\x08\x03"  # unsigned bytes in three dimensions
_MOST_OF_DEFLATE = 1032  # bytes that one byte of a gzip file unpacks to, at most
_CIFAR_SIZE = 32
# Number of values of the labels, a byte each, in front of every record of CIFAR-10 and CIFAR-100.
_CIFAR_LABELS = ((10,), (20, 100))


def load_images(source: str | Path) -> Float32[np.ndarray, "samples height width channels"]:
    """Images by name, file or folder, in memory; pixels of 8 bits from 0 to 255 are mapped to -1 to 1.

    - `digits`: the 1797 handwritten digits that ship with scikit-learn, 8 by 8, levels 0 to 16 mapped to -1 to 1.
    - FILE.npz or FILE.npz:KEY: an array (samples, height, width), (samples, height, width, channels) or
      (samples, channels, height, width), told by which of the two axes is 1 or 3 long, else 2 or 4, of unsigned bytes
      or of floating-point numbers. These are mapped to -1 to 1 too if all lie between 0 and 1, stay as they are if some
      are negative, and are refused else.
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
        return _mapped(digits() / 8 - 1 if source == "digits" else _read(*file_and_key(str(source))))


def _read(path: str, key: str | None) -> np.ndarray:
    file = Path(path)
    if not file.is_file() and not file.is_dir():  # reading a pipe may never end
        raise InputError("there is no such file or folder of images")
    if file.is_dir():
        return _read_folder(file)
    if file.suffix == ".npz":
        return _channels_last(read_npz(file, key))
    return _read_cifar(file) if file.suffix == ".bin" else _read_idx(file)


def _mapped(pixels: np.ndarray) -> Float32[np.ndarray, "samples height width channels"]:
    if pixels.ndim not in (3, 4) or 0 in pixels.shape[1:]:
        raise InputError(
            f"the images have shape {pixels.shape}; they must be (samples, height, width) or "
            "(samples, height, width, channels)"
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


def _read_folder(folder: Path) -> UInt8[np.ndarray, "samples height width channels"]:
    files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    pictures = [file for file in files if file.suffix.lower() in _FORMATS]
    batches = [file for file in files if file.match("data_batch_*.bin")]
    inside = [file.name for file in files if file.is_dir()]
    others = [file.name for file in files if file.suffix.lower() in set(Image.registered_extensions()) - set(_FORMATS)]
    if inside and not batches:
        raise InputError(
            f"the folder holds folders ({_some(inside)}); give one of them, or move the images out of them"
        )
    if others:
        raise InputError(
            f"the folder holds pictures of other formats than PNG and JPEG ({_some(others)}); convert them"
        )
    if pictures and batches:
        raise InputError("the folder holds both pictures and CIFAR's data_batch_*.bin; keep one kind of them")
    if batches:
        parts = []
        for file in batches:
            with reading(file.name, "images"):
                parts.append(_read_cifar(file))
        return np.concatenate(parts)
    if not pictures:
        raise InputError("the folder holds neither .png, .jpg or .jpeg files nor CIFAR's data_batch_*.bin")
    first = _read_picture(pictures[0])
    images = np.empty((len(pictures), *first.shape), np.uint8)
    for place, file in enumerate(pictures):
        image = _read_picture(file)
        if image.shape != first.shape:
            raise InputError(
                f"{file.name} has height, width and channels {image.shape} where {pictures[0].name}, the first, has "
                f"{first.shape}; all images must be alike"
            )
        images[place] = image
    return images


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _read_picture(file: Path) -> UInt8[np.ndarray, "height width channels"]:
    kind = _FORMATS[file.suffix.lower()]
    with reading(file.name, f"a {kind} image"), warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(file, formats=(kind,)) as image:
                channels = _CHANNELS.get(image.mode)
                # Of 16 bits of a colour Pillow would drop 8 without a word.
                deep = any(tile.args == "RGB;16B" for tile in image.tile)
                if channels is None or deep or "transparency" in image.info:
                    raise InputError(
                        f"the image, of mode {image.mode}, has not just 8 bits of grey or RGB for a pixel; save it so"
                    )
                return np.asarray(image).reshape(image.height, image.width, channels)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise InputError(f"the image is too large: {error}") from error
        except SyntaxError as error:  # what Pillow calls a broken file
            raise InputError(f"the file is broken: {error}") from error


def _read_cifar(file: Path) -> UInt8[np.ndarray, "samples height width channels"]:
    content = np.fromfile(file, np.uint8)
    shape = (3, _CIFAR_SIZE, _CIFAR_SIZE)
    for labels in _CIFAR_LABELS:
        length = len(labels) + math.prod(shape)
        if len(content) % length:
            continue
        records = content.reshape(-1, length)
        if (records[:, : len(labels)] < np.array(labels)).all():
            return records[:, len(labels) :].reshape(-1, *shape).transpose(0, 2, 3, 1)
    raise InputError(
        f"the {len(content)} bytes of the file are neither records of CIFAR-10, 3073 bytes from a label below 10, nor "
        "of CIFAR-100, 3074 bytes from labels below 20 and 100"
    )


def _read_idx(file: Path) -> UInt8[np.ndarray, "samples height width"]:
    with file.open("rb") as stored:
        packed = stored.read(2) == b"\x1f\x8b"
        stored.seek(0)
        opened = gzip.GzipFile(fileobj=stored) if packed else stored
        header = opened.read(16)
        if header[:4] != _IDX_IMAGES:
            raise InputError(
                "the file is neither .npz nor CIFAR's .bin, nor are its first four bytes those of images in IDX, "
                f"{_IDX_IMAGES.hex()}, but {header[:4].hex() or 'none'}"
            )
        if len(header) < 16:
            raise InputError(f"the file ends after {len(header)} of the 16 bytes of an IDX header")
        shape = struct.unpack(">3I", header[4:])
        announced = math.prod(shape)
        # A damaged header can announce more than there is memory for.
        possible = announced <= file.stat().st_size * (_MOST_OF_DEFLATE if packed else 1)
        pixels = opened.read(announced + 1) if possible else b""
    if len(pixels) != announced:
        raise InputError(
            f"the header announces {shape[0]} images of {shape[1]} by {shape[2]} pixels, but the file holds "
            f"{'more' if len(pixels) > announced else 'less'}"
        )
    return np.frombuffer(pixels, np.uint8).reshape(shape)
