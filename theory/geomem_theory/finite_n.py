r"""Averages over data sets at every size N, with no limit taken.

With $v = e^{-E/t}$ the Boltzmann weight of one sample, a power of $1/Z$ is a Laplace
integral over u, under which the samples factorize: N enters only as a power of the
single-sample transform $\varphi(u) = E\, e^{-uv}$. The single-sample averages
$E\, g\, (uv)^k e^{-uv}$ follow from the generating function K by one contour integral.
Everything is written as a density in $\xi = \ln u$.

A planted sample of fixed weight $w_1$ may be added; N then counts the others.
"""

import sympy as sp

from geomem_theory.derivation import DERIVED, Chapter, Equation, Step
from geomem_theory.partition import tilted_mean
from geomem_theory.probe import generating_function_probed
from geomem_theory.symbols import (
    M_1,
    M_2,
    Y_2,
    M_1g,
    M_1gg,
    M_2gg,
    Q_rest,
    Z,
    avg_g,
    avg_g_squared,
    avg_gg,
    balance_Y_2,
    d,
    density_g,
    density_g_squared,
    density_gg,
    density_log_Z,
    density_norm,
    density_planted,
    density_Y_2,
    g_1,
    inverse_power,
    k,
    lam,
    log_a,
    log_N,
    log_phi,
    mean_g,
    mean_gg,
    mellin,
    q,
    q_v,
    quenched_log_R,
    quenched_score,
    quenched_second,
    quenched_variance,
    rising,
    s,
    s_v,
    slope_of_mean,
    t,
    tilt_mean,
    tilt_variance,
    u,
    x_v,
    xi,
    y_0,
    z,
)

_K = generating_function_probed.right
_N = sp.exp(log_N)
_planted = sp.exp(log_a + xi)  # u w_1


def _others(count: int) -> sp.Expr:
    """phi^(N - count) times the planted sample's factor exp(-u w_1)."""
    return sp.exp((_N - count) * log_phi - _planted)


laplace_power = Equation(
    name="laplace_power",
    left=inverse_power,
    right=Z ** (-q),
    meaning="A power of 1/Z as an integral over u, under which sums in Z become products over samples.",
    source=DERIVED,
    steps=(
        Step(
            "Integrate $u^{q-1} e^{-uZ}/\\Gamma(q)$ over positive u.",
            lambda: sp.integrate(u ** (q - 1) * sp.exp(-u * Z), (u, 0, sp.oo), conds="none") / sp.gamma(q),
        ),
    ),
)

_FACTORIZE = (
    "Samples are independent: every sample that the average does not single out contributes $\\varphi(u)$, "
    "the planted one $e^{-u w_1}$. Write $u = e^{\\xi}$, $du/u = d\\xi$."
)

mellin_exponent = Equation(
    name="mellin_exponent",
    left=mellin(z),
    right=sp.loggamma(z + k) + _K.subs(lam, -z) - z * xi,
    arguments=(z, k, xi, t, s, d, Q_rest, s_v, q_v),
    meaning="Logarithm of the integrand in $E\\,(uv)^k e^{-uv} = \\frac{1}{2\\pi i}\\int dz\\, e^{F(z)}$, along a "
    "line from below to above with $-k < \\mathrm{Re}\\, z < t/s_{\\max}$. For $k = 0$ it is $\\varphi$ in the strip "
    "right of 0, and $\\varphi - 1$ in the strip from -1 to 0. A function g of y brings a factor $g(-z)$, its mean "
    "under the law tilted by -z.",
    source="the Mellin-Barnes integral of the exponential; " + DERIVED,
    steps=(
        Step(
            "The exponential is the inverse Mellin transform of the Gamma function: "
            "$w^k e^{-w}$ with $w = uv$ has the transform $\\Gamma(z + k)$.",
            lambda: sp.simplify(sp.integrate(u ** (z + k - 1) * sp.exp(-u), (u, 0, sp.oo), conds="none")),
        ),
        Step(
            "Average $w^{-z} = u^{-z} v^{-z}$ over samples: $E\\, v^{-z} = e^{K(-z)}$ converges left of $t/s_{\\max}$."
        ),
    ),
)

rising_factorial = Equation(
    name="rising_factorial",
    left=rising,
    right=1 + k * (z - 1) + k * (k - 1) * (z * (z + 1) - 2 * z + 1) / 2,
    arguments=(z, k),
    meaning="$\\Gamma(z + k)/\\Gamma(z)$ for k = 0, 1 and 2: what turns the integrand of $\\varphi$ into those of the "
    "higher powers.",
    source=DERIVED,
    steps=(
        Step(
            "The interpolating polynomial in k through 1, z and z(z + 1).",
            lambda: sp.interpolate([(0, 1), (1, z), (2, z * (z + 1))], k),
        ),
    ),
)

centered_mean = Equation(
    name="centered_mean",
    left=mean_g(lam),
    right=tilted_mean.right - y_0,
    arguments=(lam, t, s_v, x_v, y_0),
    meaning="Mean of $g = y_v - y_0$ under the tilted law. A reference near the Gibbs average keeps the difference of "
    "second moment and squared mean from cancelling: the posterior mean m(1), or the coordinate of a planted sample "
    "that holds most of the weight.",
    source=DERIVED,
    steps=(Step("Subtract the reference."),),
)

mean_slope = Equation(
    name="mean_slope",
    left=slope_of_mean(lam),
    right=s_v * t * x_v / ((t + lam * s_v) * (t + s_v)),
    arguments=(lam, t, s_v, x_v),
    meaning="What the tilted mean less the posterior mean is, over $\\lambda - 1$. It turns the integrand of "
    "$E\\,(y_v - m(1))\\,uv\\,e^{-uv}$, whose zero cancels the pole of $\\Gamma(z+1)$ at -1, into "
    "$-\\Gamma(z+2)$ times it: the strip is that of k = 2, and nothing cancels where u is small.",
    source=DERIVED,
    steps=(
        Step(
            "Divide the difference by $\\lambda - 1$.",
            lambda: sp.factor((tilted_mean.right - tilted_mean.right.subs(lam, 1)) / (lam - 1)),
        ),
    ),
)

centered_second_moment = Equation(
    name="centered_second_moment",
    left=mean_gg(lam),
    right=tilt_variance + (tilt_mean - y_0) ** 2,
    arguments=(tilt_mean, tilt_variance, y_0),
    meaning="Mean of $g^2$ under the tilted law, of any law whose tilted mean and variance are known.",
    source=DERIVED,
    steps=(
        Step(
            "Expand $(y_v - y_0)^2$; the mean of $y_v^2$ is $p_\\lambda + m_\\lambda^2$.",
            lambda: tilt_variance + tilt_mean**2 - 2 * y_0 * tilt_mean + y_0**2,
        ),
    ),
)

weight_density = Equation(
    name="weight_density",
    left=density_norm,
    right=_N * M_1 * _others(1) + _planted * _others(0),
    arguments=(xi, log_N, log_phi, log_a, M_1),
    meaning="It integrates to one, the sum of the weights: the check that every integral has to pass.",
    source=DERIVED,
    steps=(Step("$\\sum_\\mu v_\\mu / Z$ with $q = 1$."), Step(_FACTORIZE)),
)

participation_density = Equation(
    name="participation_density",
    left=density_Y_2,
    right=_N * M_2 * _others(1) + _planted**2 * _others(0),
    arguments=(xi, log_N, log_phi, log_a, M_2),
    meaning="Mean of $Y_2 = \\sum_\\mu w_\\mu^2$.",
    source=DERIVED,
    steps=(Step("$\\sum_\\mu v_\\mu^2/Z^2$ with $q = 2$, $\\Gamma(2) = 1$."), Step(_FACTORIZE)),
)

log_partition_density = Equation(
    name="log_partition_density",
    left=density_log_Z,
    right=-(xi + sp.EulerGamma) * weight_density.right,
    arguments=(xi, log_N, log_phi, log_a, M_1),
    meaning="Mean of $\\ln Z$, planted sample included. Given the data set, u has the exponential law of rate Z, "
    "so $-\\ln u$ has the mean $\\ln Z + \\gamma$; over data sets, u has the weight density.",
    source=DERIVED,
    steps=(
        Step(
            "Mean of $\\ln u$ under the density $Z e^{-uZ}$.",
            lambda: sp.simplify(sp.integrate(sp.log(u) * Z * sp.exp(-u * Z), (u, 0, sp.oo))),
        ),
        Step(
            "Average over data sets: $E\\, u Z e^{-uZ}$, per unit of $\\xi$, is the weight density. "
            "The same follows from Frullani's integral $\\ln Z = \\int du\\,(e^{-u} - e^{-uZ})/u$ by parts."
        ),
    ),
)

mean_density = Equation(
    name="mean_density",
    left=density_g,
    right=_N * M_1g * _others(1) + g_1 * _planted * _others(0),
    arguments=(xi, log_N, log_phi, log_a, M_1g, g_1),
    meaning="Mean over data sets of the Gibbs average of g.",
    source=DERIVED,
    steps=(Step("$\\sum_\\mu v_\\mu g_\\mu/Z$ with $q = 1$."), Step(_FACTORIZE)),
)

second_moment_density = Equation(
    name="second_moment_density",
    left=density_gg,
    right=_N * M_1gg * _others(1) + g_1**2 * _planted * _others(0),
    arguments=(xi, log_N, log_phi, log_a, M_1gg, g_1),
    meaning="Mean over data sets of the Gibbs average of $g^2$.",
    source=DERIVED,
    steps=(Step("$\\sum_\\mu v_\\mu g_\\mu^2/Z$ with $q = 1$."), Step(_FACTORIZE)),
)

squared_mean_density = Equation(
    name="squared_mean_density",
    left=density_g_squared,
    right=_N * M_2gg * _others(1)
    + _N * (_N - 1) * M_1g**2 * _others(2)
    + 2 * g_1 * _planted * _N * M_1g * _others(1)
    + g_1**2 * _planted**2 * _others(0),
    arguments=(xi, log_N, log_phi, log_a, M_1g, M_2gg, g_1),
    meaning="Mean over data sets of the squared Gibbs average of g. Less the squared mean it is the variance of "
    "$t$ times the score.",
    source=DERIVED,
    steps=(
        Step(
            "$\\sum_{\\mu\\nu} v_\\mu g_\\mu v_\\nu g_\\nu/Z^2$ with $q = 2$: N equal pairs, N(N-1) of two different "
            "samples, 2N with the planted one and it with itself."
        ),
        Step(_FACTORIZE),
    ),
)

planted_density = Equation(
    name="planted_density",
    left=density_planted,
    right=_planted * _others(0),
    arguments=(xi, log_N, log_phi, log_a),
    meaning="Mean weight of the planted sample.",
    source=DERIVED,
    steps=(Step("$w_1/Z$ with $q = 1$."), Step(_FACTORIZE)),
)

planted_offset = Equation(
    name="planted_offset",
    left=g_1,
    right=x_v - y_0,
    arguments=(x_v, y_0),
    meaning="g at a planted sample that is displaced from the probe across v, so that along v it has its coordinate.",
    source=DERIVED,
    steps=(Step("g is the coordinate less the reference."),),
)

quenched_score_mean = Equation(
    name="quenched_score_mean",
    left=quenched_score,
    right=(avg_g + y_0 - x_v) / t,
    arguments=(avg_g, t, x_v, y_0),
    meaning="Mean of the empirical score along v.",
    source=DERIVED,
    steps=(Step("The score is the Gibbs average of $y_v - x_v$ over t, and $y_v = g + y_0$."),),
)

quenched_score_variance = Equation(
    name="quenched_score_variance",
    left=quenched_variance,
    right=(avg_g_squared - avg_g**2) / t**2,
    arguments=(avg_g_squared, avg_g, t),
    meaning="Variance of the empirical score along v over data sets.",
    source=DERIVED,
    steps=(Step("Constants drop out of a variance."),),
)

quenched_second_moment = Equation(
    name="quenched_second_moment",
    left=quenched_second,
    right=avg_gg + 2 * y_0 * avg_g + y_0**2,
    arguments=(avg_gg, avg_g, y_0),
    meaning="Mean of the Gibbs average of $y_v^2$.",
    source=DERIVED,
    steps=(Step("Expand $(g + y_0)^2$ and average its terms."),),
)

quenched_log_signal_to_noise = Equation(
    name="quenched_log_signal_to_noise",
    left=quenched_log_R,
    right=sp.log(quenched_score**2 / quenched_variance),
    arguments=(quenched_score, quenched_variance),
    meaning="The direction generalizes where $R > 1$ and is lost where $R < 1$.",
    source="arXiv:2410.08727, section 5",
    steps=(Step("Squared mean over variance.", lambda: sp.log(quenched_score**2 / quenched_variance)),),
)

participation_balance = Equation(
    name="participation_balance",
    left=balance_Y_2,
    right=-sp.log(2 * Y_2),
    arguments=(Y_2,),
    meaning="Positive where the participation is below one half: where more than two samples are active.",
    source=DERIVED,
    steps=(Step("Logarithm of one half over $Y_2$.", lambda: sp.expand_log(sp.log(sp.Rational(1, 2) / Y_2))),),
)

CHAPTER = Chapter(
    name="finite_n",
    title="Averages over data sets at finite N",
    introduction="No thermodynamic limit and no expansion: a contour integral for one sample, then one integral over "
    "ln u in which N is a parameter. Random-energy condensation and the leading order at large N are its limits.",
    equations=(
        laplace_power,
        mellin_exponent,
        rising_factorial,
        centered_mean,
        mean_slope,
        centered_second_moment,
        weight_density,
        participation_density,
        log_partition_density,
        mean_density,
        second_moment_density,
        squared_mean_density,
        planted_density,
        planted_offset,
        quenched_score_mean,
        quenched_score_variance,
        quenched_second_moment,
        quenched_log_signal_to_noise,
        participation_balance,
    ),
)
