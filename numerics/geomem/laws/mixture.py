"""Mixtures of Gaussians of one covariance."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, check_key, whole_number
from geomem.core.crossing import first_crossing
from geomem.core.kinds import concrete_array, refuse_beyond_memory
from geomem.core.pytrees import pytree, rebuilt, register
from geomem.core.status import InputError
from geomem.laws.classes import (
    ClassProducts,
    class_shares,
    class_terms,
    largest_eigenvalue,
    leading_offsets,
    over_probes,
)
from geomem.laws.full_mixture import FullMixture
from geomem.laws.law import Classes, Law, Score, TypicalSizes, view_of_blocks
from geomem.laws.manifold import Manifold
from geomem.laws.population import population_score
from geomem.laws.probe import Probe
from geomem.laws.setting import Components, Setting, root
from geomem.laws.views import Gaussians
from geomem.lowering import lower

_generating_function = lower("generating_function_probed")
_mixture_excess = lower("mixture_generating_function")
_class_log_size = lower("critical_log_size_probed")
_log_size = lower("mixture_critical_log_size")
_tilted_mean = lower("tilted_mean")
_tilted_variance = lower("tilted_variance")
_speciation = lower("speciation_time")
_dominance_radius = lower("dominance_radius")
_dominance_size = lower("mixture_dominance_log_size")
_DISTANCES = 16  # cells of the search for a radius, over which the size falls


@pytree
@dataclass(frozen=True)
class MixtureSetting(Setting):
    """A direction of a mixture, and where the centers are relative to it."""

    largest: Float[Array, "..."]
    weights: Float[Array, " classes"]
    centers: Float[Array, " classes"]  # coordinates along the probed direction
    rests: Float[Array, "classes blocks"]  # squared lengths inside every block, the probed direction left out

    @property
    def largest_variance(self) -> Float[Array, ""]:
        return self.largest

    def beside(self, factor: Float[Array, ""]) -> Setting:
        # The centers have the same coordinate along both.
        lengths = self.centers[:, None] ** 2 * jnp.array([1.0, -1.0])[None, :]
        return replace(super().beside(factor), rests=jnp.concatenate([self.rests, lengths], axis=1))

    def generating_function(self, tilt: Float[Array, ""], time: Float[Array, ""]) -> Float[Array, ""]:
        reference, excess = self._reference_and_excess(tilt, time)
        return reference + _mixture_excess(self.weights, excess)

    def components(self, tilt: float, time: Float[Array, ""]) -> Components:
        _, coordinates = self._seen_from_centers(time)
        reference, excess = self._reference_and_excess(tilt, time)
        means = jax.vmap(lambda place: _tilted_mean(tilt, time, self.probed_variance, place))(coordinates)
        variance = _tilted_variance(tilt, time, self.probed_variance)
        return Components(self.weights, reference, excess, self.centers + means, jnp.full_like(means, variance))

    def critical_log_size(self, tilt: float, time: Float[Array, ""]) -> Float[Array, ""]:
        rests, coordinates = self._seen_from_centers(time)
        _, excess = self._reference_and_excess(tilt, time)

        def of_class(rest: Array, squared: Array) -> Array:
            spectrum = (self.variances, self.multiplicities)
            return _class_log_size(tilt, time, *spectrum, rest, self.probed_variance, squared)

        return _log_size(self.weights, jax.vmap(of_class)(rests, coordinates**2), excess)

    def _seen_from_centers(self, time: Array) -> tuple[Float[Array, "classes blocks"], Float[Array, " classes"]]:
        """The probe's squared lengths from every center, the probed direction left out, and its coordinate there."""
        # A random direction's product with a center is zero on average.
        return self.rests + self.rest(time)[None, :], root(self.coordinate(time)) - self.centers

    def _reference_and_excess(
        self, tilt: float | Array, time: Array
    ) -> tuple[Float[Array, ""], Float[Array, " classes"]]:
        """K of the class where it is largest, and the excesses of all over it."""
        rests, coordinates = self._seen_from_centers(time)

        def of_class(rest: Array, squared: Array) -> Array:
            spectrum = (self.variances, self.multiplicities)
            return _generating_function(tilt, time, *spectrum, rest, self.probed_variance, squared)

        values = jax.vmap(of_class)(rests, coordinates**2)
        return jnp.max(values), values - jnp.max(values)


@dataclass(frozen=True, init=False, eq=False)
class GaussianMixture(Law):
    """Data in classes: Gaussians of one covariance, that of `manifold`, about several centers.

    With covariances in place of the manifold, (classes, dims, dims) in squared units of the data, every class has its
    own: a `FullMixture`, which is asked with unit vectors or the numbers of its principal directions.

    `weights` are the classes' shares, (classes,), and `centers` their means, (classes, dims), the blocks'
    directions in order along the coordinate axes. The first direction of a block is the one that is probed; a
    direction between centers is probed if it is a block of its own.

    Raises:
        InputError: for weights that are not positive or do not add to one, centers that do not fit, a
            normalized manifold, or covariances that are not symmetric or have negative eigenvalues.
    """

    weights: Float[Array, " classes"]
    centers: Float[Array, "classes dims"]
    manifold: Manifold
    products: Float[Array, "blocks classes classes"]  # of the centers, inside every block
    firsts: Float[Array, "blocks classes"]  # the centers' coordinates along the first direction of every block
    largest_eigenvalue: Float[Array, ""]  # of the whole covariance
    offsets: Float[Array, " classes"]  # of the centers from their mean, along the direction in which they spread most

    def __new__(cls, weights: Numbers, centers: Numbers, manifold: Manifold | Numbers) -> Any:  # noqa: ANN401
        if isinstance(manifold, Manifold):
            return object.__new__(cls)
        return FullMixture(weights, centers, manifold)

    def __init__(self, weights: Numbers, centers: Numbers, manifold: Manifold) -> None:
        shares, places = class_shares(weights), concrete_array(centers, "centers")
        if manifold.normalized:
            raise InputError("a mixture of normalized data is not known; use a manifold with normalized=False")
        sizes = np.asarray(manifold.multiplicities, dtype=int)
        if places.shape != (len(shares), sizes.sum()) or not np.isfinite(places).all():
            raise InputError(
                f"the centers have shape {places.shape}; for these weights and this manifold they must be finite and "
                f"of shape {(len(shares), int(sizes.sum()))}, a row per class"
            )
        inside = np.split(places, np.cumsum(sizes)[:-1], axis=1)
        fields = {
            "weights": shares,
            "centers": places,
            "products": np.stack([part @ part.T for part in inside]),
            "firsts": np.stack([part[:, 0] for part in inside]),
            "largest_eigenvalue": largest_eigenvalue(shares, inside, np.asarray(manifold.variances)),
            "offsets": leading_offsets(shares, places),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, jnp.asarray(value))
        object.__setattr__(self, "manifold", manifold)

    @classmethod
    def two_classes(cls, squared_center: float | int, manifold: Manifold) -> "GaussianMixture":
        """Two classes of equal weight about m and -m, m along the first direction, of this squared length.

        Raises:
            InputError: if the squared length is negative or not finite.
        """
        if not 0 <= squared_center < np.inf:
            raise InputError(f"the squared length of the center is {squared_center:g}; it must be finite and >= 0")
        center = np.zeros(manifold.num_coordinates)
        center[0] = np.sqrt(squared_center)
        return cls([0.5, 0.5], np.stack([center, -center]), manifold)

    @property
    def knows(self) -> frozenset[str]:
        return frozenset(
            {"generating_function", "views", "tilts", "classes", "class_products", "typical_sizes", "dominance_radius"}
        )

    @property
    def called(self) -> str:
        return "mixtures"

    @property
    def advice(self) -> str:
        return "give a manifold, such as that of the mixture"

    @property
    def variances(self) -> Float[Array, " blocks"]:
        return self.manifold.variances

    @property
    def multiplicities(self) -> Float[Array, " blocks"]:
        return self.manifold.multiplicities

    @property
    def largest_variance(self) -> Float[Array, ""]:
        """The largest eigenvalue of the whole covariance."""
        return self.largest_eigenvalue

    @property
    def num_classes(self) -> int:
        return len(self.weights)

    def sample(self, key: Array, num_samples: int) -> Float[Array, "samples dims"]:
        """Independent samples; the class of each is drawn."""
        check_key(key)
        num_samples = whole_number(num_samples, "num_samples", 0)
        refuse_beyond_memory(num_samples * float(self.dimension), f"{num_samples} samples of the law")
        of_class, of_rest = jax.random.split(key)
        classes = jax.random.choice(of_class, self.num_classes, (num_samples,), p=self.weights)
        return self.centers[classes] + self.manifold.sample(of_rest, num_samples)

    def with_variances(self, variances: Float[Array, "... blocks"]) -> "GaussianMixture":
        """The same classes of another covariance; what was the largest eigenvalue becomes a bound on it."""
        lanes = variances.shape[:-1]
        fields = {name: getattr(self, name) for name in _LEAVES}
        fields = {name: jnp.broadcast_to(field, (*lanes, *field.shape)) for name, field in fields.items()}
        fields["largest_eigenvalue"] = jnp.max(variances, axis=-1) + jnp.dot(self.weights, self.offsets**2)
        return rebuilt(GaussianMixture, fields | {"manifold": self.manifold.with_variances(variances)})

    def setting(self, indicator: Float[Array, " blocks"], probe: Probe) -> Setting:
        """The first direction of the block that `indicator` marks, seen from the origin of the coordinates.

        Raises:
            InputError: for a probe that depends on a class.
        """
        if probe.of_data:
            raise InputError(
                f"the probe {probe.kind!r} of a mixture depends on a class; choose one of origin, along, "
                "random_direction, or use trajectory_times"
            )
        return _setting(self, indicator, probe)

    @property
    def center(self) -> Float[Array, " dims"]:
        """The mean of the data."""
        return self.weights @ self.centers

    def covariance(self) -> Float[Array, "dims dims"]:
        """Within and between classes."""
        away = self.centers - self.center[None, :]
        return self.manifold.covariance() + (away * self.weights[:, None]).T @ away

    def covariance_at(self, point: Float[Array, " dims"]) -> Float[Array, "dims dims"]:
        """That within classes, the same everywhere."""
        return self.manifold.covariance()

    def view(self, point: Float[Array, " dims"], directions: Float[Array, "directions dims"]) -> Gaussians:
        return view_of_blocks(self.classes(), point, directions)

    def classes(self) -> Classes:
        """The classes as they are given."""
        return Classes(self.weights, self.centers, self.variances, self.multiplicities)

    def score(self) -> Score:
        """The population's score as a function (x, t) -> score of points (n, dims)."""
        return population_score(self.classes())

    def typical_sizes(self, time: Float[Array, ""]) -> TypicalSizes:
        """K of the mixture is that of a probe's own class and the classes' excess, in every size."""
        own, terms = self.manifold.typical_sizes(time), class_terms(self.class_products(), time)
        return TypicalSizes(
            collapse=own.collapse - terms.noised,
            onset=own.onset - terms.fresh,
            held_out=own.held_out - terms.fresh + terms.fresh_slope,
            half_signal=own.half_signal,
            ratio=own.ratio - 2.0 * terms.fresh_slope / jnp.sum(self.multiplicities),
        )

    def dominance_radii(self, time: Float[Array, ""], log_sizes: Float[Array, " sizes"]) -> Float[Array, " sizes"]:
        """Where the size at which a training point dominates up to a distance falls to the data set's."""
        own, products = self.manifold.typical_sizes(time), self.class_products()

        def size(radius: Array) -> Array:
            excess = over_probes(
                products, lambda _, h: _mixture_excess(self.weights, h), time, jnp.ones_like(time),
                products.variances + radius * time,
            )  # fmt: skip
            return _dominance_size(radius, own.onset, own.half_signal, excess)

        # The classes' excess grows with the distance: with that of the training point itself it is farthest.
        onset = size(jnp.zeros_like(time))
        bounds = jax.vmap(lambda log_size: _dominance_radius(log_size, onset, own.half_signal))(log_sizes)
        farthest = jnp.max(jnp.where(jnp.isfinite(bounds), bounds, 0.0), initial=0.0)
        crossing = first_crossing(size, log_sizes, jnp.zeros_like(time), 1e-6 + farthest * (1 + 1e-6), _DISTANCES)
        return jnp.where(crossing.found, crossing.point, bounds)

    def speciation_time(self) -> Float[Array, ""]:
        return _speciation(self.weights, self.offsets)

    def class_products(self) -> ClassProducts:
        """What averages over random probes depend on."""
        return ClassProducts(self.weights, self.products, self.variances)

    def record(self) -> dict[str, object]:
        """What the provenance of a result says of the law."""
        return self.manifold.record() | {
            "weights": np.asarray(self.weights).tolist(),
            "center_products": np.asarray(self.products.sum(axis=0)).tolist(),
        }


GaussianMixture.register(FullMixture)
_LEAVES = ("weights", "centers", "products", "firsts", "largest_eigenvalue", "offsets")
register(GaussianMixture, (*_LEAVES, "manifold"))


@jax.jit
def _setting(law: GaussianMixture, indicator: Float[Array, " blocks"], probe: Probe) -> MixtureSetting:
    variances = law.manifold.block_variances()
    centers = indicator @ law.firsts
    lengths = jnp.diagonal(law.products, axis1=1, axis2=2).T
    rests = lengths - centers[:, None] ** 2 * indicator[None, :]
    probed = jnp.dot(indicator, variances)
    return MixtureSetting(
        variances, law.multiplicities, indicator, probed, probe, law.largest_variance, law.weights, centers, rests
    )
