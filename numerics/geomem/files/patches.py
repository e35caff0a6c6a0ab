"""Patches of the two photographs that ship with scikit-learn: real data, by name, as many as are asked for."""

import numpy as np
from jaxtyping import Float, UInt8

from geomem.core.status import InputError

PHOTOGRAPHS = ("china", "flower")
_SIDES = (8, 16)  # pixels
_NUMBER = 30_000  # of patches by default
_FEWEST = 100
_SEED = 0
_GREY = (0.299, 0.587, 0.114)  # of red, green and blue, as in ITU-R BT.601


def patches(source: str) -> Float[np.ndarray, "samples pixels"]:
    """The patches of a name such as `patches`, `patches:16`, `patches:8:colour` or `patches:china:200000`.

    After `patches` there may stand, between colons and in any order, a side of 8 (the default) or 16 pixels; `colour`,
    for red, green and blue of every pixel instead of its grey level, 0.299 R + 0.587 G + 0.114 B; `china` or `flower`,
    for one of the two photographs alone, of 427 by 640 pixels; and how many patches, 30 000 by default. Levels are
    from 0 to 1. Rows of pixels stand one after another, the colours of a pixel side by side.

    Patches begin at different places, drawn at random without repetition, always the same ones: more of them begin
    with fewer. Of both photographs they alternate, and those of one are the ones that `china` or `flower` gives.
    Patches of one photograph overlap, so what is learned on one must be tested on the other.

    Raises:
        InputError: for a name that has something else in it, more patches than there are, or without scikit-learn.
    """
    images = patch_images(source)
    return images.reshape(len(images), -1)


def patch_images(source: str) -> Float[np.ndarray, "samples side side channels"]:
    """The same as images, of one channel or of three.

    Raises:
        InputError: as `patches`.
    """
    side, number, colour, photographs = _asked(source)
    share, more = divmod(number, len(photographs))
    parts = [_of_photograph(name, side, colour, share + (place < more)) for place, name in enumerate(photographs)]
    together = np.empty((number, *parts[0].shape[1:]))
    for place, part in enumerate(parts):
        together[place :: len(parts)] = part
    return together


def shape_of_patches(source: str) -> tuple[int, ...]:
    """Height, width and, in colour, channels of the patches of such a name.

    Raises:
        InputError: as `patches`.
    """
    side, _, colour, _ = _asked(source)
    return (side, side, 3) if colour else (side, side)


def _asked(source: str) -> tuple[int, int, bool, tuple[str, ...]]:
    """Side, number, whether in colour, and photographs."""
    found: dict[str, str] = {}
    for word in source.split(":")[1:]:
        if word == "colour":
            kind = "colour"
        elif word in PHOTOGRAPHS:
            kind = "photograph"
        elif word.isascii() and word.isdigit() and (int(word) in _SIDES or int(word) >= _FEWEST):
            kind = "side" if int(word) in _SIDES else "number"
        else:
            raise InputError(
                f"the data {source!r} have {word!r} in their name; after 'patches' may stand 8 or 16 (pixels), "
                f"'colour', 'china' or 'flower', and how many from {_FEWEST} on, between colons"
            )
        if kind in found:
            raise InputError(f"the data {source!r} name {found[kind]!r} and {word!r}; give one of them")
        found[kind] = word
    photographs = (found["photograph"],) if "photograph" in found else PHOTOGRAPHS
    return int(found.get("side", _SIDES[0])), int(found.get("number", _NUMBER)), "colour" in found, photographs


def _of_photograph(name: str, side: int, colour: bool, number: int) -> Float[np.ndarray, "samples side side channels"]:
    levels = _photograph(name)
    height, width = (length - side + 1 for length in levels.shape[:2])
    if number > height * width:
        raise InputError(
            f"the photograph {name!r} has {height * width} patches of {side} by {side} pixels, not {number}"
        )
    # The raw numbers of a generator are the same in every version of NumPy; what is drawn from them need not be.
    places = np.argsort(np.random.PCG64(_SEED).random_raw(height * width), kind="stable")[:number]
    windows = np.lib.stride_tricks.sliding_window_view(levels, (side, side), axis=(0, 1))
    chosen = windows[places // width, places % width]  # (number, colours, rows, columns)
    pixels = np.moveaxis(chosen, 1, -1) / 255.0
    return pixels if colour else (pixels @ np.array(_GREY))[..., None]


def _photograph(name: str) -> UInt8[np.ndarray, "height width 3"]:
    try:
        from sklearn.datasets import load_sample_image
    except ImportError as error:
        raise InputError("the patches need scikit-learn; install 'geomem[data]'") from error
    return load_sample_image(f"{name}.jpg")
