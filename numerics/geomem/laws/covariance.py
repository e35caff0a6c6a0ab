"""The spectrum of a data set's covariance, in blocks."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, as_samples, parts, refuse_not_finite, refuse_size, whole_number
from geomem.core.kinds import concrete_array
from geomem.core.precision import column_means, rounding_variances
from geomem.core.status import InputError
from geomem.laws.law import Law, check_law

_BISECTIONS = 60  # of a width in ln s
_SAME = 1e-9  # difference in ln s that is rounding


def covariance_spectrum(
    data: Numbers, center: bool, num_blocks: int | None
) -> tuple[Float[np.ndarray, " blocks"], Float[np.ndarray, " blocks"]]:
    """Variances, descending, and their multiplicities; see `Manifold.from_data`.

    Raises:
        InputError: as there.
    """
    return in_blocks(variances_of_directions(data, center), num_blocks)


def variances_of_directions(
    data: Numbers, center: bool, rounding: Float[np.ndarray, " dims"] | None = None
) -> Float[np.ndarray, " directions"]:
    """The same for every direction, descending, zeros where a variance is no more than rounding.

    `rounding`: that of data which were rounded before they were changed, as from `rounding_variances`.

    Raises:
        InputError: as there.
    """
    rows = as_samples(data)
    num_samples, ambient_dim = rows.shape
    # The triangular factor has the singular values of the rows, and takes them part by part.
    triangle = np.zeros((0, ambient_dim))
    with np.errstate(over="ignore", invalid="ignore"):
        mean = column_means(rows) if center else np.zeros(ambient_dim)
        for part in parts(rows):
            triangle = np.linalg.qr(np.concatenate([triangle, (part - mean) / np.sqrt(num_samples)]), mode="r")
    finite = np.isfinite(triangle).all()
    if not finite:
        refuse_not_finite(rows)
    singular = np.linalg.svd(triangle, compute_uv=False) if finite else np.array([np.inf])
    if not singular.max(initial=0.0) < np.sqrt(np.finfo(float).max):
        raise InputError("the data are too large for their variances to be finite; rescale them")
    refuse_size(float(np.abs(triangle).max()), "the data, less their mean,")
    spectrum = np.zeros(ambient_dim)
    spectrum[: len(singular)] = above_rounding(
        rows, singular**2, lambda: np.linalg.svd(triangle, full_matrices=False)[2], rounding
    )
    return np.sort(spectrum)[::-1]


def above_rounding(
    rows: Float[np.ndarray, "samples dims"],
    spectrum: Float[np.ndarray, " directions"],
    directions: Callable[[], Float[np.ndarray, "directions dims"]],
    rounding: Float[np.ndarray, " dims"] | None = None,
) -> Float[np.ndarray, " directions"]:
    """Variances along the principal directions of finite data, zeros where they are no more than rounding.

    That of the computation is as in the numerical rank of a matrix. That of the data (`rounding_variances`) is
    independent from coordinate to coordinate, so that its variance along a direction is their mean, and of few
    samples the largest exceeds it by (1 + sqrt(dims/samples))^2 (Marchenko and Pastur). The directions, unit
    vectors, are asked for only if there is a variance that no coordinate's rounding is too small for.
    """
    num_samples, dims = rows.shape
    computed = spectrum.max(initial=0.0) * (max(rows.shape) * np.finfo(float).eps) ** 2
    spectrum = np.where(spectrum > computed, spectrum, 0.0)
    own = rounding_variances(rows) if rounding is None else rounding
    rounding = own * (1 + np.sqrt(dims / num_samples)) ** 2
    if not ((spectrum > 0) & (spectrum <= rounding.max())).any():
        return spectrum
    return np.where(spectrum > directions() ** 2 @ rounding, spectrum, 0.0)


def in_blocks(
    spectrum: Float[np.ndarray, " directions"], num_blocks: int | None
) -> tuple[Float[np.ndarray, " blocks"], Float[np.ndarray, " blocks"]]:
    """A descending spectrum in so many blocks, and one of its zeros.

    Raises:
        InputError: for no blocks.
    """
    if num_blocks is not None:
        whole_number(num_blocks, "num_blocks", 1)
    positive = spectrum[spectrum > 0]
    variances, multiplicities = _grouped(positive, num_blocks)
    if len(positive) < len(spectrum):
        variances = np.append(variances, 0.0)
        multiplicities = np.append(multiplicities, len(spectrum) - len(positive))
    return variances, multiplicities


def sufficient_blocks(spectrum: Float[np.ndarray, " directions"], distance: float) -> int:
    """So many blocks that no direction is farther than that in ln s from the mean of its block; with one less some is.

    Of a descending spectrum, whose zeros are a block of their own.
    """
    positive = spectrum[spectrum > 0]
    # Too few blocks, of which one is wider than twice the distance, and enough.
    few, enough = len(_starts(-np.log(positive), 2 * distance)) - 1, len(positive)
    while enough - few > 1:
        count = (few + enough) // 2
        variances, multiplicities = in_blocks(positive, count)
        reach = np.abs(np.log(block_ranges(positive, multiplicities) / variances[:, None])).max()
        few, enough = (few, count) if reach <= distance else (count, enough)
    return enough


def block_ranges(
    directions: Float[np.ndarray, " directions"], multiplicities: Float[Array | np.ndarray, " blocks"]
) -> Float[np.ndarray, "blocks ends"]:
    """Smallest and largest variance inside every block of so many directions, which are in the blocks' order."""
    starts = np.append(0, np.cumsum(np.asarray(multiplicities, dtype=int))[:-1])
    return np.stack([np.minimum.reduceat(directions, starts), np.maximum.reduceat(directions, starts)], axis=1)


def of_directions(law: Law, direction_variances: Numbers) -> list[Float[np.ndarray, " members"]]:
    """Variances of the directions of every block of a law, whose own variances are means of them.

    Raises:
        InputError: unless there is one for every direction, in the blocks' order, finite and positive in blocks that
            have a variance and zero in others, and with the block's own between the smallest and the largest of them.
    """
    directions = concrete_array(direction_variances, "direction_variances")
    variances, counts = np.asarray(law.block_variances()), np.asarray(law.multiplicities, dtype=int)
    if directions.shape != (counts.sum(),):
        raise InputError(
            f"direction_variances has shape {directions.shape}; the manifold has {counts.sum()} directions, and each "
            "needs its variance"
        )
    members = np.split(directions, np.cumsum(counts)[:-1])
    for block, (own, variance) in enumerate(zip(members, variances, strict=True)):
        if not (np.isfinite(own) & (own > 0) if variance > 0 else own == 0).all():
            wanted = "positive and finite" if variance > 0 else "zero"
            raise InputError(f"direction_variances of block {block} must be {wanted}, as the block's own is")
        if variance > 0 and not own.min() * (1 - _SAME) <= variance <= own.max() * (1 + _SAME):
            raise InputError(
                f"direction_variances of block {block} are from {own.min():g} to {own.max():g}, but the block's own "
                f"variance is {variance:g}; give them in the order of the blocks"
            )
    return members


def extremes(law: Law, direction_variances: Numbers | None) -> list[list[float]]:
    """Smallest and largest variance of the directions of every block, where these are not the block's own.

    Raises:
        InputError: as `of_directions`.
    """
    check_law(law)
    if direction_variances is None:
        return [[] for _ in range(law.num_blocks)]
    pairs = zip(of_directions(law, direction_variances), np.asarray(law.block_variances()), strict=True)
    return [
        [float(end) for end in (own.min(), own.max()) if variance > 0 and abs(np.log(end / variance)) > _SAME]
        for own, variance in pairs
    ]


def asked_variances(law: Law, direction_variances: Numbers | None) -> list[list[float | None]]:
    """Variances of directions to ask about in every block: its own, which None is too, and those of `extremes`.

    Raises:
        InputError: as `of_directions`.
    """
    ends = extremes(law, direction_variances)
    if direction_variances is None:
        return [[None] for _ in ends]
    # With ends a block is asked as they are, so that one shape is compiled; not where it has no variance.
    return [[float(own) or None, *row] for own, row in zip(law.block_variances(), ends, strict=True)]


def _grouped(spectrum: np.ndarray, num_blocks: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of a descending positive spectrum, as their mean variances and sizes."""
    if num_blocks is None or num_blocks >= len(spectrum) or len(spectrum) < 2:
        return spectrum, np.ones(len(spectrum))
    depths = -np.log(spectrum)
    # The least width, in ln s, with which so many blocks suffice, each begun at the widest direction that is left.
    narrow, wide = 0.0, float(np.ptp(depths)) + _SAME
    for _ in range(_BISECTIONS):
        middle = 0.5 * (narrow + wide)
        narrow, wide = (narrow, middle) if len(_starts(depths, middle)) <= num_blocks else (middle, wide)
    starts = _starts(depths, wide)
    while len(starts) < num_blocks:
        # Where fewer suffice, the others go into the largest gaps that are left.
        gaps = np.diff(depths)
        gaps[np.array(starts[1:], dtype=int) - 1] = 0.0
        if not gaps.max() > _SAME:
            break
        starts = sorted([*starts, int(np.argmax(gaps)) + 1])
    members = np.split(spectrum, starts[1:])
    return np.array([group.mean() for group in members]), np.array([float(len(group)) for group in members])


def _starts(depths: Float[np.ndarray, " directions"], width: float) -> list[int]:
    """Where blocks begin that are as wide as that, of directions in rising order."""
    starts = [0]
    while (following := int(np.searchsorted(depths, depths[starts[-1]] + width, side="right"))) < len(depths):
        starts.append(following)
    return starts
