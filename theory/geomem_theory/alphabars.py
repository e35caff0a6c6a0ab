"""Squared scales of schedules of steps, by the fraction of the steps or by those of another schedule."""

import sympy as sp

from geomem_theory.clocks import SCHEDULES, quarter_cosine
from geomem_theory.derivation import DERIVED, Equation, Step
from geomem_theory.symbols import (
    alphabar,
    alphabar_first,
    alphabar_last,
    cosine_offset,
    decay_rate,
    kept_share,
    log_ratio,
    ratio_shift,
    sigma,
    tail,
    tail_offset,
    tau,
)

_COSINE = "arXiv:2102.09672"
_LAPLACE = "arXiv:2407.03297"
_ZERO_SNR = "arXiv:2305.08891"

_squared_cosine = quarter_cosine**2

cosine_alphabar = Equation(
    name="cosine_alphabar",
    left=alphabar,
    right=SCHEDULES["cosine"].scale.right ** 2,
    arguments=(tau, cosine_offset),
    meaning="The squared scale of the cosine schedule, at the fraction $\\tau$ of its steps.",
    source=_COSINE + ", equation 17",
    steps=(
        Step(
            "A quarter of a cosine, begun a little late so that the first steps are not too small.",
            lambda: _squared_cosine,
        ),
        Step("Divide by its value at the start.", lambda: _squared_cosine / _squared_cosine.subs(tau, 0)),
    ),
)

exponential_alphabar = Equation(
    name="exponential_alphabar",
    left=alphabar,
    right=sp.exp(-decay_rate * tau),
    arguments=(tau, decay_rate),
    meaning="The squared scale at the fraction $\\tau$ of the steps if every step keeps the same share of it.",
    source=DERIVED,
    steps=(
        Step(
            "Solve $d\\bar{\\alpha}/d\\tau = -\\kappa\\, \\bar{\\alpha}$ from 1 at the start.",
            lambda: (
                sp.dsolve(
                    kept_share(tau).diff(tau) + decay_rate * kept_share(tau), kept_share(tau), ics={kept_share(0): 1}
                ).rhs
            ),
        ),
    ),
)

laplace_log_ratio = Equation(
    name="laplace_log_ratio",
    left=log_ratio,
    right=-sp.log(2 * tail + tail_offset) / 2,
    arguments=(tail, tail_offset),
    meaning="Logarithm of the ratio of signal to noise at a fraction p of the steps, less than half, if over the "
    "steps it has a Laplace law of width 1/2; at the fraction 1 - p it is minus this.",
    source=_LAPLACE,
    steps=(
        Step(
            "The quantile of the law at which p is left, $\\epsilon$ keeping it finite.",
            lambda: sp.solve(sp.Eq(sp.exp(-2 * log_ratio) / 2, tail + tail_offset / 2), log_ratio)[0],
        ),
    ),
)

laplace_alphabar = Equation(
    name="laplace_alphabar",
    left=alphabar,
    right=1 / sp.sqrt(1 + sp.exp(-log_ratio)),
    arguments=(log_ratio,),
    meaning="The squared scale that samplers give such a step: the root of that which has the ratio.",
    source="the package diffusers, betas_for_alpha_bar",
    steps=(
        Step(
            "The root of the share of the signal at the ratio.",
            lambda: sp.sqrt(sp.solve(sp.Eq(alphabar / (1 - alphabar), sp.exp(log_ratio)), alphabar)[0]),
        ),
    ),
)

shifted_alphabar = Equation(
    name="shifted_alphabar",
    left=alphabar,
    right=alphabar / (ratio_shift + (1 - ratio_shift) * alphabar),
    arguments=(alphabar, ratio_shift),
    meaning="The squared scale after the ratio of signal to noise was divided by $\\varsigma$.",
    source=DERIVED,
    steps=(
        Step(
            "Solve for the scale of $1/\\varsigma$ of the ratio.",
            lambda: sp.solve(sp.Eq(sigma / (1 - sigma), alphabar / (1 - alphabar) / ratio_shift), sigma)[0],
        ),
    ),
)

zero_terminal_alphabar = Equation(
    name="zero_terminal_alphabar",
    left=alphabar,
    right=((sp.sqrt(alphabar) - sp.sqrt(alphabar_last)) / (sp.sqrt(alphabar_first) - sp.sqrt(alphabar_last))) ** 2
    * alphabar_first,
    arguments=(alphabar, alphabar_first, alphabar_last),
    meaning="The squared scale after the scales were moved on a line so that the last step is pure noise.",
    source=_ZERO_SNR + ", algorithm 1",
    steps=(
        Step(
            "The line through the first scale, which stays, and zero at the last.",
            lambda: (
                sp.interpolate(
                    [(sp.sqrt(alphabar_last), 0), (sp.sqrt(alphabar_first), sp.sqrt(alphabar_first))],
                    sigma,
                )
                ** 2
            ).subs(sigma, sp.sqrt(alphabar)),
        ),
    ),
)

ALPHABARS = (
    cosine_alphabar,
    exponential_alphabar,
    laplace_log_ratio,
    laplace_alphabar,
    shifted_alphabar,
    zero_terminal_alphabar,
)
