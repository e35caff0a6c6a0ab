"""What the theory asks of a law of data."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeGuard, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from geomem.core.arguments import Numbers, as_log_sizes, is_whole
from geomem.core.kinds import refuse_other
from geomem.core.results import SQUARED, described
from geomem.core.status import InputError
from geomem.laws.classes import ClassProducts
from geomem.laws.probe import Probe
from geomem.laws.setting import Setting
from geomem.laws.views import Gaussians, View
from geomem.lowering import lower

_radius = lower("dominance_radius")


class TypicalSizes(NamedTuple):
    """ln N at which typical trajectories change at one noise variance, and what goes with them.

    Where the first three fall to the data set's, the times of `trajectory_times` are; `half_signal` is A, and `ratio`
    the generalization time over the held-out one.
    """

    collapse: Float[Array, ""]
    onset: Float[Array, ""]
    held_out: Float[Array, ""]
    half_signal: Float[Array, ""]
    ratio: Float[Array, ""]


class Classes(NamedTuple):
    """A law as a mixture of Gaussians of one covariance, whose blocks' directions are in order along the axes."""

    weights: Float[Array, " classes"]
    centers: Float[Array, "classes dims"]
    variances: Float[Array, " blocks"]
    multiplicities: Float[Array, " blocks"]


Score = Callable[..., Float[Array, "points dims"]]


_LawType = TypeVar("_LawType", bound="Law")


class Law(ABC):
    """A law of data; what it knows of itself is in `knows`, and other questions are refused in a sentence.

    Directions are in blocks of one local variance. A subclass is a pytree whose leaves are float64 arrays, has
    `variances` and `multiplicities` of shape (blocks,), one that knows views `center`, the data's mean, and answers
    `setting`, `sample` and `record`; a law made of Gaussians also `classes`. What it does not override it does not
    know.
    """

    if TYPE_CHECKING:  # fields or properties of the subclasses

        @property
        def variances(self) -> Float[Array, " blocks"]: ...

        @property
        def multiplicities(self) -> Float[Array, " blocks"]: ...

        @property
        def center(self) -> Float[Array, " dims"]: ...

    @property
    def knows(self) -> frozenset[str]:
        """What it answers.

        Of `generating_function`, `second_cumulant` and `energy`, which its settings give and levels need; `views` from
        any point along any directions, and `tilts`, closed forms of them, which serve levels as well; `classes`,
        `class_products`, `typical_sizes` and `dominance_radius` of trajectories; `one_gaussian`: that it is one
        Gaussian with its blocks along the axes; `gaps`: that the values of its blocks have gaps; and `secants`:
        central differences of the score at the origin.
        """
        return frozenset({"generating_function"})

    @property
    def called(self) -> str:
        """What sentences call data of it."""
        return "this law"

    @property
    def advice(self) -> str:
        """What a sentence that refuses it ends with."""
        return "use another law"

    @property
    def num_blocks(self) -> int:
        return len(self.variances)

    @property
    def dimension(self) -> int | float:
        """Number of dimensions of the data that sizes are counted for."""
        return int(np.sum(np.asarray(self.multiplicities)))

    @property
    def largest_variance(self) -> Float[Array, ""]:
        """The scale of searches in the noise variance."""
        return jnp.max(self.block_variances())

    @property
    def finest(self) -> float:
        """The noise variance below which nothing changes any more, samples being far apart; 0 of a density."""
        return 0.0

    @property
    def largest_size(self) -> float:
        """The size of data sets up to which the law is to be trusted, if it is an estimate."""
        return np.inf

    def block_variances(self) -> Float[Array, " blocks"]:
        """Local variances of the data as they are."""
        return self.variances

    def indicator(self, block: int | np.integer) -> Float[Array, " blocks"]:
        """1 for `block`, else 0.

        Raises:
            InputError: if there is no such block.
        """
        if not is_whole(block) or not 0 <= block < self.num_blocks:
            raise InputError(f"there is no block {block!r}: the manifold has blocks 0 to {self.num_blocks - 1}")
        return jnp.asarray(np.eye(self.num_blocks)[block])

    def with_variances(self: _LawType, variances: Float[Array, "... blocks"]) -> _LawType:
        """The same law with other variances, one row per lane if there are several; not validated."""
        lanes = jnp.broadcast_to(self.multiplicities, variances.shape)
        return replace(self, variances=variances, multiplicities=lanes)  # ty: ignore[invalid-argument-type]

    @abstractmethod
    def record(self) -> dict[str, object]:
        """What the provenance of a result says of the law."""

    def setting(self, indicator: Float[Array, " blocks"], probe: Probe) -> Setting:
        """A direction of the block that `indicator` marks, seen from a probe."""
        self.refuse("the theory")

    def view(self, point: Float[Array, " dims"], directions: Float[Array, "directions dims"]) -> View:
        """What averages over data sets at a point depend on, along unit vectors; traceable by JAX."""
        self.refuse("a theory at a point")

    def direction(self, block: int | np.integer) -> Float[Array, " dims"]:
        """The unit vector of a block's direction, its first one along the coordinate axes.

        Raises:
            InputError: if there is no such block.
        """
        counts = np.asarray(self.multiplicities, dtype=int)
        first = int(counts[: int(np.argmax(np.asarray(self.indicator(block))))].sum())
        return jnp.asarray(np.eye(1, int(counts.sum()), first)[0])

    def covariance(self) -> Float[Array, "dims dims"]:
        """The whole covariance, in the coordinates of the data."""
        self.refuse("a covariance")

    def covariance_at(self, point: Float[Array, " dims"]) -> Float[Array, "dims dims"]:
        """That of the class that a point most likely belongs to."""
        self.refuse("the class of a point")

    def stretched(self, matrix: Float[np.ndarray, "dims dims"]) -> "Law":
        """The law of the samples times a matrix, about their mean."""
        self.refuse("a stretched direction")

    def sample(self, key: Array, num_samples: int) -> Float[Array, "samples dims"]:
        """Independent samples."""
        self.refuse("sampling")

    def classes(self) -> Classes:
        """The law as a mixture of Gaussians."""
        self.refuse("an average over typical points")

    def class_products(self) -> ClassProducts:
        """Several classes, as averages over their random probes see them."""
        self.refuse("a theory of classes")

    def score(self) -> Score:
        """The population's score as a function (x, t) -> score of points (n, dims): a pytree that JAX can trace."""
        self.refuse("the population's score")

    def typical_sizes(self, time: Float[Array, ""]) -> TypicalSizes:
        """The sizes at which typical trajectories change at a noise variance."""
        self.refuse("the theory of trajectories")

    def dominance_radii(self, time: Float[Array, ""], log_sizes: Float[Array, " sizes"]) -> Float[Array, " sizes"]:
        """Squared distances in t per direction up to which a training point dominates, where the balance is linear."""
        at = self.typical_sizes(time)
        return jax.vmap(lambda log_size: _radius(log_size, at.onset, at.half_signal))(log_sizes)

    def speciation_time(self) -> Float[Array, ""]:
        """Noise variance at which trajectories choose a class; 0 where there is nothing between classes."""
        return jnp.array(0.0)

    def log_sizes(self, num_samples: Numbers | None, log_num_samples: Numbers | None) -> Array | np.ndarray:
        """ln N as the law counts it, from whichever of the two was given.

        Raises:
            InputError: for sizes that are none.
        """
        return as_log_sizes(num_samples, log_num_samples)

    def require(self, answer: str, asker: str) -> None:
        """Refuse what needs an answer that the law does not know.

        Raises:
            InputError: if it does not.
        """
        if answer not in self.knows:
            self.refuse(asker)

    def check_place(self, probe: Probe, asker: str) -> None:
        """Refuse a probe at which the energy of a sample is not known.

        Raises:
            InputError: for such a probe.
        """
        return

    def check_points(self, base: Float[Array, "points dims"], offset: Float[Array, "points dims"]) -> None:
        """Refuse points base + sqrt(t) offset from which the law is not known.

        Raises:
            InputError: for such points.
        """
        return

    def refuse(self, asker: str) -> NoReturn:
        raise InputError(f"{asker} does not know {self.called}; {self.advice}")


def check_law(source: object) -> None:
    """Refuse what is no law.

    Raises:
        InputError: if it is none.
    """
    refuse_other(source, Law, "the law", "a Manifold, a GaussianMixture or another law of the data")


def is_law(source: object) -> TypeGuard[Law]:
    """Whether it is a law, and no data."""
    return isinstance(source, Law)


# What makes a law of a covariance spectrum, by the name that the command calls the law.
LAWS: dict[str, Callable[[Any], Law]] = {}


def law_of(name: str, manifold: Law) -> Law:
    """The law of that name with this covariance spectrum.

    Raises:
        InputError: if there is none.
    """
    if name not in LAWS:
        raise InputError(f"there is no law {name!r}; choose one of {', '.join(LAWS)}")
    return LAWS[name](manifold)


def view_of_blocks(
    classes: Classes, point: Float[Array, " dims"], directions: Float[Array, "directions dims"]
) -> Gaussians:
    """The view of a mixture of one covariance, whose blocks' directions are in order along the axes."""
    ends = jnp.cumsum(classes.multiplicities)
    block = jnp.searchsorted(ends, jnp.arange(len(point)).astype(float), side="right")

    def over_blocks(values: Float[Array, "... dims"]) -> Float[Array, "... blocks"]:
        nothing = jnp.zeros((*values.shape[:-1], len(ends)))
        return nothing.at[..., block].add(values)

    away = point[None, :] - classes.centers
    count = len(away)
    return Gaussians(
        classes.weights,
        jnp.tile(classes.variances, (count, 1)),
        jnp.tile(classes.multiplicities, (count, 1)),
        over_blocks(away**2),
        classes.centers @ directions.T,
        over_blocks(away[:, None, :] * directions[None]),
        jnp.tile(over_blocks(directions**2), (count, 1, 1)),
        directions @ point,
    )


def block_coordinates(law: Law) -> dict[str, object]:
    """Coordinates of results over the blocks of a law."""
    return {
        "block_variance": ("block", np.asarray(law.block_variances()), described("local variance", SQUARED)),
        "multiplicity": ("block", np.asarray(law.multiplicities), described("number of directions", "1")),
    }
