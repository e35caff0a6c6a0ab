r"""Population score, its Jacobian spectrum and gaps, and when the empirical score generalizes.

The population score is the score of the exact law of the data noised by variance
t. The empirical score is the same for the training set; along a direction it is
resolved where its mean over data sets exceeds its standard deviation.
"""

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step
from geomem_theory.partition import generating_function_at, tidy, tilted_mean, tilted_variance
from geomem_theory.symbols import (
    gap,
    gap_max,
    lam,
    log_N,
    log_N_kept,
    log_R,
    log_second_moment,
    log_variance,
    mean_score,
    q_v,
    rho_v,
    s_narrow,
    s_v,
    s_wide,
    score_v,
    t,
    t_gap_closes,
    t_gap_opens,
    t_open,
    t_widest,
    x_v,
)

_LD = "arXiv:2410.08727"
_SG = "arXiv:2410.05898"
_marginal = sp.exp(-(x_v**2) / (2 * (t + s_v))) / sp.sqrt(2 * sp.pi * (t + s_v))

population_score = Equation(
    name="population_score",
    left=score_v(x_v),
    right=-x_v / (t + s_v),
    arguments=(t, s_v, x_v),
    meaning="The score of the noised data along v.",
    source=_SG,
    steps=(
        Step("Data plus noise are Gaussian along v, of variance $t + s_v$.", lambda: _marginal),
        Step("Differentiate the log-density.", lambda: sp.simplify(sp.diff(sp.log(_marginal), x_v))),
        Step(
            "The same as the posterior mean's displacement over t (Tweedie's formula), $(m(1) - x_v)/t$.",
            lambda: sp.factor((tilted_mean.right.subs(lam, 1) - x_v) / t),
        ),
    ),
)

population_eigenvalue = Equation(
    name="population_eigenvalue",
    left=rho_v,
    right=t / (t + s_v),
    arguments=(t, s_v),
    meaning="Eigenvalue of $-tJ$ along v, J the Jacobian of the population score: near 0 along directions that carry "
    "variance and near 1 along those that do not.",
    source=_SG,
    steps=(
        Step("Differentiate the score.", lambda: -t * sp.diff(population_score.right, x_v)),
        Step(
            "The same from the posterior variance, $1 - p(1)/t$.",
            lambda: sp.factor(1 - tilted_variance.right.subs(lam, 1) / t),
        ),
    ),
)

opening_time = Equation(
    name="opening_time",
    left=t_open,
    right=s_v,
    arguments=(s_v,),
    meaning="Noise variance below which direction v is open: its eigenvalue is below one half.",
    source=DERIVED,
    steps=(
        Step(
            "Solve $\\rho_v = 1/2$ for t.",
            lambda: sp.solve(sp.Eq(population_eigenvalue.right, sp.Rational(1, 2)), t)[0],
        ),
    ),
)

_gap_height = population_eigenvalue.right.subs(s_v, s_narrow) - population_eigenvalue.right.subs(s_v, s_wide)

gap_height = Equation(
    name="gap_height",
    left=gap,
    right=sp.factor(_gap_height),
    meaning="Height of the gap between a wider and a narrower block, $s_+ > s_-$, in the spectrum of $-tJ$.",
    source=_SG,
    steps=(Step("The difference of their eigenvalues.", lambda: _gap_height),),
)

gap_widest_time = Equation(
    name="gap_widest_time",
    left=t_widest,
    right=sp.sqrt(s_wide * s_narrow),
    meaning="Noise variance at which the gap is widest: the geometric mean of the two variances.",
    source=DERIVED,
    steps=(
        Step("The height's slope in t vanishes.", lambda: sp.Eq(sp.factor(sp.diff(_gap_height, t)), 0)),
        Step("Solve for t.", lambda: sp.solve(sp.numer(sp.together(sp.diff(_gap_height, t))), t)[0]),
    ),
)

gap_largest_height = Equation(
    name="gap_largest_height",
    left=gap_max,
    right=(sp.sqrt(s_wide) - sp.sqrt(s_narrow)) / (sp.sqrt(s_wide) + sp.sqrt(s_narrow)),
    meaning="Height of the gap where it is widest.",
    source=DERIVED,
    steps=(
        Step(
            "Insert the widest time into the height.", lambda: sp.simplify(_gap_height.subs(t, gap_widest_time.right))
        ),
    ),
)

_half_sum = (s_wide - s_narrow) / gap - (s_wide + s_narrow)


def _gap_times() -> list[sp.Expr]:
    """The two times at which the gap has height Delta, the later (smaller t) first."""
    roots = sp.solve(sp.Eq(_gap_height, gap), t)
    # Any gap below the largest height orders the roots: they never cross.
    return sorted(roots, key=lambda root: root.subs({s_wide: 4, s_narrow: 1, gap: sp.Rational(1, 4)}))


gap_opening_time = Equation(
    name="gap_opening_time",
    left=t_gap_opens,
    right=(_half_sum + sp.sqrt(_half_sum**2 - 4 * s_wide * s_narrow)) / 2,
    meaning="Noise variance below which the gap exceeds $\\Delta$, as t falls; for $\\Delta$ up to $\\Delta_{\\max}$, "
    "above which the gap never has this height.",
    source=DERIVED,
    steps=(
        Step("The height equals $\\Delta$: a quadratic equation in t.", lambda: sp.Eq(_gap_height, gap)),
        Step("Its larger root.", lambda: sp.factor(_gap_times()[1])),
    ),
)

gap_closing_time = Equation(
    name="gap_closing_time",
    left=t_gap_closes,
    right=(_half_sum - sp.sqrt(_half_sum**2 - 4 * s_wide * s_narrow)) / 2,
    meaning="Noise variance at which the gap falls below $\\Delta$ again.",
    source=DERIVED,
    steps=(Step("The smaller root.", lambda: sp.factor(_gap_times()[0])),),
)

# K(2) - 2 K(1): how much the second moment of a Boltzmann factor exceeds its squared mean.
_log_second_moment = tidy(generating_function_at(2) - 2 * generating_function_at(1))
_shift = sp.factor(tilted_mean.right.subs(lam, 2) - tilted_mean.right.subs(lam, 1))
_spread = _shift**2 + tilted_variance.right.subs(lam, 2)

weight_second_moment = Equation(
    name="weight_second_moment",
    left=log_second_moment,
    right=_log_second_moment,
    meaning="Logarithm of the relative second moment of a sample's Boltzmann factor. Where $\\ln N$ is well above it, "
    "sums over samples are sharp.",
    source=DERIVED,
    steps=(
        Step(
            "With $v = e^{-E/t}$, $\\ln (E v^2 / (E v)^2)$.",
            lambda: generating_function_at(2) - 2 * generating_function_at(1),
        ),
    ),
)

score_mean = Equation(
    name="score_mean",
    left=mean_score,
    right=population_score.right,
    meaning="Mean of the empirical score along v over data sets, to leading order at large N: the population score.",
    source=DERIVED,
    steps=(
        Step(
            "The Gibbs average of y is a ratio of sums over samples; for large N both concentrate, and the ratio "
            "tends to the posterior mean m(1).",
            lambda: sp.factor((tilted_mean.right.subs(lam, 1) - x_v) / t),
        ),
    ),
)

log_score_variance = Equation(
    name="log_score_variance",
    left=log_variance,
    right=_log_second_moment - log_N + sp.log(_spread / t**2),
    meaning="Logarithm of the variance of the empirical score along v over data sets, to leading order at large N. "
    "The squared weights see the tilt 2, not the posterior: $p(1)$ in its place is off by factors of order one.",
    source=DERIVED,
    steps=(
        Step(
            "Fluctuation of a ratio of sums: with $v = e^{-E/t}$ the Gibbs average of $y - m(1)$ is "
            "$\\sum v (y - m(1))/(N E v)$ to leading order, of mean 0 and variance $E v^2 (y - m(1))^2/(N (E v)^2)$. "
            "It holds as long as the squared weights have samples at tilt 2, $\\lambda_c > 2$."
        ),
        Step(
            "Under the law tilted by 2, y has mean m(2) and variance p(2).",
            lambda: (
                (tilted_mean.right.subs(lam, 2) - tilted_mean.right.subs(lam, 1)) ** 2
                + tilted_variance.right.subs(lam, 2)
            ),
        ),
        Step(
            "The score is this average over t; take the logarithm.",
            lambda: generating_function_at(2) - 2 * generating_function_at(1) - log_N + sp.log(_spread / t**2),
        ),
    ),
)

# Squared coordinates enter as q_v, so that a probe of zero length needs no square root.
_signal = (t * score_mean.right) ** 2
_log_noise_to_signal = sp.log(
    sp.factor(_shift**2 / _signal) + sp.factor(tilted_variance.right.subs(lam, 2) / _signal * x_v**2) / q_v
)

log_signal_to_noise = Equation(
    name="log_signal_to_noise",
    left=log_R,
    right=log_N - _log_second_moment - _log_noise_to_signal,
    meaning="Logarithm of R, the squared mean of the empirical score along v over its variance. "
    "The direction generalizes where $R > 1$ and is lost where $R < 1$.",
    source=_LD + ", section 5 (criterion); leading order at large N " + DERIVED,
    steps=(
        Step(
            "Squared mean over variance.",
            lambda: (sp.log(score_mean.right**2) - log_score_variance.right).subs(x_v, sp.sqrt(q_v)),
        ),
    ),
)

signal_to_noise_log_size = Equation(
    name="signal_to_noise_log_size",
    left=log_N_kept,
    right=_log_second_moment + _log_noise_to_signal,
    meaning="The data-set size above which direction v generalizes. It is explicit; critical times invert it.",
    source=DERIVED,
    steps=(Step("Solve $\\ln R = 0$ for $\\ln N$.", lambda: sp.solve(log_signal_to_noise.right, log_N)[0]),),
)

CHAPTER = Chapter(
    name="score",
    title="The score, its Jacobian spectrum and its signal-to-noise ratio",
    introduction="Without memorization the Jacobian of the score has one eigenvalue per local variance, and gaps "
    "between them open and close as the noise falls. With finitely many samples the score fluctuates between data "
    "sets; a direction is lost where the fluctuation exceeds the mean.",
    equations=(
        population_score,
        population_eigenvalue,
        opening_time,
        gap_height,
        gap_widest_time,
        gap_largest_height,
        gap_opening_time,
        gap_closing_time,
        weight_second_moment,
        score_mean,
        log_score_variance,
        log_signal_to_noise,
        signal_to_noise_log_size,
    ),
)
