"""The hand-over: an equation of `geomem_theory` becomes a JAX function, and nowhere else.

`lower(name)` rewrites the right side of the equation for accuracy, checks that every
node of it is in the table below, and returns a jitted function of the arguments that
the equation declares, which are bound by Symbol object. Sums over blocks become sums over the
vectors that are passed for the indexed symbols, and an equation for an indexed left
side (one value per block) gives a vector. Functions are written for one point;
`jax.vmap` batches them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from types import MappingProxyType
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
from jaxtyping import Array
from numpy.polynomial import Chebyshev, Polynomial
from sympy.codegen.cfunctions import expm1, log1p

import geomem_theory
from geomem_theory.symbols import B, C

Argument = sp.Symbol | sp.IndexedBase


class LoweringError(Exception):
    """An expression that cannot be lowered: an unknown function, an unbound symbol, a foreign sum."""


# How far an argument of the Gamma function is moved to the right, and Stirling's coefficients B_2n/(2n (2n - 1)) there.
_GAMMA_SHIFT = 8
_STIRLING = tuple(float(sp.bernoulli(2 * n) / (2 * n * (2 * n - 1))) for n in range(1, 9))
# arctan(x)/x as a polynomial in x^2, to rounding for x up to tan(pi/8).
_EIGHTH = float(np.sqrt(2.0)) - 1.0
_ARCTAN = tuple(
    Chebyshev.interpolate(lambda square: np.arctan(np.sqrt(square)) / np.sqrt(square), 10, (0.0, _EIGHTH**2))
    .convert(kind=Polynomial)
    .coef.tolist()
)


def _loggamma(argument: Array) -> Array:
    """ln Gamma right of -8, up to a multiple of 2 pi i; for a real argument its real part.

    Stirling's series where it is exact to rounding: of elementary functions alone, which are quick to compile and have
    derivatives of every order.
    """
    passed = reduce(jnp.multiply, (argument + float(shift) for shift in range(_GAMMA_SHIFT)))
    moved = argument + float(_GAMMA_SHIFT)
    inverse = _power(moved, -1)
    series = reduce(lambda sum_, term: sum_ * inverse * inverse + term, reversed(_STIRLING), jnp.zeros_like(moved))
    log_passed = _log(passed if jnp.iscomplexobj(passed) else jnp.abs(passed))
    return (moved - 0.5) * _log(moved) - moved + 0.5 * float(np.log(2 * np.pi)) + series * inverse - log_passed


@jax.custom_jvp
def _angle(y: Array, x: Array) -> Array:
    """arctan2 of finite numbers that are not both zero, in elementary steps: XLA calls a function for every number."""
    away, up = jnp.abs(x), jnp.abs(y)
    least, most = jnp.minimum(away, up), jnp.maximum(away, up)
    steep = least > _EIGHTH * most
    # tan of the angle, or of it less an eighth of a turn.
    tangent = jnp.where(steep, least - most, least) / jnp.where(steep, least + most, most)
    square = tangent * tangent
    series = reduce(lambda sum_, term: sum_ * square + term, reversed(_ARCTAN), jnp.zeros_like(square))
    angle = tangent * series + jnp.where(steep, np.pi / 4, 0.0)
    angle = jnp.where(up > away, np.pi / 2 - angle, angle)
    angle = jnp.where(x < 0, np.pi - angle, angle)
    return jnp.where(y < 0, -angle, angle)


_angle.defjvps(
    lambda dy, _, y, x: x * dy / (x * x + y * y),
    lambda dx, _, y, x: -y * dx / (x * x + y * y),
)


def _log(argument: Array) -> Array:
    """The logarithm; JAX's of a complex number takes care of infinities, which costs twice the time."""
    if not jnp.iscomplexobj(argument):
        return jnp.log(argument)
    x, y = argument.real, argument.imag
    return jax.lax.complex(0.5 * jnp.log(x * x + y * y), _angle(y, x))


def _log1p(argument: Array) -> Array:
    if not jnp.iscomplexobj(argument):
        return jnp.log1p(argument)
    x, y = argument.real, argument.imag
    return jax.lax.complex(0.5 * jnp.log1p(x * (2.0 + x) + y * y), _angle(y, 1.0 + x))


def _combined(step: Callable[[Array, Array], Array], one: Array, other: Array) -> Array:
    """A sum or a product, in real steps where one of the two is real."""
    if one.dtype == other.dtype:
        return step(one, other)
    number, real = sorted((one, other), key=jnp.iscomplexobj, reverse=True)
    along = real if step is jnp.multiply else jnp.zeros_like(real)
    return jax.lax.complex(step(number.real, real), step(number.imag, along))


def _power(base: Array, exponent: int) -> Array:
    """A whole power; JAX's division by a complex number takes care of infinities, too."""
    if exponent < 0 and jnp.iscomplexobj(base):
        inverse = _combined(jnp.multiply, jnp.conj(base), 1.0 / (base.real**2 + base.imag**2))
        return jax.lax.integer_pow(inverse, -exponent)
    return jax.lax.integer_pow(base, exponent)


# Every function of the theory and the JAX function it becomes. What is not here is refused when lowering.
_FUNCTIONS: Mapping[type[sp.Basic], Callable[..., Array]] = MappingProxyType(
    {
        sp.Add: lambda *terms: reduce(partial(_combined, jnp.add), terms),
        sp.Mul: lambda *factors: reduce(partial(_combined, jnp.multiply), factors),
        sp.exp: jnp.exp,
        expm1: jnp.expm1,
        sp.log: _log,
        log1p: _log1p,
        sp.cos: jnp.cos,
        sp.tan: jnp.tan,
        sp.acos: jnp.arccos,
        sp.asin: jnp.arcsin,
        sp.atan: jnp.arctan,
        sp.loggamma: _loggamma,
    }
)


@dataclass(frozen=True, eq=False)
class LoweredEquation:
    """A JAX function that came out of an equation, with what it came from.

    Call it with one value per argument: float64 or complex128 scalars for symbols and
    vectors of one common length (the number of blocks) for indexed symbols.

    Raises:
        TypeError: if a value has another dtype, has the wrong rank, or is missing.
    """

    equation: geomem_theory.Equation
    expression: sp.Expr

    @property
    def name(self) -> str:
        return self.equation.name

    @property
    def arguments(self) -> tuple[Argument, ...]:
        return self.equation.arguments

    @cached_property
    def _compiled(self) -> Callable[..., Array]:
        def evaluate(*values: Array) -> Array:
            evaluation = _Evaluation(dict(zip(self.arguments, values, strict=True)))
            if isinstance(self.equation.left, sp.Indexed):
                return evaluation.per_block(self.expression)
            return evaluation.value(self.expression)

        # The name marks every call in a jaxpr, which is how the tests see where physics comes from.
        evaluate.__name__ = f"theory_{self.name}"
        return jax.jit(evaluate)

    def __call__(self, *values: Array | np.ndarray | np.number | float | complex) -> Array:
        if len(values) != len(self.arguments):
            raise TypeError(f"{self.name} takes {len(self.arguments)} arguments {self.arguments}, not {len(values)}")
        checked = [_checked(self.name, *pair) for pair in zip(self.arguments, values, strict=True)]
        if len({len(value) for value in checked if value.ndim}) > 1:
            raise TypeError(f"{self.name}: the vectors over the blocks differ in length")
        # One complex argument makes the value complex.
        kind = complex if any(jnp.iscomplexobj(value) for value in checked) else float
        return self._compiled(*checked).astype(kind)


REGISTRY: dict[str, LoweredEquation] = {}


def lower(name: str) -> LoweredEquation:
    """Lower the equation of that name to a JAX function of the arguments that it declares, in their order.

    One equation is lowered once: a second call returns the same object.

    Raises:
        LoweringError: if the equation declares no arguments, or its right side holds a
            function that is not in the table (named in the message), a symbol that is
            not an argument, or a sum that does not run over the blocks or classes.
    """
    if name not in REGISTRY:
        REGISTRY[name] = lower_equation(geomem_theory.equation(name))
    return REGISTRY[name]


def lower_equation(equation: geomem_theory.Equation) -> LoweredEquation:
    """Lower an equation that need not be in a chapter; it does not enter the registry."""
    if not equation.arguments:
        raise LoweringError(f"{equation.name} declares no arguments; it is a step of the theory, not for numbers")
    expression = rewrite_for_accuracy(equation.right)
    index = set(equation.left.indices) if isinstance(equation.left, sp.Indexed) else set()
    vectors = any(isinstance(argument, sp.IndexedBase) for argument in equation.arguments)
    if (index or expression.has(sp.Sum)) and not vectors:
        raise LoweringError(f"{equation.name}: a sum over blocks needs a vector among the arguments")
    _refuse_unknown(equation.name, expression, set(equation.arguments), index)
    return LoweredEquation(equation, expression)


def rewrite_for_accuracy(expression: sp.Expr) -> sp.Expr:
    """Replace log(1 + x) by log1p(x) and exp(x) - 1 by expm1(x), also inside sums.

    A logarithm of a fraction is taken as log1p of numerator minus denominator over
    denominator where that difference has fewer terms: the ones are cancelled
    symbolically, so log((t + s)/t) keeps its accuracy for s/t far below machine epsilon.
    """
    return cast(sp.Expr, expression.replace(sp.log, _log1p_form).replace(_is_exp_minus_one, _expm1_form))


def _log1p_form(argument: sp.Expr) -> sp.Expr:
    numerator, denominator = sp.fraction(sp.together(argument))
    numerator, denominator = sp.expand(numerator), sp.expand(denominator)
    difference = sp.expand(numerator - denominator)
    if len(sp.Add.make_args(difference)) < len(sp.Add.make_args(numerator)):
        # Divide term by term: a fraction of polynomials overflows long before its value does.
        return log1p(sp.factor(difference) / sp.factor(denominator))
    return sp.log(argument)


def _is_exp_minus_one(node: sp.Basic) -> bool:
    """Whether a sum's number cancels the coefficients of its exponentials, as in exp(x) - 1."""
    if not isinstance(node, sp.Add):
        return False
    coefficients = [coefficient for coefficient, _ in _exponentials(node)]
    return bool(coefficients) and sp.Add(*coefficients) == -node.as_coeff_Add()[0]


def _exponentials(node: sp.Add) -> list[tuple[sp.Expr, sp.Expr]]:
    """The terms c exp(x) of a sum, c a number, as pairs."""
    pairs = (term.as_coeff_Mul() for term in node.args)
    return [(coefficient, factor) for coefficient, factor in pairs if isinstance(factor, sp.exp)]


def _expm1_form(node: sp.Add) -> sp.Expr:
    replaced = sp.Add(*(coefficient * (expm1(factor.args[0]) - factor) for coefficient, factor in _exponentials(node)))
    return node - node.as_coeff_Add()[0] + replaced


def _refuse_unknown(name: str, node: sp.Basic, bound: set[sp.Basic], index: set[sp.Basic]) -> None:
    """Refuse what has no JAX counterpart. One index is known at a time: an inner sum may not use the outer one's."""
    if isinstance(node, sp.Number | sp.NumberSymbol):
        return
    if isinstance(node, sp.Symbol):
        if node not in bound:
            raise LoweringError(f"{name}: the symbol {node} is not an argument")
    elif isinstance(node, sp.Indexed):
        if node.base not in bound or len(node.indices) != 1 or node.indices[0] not in index:
            raise LoweringError(f"{name}: {node} needs {node.base} as an argument and the index of the sum around it")
    elif isinstance(node, sp.Sum):
        if len(node.limits) != 1 or tuple(node.limits[0][1:]) not in ((1, B), (1, C)):
            raise LoweringError(f"{name}: the sum {node} does not run over the blocks 1 to {B} or classes 1 to {C}")
        _refuse_unknown(name, node.function, bound, {node.limits[0][0]})
    elif isinstance(node, sp.Pow) or type(node) in _FUNCTIONS:
        for argument in node.args:
            _refuse_unknown(name, argument, bound, index)
    else:
        raise LoweringError(f"{name}: the function {type(node).__name__} has no JAX counterpart in the lowering table")


class _Evaluation:
    """One evaluation of an expression at given values, each distinct subexpression once.

    A subexpression inside a sum is a vector over the blocks and is remembered per sum,
    so that nothing which depends on a sum's index is shared beyond it.
    """

    def __init__(self, values: Mapping[Any, Array]) -> None:
        self._values = values
        self._known: dict[sp.Basic, Array] = {}

    def value(self, node: sp.Basic) -> Array:
        if node not in self._known:
            self._known[node] = self._compute(node)
        return self._known[node]

    def per_block(self, node: sp.Basic) -> Array:
        """The value at every block; what does not depend on the block is repeated."""
        blocks = next(len(value) for base, value in self._values.items() if isinstance(base, sp.IndexedBase))
        return jnp.broadcast_to(self.value(node), (blocks,))

    def _compute(self, node: sp.Basic) -> Array:
        if isinstance(node, sp.Symbol):
            return self._values[node]
        if isinstance(node, sp.Indexed):
            return self._values[node.base]
        if isinstance(node, sp.Number | sp.NumberSymbol):
            return jnp.asarray(float(node))
        if isinstance(node, sp.Sum):
            return jnp.sum(_Evaluation(self._values).per_block(node.function))
        if isinstance(node, sp.Pow):
            return self._power(node)
        return _FUNCTIONS[type(node)](*(self.value(argument) for argument in node.args))

    def _power(self, node: sp.Pow) -> Array:
        base, exponent = self.value(node.base), node.exp
        if exponent.is_Integer:
            return _power(base, int(exponent))
        if exponent == sp.Rational(1, 2):
            return jnp.sqrt(base)
        return jnp.power(base, self.value(exponent).astype(base.dtype))


def _checked(name: str, argument: Argument, value: Array | np.ndarray | np.number | float | complex) -> Array:
    array = jnp.asarray(value, dtype=float) if isinstance(value, (int, float)) else jnp.asarray(value)
    if array.dtype not in (jnp.float64, jnp.complex128):
        raise TypeError(f"{name}: {argument} must be float64 or complex128, not {array.dtype}")
    rank = 1 if isinstance(argument, sp.IndexedBase) else 0
    if array.ndim != rank:
        raise TypeError(f"{name}: {argument} must have {rank} axes, not {array.ndim}; use jax.vmap for batches")
    return array
