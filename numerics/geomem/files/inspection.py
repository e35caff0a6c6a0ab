"""What about a data set breaks the assumptions of the theory without a sign: copies, outliers, unlike columns."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.spatial import KDTree
from scipy.special import gammainc

from geomem.core.arguments import Numbers, check_data, parts
from geomem.core.precision import rounding_variances
from geomem.core.status import InputError

_FAR = 100.0  # median distances from the median
_UNLIKE = 1e3  # ratio of columns
_CLOSE = 1e-3  # of the typical distance of nearest neighbours
_LOOKED_AT = 10_000  # rows, for a median, and at once for their neighbours
_TOGETHER = 1 << 14  # rows, whose distances are taken at once
_PROBED = 256  # rows whose nearest neighbours are found among all
_LED_BY = 1000  # rows, for principal directions
_DIRECTIONS = 10  # in which neighbours are looked for
_NEIGHBOURS = 5  # candidates in these directions
_FEWEST = 16  # rows that have a typical distance
_FEWEST_STEPS = 8  # rows in equal steps that are no chance
_NAMED = 5  # rows or columns that a sentence names


class Inspection(NamedTuple):
    """What was found: a sentence for every kind of it, the rows that copy earlier ones, or nearly, and outliers."""

    sentences: dict[str, str]  # by kind
    copies: Bool[np.ndarray, " samples"]
    outliers: Bool[np.ndarray, " samples"]


def data_warnings(data: Numbers) -> list[str]:
    """Sentences on what about the data breaks the assumptions of the theory; none for clean data.

    That samples are independent, of a law whose variances can be compared. What is looked for:

    - rows that are copies of earlier ones, by a hash of 64 bits;
    - rows whose nearest neighbour is closer than a thousandth of the typical distance, which is the median over 256
      random rows, each against all. Neighbours are looked for among the five nearest in ten principal directions (of
      1000 random rows). In few dimensions some are that close by chance: a fraction ln 2/1000^m of Poisson points in m
      dimensions, m from the first two neighbours of the 256 rows (E. Facco et al., Sci. Rep. 7, 12140, 2017). It
      takes more than four times as many to be said, at a level of 1e-4;
    - rows farther from the median of the data (of at most 10 000 random rows) than 100 times the median distance;
    - columns whose standard deviations and ranges both differ by a factor above 1000, constant ones apart;
    - no more rows than columns;
    - columns in equal steps from row to row, as an index; all else is then looked for in the other columns.

    Rows and columns are counted from 0. Time and memory grow in proportion to the rows. Nothing is changed: the
    command has the options --drop-duplicates, --standardize and --columns to act. Scales are in units of the data.

    Args:
        data: (samples, dims).

    Raises:
        InputError: if the data are not a finite two-dimensional array of at least two rows, or too large.

    Example:

        >>> import numpy as np
        >>> from geomem import data_warnings
        >>> rows = np.random.default_rng(0).normal(size=(1000, 3))
        >>> data_warnings(rows)
        []
        >>> rows[[20, 30]] = rows[10]
        >>> print(*data_warnings(rows))
        2 of 1000 rows repeat earlier ones (rows 20, 30), no independent samples
    """
    return list(inspect(check_data(data)).sentences.values())


def inspect(rows: Float[np.ndarray, "samples dims"], columns: Sequence[int] | None = None) -> Inspection:
    """The same of finite data, whose columns may be numbered otherwise; see `data_warnings`."""
    count, dims = rows.shape
    numbers = np.arange(dims) if columns is None else np.asarray(columns)
    passed = _pass(rows)
    found: dict[str, str] = {}
    if passed.counting.any():
        found["index"] = f"{_named('column', passed.counting, numbers)}: in equal steps from row to row, as an index is"
    if passed.counting.any() and not passed.counting.all():
        # By an index no two rows are alike, and its scale is none: the other columns are looked at.
        others = inspect(rows[:, ~passed.counting], numbers[~passed.counting].tolist()).sentences
        found |= {f"{kind}_beside_index": f"{said} (the index left out)" for kind, said in others.items()}
        found.pop("few_beside_index", None)
        nothing = np.zeros(count, dtype=bool)
        return Inspection(found | few(count, dims), nothing, nothing)
    _, first, place = np.unique(passed.hashes, return_index=True, return_inverse=True)
    copies = first[place] != np.arange(count)
    if copies.any():
        found["copies"] = f"{_of(copies, 'repeat')} earlier ones ({_named('row', copies)}), no independent samples"
    near, later = _near_copies(rows, np.flatnonzero(~copies), passed.center)
    if near.any():
        found["near_copies"] = (
            f"{_of(near, 'nearly repeat')} others ({_named('row', near)}), closer than {100 * _CLOSE:g} % of the "
            "typical distance of nearest neighbours"
        )
    typical = np.median(passed.distances)
    outliers = passed.distances > _FAR * typical
    if typical == 0:
        outliers[:] = False
    if outliers.any():
        found["outliers"] = (
            f"{_of(outliers, 'lie')} farther from the median than {_FAR:g} times the median distance "
            f"({_named('row', outliers)}); outliers decide variances"
        )
    found |= _unlike(passed, numbers) | few(count, dims)
    return Inspection(found, copies | later, outliers)


class Prepared(NamedTuple):
    """Data as they are to be used, the rounding in them (see `rounding_variances`), and what is to be said."""

    data: Float[np.ndarray, "samples dims"]
    rounding: Float[np.ndarray, " dims"]
    sentences: dict[str, str]


def prepare(
    rows: Float[np.ndarray, "samples all"], columns: Sequence[int] | None, drop_duplicates: bool, standardize: bool
) -> Prepared:
    """These columns of finite data, without copies and near copies and of unit variance if that is asked for.

    What is found is told of the rows and columns as they are numbered in the data; of what was changed it is said
    how. Constant columns are left as they are.

    Raises:
        InputError: if there are no such columns, one is named twice, or fewer than two rows are left.
    """
    if columns is not None:
        dims = rows.shape[1]
        bad = [one for one in columns if not 0 <= one < dims]
        if bad or not columns:
            wrong = f"there is no column {bad[0]}" if bad else "no column is named"
            raise InputError(f"{wrong}; the data have columns 0 to {dims - 1}")
        if len(set(columns)) < len(columns):
            raise InputError(f"the columns {', '.join(map(str, columns))} name one twice")
        rows = rows[:, list(columns)]
    found = inspect(rows, columns)
    sentences = dict(found.sentences)
    if drop_duplicates and found.copies.any():
        for kind in ("copies", "near_copies", "few"):
            sentences.pop(kind, None)
        dropped = f"dropped {int(found.copies.sum())} of {len(rows)} rows that repeat earlier ones, or nearly"
        sentences["dropped"] = f"{dropped} ({_named('row', found.copies)})"
        rows = check_data(rows[~found.copies])
        sentences |= few(*rows.shape)
    rounding = rounding_variances(rows)
    if standardize:
        sentences.pop("scales", None)
        deviations = _pass(rows).deviations
        scales = np.where(deviations > 0, deviations, 1.0)
        rows, rounding = rows / scales, rounding / scales**2
        sentences["standardized"] = f"divided {int((deviations > 0).sum())} columns by their standard deviations"
    return Prepared(rows, rounding, sentences)


def few(count: int, dims: int) -> dict[str, str]:
    """What is said of so many rows and columns."""
    if count > dims:
        return {}
    return {"few": f"{count} rows in {dims} columns vary in at most {count - 1} directions; the others have variance 0"}


class _Passed(NamedTuple):
    """What one pass over the rows tells."""

    center: Float[np.ndarray, " dims"]  # median
    hashes: Int[np.ndarray, " samples"]
    distances: Float[np.ndarray, " samples"]  # from the center
    deviations: Float[np.ndarray, " dims"]
    ranges: Float[np.ndarray, " dims"]
    counting: Bool[np.ndarray, " dims"]  # columns in equal steps


def _pass(rows: Float[np.ndarray, "samples dims"]) -> _Passed:
    count, dims = rows.shape
    center = np.median(_some(rows, _LOOKED_AT), axis=0).astype(float)
    start, end = rows[0].astype(float), rows[-1].astype(float)
    step = (end - start) / (count - 1)
    counting = (step != 0) & (count >= _FEWEST_STEPS)
    sums, squares = np.zeros(dims), np.zeros(dims)
    low, high = start.copy(), start.copy()
    hashes, distances = np.empty(count, dtype=np.int64), np.empty(count)
    done = 0
    for part in parts(rows):
        here = slice(done, done + len(part))
        hashes[here] = [hash(row.tobytes()) for row in part + 0.0]  # without the sign of zeros
        places = np.arange(done, done + len(part))[:, None]
        counting &= (np.abs(part - start - places * step) <= 1e-3 * np.abs(step)).all(axis=0)
        low, high = np.minimum(low, part.min(axis=0)), np.maximum(high, part.max(axis=0))
        away = part - center
        distances[here] = np.sqrt(np.einsum("ij,ij->i", away, away))
        sums += away.sum(axis=0)
        squares += np.einsum("ij,ij->j", away, away)
        done += len(part)
    deviations = np.sqrt(np.maximum(squares / count - (sums / count) ** 2, 0.0))
    return _Passed(center, hashes, distances, np.where(high > low, deviations, 0.0), high - low, counting)


def _unlike(passed: _Passed, numbers: np.ndarray) -> dict[str, str]:
    """Columns of unlike scales; ranges too, since of a pixel that is rarely lit the deviation alone is small."""
    varying = np.flatnonzero(passed.deviations > 0)
    if not len(varying):
        return {}
    deviations, ranges = passed.deviations[varying], passed.ranges[varying]
    ratio = deviations.max() / deviations.min()
    if not (ratio > _UNLIKE and ranges.max() / ranges.min() > _UNLIKE):
        return {}
    wide, narrow = (varying[place] for place in (deviations.argmax(), deviations.argmin()))
    return {
        "scales": f"standard deviations of columns differ by a factor of {ratio:.2g} (column {numbers[wide]}: "
        f"{passed.deviations[wide]:.3g}, column {numbers[narrow]}: {passed.deviations[narrow]:.3g}); of unlike units "
        "variances cannot be compared"
    }


def _near_copies(
    rows: Float[np.ndarray, "samples dims"], unique: Int[np.ndarray, " unique"], center: Float[np.ndarray, " dims"]
) -> tuple[Bool[np.ndarray, " samples"], Bool[np.ndarray, " samples"]]:
    """Which rows have a neighbour that is too close, and those of them that have one before them."""
    near, later = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    if len(unique) < _FEWEST:
        return near, later
    nearest = _nearest(rows, unique, center)
    typical = np.median(nearest[:, 0])
    close = _CLOSE * typical
    apart = nearest[nearest[:, 0] > close]
    ratios = np.log(apart[:, 1] / apart[:, 0]).sum()
    place, other = _closer_pairs(rows, unique, center, close)
    near[place] = True
    later[place[other < place]] = True
    dimension = len(apart) / ratios if ratios > 0 else np.inf
    by_chance = 4 * len(unique) * np.log(2) * _CLOSE**dimension / 2  # pairs
    if near.any() and gammainc(near.sum() / 2, by_chance) > 1e-4:
        near[:], later[:] = False, False
    return near, later


def _nearest(
    rows: Float[np.ndarray, "samples dims"], unique: Int[np.ndarray, " unique"], center: Float[np.ndarray, " dims"]
) -> Float[np.ndarray, "probed 2"]:
    """Distances of the first two neighbours of some of the rows among all."""
    probed = np.sort(np.random.default_rng(1).permutation(unique)[:_PROBED])
    chosen = rows[probed].astype(float) - center
    lengths = np.einsum("ij,ij->i", chosen, chosen)
    others = np.zeros(len(rows), dtype=bool)
    others[unique] = True
    least = np.full((len(probed), 2), np.inf)
    for done in range(0, len(rows), _TOGETHER):
        away = rows[done : done + _TOGETHER].astype(float) - center
        squared = lengths[:, None] - 2 * chosen @ away.T + np.einsum("ij,ij->i", away, away)
        squared[:, ~others[done : done + _TOGETHER]] = np.inf
        own = (probed >= done) & (probed < done + _TOGETHER)
        squared[own, probed[own] - done] = np.inf
        squared = np.concatenate([least, squared], axis=1)
        least = np.partition(squared, 1, axis=1)[:, :2]
    return np.sqrt(np.maximum(np.sort(least, axis=1), 0.0))


def _closer_pairs(
    rows: Float[np.ndarray, "samples dims"],
    unique: Int[np.ndarray, " unique"],
    center: Float[np.ndarray, " dims"],
    close: float | np.floating,
) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    """Pairs of rows that are closer than that, each in both orders."""
    directions = np.linalg.svd(_some(rows, _LED_BY).astype(float) - center, full_matrices=False)[2][:_DIRECTIONS].T
    # Along orthonormal directions no distance is larger than it is.
    points = np.concatenate([(part - center) @ directions for part in parts(rows)])[unique]
    tree = KDTree(points)
    pairs = [np.zeros((2, 0), dtype=int)]
    for first in range(0, len(unique), _LOOKED_AT):
        found = tree.query(points[first : first + _LOOKED_AT], k=_NEIGHBOURS + 1, distance_upper_bound=close)[1]
        here, rank = np.nonzero(found < len(unique))  # where there is none it is their number
        place, other = here + first, found[here, rank]
        apart = place != other
        place, other = unique[place[apart]], unique[other[apart]]
        if len(place):
            distances = np.linalg.norm(rows[place].astype(float) - rows[other], axis=1)
            pairs.append(np.stack([place, other])[:, distances < close])
    place, other = np.concatenate(pairs, axis=1)
    return place, other


def _some(rows: np.ndarray, count: int) -> np.ndarray:
    """At most so many rows, the same ones always."""
    if len(rows) <= count:
        return rows
    return rows[np.sort(np.random.default_rng(0).choice(len(rows), count, replace=False))]


def _of(chosen: Bool[np.ndarray, " samples"], verb: str) -> str:
    """How many rows do so."""
    number = int(chosen.sum())
    return f"{number} of {len(chosen)} rows {verb}{'s' if number == 1 else ''}"


def _named(kind: str, chosen: Bool[np.ndarray, " things"], numbers: Array | np.ndarray | None = None) -> str:
    """The first of the chosen by their numbers."""
    places = np.flatnonzero(chosen)
    shown = places if numbers is None else np.asarray(numbers)[places]
    text = ", ".join(str(one) for one in shown[:_NAMED]) + (", ..." if len(shown) > _NAMED else "")
    return f"{kind}{'' if len(shown) == 1 else 's'} {text}"
