r"""Mixtures of Gaussians that share one covariance: the generating function, speciation, and what classes add.

Seen from a class of reference, whose generating function is $K_*$, class i has the excess $h_i = K_i - K_*$ at the
same probe, and that of the mixture is $K = K_* + \ln \sum_i \pi_i e^{h_i}$. At a random probe of the class of
reference the $h_i$ are jointly Gaussian, so what classes add to a size is one average over few variables.
"""

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step, merge_sums
from geomem_theory.partition import generating_function
from geomem_theory.symbols import (
    B,
    C,
    K,
    Q,
    b,
    class_excess,
    class_excess_2,
    class_log_size,
    class_mean,
    class_mean_2,
    class_offset,
    class_variance_2,
    class_weight,
    d,
    displaced_excess,
    dominance,
    excess_covariance,
    excess_function,
    excess_mean,
    half_signal,
    i,
    lam,
    largest_eigenvalue,
    log_N,
    log_N_dominance,
    log_N_onset,
    mixture_excess,
    mixture_log_size,
    mixture_log_size_kept,
    mixture_mean,
    overlap,
    projection,
    reference_K,
    reference_K_2,
    reference_weight,
    s,
    s_v,
    same_class,
    separation,
    t,
    t_speciation,
    tau,
    x_v,
    x_variance,
)
from geomem_theory.trajectories import onset_half_signal, onset_log_size

_DR = "arXiv:2402.18491"


def _over_classes(summand: sp.Expr) -> sp.Sum:
    return sp.Sum(summand, (i, 1, C))


_weight = class_weight[i] * sp.exp(class_excess[i])
_weight_2 = class_weight[i] * sp.exp(class_excess_2[i])

mixture_generating_function = Equation(
    name="mixture_generating_function",
    left=mixture_excess,
    right=sp.log(_over_classes(_weight)),
    arguments=(class_weight, class_excess),
    meaning="Generating function of a mixture less that of the class of reference. A sample belongs to class i with "
    "probability $\\pi_i$, so averages of Boltzmann weights add.",
    source=DERIVED,
    steps=(
        Step(
            "$E\\,e^{-\\lambda E/t}$ is the sum of $\\pi_i e^{K_i}$; divide by $e^{K_*}$ and take the logarithm.",
            lambda: sp.log(
                _over_classes(
                    class_weight[i] * sp.powsimp(sp.exp(class_excess[i] + reference_K) * sp.exp(-reference_K))
                )
            ),
        ),
    ),
)


def _mixed_log_size() -> sp.Expr:
    """lambda K' - K for two classes whose excesses and sizes are known, as functions of the tilt."""
    first, second = excess_function(lam, 1), excess_function(lam, 2)
    reference = K(lam)
    mixed = reference + sp.log(class_weight[1] * sp.exp(first) + class_weight[2] * sp.exp(second))
    size = lam * sp.diff(mixed, lam) - mixed
    # The size of class i alone is lambda (K_*' + h_i') - K_* - h_i, which gives its slope.
    slopes = {
        sp.diff(one, lam): (class_log_size[place] + reference + one) / lam - sp.diff(reference, lam)
        for place, one in ((1, first), (2, second))
    }
    values = {first: class_excess[1], second: class_excess[2]}
    return sp.simplify(size.subs(slopes).subs(values))


mixture_critical_log_size = Equation(
    name="mixture_critical_log_size",
    left=mixture_log_size,
    right=_over_classes(_weight * (class_log_size[i] + class_excess[i])) / _over_classes(_weight)
    - sp.log(_over_classes(_weight)),
    arguments=(class_weight, class_log_size, class_excess),
    meaning="Size at which the critical tilt of a mixture is $\\lambda$, from those of its classes.",
    source=DERIVED,
    steps=(
        Step(
            "$\\lambda K' - K$ for two classes, $h_i'$ eliminated by the sizes $\\ell_i$ of the classes alone, less "
            "the right side: it vanishes.",
            lambda: sp.simplify(_mixed_log_size() - mixture_critical_log_size.right.subs(C, 2).doit()),
        ),
        Step("The same for more classes, term by term."),
    ),
)

mixture_posterior_mean = Equation(
    name="mixture_posterior_mean",
    left=mixture_mean,
    right=_over_classes(_weight * class_mean[i]) / _over_classes(_weight),
    arguments=(class_weight, class_excess, class_mean),
    meaning="Posterior mean of y along v: that of every class, by the classes' posterior probabilities.",
    source=DERIVED,
    steps=(Step("The posterior probability of class i is $\\pi_i e^{h_i}$ over the sum of these."),),
)

_spread_2 = (class_mean_2[i] - mixture_mean) ** 2 + class_variance_2[i]
_noise = _over_classes(_weight_2 * _spread_2) / _over_classes(_weight_2)

mixture_signal_to_noise_log_size = Equation(
    name="mixture_signal_to_noise_log_size",
    left=mixture_log_size_kept,
    right=reference_K_2
    - 2 * reference_K
    + sp.log(_over_classes(_weight_2))
    - 2 * sp.log(_over_classes(_weight))
    + sp.log(_noise / (mixture_mean - x_v) ** 2),
    arguments=(
        class_weight,
        class_excess,
        class_excess_2,
        class_mean_2,
        class_variance_2,
        mixture_mean,
        x_v,
        reference_K,
        reference_K_2,
    ),
    meaning="Data-set size above which direction v of a mixture generalizes, to leading order at large N: where the "
    "squared mean of the empirical score exceeds its variance.",
    source=DERIVED,
    steps=(
        Step("As for one Gaussian: the score's mean is $(\\bar{m} - x_v)/t$, its variance that of a ratio of sums."),
        Step(
            "At tilt 2, class i has the weight $\\pi_i e^{h^{(2)}_i}$, and y the mean $m^{(2)}_i$ and the variance "
            "$p^{(2)}_i$ in it."
        ),
    ),
)


def _excess(cross: sp.IndexedBase) -> sp.Expr:
    """h of a class whose center is Delta off the reference's, at a probe whose product with Delta is `cross`."""
    summand, _ = merge_sums(generating_function.right)
    return sp.factor(sp.simplify(summand.subs(Q[b], Q[b] - 2 * cross[b] + separation[b]) - summand))


class_excess_mean = Equation(
    name="class_excess_mean",
    left=excess_mean,
    right=sp.Sum(-lam * separation[b] / (2 * (t + lam * s[b])), (b, 1, B)),
    arguments=(lam, t, s, separation),
    meaning="Mean of $h_i$ over random probes about the center of the class of reference.",
    source=DERIVED,
    steps=(
        Step(
            "From class i the probe has the squared lengths $Q_b - 2P_b + \\Delta^2_b$: one block's excess.",
            lambda: _excess(projection),
        ),
        Step("P has mean zero.", lambda: sp.Sum(_excess(projection).subs(projection[b], 0), (b, 1, B))),
    ),
)

class_excess_covariance = Equation(
    name="class_excess_covariance",
    left=excess_covariance,
    right=sp.Sum(lam**2 * x_variance[b] * overlap[b] / (t + lam * s[b]) ** 2, (b, 1, B)),
    arguments=(lam, t, s, overlap, x_variance),
    meaning="Covariance of $h_i$ and $h_j$ over random probes of variance $v_b$ per direction: $s_b$ at fresh and at "
    "training points, $s_b + t$ at noised ones.",
    source=DERIVED,
    steps=(
        Step("What P adds to the excess, per unit.", lambda: sp.diff(_excess(projection), projection[b])),
        Step(
            "P is Gaussian; the products of two classes have the covariance $v_b \\Gamma_b$.",
            lambda: sp.Sum(
                sp.diff(_excess(projection), projection[b]) ** 2 * x_variance[b] * overlap[b],
                (b, 1, B),
            ),
        ),
    ),
)


def _displaced_summand() -> sp.Expr:
    """One block of minus K_* and the own weight's exponent, at a training point displaced by r_y t per direction."""
    summand = merge_sums(generating_function.right.subs(lam, 1))[0]
    return sp.simplify(-summand.subs(Q[b], d[b] * (s[b] + dominance * t)) - dominance * d[b] / 2)


mixture_dominance_log_size = Equation(
    name="mixture_dominance_log_size",
    left=log_N_dominance,
    right=log_N_onset - dominance * half_signal - displaced_excess,
    arguments=(dominance, log_N_onset, half_signal, displaced_excess),
    meaning="Size at which, at $y^1 + \\sqrt{r_y t}\\,\\omega$, the weight of $y^1$ is that of all others of a "
    "mixture: $r_y$ is its dominance radius. $\\ln N_O$ and A are those of one class. The size falls in $r_y$: there "
    "is one.",
    source=DERIVED,
    steps=(
        Step(
            "Seen from the point's own class $Q_b = d_b(s_b + r_y t)$, and its own weight is $e^{-r_y d/2}$: "
            "what one block of that class brings to the size.",
            _displaced_summand,
        ),
        Step(
            "That is the summand of $\\ln N_O - r_y A$: the difference of the two vanishes.",
            lambda: sp.simplify(
                _displaced_summand()
                - merge_sums(onset_log_size.right)[0]
                + dominance * merge_sums(onset_half_signal.right)[0]
            ),
        ),
        Step(
            "H is the logarithm of a sum of exponentials of the $h_i$, which are linear in the probe: it is convex, "
            "and its mean grows with the probe's variance $v_b = s_b + r_y t$. $A > 0$: the size falls in $r_y$."
        ),
        Step(
            "The others' sum is $N e^{K_* + H}$. Equate and solve.",
            lambda: sp.solve(log_N + displaced_excess - log_N_onset + dominance * half_signal, log_N)[0],
        ),
    ),
)

own_class_posterior = Equation(
    name="own_class_posterior",
    left=same_class,
    right=reference_weight / _over_classes(_weight),
    arguments=(reference_weight, class_weight, class_excess),
    meaning="Posterior probability of the class of reference at a probe. Its mean over noised points of the class is "
    "the probability that a trajectory cloned there ends in that class again, the reverse process drawing the class "
    "from the posterior.",
    source=_DR + ", equation (13), for two classes",
    steps=(
        Step("The class of reference has $h = 0$."),
        Step(
            "For two classes of equal weight, centers $\\pm m$ and variance c of the noised points this is "
            "$G(y, m, c)/(G(y, m, c) + G(y, -m, c))$; by symmetry its mean under $G(y, m, c)$ is the published "
            "integral $\\frac{1}{2}\\int (G_+^2 + G_-^2)/(G_+ + G_-)$."
        ),
    ),
)

_spread = _over_classes(class_weight[i] * class_offset[i] ** 2)
_speciation_clock = sp.log(largest_eigenvalue / s_v) / 2
_speciation_excess = sp.simplify((s_v * (sp.exp(2 * tau) - 1)).subs(tau, _speciation_clock))

speciation_time = Equation(
    name="speciation_time",
    left=t_speciation,
    right=_spread,
    arguments=(class_weight, class_offset),
    meaning="Noise variance at which trajectories choose a class: the variance between classes along the direction v "
    "in which their centers spread most, whatever the variance within them.",
    source=_DR + ", for data of unit variance within classes",
    steps=(
        Step(
            "On the Ornstein-Uhlenbeck clock, of data in units of the variance $s_v$ within classes, "
            "$e^{-2\\tau} \\Lambda/s_v = 1$.",
            lambda: _speciation_clock,
        ),
        Step("There $t = s_v (e^{2\\tau} - 1)$.", lambda: _speciation_excess),
        Step(
            "The variance of the data along v is that within classes and that between them.",
            lambda: _speciation_excess.subs(largest_eigenvalue, s_v + _spread),
        ),
    ),
)

CHAPTER = Chapter(
    name="mixture",
    title="Mixtures of Gaussians",
    introduction="Data in classes: the generating function is a logarithm of a sum over classes. Classes add their "
    "information to the sizes of the trajectory times, and trajectories choose one of them at speciation.",
    equations=(
        mixture_generating_function,
        mixture_critical_log_size,
        mixture_posterior_mean,
        mixture_signal_to_noise_log_size,
        class_excess_mean,
        class_excess_covariance,
        mixture_dominance_log_size,
        own_class_posterior,
        speciation_time,
    ),
)
