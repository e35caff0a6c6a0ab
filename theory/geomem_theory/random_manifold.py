r"""Random manifolds: data $F z$ with a random matrix F, $\alpha d$ latent variables in d dimensions.

Entries of F in the columns of block b have variance $s_b/(\alpha d)$, so that the data have the
variance $\sum_b w_b s_b$ per dimension. For many dimensions every spectral sum follows from one number,
the resolvent $G = \frac{1}{d}\mathrm{tr}\,(F F^\top + t)^{-1}$, at cost of one scalar equation.
"""

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step
from geomem_theory.evaluation import unroll
from geomem_theory.score import population_eigenvalue
from geomem_theory.symbols import (
    B,
    G,
    G_prime,
    alpha,
    b,
    block_root,
    bulk_density,
    bulk_map,
    bulk_value,
    column_ratio,
    companion,
    flat_share,
    half_signal,
    jacobian_density,
    latent_information,
    latent_slope,
    latent_sum,
    log_N_collapse,
    log_N_held_out,
    resolvent_balance,
    rho_v,
    s,
    s_v,
    t,
    t_ratio,
    w,
)

_MP = "V. A. Marchenko and L. A. Pastur, Mat. Sb. 72, 507 (1967)"
_shrunk = w[b] * s[b] / (1 + G * s[b] / alpha)


def _sum(summand: sp.Expr) -> sp.Sum:
    return sp.Sum(summand, (b, 1, B))


def _mean(spectral: sp.Expr) -> sp.Expr:
    """Mean over the spectrum of a function of s that is quadratic in 1/(t + s), whose means are G and -G'."""
    inverse = sp.Dummy()
    powers = sp.Poly(sp.expand(spectral.subs(s_v, 1 / inverse - t)), inverse)
    return powers.coeff_monomial(1) + powers.coeff_monomial(inverse) * G - powers.coeff_monomial(inverse**2) * G_prime


resolvent = Equation(
    name="resolvent",
    left=resolvent_balance,
    right=G * (t + _sum(_shrunk)) - 1,
    arguments=(t, G, alpha, s, w),
    meaning="Vanishes at the resolvent G. It increases in G and is concave.",
    source=_MP,
    steps=(
        Step(
            "Leave one dimension of F out. By Schur's complement its diagonal entry of the resolvent is one over t "
            "plus a quadratic form of its row, which concentrates on $\\sum_b w_b s_b/(1 + G s_b/\\alpha)$; every "
            "dimension has the same (held against eigenvalues of drawn matrices)."
        ),
    ),
)


def _slope() -> sp.Expr:
    """dG/dt of the implicit function, the sum's part of the balance being R(G)."""
    part = latent_sum(G)
    balance = G * (t + part) - 1
    slope = -sp.diff(balance, t) / sp.diff(balance, G)
    return slope.subs(part.diff(G), latent_slope).subs(t, 1 / G - part)


resolvent_slope = Equation(
    name="resolvent_slope",
    left=G_prime,
    right=-1 / (1 / G**2 - _sum(w[b] * s[b] ** 2 / (alpha * (1 + G * s[b] / alpha) ** 2))),
    arguments=(G, alpha, s, w),
    meaning="Slope of the resolvent in t, minus $\\frac{1}{d}\\mathrm{tr}\\,(F F^\\top + t)^{-2}$.",
    source=DERIVED,
    steps=(
        Step("Differentiate the balance; R is its sum.", lambda: sp.simplify(_slope())),
        Step("The slope of R is minus the sum of", lambda: -sp.diff(_shrunk, G)),
        Step(
            "Insert it.",
            lambda: sp.simplify(_slope()).subs(latent_slope, -_sum(-sp.diff(_shrunk, G))),
        ),
    ),
)

random_collapse_log_size = Equation(
    name="random_collapse_log_size",
    left=log_N_collapse,
    right=(-sp.log(t * G) + alpha * _sum(w[b] * sp.log(1 + G * s[b] / alpha)) + t * G - 1) / 2,
    arguments=(t, G, alpha, s, w),
    meaning="L per dimension, half the mean of $\\ln(1 + s/t)$ over the spectrum of $F F^\\top$.",
    source="A. M. Tulino and S. Verdu, Random matrix theory and wireless communications (2004); here " + DERIVED,
    steps=(
        Step("It vanishes at $t \\to \\infty$, where $t G \\to 1$."),
        Step(
            "Its derivative in G, one latent block of weight one: the balance over 2G, so G need not be followed.",
            lambda: sp.factor(
                sp.diff((-sp.log(t * G) + alpha * sp.log(1 + G * s_v / alpha) + t * G - 1) / 2, G)
                - (G * (t + s_v / (1 + G * s_v / alpha)) - 1) / (2 * G)
            ),
        ),
        Step(
            "Its derivative in t is $(G - 1/t)/2$, that of half the mean of $\\ln(1 + s/t)$, so the two are one (held "
            "against eigenvalues of drawn matrices)."
        ),
    ),
)

random_half_signal = Equation(
    name="random_half_signal",
    left=half_signal,
    right=(1 - t * G) / 2,
    arguments=(t, G),
    meaning="A per dimension, half the mean of $s/(t + s)$.",
    source=DERIVED,
    steps=(
        Step(
            "Write $s/(t + s)$ by $1/(t + s)$, whose mean is G.",
            lambda: _mean(s_v / (t + s_v)) / 2,
        ),
    ),
)

random_held_out_log_size = Equation(
    name="random_held_out_log_size",
    left=log_N_held_out,
    right=log_N_collapse - (t * G + t**2 * G_prime) / 2,
    arguments=(t, G, G_prime, log_N_collapse),
    meaning="L - B per dimension, B being half the mean of $s t/(t + s)^2$.",
    source=DERIVED,
    steps=(
        Step(
            "Write $s t/(t + s)^2$ by powers of $1/(t + s)$, whose means are G and $-G'$.",
            lambda: log_N_collapse - _mean(s_v * t / (t + s_v) ** 2) / 2,
        ),
    ),
)

random_generalization_ratio = Equation(
    name="random_generalization_ratio",
    left=t_ratio,
    right=1 + t**2 * G_prime,
    arguments=(t, G_prime),
    meaning="Generalization time over the held-out condensation time t, the mean of $1 - (t/(t + s))^2$.",
    source=DERIVED,
    steps=(
        Step(
            "The mean of $1/(t + s)^2$ is $-G'$.",
            lambda: _mean(1 - t**2 / (s_v + t) ** 2),
        ),
    ),
)

bulk_edge_map = Equation(
    name="bulk_edge_map",
    left=bulk_map,
    right=-1 / companion + _sum(w[b] * s[b] / (1 + s[b] * companion / alpha)),
    arguments=(companion, alpha, s, w),
    meaning="Inverse of the resolvent on the real axis outside the spectrum, $z = -t$, x standing for G. The edges of "
    "the bulks are its values where its slope vanishes at x < 0.",
    source="J. W. Silverstein and S.-I. Choi, J. Multivariate Anal. 54, 295 (1995)",
    steps=(
        Step(
            "Solve the balance of the resolvent for $-t$.",
            lambda: -sp.solve(resolvent.right.subs(G, companion), t)[0].expand(),
        ),
    ),
)


def _of_one_block(expression: sp.Expr, variance: sp.Expr) -> sp.Expr:
    """For one block of latent variables, of weight one and this variance."""
    return unroll(expression, 1).subs({w[1]: 1, s[1]: variance})


def _quadratic(time: sp.Expr, variance: sp.Expr, unknown: sp.Expr) -> sp.Expr:
    """The balance of one block as a polynomial in G, which is this."""
    balance = _of_one_block(resolvent.right, variance).subs(t, time)
    return sp.expand(sp.numer(sp.together(balance)).subs(G, unknown))


_column_variance = alpha * column_ratio * t
_resolvent_of_root = (1 - block_root / (4 * column_ratio)) / t


def _root() -> sp.Expr:
    roots = sp.solve(_quadratic(t, _column_variance, _resolvent_of_root), block_root)
    return next(root for root in roots if sp.limit(root.subs(alpha, 1), column_ratio, 0) == 0)


one_block_root = Equation(
    name="one_block_root",
    left=block_root,
    right=(
        sp.sqrt(column_ratio * (1 + sp.sqrt(alpha)) ** 2 + 1) - sp.sqrt(column_ratio * (1 - sp.sqrt(alpha)) ** 2 + 1)
    )
    ** 2,
    meaning="The resolvent of one block, explicitly: $t G = 1 - H_F/(4 z_F)$ with $z_F = s/(\\alpha t)$.",
    source="A. M. Tulino and S. Verdu, Random matrix theory and wireless communications (2004)",
    steps=(
        Step("The balance is quadratic.", lambda: sp.factor(_quadratic(t, _column_variance, _resolvent_of_root))),
        Step("Its root that vanishes with $z_F$; the square of a difference of roots is the same.", _root),
    ),
)


def _inverse_resolvent() -> sp.Expr:
    """1/(t G) from the balance, of degree two in G, over G."""
    balance = _quadratic(t, _column_variance, G)
    constant = balance.subs(G, 0)
    return sp.expand(sp.expand((balance - constant) / (-constant * t * G)).subs(G, _resolvent_of_root))


one_block_information = Equation(
    name="one_block_information",
    left=latent_information,
    right=sp.log(1 + column_ratio - block_root / 4)
    + sp.log(1 + alpha * column_ratio - block_root / 4) / alpha
    - block_root / (4 * alpha * column_ratio),
    meaning="L of one block without a resolvent, $L = \\frac{\\alpha}{2} V$ per dimension.",
    source="A. M. Tulino and S. Verdu, Random matrix theory and wireless communications (2004); here " + DERIVED,
    steps=(
        Step("By the balance $1/(t G)$ is", _inverse_resolvent),
        Step(
            "Insert it and G in L, of one block.",
            lambda: (
                _of_one_block(random_collapse_log_size.right, _column_variance)
                .subs(sp.log(t * G), -sp.log(_inverse_resolvent()))
                .subs(G, _resolvent_of_root)
                * 2
                / alpha
            ).expand(),
        ),
    ),
)


def _bulk_quadratic() -> sp.Poly:
    return sp.Poly(_quadratic(-bulk_value, s_v, G), G)


def _bulk_density() -> sp.Expr:
    leading = _bulk_quadratic().LC()
    low, high = sorted(
        sp.solve(sp.discriminant(_bulk_quadratic()), bulk_value), key=lambda edge: edge.subs({alpha: 4, s_v: 1})
    )
    # The discriminant is its leading coefficient times (s_F - low)(s_F - high).
    scale = sp.Poly(sp.discriminant(_bulk_quadratic()), bulk_value).LC()
    return sp.sqrt(scale) * sp.sqrt((bulk_value - low) * (high - bulk_value)) / (2 * sp.pi * sp.Abs(leading))


_low, _high = (s_v * (1 - 1 / sp.sqrt(alpha)) ** 2, s_v * (1 + 1 / sp.sqrt(alpha)) ** 2)

one_bulk_density = Equation(
    name="one_bulk_density",
    left=bulk_density,
    right=alpha * sp.sqrt((_high - bulk_value) * (bulk_value - _low)) / (2 * sp.pi * s_v * bulk_value),
    meaning="Density of the non-zero eigenvalues of $F F^\\top$ of one block, among all directions; its integral is "
    "$\\min(1, \\alpha)$. The edges are where the root vanishes.",
    source=_MP,
    steps=(
        Step("On the spectrum, $t = -s_F$, the balance is quadratic in G.", lambda: _bulk_quadratic().as_expr()),
        Step(
            "Its discriminant is negative between",
            lambda: sp.Tuple(*sp.solve(sp.discriminant(_bulk_quadratic()), bulk_value)),
        ),
        Step("The density is the imaginary part of G over $\\pi$.", _bulk_density),
    ),
)

_place = sp.solve(population_eigenvalue.right - rho_v, s_v)[0]

jacobian_bulk_density = Equation(
    name="jacobian_bulk_density",
    left=jacobian_density,
    right=alpha
    * sp.sqrt((_high * rho_v - t * (1 - rho_v)) * (t * (1 - rho_v) - _low * rho_v))
    / (2 * sp.pi * s_v * rho_v**2 * (1 - rho_v)),
    meaning="Density of the eigenvalues $\\rho_v = t/(t + s_F)$ of -tJ, one block. The edges of the bulks, of one "
    "block or more, are those of $F F^\\top$ taken there.",
    source="arXiv:2410.05898, here " + DERIVED,
    steps=(
        Step("$s_F$ is at", lambda: _place),
        Step("Times the slope of the place, which is negative.", lambda: sp.simplify(-sp.diff(_place, rho_v))),
        Step(
            "The density there, times that.",
            lambda: one_bulk_density.right.subs(bulk_value, _place) * -sp.diff(_place, rho_v),
        ),
    ),
)

jacobian_flat_share = Equation(
    name="jacobian_flat_share",
    left=flat_share,
    right=1 - alpha,
    meaning="Share of the directions without latent variables, where -tJ is 1, if there are fewer of these than "
    "directions; else there is none.",
    source="arXiv:2410.05898, here " + DERIVED,
    steps=(
        Step("An eigenvalue zero adds 1 to $t G$ at every t, the others nothing as t falls to zero."),
        Step(
            "There the balance of one block, over s, is, with G for $t G$,",
            lambda: sp.expand(_quadratic(t, s_v, G / t) * alpha * t / s_v).subs(t, 0),
        ),
        Step(
            "Its root that is not zero; more blocks have the same.",
            lambda: sp.solve(sp.expand(_quadratic(t, s_v, G / t) * alpha * t / s_v).subs(t, 0), G)[-1],
        ),
    ),
)

CHAPTER = Chapter(
    name="random_manifold",
    title="Random manifolds",
    introduction="Spectra of random matrices are continuous and known: with them the times of trajectories are closed "
    "formulas of one resolvent, and sizes are per dimension, $\\ln N/d$.",
    equations=(
        resolvent,
        resolvent_slope,
        random_collapse_log_size,
        random_half_signal,
        random_held_out_log_size,
        random_generalization_ratio,
        bulk_edge_map,
        one_block_root,
        one_block_information,
        one_bulk_density,
        jacobian_bulk_density,
        jacobian_flat_share,
    ),
)
