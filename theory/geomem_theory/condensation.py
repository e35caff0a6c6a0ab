r"""Condensation of the Gibbs measure over training samples: the random-energy model.

Two levels of the theory share one argument and differ in the law of the energy:
`rem` keeps the exact generating function K, `gaussian_rem` (the published level)
its two-cumulant form. The entropy is the Legendre transform of K; the measure
condenses on few samples where it vanishes.
"""

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step, merge_sums
from geomem_theory.partition import (
    first_cumulant,
    gaussian_generating_function,
    generating_function,
    generating_function_curvature,
    generating_function_slope,
    second_cumulant,
    tidy,
)
from geomem_theory.symbols import (
    Y_2,
    B,
    K,
    K_slope,
    K_value,
    N,
    Q,
    S,
    a,
    b,
    d,
    g,
    k_2,
    lam,
    lam_c,
    log_N,
    log_N_c,
    log_Z,
    r,
    s,
    s_sphere,
    s_v,
    t,
    t_c,
    t_c_along,
    t_half_along,
    trace_of_squares,
    u,
)

_LD = "arXiv:2410.08727"
_REM = "B. Derrida, Phys. Rev. B 24, 2613 (1981)"
_G = gaussian_generating_function.right
_legendre = lam * generating_function_slope.right - generating_function.right
_gaussian_legendre = lam * sp.diff(_G, lam) - _G

entropy = Equation(
    name="entropy",
    left=S(lam),
    right=log_N - tidy(_legendre),
    meaning="Logarithm of the number of training samples at the energies that the law tilted by $\\lambda$ selects. "
    "The measure is liquid where $S(1) > 0$ and condensed on few samples where it would be negative; "
    "$\\lambda_c$ is the root of S.",
    source=_REM + ", with the exact energy law",
    steps=(
        Step(
            "Of N independent energies, about $N e^{-I(E)}$ lie near E, with $I$ the Legendre transform of K "
            "(Cramer's theorem; exact to leading exponential order for many directions)."
        ),
        Step(
            "At the energy selected by tilt $\\lambda$ the rate is $\\lambda K'(\\lambda) - K(\\lambda)$.",
            lambda: log_N + K(lam) - lam * sp.Derivative(K(lam), lam),
        ),
        Step("Insert K and its slope.", lambda: log_N - _legendre),
    ),
)

entropy_slope = Equation(
    name="entropy_slope",
    left=sp.Derivative(S(lam), lam),
    right=-lam * generating_function_curvature.right,
    meaning="The entropy falls with the tilt, since K is convex: it has one root at most, and the measure is "
    "condensed, $\\lambda_c < 1$, exactly where $S(1) < 0$.",
    source=DERIVED,
    steps=(Step("Differentiate the entropy.", lambda: sp.diff(entropy.right, lam)),),
)

critical_log_size = Equation(
    name="critical_log_size",
    left=log_N_c(lam),
    right=tidy(_legendre),
    meaning="The data-set size at which the entropy vanishes at tilt $\\lambda$: condensation sets in at "
    "$\\lambda = 1$, and $\\lambda_c = \\lambda$ at the size $N_c(\\lambda)$. Critical times invert it.",
    source=DERIVED,
    steps=(
        Step(
            "Solve $S(\\lambda) = 0$ for $\\ln N$.",
            lambda: sp.solve(log_N + K(lam) - lam * sp.Derivative(K(lam), lam), log_N)[0],
        ),
        Step("Insert K and its slope.", lambda: _legendre),
    ),
)

liquid_log_partition = Equation(
    name="liquid_log_partition",
    left=log_Z,
    right=log_N + generating_function.right.subs(lam, 1),
    meaning="The annealed log-partition function, typical in the liquid phase.",
    source=_REM,
    steps=(
        Step(
            "Where $S(1) > 0$ the sum Z concentrates on its mean, N times the average Boltzmann factor.",
            lambda: N * sp.exp(generating_function.right.subs(lam, 1)),
        ),
        Step(
            "Take the logarithm.",
            lambda: sp.expand_log(sp.log(N * sp.exp(generating_function.right.subs(lam, 1))), force=True).subs(
                sp.log(N), log_N
            ),
        ),
    ),
)

condensed_participation = Equation(
    name="condensed_participation",
    left=Y_2,
    right=1 - lam_c,
    meaning="Mean of $Y_2 = \\sum_\\mu w_\\mu^2$ in the condensed phase, $\\lambda_c < 1$. "
    "One half of the weight pairs coincide at $\\lambda_c = 1/2$: the participation criterion.",
    source="B. Derrida and G. Toulouse, J. Physique Lett. 46, L223 (1985)",
    steps=(
        Step(
            "The weights follow the Poisson-Dirichlet law of index $\\lambda_c$. A weight drawn with probability "
            "equal to itself then has a Beta law, and its mean is $E \\sum_\\mu w_\\mu^2$.",
            lambda: u ** (-lam_c) * (1 - u) ** (lam_c - 1) / (sp.gamma(1 - lam_c) * sp.gamma(lam_c)),
        ),
        Step(
            "Integrate u times this density over (0, 1). SymPy leaves the integral; it is Euler's Beta function "
            "$B(2 - \\lambda_c, \\lambda_c)$ by definition (checked by quadrature).",
            lambda: sp.gammasimp(sp.beta(2 - lam_c, lam_c).rewrite(sp.gamma) / (sp.gamma(1 - lam_c) * sp.gamma(lam_c))),
        ),
    ),
)

liquid_participation = Equation(
    name="liquid_participation",
    left=Y_2,
    right=sp.exp(generating_function.right.subs(lam, 2) - 2 * generating_function.right.subs(lam, 1)) / N,
    meaning="Mean of $Y_2$ deep in the liquid phase, $\\lambda_c > 2$. Between 1 and 2 only its exponential order "
    "is known at this level, so no criterion uses it there.",
    source=DERIVED,
    steps=(
        Step(
            "For large N, $\\sum_\\mu v_\\mu^2$ and $(\\sum_\\mu v_\\mu)^2$ with $v = e^{-E/t}$ concentrate on their "
            "means, the first as long as the tilt 2 still has samples, $S(2) > 0$.",
            lambda: (
                N
                * sp.exp(generating_function.right.subs(lam, 2))
                / (N * sp.exp(generating_function.right.subs(lam, 1))) ** 2
            ),
        ),
    ),
)

critical_log_size_of_slope = Equation(
    name="critical_log_size_of_slope",
    left=log_N_c(lam),
    right=lam * K_slope - K_value,
    arguments=(lam, K_value, K_slope),
    meaning="The same condition for any law, by the value of K at the tilt and its slope there.",
    source=DERIVED,
    steps=(
        Step(
            "The entropy without $\\ln N$, of an unknown K.",
            lambda: (lam * sp.Derivative(K(lam), lam) - K(lam)).subs({K(lam).diff(lam): K_slope, K(lam): K_value}),
        ),
    ),
)

gaussian_log_size_of_cumulant = Equation(
    name="gaussian_log_size_of_cumulant",
    left=log_N_c(lam),
    right=lam**2 * k_2 / (2 * t**2),
    arguments=(lam, t, k_2),
    meaning="The same condition with two cumulants kept, for any law, by its second cumulant.",
    source=_LD,
    steps=(
        Step(
            "Insert the two-cumulant form into $\\lambda K' - K$; the mean energy drops out.",
            lambda: sp.expand(_gaussian_legendre),
        ),
    ),
)

gaussian_entropy_of_cumulant = Equation(
    name="gaussian_entropy_of_cumulant",
    left=S(lam),
    right=log_N - lam**2 * k_2 / (2 * t**2),
    arguments=(log_N, lam, t, k_2),
    meaning="The entropy with two cumulants kept, for any law, by its second cumulant.",
    source=_LD,
    steps=(
        Step(
            "Legendre transform of the two-cumulant form; the mean energy drops out.",
            lambda: sp.expand(log_N + _G - lam * sp.diff(_G, lam)),
        ),
    ),
)

gaussian_critical_log_size = Equation(
    name="gaussian_critical_log_size",
    left=log_N_c(lam),
    right=_gaussian_legendre.expand().subs(k_2, second_cumulant.right),
    meaning="The same condition with two cumulants kept.",
    source=_LD,
    steps=(
        Step(
            "Insert the two-cumulant form into $\\lambda K' - K$; the mean energy drops out.",
            lambda: _gaussian_legendre,
        ),
        Step("Insert the second cumulant.", lambda: _gaussian_legendre.subs(k_2, second_cumulant.right)),
        Step(
            "The same as the exact condition to second order in $\\lambda$: the term of the exact one is",
            lambda: sp.diff(critical_log_size.right, lam, 2).subs(lam, 0) * lam**2 / 2,
        ),
    ),
)

sphere_critical_log_size = Equation(
    name="sphere_critical_log_size",
    left=log_N_c(lam),
    right=lam**2 / (2 * t**2) * sp.Sum(s[b] * Q[b], (b, 1, B)),
    meaning="The same for data normalized to the unit sphere, with $s_b$ the variance after normalization: the "
    "lengths $|y|^2$ no longer fluctuate, and the part of the second cumulant that is quadratic in y drops.",
    source=_LD,
    steps=(
        Step(
            "Remove from the second cumulant what is left at the origin, Q = 0.", lambda: _without_length_fluctuation()
        ),
        Step(
            "Insert it into the two-cumulant condition.",
            lambda: (lam**2 * k_2 / (2 * t**2)).subs(k_2, _without_length_fluctuation()),
        ),
    ),
)


def _without_length_fluctuation() -> sp.Expr:
    summand, _ = merge_sums(second_cumulant.right)
    return sp.Sum(summand - summand.subs(Q[b], 0), (b, 1, B))


sphere_variance = Equation(
    name="sphere_variance",
    left=s_sphere,
    right=s_v / sp.Sum(d[b] * s[b], (b, 1, B)),
    arguments=(s_v, s, d),
    meaning="Variance along v of data divided by their norm, for many directions.",
    source=_LD,
    steps=(
        Step(
            "The squared norm concentrates on its mean, the trace of the covariance: twice the mean energy at Q = 0.",
            lambda: s_v / sp.Sum(2 * merge_sums(first_cumulant.right)[0].subs(Q[b], 0), (b, 1, B)).simplify(),
        ),
    ),
)

gaussian_critical_time = Equation(
    name="gaussian_critical_time",
    left=t_c,
    right=sp.sqrt(k_2 / (2 * log_N)),
    arguments=(k_2, log_N),
    meaning="Critical noise variance of the published theory at a fixed probe: condensed for $t < t_c$, "
    "with $Y_2 = \\max(0, 1 - t/t_c)$.",
    source=_LD,
    steps=(
        Step("The two-cumulant entropy at tilt 1 vanishes.", lambda: _gaussian_condition(sp.S.One, k_2)),
        Step(
            "Solve for t; the positive root.",
            lambda: sp.sqrt(sp.solve(_gaussian_condition(sp.S.One, k_2), t**2)[0]),
        ),
    ),
)

gaussian_critical_tilt = Equation(
    name="gaussian_critical_tilt",
    left=lam_c,
    right=t / t_c,
    meaning="The critical tilt of the published theory at a fixed probe, so that $Y_2 = 1 - \\lambda_c = 1 - t/t_c$ "
    "and participation one half is reached at $t_c/2$.",
    source=_LD,
    steps=(
        Step("The two-cumulant entropy vanishes at the tilt $\\lambda_c$.", lambda: _gaussian_condition(lam_c, k_2)),
        Step(
            "Solve for $\\lambda_c$ and insert $\\kappa_2 = 2 t_c^2 \\ln N$.",
            lambda: sp.simplify(
                sp.sqrt(sp.solve(_gaussian_condition(lam_c, k_2), lam_c**2)[0]).subs(k_2, 2 * t_c**2 * log_N)
            ),
        ),
    ),
)


def _gaussian_condition(tilt: sp.Expr, cumulant: sp.Expr) -> sp.Equality:
    return sp.Eq(log_N, _gaussian_legendre.expand().subs({lam: tilt, k_2: cumulant}))


_along = trace_of_squares / 2 + a**2 * t * s_v


def _along_probe_time(tilt: sp.Expr) -> sp.Expr:
    """Positive root in t of the two-cumulant condition along v."""
    roots = sp.solve(_gaussian_condition(tilt, _along), t)
    # The product of the roots is negative, so their signs are the same at any values.
    (positive,) = (root for root in roots if root.subs({log_N: 1, a: 1, s_v: 1, trace_of_squares: 1}) > 0)
    return positive


along_probe_critical_time = Equation(
    name="along_probe_critical_time",
    left=t_c_along,
    right=(a**2 * s_v + sp.sqrt(a**4 * s_v**2 + 4 * log_N * trace_of_squares)) / (4 * log_N),
    meaning="Critical time of the published theory along a direction: the probe $a \\sqrt{t}\\, v$ moves with t. "
    "It grows with $s_v$: at this level higher local variance is lost first. "
    "Here $\\mathrm{tr}\\,\\Sigma^2 = \\sum_b d_b s_b^2$.",
    source=_LD + ", amplitude 1; the amplitude " + DERIVED,
    steps=(
        Step("At this probe the second cumulant depends on t.", lambda: _along),
        Step("The condition is a quadratic equation in t.", lambda: _gaussian_condition(sp.S.One, _along)),
        Step("Solve it; one root is positive.", lambda: _along_probe_time(sp.S.One)),
    ),
)

along_probe_participation_time = Equation(
    name="along_probe_participation_time",
    left=t_half_along,
    right=(a**2 * s_v + sp.sqrt(a**4 * s_v**2 + 16 * log_N * trace_of_squares)) / (16 * log_N),
    meaning="Time along a direction at which the published theory has participation one half.",
    source=DERIVED,
    steps=(
        Step("The condition at tilt one half.", lambda: _gaussian_condition(sp.Rational(1, 2), _along)),
        Step("Solve it; one root is positive.", lambda: _along_probe_time(sp.Rational(1, 2))),
    ),
)

along_sphere_critical_time = Equation(
    name="along_sphere_critical_time",
    left=t_c_along,
    right=a**2 * s_v / (2 * log_N),
    meaning="The same for data on the unit sphere.",
    source=_LD,
    steps=(
        Step(
            "Set the trace to zero in the critical time along a direction.",
            lambda: sp.simplify(along_probe_critical_time.right.subs(trace_of_squares, 0)),
        ),
    ),
)

reentrance_amplitude = Equation(
    name="reentrance_amplitude",
    left=g,
    right=3 + 2 * sp.sqrt(2),
    meaning="Along a direction of block b, condensation has one root in t for every size as long as "
    "$g = a^2/d_b$ is below this; above it the block's part of $\\ln N_c$ is not monotone and there can be three.",
    source=DERIVED,
    steps=(
        Step(
            "The block's part of $\\ln N_c(1)$ per direction, in the ratio $r = s_b/t$ with $a^2 = g d_b$.",
            lambda: _block_log_size(),
        ),
        Step("Its slope in r, times $2 (1+r)^3$.", lambda: _reentrance_polynomial()),
        Step(
            "The polynomial has a double root in r > 0 at the larger zero of its discriminant in g.",
            lambda: max(sp.solve(sp.discriminant(_reentrance_polynomial(), r), g)),
        ),
    ),
)


def _block_log_size() -> sp.Expr:
    summand, _ = merge_sums(critical_log_size.right)
    return sp.simplify(summand.subs({lam: 1, d[b]: 1, Q[b]: g * t}).subs(s[b], r * t))


def _reentrance_polynomial() -> sp.Expr:
    return sp.expand(sp.cancel(2 * (1 + r) ** 3 * sp.diff(_block_log_size(), r)))


CHAPTER = Chapter(
    name="condensation",
    title="Entropy, condensation and participation",
    introduction="The Legendre transform of K counts the samples at every energy. Where the count at the energy that "
    "dominates Z falls below one, the Gibbs measure condenses: the score then follows single training samples. "
    "The published theory is the same argument with two cumulants.",
    equations=(
        entropy,
        entropy_slope,
        critical_log_size,
        liquid_log_partition,
        condensed_participation,
        liquid_participation,
        critical_log_size_of_slope,
        gaussian_log_size_of_cumulant,
        gaussian_entropy_of_cumulant,
        gaussian_critical_log_size,
        gaussian_critical_time,
        gaussian_critical_tilt,
        along_probe_critical_time,
        along_probe_participation_time,
        sphere_variance,
        sphere_critical_log_size,
        along_sphere_critical_time,
        reentrance_amplitude,
    ),
)
