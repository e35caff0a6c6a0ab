"""Clocks of schedules: the scale and the noise variance at a time, and the time at a noise variance."""

from collections.abc import Callable
from typing import NamedTuple

import sympy as sp

from geomem_theory.derivation import DERIVED, Equation, Step
from geomem_theory.symbols import (
    alphabar,
    beta_max,
    beta_min,
    cosine_offset,
    noise_level,
    omega,
    scale,
    sigma,
    sigma_data,
    sigma_max,
    sigma_min,
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
_SDE = "arXiv:2011.13456"
_TRIGONOMETRIC = "arXiv:2410.11081"
_V_DIFFUSION = "arXiv:2202.00512"

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


class ScheduleEquations(NamedTuple):
    """A schedule on its own clock: its scale a, the noise variance at a time, the time at a noise variance.

    What a schedule is set by beside the time, its equations take as further arguments, all the same ones.
    """

    clock: sp.Symbol
    scale: Equation
    noise_variance: Equation
    time: Equation


def _schedule(
    name: str,
    meaning: str,
    source: str,
    clock: sp.Symbol,
    noised: Callable[[], sp.Expr],
    scale_at: sp.Expr,
    noise_variance_at: sp.Expr,
    time_at: sp.Expr,
    parameters: tuple[sp.Symbol, ...] = (),
    solved: Callable[[], sp.Expr] | None = None,
) -> ScheduleEquations:
    def data_and_noise() -> tuple[sp.Expr, sp.Expr]:
        return sp.diff(noised(), y_v), sp.diff(noised(), omega)

    def solution() -> sp.Expr:
        a, b = data_and_noise()
        return sp.solve(sp.Eq(b, a * sp.sqrt(t)), clock)[0]

    return ScheduleEquations(
        clock=clock,
        scale=Equation(
            name=f"{name}_scale",
            left=scale,
            right=scale_at,
            arguments=(clock, *parameters),
            meaning=f"{meaning} What the data are multiplied by.",
            source=source,
            steps=(
                Step("The noised sample along v.", noised),
                Step("Its coefficient of the data.", lambda: data_and_noise()[0]),
            ),
        ),
        noise_variance=Equation(
            name=f"{name}_noise_variance",
            left=t,
            right=noise_variance_at,
            arguments=(clock, *parameters),
            meaning="The same schedule's noise variance.",
            source=DERIVED,
            steps=(
                Step("Coefficient of the noise.", lambda: data_and_noise()[1]),
                Step(
                    "Square its ratio to the scale.",
                    lambda: sp.expand(
                        schedule_noise_variance.right.subs(
                            dict(zip((scale, noise_level), data_and_noise(), strict=True))
                        )
                    ),
                ),
            ),
        ),
        time=Equation(
            name=f"{name}_time",
            left=clock,
            right=time_at,
            arguments=(t, *parameters),
            meaning="The same schedule's time at a noise variance.",
            source=DERIVED,
            steps=(
                Step(
                    "Solve $b = a \\sqrt{t}$ for the time.",
                    solved or solution,
                ),
            ),
        ),
    )


def _ornstein_uhlenbeck() -> sp.Expr:
    """Solution of dx = -x dtau + sqrt(2) dW: noise of variance 2 du comes in at every u, and decays until tau."""
    decay = sp.exp(-sp.integrate(1, (u, 0, tau)))
    variance = sp.integrate(2 * sp.exp(-2 * (tau - u)), (u, 0, tau))
    return decay * y_v + sp.sqrt(variance) * omega


def _variance_preserving_sde() -> sp.Expr:
    """Solution of dx = -beta x dtau / 2 + sqrt(beta) dW: the variance of the noise is what the data's has lost."""
    rate = beta_min + u * (beta_max - beta_min)
    kept = sp.exp(-sp.integrate(rate, (u, 0, tau)) / 2)
    return kept * y_v + sp.sqrt(1 - kept**2) * omega


def _angle(cosine: sp.Expr) -> sp.Expr:
    return sp.solve(sp.Eq(sp.cos(u), sigma), u)[-1].subs(sigma, cosine)


_beta_rise = beta_max - beta_min
quarter_cosine = sp.cos((tau + cosine_offset) / (1 + cosine_offset) * sp.pi / 2)
_begun = quarter_cosine.subs(tau, 0)
_cosine = quarter_cosine / _begun

SCHEDULES: dict[str, ScheduleEquations] = {
    "variance_exploding": _schedule(
        "variance_exploding",
        "The variance-exploding process on the clock of its noise variance.",
        _EDM,
        tau,
        lambda: y_v + sp.sqrt(tau) * omega,
        sp.S.One,
        tau,
        t,
    ),
    "sigma": _schedule(
        "sigma",
        "The same on the clock of its noise level $\\sigma$.",
        _EDM,
        sigma,
        lambda: y_v + sigma * omega,
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
        _ornstein_uhlenbeck,
        sp.exp(-tau),
        sp.exp(2 * tau) - 1,
        sp.log(1 + t) / 2,
    ),
    "variance_preserving": _schedule(
        "variance_preserving",
        "The variance-preserving process, whose clock is its squared scale.",
        _DDPM,
        alphabar,
        lambda: sp.sqrt(alphabar) * y_v + sp.sqrt(1 - alphabar) * omega,
        sp.sqrt(alphabar),
        (1 - alphabar) / alphabar,
        1 / (1 + t),
    ),
    "flow_matching": _schedule(
        "flow_matching",
        "Flow matching on the straight line from data to noise.",
        _FLOW,
        tau,
        lambda: (1 - tau) * y_v + tau * omega,
        1 - tau,
        (tau / (1 - tau)) ** 2,
        sp.sqrt(t) / (1 + sp.sqrt(t)),
    ),
    "flow_from_noise": _schedule(
        "flow_from_noise",
        "Flow matching on the clock that runs from noise to data.",
        _FLOW,
        tau,
        lambda: tau * y_v + (1 - tau) * omega,
        tau,
        ((1 - tau) / tau) ** 2,
        1 / (1 + sp.sqrt(t)),
    ),
    "log_sigma": _schedule(
        "log_sigma",
        "The variance-exploding process on the clock $\\ln(\\sigma)/4$, the number that networks of EDM are given.",
        _EDM + ", table 1",
        tau,
        lambda: y_v + sp.exp(4 * tau) * omega,
        sp.S.One,
        sp.exp(8 * tau),
        sp.log(t) / 8,
    ),
    "angle_of_sigma": _schedule(
        "angle_of_sigma",
        "The variance-exploding process on the clock of the angle whose tangent is its noise level.",
        _V_DIFFUSION,
        tau,
        lambda: y_v + sp.tan(tau) * omega,
        sp.S.One,
        sp.tan(tau) ** 2,
        sp.atan(sp.sqrt(t)),
    ),
    "geometric_sigma": _schedule(
        "geometric_sigma",
        "The variance-exploding process whose noise level is multiplied by equal factors in equal times.",
        _SDE + ", appendix C",
        tau,
        lambda: y_v + sigma_min * (sigma_max / sigma_min) ** tau * omega,
        sp.S.One,
        sigma_min**2 * (sigma_max / sigma_min) ** (2 * tau),
        sp.log(sp.sqrt(t) / sigma_min) / sp.log(sigma_max / sigma_min),
        (sigma_min, sigma_max),
    ),
    "variance_preserving_sde": _schedule(
        "variance_preserving_sde",
        "The variance-preserving process in continuous time, the rate of whose noise rises on a line.",
        _SDE + ", appendix C",
        tau,
        _variance_preserving_sde,
        sp.exp(-(tau**2) * _beta_rise / 4 - tau * beta_min / 2),
        sp.exp(tau**2 * _beta_rise / 2 + tau * beta_min) - 1,
        # Of the two forms of the root the one that loses no digits, neither at small t nor at a rate that hardly rises.
        2 * sp.log(1 + t) / (beta_min + sp.sqrt(beta_min**2 + 2 * _beta_rise * sp.log(1 + t))),
        (beta_min, beta_max),
        # For the inverse of the time, whose positive root is the one that is wanted.
        lambda: 1 / sp.solve(u * tau**2 - beta_min * tau - _beta_rise / 2, tau)[1].subs(u, sp.log(1 + t)),
    ),
    "trigonometric": _schedule(
        "trigonometric",
        "The variance-preserving process on the clock of its angle, its noise as large as $\\sigma_d$.",
        _TRIGONOMETRIC,
        tau,
        lambda: sp.cos(tau) * y_v + sigma_data * sp.sin(tau) * omega,
        sp.cos(tau),
        sigma_data**2 * sp.tan(tau) ** 2,
        sp.atan(sp.sqrt(t) / sigma_data),
        (sigma_data,),
        lambda: sp.solve(sp.Eq(sp.tan(tau), sp.sqrt(t) / sigma_data), tau)[0],
    ),
    "cosine": _schedule(
        "cosine",
        "The variance-preserving process whose scale is a quarter of a cosine, begun a little late.",
        _COSINE + ", equation 17",
        tau,
        lambda: _cosine * y_v + sp.sqrt(1 - _cosine**2) * omega,
        _cosine,
        1 / _cosine**2 - 1,
        2 * (1 + cosine_offset) / sp.pi * sp.acos(_begun / sp.sqrt(1 + t)) - cosine_offset,
        (cosine_offset,),
        # Of the two angles with one cosine the smaller, which SymPy gives last.
        lambda: sp.solve(
            (tau + cosine_offset) / (1 + cosine_offset) * sp.pi / 2 - _angle(_begun / sp.sqrt(1 + t)), tau
        )[0],
    ),
}
