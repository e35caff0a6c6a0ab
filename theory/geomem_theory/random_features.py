r"""A network of random features, whose second layer is trained: which directions it keeps.

The score is $A\,\sigma(W x/\sqrt{d})$ with W of P rows frozen, A trained on denoising N samples with a ridge
$\zeta$, or by gradient flow for a time. With U the features' second moments over samples and noise, and
$V = \kappa W/\sqrt{d}$, it is $A = -V^\top (U + \zeta)^{-1}$. For many dimensions, at fixed $\psi_P = P/d$ and
$\psi_N = N/d$, U is as its Gaussian equivalent $\frac{1}{N} G G^\top + b^2 \frac{1}{d} W W^\top + c^2$ with
$G = \kappa W Y/\sqrt{d} + v \Omega$, whose resolvents follow from two numbers.
"""

import sympy as sp

from geomem_theory import activations
from geomem_theory.derivation import DERIVED, Chapter, Equation, Step
from geomem_theory.symbols import (
    B,
    b,
    factor_1,
    factor_2,
    factor_corner,
    feature_blur,
    feature_floor,
    feature_memory,
    feature_slope,
    feature_trace,
    feature_value,
    flow_filter,
    h_1,
    h_2,
    h_v,
    largest_eigenvalue,
    largest_feature_value,
    mean_1,
    mean_2,
    mean_12,
    mean_s12,
    mean_ss12,
    network_excess,
    network_log_R,
    network_noise,
    network_response,
    network_second,
    psi_n,
    psi_p,
    ridge,
    s,
    s_v,
    sample_factor,
    share,
    t,
    trace_1,
    trace_2,
    trace_corner,
    training_time,
)

_SPECTRUM = "arXiv:2505.17638"


def _over_directions(summand: sp.Expr) -> sp.Sum:
    return sp.Sum(share[b] * summand, (b, 1, B))


def _linear_part(variance: sp.Expr) -> sp.Expr:
    """What multiplies w_v w_v^T/d in U, the samples' own parts left out."""
    return feature_blur + feature_slope**2 * variance / sample_factor


def _own_resolvent(variance: sp.Expr) -> sp.Expr:
    """h_v by Sherman and Morrison, from a resolvent that has not met w_v."""
    linear = sp.Dummy()
    return sp.solve(h_v - feature_trace * (1 - linear * h_v), h_v)[0].subs(linear, _linear_part(variance))


_rest = ridge + feature_floor + feature_memory / sample_factor
_NUMBERS = (feature_slope, feature_memory, feature_blur, feature_floor)

feature_trace_map = Equation(
    name="feature_trace_map",
    left=feature_trace,
    right=psi_p / (_rest + _over_directions(_linear_part(s[b]) / (1 + feature_trace * _linear_part(s[b])))),
    arguments=(feature_trace, sample_factor, ridge, psi_p, *_NUMBERS, s, share),
    meaning="Trace of $(U + \\zeta)^{-1}$ per dimension. With the samples' factor it is a fixed point of a map that "
    "increases and is concave, so that there is one with $\\theta > 0$, and Newton's method falls to it from above.",
    source=_SPECTRUM + ", here " + DERIVED,
    steps=(
        Step("Leave every sample's own part out of its resolvent: U acts as $M_v$ along $w_v w_v^\\top/d$, and as"),
        Step("a multiple of one:", lambda: _rest - ridge),
        Step(
            "By $h_v$ below, the trace of $(U + \\zeta)(U + \\zeta)^{-1}$ per dimension, $\\psi_P$, is",
            lambda: feature_trace * _rest + _over_directions(_linear_part(s[b]) * _own_resolvent(s[b])),
        ),
        Step(
            "Every term has the factor $\\theta$; solve for it.",
            lambda: psi_p / (_rest + _over_directions(_linear_part(s[b]) * _own_resolvent(s[b]) / feature_trace)),
        ),
    ),
)

sample_factor_map = Equation(
    name="sample_factor_map",
    left=sample_factor,
    right=1
    + (
        feature_memory * feature_trace
        + feature_slope**2 * _over_directions(s[b] / (1 / feature_trace + _linear_part(s[b])))
    )
    / psi_n,
    arguments=(feature_trace, sample_factor, psi_n, *_NUMBERS[:3], s, share),
    meaning="By how much a sample's own part in U shrinks the resolvent along its features.",
    source=_SPECTRUM + ", here " + DERIVED,
    steps=(
        Step(
            "Leave the sample out: by Sherman and Morrison the factor is $1 + \\frac{1}{N} g^\\top (U + \\zeta)^{-1} "
            "g$, and $g = \\kappa W y/\\sqrt{d} + v \\omega$ is independent of the rest."
        ),
        Step(
            "Average over g.",
            lambda: (
                1
                + (feature_memory * feature_trace + feature_slope**2 * _over_directions(s[b] * _own_resolvent(s[b])))
                / psi_n
            ),
        ),
    ),
)

direction_resolvent = Equation(
    name="direction_resolvent",
    left=h_v,
    right=1 / (1 / feature_trace + _linear_part(s_v)),
    arguments=(feature_trace, sample_factor, feature_slope, feature_blur, s_v),
    meaning="Resolvent of U along v, $\\frac{1}{d} w_v^\\top (U + \\zeta)^{-1} w_v$ with the column $w_v$ of W.",
    source=DERIVED,
    steps=(
        Step("The column meets itself through $M_v w_v w_v^\\top/d$ alone, with", lambda: _linear_part(s_v)),
        Step(
            "Without it the form is $\\theta$; put it back by Sherman and Morrison.",
            lambda: _own_resolvent(s_v),
        ),
    ),
)

ridge_response = Equation(
    name="ridge_response",
    left=network_response,
    right=-(feature_slope**2) * h_v,
    arguments=(feature_slope, h_v),
    meaning="Response of the network's score along v to a displacement along v; the exact score's is $-1/(s_v + t)$.",
    source=DERIVED,
    steps=(
        Step(
            "The network's linear part is $\\kappa A W/\\sqrt{d}$, and "
            "$A = -\\kappa W^\\top (U + \\zeta)^{-1}/\\sqrt{d}$."
        ),
        Step(
            "Along v, with $w_v^\\top (U + \\zeta)^{-1} w_v = d\\,h_v$:", lambda: -feature_slope * feature_slope * h_v
        ),
    ),
)


def _upper(first: sp.Expr, corner: sp.Expr, second: sp.Expr) -> sp.Matrix:
    return sp.Matrix([[first, corner], [0, second]])


def _average(expression: sp.Expr) -> sp.Expr:
    """Mean over directions of a polynomial in h_1, h_2 and s."""
    means = {(0, 0, 0): 1, (1, 0, 0): mean_1, (0, 1, 0): mean_2, (1, 1, 0): mean_12, (1, 1, 1): mean_s12}
    means[1, 1, 2] = mean_ss12
    terms = sp.Poly(sp.expand(expression), h_1, h_2, s_v).terms()
    return sp.Add(*(coefficient * means[powers] for powers, coefficient in terms))


def _pair() -> tuple[sp.Matrix, sp.Matrix, sp.Matrix]:
    """The two numbers and h_v at two ridges, with the corner that M = -dU/d(epsilon) of both gives."""
    trace = _upper(trace_1, trace_1 * trace_2 * trace_corner, trace_2)
    factor = _upper(factor_1, factor_1 * factor_2 * factor_corner, factor_2)
    corner = feature_slope**2 * s_v * factor.inv()[0, 1] - feature_slope**2 * (s_v + t)
    linear = _upper(1 / h_1 - 1 / trace_1, corner, 1 / h_2 - 1 / trace_2)
    return trace, factor, (trace.inv() + linear).inv().applyfunc(sp.cancel)


def _trace_balance() -> sp.Expr:
    """Corner of theta k + <1 - h/theta> = psi_p, times theta_2; the diagonal gives k_2."""
    trace, factor, form = _pair()
    second = (psi_p - 1 + mean_2 / trace_2) / trace_2
    corner = feature_memory * factor.inv()[0, 1] - feature_memory - feature_floor
    own = trace[0, 0] * corner + trace[0, 1] * second
    return sp.expand(trace_2 * (own - _average((form * trace.inv())[0, 1])))


def _factor_balance() -> sp.Expr:
    """Corner of the samples' factor, less what it should be."""
    trace, factor, form = _pair()
    own = feature_memory * trace[0, 1] + feature_slope**2 * _average(s_v * form[0, 1])
    return sp.expand(factor[0, 1] - own / psi_n)


_product = trace_1 * trace_2
# Coefficients of the two linear equations of the corners.
_trace_weight = _product * (psi_p - 1) + trace_1 * mean_2 + trace_2 * mean_1 - mean_12
_coupling = feature_memory * _product + feature_slope**2 * mean_s12
_factor_weight = factor_1 * factor_2 - feature_slope**4 * mean_ss12 / psi_n
_trace_source = (feature_memory + feature_floor) * _product + feature_slope**2 * (mean_s12 + t * mean_12)
_factor_source = feature_slope**4 * (mean_ss12 + t * mean_s12) / psi_n
_determinant = _trace_weight * _factor_weight - _coupling**2 / psi_n
_MEANS = (mean_1, mean_2, mean_12, mean_s12, mean_ss12)
_CORNERS = (psi_p, psi_n, *_NUMBERS[:2], feature_floor, t, trace_1, trace_2, factor_1, factor_2, *_MEANS)


def _corners() -> dict[sp.Symbol, sp.Expr]:
    solved = sp.solve([_trace_balance(), _factor_balance()], [trace_corner, factor_corner], dict=True)
    return {symbol: sp.factor(value) for symbol, value in solved[0].items()}


trace_corner_pair = Equation(
    name="trace_corner_pair",
    left=trace_corner,
    right=(_trace_source * _factor_weight + _coupling * _factor_source) / _determinant,
    arguments=_CORNERS,
    meaning="The trace of $(U + \\zeta_1)^{-1} M (U + \\zeta_2)^{-1}$, over both traces, M being the features' second "
    "moments over fresh points.",
    source=DERIVED,
    steps=(
        Step(
            "$(U + \\zeta_1)^{-1} M (U + \\zeta_2)^{-1}$ is the corner of the inverse of $U + \\zeta$ in 2 x 2 blocks, "
            "with $\\zeta_1, \\zeta_2$ on the diagonal and $-M$ in the corner. The equations above hold with 2 x 2 "
            "matrices for $\\theta$, the factor and $h_v$; the corners of $M_v$ and of the multiple of one have "
            "the parts $-\\kappa^2 (s_v + t)$ and $-(v^2 + c^2)$."
        ),
        Step("The corner of the equation of the trace, which vanishes:", _trace_balance),
        Step("That of the samples' factor:", _factor_balance),
        Step("Both are linear in the two corners; solve.", lambda: _corners()[trace_corner]),
    ),
)

factor_corner_pair = Equation(
    name="factor_corner_pair",
    left=factor_corner,
    right=(_trace_weight * _factor_source + _coupling * _trace_source / psi_n) / _determinant,
    arguments=_CORNERS,
    meaning="The corner of the samples' factor, over both factors.",
    source=DERIVED,
    steps=(Step("The other of the two unknowns.", lambda: _corners()[factor_corner]),),
)

noise_kernel = Equation(
    name="noise_kernel",
    left=network_noise,
    right=feature_slope**2 * h_1 * h_2 * (trace_corner + feature_slope**2 * s_v * factor_corner),
    arguments=(feature_slope, s_v, h_1, h_2, trace_corner, factor_corner),
    meaning="Variance of the network's score along v, over fresh points, that its response does not explain: of a "
    "ridge with both the same, of gradient flow under the two filters.",
    source=DERIVED,
    steps=(
        Step(
            "$\\overline{s_v^2} = \\frac{\\kappa^2}{d} w_v^\\top (U + \\zeta_1)^{-1} M (U + \\zeta_2)^{-1} w_v$ is "
            "$\\kappa^2$ times the corner of $h_v$,",
            lambda: sp.factor(feature_slope**2 * _pair()[2][0, 1]),
        ),
        Step(
            "of which the responses are the part $J_v^2 (s_v + t)$; the rest is",
            lambda: sp.expand(
                feature_slope**2 * _pair()[2][0, 1] - (feature_slope**2 * h_1) * (feature_slope**2 * h_2) * (s_v + t)
            ),
        ),
    ),
)

network_second_moment = Equation(
    name="network_second_moment",
    left=network_second,
    right=network_response**2 * (s_v + t) + network_noise,
    arguments=(s_v, t, network_response, network_noise),
    meaning="Size of the network's score along v on fresh points.",
    source=DERIVED,
    steps=(
        Step(
            "A fresh point's coordinate along v has the variance $s_v + t$.",
            lambda: network_noise + (s_v + t) * network_response**2,
        ),
    ),
)

network_log_signal_to_noise = Equation(
    name="network_log_signal_to_noise",
    left=network_log_R,
    right=sp.log(network_response**2 * (s_v + t) / network_noise),
    arguments=(s_v, t, network_response, network_noise),
    meaning="Signal to noise of the network's score along v: what its response explains over what it does not.",
    source=DERIVED,
    steps=(
        Step(
            "The explained part of the size, over the rest of it.",
            lambda: sp.log(
                network_response**2
                * (s_v + t)
                / sp.expand(network_second_moment.right - network_response**2 * (s_v + t))
            ),
        ),
    ),
)

network_excess_loss = Equation(
    name="network_excess_loss",
    left=network_excess,
    right=(s_v + t) * (network_response + 1 / (s_v + t)) ** 2 + network_noise,
    arguments=(s_v, t, network_response, network_noise),
    meaning="Mean squared difference of the network's score along v from the exact one, on fresh points.",
    source=DERIVED,
    steps=(
        Step(
            "$E (\\hat{s}_v + x_v/(s_v + t))^2$, with $E \\hat{s}_v x_v = J_v (s_v + t)$.",
            lambda: network_second_moment.right + 2 * network_response + 1 / (s_v + t),
        ),
    ),
)

gradient_flow_filter = Equation(
    name="gradient_flow_filter",
    left=flow_filter,
    right=(1 - sp.exp(-feature_value * training_time)) / feature_value,
    arguments=(feature_value, training_time),
    meaning="What stands for $1/x_U$ after training for a time, from A = 0; it has no pole, so that averages over U "
    "are contour integrals of it times a resolvent around the spectrum.",
    source=_SPECTRUM,
    steps=(
        Step(
            "$dA/d\\tau = -(A U + V^\\top)$ at an eigenvalue, the source being one.",
            lambda: 1 - feature_value * flow_filter,
        ),
        Step(
            "Its integral from zero.",
            lambda: sp.integrate(sp.exp(-feature_value * training_time), (training_time, 0, training_time)),
        ),
    ),
)

largest_feature_value_bound = Equation(
    name="largest_feature_value_bound",
    left=largest_feature_value,
    right=feature_floor
    + feature_blur * (1 + sp.sqrt(psi_p)) ** 2
    + (
        feature_slope * sp.sqrt(largest_eigenvalue) * (1 + sp.sqrt(psi_p)) * (1 + 1 / sp.sqrt(psi_n))
        + sp.sqrt(feature_memory) * (1 + sp.sqrt(psi_p / psi_n))
    )
    ** 2,
    arguments=(psi_p, psi_n, *_NUMBERS, largest_eigenvalue),
    meaning="No eigenvalue of U is larger, and none is smaller than $c^2$.",
    source="K. R. Davidson and S. J. Szarek, in Handbook of the geometry of Banach spaces (2001)",
    steps=(
        Step("Norms of Gaussian matrices: at most the edges of $W/\\sqrt{d}$, $Y/\\sqrt{N}$ and $\\Omega/\\sqrt{N}$."),
        Step(
            "Norms of sums and products are at most those of the norms.",
            lambda: (
                feature_floor
                + (feature_blur * (1 + sp.sqrt(psi_p)) ** 2)
                + (
                    feature_slope * (1 + sp.sqrt(psi_p)) * sp.sqrt(largest_eigenvalue * (1 + sp.sqrt(1 / psi_n)) ** 2)
                    + sp.sqrt(feature_memory * (1 + sp.sqrt(psi_p / psi_n)) ** 2)
                )
                ** 2
            ),
        ),
    ),
)

CHAPTER = Chapter(
    name="random_features",
    title="Networks of random features",
    introduction="A network too narrow to memorize, or stopped in time, keeps other directions than the empirical "
    "score. The solvable one, random features with a trained second layer, answers for it at every width, number of "
    "samples and training time.",
    equations=(
        *activations.EQUATIONS,
        feature_trace_map,
        sample_factor_map,
        direction_resolvent,
        ridge_response,
        trace_corner_pair,
        factor_corner_pair,
        noise_kernel,
        network_second_moment,
        network_log_signal_to_noise,
        network_excess_loss,
        gradient_flow_filter,
        largest_feature_value_bound,
    ),
)
