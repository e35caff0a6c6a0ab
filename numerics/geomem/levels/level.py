"""What a level of the theory answers, and the levels that there are.

A level is one object, registered once under its name; it is asked through `Question`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import ClassVar, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geomem.core.kinds import refuse_other
from geomem.core.status import InputError
from geomem.laws.law import Law
from geomem.laws.points import PointSetting
from geomem.laws.setting import Setting

# The critical tilt that each criterion of the Gibbs measure asks for: Y2 = 1 - lambda_c.
TILTS: Mapping[str, float] = MappingProxyType({"condensation": 1.0, "participation": 0.5})


class Level(ABC):
    """A level of the theory.

    It has a name; the criteria it knows, and of others, in `instead`, the reason why not; what a law must know to be
    asked at this level (see `Law.knows`), of some criteria more, and what to be asked of directions seen from given
    points, if the level answers for these; and whether an answer costs next to nothing.
    """

    name: ClassVar[str]
    criteria: ClassVar[tuple[str, ...]]
    needs: ClassVar[str]
    needs_of: ClassVar[Mapping[str, str]] = MappingProxyType({})
    needs_from_points: ClassVar[str | None] = None
    instead: ClassVar[Mapping[str, str]] = MappingProxyType({})
    cheap: ClassVar[bool] = True
    averages_over_directions: ClassVar[bool] = False  # whether it answers `balances_of_groups`

    @abstractmethod
    def balances(
        self,
        criterion: str,
        at: Setting,
        times: Float[np.ndarray, " times"],
        log_sizes: Float[np.ndarray, " sizes"] | Float[np.ndarray, "times sizes"],
    ) -> Float[np.ndarray, "times sizes"]:
        """The criterion's own equation: zero at the transition, positive where the direction is resolved.

        It is the entropy at the criterion's tilt, ln R, or -ln(2 Y2); NaN where the level has no answer. Sizes are the
        same at all noise variances, or a row for each.
        """

    def followed(self, criterion: str, at: Setting) -> str:
        """What is followed down in t to the criterion's transition: a balance with this root, that hides no others."""
        return criterion

    def balances_along(
        self,
        criterion: str,
        at: PointSetting,
        times: Float[np.ndarray, " times"],
        log_sizes: Float[np.ndarray, " sizes"],
    ) -> Float[np.ndarray, "directions times sizes"]:
        """`balances` along every direction that is seen from the points."""
        each = [at.along(place) for place in range(len(at.directions))]
        return np.stack([self.balances(criterion, one, times, log_sizes) for one in each])

    def check_criterion(self, criterion: str) -> None:
        """Refuse a criterion that the level does not have.

        Raises:
            InputError: for such a one.
        """
        if criterion not in self.criteria:
            if criterion not in criteria_names():
                raise InputError(f"there is no criterion {criterion!r}; choose one of {', '.join(criteria_names())}")
            reason = self.instead.get(criterion, f"has no {criterion}; use {' or '.join(self.criteria)}")
            raise InputError(f"theory {self.name!r} {reason}")

    def balances_of_groups(
        self,
        criterion: str,
        at: PointSetting,
        times: Float[np.ndarray, " times"],
        log_sizes: Float[np.ndarray, " sizes"],
        members: Bool[np.ndarray, "groups points directions"],
    ) -> Float[np.ndarray, "groups times sizes"]:
        """`balances` of means over the members of every group, directions that are seen from points."""
        raise NotImplementedError

    def record(self) -> dict[str, object]:
        """What the provenance of a result says of the level."""
        return {"theory": self.name}

    def excess_entropy(
        self, law: Law, times: Float[np.ndarray, " times"], log_size: float
    ) -> tuple[Float[np.ndarray, " times"], Float[np.ndarray, " times"]]:
        """Mean excess entropy in nats per dimension and its standard error; NaN where it is not known."""
        raise InputError(f"theory {self.name!r} has no excess entropy; choose {_having('excess_entropy')}")


class Explicit(Level):
    """A level at which the critical size is explicit in the noise variance, and all of it is traceable by JAX."""

    needs_from_points: ClassVar[str | None] = "tilts"

    @abstractmethod
    def log_size(self, criterion: str, at: Setting, time: Float[Array, ""]) -> Float[Array, ""]:
        """ln N_c: the direction is resolved for larger N."""

    def balance(
        self, criterion: str, at: Setting, time: Float[Array, ""], log_size: Float[Array, ""]
    ) -> Float[Array, ""]:
        """`balances` at one noise variance and size."""
        return log_size - self.log_size(criterion, at, time)

    def valid(self, criterion: str, at: Setting, time: Float[Array, ""], log_size: Float[Array, ""]) -> Bool[Array, ""]:
        """Whether the level's equation holds there."""
        return jnp.array(True)

    def balances(
        self,
        criterion: str,
        at: Setting,
        times: Float[np.ndarray, " times"],
        log_sizes: Float[np.ndarray, " sizes"] | Float[np.ndarray, "times sizes"],
    ) -> Float[np.ndarray, "times sizes"]:
        rows = jnp.broadcast_to(jnp.asarray(log_sizes), (len(times), np.shape(log_sizes)[-1]))
        return np.asarray(_grid(self, criterion, at, jnp.asarray(times), rows))


@partial(jax.jit, static_argnums=(0, 1))
def _grid(level: Explicit, criterion: str, at: Setting, times: Array, log_sizes: Array) -> Array:
    return jax.vmap(lambda time, row: jax.vmap(partial(level.balance, criterion, at, time))(row))(times, log_sizes)


class Implicit(Level):
    """A level whose balance is tabulated, a noise variance at a time for all sizes, by code that runs in Python."""

    cheap: ClassVar[bool] = False
    # Whether many sizes at one noise variance cost about as much as one; else each has its price.
    sizes_share: ClassVar[bool] = True
    # The level that searches for sizes start from, and where balances are supported, in units of the largest variance.
    leading: ClassVar[Explicit]
    supported: ClassVar[tuple[float, float]]

    @abstractmethod
    def balance(
        self, criterion: str, at: Setting, time: Float[Array, ""], log_sizes: Float[Array, " sizes"]
    ) -> Float[Array, " sizes"]:
        """`balances` at one noise variance, traceable by JAX and differentiable in forward mode."""

    def has_transition(self, criterion: str, at: Setting) -> bool:
        """Whether there is anything to be lost at any noise variance: a direction without variance has no noise."""
        return criterion != "signal_to_noise" or bool(at.probed_variance > 0)

    def holds(self, criterion: str, at: Setting, times: Float[np.ndarray, " times"]) -> Bool[np.ndarray, " times"]:
        """Whether the level's equation holds at these critical noise variances."""
        return np.ones(len(times), dtype=bool)

    @abstractmethod
    def balances_with_slopes(
        self,
        criterion: str,
        at: Setting,
        tangents: Setting,
        times: Float[np.ndarray, " times"],
        log_sizes: Float[np.ndarray, " sizes"] | Float[np.ndarray, "times sizes"],
    ) -> tuple[Float[np.ndarray, "times sizes"], Float[np.ndarray, "slopes times sizes"]]:
        """`balances`, and their derivatives: in ln t, and along tangents to the setting, stacked on a leading axis."""


LevelType = TypeVar("LevelType", bound=Level, covariant=True)

LEVELS: dict[str, Level] = {}
_OTHER_NAMES: dict[str, str] = {}
# Kinds of levels that have settings, the first of which is needed.
_WITH_SETTINGS: dict[str, type[Level]] = {}


def register(level: LevelType, *other_names: str) -> LevelType:
    """Make a level known under its name, and under others that it has had."""
    LEVELS[level.name] = level
    _OTHER_NAMES.update(dict.fromkeys(other_names, level.name))
    return level


def register_kind(kind: type[LevelType]) -> type[LevelType]:
    """Make a kind of level with settings known under its name."""
    _WITH_SETTINGS[kind.name] = kind
    return kind


def level_names() -> tuple[str, ...]:
    """Names of the levels that there are."""
    return tuple(LEVELS)


def criteria_names() -> tuple[str, ...]:
    """Names of the criteria that some level knows."""
    known = [level.criteria for level in (*LEVELS.values(), *_WITH_SETTINGS.values())]
    return tuple(dict.fromkeys([*TILTS, *(name for names in known for name in names)]))


def level_of(theory: str | Level) -> Level:
    """The level of that name, or the level itself.

    Raises:
        InputError: if there is none.
    """
    if isinstance(theory, Level):
        return theory
    refuse_other(theory, str, "the theory", f"one of {', '.join(level_names())}")
    name = _OTHER_NAMES.get(theory, theory)
    if name in _WITH_SETTINGS:
        raise InputError(
            f"theory {name!r} has settings; give a level made with them, such as RandomFeatures(width=...)"
        )
    if name not in LEVELS:
        raise InputError(f"there is no theory {theory!r}; choose one of {', '.join(level_names())}")
    return LEVELS[name]


def level_with(theory: str, settings: Mapping[str, object]) -> Level:
    """The level of that name, hyphens or underscores in it, with the settings that it needs or may have.

    Raises:
        InputError: as `level_of`, for settings that it has not, or where one that it needs is missing.
    """
    kind = _WITH_SETTINGS.get(theory.replace("-", "_"))
    if kind is None:
        level = level_of(theory)
        if settings:
            of = " or ".join(_WITH_SETTINGS)
            raise InputError(f"theory {theory!r} has no {next(iter(settings)).replace('_', ' ')}; use theory {of}")
        return level
    if "width" not in settings:
        raise InputError(f"theory {theory!r} is a network, and needs its width")
    return kind(**settings)


def _having(answer: str) -> str:
    """The levels that override an answer."""
    own = [name for name, level in LEVELS.items() if getattr(type(level), answer) is not getattr(Level, answer)]
    return " or ".join(own)
