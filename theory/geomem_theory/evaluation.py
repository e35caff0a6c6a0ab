"""Expressions at any precision by mpmath: the route that shares nothing with JAX."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, cast

import mpmath
import sympy as sp

from geomem_theory.symbols import B, C

# Symbols to numbers, indexed symbols to sequences of numbers.
Values = Mapping[Any, Any]


class Comparison(NamedTuple):
    """Two numbers, each from its own route, and their relative difference."""

    name: str
    left: mpmath.mpf
    right: mpmath.mpf

    @property
    def difference(self) -> mpmath.mpf:
        return abs(self.left - self.right) / max(abs(self.left), abs(self.right), mpmath.mpf(1))


def evaluate(expression: sp.Expr, values: Values, digits: int = 30) -> mpmath.mpf | mpmath.mpc:
    """The expression at the given values, computed with `digits` decimal digits.

    `values` maps symbols to numbers and indexed symbols to sequences, one entry per
    block. Floats are taken as the binary numbers they are.
    """
    scalars = {key: value for key, value in values.items() if not isinstance(key, sp.IndexedBase)}
    vectors = {key: value for key, value in values.items() if isinstance(key, sp.IndexedBase)}
    blocks = len(next(iter(vectors.values()))) if vectors else 0
    function = _compiled(expression, tuple(scalars), tuple(vectors), blocks)
    with mpmath.workdps(digits):
        numbers = [mpmath.mpmathify(value) for value in scalars.values()]
        entries = [mpmath.mpmathify(entry) for vector in vectors.values() for entry in vector]
        return mpmath.mpmathify(function(*numbers, *entries))


def unroll(expression: sp.Expr, blocks: int) -> sp.Expr:
    """The expression with its sums over blocks or classes written out for so many blocks."""
    unrolled = expression.replace(
        lambda node: isinstance(node, sp.Sum) and node.limits[0][2] in (B, C),
        lambda node: sp.Add(*(node.function.subs(node.limits[0][0], index) for index in range(1, blocks + 1))),
    )
    return cast(sp.Expr, unrolled)


@cache
def _compiled(
    expression: sp.Expr, scalars: tuple[sp.Basic, ...], vectors: tuple[sp.IndexedBase, ...], blocks: int
) -> Callable[..., mpmath.mpf | mpmath.mpc]:
    entries = [vector[index] for vector in vectors for index in range(1, blocks + 1)]
    arguments = {entry: sp.Dummy() for entry in (*scalars, *entries)}
    return sp.lambdify(list(arguments.values()), unroll(expression, blocks).xreplace(arguments), "mpmath")
