"""Folders of pictures as one array of images, or of the batches of CIFAR's binary version."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from geomem.core.opening import reading, regular_file, some
from geomem.core.status import InputError
from geomem.files.image_sets import read_cifar

_CHANNELS = {"L": 1, "RGB": 3}  # by Pillow's name of the mode
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


def read_folder(folder: Path) -> UInt8[np.ndarray, "samples height width channels"]:
    """The images of a folder, sorted by name, all alike.

    Raises:
        InputError: if it holds none, others, or what is damaged.
    """
    files = sorted(file for file in folder.iterdir() if not file.name.startswith("."))
    pictures = [file for file in files if file.suffix.lower() in _FORMATS]
    batches = [file for file in files if file.match("data_batch_*.bin")]
    inside = [file.name for file in files if file.is_dir()]
    others = [file.name for file in files if file.suffix.lower() in set(Image.registered_extensions()) - set(_FORMATS)]
    if inside and not batches:
        raise InputError(f"the folder holds folders ({some(inside)}); give one of them, or move the images out of them")
    if others:
        raise InputError(f"the folder holds pictures of other formats than PNG and JPEG ({some(others)}); convert them")
    if pictures and batches:
        raise InputError("the folder holds both pictures and CIFAR's data_batch_*.bin; keep one kind of them")
    if batches:
        parts = []
        for file in batches:
            with reading(file.name, "images"):
                parts.append(read_cifar(file))
        return np.concatenate(parts)
    if any(file.match("data_batch_[0-9]") for file in files):
        raise InputError("the folder holds CIFAR's version for Python, which is pickled; take its binary version")
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


def _read_picture(file: Path) -> UInt8[np.ndarray, "height width channels"]:
    kind = _FORMATS[file.suffix.lower()]
    with reading(file.name, f"a {kind} image"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, in its terms
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(regular_file(file), formats=(kind,)) as image:
                channels = _CHANNELS.get(image.mode)
                # Of 16 bits of a colour Pillow would drop 8 without a word.
                deep = any(tile.args == "RGB;16B" for tile in image.tile)
                if channels is None or deep or "transparency" in image.info:
                    raise InputError(
                        f"the image, of mode {image.mode}, has not just 8 bits of grey or RGB for a pixel; save it so"
                    )
                return np.asarray(image).reshape(image.height, image.width, channels)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise InputError(f"the image is too large: it has more than {Image.MAX_IMAGE_PIXELS} pixels") from error
        except SyntaxError as error:  # what Pillow calls a broken file
            raise InputError("it is damaged") from error
