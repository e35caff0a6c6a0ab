"""Equations that know where they come from.

An `Equation` is a statement together with its source and the steps that lead to
it. A step is a sentence and a computation; computations that take SymPy long
(integrals above all) run only when the equation is derived, not at import, and
`Equation.derive` refuses a derivation that does not end at the stated right side.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import sympy as sp

DERIVED = "derived here"


class Step(NamedTuple):
    """One step of a derivation: what is done (and why), and its result.

    A step without a computation is stated and justified in words; the tests check
    the equation it belongs to numerically.
    """

    text: str
    compute: Callable[[], sp.Basic] | None = None


class PerformedStep(NamedTuple):
    """A step after its computation ran."""

    text: str
    result: sp.Basic | None


class DerivationError(Exception):
    """A derivation whose last result is not the right side it is meant to prove."""


@dataclass(frozen=True)
class Equation:
    """A named equation, its meaning, its source and its derivation.

    `arguments` are what a numerical function of its right side takes, in this order: symbols, and indexed symbols for
    vectors over blocks or classes. An equation that only a derivation needs has none.
    """

    name: str
    left: sp.Expr
    right: sp.Expr
    meaning: str
    source: str
    steps: tuple[Step, ...]
    arguments: tuple[sp.Symbol | sp.IndexedBase, ...] = ()

    def derive(self) -> tuple[PerformedStep, ...]:
        """Perform the steps and hold the result of the last one against the right side.

        Raises:
            DerivationError: if they differ. A derivation that ends in words is not compared.
        """
        return self._performed

    @cached_property
    def _performed(self) -> tuple[PerformedStep, ...]:
        performed = tuple(PerformedStep(step.text, step.compute() if step.compute else None) for step in self.steps)
        last = performed[-1].result
        if isinstance(last, sp.Expr) and not equal(last, self.right):
            raise DerivationError(f"the derivation of {self.name} ends at {last}, not at {self.right}")
        return performed

    @property
    def latex(self) -> str:
        return f"{sp.latex(self.left)} = {sp.latex(self.right)}"

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.latex}$"

    def to_markdown(self) -> str:
        """Heading, statement, source and performed steps, as Markdown with LaTeX."""
        lines = [f"### `{self.name}`", "", self.meaning, "", f"$${self.latex}$$", "", f"Source: {self.source}.", ""]
        for number, step in enumerate(self.derive(), start=1):
            lines += [f"{number}. {step.text}", ""]
            if step.result is not None:
                lines += [f"   $${sp.latex(step.result)}$$", ""]
        return "\n".join(lines)

    def to_latex(self) -> str:
        """The same as a LaTeX fragment: a subsection with an itemized derivation."""
        lines = [
            rf"\subsection*{{\texttt{{{_escape(self.name)}}}}}",
            latex_prose(self.meaning),
            rf"\begin{{equation}}{self.latex}\label{{eq:{self.name}}}\end{{equation}}",
            rf"Source: {latex_prose(self.source)}.",
            r"\begin{enumerate}",
        ]
        for step in self.derive():
            lines.append(rf"\item {latex_prose(step.text)}")
            if step.result is not None:
                lines.append(rf"\[{sp.latex(step.result)}\]")
        return "\n".join([*lines, r"\end{enumerate}", ""])


@dataclass(frozen=True)
class Chapter:
    """Equations in reading order under one title."""

    name: str
    title: str
    introduction: str
    equations: tuple[Equation, ...]

    def to_markdown(self) -> str:
        head = f"## {self.title}\n\n{self.introduction}\n"
        return "\n".join([head, *(equation.to_markdown() for equation in self.equations)])

    def to_latex(self) -> str:
        head = f"\\section{{{latex_prose(self.title)}}}\n{latex_prose(self.introduction)}\n"
        return "\n".join([head, *(equation.to_latex() for equation in self.equations)])

    def to_rows(self) -> list[dict[str, object]]:
        """One dictionary per equation, with its performed steps, for JSON."""
        return [
            {
                "chapter": self.name,
                "name": equation.name,
                "source": equation.source,
                "latex": equation.latex,
                "steps": [
                    {"text": step.text, "latex": None if step.result is None else sp.latex(step.result)}
                    for step in equation.derive()
                ],
            }
            for equation in self.equations
        ]

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


def equal(left: sp.Expr, right: sp.Expr) -> bool:
    """Whether SymPy proves two expressions equal, sums over blocks included.

    `simplify` does not look into sums. They are first taken for unknowns; if the
    difference does not vanish so, they are merged into one sum, whose summand and
    the remainder must both vanish.
    """
    difference = left - right
    if _vanishes(difference.xreplace({one: sp.Dummy() for one in difference.atoms(sp.Sum)})):
        return True
    try:
        parts = merge_sums(difference)
    except ValueError:  # sums that cannot be merged: not proved
        return False
    return all(_vanishes(part) for part in parts)


def _vanishes(expression: sp.Expr) -> bool:
    if expression == 0 or sp.simplify(expression) == 0:
        return True
    # Logarithms meet only in one argument; force: the symbols are positive where logarithms are taken.
    return sp.simplify(sp.logcombine(sp.expand_log(expression, force=True), force=True)) == 0


def merge_sums(expression: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Write an expression that is linear in sums over one index as sum(f) + g; return (f, g).

    Raises:
        ValueError: if the sums run over different ranges or enter nonlinearly.
    """
    sums = sorted(expression.atoms(sp.Sum), key=sp.default_sort_key)
    outer = [one for one in sums if not any(one in other.function.atoms(sp.Sum) for other in sums)]
    if len({one.limits for one in outer}) > 1:
        raise ValueError(f"sums over different ranges in {expression}")
    stand_in = {one: sp.Dummy() for one in outer}
    linear = expression.xreplace(stand_in)
    coefficients = {one: linear.diff(dummy) for one, dummy in stand_in.items()}
    if any(coefficient.has(*stand_in.values()) for coefficient in coefficients.values()):
        raise ValueError(f"a sum enters nonlinearly in {expression}")
    summand = sp.Add(*(coefficient * one.function for one, coefficient in coefficients.items()))
    return summand, linear.subs(dict.fromkeys(stand_in.values(), 0))


def _escape(text: str) -> str:
    return text.replace("_", r"\_").replace("%", r"\%").replace("&", r"\&").replace("^", r"\^{}")


def latex_prose(text: str) -> str:
    """Prose with $...$ and `code` spans, as LaTeX."""
    pieces = text.split("$")
    for i in range(0, len(pieces), 2):  # outside mathematics
        spans = [_escape(span) for span in pieces[i].split("`")]
        spans[1::2] = [rf"\texttt{{{span}}}" for span in spans[1::2]]
        pieces[i] = "".join(spans)
    return "$".join(pieces)
