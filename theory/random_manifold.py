r"""Random manifolds: data $F z$ with a random matrix F, $\alpha d$ latent variables in d dimensions.

Entries of F in the columns of block b have variance $s_b/(\alpha d)$, so that the data have the
variance $\sum_b w_b s_b$ per dimension. For many dimensions every spectral sum follows from one number,
the resolvent $G = \frac{1}{d}\mathrm{tr}\,(F F^\top + t)^{-1}$, at cost of one scalar equation.
"""

import sympy as sp

from theory.derivation import DERIVED, Chapter, Equation, Step
from theory.symbols import (
    B,
    G,
    G_prime,
    alpha,
    b,
    bulk_map,
    companion,
    half_signal,
    latent_slope,
    latent_sum,
    log_N_collapse,
    log_N_held_out,
    resolvent_balance,
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
    ),
)
