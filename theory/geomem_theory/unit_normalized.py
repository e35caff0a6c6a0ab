r"""Data divided by their norm, at every size: a weight depends on one coordinate, whose law is an integral.

A Gaussian sample y of the spectrum $(s_b, d_b)$ becomes $\hat{y} = y/|y|$. At a probe $x$ on a principal axis v all
samples have the same length, so that the energy of one depends on $\hat{y}_v$ alone. The coordinates besides v have
the squared length $Q_\perp$; $d^\perp_b$ of them are in block b. What is averaged over a sample is then an integral
over $W = y_v/\sqrt{s_v Q_\perp}$, whose density is one more integral, over r: sums over nodes in place of the contours
of chapter `finite_n`, whose integrals over $\ln u$ are the same.
"""

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step
from geomem_theory.symbols import (
    B,
    M_g,
    M_gh,
    M_h,
    Q_perp,
    W,
    W_i,
    across_noise,
    avg_g,
    avg_g_mirrored,
    avg_g_squared,
    b,
    balance_signal,
    block_density,
    c,
    column_noise,
    density_joint,
    density_pair,
    energy_floor,
    gap_level,
    length_moment,
    log_N,
    log_phi,
    log_sphere_weight,
    log_transform,
    other_square,
    others,
    quenched_score,
    quenched_variance,
    resolvent_across,
    resolvent_own,
    rho_v,
    root_gap_balance,
    root_participation,
    root_transform,
    row_noise,
    s,
    s_i,
    s_v,
    secant,
    secant_transpose,
    secant_variance,
    sphere_score,
    t,
    theta,
    tilt_mean,
    u,
    unit_i,
    unit_v,
    w_r,
    x_v,
    y_v,
)

_N = sp.exp(log_N)


def _gaussian_average(factor: sp.Expr) -> sp.Expr:
    """Mean of this factor times exp(-theta y^2) over a coordinate of variance s_v, by integration."""
    rate = sp.Dummy(positive=True)
    integral = sp.integrate(factor * sp.exp(-rate * y_v**2), (y_v, -sp.oo, sp.oo)) / sp.sqrt(2 * sp.pi * s_v)
    return sp.simplify(integral.subs(rate, sp.together(theta + 1 / (2 * s_v))))


def _sum_over_others(per_direction: sp.Expr, index: sp.Symbol = b) -> sp.Sum:
    return sp.Sum(others[index] * per_direction.subs(s_v, s[index]), (index, 1, B))


sphere_energy_floor = Equation(
    name="sphere_energy_floor",
    left=energy_floor,
    right=(1 + x_v**2) / (2 * t),
    arguments=(x_v, t),
    meaning="What all samples have of the energy $|x - \\hat{y}|^2/2$, over t, at a probe $x_v$ on the axis v.",
    source=DERIVED,
    steps=(
        Step("Expand the square, with $|\\hat{y}| = 1$.", lambda: (1 - 2 * x_v * unit_v + x_v**2) / (2 * t)),
        Step(
            "The part without the sample.", lambda: sp.expand((1 - 2 * x_v * unit_v + x_v**2) / (2 * t)).subs(unit_v, 0)
        ),
    ),
)

sphere_log_weight = Equation(
    name="sphere_log_weight",
    left=log_sphere_weight,
    right=x_v * unit_v / t,
    arguments=(unit_v, x_v, t),
    meaning="The rest, with its sign changed: the logarithm of the weight that tells samples apart. At the origin "
    "there is none: all weights are equal at every t, and nothing condenses.",
    source=DERIVED,
    steps=(
        Step(
            "The part of $-E/t$ with the sample.",
            lambda: -sp.expand((1 - 2 * x_v * unit_v + x_v**2) / (2 * t)).coeff(unit_v, 1) * unit_v,
        ),
    ),
)

sphere_coordinate = Equation(
    name="sphere_coordinate",
    left=unit_v,
    right=sp.sqrt(s_v) * W / sp.sqrt(1 + s_v * W**2),
    arguments=(W, s_v),
    meaning="The coordinate along v of a sample of length one.",
    source=DERIVED,
    steps=(
        Step("Divide $y_v$ by the length.", lambda: y_v / sp.sqrt(y_v**2 + Q_perp)),
        Step(
            "Insert $y_v = W\\sqrt{s_v Q_\\perp}$; the length of the rest drops.",
            lambda: sp.simplify((y_v / sp.sqrt(y_v**2 + Q_perp)).subs(y_v, W * sp.sqrt(s_v * Q_perp))),
        ),
    ),
)

sphere_log_transform = Equation(
    name="sphere_log_transform",
    left=log_transform,
    right=-sp.Sum(others[b] * sp.log(1 + 2 * theta * s[b]), (b, 1, B)) / 2,
    arguments=(theta, s, others),
    meaning="$\\ln E\\, e^{-\\vartheta Q_\\perp}$.",
    source=DERIVED,
    steps=(
        Step("One coordinate.", lambda: _gaussian_average(sp.S.One)),
        Step(
            "Coordinates are independent: add their logarithms.",
            lambda: _sum_over_others(sp.expand_log(sp.log(_gaussian_average(sp.S.One)), force=True)),
        ),
    ),
)

sphere_length_moment = Equation(
    name="sphere_length_moment",
    left=length_moment[b],
    right=s[b] / (1 + 2 * theta * s[b]),
    arguments=(theta, s),
    meaning="$E\\, y_i^2 e^{-\\vartheta Q_\\perp}$ over $E\\, e^{-\\vartheta Q_\\perp}$ for a direction i of block b: "
    "of that direction alone, the others cancel. Their sum is $E\\, Q_\\perp e^{-\\vartheta Q_\\perp}$ over the same.",
    source=DERIVED,
    steps=(
        Step("The numerator of one coordinate.", lambda: _gaussian_average(y_v**2)),
        Step(
            "Divide by its transform.",
            lambda: sp.simplify(_gaussian_average(y_v**2) / _gaussian_average(sp.S.One)).subs(s_v, s[b]),
        ),
    ),
)

sphere_root_transform = Equation(
    name="sphere_root_transform",
    left=root_transform,
    right=sp.sqrt(Q_perp) * sp.exp(-theta * Q_perp),
    meaning="$\\pi^{-1/2} \\int_{-\\infty}^{\\infty} dr\\; Q_\\perp e^{-(\\vartheta + r^2) Q_\\perp}$: a root of the "
    "length as an integral of what is known. With $\\eta = r^2$ it is the Laplace form, "
    "$\\pi^{-1/2}\\int d\\eta\\, \\eta^{-1/2} Q_\\perp e^{-(\\vartheta + \\eta) Q_\\perp}$.",
    source=DERIVED,
    steps=(
        Step(
            "Integrate over r.",
            lambda: sp.simplify(
                sp.integrate(Q_perp * sp.exp(-theta * Q_perp) * sp.exp(-(w_r**2) * Q_perp), (w_r, -sp.oo, sp.oo))
                / sp.sqrt(sp.pi)
            ),
        ),
    ),
)

_theta_of_node = W**2 / 2 + w_r**2


def _of_nodes(expression: sp.Expr, at: sp.Expr = _theta_of_node) -> sp.Expr:
    return expression.subs(theta, at)


_transform = sp.exp(sphere_log_transform.right.xreplace({b: c}))

sphere_block_density = Equation(
    name="sphere_block_density",
    left=block_density[b],
    right=_of_nodes(_transform * sphere_length_moment.right) / (sp.sqrt(2) * sp.pi),
    arguments=(W, w_r, s, others),
    meaning="Density in W and r of a direction of block b. Integrated over r, $\\sum_b d^\\perp_b \\rho_b$ is the "
    "density of W, that of $\\hat{y}_v$ with $\\vartheta = \\hat{y}_v^2/(2 s_v (1 - \\hat{y}_v^2))$.",
    source=DERIVED,
    steps=(
        Step(
            "Given the length, W is Gaussian of variance $1/Q_\\perp$.",
            lambda: sp.sqrt(Q_perp) * sp.exp(-Q_perp * W**2 / 2) / sp.sqrt(2 * sp.pi),
        ),
        Step(
            "Average over the length: `sphere_root_transform` at $\\vartheta = W^2/2$, whose mean is "
            "`sphere_log_transform` and the sum of `sphere_length_moment` at $\\vartheta = W^2/2 + r^2$. This is what "
            "one direction adds.",
            lambda: _of_nodes(_transform * sphere_length_moment.right) / sp.sqrt(sp.pi) / sp.sqrt(2 * sp.pi),
        ),
    ),
)

sphere_other_square = Equation(
    name="sphere_other_square",
    left=other_square[b],
    right=(1 - unit_v**2) * block_density[b] / sp.Sum(others[c] * block_density[c], (c, 1, B)),
    arguments=(unit_v, block_density, others),
    meaning="$E[\\hat{y}_i^2 \\mid \\hat{y}_v]$ of another direction i of block b, with $\\rho_b$ integrated over r. "
    "By symmetry $\\hat{y}_i$ has the mean zero, and two other directions are not correlated.",
    source=DERIVED,
    steps=(
        Step(
            "$\\hat{y}_i^2 = (1 - \\hat{y}_v^2)\\, y_i^2/Q_\\perp$. Under the integral over r, "
            "$\\pi^{-1/2}\\int dr\\, Q_\\perp e^{-r^2 Q_\\perp} y_i^2/Q_\\perp$ has no factor $Q_\\perp$ left.",
            lambda: sp.simplify((1 - (y_v / sp.sqrt(y_v**2 + Q_perp)) ** 2) / Q_perp),
        ),
        Step("What is left is the part of direction i in the density of W; divide by all of it."),
    ),
)

sphere_population_score = Equation(
    name="sphere_population_score",
    left=sphere_score,
    right=(tilt_mean - x_v) / t,
    arguments=(tilt_mean, x_v, t),
    meaning="The population's score along v: the limit of many samples. $\\bar{m}$ is the mean of $\\hat{y}_v$ "
    "weighted by $e^{x_v \\hat{y}_v/t}$; it is no longer linear in $x_v$, and beyond it for small t, where the score "
    "points outward, to where the sphere is.",
    source=DERIVED,
    steps=(
        Step(
            "Differentiate the logarithm of the density of one noised sample, $-x_v^2/2t + x_v \\hat{y}_v/t$.",
            lambda: sp.diff(-(x_v**2) / (2 * t) + x_v * unit_v / t, x_v),
        ),
        Step(
            "The derivative of the logarithm of a mean is that of every sample, averaged with its weight.",
            lambda: sp.together(sp.diff(-(x_v**2) / (2 * t) + x_v * unit_v / t, x_v).subs(unit_v, tilt_mean)),
        ),
    ),
)

sphere_signal_balance = Equation(
    name="sphere_signal_balance",
    left=balance_signal,
    right=-2 * quenched_score / sp.sqrt(quenched_variance) - 2,
    arguments=(quenched_score, quenched_variance),
    meaning="Zero where the score points inward and R = 1, with the slope of $\\ln R$ there; smooth where the mean "
    "score changes its sign. About there R is small at every size, in a window that is narrow where samples are many.",
    source=DERIVED,
    steps=(
        Step(
            "To first order about R = 1, $\\ln R$ is twice the ratio less two; the inward score is negative.",
            lambda: sp.series(sp.log(u**2), u, 1, 2).removeO().subs(u, -quenched_score / sp.sqrt(quenched_variance)),
        ),
    ),
)

_theta_of_pair = (W_i**2 + W**2 * (1 + s_i * W_i**2)) / 2

sphere_pair_density = Equation(
    name="sphere_pair_density",
    left=density_pair,
    right=sp.sqrt(1 + s_i * W_i**2)
    * _of_nodes(_transform, _theta_of_pair)
    * sp.Sum(others[b] * _of_nodes(sphere_length_moment.right, _theta_of_pair), (b, 1, B))
    / (2 * sp.pi),
    arguments=(W, W_i, s_i, s, others),
    meaning="Density of two directions v and i: of $W = y_v/\\sqrt{s_v (Q_\\perp + y_i^2)}$ and "
    "$W_i = y_i/\\sqrt{s_i Q_\\perp}$, where $Q_\\perp$ and $d^\\perp_b$ now leave out both.",
    source=DERIVED,
    steps=(
        Step(
            "Given the length of the rest, both are Gaussian: $y_i = W_i\\sqrt{s_i Q_\\perp}$ has the variance $s_i$, "
            "$y_v = W\\sqrt{s_v Q_\\perp (1 + s_i W_i^2)}$ the variance $s_v$. Their density times the Jacobian:",
            lambda: sp.simplify(
                sp.exp(-(W_i**2) * Q_perp / 2 - W**2 * Q_perp * (1 + s_i * W_i**2) / 2)
                / (2 * sp.pi)
                * sp.sqrt(Q_perp)
                * sp.sqrt(Q_perp * (1 + s_i * W_i**2))
            ),
        ),
        Step(
            "It is $Q_\\perp e^{-\\vartheta Q_\\perp}$, without a root of the length: average it by "
            "`sphere_log_transform` and `sphere_length_moment`. No integral over r is left."
        ),
    ),
)

sphere_other_coordinate = Equation(
    name="sphere_other_coordinate",
    left=unit_i,
    right=sp.sqrt(s_i) * W_i / (sp.sqrt(1 + s_i * W_i**2) * sp.sqrt(1 + s_v * W**2)),
    arguments=(W, s_v, W_i, s_i),
    meaning="The coordinate along i of a sample of length one.",
    source=DERIVED,
    steps=(
        Step(
            "Without v it would be that of `sphere_coordinate`; the coordinates besides v have the length "
            "$\\sqrt{1 - \\hat{y}_v^2}$ together.",
            lambda: sp.sqrt(1 - unit_v**2) * sphere_coordinate.right.subs({s_v: s_i, W: W_i}, simultaneous=True),
        ),
        Step(
            "Insert $\\hat{y}_v$: a difference from one would be lost where it is small.",
            lambda: (
                sp.simplify(sp.sqrt(1 - sphere_coordinate.right**2))
                * sphere_coordinate.right.subs({s_v: s_i, W: W_i}, simultaneous=True)
            ),
        ),
    ),
)

joint_mean_density = Equation(
    name="joint_mean_density",
    left=density_joint,
    right=_N * M_gh * sp.exp((_N - 1) * log_phi) + _N * (_N - 1) * M_g * M_h * sp.exp((_N - 2) * log_phi),
    arguments=(log_N, log_phi, M_g, M_h, M_gh),
    meaning="Density in $\\xi_1$ and $\\xi_2$ of the mean over data sets of "
    "$\\langle g \\rangle_1 \\langle h \\rangle_2$, averages over the same data at two probes. With "
    "$w_1 = u_1 v_1$ and $w_2 = u_2 v_2$ of one sample, $\\varphi = E\\, e^{-w_1 - w_2}$, "
    "$M_g = E\\, g\\, w_1 e^{-w_1 - w_2}$, $M_h = E\\, h\\, w_2 e^{-w_1 - w_2}$ and "
    "$M_{gh} = E\\, g h\\, w_1 w_2 e^{-w_1 - w_2}$.",
    source=DERIVED,
    steps=(
        Step("$1/(Z_1 Z_2)$ is an integral of $e^{-u_1 Z_1 - u_2 Z_2}$ over both, by `laplace_power` with q = 1."),
        Step(
            "$\\sum_{\\mu\\nu} g_\\mu v_{1\\mu} h_\\nu v_{2\\nu}$: N equal pairs, N(N-1) of two different samples. All "
            "others contribute $\\varphi$ each."
        ),
    ),
)

secant_value = Equation(
    name="secant_value",
    left=secant,
    right=1 - avg_g / sp.sqrt(t),
    arguments=(avg_g, t),
    meaning="Mean of $A_{kk}$, where the row $A_k = -t\\,[\\hat{s}(x_k) - \\hat{s}(-x_k)]/(2\\sqrt{t})$ is the central "
    "difference of the score at the origin with the step $x_k = \\sqrt{t}\\, e_k$; "
    "$\\overline{\\langle g\\rangle}$ is the mean Gibbs average of $\\hat{y}_k$ at $x_k$.",
    source="the protocol of arXiv:2410.08727; " + DERIVED,
    steps=(
        Step(
            "The score is $(\\langle\\hat{y}\\rangle - x)/t$, and at $-x_k$ the mean has the other sign.",
            lambda: sp.simplify(-t * ((avg_g - sp.sqrt(t)) - (-avg_g + sp.sqrt(t))) / t / (2 * sp.sqrt(t))),
        ),
    ),
)

origin_value = Equation(
    name="origin_value",
    left=rho_v,
    right=1 - s_v / t,
    arguments=(s_v, t),
    meaning="Mean of a diagonal entry of $-t$ times the Jacobian of the score at the origin, $s_v = E\\,\\hat{y}_v^2$ "
    "after the division. It is negative below $t = s_v$.",
    source=DERIVED,
    steps=(
        Step(
            "The Jacobian is $(\\mathrm{Cov}_w - t)/t^2$, $\\mathrm{Cov}_w$ the covariance of the samples with their "
            "Gibbs weights, which are equal at the origin at every noise variance.",
            lambda: sp.expand(-t * (s_v - t) / t**2),
        ),
    ),
)

secant_spread = Equation(
    name="secant_spread",
    left=secant_variance,
    right=(avg_g_squared - avg_g**2 - avg_g_mirrored) / (2 * t),
    arguments=(avg_g_squared, avg_g, avg_g_mirrored, t),
    meaning="Variance of $A_{ki}$ over data sets, from the mean square and the mean of the Gibbs average of "
    "$\\hat{y}_i$ at $x_k$, and its covariance with that at $-x_k$. The mean is zero for $i \\ne k$.",
    source=DERIVED,
    steps=(
        Step("Both signs have the same variance, and $A_{ki}$ is their difference over $2\\sqrt{t}$."),
        Step(
            "Variance of a difference.",
            lambda: sp.expand((2 * (avg_g_squared - avg_g**2) - 2 * avg_g_mirrored) / (4 * t)),
        ),
    ),
)

secant_transposed = Equation(
    name="secant_transposed",
    left=secant_transpose,
    right=avg_g / t,
    arguments=(avg_g, t),
    meaning="Covariance of $A_{ki}$ with $A_{ik}$ for $i \\ne k$: here $\\overline{\\langle g\\rangle}$ is the mean of "
    "$\\langle\\hat{y}_i\\rangle_{x_k} \\langle\\hat{y}_k\\rangle_{x_i}$. With the covariance of "
    "$\\langle\\hat{y}_k\\rangle_{x_k}$ and $\\langle\\hat{y}_i\\rangle_{x_i}$ it is that of $A_{kk}$ with $A_{ii}$.",
    source=DERIVED,
    steps=(
        Step(
            "Of the four products of signs, reflections of $\\hat{y}_i$ and $\\hat{y}_k$ make all equal, two of them "
            "with the other sign, which their own sign cancels.",
            lambda: 4 * avg_g / (2 * sp.sqrt(t)) ** 2,
        ),
    ),
)

_MDE = "O. Ajanki, L. Erdos and T. Krueger, arXiv:1604.08188"
_inverse = sp.Matrix(
    [
        [-gap_level - row_noise, secant - across_noise],
        [secant - across_noise, -gap_level - column_noise],
    ]
)

bulk_resolvent = Equation(
    name="bulk_resolvent",
    left=resolvent_own,
    right=-(gap_level + column_noise)
    / ((gap_level + row_noise) * (gap_level + column_noise) - (secant - across_noise) ** 2),
    arguments=(gap_level, secant, row_noise, column_noise, across_noise),
    meaning="Singular values of $A = \\mathrm{diag}(a) + W$ are those of $(0, A; A^T, 0)$, whose resolvent at E has a "
    "symmetric matrix of two rows for every direction. This is its first entry; exchange rows and columns for the "
    "last. $\\Sigma^{\\rightarrow}_k = \\sum_i E W_{ki}^2\\, m^{\\downarrow}_i$ has the last entries of all, "
    "$\\Sigma^{\\downarrow}_k = \\sum_i E W_{ik}^2\\, m_i$ the first ones. At E in a gap the solution is real, and the "
    "derivative of its right side has a spectral radius below one.",
    source=_MDE,
    steps=(
        Step(
            "The matrix Dyson equation: the inverse of the two rows is that without noise, less E and less the mean of "
            "$W G W$.",
        ),
        Step("Invert.", lambda: _inverse.inv()[0, 0]),
    ),
)

bulk_resolvent_across = Equation(
    name="bulk_resolvent_across",
    left=resolvent_across,
    right=-(secant - across_noise)
    / ((gap_level + row_noise) * (gap_level + column_noise) - (secant - across_noise) ** 2),
    arguments=(gap_level, secant, row_noise, column_noise, across_noise),
    meaning="The entry between the two spaces; $\\Sigma^{\\times}_k = \\sum_i E W_{ki} W_{ik}\\, m^{\\times}_i$. Of a "
    "symmetric W the sum of both entries solves $1/m_k = a_k - E - \\sum_i V_{ki} m_i$.",
    source=_MDE,
    steps=(Step("Invert.", lambda: _inverse.inv()[0, 1]),),
)

sphere_gap_balance = Equation(
    name="sphere_gap_balance",
    left=root_gap_balance,
    right=root_participation * sp.exp(log_N / 2) - 1,
    arguments=(log_N, root_participation),
    meaning="Positive where there is a gap between two blocks of singular values: variances and covariances of A are "
    "1/N times their leading order, the participation at the origin, where all weights are equal. The root is smooth "
    "where curvature alone closes the gap, and goes on to negative numbers there.",
    source=DERIVED,
    steps=(
        Step(
            "$\\kappa = 1/N$ passes $\\kappa_c$.",
            lambda: root_participation / sp.sqrt(sp.exp(-log_N)) - 1,
        ),
    ),
)

CHAPTER = Chapter(
    name="unit_normalized",
    title="Data divided by their norm",
    introduction="The published setting, without the approximation of many directions: rows of length one, seen from a "
    "principal axis. One integral replaces the contours; two probes at once give the variance of central differences.",
    equations=(
        sphere_energy_floor,
        sphere_log_weight,
        sphere_coordinate,
        sphere_log_transform,
        sphere_length_moment,
        sphere_root_transform,
        sphere_block_density,
        sphere_other_square,
        sphere_population_score,
        sphere_signal_balance,
        sphere_pair_density,
        sphere_other_coordinate,
        joint_mean_density,
        secant_value,
        origin_value,
        secant_spread,
        secant_transposed,
        bulk_resolvent,
        bulk_resolvent_across,
        sphere_gap_balance,
    ),
)
