r"""What networks predict, and the score that follows: of the noise, the data, velocities, or a score itself.

A schedule shows the network $a x = a (y + \sqrt{t}\, \omega)$; the score is that of x, the variance-exploding one. A
network that minimizes a squared error predicts a mean given x, and what is linear in y and $\omega$ has that of both.
"""

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step
from geomem_theory.symbols import network_score, omega, predicted, scale, t, x_v, y_v

_NOISED = y_v + sp.sqrt(t) * omega


def _score_where(what: sp.Expr) -> sp.Expr:
    """-omega/sqrt(t), omega and y being what the prediction and the point say together."""
    found = sp.solve([what - predicted, _NOISED - x_v], [omega, y_v], dict=True)[0]
    return sp.simplify(-found[omega] / sp.sqrt(t))


def _equation(name: str, right: sp.Expr, arguments: tuple[sp.Symbol, ...], meaning: str, what: sp.Expr) -> Equation:
    return Equation(
        name=name,
        left=network_score,
        right=right,
        arguments=arguments,
        meaning=meaning,
        source=DERIVED,
        steps=(
            Step("The prediction, in the sample and its noise.", lambda: what),
            Step(
                "With $x = y + \\sqrt{t}\\, \\omega$ that is two equations for both, and the score is "
                "$-\\omega/\\sqrt{t}$ in the mean.",
                lambda: _score_where(what),
            ),
        ),
    )


score_from_epsilon = _equation(
    "score_from_epsilon",
    -predicted / sp.sqrt(t),
    (predicted, t),
    "Score along v of a network that predicts the noise.",
    omega,
)

score_from_x0 = _equation(
    "score_from_x0",
    (predicted - x_v) / t,
    (predicted, x_v, t),
    "Score along v of a network that predicts the sample.",
    y_v,
)

score_from_v = _equation(
    "score_from_v",
    -(predicted / scale + sp.sqrt(t) * x_v) / (sp.sqrt(t) * (1 + t)),
    (predicted, x_v, t, scale),
    "Score along v of a network that predicts a times the noise less $a \\sqrt{t}$ times the sample "
    "(arXiv:2202.00512).",
    scale * omega - scale * sp.sqrt(t) * y_v,
)

score_from_flow = _equation(
    "score_from_flow",
    -(predicted + x_v) / (sp.sqrt(t) * (1 + sp.sqrt(t))),
    (predicted, x_v, t),
    "Score along v of a network that predicts the noise less the sample, the velocity of flow matching "
    "(arXiv:2210.02747).",
    omega - y_v,
)

score_from_score = Equation(
    name="score_from_score",
    left=network_score,
    right=scale * predicted,
    arguments=(predicted, scale),
    meaning="Score along v of a network that predicts that of the schedule's own variable.",
    source=DERIVED,
    steps=(
        Step(
            "A gradient along a x is one along x over a.",
            lambda: sp.solve(predicted - network_score / scale, network_score)[0],
        ),
    ),
)

CHAPTER = Chapter(
    name="predictions",
    title="What networks predict",
    introduction="A trained network's output becomes a score by what it was trained to predict.",
    equations=(score_from_epsilon, score_from_x0, score_from_v, score_from_flow, score_from_score),
)
