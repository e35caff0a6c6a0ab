r"""Noise schedules: every noised sample $a\, y + b\, \omega$ is one of the variance-exploding process, rescaled.

The theory knows one clock, the noise variance t of $x = y + \sqrt{t}\, \omega$. A schedule with
the scale $a_\tau$ and the noise $b_\tau$ is at $t = (b_\tau/a_\tau)^2$ on it.
"""

import sympy as sp

from geomem_theory.alphabars import ALPHABARS
from geomem_theory.clocks import SCHEDULES, schedule_noise_variance
from geomem_theory.derivation import DERIVED, Chapter, Equation, Step
from geomem_theory.symbols import (
    jacobian_ratio,
    log_density,
    scale,
    score_ratio,
    x_v,
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
        *ALPHABARS,
    ),
)
