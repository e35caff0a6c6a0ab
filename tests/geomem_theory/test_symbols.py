"""Nothing but the module of symbols makes symbols."""

import sympy as sp

import geomem_theory
from geomem_theory import symbols


def test_expressions_hold_the_symbol_objects_of_the_module():
    made = {value for value in vars(symbols).values() if isinstance(value, (sp.Symbol, sp.IndexedBase))}
    for equation in geomem_theory.EQUATIONS.values():
        bases = {indexed.base for indexed in equation.right.atoms(sp.Indexed)}
        labels = {base.label for base in equation.right.atoms(sp.IndexedBase)}
        assert (equation.right.atoms(sp.Symbol) - labels) | bases <= made, equation.name
