r"""The random energy of a training sample and its generating function.

Setting: training samples $y^1, \dots, y^N$ are independent Gaussian vectors of
covariance $\mathrm{diag}(s_b)$, block $b$ holding $d_b$ directions. At a probe x and
noise variance t, sample $\mu$ has the random energy $E_\mu = |x - y^\mu|^2/2$ and the
partition function is $Z = \sum_\mu e^{-E_\mu/t}$: the empirical density up to a
factor. Everything the theory needs of the data is the generating function of one
energy, $K(\lambda) = \ln E\, e^{-\lambda E/t}$, and the moments of y under the tilted law.
"""

from functools import cache

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step, merge_sums
from geomem_theory.symbols import (
    K_G,
    B,
    E_v,
    K,
    Q,
    b,
    d,
    h,
    k_1,
    k_2,
    lam,
    m,
    mean_weight,
    p,
    s,
    s_v,
    t,
    x_v,
    y_v,
)

_energy = (x_v - y_v) ** 2 / 2
_log_density = -(y_v**2) / (2 * s_v) - sp.log(2 * sp.pi * s_v) / 2
_tilted_exponent = -(y_v**2) / (2 * s_v) - lam * _energy / t


@cache
def _integral(source: bool) -> sp.Expr:
    """E exp(-lambda E_v/t + h y_v), by integration over y_v; h = 0 without the source."""
    exponent = _log_density - lam * _energy / t + (h * y_v if source else 0)
    # SymPy sees a Gaussian in an expanded exponent only, and leaves erf and erfc of one argument side by side.
    integral = sp.integrate(sp.exp(sp.expand(exponent)), (y_v, -sp.oo, sp.oo))
    return sp.powsimp(sp.simplify(integral.rewrite(sp.erf))).replace(sp.exp, lambda power: sp.exp(sp.factor(power)))


def log_generating_function_with_source() -> sp.Expr:
    """ln E exp(-lambda E_v/t + h y_v), whose derivatives at h = 0 are the tilted moments."""
    return sp.expand_log(sp.log(_integral(source=True)), force=True)


def over_blocks(per_direction: sp.Expr, per_length: sp.Expr) -> sp.Sum:
    """Sum f(s_v) + x_v^2 g(s_v) over the directions: sum over blocks of d_b f(s_b) + Q_b g(s_b)."""
    return sp.Sum(d[b] * per_direction.subs(s_v, s[b]) + Q[b] * per_length.subs(s_v, s[b]), (b, 1, B))


def tidy(expression: sp.Expr) -> sp.Expr:
    """One sum over blocks, linear in d_b and Q_b, each coefficient as one logarithm plus one factored fraction.

    The fractions are brought over one denominator because term by term they cancel
    when s is much larger than t, and the logarithms into one argument because they
    cancel when s is much smaller.
    """
    summand, rest = merge_sums(expression)
    terms = []
    for weight in (d[b], Q[b]):
        rational, logarithmic = sp.expand(summand.diff(weight)).as_independent(sp.log, as_Add=True)
        if logarithmic.is_Add:
            logarithmic = sp.logcombine(2 * logarithmic, force=True) / 2
        terms.append(weight * (sp.factor(rational) + logarithmic))
    return sp.Sum(sp.Add(*terms), (b, 1, B)) + rest


random_energy = Equation(
    name="random_energy",
    left=E_v(x_v),
    right=_energy,
    meaning="The random energy of one training sample: half its squared distance to the probe, "
    "a sum over directions v of this term. The Gibbs weight of the sample is $e^{-E/t}/Z$.",
    source="arXiv:2410.08727, with the energy at inverse temperature $1/t$",
    steps=(
        Step(
            "The density of the noised training set at x is a mixture of Gaussians of variance t around the samples. "
            "Up to its normalization it is $Z$, a sum of Boltzmann factors with this energy."
        ),
    ),
)

direction_factor = Equation(
    name="direction_factor",
    left=mean_weight,
    right=sp.exp(-lam * x_v**2 / (2 * (t + lam * s_v))) / sp.sqrt(1 + lam * s_v / t),
    meaning="One direction's factor of the average Boltzmann weight at inverse temperature $\\lambda/t$.",
    source=DERIVED,
    steps=(
        Step(
            "A coordinate y of variance $s_v$ has this log-density; its energy is half the squared distance.",
            lambda: _log_density,
        ),
        Step("Integrate the Boltzmann factor over y.", lambda: _integral(source=False)),
    ),
)

_log_factor = sp.expand_log(sp.log(direction_factor.right), force=True)
_per_length = sp.factor(_log_factor.coeff(x_v, 2))
_per_direction = _log_factor.subs(x_v, 0)

generating_function = Equation(
    name="generating_function",
    left=K(lam),
    right=over_blocks(_per_direction, _per_length),
    arguments=(lam, t, s, d, Q),
    meaning="The cumulant generating function of $-E/t$. Directions are independent, so it is a sum over blocks; "
    "it depends on the spectrum through $(s_b, d_b)$ and on the probe through $Q_b$ alone.",
    source=DERIVED,
    steps=(
        Step("Take the logarithm of the direction factor.", lambda: _log_factor),
        Step(
            "Sum over the directions of a block: $d_b$ times the part without x; "
            "the squared coordinates of the probe add up to $Q_b$.",
            lambda: sp.Sum(
                (_log_factor.subs(x_v, 0) * d[b] + (_log_factor - _log_factor.subs(x_v, 0)) * Q[b] / x_v**2).subs(
                    s_v, s[b]
                ),
                (b, 1, B),
            ),
        ),
    ),
)


def generating_function_at(tilt: sp.Expr | int) -> sp.Expr:
    """K at another tilt than the symbol lambda."""
    return generating_function.right.subs(lam, tilt)


generating_function_slope = Equation(
    name="generating_function_slope",
    left=sp.Derivative(K(lam), lam),
    right=tidy(sp.diff(generating_function.right, lam)),
    meaning="Minus the mean energy under the law tilted by $\\lambda$, in units of t.",
    source=DERIVED,
    steps=(Step("Differentiate K term by term.", lambda: sp.diff(generating_function.right, lam)),),
)

generating_function_curvature = Equation(
    name="generating_function_curvature",
    left=sp.Derivative(K(lam), (lam, 2)),
    right=tidy(sp.diff(generating_function.right, lam, 2)),
    meaning="The variance of the energy under the tilted law, in units of $t^2$; never negative, so K is convex.",
    source=DERIVED,
    steps=(Step("Differentiate K twice.", lambda: sp.diff(generating_function.right, lam, 2)),),
)

tilted_variance = Equation(
    name="tilted_variance",
    left=p(lam),
    right=sp.cancel(-1 / sp.diff(_tilted_exponent, y_v, 2)),
    arguments=(lam, t, s_v),
    meaning="Variance of the sample's coordinate y under the law tilted by $e^{-\\lambda E/t}$. "
    "At $\\lambda = 1$ it is the posterior variance of y given x.",
    source=DERIVED,
    steps=(
        Step("The tilted law is Gaussian, with this exponent.", lambda: _tilted_exponent),
        Step(
            "Its variance is minus the inverse curvature of the exponent.",
            lambda: -1 / sp.diff(_tilted_exponent, y_v, 2),
        ),
        Step(
            "The same from a source: differentiate $\\ln E\\, e^{-\\lambda E/t + h y}$ twice, at h = 0.",
            lambda: sp.simplify(sp.diff(log_generating_function_with_source(), h, 2)),
        ),
    ),
)

tilted_mean = Equation(
    name="tilted_mean",
    left=m(lam),
    right=sp.factor(sp.solve(sp.diff(_tilted_exponent, y_v), y_v)[0]),
    arguments=(lam, t, s_v, x_v),
    meaning="Mean of the sample's coordinate y under the tilted law. At $\\lambda = 1$ it is the posterior mean.",
    source=DERIVED,
    steps=(
        Step("The mean of a Gaussian maximizes its exponent.", lambda: sp.Eq(sp.diff(_tilted_exponent, y_v), 0)),
        Step("Solve for y.", lambda: sp.solve(sp.diff(_tilted_exponent, y_v), y_v)[0]),
        Step(
            "The same from a source: differentiate $\\ln E\\, e^{-\\lambda E/t + h y}$ at h = 0.",
            lambda: sp.simplify(sp.diff(log_generating_function_with_source(), h).subs(h, 0)),
        ),
    ),
)

first_cumulant = Equation(
    name="first_cumulant",
    left=k_1,
    right=tidy(-t * sp.diff(generating_function.right, lam).subs(lam, 0)),
    meaning="Mean of the random energy over training samples.",
    source="arXiv:2410.08727",
    steps=(
        Step(
            "The mean energy is $-t K'(0)$.",
            lambda: -t * sp.diff(generating_function.right, lam).subs(lam, 0),
        ),
    ),
)

second_cumulant = Equation(
    name="second_cumulant",
    left=k_2,
    right=tidy(t**2 * sp.diff(generating_function.right, lam, 2).subs(lam, 0)),
    meaning="Variance of the random energy over training samples, the quantity that carries the published theory.",
    source="arXiv:2410.08727",
    steps=(
        Step(
            "The variance of the energy is $t^2 K''(0)$.",
            lambda: t**2 * sp.diff(generating_function.right, lam, 2).subs(lam, 0),
        ),
    ),
)


def _second_order() -> sp.Expr:
    """Taylor polynomial of an unknown function K with K(0) = 0."""
    return sp.series(K(lam), lam, 0, 3).removeO().subs(K(0), 0).expand()


gaussian_generating_function = Equation(
    name="gaussian_generating_function",
    left=K_G(lam),
    right=-lam * k_1 / t + lam**2 * k_2 / (2 * t**2),
    meaning="K with two cumulants kept: the law of the energy replaced by a Gaussian, as in the published theory.",
    source="arXiv:2410.08727, level `gaussian_rem`",
    steps=(
        Step(
            "Expand K to second order in $\\lambda$; K(0) = 0.",
            lambda: _second_order(),
        ),
        Step(
            "Insert $K'(0) = -\\kappa_1/t$ and $K''(0) = \\kappa_2/t^2$.",
            lambda: _second_order().subs(
                {_second_order().coeff(lam, 1): -k_1 / t, 2 * _second_order().coeff(lam, 2): k_2 / t**2}
            ),
        ),
    ),
)

CHAPTER = Chapter(
    name="partition",
    title="The partition function and its generating function",
    introduction="One Gaussian integral per direction gives the generating function K of the random energy. "
    "Its derivatives give the energy's mean and variance, and completing the square gives the law of a sample "
    "under the tilt. All later chapters are built from these.",
    equations=(
        random_energy,
        direction_factor,
        generating_function,
        generating_function_slope,
        generating_function_curvature,
        tilted_variance,
        tilted_mean,
        first_cumulant,
        second_cumulant,
        gaussian_generating_function,
    ),
)
