"""Gaussians fitted to data, one or several of full covariances, and how many by held-out samples."""

import warnings
from collections.abc import Iterable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from geomem.core.arguments import parts
from geomem.core.precision import column_means
from geomem.core.status import InputError
from geomem.empirical.gibbs import gibbs
from geomem.laws.full_mixture import FullMixture
from geomem.laws.views import leading, principal
from geomem.lowering import lower

_log_density_of_pool = jnp.vectorize(lower("empirical_log_density"))
_COMPONENTS = (2, 3, 5, 7, 10, 15, 20, 30)
RIDGES = (1e-6, 1e-4, 1e-3, 1e-2)  # of the data's mean variance
_FIRST_RIDGE = 1e-3  # with which the number of components is chosen, on which it hardly depends
_ROWS_OF_A_COMPONENT = 2  # per dimension, at the least
MOST_DIMS = 512  # in which covariances are fitted in full; beyond, along so many leading directions
LEADING = 128
_LEVELS, _QUARTILE, _RANGE = 5, 0.25, 100  # noise variances, and how far down they go
_SURE = 2.0  # standard errors
_MOST_STEPS = 60
_NULL = 1e-12  # of the largest variance: rounding


class Coordinates(NamedTuple):
    """Rows about their mean along the directions in which they vary, in units of one scale.

    Of more than 512 dimensions these are the leading directions alone, and all others have one variance, `rest`, from
    which their own differ by `scatter`, a root mean square.
    """

    rows: Float[np.ndarray, "rows varying"]
    variances: Float[np.ndarray, " varying"]
    center: Float[np.ndarray, " dims"]
    axes: Float[np.ndarray, "varying dims"]
    scale: float
    rest: float
    scatter: float

    @classmethod
    def of(cls, rows: Float[np.ndarray, "rows dims"]) -> "Coordinates":
        """Passes over the rows in parts: they may be mapped, or of float32."""
        center, dims = column_means(rows), rows.shape[1]
        covariance = np.zeros((dims, dims))
        for part in parts(rows):
            away = part - center
            covariance += away.T @ away
        covariance /= len(rows)
        variances, axes = principal(covariance) if dims <= MOST_DIMS else leading(covariance, LEADING)
        varying = variances > _NULL * variances[0]
        if not varying.any():
            raise InputError("all samples are the same; there is no law to fit")
        variances, axes = variances[varying], axes[varying]
        scale = float(np.sqrt(variances.mean()))
        left = max(dims - len(variances), 1)
        others = float(np.trace(covariance) - variances.sum()) / left
        rest = others if dims > MOST_DIMS and others > _NULL * variances[0] else 0.0
        squares = float(np.sum(covariance**2) - np.sum(variances**2)) / left
        scatter = np.sqrt(max(squares - rest**2, 0.0)) if rest else 0.0
        table = np.concatenate([(part - center) @ axes.T for part in parts(rows)]) / scale
        return cls(table, variances / scale**2, center, axes, scale, rest / scale**2, scatter / scale**2)

    @property
    def left_out(self) -> str:
        """What is said of the directions along which nothing is fitted, if there are such."""
        if not self.rest:
            return ""
        count, dims = self.axes.shape
        fitted, others = self.variances.sum(), (dims - count) * self.rest
        mean, apart = self.rest * self.scale**2, self.scatter * self.scale**2
        return (
            f"; it is fitted along the {count} leading directions, which have {100 * fitted / (fitted + others):.3g} % "
            f"of the variance, and each of the {dims - count} others is taken to have their mean, {mean:.3g}, from "
            f"which their variances differ by {apart:.2g} (root mean square)"
        )

    def law(self, fit: FullMixture) -> FullMixture:
        """A fit to such rows, in the data's own coordinates; what is narrower than the rest is taken to be as wide."""
        own = np.sqrt(np.maximum(np.asarray(fit.eigenvalues) - self.rest, 0.0))
        roots = self.scale * np.einsum("kvr,vd->kdr", np.asarray(fit.bases) * own[:, None, :], self.axes)
        means = self.center + self.scale * np.asarray(fit.means) @ self.axes
        if len(self.center) > MOST_DIMS:
            noise = np.full(fit.num_classes, self.rest * self.scale**2)
            return FullMixture.low_rank(fit.weights, means, roots, noise)
        return FullMixture(fit.weights, means, roots @ roots.swapaxes(1, 2))


def one_gaussian(rows: Float[np.ndarray, "rows varying"], ridge: float) -> FullMixture:
    """Of the rows' mean and covariance, with so much added to all variances."""
    mean = rows.mean(axis=0)
    covariance = (rows - mean).T @ (rows - mean) / len(rows) + ridge * np.eye(len(mean))
    return FullMixture([1.0], mean[None], covariance[None])


def several_gaussians(
    rows: Float[np.ndarray, "rows varying"],
    count: int,
    ridge: float,
    rng: np.random.Generator,
    start: FullMixture | None = None,
) -> FullMixture:
    """So many Gaussians, from another fit or from k-means on."""
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
    except ImportError as error:
        raise InputError("a mixture needs scikit-learn; install 'geomem[data]', or choose another family") from error
    seed = int(rng.integers(2**31))
    model = GaussianMixture(count, reg_covar=ridge, max_iter=_MOST_STEPS, random_state=seed)
    if start is not None:
        bases, variances = np.asarray(start.bases), np.asarray(start.eigenvalues)
        precisions = (bases / variances[:, None, :]) @ bases.swapaxes(1, 2)
        model.set_params(weights_init=start.weights, means_init=start.means, precisions_init=precisions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what has not converged is judged as it is
        model.fit(rows)
    weights, means, covariances = (np.asarray(one) for one in (model.weights_, model.means_, model.covariances_))
    return FullMixture(weights / weights.sum(), means, covariances)


def log_densities(
    fit: FullMixture, rows: Float[np.ndarray, "rows dims"], noise_variance: float | np.floating
) -> Float[np.ndarray, " rows"]:
    """ln p_t at rows, of a mixture of full covariances with noise of variance t, or without."""
    variances = np.asarray(fit.eigenvalues) + noise_variance
    away = (rows[None] - np.asarray(fit.means)[:, None]) @ np.asarray(fit.bases)
    exponents = np.einsum("knd,kd->kn", away**2, 1 / variances) + np.log(2 * np.pi * variances).sum(axis=1)[:, None]
    return logsumexp(np.log(np.asarray(fit.weights))[:, None] - exponents / 2, axis=0)


class Split(NamedTuple):
    """Rows in such coordinates for a fit, and held-out ones, by themselves and with noise at several variances."""

    training: Float[np.ndarray, "rows varying"]
    held_out: Float[np.ndarray, "held varying"]
    times: Float[np.ndarray, " times"]
    noised: Float[np.ndarray, "times held varying"]

    @classmethod
    def of(
        cls, coordinates: Coordinates, training: np.ndarray, held_out: np.ndarray, rng: np.random.Generator
    ) -> "Split":
        largest = coordinates.variances[0]
        lowest = min(float(np.quantile(coordinates.variances, _QUARTILE)), largest / _RANGE)
        times = np.geomspace(lowest, largest, _LEVELS)
        rows = coordinates.rows[held_out]
        noise = rng.normal(size=rows.shape)
        return cls(coordinates.rows[training], rows, times, rows + np.sqrt(times)[:, None, None] * noise)

    def densities(self, fit: FullMixture) -> Float[np.ndarray, "times held"]:
        """The noised log-likelihoods."""
        return np.stack([log_densities(fit, rows, time) for rows, time in zip(self.noised, self.times, strict=True)])

    def densities_of_pool(self) -> Float[np.ndarray, "times held"]:
        """Those of the empirical law of the rows for a fit."""
        size, dims = (float(number) for number in self.training.shape)
        sums = [gibbs(rows, self.training, time) for rows, time in zip(self.noised, self.times, strict=True)]
        found = np.stack([np.asarray(one.log_partition) for one in sums])
        return np.asarray(_log_density_of_pool(found, np.log(size), dims, self.times[:, None]))


class Candidate(NamedTuple):
    """A fit in such coordinates, what was added to its variances, and its noised log-likelihoods."""

    fit: FullMixture
    ridge: float
    densities: Float[np.ndarray, "times held"]


def judged(split: Split, fit: FullMixture, ridge: float) -> Candidate:
    return Candidate(fit, ridge, split.densities(fit))


def best_of(candidates: Iterable[Candidate]) -> Candidate:
    return max(candidates, key=lambda one: one.densities.mean())


def best_mixture(
    split: Split, family: str, num_components: int | None, one: Candidate, rng: np.random.Generator
) -> tuple[Candidate | None, str]:
    """The best mixture, none if it is not to be taken, and why.

    Raises:
        InputError: for more components than the rows carry.
    """
    size, dims = split.training.shape
    most = size // (_ROWS_OF_A_COMPONENT * dims)
    if family == "gaussian":
        return None, "one Gaussian, as asked for, not compared with several"
    if num_components is not None and num_components > most:
        raise InputError(
            f"num_components is {num_components}; {size} rows for a fit in {dims} dimensions carry {most}: "
            "ask for fewer, or give more rows"
        )
    counts = [count for count in _COMPONENTS if count <= most] if num_components is None else [num_components]
    if not counts:
        return None, f"one Gaussian, for {size} rows for a fit in {dims} dimensions are too few for more"
    best = None
    for count in counts:
        found = judged(split, several_gaussians(split.training, count, _FIRST_RIDGE, rng), _FIRST_RIDGE)
        if best is not None and found.densities.mean() < best.densities.mean():
            break
        best = found
    assert best is not None
    number, first = best.fit.num_classes, best
    others = [ridge for ridge in RIDGES if ridge != _FIRST_RIDGE]
    refits = (
        judged(split, several_gaussians(split.training, number, ridge, rng, first.fit), ridge) for ridge in others
    )
    best = best_of([first, *refits])
    gain = (best.densities - one.densities).mean(axis=0)
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    said = f"{gain.mean():.3g} +- {error:.1g} nats a held-out sample with noise"
    if family == "auto" and not gain.mean() > _SURE * error:
        return None, f"one Gaussian, for the best of the mixtures gains no two standard errors over it: {said}"
    return best, f"a mixture of {number} Gaussians, which gains {said} over one"
