"""Averages at typical points at finite N: noised training points, whose own sample counts, and fresh points.

At a given point the average over data sets is exact (`levels.quenched`); it depends on the point through its
squared lengths from the classes' centers, block by block, and on the weight of its own sample. Points are
quasi-random, and what a leading-order estimate of the same average does on them is known much better: the estimate
is a control variate. Independent scrambles of the points give the error.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import gammaincinv, logsumexp, ndtri

from geomem.laws.law import Classes, Law
from geomem.laws.mixture import in_few_coordinates
from geomem.laws.setting import Energy
from geomem.levels.contours import averages
from geomem.levels.lanes import in_threads
from geomem.levels.saddles import log_mixture, nodes_of, panels_of, transform_of
from geomem.lowering import lower

_generating_function = lower("generating_function")
_weight_density = lower("weight_density")
_participation_density = lower("participation_density")
_log_partition_density = lower("log_partition_density")
SCRAMBLES = 8
_POINTS, _OWN_WEIGHTS, _ESTIMATES = 8, 1 << 10, 1 << 13  # of a scramble; own weights at every point
_SMALL_TILT = 0.3  # of the condensed phase, about that of typical data sets at their generalization time
_BLOCKS = 4  # energies are padded to a multiple of so many
_TOLERANCE = 1e-7
_OUT_OF_REACH = 1e5  # squared noise units
# Below so many nats all weight is on the own sample, and the estimate, an upper bound, is as good as exact.
_NEGLIGIBLE = 1e-9


class TypicalAverages(NamedTuple):
    """Means over points and data sets, one for every scramble; NaN where the integrals miss the tolerance.

    At noised training points `log_partition` is minus the logarithm of the own sample's Gibbs weight, ln Z over
    its Boltzmann weight; at fresh points it is ln Z.
    """

    log_partition: Float[np.ndarray, " scrambles"]
    participation: Float[np.ndarray, " scrambles"]


def typical_averages(
    law: Law, time: float, log_size: float, *, planted: bool, scrambles: int = SCRAMBLES
) -> TypicalAverages:
    """Averages for data sets of N samples at noised training points (`planted`) or at fresh points.

    The law is taken in its classes, one of a single Gaussian.
    """
    classes = law.classes()
    space = _Space.of(classes, time)
    log_others = log_size + float(np.log1p(-np.exp(-log_size))) if planted else log_size
    at = _Asked(np.asarray(classes.weights), time, log_others, planted)
    # A quasi-random sequence is balanced at powers of two.
    counts = 2 ** np.ceil(np.log2(np.maximum(at.shares * _POINTS, 4))).astype(int)
    items, controls, known = [], [], []
    for scramble in range(scrambles):
        for own, count in enumerate(counts):
            rng = np.random.default_rng([scramble, own])
            points = space.points(_uniform(rng, space.dims, int(count)), own, planted)
            weights = np.full((count, 1), -np.inf)
            if planted:
                weights = space.own_log_weights(_uniform(rng, space.own_dims, _OWN_WEIGHTS), points[:, None, own])
            items += [(own, *pair) for pair in zip(points, weights, strict=True)]
            controls.append(_controls(space, at, points, weights))
            # Points and weights of one sequence: two would be correlated.
            uniform = _uniform(rng, space.dims + space.own_dims, _ESTIMATES)
            points = space.points(uniform[:, : space.dims], own, planted)
            weights = space.own_log_weights(uniform[:, space.dims :], points[:, own])[:, None]
            known.append(_controls(space, at, points, weights).mean(axis=0))
    share = np.repeat(at.shares / counts, counts)
    of_points = np.concatenate(controls).reshape(scrambles, len(share), -1)
    of_all = np.tensordot(np.array(known).reshape(scrambles, len(counts), -1), at.shares, axes=(1, 0))
    if planted and of_all[:, 0].mean() < _NEGLIGIBLE:
        return TypicalAverages(of_all[:, 0], of_all[:, 1])
    exact = np.array(in_threads(lambda item: _exact(space, at, *item), items)).reshape(scrambles, len(share), 2)
    return TypicalAverages(*(_controlled(exact[..., place], of_points, of_all, share) for place in range(2)))


class _Asked(NamedTuple):
    shares: Float[np.ndarray, " classes"]
    time: float
    log_others: float  # ln of the number of samples that are not planted
    planted: bool


class _Space(NamedTuple):
    """The blocks, and the centers in few coordinates of every block that carry all distances to them."""

    time: float
    variances: Float[np.ndarray, " blocks"]
    multiplicities: Float[np.ndarray, " blocks"]
    frames: tuple[Float[np.ndarray, "classes coordinates"], ...]

    @staticmethod
    def of(classes: Classes, time: float) -> "_Space":
        sizes = np.asarray(classes.multiplicities)
        inside = np.split(np.asarray(classes.centers), np.cumsum(sizes.astype(int))[:-1], axis=1)
        # Without classes there is nothing to be seen from.
        frames = [in_few_coordinates(part - part[0]) if len(part) > 1 else part[:, :0] for part in inside]
        return _Space(time, np.asarray(classes.variances), sizes, tuple(frames))

    @property
    def dims(self) -> int:
        """How many uniform numbers make a random point."""
        return sum(frame.shape[1] + 1 for frame in self.frames)

    @property
    def own_dims(self) -> int:
        """How many make the weight of its own sample."""
        return 2 * len(self.frames)

    def points(
        self, uniform: Float[np.ndarray, "points dims"], own: int, noised: bool
    ) -> Float[np.ndarray, "points classes blocks"]:
        """Squared lengths from every center, in every block, of random points of one class."""
        lengths = []
        for place, frame in enumerate(self.frames):
            variance = self.variances[place] + (self.time if noised else 0.0)
            normal, uniform = ndtri(uniform[:, : frame.shape[1]]), uniform[:, frame.shape[1] :]
            rest, uniform = _chi_squared(uniform[:, 0], self.multiplicities[place] - frame.shape[1]), uniform[:, 1:]
            seen = frame[own] - frame[None] + np.sqrt(variance) * normal[:, None, :]
            lengths.append(np.sum(seen**2, axis=2) + variance * rest[:, None])
        return np.stack(lengths, axis=2)

    def own_log_weights(
        self, uniform: Float[np.ndarray, "weights dims"], lengths: Float[np.ndarray, "... blocks"]
    ) -> Float[np.ndarray, "..."]:
        """Logarithms of random Boltzmann weights of their own samples, -|omega|^2/2, at such noised points.

        Given the point, the noise is Gaussian about sqrt(t)/(s + t) of it, with variance s/(s + t).
        """
        share = self.variances / (self.variances + self.time)
        drift = np.sqrt(self.time * lengths) / (self.variances + self.time)
        along = drift + np.sqrt(share) * ndtri(uniform[:, ::2])
        across = share * _chi_squared(uniform[:, 1::2], self.multiplicities - 1)
        return -0.5 * np.sum(along**2 + across, axis=-1)

    def log_weights(self, lengths: Float[np.ndarray, "points classes blocks"], tilt: float) -> Array:
        """K of every class, (points, classes)."""
        return _generating_functions(tilt, self.time, self.variances, self.multiplicities, lengths)


@jax.jit
def _generating_functions(tilt: Array, time: Array, variances: Array, multiplicities: Array, lengths: Array) -> Array:
    one = partial(_generating_function, tilt, time, variances, multiplicities)
    return jax.vmap(jax.vmap(one))(lengths)


def _uniform(rng: np.random.Generator, dims: int, count: int) -> Float[np.ndarray, "count dims"]:
    """Quasi-random points inside the unit cube."""
    from scipy.stats import qmc  # slow to import, and rarely needed

    return np.clip(qmc.Sobol(dims, rng=rng).random(count), 1e-12, 1 - 1e-12)


def _chi_squared(uniform: np.ndarray, degrees: np.ndarray | float) -> np.ndarray:
    return np.where(np.asarray(degrees) > 0, 2 * gammaincinv(np.maximum(degrees, 1) / 2, uniform), 0.0)


def _controls(
    space: _Space, at: _Asked, lengths: Float[np.ndarray, "points classes blocks"], own: np.ndarray
) -> Float[np.ndarray, "points controls"]:
    """What is known of an average at every point: leading-order estimates, or K and powers of it."""

    def exponent(tilt: float) -> Float[np.ndarray, " points"]:
        return logsumexp(np.asarray(space.log_weights(lengths, tilt)) + np.log(at.shares), axis=1)

    if at.planted:
        # Minus the logarithm of the own weight, its square, and what the squares of all others' add up to.
        excess = np.logaddexp(0.0, (at.log_others + exponent(1.0))[:, None] - own)
        others = np.exp(np.minimum(exponent(2.0) - 2 * exponent(1.0) - at.log_others, 0.0))
        return np.stack([excess.mean(axis=1), np.exp(-2 * excess).mean(axis=1), exponent(1.0), others], axis=1)
    # Far out, the nearest sample's distance grows faster than K; the scale only keeps the powers in range.
    scaled = exponent(_SMALL_TILT) / np.sum(space.multiplicities)
    return np.stack([exponent(1.0), scaled, scaled**2, scaled**3], axis=1)


def _exact(space: _Space, at: _Asked, own: int, lengths: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """The averages over data sets at one point, over its own sample's weights too."""
    # A class much farther away than the own one has no weight; kept at its distance it would cost all digits.
    reach = np.sum(lengths / (space.variances + at.time), axis=1)
    limit = _OUT_OF_REACH + 10 * reach[own]
    lengths = lengths * (limit / np.maximum(reach, limit))[:, None]
    missing = -len(space.variances) % _BLOCKS
    blocks = [np.pad(row, (0, missing)) for row in (space.variances, space.multiplicities)]
    classes = len(lengths)
    rows = (
        np.full(classes, at.time),
        *(np.tile(block, (classes, 1)) for block in blocks),
        np.pad(lengths, ((0, 0), (0, missing))),
        np.full(classes, space.variances[0]),
        np.zeros(classes),
    )
    energies = Energy(*map(jnp.asarray, rows))
    log_partition, participation = _averages(energies, at.shares, np.float64(at.log_others), weights)
    return float(log_partition), float(participation)


@jax.jit
def _averages(
    energies: Energy, shares: Float[Array, " classes"], log_others: Float[Array, ""], own: Float[Array, " weights"]
) -> tuple[Array, Array]:
    """ln Z over the own weight and Y_2, averaged over own weights; the energies of the classes are stacked."""
    scaled = jax.vmap(Energy.in_noise_units)(energies)
    transforms = jax.vmap(transform_of)(scaled)
    panels = panels_of(
        transforms, shares, jnp.stack([log_others, log_others]), jnp.stack([jnp.min(own), jnp.max(own)]), jnp.array(1.0)
    )

    def of_panel(number: Array, sums: Float[Array, "weights averages"]) -> Float[Array, "weights averages"]:
        points, rules = nodes_of(panels, number)
        of_classes = jax.vmap(averages, in_axes=(0, 0, None, None))(scaled, transforms, jnp.array(0.0), points)
        log_phi = log_mixture(shares, of_classes.log_phi[:, 0])
        m1, m2 = shares @ of_classes.m1[:, 0], shares @ of_classes.m2[:, 0]

        def of_own(log_weight: Array) -> Float[Array, " averages"]:
            def density(one, moment: Array) -> Array:  # noqa: ANN001 (a lowered equation)
                return jax.vmap(lambda x, phi, m: one(x, log_others, phi, log_weight, m))(points, log_phi, moment)

            rows = (
                density(_weight_density, m1),
                density(_log_partition_density, m1),
                density(_participation_density, m2),
            )
            return jnp.stack(rows) @ rules[0]

        return sums + jax.vmap(of_own)(own)

    sums = jax.lax.fori_loop(0, panels.count, of_panel, jnp.zeros((len(own), 3)))
    total, log_partition, participation = sums.T
    log_partition = log_partition - jnp.where(jnp.isfinite(own), own, 0.0)
    solved = jnp.max(jnp.abs(total - 1.0)) < _TOLERANCE
    return jnp.where(solved, jnp.mean(log_partition), jnp.nan), jnp.where(solved, jnp.mean(participation), jnp.nan)


def _controlled(
    values: Float[np.ndarray, "scrambles points"],
    controls: Float[np.ndarray, "scrambles points controls"],
    known: Float[np.ndarray, "scrambles controls"],
    share: Float[np.ndarray, " points"],
) -> Float[np.ndarray, " scrambles"]:
    """Means with controls, whose own means are known; their coefficients are fitted to all points."""
    if not np.isfinite(values).all():
        return np.full(len(values), np.nan)
    mean = controls.swapaxes(1, 2) @ share
    deviations = (controls - mean[:, None, :]).reshape(-1, controls.shape[2])
    scale = np.maximum(np.abs(deviations).max(axis=0), 1e-300)
    residual = (values - (values @ share)[:, None]).ravel()
    coefficients, *_ = np.linalg.lstsq(deviations / scale, residual, rcond=1e-10)
    return values @ share + (known - mean) @ (coefficients / scale)


def scramble_error(values: Float[np.ndarray, "times scrambles"]) -> Float[np.ndarray, " times"]:
    """Standard error of a mean over scrambles."""
    return values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
