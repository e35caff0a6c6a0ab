r"""Probes: where the score is evaluated, and the probed direction taken out of its block.

A probe enters through its squared length $Q_b$ in every block. Every probe is given
by two squared coordinates, functions of a direction's local variance: one along the
probed direction v and one along each other direction. With v taken out of its block
its own variance $s_v$ can differ from the block's, which is how "the same spectrum,
but a direction of another variance" is asked.
"""

from typing import NamedTuple

import sympy as sp

from geomem_theory.condensation import (
    critical_log_size,
    entropy,
    gaussian_critical_log_size,
    sphere_critical_log_size,
)
from geomem_theory.derivation import DERIVED, Chapter, Equation, Step, merge_sums
from geomem_theory.partition import gaussian_generating_function, generating_function, second_cumulant
from geomem_theory.score import log_signal_to_noise, signal_to_noise_log_size
from geomem_theory.symbols import S_G, B, Q, Q_rest, a, b, c, d, delta, k_2, lam, log_N, q_v, s, s_v, t


class ProbeEquations(NamedTuple):
    """A probe: its squared coordinate along v, and its squared lengths without v and with it."""

    coordinate: Equation
    rest: Equation
    squared_length: Equation


def _probe(name: str, meaning: str, along_v: sp.Expr, along_others: sp.Expr) -> ProbeEquations:
    in_block = (s_v, s[b])
    rest = (d[b] - delta[b]) * along_others.subs(*in_block)
    length = sp.factor(sp.expand(rest + delta[b] * along_v.subs(*in_block)))
    return ProbeEquations(
        coordinate=Equation(
            name=f"{name}_coordinate",
            left=q_v,
            right=along_v,
            arguments=(t, s_v, d, a),
            meaning=f"{meaning} Its squared coordinate along v.",
            source=DERIVED,
            steps=(Step("The definition of the probe."),),
        ),
        rest=Equation(
            name=f"{name}_rest",
            left=Q_rest[b],
            right=rest,
            arguments=(t, s, d, delta, a),
            meaning="The same probe's squared length in block b, v left out.",
            source=DERIVED,
            steps=(Step("One squared coordinate for each direction but v."),),
        ),
        squared_length=Equation(
            name=f"{name}_squared_length",
            left=Q[b],
            right=length,
            arguments=(t, s, d, delta, a),
            meaning="The same probe's squared length in block b.",
            source=DERIVED,
            steps=(
                Step(
                    "Add the coordinate along v, at the block's variance, in the block that holds v.",
                    lambda: rest + delta[b] * along_v.subs(*in_block),
                ),
            ),
        ),
    )


PROBES: dict[str, ProbeEquations] = {
    "origin": _probe("origin", "The mean of the data.", sp.S.Zero, sp.S.Zero),
    "along": _probe("along", "The point $a \\sqrt{t}\\, v$ on the probed direction.", a**2 * t, sp.S.Zero),
    "random_direction": _probe(
        "random_direction",
        "A point at distance $a \\sqrt{t}$ in a direction drawn uniformly, its squared coordinates at their mean.",
        a**2 * t / sp.Sum(d[c], (c, 1, B)),
        a**2 * t / sp.Sum(d[c], (c, 1, B)),
    ),
    "data_point": _probe(
        "data_point", "A fresh point of the data's law, its squared coordinates at their mean.", s_v, s_v
    ),
    "typical": _probe(
        "typical", "A noised point of the data's law, its squared coordinates at their mean.", s_v + t, s_v + t
    ),
}


# The spectrum without the probed direction, and the direction's own variance and squared coordinate.
PROBED = (s, d, Q_rest, s_v, q_v)


def single_out(equation: Equation, *before: sp.Symbol) -> Equation:
    """The same equation with the probed direction out of its block.

    In an expression linear in $Q_b$, $Q_b = Q^\\perp_b + \\delta_b x_v^2$ splits the sum over
    blocks; the coefficient of $x_v^2$ is the block's at the direction's own variance. Arguments
    are those given, before the spectrum.
    """
    summand, rest = merge_sums(equation.right)
    coefficient = summand.diff(Q[b])
    right = sp.Sum(summand.subs(Q[b], Q_rest[b]), (b, 1, B)) + q_v * coefficient.subs(s[b], s_v) + rest
    # The same coefficient without a derivative, for the proof.
    unit_length = (summand.subs(Q[b], 1) - summand.subs(Q[b], 0)).subs(s[b], s_v)
    return Equation(
        name=f"{equation.name}_probed",
        left=equation.left,
        right=right,
        arguments=(*before, *PROBED),
        meaning=f"`{equation.name}` with the probed direction v out of its block.",
        source=DERIVED,
        steps=(
            Step(f"The summand of `{equation.name}`, linear in $Q_b$.", lambda: summand),
            Step("What one unit of squared length adds, at the variance of v.", lambda: unit_length),
            Step(
                "Leave v out of $Q_b$ and give it its own term, with its own variance. The part without $Q_b$, the "
                "entropy of the data, stays with the spectrum.",
                lambda: equation.right.xreplace({Q[b]: Q_rest[b]}) + q_v * unit_length,
            ),
        ),
    )


generating_function_probed = single_out(generating_function, lam, t)
entropy_probed = single_out(entropy, log_N, lam, t)
critical_log_size_probed = single_out(critical_log_size, lam, t)
gaussian_critical_log_size_probed = single_out(gaussian_critical_log_size, lam, t)
sphere_critical_log_size_probed = single_out(sphere_critical_log_size, lam, t)
log_signal_to_noise_probed = single_out(log_signal_to_noise, log_N, t)
signal_to_noise_log_size_probed = single_out(signal_to_noise_log_size, t)


def _gaussian_entropy(name: str, log_size: Equation, cumulant: sp.Expr) -> Equation:
    form = gaussian_generating_function.right
    legendre = log_N + form - lam * sp.diff(form, lam)
    return Equation(
        name=name,
        left=S_G(lam),
        right=log_N - log_size.right,
        arguments=(log_N, *log_size.arguments),
        meaning=f"Entropy of the level whose critical size is `{log_size.name}`.",
        source=DERIVED,
        steps=(
            Step("Legendre transform of the two-cumulant form.", lambda: legendre),
            Step(
                "Insert the second cumulant with v out of its block.",
                lambda: legendre.expand().subs(k_2, cumulant),
            ),
        ),
    )


second_cumulant_probed = single_out(second_cumulant)
sphere_second_cumulant_probed = Equation(
    name="sphere_second_cumulant_probed",
    left=k_2,
    right=sp.Sum(s[b] * Q_rest[b], (b, 1, B)) + q_v * s_v,
    arguments=(s, Q_rest, s_v, q_v),
    meaning="The same for data normalized to the unit sphere, whose lengths do not fluctuate.",
    source=DERIVED,
    steps=(
        Step(
            "What the second cumulant has at the origin drops.",
            lambda: second_cumulant_probed.right - second_cumulant_probed.right.xreplace({Q_rest[b]: 0, q_v: 0}),
        ),
    ),
)
gaussian_entropy_probed = _gaussian_entropy(
    "gaussian_entropy_probed", gaussian_critical_log_size_probed, second_cumulant_probed.right
)
sphere_entropy_probed = _gaussian_entropy(
    "sphere_entropy_probed", sphere_critical_log_size_probed, sphere_second_cumulant_probed.right
)

CHAPTER = Chapter(
    name="probe",
    title="Probes and the probed direction",
    introduction="The theory is evaluated at a probe. These are the probes that are offered, and the equations that "
    "the solvers evaluate: the earlier ones with the probed direction taken out of its block.",
    equations=(
        *(equation for probe in PROBES.values() for equation in probe),
        generating_function_probed,
        entropy_probed,
        critical_log_size_probed,
        second_cumulant_probed,
        sphere_second_cumulant_probed,
        gaussian_critical_log_size_probed,
        gaussian_entropy_probed,
        sphere_critical_log_size_probed,
        sphere_entropy_probed,
        log_signal_to_noise_probed,
        signal_to_noise_log_size_probed,
    ),
)
