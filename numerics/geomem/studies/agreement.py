"""Whether a curve and its prediction differ by more than chance, where its points are correlated."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from geomem.core.resampling import DATA_RESAMPLES, drawn
from geomem.core.results import AGAIN

# Of fewer replicates a covariance is not known well enough to be judged by.
FEWEST_REPLICATES = 8
# Polynomials in ln t that correlated residuals are projected on, and how many degrees of freedom each takes.
_MOST_POLYNOMIALS, _EACH = 5, 3
_RESOLVED = 0.05  # least eigenvalue of their correlation; smaller ones are not estimated well enough
CORRELATED, INDEPENDENT, ASSUMED = "correlated", "independent", "assumed independent"


class Spread(NamedTuple):
    """How the points of a curve scatter together."""

    points: str
    covariance: Float[np.ndarray, "times times"] | None = None  # NaN for points that it is not known of
    degrees_of_freedom: float = np.inf  # of its estimate
    replicates: Float[np.ndarray, "replicates times"] | None = None  # it was estimated from


class Agreement(NamedTuple):
    """How likely a deviation is."""

    reduced_chi_square: float
    degrees_of_freedom: int
    p_value: float


def spread_of_points(measured: xr.Dataset, value: xr.DataArray, error: Float[np.ndarray, "..."]) -> Spread:
    """What is known of the covariance of a measured curve.

    From `replicates` or `covariance` over the only dimension of its value, in its own order.
    """
    if value.ndim == 1 and "replicates" in measured and measured.sizes["replicate"] >= FEWEST_REPLICATES:
        return _of_replicates(measured["replicates"].transpose("replicate", ...).values, error)
    if value.ndim == 1 and "covariance" in measured:
        return _given(measured["covariance"].transpose(value.dims[0], f"{value.dims[0]}{AGAIN}"))
    return Spread(INDEPENDENT if measured.attrs.get("points") == INDEPENDENT else ASSUMED)


def _of_replicates(rows: np.ndarray, error: np.ndarray) -> Spread:
    """From the scatter of the replicates, with the errors of their mean that the curve states."""
    covariance = np.atleast_2d(np.cov(rows.T)) / len(rows)
    deviations = np.sqrt(np.diag(covariance))
    with np.errstate(divide="ignore", invalid="ignore"):  # replicates that all agree say nothing of their scatter
        scale = np.where(deviations > 0, error / deviations, np.nan)
    return Spread(CORRELATED, covariance * np.outer(scale, scale), len(rows) - 1.0, rows)


def _given(covariance: xr.DataArray) -> Spread:
    return Spread(
        CORRELATED, covariance.values.astype(float), float(covariance.attrs.get("degrees_of_freedom", np.inf))
    )


def agreement(
    z: Float[np.ndarray, " points"],
    error: Float[np.ndarray, " points"],
    clocks: Float[np.ndarray, " times"],
    spread: Spread,
    *,
    normal: bool,
) -> Agreement:
    """Reduced chi-square and p-value of residuals z in standard errors, NaN for those that are not judged.

    Correlated residuals are projected on Legendre polynomials in ln t, as many as their
    covariance resolves, and judged by the covariance of the projections: its whole inverse would look for deviations
    in its smallest eigenvalues, which are not known. Without `normal` there is no p-value.
    """
    from scipy.stats import chi2, f  # slow to import, and rarely needed

    judged = ~np.isnan(z)
    if not judged.any():
        return Agreement(np.nan, 0, np.nan)
    if spread.covariance is None:
        count = int(judged.sum())
        chi_square = float(np.sum(z[judged] ** 2))
        known = normal and spread.points == INDEPENDENT
        return Agreement(chi_square / count, count, float(chi2.sf(chi_square, count)) if known else np.nan)
    judged &= (error > 0) & np.isfinite(np.diag(spread.covariance))
    if not judged.any():
        return Agreement(np.nan, 0, np.nan)
    place = clocks[judged] - clocks[judged].mean()
    most = int(min(len(place), _MOST_POLYNOMIALS, max(spread.degrees_of_freedom // _EACH, 1)))
    polynomials = np.linalg.qr(np.polynomial.legendre.legvander(place / max(np.abs(place).max(), 1e-300), most - 1))[0]
    correlation = spread.covariance[np.ix_(judged, judged)] / np.outer(error[judged], error[judged])
    whole = polynomials.T @ correlation @ polynomials
    count = next(
        size for size in range(most, 0, -1) if np.linalg.eigvalsh(whole[:size, :size])[0] > _RESOLVED or size == 1
    )
    along = polynomials[:, :count].T @ z[judged]
    chi_square = float(along @ np.linalg.solve(whole[:count, :count], along))
    degrees = spread.degrees_of_freedom
    if np.isinf(degrees):
        chance = float(chi2.sf(chi_square, count))
    else:
        left = degrees - count + 1
        chance = float(f.sf(chi_square * left / (count * degrees), count, left))
    return Agreement(chi_square / count, count, chance if normal else np.nan)


def curves_like(
    value: Float[np.ndarray, " times"], spread: Spread, seed: int
) -> tuple[Float[np.ndarray, "curves times"], Float[np.ndarray, "curves times"] | None]:
    """Curves that scatter about that one as it scatters itself, and their own errors if they are of replicates.

    Where the covariance is not known a point stays as it is.
    """
    rows = spread.replicates
    if rows is not None:
        rng, count = np.random.default_rng(seed), len(rows)
        # Means of what is drawn again scatter too little by this, which shows where replicates are few.
        chosen = rows[rng.integers(count, size=(DATA_RESAMPLES, count))]
        means = value + np.sqrt(count / (count - 1)) * (chosen.mean(axis=1) - rows.mean(axis=0))
        return means, chosen.std(axis=1, ddof=1) / np.sqrt(count)
    assert spread.covariance is not None
    return drawn(value, np.nan_to_num(spread.covariance), seed), None
