"""The law of data that a command asks about, and the points that it is seen from."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cyclopts import Parameter

from geomem.cli.options import GivenManifold, QuestionInput
from geomem.cli.output import Whole
from geomem.core.status import InputError

if TYPE_CHECKING:
    import numpy as np

    from geomem.laws.law import Law
    from geomem.laws.probe import Probe
    from geomem.levels.level import Level
    from geomem.levels.question import Question

FAMILIES = ("auto", "gaussian", "mixture", "pool")
NOISED, MEAN = "noised", "mean"
_DEFAULT_POINTS = 8
_A_FACTOR = 1.0  # nats: e in N


class Asked(NamedTuple):
    """The words that the law and the probe stand for, and the question. `family` is None for the law of a spectrum."""

    family: str | None
    of_spectrum: str
    question: "Question[Level]"
    noised: bool
    chosen: bool  # by default, so that one Gaussian may take the place of what cannot be fitted

    @property
    def record(self) -> dict[str, object]:
        """What tells a run from others before anything is fitted."""
        if self.family is None:
            return self.question.record() | {"law": self.of_spectrum}
        probe = {"kind": NOISED} if self.noised else self.question.probe.record()
        others = {name: one for name, one in self.question.record().items() if name != "probe"}
        return others | {"law": self.family, "probe_asked": probe}


class GivenLaw(NamedTuple):
    """A law of data, the question with its points, and what results say of both."""

    law: "Law"
    question: "Question[Level]"
    title: str
    attributes: dict[str, object]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LawInput:
    """The law of data, and where it is probed."""

    law: str | None = None
    """Law of the --data: gaussian, of their covariance; mixture, of several; pool, the samples themselves; auto, a
    mixture if held-out samples gain by it, else gaussian [default: auto, or gaussian by other --theory or --probe]."""

    num_points: Whole = _DEFAULT_POINTS
    """Points of the data that --probe noised takes."""

    def asked(self, question: QuestionInput, of_data: bool) -> Asked:
        """What the words mean.

        Raises:
            InputError: for words that do not go together, or as `QuestionInput.posed`.
        """
        from geomem.laws.law import LAWS

        law, probe = self.law, question.probe
        if law not in (None, *LAWS, *FAMILIES):
            raise InputError(f"there is no law {law!r}; choose one of {', '.join((*FAMILIES, *LAWS))}")
        of_spectrum = law if law in LAWS else "manifold"
        if self.num_points < 1:
            raise InputError(f"--num-points is {self.num_points}; it must be at least 1")
        posed = question.posed("origin" if probe == NOISED else "along" if probe in (MEAN, None) else probe)
        if not of_data:
            if law in FAMILIES and law != "gaussian":
                raise InputError(f"--law {law} is fitted to --data; give it too")
            if probe == NOISED:
                raise InputError("--probe noised is a point of --data; of a spectrum it is called typical")
            return Asked(None, of_spectrum, posed, False, False)
        answers = posed.level.averages_over_directions
        if not answers and (probe == NOISED or law in ("auto", "mixture", "pool")):
            word = f"--law {law}" if law in ("auto", "mixture", "pool") else "--probe noised"
            raise InputError(f"{word} needs theory 'finite_n', which averages over points and directions")
        noised = probe == NOISED or (probe is None and answers and law not in LAWS)
        default = "auto" if noised else "gaussian"
        family = default if law is None else law
        if family in LAWS or (family == "gaussian" and not noised):
            if noised:
                raise InputError(f"--probe noised is of laws that are fitted: {', '.join(FAMILIES)}; give one as --law")
            family = None
        return Asked(family, of_spectrum, posed, noised, law is None and probe is None)

    def given(self, asked: Asked, found: GivenManifold, seed: int) -> GivenLaw | None:
        """The law fitted to the data and its points; None if one Gaussian in blocks, about its mean, is asked.

        Says on stderr which law it is, and what is gained by it.

        Raises:
            InputError: as `fit_law`.
        """
        if found.data is None:
            return None
        if asked.family is None:
            _warn_of_one_gaussian(found.data, seed)
            return None
        import jax

        from geomem.laws.pool import SampledLaw
        from geomem.studies.fitting import chosen_law
        from geomem.studies.noised_points import noised_points

        rows, key = found.data, jax.random.key(seed)
        why = _why_not(rows) if asked.chosen else None
        if why is not None:
            print(f"geomem: the law is one Gaussian about its mean, for {why}", file=sys.stderr)
            return None
        if asked.noised and self.num_points >= len(rows):
            raise InputError(f"--num-points is {self.num_points}, and there are {len(rows)} samples; ask for fewer")
        chosen = chosen_law(rows, family=asked.family, key=key).chosen
        law: Law = chosen.law
        attributes: dict[str, object] = {"law": chosen.family, "law_note": chosen.why}
        if chosen.family == "mixture":
            attributes |= {"num_components": chosen.num_components, "nats_gained": chosen.nats_gained}
        if not asked.noised:
            return _said(law, asked.question, chosen.why, "about the mean", attributes)
        _, probe, others = noised_points(rows, self.num_points, key)
        if chosen.family == "pool":  # that knows nothing of the points
            law = SampledLaw(others)
        attributes |= {"probe": NOISED, "num_points": self.num_points}
        where = f"at {self.num_points} data points with noise"
        return _said(law, _probed(asked.question, probe), chosen.why, where, attributes)


def _said(law: "Law", question: "Question[Level]", why: str, where: str, attributes: dict[str, object]) -> GivenLaw:
    gain = attributes.get("nats_gained")
    raw = "" if gain is None else f" ({gain:.3g} without noise)"
    print(f"geomem: the law of the data is {why}{raw}; it is probed {where}", file=sys.stderr)
    if attributes["law"] == "pool":
        most = int(law.largest_size)
        print(
            f"geomem: a pool tells of N up to a fifteenth of its size, {most}; beyond, statuses say so", file=sys.stderr
        )
    return GivenLaw(law, question, f", law {attributes['law']} {where}", attributes)


def _probed(question: "Question[Level]", probe: "Probe") -> "Question[Level]":
    from dataclasses import replace

    return replace(question, probe=probe)


def _why_not(rows: "np.ndarray") -> str | None:
    """Why no law is fitted to these rows unless it is asked for."""
    from geomem.studies.fitting import FEWEST_ROWS, MOST_DIMS

    if len(rows) < FEWEST_ROWS:
        return f"{len(rows)} rows are too few to fit another"
    if rows.shape[1] > MOST_DIMS:
        return f"no other is fitted to more than {MOST_DIMS} dimensions"
    if not (rows != rows[:1]).any():
        return "all rows are the same"
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return "a mixture needs scikit-learn; install 'geomem[data]'"
    return None


def _warn_of_one_gaussian(rows: "np.ndarray", seed: int) -> None:
    """Say on stderr by how much one Gaussian is off, if a mixture tells."""
    if _why_not(rows) is not None:
        return
    import jax

    from geomem.studies.fitting import chosen_law

    chosen = chosen_law(rows, family="auto", key=jax.random.key(seed)).chosen
    if chosen.nats_gained > _A_FACTOR:
        print(
            f"geomem: one Gaussian is off by a factor e^{chosen.nats_gained:.0f} in N: {chosen.why} (without noise "
            f"{chosen.nats_gained:.3g}); --law auto takes it",
            file=sys.stderr,
        )
