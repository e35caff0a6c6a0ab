"""Lowered equations against mpmath, and what lowering refuses."""

from functools import cache

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.codegen.cfunctions import expm1, log1p

import geomem_theory
from geomem.lowering import LoweringError, lower, lower_equation, rewrite_for_accuracy
from geomem_theory import symbols
from geomem_theory.evaluation import evaluate, unroll
from geomem_theory.symbols import B, N, Q, Q_rest, b, c, d, delta, lam, log_N, q_v, s, s_v, t, x_v

BLOCKS = 3


def equation(right: sp.Expr, arguments: tuple, left: sp.Expr = log_N) -> geomem_theory.Equation:
    return geomem_theory.Equation("example", left, right, "An example.", "test", (), arguments)


def magnitude(expression: sp.Expr) -> sp.Expr:
    """Sum of the absolute values of the terms: what rounding errors are relative to.

    Products and quotients multiply magnitudes; a logarithm adds the relative error of
    its argument, which log1p does not.
    """
    if isinstance(expression, sp.Add):
        return sp.Add(*map(magnitude, expression.args))
    if isinstance(expression, sp.Mul):
        return sp.Mul(*map(magnitude, expression.args))
    if isinstance(expression, sp.Pow) and expression.exp.is_positive:
        return magnitude(expression.base) ** expression.exp
    if isinstance(expression, sp.Pow):
        return sp.Abs(expression.base) ** expression.exp * (magnitude(expression.base) / sp.Abs(expression.base))
    if isinstance(expression, sp.log):
        argument = expression.args[0]
        return sp.Abs(expression) + magnitude(argument) / sp.Abs(argument)
    if isinstance(expression, sp.exp):
        return sp.Abs(expression) * (1 + magnitude(expression.args[0]))
    if isinstance(expression, (sp.cos, sp.sin)):
        return 1 + magnitude(expression.args[0])
    if isinstance(expression, (sp.tan, sp.atan, sp.acos, sp.asin)):
        return sp.Abs(expression) + magnitude(expression.args[0]) * sp.Abs(expression.fdiff())
    if isinstance(expression, (sp.loggamma, sp.polygamma)):
        return 1 + sp.Abs(expression)
    return sp.Abs(expression)


_exponent = st.floats(-16, 16, allow_nan=False)


@st.composite
def points(draw) -> dict:
    """Random values of every argument: variances from 1e-16 to 1e16 noise variances."""
    time = 10.0 ** draw(st.floats(-3, 3))
    values: dict = {t: time, lam: draw(st.floats(0.05, 4.0)), log_N: draw(st.floats(0.7, 50.0))}
    values[s_v] = time * 10.0 ** draw(_exponent)
    values[q_v] = time * 10.0 ** draw(st.floats(-8, 8))
    values[x_v] = draw(st.floats(-3, 3))
    values[geomem_theory.symbols.a] = draw(st.floats(0.1, 10))
    values[s] = [time * 10.0 ** draw(_exponent) for _ in range(BLOCKS)]
    values[d] = [float(draw(st.integers(1, 100))) for _ in range(BLOCKS)]
    values[Q] = [time * 10.0 ** draw(st.floats(-8, 8)) for _ in range(BLOCKS)]
    values[Q_rest] = values[Q]
    values[delta] = [0.0, 1.0, 0.0]
    # The Mellin-Barnes integrals: left of every branch point, as lambda is right of it.
    widest = max(*values[s], values[s_v])
    values[symbols.z] = draw(st.floats(0.1, 0.9)) * min(1.0, time / widest)
    values[symbols.k] = float(draw(st.integers(0, 2)))
    values[symbols.xi] = draw(st.floats(-5, 5))
    values[symbols.log_phi] = -draw(st.floats(0.01, 1.0))
    values[symbols.log_a] = -draw(st.floats(0.1, 5.0))
    for symbol in (symbols.y_0, symbols.g_1, symbols.avg_g, symbols.M_1g):
        values[symbol] = draw(st.floats(-2, 2))
    for symbol in (symbols.M_1, symbols.M_2, symbols.M_1gg, symbols.M_2gg, symbols.avg_gg, symbols.Y_2):
        values[symbol] = draw(st.floats(0.01, 1.0))
    values[symbols.mean_w_1], values[symbols.omega_squared] = draw(st.floats(0.01, 1.0)), draw(st.floats(0.0, 30.0))
    values[symbols.avg_g_squared] = values[symbols.avg_gg]
    values[symbols.quenched_score] = draw(st.floats(0.1, 3.0))
    values[symbols.quenched_variance] = draw(st.floats(0.1, 3.0))
    for symbol in (symbols.avg_y, symbols.v_offset, symbols.covariance, symbols.empirical_score_v):
        values[symbol] = draw(st.floats(-2, 2))
    values[symbols.delta_vw] = float(draw(st.integers(0, 1)))
    for symbol in (
        symbols.D_0,
        symbols.D_nearest,
        symbols.v_squared,
        symbols.ray_distance,
        symbols.weight_sum,
        symbols.dims,
        symbols.k_2,
        symbols.t_c,
        symbols.condensed_excess,
        symbols.alpha,
        symbols.G,
        symbols.half_signal,
        symbols.log_N_collapse,
        symbols.log_N_onset,
        symbols.log_N_captured,
        symbols.companion,
        symbols.dominance,
        symbols.displaced_excess,
        symbols.positions,
        symbols.log_N_patches,
    ):
        values[symbol] = draw(st.floats(0.01, 10.0))
    values[symbols.G_prime] = -draw(st.floats(0.01, 10.0))
    values[symbols.w] = [0.2, 0.3, 0.5]
    for symbol in (symbols.tau, symbols.alphabar):
        values[symbol] = draw(st.floats(0.01, 0.99))
    for symbol in (symbols.scale, symbols.sigma):
        values[symbol] = 10.0 ** draw(st.floats(-3, 3))
    values[symbols.class_weight] = [0.2, 0.3, 0.5]
    for symbol in (
        symbols.class_excess,
        symbols.class_excess_2,
        symbols.class_log_size,
        symbols.class_mean,
        symbols.class_offset,
    ):
        values[symbol] = [draw(st.floats(-3, 3)) for _ in range(BLOCKS)]
    values[symbols.class_mean_2] = values[symbols.class_mean]
    for symbol in (symbols.separation, symbols.overlap, symbols.x_variance, symbols.class_variance_2):
        values[symbol] = [draw(st.floats(0.01, 10.0)) for _ in range(BLOCKS)]
    for symbol in (symbols.reference_K, symbols.reference_K_2, symbols.log_Z, symbols.log_own_weight):
        values[symbol] = draw(st.floats(-10, 10))
    values[symbols.excess_entropy] = draw(st.floats(0.0, 3.0))
    values[symbols.reference_weight] = draw(st.floats(0.1, 1.0))
    values[symbols.mixture_mean] = draw(st.floats(4, 6))  # never the probe's coordinate
    values[symbols.tilt_variance], values[symbols.tilt_mean] = draw(st.floats(0.01, 10.0)), draw(st.floats(-3, 3))
    # Where exp(x) is small beside one, the derivative of exp(x) - 1 in JAX is the value plus one.
    values[symbols.energy], values[symbols.sample_weight] = draw(st.floats(0, 30)), draw(st.floats(0.01, 5))
    for symbol in (symbols.dimension_t, symbols.second_reduced, symbols.displacement, symbols.half_weight_sum):
        values[symbol] = draw(st.floats(0.1, 30))
    for symbol in symbols.moments_of_half:
        values[symbol] = draw(st.floats(0.01, 1.0))
    for symbol in (symbols.along, symbols.spread):
        values[symbol] = draw(st.floats(0.1, 10))
    for symbol in (symbols.noise_share, symbols.data_share):
        values[symbol] = draw(st.floats(0.01, 1.0))
    values[symbols.K_value], values[symbols.K_slope] = -draw(st.floats(0.1, 30)), -draw(st.floats(0.1, 30))
    for symbol in (symbols.pull_k, symbols.pull_i, symbols.coupling_k, symbols.coupling_i, symbols.row_pull):
        values[symbol] = 10.0 ** draw(st.floats(-8, np.log10(0.5)))
    # The difference of the exponential and its first orders is taken as it stands.
    values[symbols.row_coupling], values[symbols.kappa] = draw(st.floats(0.01, 0.5)), draw(st.floats(0.001, 1.0))
    values[symbols.bulk_slope] = draw(st.floats(0.1, 10.0))
    # Far below zero the derivative of exp(x) - 1 in JAX is the value plus one.
    for symbol in (symbols.log_moment_2, symbols.log_moment_3, symbols.log_moment_4):
        values[symbol] = draw(st.floats(0.1, 2.0))
    for symbol in (symbols.x_here, symbols.x_there, symbols.drive, symbols.bulk_sum):
        values[symbol] = draw(st.floats(-3, 3))
    values[symbols.gap_level] = draw(st.floats(3, 6))  # never at a pole
    values[symbols.level_values] = [draw(st.floats(0.0, 1.0)) for _ in range(BLOCKS)]
    values[symbols.couplings] = [draw(st.floats(0.01, 0.5)) for _ in range(BLOCKS)]
    values[symbols.t_later] = time * draw(st.floats(0.01, 1.0))
    values[symbols.cosine_offset] = draw(st.floats(0.001, 0.1))
    for symbol, ends in {
        symbols.sigma_min: (0.001, 1.0),
        symbols.sigma_max: (2.0, 1000.0),
        symbols.sigma_data: (0.1, 2.0),
        symbols.beta_min: (0.05, 1.0),
        symbols.beta_max: (5.0, 30.0),
        symbols.decay_rate: (1.0, 20.0),
        symbols.tail: (0.0, 0.5),
        symbols.tail_offset: (1e-6, 1e-3),
        symbols.log_ratio: (-7.0, 7.0),
        symbols.ratio_shift: (0.5, 5.0),
        symbols.alphabar_first: (0.99, 0.999),
        symbols.alphabar_last: (1e-4, 0.009),
    }.items():
        values[symbol] = draw(st.floats(*ends))
    values |= draw(network_points()) | draw(sphere_points())
    values[symbols.mean_variance] *= time
    return values


@st.composite
def network_points(draw) -> dict:
    """Values of what only a network of random features has."""
    positive = st.floats(0.3, 5.0)
    values: dict = {symbols.share: [0.2, 0.3, 0.5], symbols.hermite_order: [2.0, 3.0, 4.0]}
    values[symbols.hermite_weight] = [draw(positive) for _ in range(BLOCKS)]
    for symbol in (
        *(symbols.psi_p, symbols.psi_n, symbols.mean_variance, symbols.largest_eigenvalue, symbols.ridge),
        *(symbols.feature_slope, symbols.feature_memory, symbols.feature_blur, symbols.feature_floor),
        *(symbols.feature_trace, symbols.trace_1, symbols.trace_2, symbols.trace_corner, symbols.factor_corner),
        *(symbols.h_v, symbols.h_1, symbols.h_2, symbols.mean_1, symbols.mean_2, symbols.mean_12),
        *(symbols.mean_s12, symbols.mean_ss12, symbols.feature_value, symbols.network_noise),
        *(symbols.learned_loss, symbols.missed_loss, symbols.miss_factor, symbols.predicted),
    ):
        values[symbol] = draw(positive)
    for symbol in (symbols.sample_factor, symbols.factor_1, symbols.factor_2):
        values[symbol] = 1.0 + draw(positive)
    # The same.
    values[symbols.training_time] = draw(st.floats(0.05, 1.0))
    values[symbols.network_response] = -draw(positive)
    return values


@st.composite
def sphere_points(draw) -> dict:
    """Values of what only data divided by their norm have."""
    positive, signed = st.floats(0.05, 5.0), st.floats(-3.0, 3.0)
    values: dict = {symbols.others: [float(draw(st.integers(1, 30))) for _ in range(BLOCKS)]}
    values[symbols.block_density] = [draw(positive) for _ in range(BLOCKS)]
    values[symbols.unit_v] = draw(st.floats(-0.9, 0.9))
    for symbol in (symbols.W, symbols.W_i, symbols.w_r, symbols.M_g, symbols.M_h, symbols.M_gh):
        values[symbol] = draw(signed)
    for symbol in (symbols.theta, symbols.s_i, symbols.avg_g_mirrored, symbols.root_participation):
        values[symbol] = draw(positive)
    # With the level of a gap never at a pole.
    for symbol in (symbols.secant, symbols.row_noise, symbols.column_noise, symbols.across_noise):
        values[symbol] = draw(st.floats(-1.0, 1.0))
    return values


def arguments_of(lowered, values: dict) -> list:
    return [jnp.asarray(values[argument], dtype=float) for argument in lowered.arguments]


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize(
    "name", sorted(name for name, equation in geomem_theory.EQUATIONS.items() if equation.arguments)
)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(values=points())
def test_values_and_derivatives_equal_mpmath(name, values):
    lowered = lower(name)
    if isinstance(lowered.equation.left, sp.Indexed):
        rows = np.asarray(lowered(*arguments_of(lowered, values)))
        index = lowered.equation.left.indices[0]
        for block, row in enumerate(rows):
            _compare(float(row), lowered.equation.right.subs(index, block + 1), lowered, values)
        whole = sp.Add(*(lowered.expression.subs(index, block + 1) for block in range(BLOCKS)))
    else:
        _compare(float(lowered(*arguments_of(lowered, values))), lowered.equation.right, lowered, values)
        whole = lowered.expression
    gradients = jax.grad(lambda *xs: lowered(*xs).sum(), argnums=tuple(range(len(lowered.arguments))))(
        *arguments_of(lowered, values)
    )
    for argument, gradient in zip(lowered.arguments, gradients, strict=True):
        entries = [argument] if isinstance(argument, sp.Symbol) else [argument[k + 1] for k in range(BLOCKS)]
        for entry, value in zip(entries, np.atleast_1d(gradient), strict=True):
            _compare(value, _derivative(whole, entry), lowered, values)


@cache
def _derivative(expression: sp.Expr, entry: sp.Expr) -> sp.Expr:
    return sp.diff(unroll(expression, BLOCKS), entry)


@cache
def _bound(expression: sp.Expr) -> sp.Expr:
    return magnitude(unroll(rewrite_for_accuracy(expression), BLOCKS))


def _compare(value: float, expression: sp.Expr, lowered, values: dict) -> None:
    used = {argument: values[argument] for argument in lowered.arguments}
    expected, bound = evaluate(expression, used, 60), evaluate(_bound(expression), used, 60)
    # Below the floor factors of what is added underflow.
    assert abs(mpmath.mpf(float(value)) - expected) <= mpmath.mpf("1e-13") * bound + mpmath.mpf("1e-290")


@pytest.mark.parametrize("ratio", [1e-16, 1e-8, 1.0, 1e8, 1e16])
def test_accuracy_at_extreme_ratios_is_relative(ratio):
    """One block at the origin: K is one logarithm, whose own value sets the scale."""
    K = lower("generating_function")
    value = K(1.0, 1.0, jnp.array([ratio]), jnp.array([3.0]), jnp.array([0.0]))
    expected = evaluate(K.equation.right, {lam: 1, t: 1, s: [ratio], d: [3], Q: [0]}, 60)
    assert abs(value / float(expected) - 1) < 1e-15


def test_complex_arguments():
    K = lower("generating_function")
    variances, multiplicities, lengths = [1.0, 0.09], [2.0, 5.0], [0.3, 0.1]
    for tilt in (1 + 2j, -0.03 + 0.5j, 40j):
        value = K(tilt, 0.1, jnp.array(variances), jnp.array(multiplicities), jnp.array(lengths))
        expected = evaluate(
            K.equation.right, {lam: mpmath.mpc(tilt), t: 0.1, s: variances, d: multiplicities, Q: lengths}, 40
        )
        assert value.dtype == jnp.complex128
        assert abs(complex(value) - complex(expected)) < 1e-13 * abs(complex(expected))


def test_angles_all_around():
    """Both parts of a complex logarithm, and their derivatives, in every octant and near the axes."""
    logarithm = lower_equation(equation(sp.log(lam), (lam,)))
    angles = np.concatenate([np.linspace(-3.14, 3.14, 999), [1e-12, -1e-12, np.pi / 4, -np.pi / 8]])
    numbers = np.exp(np.linspace(-200, 200, len(angles)) + 1j * angles)
    found, slopes = jax.vmap(lambda z: jax.jvp(logarithm, (z,), (jnp.ones_like(z),)))(jnp.asarray(numbers))
    np.testing.assert_allclose(found.imag, np.angle(numbers), rtol=3e-15)
    np.testing.assert_allclose(found.real, np.log(np.abs(numbers)), rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(slopes * numbers, 1.0, rtol=1e-13)


def test_rewriting():
    assert rewrite_for_accuracy(sp.log(1 + t)) == log1p(t)
    assert rewrite_for_accuracy(sp.log((t + s_v) / t)) == log1p(s_v / t)
    assert rewrite_for_accuracy(sp.log(t + s_v)) == sp.log(t + s_v)
    assert rewrite_for_accuracy(sp.exp(t) - 1 + s_v) == expm1(t) + s_v
    assert rewrite_for_accuracy(3 * sp.exp(t) - 3) == 3 * expm1(t)
    assert rewrite_for_accuracy(sp.exp(t) - 2) == sp.exp(t) - 2
    inside = sp.Sum(d[b] * sp.log(1 + s[b] / t), (b, 1, B))
    assert rewrite_for_accuracy(inside) == sp.Sum(d[b] * log1p(s[b] / t), (b, 1, B))


def test_expm1_keeps_accuracy():
    lowered = lower_equation(equation(sp.exp(t) - 1, arguments=(t,)))
    assert float(lowered(1e-17)) == 1e-17


def test_unknown_function_is_refused_by_name():
    with pytest.raises(LoweringError, match="example: the function zeta"):
        lower_equation(equation(sp.zeta(t), arguments=(t,)))


def test_unbound_symbols_are_refused():
    with pytest.raises(LoweringError, match="symbol s_v"):
        lower_equation(equation(t + s_v, arguments=(t,)))
    with pytest.raises(LoweringError, match="index of the sum"):
        lower_equation(equation(t + s[b], arguments=(t, s)))
    with pytest.raises(LoweringError, match="needs a vector among the arguments"):
        lower_equation(equation(sp.Sum(s[b], (b, 1, B)), arguments=(t,)))
    with pytest.raises(LoweringError, match="index of the sum"):
        lower_equation(equation(sp.Sum(s[b], (b, 1, B)), arguments=(d,)))
    with pytest.raises(LoweringError, match="needs a vector among the arguments"):
        lower_equation(equation(t, left=Q[b], arguments=(t,)))


def test_an_inner_sum_with_the_outer_index_is_refused():
    inner = sp.Sum(s[b] * s[c], (c, 1, B))
    with pytest.raises(LoweringError, match="index of the sum"):
        lower_equation(equation(sp.Sum(d[b] * inner, (b, 1, B)), arguments=(s, d)))


def test_symbols_are_bound_by_object_not_by_name():
    with pytest.raises(LoweringError, match="symbol t"):
        lower_equation(equation(t, arguments=(sp.Symbol("t"),)))


def test_a_name_that_is_a_function_is_no_trouble():
    exp = sp.Symbol("exp", positive=True)
    lowered = lower_equation(equation(sp.exp(exp) * exp, arguments=(exp,)))
    assert float(lowered(1.0)) == pytest.approx(np.e)


def test_foreign_sums_are_refused():
    with pytest.raises(LoweringError, match="does not run over the blocks"):
        lower_equation(equation(sp.Sum(s[b], (b, 1, N)), arguments=(s, N)))


def test_shared_subexpressions_stay_inside_their_sum():
    """An index-free subexpression inside a sum and outside of it, and two sums over other indices."""
    body = sp.exp(-t)
    mixed = body + sp.Sum(body * sp.exp(-s[b] / t), (b, 1, B)) * sp.Sum(sp.exp(-s[c] / t), (c, 1, B))
    lowered = lower_equation(equation(mixed, arguments=(t, s)))
    values = {t: 0.7, s: [1.0, 2.0, 0.1]}
    assert float(lowered(0.7, jnp.array(values[s]))) == pytest.approx(float(evaluate(mixed, values)), rel=1e-15)


def test_a_summand_without_the_index_counts_once_per_block():
    lowered = lower_equation(equation(sp.Sum(t, (b, 1, B)), arguments=(t, s)))
    assert float(lowered(2.0, jnp.zeros(4))) == 8.0


def test_float64_is_asserted():
    K = lower("generating_function")
    vector = jnp.ones(2)
    with pytest.raises(TypeError, match="t must be float64 or complex128, not float32"):
        K(1.0, jnp.float32(0.1), vector, vector, vector)
    with pytest.raises(TypeError, match="not int64"):
        K(1.0, 0.1, jnp.ones(2, dtype=int), vector, vector)


def test_ranks_and_lengths_are_asserted():
    K = lower("generating_function")
    vector = jnp.ones(2)
    with pytest.raises(TypeError, match=r"t must have 0 axes, not 1; use jax\.vmap"):
        K(1.0, vector, vector, vector, vector)
    with pytest.raises(TypeError, match="differ in length"):
        K(1.0, 0.1, vector, vector, jnp.ones(3))
    with pytest.raises(TypeError, match="takes 5 arguments"):
        K(1.0, 0.1)


def test_vmap_and_grad_of_a_lowered_function():
    K = lower("generating_function")
    vector = jnp.array([1.0, 0.09])
    times = jnp.array([0.1, 1.0, 10.0])
    batched = jax.vmap(lambda time: K(1.0, time, vector, vector, vector))(times)
    single = [K(1.0, time, vector, vector, vector) for time in times]
    np.testing.assert_allclose(batched, single, rtol=1e-15)


def test_one_equation_is_lowered_once():
    assert lower("generating_function") is lower("generating_function")
    with pytest.raises(LoweringError, match="declares no arguments"):
        lower_equation(equation(t, arguments=()))
    with pytest.raises(ValueError, match="no equation named"):
        lower("generating_functional")
