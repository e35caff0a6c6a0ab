r"""Any point, any direction, any law: Gaussians of their own covariances, and pools of samples.

A Gaussian of mean $\mu$ and covariance C, seen from any point x along any unit vector v. In the eigenbasis of C, whose
eigenvalues $s_b$ have eigenspaces that are called blocks, $Q_b$ is the squared length of $x - \mu$ inside block b,
$\chi_b$ its inner product with v there, and $\nu_b$ the squared length of v. Averages over a mixture add over the class
that a sample came from. A law that is known by M samples alone is a mixture of M point masses: its averages are
those over the pool.
"""

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step
from geomem_theory.partition import tilted_mean, tilted_variance
from geomem_theory.symbols import (
    b,
    balance_w_1,
    energy,
    k,
    lam,
    log_a,
    mean_w_1,
    omega_squared,
    remaining_spread,
    response,
    response_slope,
    s,
    s_v,
    sample_weight,
    t,
    weight_complement,
    weight_function,
    x_v,
    xi,
)

tilted_response = Equation(
    name="tilted_response",
    left=response[b],
    right=lam * s[b] / (t + lam * s[b]),
    arguments=(lam, t, s),
    meaning="The tilted mean of y along v is $v\\cdot\\mu + \\sum_b \\chi_b \\dot{m}_b$, with this response of every "
    "block.",
    source=DERIVED,
    steps=(
        Step(
            "In the eigenbasis directions are independent: the tilted mean of a coordinate is that of one direction, "
            "at the probe's displacement along it.",
            lambda: tilted_mean.right.subs(s_v, s[b]),
        ),
        Step(
            "It is linear in the displacement. Weighted by the coordinates of v and summed over a block, the "
            "displacements become $\\chi_b$.",
            lambda: sp.diff(tilted_mean.right, x_v).subs(s_v, s[b]),
        ),
    ),
)

tilted_response_slope = Equation(
    name="tilted_response_slope",
    left=response_slope[b],
    right=s[b] * t / ((t + lam * s[b]) * (t + s[b])),
    arguments=(lam, t, s),
    meaning="What the response is above that at $\\lambda = 1$, over $\\lambda - 1$; with it the tilted mean less the "
    "posterior mean has no cancellation, as with `mean_slope` for one direction.",
    source=DERIVED,
    steps=(
        Step(
            "Divide the difference by $\\lambda - 1$.",
            lambda: sp.factor((tilted_response.right - tilted_response.right.subs(lam, 1)) / (lam - 1)),
        ),
    ),
)

tilted_spread = Equation(
    name="tilted_spread",
    left=remaining_spread[b],
    right=s[b] * t / (t + lam * s[b]),
    arguments=(lam, t, s),
    meaning="The tilted variance of y along v is $\\sum_b \\nu_b \\dot{p}_b$.",
    source=DERIVED,
    steps=(
        Step(
            "Coordinates are independent under the tilted law too: their variances add, weighted by the squared "
            "coordinates of v.",
            lambda: tilted_variance.right.subs(s_v, s[b]),
        ),
    ),
)

pool_weight = Equation(
    name="pool_weight",
    left=sample_weight,
    right=sp.exp(xi - energy),
    arguments=(xi, energy),
    meaning="u times the Boltzmann weight of one sample of a pool.",
    source=DERIVED,
    steps=(Step("$u = e^\\xi$, and the weight is $e^{-E/t}$.", lambda: sp.exp(xi) * sp.exp(-energy)),),
)

pool_average = Equation(
    name="pool_average",
    left=weight_function,
    right=sample_weight**k * sp.exp(-sample_weight),
    arguments=(sample_weight, k),
    meaning="What is averaged over a pool in place of $E\\,(uv)^k e^{-uv}$; beside a function of the sample, in place "
    "of $E\\,g\\,(uv)^k e^{-uv}$. For data sets drawn from the pool with replacement it is exact.",
    source=DERIVED,
    steps=(
        Step(
            "The law is a mixture of point masses, of weight 1/M each: a Gaussian of zero covariance has the "
            "generating function $-\\lambda E/t$, so that $E\\,(uv)^k e^{-uv}$ is a mean over the pool.",
        ),
    ),
)

noised_sample_weight = Equation(
    name="noised_sample_weight",
    left=log_a,
    right=-omega_squared / 2,
    arguments=(omega_squared,),
    meaning="Logarithm of the Boltzmann weight of a sample y at its own noised place $x = y + \\sqrt{t}\\,\\omega$: "
    "what is planted there. Its squared length cancels against that of the others' distances, and the weights know the "
    "noise along the differences of samples alone.",
    source=DERIVED,
    steps=(Step("$|x - y|^2 = t\\,\\omega^2$; the energy is half of that.", lambda: -(t * omega_squared) / (2 * t)),),
)

planted_balance = Equation(
    name="planted_balance",
    left=balance_w_1,
    right=-sp.log(2 * mean_w_1),
    arguments=(mean_w_1,),
    meaning="Positive where a planted sample has less than half of the weight at its own noised place. Where it is "
    "zero a reverse trajectory from there ends at the sample with probability one half.",
    source=DERIVED,
    steps=(
        Step(
            "Logarithm of one half over $\\overline{w_1}$.",
            lambda: sp.expand_log(sp.log(sp.Rational(1, 2) / mean_w_1)),
        ),
    ),
)

pool_complement = Equation(
    name="pool_complement",
    left=weight_complement,
    right=1 - sp.exp(-sample_weight),
    arguments=(sample_weight,),
    meaning="What a sample takes from $\\varphi$, which is near one where the weights of many count.",
    source=DERIVED,
    steps=(Step("One less `pool_average` at k = 0.", lambda: 1 - pool_average.right.subs(k, 0)),),
)

CHAPTER = Chapter(
    name="points",
    title="Any point, any direction, any law",
    introduction="Gaussians of their own covariances seen from a given point along a given direction, and laws that "
    "are known by samples alone. The integrals of chapter `finite_n` are the same; these are the single-sample "
    "averages that enter them.",
    equations=(
        tilted_response,
        tilted_response_slope,
        tilted_spread,
        pool_weight,
        pool_average,
        pool_complement,
        noised_sample_weight,
        planted_balance,
    ),
)
