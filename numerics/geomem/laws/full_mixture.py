"""Mixtures of Gaussians, each of a covariance of its own: full, or of low rank above an isotropic remainder."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, check_key, whole_number
from geomem.core.kinds import concrete_array, refuse_beyond_memory
from geomem.core.provenance import digest
from geomem.core.pytrees import register
from geomem.core.status import InputError
from geomem.laws.classes import class_shares
from geomem.laws.law import Law, TypicalSizes
from geomem.laws.manifold import Manifold
from geomem.laws.views import Gaussians, principal
from geomem.lowering import lower

_ASYMMETRY, _NEGATIVE = 1e-9, 1e-10  # what rounding may leave, of the largest entry or eigenvalue
_SAMPLES, _AT_ONCE = 512, 16  # over which typical sizes are averaged
_speciation = lower("speciation_time")
_SINGULAR = 1e-12  # of the largest eigenvalue: densities on planes are compared at this variance across them


@dataclass(frozen=True, init=False, eq=False)
class FullMixture(Law):
    """Data in classes: Gaussians of several means and covariances.

    `weights` are the classes' shares, (classes,), `means` (classes, dims) and `covariances` (classes, dims, dims), in
    squared units of the data. Blocks are the principal directions of the whole covariance, the widest first.
    """

    weights: Float[Array, " classes"]
    means: Float[Array, "classes dims"]
    bases: Float[Array, "classes dims rank"]  # eigenvectors of every covariance, in columns
    eigenvalues: Float[Array, "classes rank"]
    remainders: Float[Array, " classes"]  # variance along all directions that are not in the basis
    center: Float[Array, " dims"]
    frame: Float[Array, "dims dims"]  # principal directions of the whole covariance, in rows
    variances: Float[Array, " dims"]

    def __init__(self, weights: Numbers, means: Numbers, covariances: Numbers) -> None:
        shares, places = _classes(weights, means)
        matrices = concrete_array(covariances, "covariances")
        wanted = (*places.shape, places.shape[1])
        if matrices.shape != wanted or not np.isfinite(matrices).all():
            raise InputError(
                f"the covariances have shape {matrices.shape}; for these means they must be finite, of shape {wanted}"
            )
        for place, matrix in enumerate(matrices):
            if np.abs(matrix - matrix.T).max() > _ASYMMETRY * np.abs(matrix).max(initial=0.0):
                raise InputError(f"covariance {place} is not symmetric; give (C + C^T)/2 if that is meant")
        eigenvalues, bases = np.linalg.eigh((matrices + matrices.swapaxes(1, 2)) / 2)
        least, most = eigenvalues[:, 0], eigenvalues[:, -1]
        bad = np.flatnonzero(least < -_NEGATIVE * np.abs(most))
        if len(bad):
            raise InputError(
                f"covariance {bad[0]} has the eigenvalue {least[bad[0]]:g}; a covariance has none below zero"
            )
        self._set(shares, places, bases, np.maximum(eigenvalues, 0.0), np.zeros(len(shares)))

    @classmethod
    def low_rank(cls, weights: Numbers, means: Numbers, factors: Numbers, noise: Numbers) -> "FullMixture":
        """Covariances F F^T + s 1, F (classes, dims, rank) and s (classes,) the noise.

        Raises:
            InputError: as for covariances, or for a noise that is negative.
        """
        shares, places = _classes(weights, means)
        columns = concrete_array(factors, "factors")
        rest = concrete_array(noise, "noise")
        if columns.ndim != 3 or columns.shape[:2] != places.shape or not np.isfinite(columns).all():
            raise InputError(
                f"the factors have shape {columns.shape}; for these means they must be finite and of shape "
                f"({places.shape[0]}, {places.shape[1]}, rank)"
            )
        if rest.shape != shares.shape or not (np.isfinite(rest) & (rest >= 0)).all():
            raise InputError("the noise must be one number for every class, finite and not negative")
        bases, deviations, _ = np.linalg.svd(columns, full_matrices=False)
        law = object.__new__(cls)
        law._set(shares, places, bases, deviations**2 + rest[:, None], rest)
        return law

    def _set(self, shares: np.ndarray, means: np.ndarray, bases: np.ndarray, eigenvalues: np.ndarray, rest: np.ndarray):  # noqa: ANN202
        center = shares @ means
        spread = means - center
        whole = (spread * shares[:, None]).T @ spread + (shares @ rest) * np.eye(len(center))
        for share, basis, above in zip(shares, bases, eigenvalues - rest[:, None], strict=True):  # one matrix at a time
            whole += share * (basis * above) @ basis.T
        variances, frame = principal(whole)
        fields = (shares, means, bases, eigenvalues, rest, center, frame, variances)
        for name, value in zip(_LEAVES, fields, strict=True):
            object.__setattr__(self, name, jnp.asarray(value))

    @property
    def knows(self) -> frozenset[str]:
        return frozenset({"views", "tilts", "typical_sizes"})

    @property
    def called(self) -> str:
        return "mixtures of several covariances"

    @property
    def advice(self) -> str:
        return "give a manifold, or a mixture of one covariance"

    @property
    def multiplicities(self) -> Float[Array, " dims"]:
        return jnp.ones_like(self.variances)

    @property
    def num_classes(self) -> int:
        return len(self.weights)

    def direction(self, block: int | np.integer) -> Float[Array, " dims"]:
        return self.indicator(block) @ self.frame

    def covariance(self) -> Float[Array, "dims dims"]:
        """The whole covariance."""
        return (self.frame.T * self.variances[None, :]) @ self.frame

    def stretched(self, matrix: Float[np.ndarray, "dims dims"]) -> "FullMixture":
        bases, center = np.asarray(self.bases), np.asarray(self.center)
        rest = np.asarray(self.remainders)
        covariances = np.einsum("kdr,kr,ker->kde", bases, np.asarray(self.eigenvalues) - rest[:, None], bases)
        covariances = matrix @ (covariances + rest[:, None, None] * np.eye(len(center))) @ matrix.T
        means = center + (np.asarray(self.means) - center) @ matrix.T
        return FullMixture(self.weights, means, covariances)

    def covariance_at(self, point: Float[Array, " dims"]) -> Float[Array, "dims dims"]:
        """That of the class of the largest density at the point."""
        away = point[None, :] - self.means
        least = jnp.max(self.eigenvalues) * _SINGULAR
        spread, rest = jnp.maximum(self.eigenvalues, least), jnp.maximum(self.remainders, least)
        coordinates = jnp.einsum("kdr,kd->kr", self.bases, away)
        across = jnp.sum(away**2, axis=1) - jnp.sum(coordinates**2, axis=1)
        distances = jnp.sum(coordinates**2 / spread + jnp.log(spread), axis=1) + across / rest
        distances = distances + (self.bases.shape[1] - self.bases.shape[2]) * jnp.log(rest)
        own = jnp.argmax(jnp.log(self.weights) - 0.5 * distances)
        basis, remainder = self.bases[own], self.remainders[own]
        return (basis * (self.eigenvalues[own] - remainder)[None, :]) @ basis.T + remainder * jnp.eye(len(point))

    def view(self, point: Float[Array, " dims"], directions: Float[Array, "directions dims"]) -> Gaussians:
        """The components in their own eigenbases; what is in none of them is one more block."""
        away = point[None, :] - self.means
        coordinates = jnp.einsum("kdr,kd->kr", self.bases, away)
        along = jnp.einsum("kdr,ld->klr", self.bases, directions)
        lengths, overlaps, shares = coordinates**2, coordinates[:, None] * along, along**2
        variances, counts = self.eigenvalues, jnp.ones_like(self.eigenvalues)
        dims, rank = self.bases.shape[1:]
        if rank < dims:

            def appended(columns: Array, rest: Array) -> Array:
                return jnp.concatenate([columns, rest[..., None]], axis=-1)

            left = jnp.maximum(jnp.sum(away**2, axis=1) - jnp.sum(lengths, axis=1), 0.0)
            overlaps = appended(overlaps, away @ directions.T - jnp.sum(overlaps, axis=2))
            shares = appended(shares, jnp.maximum(1.0 - jnp.sum(shares, axis=2), 0.0))
            lengths, variances = appended(lengths, left), appended(variances, self.remainders)
            counts = appended(counts, jnp.full(len(left), float(dims - rank)))
        offsets, place = self.means @ directions.T, directions @ point
        return Gaussians(self.weights, variances, counts, lengths, offsets, overlaps, shares, place)

    def typical_sizes(self, time: Float[Array, ""]) -> TypicalSizes:
        """Means of K, and of its slope in the tilt, over the same 512 samples and noises at every noise variance.

        As of one Gaussian: -K is onset's at samples, and collapse's less the noise's own weight at noised ones; the
        entropy at tilt 1 vanishes at the held-out one. Of a single Gaussian they are closed forms.
        """
        if self.num_classes == 1:
            dims, rank = self.bases.shape[1:]
            others = [self.remainders] if rank < dims else []
            counts = jnp.asarray([1.0] * rank + [float(dims - rank)] * len(others))
            return Manifold(jnp.concatenate([self.eigenvalues[0], *others]), counts).typical_sizes(time)
        along = jnp.asarray(np.eye(1, len(self.center)))
        noise = jax.random.normal(jax.random.key(1), (_SAMPLES, len(self.center)))

        def value(x: Array, tilt: Array) -> Array:
            at = self.view(x, along).components(tilt, time)
            return at.reference + jax.nn.logsumexp(at.excess, b=at.weights)

        def of_sample(pair: tuple[Array, Array]) -> Array:
            y, omega = pair
            one = jnp.ones_like(time)
            fresh, slope = jax.jvp(lambda tilt: value(y, tilt), (one,), (one,))
            return jnp.stack([value(y + jnp.sqrt(time) * omega, one) + 0.5 * jnp.sum(omega**2), fresh, slope])

        samples = self.sample(jax.random.key(0), _SAMPLES)
        noised, fresh, slope = jnp.mean(jax.lax.map(of_sample, (samples, noise), batch_size=_AT_ONCE), axis=0)
        return TypicalSizes(
            collapse=-noised,
            onset=-fresh,
            held_out=slope - fresh,
            half_signal=noised - fresh,
            ratio=-2.0 * slope / len(self.center),
        )

    def speciation_time(self) -> Float[Array, ""]:
        """That of the same classes by one covariance: it depends on where they are alone."""
        places = self.means - self.means[:1]  # exactly zero where all are one
        spread = places - (self.weights @ places)[None, :]
        _, directions = jnp.linalg.eigh((spread * self.weights[:, None]).T @ spread)
        return _speciation(self.weights, spread @ directions[:, -1])

    def sample(self, key: Array, num_samples: int) -> Float[Array, "samples dims"]:
        """Independent samples; the class of each is drawn."""
        check_key(key)
        count = whole_number(num_samples, "num_samples", 0)
        refuse_beyond_memory(3.0 * count * self.bases.shape[1], "the samples")
        of_class, of_basis, of_rest = jax.random.split(key, 3)
        classes = jax.random.choice(of_class, self.num_classes, (count,), p=self.weights)
        dims, rank = self.bases.shape[1:]
        normal = jax.random.normal(of_basis, (count, rank))
        rest = jax.random.normal(of_rest, (count, dims)) if rank < dims else jnp.zeros((count, dims))
        samples = jnp.zeros((count, dims))
        for one in range(self.num_classes):  # a basis for every sample would be large
            basis = self.bases[one]
            across = (rest - (rest @ basis) @ basis.T) * jnp.sqrt(self.remainders[one])
            drawn = self.means[one][None, :] + (normal * jnp.sqrt(self.eigenvalues[one])[None, :]) @ basis.T + across
            samples = jnp.where((classes == one)[:, None], drawn, samples)
        return samples

    def record(self) -> dict[str, object]:
        """What the provenance of a result says of the law."""
        return {
            "weights": np.asarray(self.weights).tolist(),
            "means_sha256": digest(np.asarray(self.means)),
            "eigenvalues": np.asarray(self.eigenvalues).tolist(),
        }


_LEAVES = ("weights", "means", "bases", "eigenvalues", "remainders", "center", "frame", "variances")
register(FullMixture, _LEAVES)


def _classes(weights: Numbers, means: Numbers) -> tuple[np.ndarray, np.ndarray]:
    shares, places = class_shares(weights), concrete_array(means, "means")
    if places.ndim != 2 or len(places) != len(shares) or not places.size or not np.isfinite(places).all():
        raise InputError(
            f"the means have shape {places.shape}; for {len(shares)} weights they must be finite, a row per class"
        )
    return shares, places
