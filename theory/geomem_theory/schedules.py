r"""Noise schedules: every noised sample $a\, y + b\, \omega$ is one of the variance-exploding process, rescaled.

The theory knows one clock, the noise variance t of $x = y + \sqrt{t}\, \omega$. A schedule with
the scale $a_\tau$ and the noise $b_\tau$ is at $t = (b_\tau/a_\tau)^2$ on it.
"""

from typing import NamedTuple

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step
from geomem_theory.symbols import (
    alphabar,
    cosine_offset,
    jacobian_ratio,
    log_density,
    noise_level,
    omega,
    scale,
    score_ratio,
    sigma,
    t,
    tau,
    u,
    x_v,
    y_v,
)

_DR = "arXiv:2402.18491"
_DDPM = "arXiv:2006.11239"
_COSINE = "arXiv:2102.09672"
_EDM = "arXiv:2206.00364"
_FLOW = "arXiv:2210.02747"

_kernel_exponent = -((x_v - scale * y_v) ** 2) / (2 * noise_level**2)

schedule_noise_variance = Equation(
    name="schedule_noise_variance",
    left=t,
    right=(noise_level / scale) ** 2,
    meaning="Noise variance of any schedule, at which its sample over a is one of the variance-exploding process.",
    source=DERIVED,
    steps=(
        Step("Exponent of the law of x along v, given the sample y.", lambda: _kernel_exponent),
        Step(
            "As a function of x/a it is a Gaussian around y; its variance is minus one over its curvature.",
            lambda: -1 / sp.diff(_kernel_exponent.subs(x_v, scale * x_v), x_v, 2),
        ),
    ),
)


def _derivative_ratio(order: int) -> sp.Expr:
    """A derivative of ln p(x/a) over that of ln p at x/a."""
    rescaled = sp.diff(log_density(x_v / scale), x_v, order)
    return sp.simplify(rescaled / sp.diff(log_density(x_v), x_v, order).subs(x_v, x_v / scale))


score_factor = Equation(
    name="score_factor",
    left=score_ratio,
    right=1 / scale,
    arguments=(scale,),
    meaning="Score of a schedule at x over the variance-exploding score at x/a and the same t, of any data.",
    source=DERIVED,
    steps=(
        Step(
            "The law of x is that of x/a but for a constant factor.",
            lambda: sp.diff(log_density(x_v / scale), x_v),
        ),
        Step("Divide by the gradient of $\\ln p$ at x/a.", lambda: _derivative_ratio(1)),
    ),
)

jacobian_factor = Equation(
    name="jacobian_factor",
    left=jacobian_ratio,
    right=1 / scale**2,
    arguments=(scale,),
    meaning="The same ratio of the Jacobians of the two scores.",
    source=DERIVED,
    steps=(Step("One derivative more.", lambda: _derivative_ratio(2)),),
)


class ScheduleEquations(NamedTuple):
    """A schedule on its own clock: its scale a, the noise variance at a time, the time at a noise variance."""

    clock: sp.Symbol
    scale: Equation
    noise_variance: Equation
    time: Equation


def _schedule(
    name: str,
    meaning: str,
    source: str,
    clock: sp.Symbol,
    noised: sp.Expr,
    scale_at: sp.Expr,
    noise_variance_at: sp.Expr,
    time_at: sp.Expr,
) -> ScheduleEquations:
    a, b = sp.diff(noised, y_v), sp.diff(noised, omega)
    return ScheduleEquations(
        clock=clock,
        scale=Equation(
            name=f"{name}_scale",
            left=scale,
            right=scale_at,
            arguments=(clock,),
            meaning=f"{meaning} What the data are multiplied by.",
            source=source,
            steps=(
                Step("The noised sample along v.", lambda: noised),
                Step("Its coefficient of the data.", lambda: a),
            ),
        ),
        noise_variance=Equation(
            name=f"{name}_noise_variance",
            left=t,
            right=noise_variance_at,
            arguments=(clock,),
            meaning="The same schedule's noise variance.",
            source=DERIVED,
            steps=(
                Step("Coefficient of the noise.", lambda: b),
                Step(
                    "Square its ratio to the scale.",
                    lambda: sp.expand(schedule_noise_variance.right.subs({scale: a, noise_level: b})),
                ),
            ),
        ),
        time=Equation(
            name=f"{name}_time",
            left=clock,
            right=time_at,
            arguments=(t,),
            meaning="The same schedule's time at a noise variance.",
            source=DERIVED,
            steps=(
                Step("Solve $b = a \\sqrt{t}$ for the time.", lambda: sp.solve(sp.Eq(b, a * sp.sqrt(t)), clock)[0]),
            ),
        ),
    )


def _ornstein_uhlenbeck() -> sp.Expr:
    """Solution of dx = -x dtau + sqrt(2) dW: noise of variance 2 du comes in at every u, and decays until tau."""
    decay = sp.exp(-sp.integrate(1, (u, 0, tau)))
    variance = sp.integrate(2 * sp.exp(-2 * (tau - u)), (u, 0, tau))
    return decay * y_v + sp.sqrt(variance) * omega


SCHEDULES: dict[str, ScheduleEquations] = {
    "variance_exploding": _schedule(
        "variance_exploding",
        "The variance-exploding process on the clock of its noise variance.",
        _EDM,
        tau,
        y_v + sp.sqrt(tau) * omega,
        sp.S.One,
        tau,
        t,
    ),
    "sigma": _schedule(
        "sigma",
        "The same on the clock of its noise level $\\sigma$.",
        _EDM,
        sigma,
        y_v + sigma * omega,
        sp.S.One,
        sigma**2,
        sp.sqrt(t),
    ),
    "ornstein_uhlenbeck": _schedule(
        "ornstein_uhlenbeck",
        "The Ornstein-Uhlenbeck process $dx = -x\\, d\\tau + \\sqrt{2}\\, dW$: the data decay, and so does the noise "
        "that came in before.",
        _DR,
        tau,
        _ornstein_uhlenbeck(),
        sp.exp(-tau),
        sp.exp(2 * tau) - 1,
        sp.log(1 + t) / 2,
    ),
    "variance_preserving": _schedule(
        "variance_preserving",
        "The variance-preserving process, whose clock is its squared scale.",
        _DDPM,
        alphabar,
        sp.sqrt(alphabar) * y_v + sp.sqrt(1 - alphabar) * omega,
        sp.sqrt(alphabar),
        (1 - alphabar) / alphabar,
        1 / (1 + t),
    ),
    "flow_matching": _schedule(
        "flow_matching",
        "Flow matching on the straight line from data to noise.",
        _FLOW,
        tau,
        (1 - tau) * y_v + tau * omega,
        1 - tau,
        (tau / (1 - tau)) ** 2,
        sp.sqrt(t) / (1 + sp.sqrt(t)),
    ),
}

_squared_cosine = sp.cos((tau + cosine_offset) / (1 + cosine_offset) * sp.pi / 2) ** 2

cosine_alphabar = Equation(
    name="cosine_alphabar",
    left=alphabar,
    right=_squared_cosine / sp.cos(cosine_offset / (1 + cosine_offset) * sp.pi / 2) ** 2,
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

CHAPTER = Chapter(
    name="schedules",
    title="Noise schedules",
    introduction="Every noise schedule is the variance-exploding one after a change of scale and of clock. Here are "
    "the factors of score and Jacobian, and the clocks in use, so that times convert from any of them to any other.",
    equations=(
        schedule_noise_variance,
        score_factor,
        jacobian_factor,
        *(equation for one in SCHEDULES.values() for equation in (one.scale, one.noise_variance, one.time)),
        cosine_alphabar,
    ),
)
