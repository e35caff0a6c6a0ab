"""The notation table covers every symbol, once, and names what is there."""

import inspect
import re

import pytest
import sympy as sp

import geomem
import geomem_theory
from geomem_theory import NOTATION, notation, symbols


def _atoms(expression: sp.Basic) -> set[str]:
    names = {str(symbol) for symbol in expression.atoms(sp.Symbol, sp.IndexedBase)}
    return names | {str(function.func) for function in expression.atoms(sp.core.function.AppliedUndef)}


def test_every_symbol_of_every_equation_is_in_the_notation_table():
    known = set().union(*(_atoms(line.symbol) for line in NOTATION))
    for equation in geomem_theory.EQUATIONS.values():
        assert _atoms(equation.left) | _atoms(equation.right) <= known, equation.name


def test_every_symbol_of_the_module_has_one_line():
    lines = [line.symbol for line in NOTATION]
    assert len(set(lines)) == len(lines)
    made = {value for value in vars(symbols).values() if isinstance(value, sp.Symbol)}
    assert made == {symbol for symbol in lines if isinstance(symbol, sp.Symbol)}


def test_table_is_markdown():
    lines = geomem_theory.notation_table().splitlines()
    assert len(lines) == len(NOTATION) + 2
    assert all(line.count("|") == 4 for line in lines)


def test_chapter_prints_every_line_in_every_format():
    chapter = notation.CHAPTER
    assert geomem_theory.notation_table() in chapter.to_markdown() == chapter._repr_markdown_()
    assert chapter.to_latex().count(r"\item[") == len(NOTATION)
    rows = chapter.to_rows()
    assert [(row["latex"], row["meaning"]) for row in rows] == [(line.latex, line.meaning) for line in NOTATION]
    assert not any("`" in str(row["code"]) for row in rows)


@pytest.fixture(scope="module")
def arguments() -> set[str]:
    """The arguments of everything public, methods included."""
    public = [getattr(geomem, name) for name in dir(geomem)]
    methods = [method for one in public if inspect.isclass(one) for _, method in inspect.getmembers(one, callable)]
    found = set()
    for one in (*public, *methods):
        try:
            found |= set(inspect.signature(one).parameters)
        except (TypeError, ValueError):  # what is built in has no signature to read
            continue
    return found


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(.*?)`", " ".join(line.code for line in NOTATION)))))
def test_name_in_code_exists(name, arguments):
    owner, dot, attribute = name.partition(".")
    if dot:
        one = getattr(geomem, owner)
        assert hasattr(one, attribute) or attribute in getattr(one, "__annotations__", {})
    else:
        assert (
            name in dir(geomem) or name in arguments or any(hasattr(getattr(geomem, one), name) for one in dir(geomem))
        )
