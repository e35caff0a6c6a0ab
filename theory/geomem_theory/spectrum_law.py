r"""The law of the sorted singular values: how the score's Jacobian fluctuates from data set to data set.

The empirical score is the gradient of $\ln Z$. To leading order in 1/N the fluctuation of $\ln Z$ over data sets is a
Gaussian field $\psi(x)$ whose covariance is one Gaussian integral per direction, and every matrix that is measured is
made of its derivatives: $A = -tS = \mathrm{diag}(\rho) + W$, W of entries whose variances and covariances follow by
differentiation. Points are in units of $\sqrt{t}$ here, and everything depends on s/t alone.

Two things are beyond the leading order and move sorted values by more than they fluctuate: W is made of as many terms
as samples are active, which skews its spectrum as that of a sample covariance, and the participation fluctuates.
"""

from itertools import product

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step
from geomem_theory.partition import generating_function_at, tilted_variance
from geomem_theory.symbols import (
    B,
    Q,
    b,
    bulk_curvature,
    bulk_slope,
    bulk_sum,
    common_deviation,
    coupling,
    coupling_i,
    coupling_k,
    couplings,
    d,
    drive,
    entry_variance,
    frame_rest,
    gap_balance,
    gap_level,
    jacobian_covariance,
    jacobian_own,
    kappa,
    lam,
    level_values,
    log_moment,
    log_moment_2,
    log_moment_3,
    log_moment_4,
    log_N,
    log_N_gap,
    log_skew_samples,
    own_variance,
    pair_log_moment,
    participation_spread,
    pull,
    pull_i,
    pull_k,
    row_coupling,
    row_pull,
    s,
    s_v,
    skew_share,
    t,
    transposed_covariance,
    value_shift,
    x_here,
    x_there,
    y_v,
)

_pulled = -(s_v**2) * (x_here**2 + x_there**2) / (2 * t * (t + s_v) * (t + 2 * s_v))
_coupled = s_v * x_here * x_there / (t * (t + 2 * s_v))


def _log_integral(exponent: sp.Expr) -> sp.Expr:
    """Logarithm of the average of exp(exponent), a polynomial in y, over y of variance s_v."""
    polynomial = sp.Poly(sp.expand(exponent - y_v**2 / (2 * s_v)), y_v)
    quadratic, linear, constant = (polynomial.coeff_monomial(y_v**power) for power in (2, 1, 0))
    return constant - linear**2 / (4 * quadratic) - sp.log(-2 * quadratic * s_v) / 2


def _log_pair() -> sp.Expr:
    """ln E v v' - ln E v - ln E v', v and v' the weights of one sample at two points."""
    here, there = (-((x - y_v) ** 2) / (2 * t) for x in (x_here, x_there))
    return _log_integral(here + there) - _log_integral(here) - _log_integral(there)


pair_moment = Equation(
    name="pair_moment",
    left=pair_log_moment,
    right=sp.log((t + s_v) ** 2 / (t * (t + 2 * s_v))) / 2 + _pulled + _coupled,
    arguments=(t, s_v, x_here, x_there),
    meaning="One direction's part of $\\ln (E\\, v v'/(E v\\, E v'))$, v and v' the Boltzmann factors of one sample at "
    "two points. The exponential of the sum over directions, less one, over N is the covariance of the fluctuations "
    "$\\psi$ of $\\ln Z$ at the two points, to leading order in 1/N.",
    source=DERIVED,
    steps=(
        Step(
            "$Z/(N\\, E v) = 1 + \\zeta$ with $\\zeta$ a sum of independent terms; $\\ln Z$ fluctuates by $\\zeta$ to "
            "leading order, and $E\\, \\zeta\\zeta' = (E\\, v v'/(E v\\, E v') - 1)/N$."
        ),
        Step("Complete the squares of the three Gaussian integrals.", _log_pair),
    ),
)

pull_of_direction = Equation(
    name="pull_of_direction",
    left=pull,
    right=s_v**2 / ((t + s_v) * (t + 2 * s_v)),
    arguments=(t, s_v),
    meaning="How fast the fluctuations of $\\ln Z$ fall away from the mean of the data along v: the covariance at "
    "$x, x'$ in units of $\\sqrt{t}$ is $\\kappa\\, e^{\\sum_v -\\alpha_v (x_v^2 + x_v'^2)/2 + \\beta_v x_v x_v'}$.",
    source=DERIVED,
    steps=(
        Step(
            "Minus t times the second derivative of the pair's moment in one point.",
            lambda: sp.factor(-t * sp.diff(_log_pair(), x_here, 2)),
        ),
    ),
)

coupling_of_direction = Equation(
    name="coupling_of_direction",
    left=coupling,
    right=s_v / (t + 2 * s_v),
    arguments=(t, s_v),
    meaning="How the same couple two points along v. It is $p(2)/t$, the variance of y at tilt 2.",
    source=DERIVED,
    steps=(
        Step(
            "t times the mixed derivative of the pair's moment.",
            lambda: sp.factor(t * sp.diff(_log_pair(), x_here, x_there)),
        ),
    ),
)

weight_moment = Equation(
    name="weight_moment",
    left=log_moment(lam),
    right=sp.Sum(d[b] * (lam * sp.log(1 + s[b] / t) - sp.log(1 + lam * s[b] / t)) / 2, (b, 1, B)),
    arguments=(lam, t, s, d),
    meaning="$\\ln (E v^\\lambda/(E v)^\\lambda)$ of a sample's Boltzmann factor at the mean of the data. At "
    "$\\lambda = 2$ it is the logarithm of N over the number of active samples, and $\\kappa = \\kappa_2/N$.",
    source=DERIVED,
    steps=(
        Step(
            "$K(\\lambda) - \\lambda K(1)$ at the origin.",
            lambda: _at_origin(generating_function_at(lam)) - lam * _at_origin(generating_function_at(1)),
        ),
    ),
)


def _at_origin(expression: sp.Expr) -> sp.Expr:
    return expression.xreplace({Q[b]: sp.S.Zero})


def _covariance(row: int, column: int, other_row: int, other_column: int, signs: bool = True) -> sp.Expr:
    """Covariance of two entries of the matrix of central differences, in units of -tS.

    Entry (k, i) is minus half the difference of the derivatives of psi along i at plus and minus the unit vector k;
    directions are 0 (called k) and 1 (called i).
    """
    here, there = sp.symbols("h_0:2"), sp.symbols("g_0:2")
    pulls, couplings = (pull_k, pull_i), (coupling_k, coupling_i)
    exponent = sum(-pulls[v] * (here[v] ** 2 + there[v] ** 2) / 2 + couplings[v] * here[v] * there[v] for v in range(2))
    mixed = sp.diff(kappa * sp.exp(exponent), here[column], there[other_column])
    total = sp.S.Zero
    for sign, other_sign in product((1, -1), repeat=2):
        place = {here[v]: sign * int(v == row) for v in range(2)} | {
            there[v]: other_sign * int(v == other_row) for v in range(2)
        }
        total += sign * other_sign * mixed.subs(place) / 4
    return total


row_variance = Equation(
    name="row_variance",
    left=entry_variance,
    right=kappa * coupling_i * sp.exp(-pull_k - coupling_k) * (sp.exp(2 * coupling_k) - 1) / 2,
    arguments=(kappa, pull_k, coupling_k, coupling_i),
    meaning="Variance over data sets of entry (k, i) of the matrix of central differences, $k \\neq i$: rows are "
    "probes at $\\pm\\sqrt{t}$ along k, columns components of the score.",
    source=DERIVED,
    steps=(
        Step(
            "$W_{ki} = -(\\partial_i \\psi(e_k) - \\partial_i \\psi(-e_k))/2$: differentiate the covariance in both "
            "points and add the four signs.",
            lambda: _covariance(0, 1, 0, 1),
        ),
    ),
)

transpose_covariance = Equation(
    name="transpose_covariance",
    left=transposed_covariance,
    right=kappa * coupling_k * coupling_i * sp.exp(-(pull_k + pull_i) / 2),
    arguments=(kappa, pull_k, pull_i, coupling_k, coupling_i),
    meaning="Covariance of the entries (k, i) and (i, k). The score is a gradient, so W is nearly symmetric: the "
    "correlation is the root of $\\beta_k/\\sinh\\beta_k$ times that of i, above 0.95 since $\\beta < 1/2$.",
    source=DERIVED,
    steps=(Step("The same derivatives at the points of two rows.", lambda: _covariance(0, 1, 1, 0)),),
)

diagonal_common_deviation = Equation(
    name="diagonal_common_deviation",
    left=common_deviation,
    right=sp.sqrt(kappa) * pull_k * sp.exp(-pull_k / 2),
    arguments=(kappa, pull_k),
    meaning="What all diagonal entries fluctuate by together: the covariance of entries (k, k) and (i, i) is "
    "$h_k h_i$. It moves all sorted values at once, by more than each fluctuates for itself where they are many.",
    source=DERIVED,
    steps=(
        Step(
            "The covariance of two diagonal entries is a product of one factor of each; take the factor.",
            lambda: sp.powdenest(
                sp.sqrt(sp.powsimp(sp.factor(_covariance(0, 0, 1, 1)).subs({pull_i: pull_k}))), force=True
            ),
        ),
    ),
)

_sinh = sp.exp(-coupling_k) * (sp.exp(2 * coupling_k) - 1) / 2
_cosh_less_one = sp.exp(-coupling_k) * (sp.exp(coupling_k) - 1) ** 2 / 2

diagonal_own_variance = Equation(
    name="diagonal_own_variance",
    left=own_variance,
    right=kappa
    * sp.exp(-pull_k)
    * ((1 - 2 * pull_k) * coupling_k * _sinh + coupling_k**2 * (1 + _cosh_less_one) + pull_k**2 * _cosh_less_one),
    arguments=(kappa, pull_k, coupling_k),
    meaning="What a diagonal entry's variance has beside $h_k^2$.",
    source=DERIVED,
    steps=(
        Step("The variance of entry (k, k).", lambda: _covariance(0, 0, 0, 0)),
        Step("Subtract the common part.", lambda: _covariance(0, 0, 0, 0) - diagonal_common_deviation.right**2),
    ),
)


def _jacobian_covariance(first: tuple[int, int], second: tuple[int, int]) -> sp.Expr:
    """Covariance of two second derivatives of psi at the mean of the data."""
    here, there = sp.symbols("h_0:2"), sp.symbols("g_0:2")
    pulls, couplings = (pull_k, pull_i), (coupling_k, coupling_i)
    exponent = sum(-pulls[v] * (here[v] ** 2 + there[v] ** 2) / 2 + couplings[v] * here[v] * there[v] for v in range(2))
    derivative = sp.diff(kappa * sp.exp(exponent), *(here[v] for v in first), *(there[v] for v in second))
    return sp.factor(derivative.subs(dict.fromkeys((*here, *there), 0)))


jacobian_entry_variance = Equation(
    name="jacobian_entry_variance",
    left=jacobian_covariance,
    right=kappa * coupling_k * coupling_i,
    arguments=(kappa, coupling_k, coupling_i),
    meaning="Variance of entry (k, i) of the exact Jacobian, $k \\neq i$, which is symmetric. The entries of any "
    "symmetric difference have it in common; what $e^{-\\alpha}$ adds to it is the finite step.",
    source=DERIVED,
    steps=(
        Step("$W = -\\partial\\partial\\psi$ at the mean of the data.", lambda: _jacobian_covariance((0, 1), (0, 1))),
    ),
)

jacobian_own_variance = Equation(
    name="jacobian_own_variance",
    left=jacobian_own,
    right=2 * kappa * coupling_k**2,
    arguments=(kappa, coupling_k),
    meaning="What a diagonal entry's variance has beside the common part, whose deviation is "
    "$\\sqrt\\kappa\\,\\alpha_k$.",
    source=DERIVED,
    steps=(
        Step("The covariance of two diagonal entries.", lambda: _jacobian_covariance((0, 0), (1, 1))),
        Step(
            "The variance of one, less the same with i for k.",
            lambda: _jacobian_covariance((0, 0), (0, 0)) - _jacobian_covariance((0, 0), (1, 1)).subs(pull_i, pull_k),
        ),
    ),
)

_row_field = kappa * sp.exp(-row_pull + row_coupling)

frame_row_rest = Equation(
    name="frame_row_rest",
    left=frame_rest,
    right=kappa * coupling_i * sp.exp(-row_pull) * (sp.exp(row_coupling) - 1 - row_coupling),
    arguments=(kappa, row_pull, row_coupling, coupling_i),
    meaning="Covariance of column i of two rows of a random orthonormal frame, at the points $z_k$ and $z_l$, less its "
    "first two orders in $\\bar\\beta = \\sum_v \\beta_v z_{kv} z_{lv}$; $\\bar\\alpha$ is the mean of "
    "$\\sum_v \\alpha_v z_v^2$ of both. Order 0 is the same in all rows, one outlying value; order 1 is the symmetric "
    "matrix that the Jacobian has; the rest is independent from row to row where there are many directions.",
    source=DERIVED,
    steps=(
        Step(
            "Where neither point has a coordinate along i, the derivatives bring $\\beta_i$ alone: subtract the "
            "Taylor polynomial.",
            lambda: coupling_i * (_row_field - sp.series(_row_field, row_coupling, 0, 2).removeO()),
        ),
    ),
)

mean_value_shift = Equation(
    name="mean_value_shift",
    left=value_shift,
    right=kappa * (coupling_k - pull_k) * sp.exp(coupling_k - pull_k),
    arguments=(kappa, pull_k, coupling_k),
    meaning="What the mean of a diagonal entry of the central differences has beside the population's value $t/(t+s)$, "
    "at order 1/N: the spread of n samples about their own mean is 1 - 1/n of what it is. At the mean of the data, for "
    "the Jacobian, it is $\\kappa (\\beta_k - \\alpha_k)$.",
    source=DERIVED,
    steps=(
        Step("$E \\ln(1 + \\zeta) = -E \\zeta^2/2$ to this order: half the variance of $\\psi$ at a point x along k."),
        Step(
            "Minus its derivative at x = 1, in units of $\\sqrt{t}$.",
            lambda: -sp.diff(-kappa * sp.exp((coupling_k - pull_k) * x_here**2) / 2, x_here).subs(x_here, 1),
        ),
    ),
)

skew_share_of_direction = Equation(
    name="skew_share_of_direction",
    left=skew_share,
    right=(t + 2 * s_v) / (t + 3 * s_v),
    arguments=(t, s_v),
    meaning="p(3)/p(2). The joint third cumulant of the entries (k, i), (i, j), (j, k) of W is a sum over samples "
    "of three weights, at tilt 3: minus $\\kappa_3\\, p_k(3)\\, p_i(3)\\, p_j(3)/(t^3 N^2)$, as that of a sample "
    "covariance of n samples with this share of every direction.",
    source=DERIVED,
    steps=(
        Step(
            "Divide the variances at tilts 3 and 2.",
            lambda: tilted_variance.right.subs(lam, 3) / tilted_variance.right.subs(lam, 2),
        ),
    ),
)

skew_log_samples = Equation(
    name="skew_log_samples",
    left=log_skew_samples,
    right=log_N + 3 * log_moment_2 - 2 * log_moment_3,
    arguments=(log_N, log_moment_2, log_moment_3),
    meaning="Number of equal samples whose covariance has the same skewness. Where it is large beside the "
    "number of directions squared W is as Gaussian.",
    source=DERIVED,
    steps=(
        Step(
            "A covariance of n equal samples has the skewness $n^{-1/2}$, of third cumulant $\\kappa_3/N^2$ over "
            "the variance $\\kappa_2/N$ to the power 3/2.",
            lambda: -2 * ((log_moment_3 - 2 * log_N) - sp.Rational(3, 2) * (log_moment_2 - log_N)),
        ),
    ),
)

participation_variance = Equation(
    name="participation_variance",
    left=participation_spread,
    right=(
        sp.exp(log_moment_4 - 2 * log_moment_2) - 4 * sp.exp(log_moment_3 - log_moment_2) + 4 * sp.exp(log_moment_2) - 1
    )
    * sp.exp(-log_N),
    arguments=(log_N, log_moment_2, log_moment_3, log_moment_4),
    meaning="Relative variance over data sets of $Y_2 = \\sum v^2/(\\sum v)^2$, and so of the squares of all entries "
    "of W together.",
    source=DERIVED,
    steps=(
        Step(
            "$\\ln Y_2$ fluctuates by the mean over samples of $v^2/E v^2 - 2 v/E v$, whose mean is -1.",
            lambda: (
                (
                    sp.exp(log_moment_4) / sp.exp(log_moment_2) ** 2
                    - 4 * sp.exp(log_moment_3) / sp.exp(log_moment_2)
                    + 4 * sp.exp(log_moment_2)
                    - 1
                )
                * sp.exp(-log_N)
            ),
        ),
    ),
)

_between = level_values[b] - gap_level - couplings[b] * drive
_QVE = "O. Ajanki, L. Erdos and T. Krueger, arXiv:1506.05095"

sum_over_bulks = Equation(
    name="sum_over_bulks",
    left=bulk_sum,
    right=sp.Sum(d[b] * couplings[b] / _between, (b, 1, B)),
    arguments=(gap_level, drive, d, level_values, couplings),
    meaning="The quadratic vector equation of a variance profile $\\kappa \\beta_k \\beta_i$ is one equation, "
    "$\\theta/\\kappa = \\mathcal{G}(E, \\theta)$. In $\\mathcal{G}$ every value stands at "
    "$\\rho_b - \\beta_b \\theta$. At E in a gap it has a real solution at which $\\mathcal{G}' < 1/\\kappa$.",
    source=_QVE,
    steps=(
        Step(
            "The resolvent $m_k(E)$ solves $1/m_k = \\rho_k - E - \\sum_i V_{ki} m_i$; with "
            "$V_{ki} = \\kappa \\beta_k \\beta_i$ and $\\theta = \\kappa \\sum_i \\beta_i m_i$",
            lambda: 1 / _between,
        ),
        Step(
            "Multiply by the coupling and add the directions.",
            lambda: sp.Sum(d[b] * couplings[b] * (1 / _between), (b, 1, B)),
        ),
    ),
)


def _slope(order: int) -> sp.Expr:
    return sp.Sum(sp.diff(d[b] * couplings[b] / _between, drive, order) / sp.factorial(order), (b, 1, B))


slope_of_bulks = Equation(
    name="slope_of_bulks",
    left=bulk_slope,
    right=sp.Sum(d[b] * (couplings[b] / _between) ** 2, (b, 1, B)),
    arguments=(gap_level, drive, d, level_values, couplings),
    meaning="Its slope in $\\theta$. The solution is stable, and the density zero, where it is below $1/\\kappa$.",
    source=_QVE,
    steps=(Step("Differentiate.", lambda: _slope(1)),),
)

curvature_of_bulks = Equation(
    name="curvature_of_bulks",
    left=bulk_curvature,
    right=sp.Sum(d[b] * (couplings[b] / _between) ** 3, (b, 1, B)),
    arguments=(gap_level, drive, d, level_values, couplings),
    meaning="Half its curvature, which rises in $\\theta$ from one bulk to the next: it has one root between them.",
    source=DERIVED,
    steps=(Step("Differentiate twice, and halve.", lambda: _slope(2)),),
)

gap_closing_balance = Equation(
    name="gap_closing_balance",
    left=gap_balance,
    right=bulk_sum - drive * bulk_slope,
    arguments=(drive, bulk_sum, bulk_slope),
    meaning="Zero where the edges of two bulks meet: the three real solutions are one there, at the root of the "
    "curvature, with $\\mathcal{G}' = 1/\\kappa$.",
    source=DERIVED,
    steps=(
        Step(
            "Insert $1/\\kappa = \\mathcal{G}'$ into the equation $\\mathcal{G} = \\theta/\\kappa$.",
            lambda: (bulk_sum - drive / kappa).subs(kappa, 1 / bulk_slope),
        ),
    ),
)

gap_participation = Equation(
    name="gap_participation",
    left=kappa,
    right=1 / bulk_slope,
    arguments=(bulk_slope,),
    meaning="Participation above which there is no gap between two blocks: that of N samples, exact or not, passes it "
    "where the gap closes.",
    source=DERIVED,
    steps=(
        Step(
            "The edges meet where $\\mathcal{G}' = 1/\\kappa$.",
            lambda: sp.solve(sp.Eq(bulk_slope, 1 / kappa), kappa)[0],
        ),
    ),
)

gap_log_size = Equation(
    name="gap_log_size",
    left=log_N_gap,
    right=log_moment_2 + sp.log(bulk_slope),
    arguments=(log_moment_2, bulk_slope),
    meaning="Size above which there is a gap between two blocks, for profiles of the leading order and many "
    "directions: it is explicit, since $\\kappa = \\kappa_2/N$ is all that depends on N.",
    source=DERIVED,
    steps=(
        Step(
            "Solve $\\kappa\\, \\mathcal{G}' = 1$ for $\\ln N$.",
            lambda: sp.solve(sp.Eq(sp.exp(log_moment_2 - log_N) * bulk_slope, 1), log_N)[0],
        ),
    ),
)

CHAPTER = Chapter(
    name="spectrum_law",
    title="The law of the sorted singular values",
    introduction="The empirical score is a gradient, and its potential ln Z a Gaussian field over data sets to "
    "leading order. Its derivatives are the entries of the matrices whose singular values are measured.",
    equations=(
        pair_moment,
        pull_of_direction,
        coupling_of_direction,
        weight_moment,
        row_variance,
        transpose_covariance,
        diagonal_common_deviation,
        diagonal_own_variance,
        jacobian_entry_variance,
        jacobian_own_variance,
        frame_row_rest,
        mean_value_shift,
        skew_share_of_direction,
        skew_log_samples,
        participation_variance,
        sum_over_bulks,
        slope_of_bulks,
        curvature_of_bulks,
        gap_closing_balance,
        gap_participation,
        gap_log_size,
    ),
)
