"""The one door to the levels of the theory: what is asked of them.

Solvers, diagrams and the command ask a level through `Question` and do not know which level it is.
"""

from dataclasses import dataclass, field
from typing import Generic, NamedTuple

import numpy as np

from geomem.core.arguments import Numbers
from geomem.core.pytrees import pytree
from geomem.core.status import InputError
from geomem.laws.law import Law, check_law
from geomem.laws.points import PointSetting, asks_for_points, point_setting
from geomem.laws.probe import Probe, check_probe
from geomem.laws.setting import Setting
from geomem.levels.level import LEVELS, Explicit, Level, LevelType, level_of


class Seen(NamedTuple):
    """Directions seen from points, and the axes that answers have for them: none for a single one."""

    at: PointSetting
    axes: tuple[int, ...]


@pytree
@dataclass(frozen=True)
class Question(Generic[LevelType]):
    """What counts as the transition, at which level, and where the score is evaluated: asked of a law's direction."""

    criterion: str = field(metadata={"static": True})
    level: LevelType = field(metadata={"static": True})
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
            others = [f"{name!r}" for name, level in LEVELS.items() if level.needs in law.knows]
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
