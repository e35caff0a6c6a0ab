"""The notation table covers every symbol, once, and nothing else makes symbols."""

import sympy as sp

import geomem_theory
from geomem_theory import symbols


def _atoms(expression: sp.Basic) -> set[str]:
    names = {str(symbol) for symbol in expression.atoms(sp.Symbol, sp.IndexedBase)}
    return names | {str(function.func) for function in expression.atoms(sp.core.function.AppliedUndef)}


def test_every_symbol_of_every_equation_is_in_the_notation_table():
    known = set().union(*(_atoms(line.symbol) for line in symbols.NOTATION))
    for equation in geomem_theory.EQUATIONS.values():
        assert _atoms(equation.left) | _atoms(equation.right) <= known, equation.name


def test_every_symbol_of_the_module_has_one_line():
    lines = [line.symbol for line in symbols.NOTATION]
    assert len(set(lines)) == len(lines)
    made = {value for value in vars(symbols).values() if isinstance(value, sp.Symbol)}
    assert made == {symbol for symbol in lines if isinstance(symbol, sp.Symbol)}


def test_expressions_hold_the_symbol_objects_of_the_module():
    made = {value for value in vars(symbols).values() if isinstance(value, (sp.Symbol, sp.IndexedBase))}
    for equation in geomem_theory.EQUATIONS.values():
        bases = {indexed.base for indexed in equation.right.atoms(sp.Indexed)}
        labels = {base.label for base in equation.right.atoms(sp.IndexedBase)}
        assert (equation.right.atoms(sp.Symbol) - labels) | bases <= made, equation.name


def test_table_is_markdown():
    lines = geomem_theory.notation_table().splitlines()
    assert len(lines) == len(symbols.NOTATION) + 2
    assert all(line.count("|") == 4 for line in lines)
