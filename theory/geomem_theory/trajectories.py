r"""Typical trajectories of the reverse process: when they collapse onto samples, and what comes before and after.

Every time is where an explicit size, falling in t, equals the data set's. With
$L = \frac{1}{2}\sum_b d_b \ln(1 + s_b/t)$, $A = \frac{1}{2}\sum_b d_b s_b/(t + s_b)$ and
$B = \frac{1}{2}\sum_b d_b s_b t/(t + s_b)^2$ the sizes are $L + A$ (onset), $L$ (collapse) and $L - B$ (held-out
condensation). As $A, B > 0$, at every size $t_D < t_C < t_O$; the generalization time is below $t_D$.
"""

import sympy as sp

from geomem_theory.condensation import critical_log_size
from geomem_theory.derivation import DERIVED, Chapter, Equation, Step, merge_sums
from geomem_theory.partition import generating_function, generating_function_slope, tidy
from geomem_theory.score import population_score
from geomem_theory.symbols import (
    B,
    N,
    Q,
    Z,
    b,
    basin,
    collapse_bound,
    d,
    dims,
    dominance,
    flow_ratio,
    half_signal,
    lam,
    log_a,
    log_empirical_density,
    log_N,
    log_N_basin,
    log_N_captured,
    log_N_collapse,
    log_N_held_out,
    log_N_onset,
    log_own_weight,
    log_Z,
    r,
    s,
    s_v,
    t,
    t_later,
    t_ratio,
    u,
    x_v,
)
from geomem_theory.symbols import excess_entropy as excess

_DR = "arXiv:2402.18491"
_MH = "arXiv:2502.09578"


def _at_length(equation: Equation, length: sp.Expr) -> sp.Expr:
    """The right side at tilt 1 and a probe of this squared length in block b."""
    return equation.right.subs(lam, 1).xreplace({Q[b]: length})


def _summand(expression: sp.Expr) -> sp.Expr:
    return merge_sums(expression)[0]


collapse_log_size = Equation(
    name="collapse_log_size",
    left=log_N_collapse,
    right=sp.Sum(d[b] * sp.log((s[b] + t) / t) / 2, (b, 1, B)),
    arguments=(t, s, d),
    meaning="Size at which the empirical score condenses at noised training points: L, the mutual information of y and "
    "x_t in nats. Collapse is where it falls to $\\ln N$.",
    source=_DR + " and " + _MH,
    steps=(
        Step(
            "The critical size at the lengths of a noised point, $Q_b = d_b(s_b + t)$.",
            lambda: tidy(_at_length(critical_log_size, d[b] * (s[b] + t))),
        ),
    ),
)

onset_half_signal = Equation(
    name="onset_half_signal",
    left=half_signal,
    right=sp.Sum(d[b] * s[b] / (2 * (s[b] + t)), (b, 1, B)),
    arguments=(t, s, d),
    meaning="A: by how much more than at a noised training point the sample's own weight leads at the training point.",
    source=DERIVED,
    steps=(
        Step(
            "Minus the part of K(1) that the length $Q_b = d_b s_b$ of a training point brings.",
            lambda: _at_length(generating_function, sp.S.Zero) - _at_length(generating_function, d[b] * s[b]),
        ),
    ),
)

onset_log_size = Equation(
    name="onset_log_size",
    left=log_N_onset,
    right=sp.Sum(d[b] * (sp.log((s[b] + t) / t) + s[b] / (s[b] + t)) / 2, (b, 1, B)),
    arguments=(t, s, d),
    meaning="Size at which, at a training point, its own weight is that of all others, L + A. Onset of attraction is "
    "where it falls to $\\ln N$.",
    source=DERIVED,
    steps=(
        Step("Its own weight is 1; the others' sum is $N e^{K(1)}$ at $Q_b = d_b s_b$, as long as they are liquid."),
        Step("Equate and solve for $\\ln N$.", lambda: -_at_length(generating_function, d[b] * s[b])),
    ),
)

held_out_log_size = Equation(
    name="held_out_log_size",
    left=log_N_held_out,
    right=sp.Sum(d[b] * (sp.log((s[b] + t) / t) - s[b] * t / (s[b] + t) ** 2) / 2, (b, 1, B)),
    arguments=(t, s, d),
    meaning="Size at which the measure condenses at fresh points of the data's law, L - B.",
    source=DERIVED,
    steps=(
        Step(
            "The critical size at $Q_b = d_b s_b$, no sample being planted there.",
            lambda: tidy(_at_length(critical_log_size, d[b] * s[b])),
        ),
    ),
)

generalization_ratio = Equation(
    name="generalization_ratio",
    left=t_ratio,
    right=sp.Sum(d[b] * s[b] * (s[b] + 2 * t) / (s[b] + t) ** 2, (b, 1, B)) / sp.Sum(d[b], (b, 1, B)),
    arguments=(t, s, d),
    meaning="Generalization time over the held-out condensation time t, for many directions: the noise variance at "
    "which the noised training set is closest to the data's law in Kullback-Leibler divergence.",
    source=DERIVED,
    steps=(
        Step(
            "In the condensed phase $\\ln p^{emp} = -E_{\\min}/t - (d/2) \\ln t$ up to constants; its mean over fresh "
            "points is largest at $t = 2 E_{\\min}/d$, the mean squared distance to the nearest sample per dimension."
        ),
        Step(
            "The least energy is that of tilt 1 where the measure condenses, $-t K'(1)$ at $Q_b = d_b s_b$; twice that "
            "over t, from one block.",
            lambda: sp.factor(-2 * _summand(_at_length(generating_function_slope, d[b] * s[b]))),
        ),
        Step(
            "Over the number of directions.",
            lambda: (
                sp.Sum(sp.factor(-2 * _summand(_at_length(generating_function_slope, d[b] * s[b]))), (b, 1, B))
                / sp.Sum(d[b], (b, 1, B))
            ),
        ),
    ),
)

dominance_radius = Equation(
    name="dominance_radius",
    left=dominance,
    right=(log_N_onset - log_N) / half_signal,
    arguments=(log_N, log_N_onset, half_signal),
    meaning="At $y^1 + \\sqrt{r t}\\,\\omega$ the weight of $y^1$ beats the rest for r below this. It is 1 at collapse "
    "and 0 at onset.",
    source=DERIVED,
    steps=(
        Step(
            "There $Q_b = d_b(s_b + r t)$ and its own weight is $e^{-r d/2}$: what r adds to the balance, one block's.",
            lambda: sp.factor(
                _summand(_at_length(generating_function, d[b] * (s[b] + r * t))).expand().coeff(r, 1) + d[b] / 2
            ),
        ),
        Step(
            "That is the summand of A; the balance is linear in r.",
            lambda: sp.solve(log_N - log_N_onset + r * half_signal, r)[0],
        ),
    ),
)

_growth = -population_score.right / (2 * x_v)

population_flow = Equation(
    name="population_flow",
    left=flow_ratio,
    right=sp.sqrt((s_v + t_later) / (s_v + t)),
    meaning="What the probability flow of the data's law makes of a coordinate on its way from t down to t'.",
    source=DERIVED,
    steps=(
        Step("Variance exploding, the flow is $dx/dt$ = minus half the score. It grows at the rate", lambda: _growth),
        Step(
            "Integrate the rate from t to t'.",
            lambda: sp.sqrt(sp.exp(sp.logcombine(sp.integrate(2 * _growth.subs(t, u), (u, t, t_later)), force=True))),
        ),
    ),
)

_stretch = population_flow.right.subs(s_v, s[b])


def _others(length: sp.Expr) -> sp.Expr:
    """Logarithm of a sample's mean weight at t', at a probe of this squared length in block b."""
    return generating_function.right.subs({lam: 1, t: t_later}).xreplace({Q[b]: length})


captured_log_size = Equation(
    name="captured_log_size",
    left=log_N_captured,
    right=sp.Sum(
        d[b] * (sp.log((s[b] + t_later) / t_later) + s[b] / (s[b] + t) - s[b] * (1 - _stretch) ** 2 / t_later) / 2,
        (b, 1, B),
    ),
    arguments=(t, t_later, s, d),
    meaning="Size at which a training point's weight, where the population's flow from it at t has come by t', is "
    "that of all others. At t' = t it is that of onset.",
    source=DERIVED,
    steps=(
        Step(
            "As long as the others outweigh it and are liquid the empirical flow is the population's. Block b of the "
            "point has become $x_v(t')/x_v(t)$ times itself, and is at the squared distance",
            lambda: d[b] * s[b] * (1 - _stretch) ** 2,
        ),
        Step(
            "Equate its weight and the others' sum, $N e^{K(1)}$ at t', and solve for $\\ln N$.",
            lambda: (
                -_others(_stretch**2 * d[b] * s[b])
                - sp.Sum(d[b] * s[b] * (1 - _stretch) ** 2 / (2 * t_later), (b, 1, B))
            ),
        ),
    ),
)

_captured = _summand(captured_log_size.right)

flow_basin_log_size = Equation(
    name="flow_basin_log_size",
    left=log_N_basin,
    right=sp.Sum(d[b] * (sp.log((s[b] + t_later) / t_later) - s[b] * (1 - _stretch) / (s[b] + t_later)) / 2, (b, 1, B)),
    arguments=(t, t_later, s, d),
    meaning="Where it equals $\\ln N$, at t' below t, the training point is beaten or dominates at the edge of its "
    "basin. It falls in t' and is that of collapse at t' = t: there is one such t' for every t above collapse.",
    source=DERIVED,
    steps=(
        Step(
            "The radius within which the point dominates at t' is $t' (\\ln N_F - \\ln N)$ times what does not depend "
            "on t'. It is largest where its slope vanishes."
        ),
        Step(
            "Solve for $\\ln N$.",
            lambda: sp.Sum(_captured + sp.simplify(t_later * sp.diff(_captured, t_later)), (b, 1, B)),
        ),
    ),
)

flow_basin_radius = Equation(
    name="flow_basin_radius",
    left=basin,
    right=t_later / t * (log_N_captured - log_N) / half_signal,
    arguments=(t, t_later, log_N, log_N_captured, half_signal),
    meaning="From $y^1 + \\sqrt{r t}\\,\\omega$ at t the probability flow ends at $y^1$ for r below this, for many "
    "directions: the population's flow brings such points to where $y^1$ dominates, at the best t' for it. "
    "It is 1 at collapse, as the dominance radius is, and larger above.",
    source=DERIVED,
    steps=(
        Step(
            "What r adds to the balance at t', one block's.",
            lambda: sp.factor(
                _summand(_others(_stretch**2 * d[b] * (s[b] + r * t))).expand().coeff(r, 1)
                + _stretch**2 * d[b] * t / (2 * t_later)
            ),
        ),
        Step(
            "That is the summand of A times t/t'; the balance is linear in r.",
            lambda: sp.solve(log_N - log_N_captured + r * half_signal * t / t_later, r)[0],
        ),
    ),
)

empirical_log_density = Equation(
    name="empirical_log_density",
    left=log_empirical_density,
    right=log_Z - log_N - dims * sp.log(2 * sp.pi * t) / 2,
    arguments=(log_Z, log_N, dims, t),
    meaning="Log-density of the noised training set. Its mean over fresh points is largest at the generalization time.",
    source=DERIVED,
    steps=(
        Step(
            "A mixture of N Gaussians of variance t around the samples; $Z$ is the sum of their exponentials.",
            lambda: sp.expand_log(sp.log(Z / N / (2 * sp.pi * t) ** (dims / 2)), force=True).subs(
                {sp.log(Z): log_Z, sp.log(N): log_N}
            ),
        ),
    ),
)

excess_entropy = Equation(
    name="excess_entropy",
    left=excess,
    right=-log_own_weight / dims,
    arguments=(log_own_weight, dims),
    meaning="Excess entropy per dimension: how much the entropy of the noised training set exceeds that of N separate "
    "Gaussians. It is the mean over noised training points of this, so it is positive at every finite N, also the "
    "mean entropy of the Gibbs weights.",
    source=_DR + ", as a control variate " + DERIVED,
    steps=(
        Step(
            "The published form, $\\ln N/d + \\ln p^{emp}/d + 1/2 + \\ln(2\\pi t)/2$.",
            lambda: sp.expand(
                (log_N + empirical_log_density.right) / dims + sp.Rational(1, 2) + sp.log(2 * sp.pi * t) / 2
            ),
        ),
        Step(
            "For the 1/2, the mean of $|\\omega|^2/2d$, put $|\\omega|^2/2d$ itself: the mean is the same, "
            "the noise of ln Z gone. The own sample's Boltzmann weight is $w_1 = e^{-|\\omega|^2/2}$.",
            lambda: sp.expand((log_Z - log_a) / dims).subs(log_Z, log_a - log_own_weight).expand(),
        ),
    ),
)

asymptotic_excess_entropy = Equation(
    name="asymptotic_excess_entropy",
    left=excess,
    right=(log_N - log_N_collapse) / dims,
    arguments=(log_N, log_N_collapse, dims),
    meaning="Excess entropy before collapse, for many dimensions; after it, where this is negative, it is zero.",
    source=_DR,
    steps=(
        Step(
            "Before collapse the own weight is one among the liquid: it leads with L, the sum with $\\ln N$.",
            lambda: (log_N - log_N_collapse) / dims,
        ),
    ),
)

collapse_probability_bound = Equation(
    name="collapse_probability_bound",
    left=collapse_bound,
    right=sp.exp(-dims * excess),
    arguments=(excess, dims),
    meaning="The least probability that two trajectories of the exact empirical reverse process, cloned at a noised "
    "training point, end at the same sample, by the excess entropy.",
    source=DERIVED,
    steps=(
        Step("They end at a sample with the probability of its Gibbs weight, so at the same one with $Y_2$."),
        Step(
            "The own sample is a draw from the Gibbs weights, so f d is their mean entropy. The entropy is at least "
            "$-\\ln Y_2$, equal for n equal weights.",
            lambda: sp.simplify(
                (-N * (1 / N) * sp.log(1 / N)) - (-sp.log(N * (1 / N) ** 2))  # it vanishes
            ),
        ),
        Step("The exponential is convex, so the mean of $Y_2$ is at least", lambda: sp.exp(-(dims * excess))),
    ),
)

CHAPTER = Chapter(
    name="trajectories",
    title="Typical trajectories",
    introduction="When a sampler's trajectory commits to one training sample, when training points begin to attract, "
    "and at which noise the training set is closest to the law behind it.",
    equations=(
        collapse_log_size,
        onset_half_signal,
        onset_log_size,
        held_out_log_size,
        generalization_ratio,
        dominance_radius,
        population_flow,
        captured_log_size,
        flow_basin_log_size,
        flow_basin_radius,
        empirical_log_density,
        excess_entropy,
        asymptotic_excess_entropy,
        collapse_probability_bound,
    ),
)
