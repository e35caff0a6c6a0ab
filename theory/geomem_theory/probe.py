r"""Probes: where the score is evaluated, and the probed direction taken out of its block.

A probe enters through its squared length $Q_b$ in every block. Every probe is four
numbers: its squared coordinates are linear in the noise variance and in a direction's
local variance, and along the probed direction v it may have more. With v taken out of its block
its own variance $s_v$ can differ from the block's, which is how "the same spectrum,
but a direction of another variance" is asked.
"""

from typing import NamedTuple

import sympy as sp

from geomem_theory.condensation import (
    critical_log_size,
    entropy,
)
from geomem_theory.derivation import DERIVED, Chapter, Equation, Step, merge_sums
from geomem_theory.partition import generating_function, second_cumulant
from geomem_theory.score import log_signal_to_noise, signal_to_noise_log_size
from geomem_theory.symbols import (
    B,
    Q,
    Q_rest,
    a,
    along,
    b,
    c,
    d,
    data_share,
    delta,
    k_2,
    lam,
    log_N,
    noise_share,
    q_v,
    s,
    s_v,
    spread,
    t,
)


class ProbeKind(NamedTuple):
    """A probe by what it is made of; `a` stands for the amplitude that a user gives.

    `along` is an amplitude along the probed direction and `spread` one over all directions, both in units of the
    noise's standard deviation; `noise` and `data` are the squared coordinate along every direction, in noise
    variances and in the direction's own.
    """

    meaning: str
    along: sp.Expr = sp.S.Zero
    spread: sp.Expr = sp.S.Zero
    noise: sp.Expr = sp.S.Zero
    data: sp.Expr = sp.S.Zero


PROBES: dict[str, ProbeKind] = {
    "origin": ProbeKind("The mean of the data."),
    "along": ProbeKind("The point $a \\sqrt{t}\\, v$ on the probed direction.", along=a),
    "random_direction": ProbeKind(
        "A point at distance $a \\sqrt{t}$ in a direction drawn uniformly, its squared coordinates at their mean.",
        spread=a,
    ),
    "data_point": ProbeKind("A fresh point of the data's law, its squared coordinates at their mean.", data=sp.S.One),
    "typical": ProbeKind(
        "A noised point of the data's law, its squared coordinates at their mean.", noise=sp.S.One, data=sp.S.One
    ),
}

_PROBE = (along, spread, noise_share, data_share)
_everywhere = (spread**2 / sp.Sum(d[c], (c, 1, B)) + noise_share) * t

probe_coordinate = Equation(
    name="probe_coordinate",
    left=q_v,
    right=along**2 * t + _everywhere + data_share * s_v,
    arguments=(t, s_v, d, *_PROBE),
    meaning="A probe's squared coordinate along v. "
    + " ".join(f"`{kind}`: {probe.meaning}" for kind, probe in PROBES.items()),
    source=DERIVED,
    steps=(Step("The definition of a probe by its four numbers: its squared coordinate is linear in t and in $s_v$."),),
)

probe_rest = Equation(
    name="probe_rest",
    left=Q_rest[b],
    right=(d[b] - delta[b]) * (_everywhere + data_share * s[b]),
    arguments=(t, s, d, delta, spread, noise_share, data_share),
    meaning="The same probe's squared length in block b, v left out.",
    source=DERIVED,
    steps=(Step("One squared coordinate for each direction but v."),),
)

probe_squared_length = Equation(
    name="probe_squared_length",
    left=Q[b],
    right=d[b] * (_everywhere + data_share * s[b]) + delta[b] * along**2 * t,
    arguments=(t, s, d, delta, *_PROBE),
    meaning="The same probe's squared length in block b.",
    source=DERIVED,
    steps=(
        Step(
            "Add the coordinate along v, at the block's variance, in the block that holds v.",
            lambda: probe_rest.right + delta[b] * probe_coordinate.right.subs(s_v, s[b]),
        ),
    ),
)

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
log_signal_to_noise_probed = single_out(log_signal_to_noise, log_N, t)
signal_to_noise_log_size_probed = single_out(signal_to_noise_log_size, t)


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
CHAPTER = Chapter(
    name="probe",
    title="Probes and the probed direction",
    introduction="The theory is evaluated at a probe. These are the probes that are offered, and the equations that "
    "the solvers evaluate: the earlier ones with the probed direction taken out of its block.",
    equations=(
        probe_coordinate,
        probe_rest,
        probe_squared_length,
        generating_function_probed,
        entropy_probed,
        critical_log_size_probed,
        second_cumulant_probed,
        sphere_second_cumulant_probed,
        log_signal_to_noise_probed,
        signal_to_noise_log_size_probed,
    ),
)
