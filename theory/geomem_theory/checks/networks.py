"""Limits and identities of networks of random features, each side from its own route; one block stands for all."""

from collections.abc import Iterable
from typing import Any

import sympy as sp

from geomem_theory import random_features, random_manifold
from geomem_theory.derivation import Equation
from geomem_theory.evaluation import unroll
from geomem_theory.symbols import (
    G,
    alpha,
    factor_1,
    factor_2,
    feature_blur,
    feature_floor,
    feature_memory,
    feature_slope,
    feature_trace,
    feature_value,
    h_1,
    h_2,
    h_v,
    mean_1,
    mean_2,
    mean_12,
    mean_s12,
    mean_ss12,
    psi_n,
    psi_p,
    ridge,
    s,
    s_v,
    sample_factor,
    share,
    t,
    trace_1,
    trace_2,
    training_time,
    u,
    w,
)

_linear = feature_blur + feature_slope**2 * s_v / sample_factor
_rest = ridge + feature_floor + feature_memory / sample_factor
_form = random_features.direction_resolvent.right
_both_maps = (random_features.feature_trace_map, random_features.sample_factor_map)


def network_identities() -> Iterable[tuple[str, sp.Expr, sp.Expr]]:
    """Names and both sides."""
    ratios = _ratios()
    yield (
        "of the width, what the floor, the noise and the samples take",
        feature_trace * (ridge + feature_floor) + feature_blur * _form + ratios[psi_n] * (1 - 1 / sample_factor),
        ratios[psi_p],
    )
    as_manifold = {G: feature_trace - (psi_p - 1) / _rest, t: _rest, alpha: psi_p, w[1]: 1, s[1]: psi_p * _linear}
    yield (
        "the features of one variance are a random manifold",
        unroll(random_manifold.resolvent.right, 1).xreplace(as_manifold).subs(psi_p, ratios[psi_p]),
        sp.S.Zero,
    )
    response = random_features.ridge_response.right.subs(h_v, _form).subs(feature_blur, feature_slope**2 * t)
    yield (
        "of many samples and a wide network, the exact score's response",
        _at_infinity(response.subs(sample_factor, 1), feature_trace),
        -1 / (s_v + t),
    )
    yield (
        "of a wide network alone, that of a score which has memorized",
        _at_infinity(response.subs(feature_trace, sample_factor), sample_factor),
        -1 / t,
    )
    linear = _of_one(random_features.sample_factor_map).subs(feature_memory, 0)
    yield (
        "of a wide linear network, the resolvent of the samples' covariance",
        _at_infinity(linear.subs(feature_blur, feature_slope**2 * t), feature_trace),
        1 + s_v / (psi_n * (t + s_v / sample_factor)),
    )
    yield (
        "training to the end",
        sp.limit(random_features.gradient_flow_filter.right, training_time, sp.oo),
        1 / feature_value,
    )
    yield (
        "of many samples, no corner of theirs",
        random_features.factor_corner_pair.right.subs(psi_n, sp.oo),
        sp.S.Zero,
    )
    yield ("size of the output = slope of the response in U", *_slope_of_response())


def _of_one(equation: Equation) -> sp.Expr:
    return unroll(equation.right, 1).subs({share[1]: 1, s[1]: s_v})


def _ratios() -> dict[sp.Symbol, sp.Expr]:
    """Width and size, per dimension, of which a trace and a factor are the answer."""
    unknowns = (psi_p, psi_n)
    sides = zip(_both_maps, unknowns, strict=True)
    return {unknown: sp.solve(_of_one(one) - one.left, unknown)[0] for one, unknown in sides}


def _at_infinity(expression: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
    """Limit of a rational function."""
    return sp.cancel(expression.subs(symbol, 1 / u)).subs(u, 0)


# Numbers at which an identity of rational functions is tested; of these the width and the size follow.
_NUMBERS: dict[Any, Any] = {
    feature_trace: 3,
    sample_factor: 2,
    ridge: sp.Rational(1, 10),
    feature_slope: sp.Rational(2, 3),
    feature_memory: sp.Rational(1, 7),
    feature_blur: sp.Rational(1, 3),
    feature_floor: sp.Rational(1, 5),
    s_v: sp.Rational(5, 4),
    t: sp.Rational(3, 7),
}


def _slope_of_response() -> tuple[sp.Expr, sp.Expr]:
    """Minus the derivative of h_v along U -> U + epsilon M, by implicit functions, and the corner of h_v."""
    numbers: dict[Any, Any] = _NUMBERS | {symbol: ratio.subs(_NUMBERS) for symbol, ratio in _ratios().items()}
    moved = feature_slope**2 * (s_v + t)
    # A part epsilon M of U adds to what is along w_v and to the multiple of one: to the blur and the floor.
    rates = {feature_blur: moved, feature_floor: feature_memory + feature_floor}
    places = (feature_trace, sample_factor)
    balances = sp.Matrix([_of_one(one) - one.left for one in _both_maps])
    by_epsilon = sum((balances.diff(symbol) * rate for symbol, rate in rates.items()), sp.zeros(2, 1))
    moves = -balances.jacobian(places).subs(numbers).inv() * by_epsilon.subs(numbers)
    of_places = sum(_form.diff(place).subs(numbers) * move for place, move in zip(places, moves, strict=True))
    slope = of_places + (_form.diff(feature_blur) * moved).subs(numbers)
    form = _form.subs(numbers)
    same = {trace_1: feature_trace, trace_2: feature_trace, factor_1: sample_factor, factor_2: sample_factor}
    means = {mean_1: form, mean_2: form, mean_12: form**2, mean_s12: s_v * form**2, mean_ss12: s_v**2 * form**2}
    pair = (random_features.trace_corner_pair, random_features.factor_corner_pair)
    corners = {one.left: one.right.subs(same).subs(means).subs(numbers) for one in pair}
    noise = random_features.noise_kernel.right.subs({h_1: form, h_2: form}).subs(corners) / feature_slope**2
    return -slope, (noise + feature_slope**2 * (s_v + t) * form**2).subs(numbers)
