"""What became of every block as t fell, and what of generated samples: the tables of a study."""

from enum import IntEnum

import numpy as np
import xarray as xr
from jaxtyping import Float

from geomem.core.crossing import level_crossing
from geomem.core.results import SQUARED, described
from geomem.empirical.spectrum import OPEN
from geomem.files.writing import or_none


class Fate(IntEnum):
    """What became of a block as t fell."""

    LOST = 0
    KEPT = 1
    NEVER_OPEN = 2
    OUT_OF_RANGE = 3  # whether it opened is not seen within the noise variances, or its values are not known
    UNLEARNED = 4  # it looks open where the score of any data with its variance is closed: nothing opened it


_CLOSED = 3.0  # variances of a block, from which on the value of any data's score is at least 3/4


def loss_times(
    noise_variance: Float[np.ndarray, " times"], block_mean: xr.DataArray, block_variance: xr.DataArray
) -> tuple[xr.DataArray, xr.DataArray]:
    """Noise variances at which blocks are lost, and what became of them (`Fate`).

    As t falls a block opens where its mean value of -tJ passes one half from above, for the population at t = s,
    and is lost where it passes one half again, from below: near a sample that has all the weight the value is one.
    Crossings are interpolated in ln t. NaN where a block is kept to the smallest t, or has never opened.

    At noised points of data with variance s along a block the mean value of their score is at least t/(t + s), since
    what it leaves of the noise is at most what the best linear estimate leaves. A network whose value is below one half
    at some t of at least 3 s, or at the largest t if that is less but above s, knows nothing of the block there: its
    value is as small without any training, and the block is not kept but unlearned.

    Args:
        noise_variance: rising, in squared units of the data.
        block_mean: values with the dimensions `noise_variance` and `block`.
        block_variance: local variances over `block`, in the same units.
    """
    order = block_mean.transpose(..., "block", "noise_variance")
    found = np.apply_along_axis(_fate, -1, order.values[..., ::-1], np.log(noise_variance[::-1]))
    smallest, largest = noise_variance[0], noise_variance[-1]
    variances = block_variance.values[:, None]
    closed = (noise_variance > variances) & (noise_variance >= np.minimum(_CLOSED * variances, largest))
    unlearned = ((order.values < OPEN) & closed).any(axis=-1)
    found[unlearned & ~np.isnan(order.values).any(axis=-1)] = np.nan, Fate.UNLEARNED
    found[..., (block_variance <= smallest).values, :] = np.nan, Fate.OUT_OF_RANGE
    # Of a block that is open from the start, only that it was lost is seen.
    found[(found[..., 1] != Fate.LOST) & (block_variance >= largest).values] = np.nan, Fate.OUT_OF_RANGE
    over = order.dims[:-1]
    flags = {"flag_values": np.array([*Fate], dtype=np.int8), "flag_meanings": " ".join(one.name for one in Fate)}
    return (
        xr.DataArray(found[..., 0], dims=over, attrs=described("noise variance at which a block is lost", SQUARED)),
        xr.DataArray(found[..., 1].astype(np.int8), dims=over, attrs={"long_name": "fate of a block"} | flags),
    )


def _fate(values: Float[np.ndarray, " times"], log_times: Float[np.ndarray, " times"]) -> np.ndarray:
    """When a block is lost, and what became of it; the times fall."""
    if np.isnan(values).any():
        return np.array([np.nan, Fate.OUT_OF_RANGE])
    below = values < OPEN
    if not below.any():
        return np.array([np.nan, Fate.NEVER_OPEN])
    opened = int(np.argmax(below))
    log_time = level_crossing(log_times[opened:], values[opened:], OPEN)
    return np.array([np.exp(log_time), Fate.LOST] if np.isfinite(log_time) else [np.nan, Fate.KEPT])


def loss_rows(study: xr.Dataset) -> list[dict[str, object]]:
    """What became of every block at every size, at the last step: theory, empirical score, networks.

    Times are means over the seeds that lost the block, with standard errors; None where there is none. Blocks out of
    the range of noise variances count as neither.
    """
    last = study.isel(step=-1)
    rows: list[dict[str, object]] = []
    for size in study.num_samples.values:
        for block in range(study.sizes["block"]):
            at = last.sel(num_samples=size).isel(block=block)
            row: dict[str, object] = {"num_samples": int(size), "local_variance": float(at.block_variance)}
            if "critical_time" in study:
                row |= {name: or_none(float(at[name])) for name in ("critical_time", "typical_collapse_time")}
            for prefix in ("empirical_", ""):
                mean, error = over_seeds(at[f"{prefix}loss_time"])
                row |= {f"{prefix}loss_time": or_none(float(mean)), f"{prefix}loss_error": or_none(float(error))}
                row |= {
                    f"{prefix}seeds_{one.name.lower()}": int((at[f"{prefix}loss_status"] == one).sum())
                    for one in (Fate.LOST, Fate.KEPT, Fate.NEVER_OPEN, Fate.UNLEARNED)
                }
            rows.append(row)
    return rows


def memorization_rows(study: xr.Dataset) -> list[dict[str, object]]:
    """Of every size: memorized fraction of generated samples at the last step, and the step at which it began."""
    mean, error = memorized_over_seeds(study.isel(step=-1))
    rows: list[dict[str, object]] = []
    for size in study.num_samples.values:
        row: dict[str, object] = {"num_samples": int(size)}
        row |= {"memorized": or_none(float(mean.sel(num_samples=size)))}
        row |= {"memorized_error": or_none(float(error.sel(num_samples=size)))}
        if "memorization_start" in study:
            row |= {"memorization_start": or_none(float(study.memorization_start.sel(num_samples=size)))}
        rows.append(row)
    return rows


def over_seeds(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over the seeds where there is a value, and its standard error; NaN from one seed.

    Of images the seeds choose from one set: where N is a good part of it they share samples, and the error is too
    small.
    """
    count = values.notnull().sum("seed")
    return values.mean("seed"), values.std("seed", ddof=1) / np.sqrt(count.where(count > 1))


def memorized_over_seeds(study: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean memorized fraction and its standard error: from the seeds' scatter, or if that is larger of the counts."""
    mean, scatter = over_seeds(study.memorization_ratio)
    counted = ((study.memorization_ratio_error**2).mean("seed") / study.sizes["seed"]) ** 0.5
    return mean, counted.where(~(scatter > counted), scatter)
