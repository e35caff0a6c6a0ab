r"""The local dimension of data, from the empirical score at a noise variance.

Near a manifold of $k_0$ dimensions the density of the noised data is $p_t(x) \sim t^{(k_0 - d)/2}$. Its logarithmic
slope is a Gibbs average over the samples, and so are its own slope and its error over data sets.
"""

from collections.abc import Callable

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step
from geomem_theory.empirical import relative_log_weight
from geomem_theory.symbols import (
    Y_2,
    D_nearest,
    K,
    dimension_0,
    dimension_slope,
    dimension_t,
    dims,
    displacement,
    end_effect,
    half_1,
    half_weight_sum,
    lam,
    moments_of_half,
    ray_distance,
    reduced_distance,
    second_reduced,
    t,
    u,
    variance_by_weights,
    variance_on_plane,
    weight_sum,
    xi,
)

_FLIPD = "arXiv:2406.03537"
_LIDL = "arXiv:2206.14882"


def _of_log_density(log_density: sp.Expr) -> sp.Expr:
    """The dimension as the slope in ln sqrt(t) of a log-density in d dimensions."""
    return sp.simplify(dims + 2 * t * sp.diff(log_density, t))


_log_weight = relative_log_weight.right.subs(D_nearest, 0)

dimension_of_sample = Equation(
    name="dimension_of_sample",
    left=reduced_distance,
    right=ray_distance / t,
    arguments=(t, ray_distance),
    meaning="A sample's part in the local dimension $k_t = d + d\\ln p_t/d\\ln\\sqrt{t}$, which is its Gibbs average: "
    "the squared distance in units of t. How many directions there are around the data does not matter.",
    source=f"{_LIDL}, {_FLIPD}; of samples {DERIVED}",
    steps=(
        Step(
            "Near a manifold of $k_0$ dimensions $\\ln p_t = \\frac{k_0 - d}{2}\\ln t$ and a constant, which gives",
            lambda: _of_log_density((dimension_0 - dims) / 2 * sp.log(t)),
        ),
        Step(
            "One sample's term of $p_t$ has $\\ln w - \\frac{d}{2}\\ln(2\\pi t)$. The slope of the logarithm of a sum "
            "is the average of the slopes under the weights.",
            lambda: _of_log_density(_log_weight - dims / 2 * sp.log(2 * sp.pi * t)),
        ),
    ),
)


def _slope_of_average() -> sp.Expr:
    """Slope in ln t of the average of e = 2 E/t by the generating function K, whose tilt multiplies 1/t."""
    first, second = sp.diff(K(lam), lam), sp.diff(K(lam), lam, 2)
    average = -2 * lam * first
    of_first = sp.solve(sp.Eq(dimension_t, average), first)[0]
    of_second = sp.solve(sp.Eq(second_reduced - dimension_t**2, 4 * lam**2 * second), second)[0]
    return sp.expand(sp.expand(-lam * sp.diff(average, lam)).subs(second, of_second).subs(first, of_first))


local_dimension_slope = Equation(
    name="local_dimension_slope",
    left=dimension_slope,
    right=(second_reduced - dimension_t**2) / 2 - dimension_t,
    arguments=(dimension_t, second_reduced),
    meaning="Slope of the local dimension in ln t. It vanishes where the data look flat and end nowhere.",
    source=DERIVED,
    steps=(
        Step(
            "The mean and the variance of the energy D/2 are derivatives of the generating function $K(\\lambda)$, "
            "whose tilt multiplies 1/t.",
            _slope_of_average,
        ),
    ),
)

_linear = dimension_0 + 2 * u * t

extrapolated_dimension = Equation(
    name="extrapolated_dimension",
    left=dimension_0,
    right=dimension_t - local_dimension_slope.right,
    arguments=(dimension_t, second_reduced),
    meaning="The local dimension without what curvature and a changing density add to it to first order in t.",
    source=DERIVED,
    steps=(
        Step(
            "They change $\\ln p_t$ by a part linear in t; with u as its coefficient, the dimension is",
            lambda: sp.expand(_of_log_density((dimension_0 - dims) / 2 * sp.log(t) + u * t)),
        ),
        Step(
            "Subtract its slope in ln t.",
            lambda: sp.expand(_linear - t * sp.diff(_linear, t)),
        ),
        Step("By the averages.", lambda: sp.expand(dimension_t - _slope_of_average())),
    ),
)

participation_of_half = Equation(
    name="participation_of_half",
    left=Y_2,
    right=half_weight_sum / weight_sum**2,
    arguments=(weight_sum, half_weight_sum),
    meaning="Participation from the sum of the weights at half the noise variance. To leading order "
    "it is also the variance of ln Z over data sets: where it is small ln Z depends on no single sample.",
    source=DERIVED,
    steps=(
        Step(
            "Squared weights are those of half the noise variance.",
            lambda: (
                half_weight_sum
                / weight_sum**2
                * sp.simplify(sp.exp(2 * relative_log_weight.right) / sp.exp(relative_log_weight.right.subs(t, t / 2)))
            ),
        ),
    ),
)


def _influence(estimate: sp.Expr) -> sp.Expr:
    """Change of a function of the averages of e and e^2 with the weight of a sample, per weight."""
    return sp.diff(estimate, dimension_t) * (reduced_distance - dimension_t) + sp.diff(estimate, second_reduced) * (
        reduced_distance**2 - second_reduced
    )


def _averaged_square(estimate: sp.Expr, moment: Callable[[int], sp.Expr]) -> sp.Expr:
    """Average of the squared influence over a law of e with these moments."""
    polynomial = sp.Poly(sp.expand(_influence(estimate) ** 2), reduced_distance)
    return sp.Add(*(factor * moment(power) for (power,), factor in polynomial.terms()))


def _moment_of_half(power: int) -> sp.Expr:
    """In units of t, while the averages at t/2 are in its own."""
    return moments_of_half[power - 1] / 2**power if power else sp.Integer(1)


def _moment_on_plane(power: int) -> sp.Expr:
    """Of half a chi-square of k degrees of freedom."""
    return sp.expand(sp.rf(dimension_t / 2, power))


def _on_plane(estimate: sp.Expr) -> sp.Expr:
    square = _averaged_square(estimate, _moment_on_plane)
    return sp.factor(square.subs(second_reduced, dimension_t * (dimension_t + 2)))


def _variance(name: str, of: sp.Expr, estimate: sp.Expr) -> Equation:
    return Equation(
        name=name,
        left=variance_by_weights(of),
        right=Y_2 * _averaged_square(estimate, _moment_of_half),
        arguments=(Y_2, dimension_t, second_reduced, *moments_of_half),
        meaning="Its variance over data sets, by the weights: averages at half the noise variance.",
        source=DERIVED,
        steps=(
            Step("A sample of weight w changes it by w times", lambda: _influence(estimate)),
            Step(
                "Samples are independent: their squares add, of weights that are those of half the noise variance.",
                lambda: Y_2 * _averaged_square(estimate, _moment_of_half),
            ),
        ),
    )


def _variance_on_plane(name: str, of: sp.Expr, estimate: sp.Expr, right: sp.Expr) -> Equation:
    return Equation(
        name=name,
        left=variance_on_plane(of),
        right=Y_2 * right,
        arguments=(Y_2, dimension_t),
        meaning="The same on a plane, whatever the weights of this data set say: once one sample has them all these "
        "see no scatter.",
        source=DERIVED,
        steps=(
            Step(
                "On a plane $|x - y|^2/t$ is a chi-square of k degrees of freedom under the weights, and half of one "
                "under their squares.",
                lambda: Y_2 * _on_plane(estimate),
            ),
        ),
    )


def _missing_over_displacement() -> sp.Expr:
    """One less the mean square, over the mean, of a normal variable that is not below -u."""
    mass, mean, square = (
        sp.integrate(xi**power * sp.exp(-(xi**2) / 2) / sp.sqrt(2 * sp.pi), (xi, -u, sp.oo)) for power in range(3)
    )
    return sp.simplify((mass - square) / mean)


_k = dimension_t
# The estimates: their symbols, what they are of the averages of e and e^2, and the polynomial of their scatter.
local_dimension_variance = _variance("local_dimension_variance", dimension_t, dimension_t)
slope_variance = _variance("local_dimension_slope_variance", dimension_slope, local_dimension_slope.right)
extrapolated_variance = _variance("extrapolated_dimension_variance", dimension_0, extrapolated_dimension.right)
plane_variance = _variance_on_plane("plane_dimension_variance", dimension_t, dimension_t, _k * (_k + 2) / 4)
plane_slope_variance = _variance_on_plane(
    "plane_slope_variance", dimension_slope, local_dimension_slope.right, _k * (_k + 2) * (_k**2 + 2 * _k + 8) / 64
)
plane_extrapolated_variance = _variance_on_plane(
    "plane_extrapolated_variance",
    dimension_0,
    extrapolated_dimension.right,
    _k * (_k + 2) * (_k + 4) * (_k + 6) / 64,
)

squared_displacement = Equation(
    name="squared_displacement",
    left=end_effect,
    right=displacement / t - Y_2 * half_1 / 2,
    arguments=(t, displacement, Y_2, half_1),
    meaning="How far the samples that are seen lie to one side, squared, in units of t: t times the squared score. An "
    "end of the data at the distance $\\beta\\sqrt{t}$ displaces them, and takes $\\beta$ times the displacement "
    "from the dimension, which need have no slope there.",
    source=DERIVED,
    steps=(
        Step(
            "With z across the end, in units of $\\sqrt{t}$: what the mean of $z^2$ lacks, over the mean of z, is "
            "the distance, here u.",
            _missing_over_displacement,
        ),
        Step(
            "Over data sets the square of the average also has its variance, as that of k_t.",
            lambda: displacement / t - Y_2 * _moment_of_half(1),
        ),
    ),
)

CHAPTER = Chapter(
    name="dimension",
    title="The local dimension of data",
    introduction="How many directions data have around a point, from the same Gibbs averages: no derivative is taken "
    "by differences.",
    equations=(
        dimension_of_sample,
        local_dimension_slope,
        extrapolated_dimension,
        participation_of_half,
        local_dimension_variance,
        slope_variance,
        extrapolated_variance,
        plane_variance,
        plane_slope_variance,
        plane_extrapolated_variance,
        squared_displacement,
    ),
)
