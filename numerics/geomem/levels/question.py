"""The one door to the levels of the theory: what a level answers, and what is asked of it.

A level is one object, registered once under its name. Solvers, diagrams and the command ask it through `Question`
and do not know which level it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import ClassVar, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geomem.core.arguments import Numbers
from geomem.core.kinds import refuse_other
from geomem.core.status import InputError
from geomem.laws.law import Law, check_law
from geomem.laws.points import PointSetting, asks_for_points, point_setting
from geomem.laws.probe import Probe, check_probe
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
    # The level that searches for sizes start from, and where balances are supported, in units of the largest variance.
    leading: ClassVar[Explicit]
    supported: ClassVar[tuple[float, float]]

    @abstractmethod
    def balance(
        self, criterion: str, at: Setting, time: Float[Array, ""], log_sizes: Float[Array, " sizes"]
    ) -> Float[Array, " sizes"]:
        """`balances` at one noise variance, traceable by JAX and differentiable in forward mode."""

    @abstractmethod
    def balances_with_slopes(
        self,
        criterion: str,
        at: Setting,
        tangents: Setting,
        times: Float[np.ndarray, " times"],
        log_sizes: Float[np.ndarray, " sizes"],
    ) -> tuple[Float[np.ndarray, "times sizes"], Float[np.ndarray, "slopes times sizes"]]:
        """`balances`, and their derivatives: in ln t, and along tangents to the setting, stacked on a leading axis."""


_LevelType = TypeVar("_LevelType", bound=Level, covariant=True)

_LEVELS: dict[str, Level] = {}
_OTHER_NAMES: dict[str, str] = {}
# Kinds of levels that have settings, the first of which is needed.
_WITH_SETTINGS: dict[str, type[Level]] = {}


def register(level: _LevelType, *other_names: str) -> _LevelType:
    """Make a level known under its name, and under others that it has had."""
    _LEVELS[level.name] = level
    _OTHER_NAMES.update(dict.fromkeys(other_names, level.name))
    return level


def register_kind(kind: type[_LevelType]) -> type[_LevelType]:
    """Make a kind of level with settings known under its name."""
    _WITH_SETTINGS[kind.name] = kind
    return kind


def level_names() -> tuple[str, ...]:
    """Names of the levels that there are."""
    return tuple(_LEVELS)


def criteria_names() -> tuple[str, ...]:
    """Names of the criteria that some level knows."""
    known = [level.criteria for level in (*_LEVELS.values(), *_WITH_SETTINGS.values())]
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
    if name not in _LEVELS:
        raise InputError(f"there is no theory {theory!r}; choose one of {', '.join(level_names())}")
    return _LEVELS[name]


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
    own = [name for name, level in _LEVELS.items() if getattr(type(level), answer) is not getattr(Level, answer)]
    return " or ".join(own)


class Seen(NamedTuple):
    """Directions seen from points, and the axes that answers have for them: none for a single one."""

    at: PointSetting
    axes: tuple[int, ...]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Question(Generic[_LevelType]):
    """What counts as the transition, at which level, and where the score is evaluated: asked of a law's direction."""

    criterion: str = field(metadata={"static": True})
    level: _LevelType = field(metadata={"static": True})
    probe: Probe

    @property
    def title(self) -> str:
        return f"{self.criterion.replace('_', ' ')}, level {self.level.name}"

    def record(self) -> dict[str, object]:
        """What the provenance of a result says of the question."""
        return {"criterion": self.criterion, "probe": self.probe.record()} | self.level.record()

    def check(self, law: Law) -> None:
        """Refuse a law of which the level knows too little.

        Raises:
            InputError: for such a law.
        """
        check_law(law)
        if self.criterion in self.level.needs_of:
            law.require(self.level.needs_of[self.criterion], f"criterion {self.criterion!r}")
        if self.level.needs not in law.knows:
            others = [f"{name!r}" for name, level in _LEVELS.items() if level.needs in law.knows]
            use = f"use theory {' or '.join(others)}, or " if others else ""
            raise InputError(f"theory {self.level.name!r} does not know {law.called}; {use}{law.advice}")
        if self.level.needs == "energy":
            law.check_place(self.probe, f"theory {self.level.name!r}")

    def points(self, law: Law, block: int | np.integer | Numbers, local_variance: Numbers | None = None) -> Seen | None:
        """Directions of the law seen from the probe's points; None where they are asked as directions of a block.

        Raises:
            InputError: as `point_setting`, for a level that does not know the law from points, or does not answer for
                these, or one of closed forms for several points.
        """
        if not asks_for_points(law, block, self.probe):
            return None
        needed = self.level.needs_from_points
        if self.criterion in self.level.needs_of:
            raise InputError(
                f"criterion {self.criterion!r} is of blocks; give the number of one, and no point as probe"
            )
        if needed is None:
            self.check(law)
            raise InputError(
                f"theory {self.level.name!r} answers for directions of blocks alone; give the number of a block, and "
                "no point as probe"
            )
        if needed not in law.knows:
            others = "use theory 'finite_n', or " if "views" in law.knows else ""
            raise InputError(f"theory {self.level.name!r} does not know {law.called}; {others}{law.advice}")
        at, several = point_setting(law, block, self.probe, local_variance)
        if len(at.base) > 1 and isinstance(self.level, Explicit):
            raise InputError(f"theory {self.level.name!r} takes one point, not {len(at.base)}; use theory 'finite_n'")
        return Seen(at, (len(at.directions),) if several else ())

    def setting(self, law: Law, block: int | np.integer, local_variance: Numbers | None = None) -> Setting:
        """A direction of a block of the law, seen from the probe; with a variance of its own, if there is one.

        Raises:
            InputError: for an unknown block, a law or a probe that the level does not know, or as
                `Setting.of_variance`.
        """
        self.check(law)
        return law.setting(law.indicator(block), self.probe).of_variance(local_variance)


def question(criterion: str, theory: str | Level, probe: Probe) -> Question[Level]:
    """The question of these names.

    Raises:
        InputError: for an unknown name, or a criterion that the level does not have.
    """
    level = level_of(theory)
    check_probe(probe)
    level.check_criterion(criterion)
    return Question(criterion, level, probe)
