"""Ranges that are given as the smallest, the largest, and how many."""

import math

from geomem.core.status import InputError

Range = tuple[float, float, float]


def check_noise_range(given: Range, most: int | float = math.inf) -> None:
    """Refuse what are no noise variances, or more than so many.

    Raises:
        InputError: for such a range.
    """
    _check("--noise-variances", given, given[0] > 0, math.inf, most, "a positive noise variance, a larger one,")


def check_size_range(given: Range, largest: float, most: int) -> None:
    """Refuse what are no sizes, larger ones than the largest, or more than so many.

    Raises:
        InputError: for such a range.
    """
    _check("--sizes", given, given[0] >= 2, largest, most, f"a size of at least 2, a larger one up to {largest:g},")


def _check(option: str, given: Range, begins: bool, largest: float, most: int | float, wanted: str) -> None:
    low, high, count = given
    rises = low < high <= largest and high < math.inf
    if not (begins and rises and 2 <= count <= most and count < math.inf and count == int(count)):
        counts = "of at least 2" if most == math.inf else f"from 2 to {most:g}"
        raise InputError(f"{option} {low:g} {high:g} {count:g} must be {wanted} and a count {counts}")
