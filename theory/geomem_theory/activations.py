r"""What an activation is to a linear network: the constants of its Gaussian equivalent.

A hidden unit of many inputs sees a Gaussian of variance $\bar{s} + t$, and in two noised copies of one sample two of
covariance $\bar{s}$. Its Hermite orders keep their powers of the correlation: order 0 is the same for all samples and
only shifts one eigenvalue of U, order 1 is linear, and the rest is what a sample is remembered by.
"""

from collections.abc import Callable

import sympy as sp

from geomem_theory.derivation import DERIVED, Equation, Step, merge_sums
from geomem_theory.symbols import (
    C,
    feature_blur,
    feature_floor,
    feature_memory,
    feature_slope,
    hermite_order,
    hermite_weight,
    i,
    mean_variance,
    q,
    t,
    u,
    x_v,
)

_PRICE = "R. Price, IRE Trans. Inf. Theory 4, 69 (1958)"
_variance = mean_variance + t
_BOTH = (mean_variance, t)
_ERF_SLOPE = 2 * sp.exp(-(x_v**2)) / sp.sqrt(sp.pi)


def _mean(function: sp.Expr) -> sp.Expr:
    """Mean of a function of x_v over a Gaussian of the variance of a unit's input."""
    density = sp.exp(-(x_v**2) / (2 * _variance)) / sp.sqrt(2 * sp.pi * _variance)
    return sp.simplify(sp.integrate(function * density, (x_v, -sp.oo, sp.oo)))


def _erf_pair() -> sp.Expr:
    """E sigma' sigma' of two Gaussians of covariance q: sigma' = 2 exp(-x^2)/sqrt(pi), a determinant."""
    covariance = sp.Matrix([[_variance, q], [q, _variance]])
    return 4 / sp.pi / sp.sqrt((sp.eye(2) + 2 * covariance).det())


def _integrated(integrand: Callable[[sp.Expr, sp.Expr], sp.Expr], bound: sp.Expr, covariance: sp.Expr) -> sp.Expr:
    """Integral from 0 to the covariance over q = bound sin(u) of a function of q and of sqrt(bound^2 - q^2)."""
    place, root = bound * sp.sin(u), bound * sp.cos(u)
    return sp.integrate(sp.expand(integrand(place, root) * root), (u, 0, sp.asin(covariance / bound)))


def _erf_moment(covariance: sp.Expr) -> sp.Expr:
    return _integrated(lambda _, root: 4 / sp.pi / (2 * root), sp.Rational(1, 2) + _variance, covariance)


def _relu_moment(covariance: sp.Expr) -> sp.Expr:
    """E sigma sigma less the squared mean; u is the integral of 1/sqrt(variance^2 - q^2)."""
    return _integrated(lambda _, root: sp.Rational(1, 4) + u / (2 * sp.pi), _variance, covariance)


def _erf_linear(covariance: sp.Expr) -> sp.Expr:
    return _mean(_ERF_SLOPE) ** 2 * covariance


erf_slope = Equation(
    name="erf_slope",
    left=feature_slope,
    right=2 / sp.sqrt(sp.pi * (1 + 2 * _variance)),
    arguments=_BOTH,
    meaning="Mean slope of the error function.",
    source=DERIVED,
    steps=(Step("The mean of $\\sigma' = 2 e^{-x^2}/\\sqrt{\\pi}$.", lambda: _mean(_ERF_SLOPE)),),
)

erf_memory = Equation(
    name="erf_memory",
    left=feature_memory,
    right=2 * sp.asin(2 * mean_variance / (1 + 2 * _variance)) / sp.pi
    - 4 * mean_variance / (sp.pi * (1 + 2 * _variance)),
    arguments=_BOTH,
    meaning="What the error function remembers of a sample.",
    source=_PRICE + ", here " + DERIVED,
    steps=(
        Step(
            "By Price's theorem $E \\sigma \\sigma$ of two copies has the slope $E \\sigma' \\sigma'$ in their "
            "covariance q.",
            _erf_pair,
        ),
        Step("Integrate it up to $\\bar{s}$.", lambda: _erf_moment(mean_variance)),
        Step(
            "Subtract the linear part.",
            lambda: _erf_moment(mean_variance) - _erf_linear(mean_variance),
        ),
    ),
)

erf_floor = Equation(
    name="erf_floor",
    left=feature_floor,
    right=2 * (sp.asin(2 * _variance / (1 + 2 * _variance)) - sp.asin(2 * mean_variance / (1 + 2 * _variance))) / sp.pi
    - 4 * t / (sp.pi * (1 + 2 * _variance)),
    arguments=_BOTH,
    meaning="Variance of the error function under the noise, its linear part left out.",
    source=_PRICE + ", here " + DERIVED,
    steps=(
        Step(
            "$E \\sigma^2 - E \\sigma \\sigma$, from the covariance of two copies to the variance of one.",
            lambda: _erf_moment(_variance) - _erf_moment(mean_variance),
        ),
        Step(
            "Subtract the linear part.",
            lambda: _erf_moment(_variance) - _erf_moment(mean_variance) - _erf_linear(t),
        ),
    ),
)

relu_slope = Equation(
    name="relu_slope",
    left=feature_slope,
    right=sp.Rational(1, 2),
    arguments=_BOTH,
    meaning="Mean slope of the rectifier.",
    source=DERIVED,
    steps=(Step("$E\\,x \\sigma(x)$ over the variance.", lambda: _mean(x_v * sp.Max(x_v, 0)) / _variance),),
)

relu_memory = Equation(
    name="relu_memory",
    left=feature_memory,
    right=(mean_variance * sp.asin(mean_variance / _variance) + sp.sqrt(t * (2 * mean_variance + t)) - _variance)
    / (2 * sp.pi),
    arguments=_BOTH,
    meaning="What the rectifier remembers of a sample.",
    source=_PRICE + ", here " + DERIVED,
    steps=(
        Step(
            "By Price's theorem the second derivative of $E \\sigma \\sigma$ in the covariance q is the density of "
            "both at zero; the first is 1/4 at q = 0. Less the squared mean, at $q = \\bar{s}$:",
            lambda: _relu_moment(mean_variance),
        ),
        Step(
            "Subtract the linear part.",
            lambda: _relu_moment(mean_variance) - mean_variance / 4,
        ),
    ),
)

relu_floor = Equation(
    name="relu_floor",
    left=feature_floor,
    right=(
        sp.pi * _variance / 2
        - mean_variance * sp.asin(mean_variance / _variance)
        - sp.sqrt(t * (2 * mean_variance + t))
    )
    / (2 * sp.pi),
    arguments=_BOTH,
    meaning="Variance of the rectifier under the noise, its linear part left out.",
    source=_PRICE + ", here " + DERIVED,
    steps=(
        Step(
            "From the covariance of two copies to the variance of one, less the linear part.",
            lambda: _relu_moment(_variance) - _relu_moment(mean_variance) - t / 4,
        ),
    ),
)


def _over_orders(summand: sp.Expr) -> sp.Sum:
    return sp.Sum(summand, (i, 1, C))


_kept = sp.exp(-hermite_order[i] * sp.log(_variance / mean_variance))

hermite_memory = Equation(
    name="hermite_memory",
    left=feature_memory,
    right=_over_orders(hermite_weight[i] * _kept),
    arguments=(mean_variance, t, hermite_weight, hermite_order),
    meaning="What any activation remembers of a sample: of its squared Hermite coefficients of order 2 and more, their "
    "powers of the correlation $\\bar{s}/(\\bar{s} + t)$ of two noised copies.",
    source="F. G. Mehler, J. reine angew. Math. 66, 161 (1866)",
    steps=(
        Step("Hermite polynomials of two Gaussians are orthogonal, and of one order their mean is a power."),
        Step(
            "Two copies share $\\bar{s}$ of their variance.",
            lambda: _over_orders(
                hermite_weight[i] * sp.exp(hermite_order[i] * (sp.log(mean_variance) - sp.log(_variance)))
            ),
        ),
    ),
)

hermite_floor = Equation(
    name="hermite_floor",
    left=feature_floor,
    right=_over_orders(hermite_weight[i] * (1 - _kept)),
    arguments=(mean_variance, t, hermite_weight, hermite_order),
    meaning="Variance of any activation under the noise, its linear part left out.",
    source=DERIVED,
    steps=(
        Step(
            "What is not remembered; order 1 gives $\\kappa^2 \\bar{s}$ and $\\kappa^2 t$.",
            lambda: _over_orders(hermite_weight[i] - merge_sums(hermite_memory.right)[0]),
        ),
    ),
)

feature_blur_share = Equation(
    name="feature_blur_share",
    left=feature_blur,
    right=feature_slope**2 * t,
    arguments=(feature_slope, t),
    meaning="Variance of a feature's linear part under the noise.",
    source=DERIVED,
    steps=(
        Step(
            "Of the linear part $\\kappa x$, whose variance is $\\kappa^2 (\\bar{s} + t)$, a sample has the part "
            "$\\kappa^2 \\bar{s}$.",
            lambda: sp.expand(feature_slope**2 * _variance - feature_slope**2 * mean_variance),
        ),
    ),
)

EQUATIONS = (
    erf_slope,
    erf_memory,
    erf_floor,
    relu_slope,
    relu_memory,
    relu_floor,
    hermite_memory,
    hermite_floor,
    feature_blur_share,
)
