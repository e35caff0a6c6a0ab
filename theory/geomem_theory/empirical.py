r"""The empirical score of one data set: a Gibbs average over its samples.

The noised training set is a mixture of Gaussians around the samples. Its score and the
score's Jacobian are a mean and a covariance under the Gibbs weights $w = e^{-E/t}/Z$.
"""

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step
from geomem_theory.score import population_eigenvalue, population_score
from geomem_theory.symbols import (
    D_0,
    D_nearest,
    avg_y,
    covariance,
    delta_vw,
    dims,
    empirical_jacobian_vw,
    empirical_score_v,
    flowed_x_v,
    h,
    log_weight,
    log_Z,
    noisy_value,
    quenched_score,
    quenched_variance,
    ray_distance,
    reversed_mean,
    reversed_variance,
    t,
    t_later,
    u,
    v_offset,
    v_squared,
    weight_sum,
    x_v,
    y_v,
)

_LD = "arXiv:2410.08727"
_SDE = "arXiv:2011.13456"

distance_on_ray = Equation(
    name="distance_on_ray",
    left=ray_distance,
    right=D_0 + 2 * sp.sqrt(t) * v_offset + t * v_squared,
    arguments=(t, D_0, v_offset, v_squared),
    meaning="Squared distance from x + sqrt(t) v to a sample: given two inner products it costs no more at any "
    "number of noise variances.",
    source=DERIVED,
    steps=(
        Step(
            "In one direction, from a sample at the origin along a ray with the component h; then sum over directions.",
            lambda: sp.expand((x_v + sp.sqrt(t) * h) ** 2).subs({h * x_v: v_offset, x_v**2: D_0, h**2: v_squared}),
        ),
    ),
)

relative_log_weight = Equation(
    name="relative_log_weight",
    left=log_weight,
    right=-(ray_distance - D_nearest) / (2 * t),
    arguments=(t, ray_distance, D_nearest),
    meaning="The exponent of a Boltzmann weight relative to that of the nearest sample, never positive.",
    source=_LD,
    steps=(
        Step(
            "The energy is half the squared distance; subtract the least exponent.",
            lambda: -(ray_distance / 2) / t + (D_nearest / 2) / t,
        ),
    ),
)

log_partition_of_sum = Equation(
    name="log_partition_of_sum",
    left=log_Z,
    right=sp.log(weight_sum) - D_nearest / (2 * t),
    arguments=(t, weight_sum, D_nearest),
    meaning="ln Z from the sum of the relative weights.",
    source=DERIVED,
    steps=(
        Step(
            "Put the nearest sample's weight back.",
            lambda: sp.expand_log(sp.log(weight_sum * sp.exp(-D_nearest / (2 * t))), force=True),
        ),
    ),
)

empirical_score = Equation(
    name="empirical_score",
    left=empirical_score_v,
    right=(avg_y - x_v) / t,
    arguments=(t, avg_y, x_v),
    meaning="Score of the noised training set along v.",
    source=_LD,
    steps=(
        Step(
            "One sample's term of the gradient of $\\ln Z$, whose weight is w.",
            lambda: sp.diff(-((x_v - y_v) ** 2) / (2 * t), x_v),
        ),
        Step(
            "Average it over the samples under their weights.",
            lambda: sp.diff(-((x_v - y_v) ** 2) / (2 * t), x_v).subs(y_v, avg_y),
        ),
    ),
)

_approach = sp.factor(-empirical_score.right / 2 / (x_v - avg_y))

flow_step = Equation(
    name="flow_step",
    left=flowed_x_v,
    right=avg_y + (x_v - avg_y) * sp.sqrt(t_later / t),
    arguments=(t, t_later, avg_y, x_v),
    meaning="What the probability flow makes of a coordinate from t down to t', the Gibbs average standing still.",
    source=DERIVED,
    steps=(
        Step(
            "Variance exploding, the flow is $dx/dt$ = minus half the score. Away from the average x moves at the rate",
            lambda: _approach,
        ),
        Step(
            "Integrate the rate from t to t'.",
            lambda: avg_y + (x_v - avg_y) * sp.exp(sp.integrate(_approach.subs(t, u), (u, t, t_later))),
        ),
    ),
)

posterior_mean_of_score = Equation(
    name="posterior_mean_of_score",
    left=avg_y,
    right=x_v + t * empirical_score_v,
    arguments=(t, x_v, empirical_score_v),
    meaning="Mean of y along v given the noised x, from any score, empirical or not (Tweedie's formula).",
    source=DERIVED,
    steps=(
        Step(
            "Solve the score for the average.",
            lambda: sp.solve(sp.Eq(empirical_score.right, empirical_score_v), avg_y)[0],
        ),
    ),
)

# As t falls the reverse process is dx = score |dt| + dW. In x/t on the clock 1/t its drift is the posterior mean.
_reverse_drift = -(t_later**2) * (
    sp.diff(x_v / t_later, t_later) + sp.diff(x_v / t_later, x_v) * -empirical_score.right.subs(t, t_later)
)
_clock = sp.integrate(1 / u**2, (u, t_later, t))

reverse_step_mean = Equation(
    name="reverse_step_mean",
    left=reversed_mean,
    right=avg_y + (x_v - avg_y) * t_later / t,
    arguments=(t, t_later, avg_y, x_v),
    meaning="Mean of what the reverse process makes of a coordinate from t down to t', the posterior mean standing "
    "still. Exact once one sample has all the weight.",
    source=_SDE + ", equation (6), for noise of variance t; the step " + DERIVED,
    steps=(
        Step(
            "Variance exploding, the reverse process adds the score and noise of variance dt as t falls. The drift "
            "of x/t on the clock 1/t:",
            lambda: sp.simplify(_reverse_drift),
        ),
        Step("Integrate it from t to t'.", lambda: t_later * (x_v / t + avg_y * _clock)),
    ),
)

reverse_step_variance = Equation(
    name="reverse_step_variance",
    left=reversed_variance,
    right=t_later * (t - t_later) / t,
    arguments=(t, t_later),
    meaning="Variance of the same.",
    source=_SDE + ", equation (6), for noise of variance t; the step " + DERIVED,
    steps=(
        Step("The noise of x/t grows by dt/t^2, that is by one per unit of the clock 1/t.", lambda: _clock),
        Step("In x.", lambda: t_later**2 * _clock),
    ),
)

empirical_jacobian = Equation(
    name="empirical_jacobian",
    left=empirical_jacobian_vw,
    right=covariance / t**2 - delta_vw / t,
    arguments=(t, covariance, delta_vw),
    meaning="Jacobian of the empirical score: the identity in its denoising part, and the spread of the samples that "
    "the Gibbs measure still tells apart.",
    source=_LD,
    steps=(
        Step(
            "Differentiate $\\langle y_v\\rangle$ along w: a derivative of a Gibbs average is a covariance with the "
            "derivative of the exponent, $(y_w - x_w)/t$.",
            lambda: (covariance / t - delta_vw) / t,
        ),
    ),
)

noisy_eigenvalue = Equation(
    name="noisy_eigenvalue",
    left=noisy_value,
    right=sp.sqrt(dims * t * (quenched_score**2 + quenched_variance)),
    arguments=(t, dims, quenched_score, quenched_variance),
    meaning="Root of the diagonal mean of $t^2 S^\\top S$ along v over data sets, where the rows of S are "
    "$\\hat{s}(\\sqrt{t}\\, z_k)/\\sqrt{t}$ and z is a random orthonormal frame: from each of d rows the score's "
    "squared mean and variance over data sets at the probe `random_direction`. The mean is the population's at large N "
    "only.",
    source=DERIVED,
    steps=(
        Step(
            "Without noise, and with the population's mean at $x_v^2 = t/d$, it would be its eigenvalue: "
            "the squares differ by",
            lambda: sp.simplify(
                dims * t * population_score.right.subs(x_v, sp.sqrt(t / dims)) ** 2 - population_eigenvalue.right**2
            ),
        ),
        Step(
            "The mean square of a row's entry is the squared mean and the variance over t; d rows add.",
            lambda: t * sp.sqrt(dims * (quenched_score**2 + quenched_variance) / t),
        ),
    ),
)

CHAPTER = Chapter(
    name="empirical",
    title="The empirical score of one data set",
    introduction="What is measured: Gibbs averages over given samples, at one or at many noise variances.",
    equations=(
        distance_on_ray,
        relative_log_weight,
        log_partition_of_sum,
        empirical_score,
        flow_step,
        posterior_mean_of_score,
        reverse_step_mean,
        reverse_step_variance,
        empirical_jacobian,
        noisy_eigenvalue,
    ),
)
