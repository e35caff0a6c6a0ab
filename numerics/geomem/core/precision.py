"""How much of a data set is rounding: the precision that its numbers have, whatever type holds them."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float

from geomem.core.arguments import parts

# What data are kept in before they are read as float64, coarsest first.
_NARROW = (np.float16, np.float32)
_SAFETY = 4  # times the variance of one rounding, eps^2/12 of the mean square; it is measured to be 0.1 to 1.1 of that


def column_means(rows: Float[np.ndarray, "samples dims"]) -> Float[np.ndarray, " dims"]:
    """Means of the columns, wrong by the rounding of their spread and not of their distance from the origin."""
    first = rows[0].astype(float)
    return first + sum((part - first).sum(axis=0) for part in parts(rows)) / len(rows)


def mean_variance(rows: Float[np.ndarray, "samples dims"]) -> float:
    """Mean of the columns' variances; no copy of the rows is made."""
    center = column_means(rows)
    return float(sum(((part - center) ** 2).sum() for part in parts(rows)) / rows.size)


def rounding_variances(rows: Float[np.ndarray, "samples dims"]) -> Float[np.ndarray, " dims"]:
    """An upper bound on the variance of the rounding errors in every column, in squared units of the data.

    A number x that was rounded to relative precision eps is wrong by up to eps |x|/2, evenly: a variance of
    eps^2 x^2/12 where it is largest, taken four times. Sums of up to `dims` products, each of which was rounded
    (to float32 where that or float16 holds the numbers), add a variance of one rounding for each. Columns are taken for
    float16 or float32 by their values, if all are numbers of that type; but whole numbers, and others of one fixed
    step that the type did not need to round to, are exact. Source: N. J. Higham, Accuracy and Stability of
    Numerical Algorithms, 2nd ed. (SIAM, 2002), sections 2.8 and 3.1.
    """
    dims = rows.shape[1]
    wide = np.finfo(np.float64).eps
    squares = np.zeros(dims)  # times wide^2, lest they overflow
    for part in parts(rows):
        errors = wide * part
        squares += np.einsum("ij,ij->j", errors, errors)
    own, sums = np.full(dims, wide), np.full(dims, wide)
    unknown = np.ones(dims, dtype=bool)
    for narrow in _NARROW:
        held = unknown.copy()
        if rows.dtype != narrow:
            held[unknown] = _held_by(narrow, rows, unknown)
        unknown &= ~held
        rounded = np.zeros(dims, dtype=bool)
        rounded[held] = ~_exact(narrow, rows, held)
        own[rounded], sums[rounded] = np.finfo(narrow).eps, np.finfo(np.float32).eps
    least = np.where(own == np.finfo(np.float16).eps, float(np.finfo(np.float16).smallest_subnormal), 0.0)
    times = _SAFETY * (own / wide) ** 2 + dims * (sums / wide) ** 2
    return (times * squares / len(rows) + _SAFETY * least**2) / 12


def _held_by(
    narrow: type[np.floating], rows: Float[np.ndarray, "samples dims"], columns: Bool[np.ndarray, " dims"]
) -> Bool[np.ndarray, " columns"]:
    """Of these columns those of which every value is a number of the narrow type."""
    held = np.ones(np.count_nonzero(columns), dtype=bool)
    # A few rows tell nearly always; most data are left without a pass.
    for part in _chosen(rows, columns):
        with np.errstate(over="ignore", under="ignore"):  # numbers beyond its range are not of it
            held &= (part.astype(narrow).astype(float) == part).all(axis=0)
        if not held.any():
            break
    return held


def _exact(
    narrow: type[np.floating], rows: Float[np.ndarray, "samples dims"], columns: Bool[np.ndarray, " dims"]
) -> Bool[np.ndarray, " columns"]:
    """Of these columns, all of the narrow type, those whose numbers are of one fixed step.

    Numbers that were rounded to the type are finer the smaller they are: all of one step only if all are as large as
    the largest to a factor of two. These are exact if their step is coarser than the type's, or if they are whole
    and something wider holds them.
    """
    count = np.count_nonzero(columns)
    largest, smallest = np.zeros(count), np.full(count, np.inf)
    for part in _chosen(rows, columns):
        size = np.abs(part)
        largest, smallest = np.maximum(largest, size.max(axis=0)), np.minimum(smallest, size.min(axis=0))
    step = np.spacing(largest.astype(narrow)).astype(float)
    coarse, fixed, whole = (np.ones(count, dtype=bool) for _ in range(3))
    for part in _chosen(rows, columns):
        with np.errstate(under="ignore"):
            places = part / step
            fixed &= (places == np.rint(places)).all(axis=0)
            coarse &= (places / 2 == np.rint(places / 2)).all(axis=0)
        whole &= (part == np.rint(part)).all(axis=0)
        if not (fixed.any() or coarse.any()):
            break
    apart = smallest < np.ldexp(0.5, np.frexp(largest)[1])
    return coarse | (fixed & (apart | (whole & (rows.dtype != narrow))))


def _chosen(rows: np.ndarray, columns: Bool[np.ndarray, " dims"]) -> Iterator[Float[np.ndarray, "rows columns"]]:
    """These columns, part by part."""
    for part in parts(rows) if columns.any() else ():
        yield part if columns.all() else part[:, columns]
