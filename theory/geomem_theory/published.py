r"""The spectrum of the published theory, kept as it was published, to reproduce its figure.

It adds a memorized part to the population's eigenvalues of -J. What it adds does not have their
units, so it is a picture of the order of losses and no prediction. One whose
units balance is `noisy_eigenvalue` of the chapter `empirical`.
"""

import sympy as sp

from geomem_theory.condensation import condensed_participation, gaussian_critical_tilt
from geomem_theory.derivation import Chapter, Equation, Step
from geomem_theory.partition import tilted_variance
from geomem_theory.score import population_eigenvalue
from geomem_theory.symbols import B, b, condensed_excess, d, lam, lam_c, published_value, s, s_v, t, t_c

_LD = "arXiv:2410.08727"

published_excess = Equation(
    name="published_excess",
    left=condensed_excess,
    right=1 / t - 1 / t_c,
    arguments=(t, t_c),
    meaning="Participation over t of the two-cumulant theory at a fixed probe, condensed for $t < t_c$; there is none "
    "above.",
    source=_LD,
    steps=(
        Step(
            "Insert the critical tilt $t/t_c$ into $Y_2 = 1 - \\lambda_c$, and divide by t.",
            lambda: sp.expand(condensed_participation.right.subs(lam_c, gaussian_critical_tilt.right) / t),
        ),
    ),
)

published_singular_value = Equation(
    name="published_singular_value",
    left=published_value,
    right=t
    * sp.sqrt(1 / (t + s_v) ** 2 + (condensed_excess * sp.Sum(d[b] * s[b] / (t**2 * (t + s[b])), (b, 1, B))) ** 2),
    arguments=(t, s_v, condensed_excess, s, d),
    meaning="The published value of -tJ along v, in the presence of memorization: the population's, and beside it in "
    "quadrature the excess times the sum of the posterior variances over $t^3$. The units of the two do not agree.",
    source=_LD + ", its public notebook",
    steps=(
        Step("The population's eigenvalue of -J.", lambda: population_eigenvalue.right / t),
        Step(
            "One direction's posterior variance of y given x, over $t^3$.",
            lambda: sp.factor(tilted_variance.right.subs(lam, 1) / t**3),
        ),
        Step(
            "Sum it over all directions, add the squares, and multiply by t.",
            lambda: (
                t
                * sp.sqrt(
                    (population_eigenvalue.right / t) ** 2
                    + (condensed_excess * sp.Sum(d[b] * _variance_over_cube(), (b, 1, B))) ** 2
                )
            ),
        ),
    ),
)


def _variance_over_cube() -> sp.Expr:
    return sp.factor(tilted_variance.right.subs({lam: 1, s_v: s[b]}) / t**3)


CHAPTER = Chapter(
    name="published",
    title="The published spectrum",
    introduction="The formula behind the three-panel figure of arXiv:2410.08727, for reproducing that figure only.",
    equations=(published_excess, published_singular_value),
)
