"""Symbolic derivations: every formula of the toolkit, once, with its source and its steps.

Chapters in reading order; `equation(name)` finds one statement. This package is pure
SymPy: numbers come out of it through `geomem.lowering`.
"""

from geomem_theory import (
    condensation,
    dimension,
    empirical,
    finite_n,
    local_scores,
    mixture,
    model_size,
    partition,
    points,
    predictions,
    probe,
    published,
    random_features,
    random_manifold,
    schedules,
    score,
    spectrum_law,
    trajectories,
    unit_normalized,
)
from geomem_theory.derivation import Chapter as Chapter
from geomem_theory.derivation import DerivationError as DerivationError
from geomem_theory.derivation import Equation as Equation
from geomem_theory.derivation import Step as Step
from geomem_theory.notation import NOTATION as NOTATION
from geomem_theory.notation import notation_table as notation_table

CHAPTERS: tuple[Chapter, ...] = (
    partition.CHAPTER,
    condensation.CHAPTER,
    score.CHAPTER,
    probe.CHAPTER,
    finite_n.CHAPTER,
    empirical.CHAPTER,
    spectrum_law.CHAPTER,
    dimension.CHAPTER,
    published.CHAPTER,
    trajectories.CHAPTER,
    mixture.CHAPTER,
    points.CHAPTER,
    local_scores.CHAPTER,
    unit_normalized.CHAPTER,
    random_manifold.CHAPTER,
    random_features.CHAPTER,
    model_size.CHAPTER,
    schedules.CHAPTER,
    predictions.CHAPTER,
)
EQUATIONS: dict[str, Equation] = {equation.name: equation for chapter in CHAPTERS for equation in chapter.equations}


def equation(name: str) -> Equation:
    """The equation of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in EQUATIONS:
        raise ValueError(f"there is no equation named {name!r}; `geomem derive` lists them")
    return EQUATIONS[name]
