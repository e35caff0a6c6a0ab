"""What several parts of a report draw on, each computed once: the fitted law, its probe, blocks and diagram."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from geomem.boundaries.principal import PrincipalBlocks, principal_diagram
from geomem.boundaries.principal_sizes import BlockSizes, principal_sizes
from geomem.core.status import InputError, Status
from geomem.levels.level import Level, level_of
from geomem.levels.question import Question, question
from geomem.reports.subject import Subject
from geomem.schedules.clock import Clock, on_schedule
from geomem.studies.fits import LEADING, MOST_DIMS
from geomem.studies.fitting import Fitted, fit_law
from geomem.studies.noised_points import noised_points

MOST_BLOCKS = 8
# Data points at which the law is seen: the more the fewer directions there are to take means over.
_FEWEST_POINTS, _MOST_POINTS, _PRODUCT = 8, 32, 512
CRITERION, THEORY = "signal_to_noise", "finite_n"
Score = Callable[..., Array | np.ndarray]


@dataclass(frozen=True)
class Study:
    """What is asked, and the answers that more than one part of the page needs."""

    subject: Subject
    clock: Clock | None
    sizes: Float[np.ndarray, " sizes"]  # ascending, the data's own among them
    samples: Float[np.ndarray, "generated dims"] | None
    score: Score | None
    key: Array

    @property
    def size(self) -> float:
        """N."""
        return float(len(self.subject.rows))

    @property
    def dims(self) -> int:
        return self.subject.rows.shape[1]

    @property
    def place(self) -> int:
        """Which of the sizes is N."""
        return int(np.flatnonzero(self.sizes == self.size)[0])

    @property
    def num_blocks(self) -> int | None:
        """In how many blocks directions are grouped; none where each is one of its own."""
        return None if self.dims <= MOST_BLOCKS else MOST_BLOCKS

    @property
    def large(self) -> bool:
        """Whether laws are fitted along the leading directions alone, and all others have one variance."""
        return self.dims > MOST_DIMS

    @property
    def num_directions(self) -> int | None:
        """How many of the leading directions are looked at; none: all of them."""
        return LEADING if self.large else None

    @property
    def num_looked_at(self) -> int:
        return LEADING if self.large else self.dims

    @property
    def num_points(self) -> int:
        """At how many data points with noise the law is seen."""
        return int(min(np.clip(_PRODUCT // self.dims, _FEWEST_POINTS, _MOST_POINTS), len(self.subject.rows) - 1))

    @cached_property
    def fitted(self) -> Fitted:
        return fit_law(self.subject.rows, key=self.key)

    @cached_property
    def asked(self) -> Question[Level]:
        """Signal to noise at data points with noise."""
        _, probe, _ = noised_points(self.subject.rows, self.num_points, self.key)
        return question(CRITERION, level_of(THEORY), probe)

    @cached_property
    def blocks(self) -> PrincipalBlocks:
        return PrincipalBlocks.of(self.asked.level, self.fitted.law, self.num_blocks, self.num_directions)

    @cached_property
    def diagram(self) -> xr.Dataset:
        """Critical times of every block at every size.

        Raises:
            InputError: for data whose law cannot be fitted.
        """
        found = principal_diagram(
            self.asked,
            self.fitted.law,
            self.sizes,
            np.log(self.sizes),
            np.zeros(0),
            0,
            self.num_blocks,
            self.num_directions,
        )
        found.attrs |= {"law": self.fitted.family}
        return found if self.clock is None else on_schedule(found, self.clock)

    def critical_sizes(self, times: Float[np.ndarray, " times"]) -> BlockSizes:
        """The largest sizes at which blocks are lost at noise variances."""
        return principal_sizes(self.asked, self.fitted.law, times, self.num_blocks, self.num_directions)

    @cached_property
    def fates(self) -> "Fates":
        return Fates.of(self.diagram.isel(num_samples=self.place))


@dataclass(frozen=True)
class Fates:
    """What becomes of every block at one size, each (blocks,): 95 % intervals are over the points of the probe."""

    variances: Float[np.ndarray, " blocks"]
    counts: Float[np.ndarray, " blocks"]
    lost: Float[np.ndarray, " blocks"]  # noise variance; 0 if never, NaN if not known
    lower: Float[np.ndarray, " blocks"]  # NaN where there is no interval
    upper: Float[np.ndarray, " blocks"]

    @classmethod
    def of(cls, at: xr.Dataset) -> "Fates":
        """Those at one size of a diagram.

        Raises:
            InputError: for data without any variance.
        """
        variances, counts = at.opening_time.values, at.multiplicity.values.astype(float)
        if not (variances > 0).any():
            raise InputError("the law of the data has no variance in any direction")
        times, error = at.critical_time.values, at.critical_time_error.values
        never = at.status.values == Status.NO_TRANSITION
        with np.errstate(over="ignore", invalid="ignore"):
            reach = np.exp(1.96 * error / times)
        return cls(variances, counts, np.where(never, 0.0, times), times / reach, times * reach)

    @property
    def resolved(self) -> np.ndarray:
        """Which blocks are resolved where they open."""
        return (self.variances > 0) & (self.lost < self.variances)

    def resolved_count(self) -> tuple[float, float, float]:
        """How many directions are, and the ends of the interval: what has no interval may be either."""
        open_ = self.variances > 0
        surely = np.where(self.lost == 0, True, self.upper < self.variances) & open_
        never = self.lower >= self.variances
        counts = [self.counts[which].sum() for which in (self.resolved, surely & self.resolved, open_ & ~never)]
        return float(counts[0]), float(counts[1]), float(counts[2])

    @property
    def order(self) -> list[int]:
        """The blocks that are resolved where they open and then lost, the first lost first."""
        found = [place for place in range(len(self.lost)) if self.resolved[place] and self.lost[place] > 0]
        return sorted(found, key=lambda place: -self.lost[place])
