"""Images that a user passes, and the patches that are asked of them, or one sentence that says what is wrong."""

from collections.abc import Sequence
from itertools import pairwise
from reprlib import repr as shown

import numpy as np
from jaxtyping import Float

from geomem.core.arguments import Numbers, refuse_traced, whole_number
from geomem.core.kinds import concrete_array
from geomem.core.status import InputError

BOUNDARIES = ("zero", "periodic")


def checked_images(
    values: Numbers, name: str = "images", least: int = 1
) -> Float[np.ndarray, "samples height width channels"]:
    """Images with channels on a last axis, so many at least.

    Raises:
        InputError: if they are none, fewer, or not finite.
    """
    array = concrete_array(values, f"the {name}")
    if array.ndim not in (3, 4) or 0 in array.shape[1:]:
        raise InputError(
            f"the {name} have shape {array.shape}; they must be ({name}, height, width) or ({name}, height, width, "
            "channels): reshape flat ones, or see load_images"
        )
    if len(array) < least:
        raise InputError(f"there are {len(array)} {name}; there must be at least {least}")
    if not np.isfinite(array).all():
        raise InputError(f"the {name} hold NaN or infinity")
    return array[..., None] if array.ndim == 3 else array


def image_shape(images: np.ndarray) -> tuple[int, int, int]:
    """Height, width and channels."""
    height, width, channels = images.shape[1:]
    return height, width, channels


def checked_side(patch_size: object, images: np.ndarray) -> int:
    """The side of patches of these images, in pixels.

    Raises:
        InputError: if it is none, or larger than they are.
    """
    side = whole_number(patch_size, "patch_size", 1)
    if side > min(images.shape[1:3]):
        raise InputError(f"patch_size is {side}, and the images have {images.shape[1]} by {images.shape[2]} pixels")
    return side


def checked_sides(patch_sizes: Numbers, images: np.ndarray) -> list[int]:
    """Sides of patches of these images, rising.

    Raises:
        InputError: if they are no such list, or one is larger than the images.
    """
    refuse_traced(patch_sizes, "patch_sizes")
    values = patch_sizes.tolist() if isinstance(patch_sizes, np.ndarray) else patch_sizes
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)) or not values:
        raise InputError(f"the patch sizes are {shown(patch_sizes)}; they must be a list of whole numbers")
    sides = [checked_side(one, images) for one in values]
    if any(small >= large for small, large in pairwise(sides)):
        raise InputError(f"the patch sizes are {', '.join(map(str, sides))}; they must rise")
    return sides


def is_periodic(boundary: str) -> bool:
    """Whether images go on at the opposite border.

    Raises:
        InputError: for a boundary that there is none of.
    """
    if not isinstance(boundary, str) or boundary not in BOUNDARIES:
        raise InputError(f"there is no boundary {boundary!r}; choose one of {', '.join(BOUNDARIES)}")
    return boundary == "periodic"
