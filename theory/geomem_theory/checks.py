"""Identities and limits of the theory as tables with two sides, for tests and notebooks alike.

`identities` compares expressions by SymPy, each side from its own route;
`quadratures` compares closed forms with integrals done numerically at high
precision; `critical_points` and `gaussian_limit` look at solved equations;
`two_valued` and `single_sample` take the averages at finite N by other routes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from itertools import product
from typing import NamedTuple

import mpmath
import sympy as sp

from geomem_theory import condensation, finite_n, partition, probe, score
from geomem_theory.derivation import equal
from geomem_theory.evaluation import Values, evaluate, unroll
from geomem_theory.symbols import (
    M_1,
    M_2,
    M_1g,
    M_1gg,
    M_2gg,
    N,
    Q,
    Q_rest,
    a,
    b,
    d,
    delta,
    g_1,
    gap,
    h,
    j,
    k,
    k_1,
    k_2,
    lam,
    lam_c,
    log_a,
    log_N,
    log_phi,
    q_v,
    s,
    s_v,
    t,
    x_v,
    xi,
    y_0,
    y_v,
    z,
)

# What mpmath reads as a number: decimal digits as text.
Number = int | str | mpmath.mpf


class Identity(NamedTuple):
    """Two expressions, each from its own route, that should be equal."""

    name: str
    left: sp.Expr
    right: sp.Expr

    @property
    def holds(self) -> bool:
        return equal(self.left, self.right)


class Comparison(NamedTuple):
    """Two numbers, each from its own route, and their relative difference."""

    name: str
    left: mpmath.mpf
    right: mpmath.mpf

    @property
    def difference(self) -> mpmath.mpf:
        return abs(self.left - self.right) / max(abs(self.left), abs(self.right), mpmath.mpf(1))


class WeightedSample(NamedTuple):
    """A Boltzmann weight v and the g that goes with it."""

    weight: mpmath.mpf
    offset: mpmath.mpf


class GaussianLimit(NamedTuple):
    """Condensation times of both levels for many equal directions at fixed sum of squared variances."""

    directions: int
    rem: mpmath.mpf
    gaussian_rem: mpmath.mpf

    @property
    def difference(self) -> mpmath.mpf:
        return (self.gaussian_rem - self.rem) / self.gaussian_rem


def identities() -> tuple[Identity, ...]:
    """Every identity that SymPy can prove, with both sides."""
    K, slope = partition.generating_function.right, partition.generating_function_slope.right
    one_direction = sp.log(partition.direction_factor.right)
    source = partition.log_generating_function_with_source()
    density = sp.exp(-((x_v - y_v) ** 2) / (2 * t) - y_v**2 / (2 * s_v))
    marginal = _gaussian_integral(density)
    taylor = sp.Add(*(sp.diff(K, lam, order).subs(lam, 0) * lam**order / order for order in (1, 2)))
    cumulants = {k_1: partition.first_cumulant.right, k_2: partition.second_cumulant.right}
    along = condensation.along_probe_critical_time.right.subs(a, 1)
    return (
        Identity(
            "tilted mean = d/dh of ln E exp(-lambda E/t + h y)",
            sp.diff(source, h).subs(h, 0),
            partition.tilted_mean.right,
        ),
        Identity("tilted variance = d^2/dh^2 of the same", sp.diff(source, h, 2), partition.tilted_variance.right),
        Identity(
            "K' = -<E>/t, with <E> from the tilted moments",
            sp.diff(one_direction, lam),
            -((x_v - partition.tilted_mean.right) ** 2 + partition.tilted_variance.right) / (2 * t),
        ),
        Identity(
            "two cumulants = second order of K in lambda",
            taylor,
            partition.gaussian_generating_function.right.xreplace(cumulants),
        ),
        Identity(
            "slope of the entropy = -lambda K''", sp.diff(condensation.entropy.right, lam), -lam * sp.diff(K, lam, 2)
        ),
        Identity("entropy = ln N + K - lambda K'", condensation.entropy.right, log_N + K - lam * slope),
        Identity(
            "gaussian_rem = second order of rem in lambda",
            sp.diff(condensation.critical_log_size.right, lam, 2).subs(lam, 0) * lam**2 / 2,
            condensation.gaussian_critical_log_size.right,
        ),
        Identity(
            "t_c at the along-probe solves ln N = kappa_2(t)/(2 t^2)",
            (condensation.trace_of_squares / 2 + s_v * along) / (2 * along**2),
            log_N,
        ),
        Identity(
            "population score = d/dx of the log of the integrated density",
            sp.diff(sp.log(marginal), x_v),
            score.population_score.right,
        ),
        Identity(
            "-tJ = 1 - p(1)/t", 1 - partition.tilted_variance.right.subs(lam, 1) / t, score.population_eigenvalue.right
        ),
        Identity("gap at its opening time = Delta", _gap_at(score.gap_opening_time.right), gap),
        Identity("gap at its closing time = Delta", _gap_at(score.gap_closing_time.right), gap),
        Identity(
            "K(2) - 2K(1) = ln E v^2/(E v)^2, integrated",
            one_direction.subs(lam, 2) - 2 * one_direction.subs(lam, 1),
            sp.log(
                _gaussian_integral(sp.exp(-((x_v - y_v) ** 2) / t - y_v**2 / (2 * s_v)))
                * sp.sqrt(2 * sp.pi * s_v)
                / marginal**2
            ),
        ),
        Identity(
            "liquid participation = exp of the same over N",
            sp.log(condensation.liquid_participation.right * N),
            score.weight_second_moment.right,
        ),
        *_singled_out(),
    )


def quadratures(digits: int = 30) -> tuple[Comparison, ...]:
    """Closed forms against numerical integrals over one direction, at `digits` digits."""
    rows = []
    with mpmath.workdps(digits + 10):
        for variance, time, tilt, x in ((1, "0.1", 1, "0.3"), ("0.09", 2, "0.5", 3), (7, "0.5", 2, -1)):
            values = {s_v: mpmath.mpf(variance), t: mpmath.mpf(time), lam: mpmath.mpf(tilt), x_v: mpmath.mpf(x)}
            moments = [_tilted_moment(order, values) for order in range(3)]
            mean = moments[1] / moments[0]
            where = f"s = {variance}, t = {time}, lambda = {tilt}, x = {x}"
            for name, left, equation in (
                ("E exp(-lambda E/t)", moments[0], partition.direction_factor),
                ("m(lambda)", mean, partition.tilted_mean),
                ("p(lambda)", moments[2] / moments[0] - mean**2, partition.tilted_variance),
            ):
                rows.append(Comparison(f"{name} at {where}", left, evaluate(equation.right, values, digits + 10)))
        for index in ("0.1", "0.5", "0.9"):
            tilt = mpmath.mpf(index)
            # The Beta law's mean, with w = (1 - u)^lambda_c in place of u: no singular end is left.
            mean = mpmath.quad(lambda w, m=tilt: (1 - w ** (1 / m)) ** (1 - m) / m, [0, 1]) / mpmath.beta(
                1 - tilt, tilt
            )
            rows.append(
                Comparison(
                    f"Poisson-Dirichlet Y2 at lambda_c = {index}",
                    mean,
                    evaluate(condensation.condensed_participation.right, {lam_c: tilt}, digits + 10),
                )
            )
    return tuple(rows)


def critical_points(
    variances: Sequence[float], multiplicities: Sequence[int], log_sizes: Iterable[float], digits: int = 30
) -> tuple[Comparison, ...]:
    """Condensation at the origin: the size at the critical time is N, and the entropy changes sign there.

    Rows `N_c(t_c(N)) = N` compare the critical size at the root of the entropy with N.
    Rows `S > 0 above` compare the sign of S(1) just above and just below t_c with 1 and -1.
    """
    rows = []
    for log_size in log_sizes:
        with mpmath.workdps(digits + 10):
            values = {s: variances, d: multiplicities, Q: [0] * len(variances), lam: 1, log_N: log_size}

            def entropy_at(time: mpmath.mpf, values: dict = values) -> mpmath.mpf:
                return evaluate(condensation.entropy.right, {**values, t: time}, digits + 10)

            time = _root_in_log(entropy_at, max(variances))
            size = evaluate(condensation.critical_log_size.right, {**values, t: time}, digits + 10)
            rows.append(Comparison(f"N_c(t_c(N)) = N at ln N = {log_size}", size, mpmath.mpf(log_size)))
            for name, factor, sign in (("S > 0 above", "1.001", 1), ("S < 0 below", "0.999", -1)):
                side = mpmath.sign(entropy_at(time * mpmath.mpf(factor)))
                rows.append(Comparison(f"{name} t_c at ln N = {log_size}", side, mpmath.mpf(sign)))
    return tuple(rows)


def gaussian_limit(
    directions: Iterable[int], log_size: float, trace_of_squares: float = 1.0, digits: int = 30
) -> tuple[GaussianLimit, ...]:
    """Condensation times at the origin of d directions with d s^2 fixed: rem tends to gaussian_rem.

    To first order in the third cumulant the relative difference is (4/3) sqrt(ln N/d).
    """
    rows = []
    with mpmath.workdps(digits):
        for count in directions:
            variance = mpmath.sqrt(mpmath.mpf(trace_of_squares) / count)
            values = {s: [variance], d: [count], Q: [0], lam: 1, log_N: log_size}
            time = _root_in_log(
                lambda t_, values=values: evaluate(condensation.entropy.right, {**values, t: t_}, digits), variance
            )
            cumulant = evaluate(partition.second_cumulant.right, {s: [variance], d: [count], Q: [0]}, digits)
            gaussian = evaluate(condensation.gaussian_critical_time.right, {k_2: cumulant, log_N: log_size}, digits)
            rows.append(GaussianLimit(count, time, gaussian))
    return tuple(rows)


def two_valued(digits: int = 30) -> tuple[Comparison, ...]:
    """Samples of two possible weights: sums over all data sets against integrals of the densities.

    Without a planted sample its weight is zero.
    """
    rows = []
    with mpmath.workdps(digits + 10):
        for count, first, second, planted in (
            (2, (1, 1), ("0.1", -1), (0, 0)),
            (3, ("0.7", 2), ("0.2", "-0.5"), (0, 0)),
            (3, (1, 1), ("0.1", -1), (mpmath.exp(-1), "1.5")),
        ):
            law = {_sample(*first): mpmath.mpf("0.3"), _sample(*second): mpmath.mpf("0.7")}
            extra = _sample(*planted)
            averages = cache(partial(_averages, law))
            fixed = {log_N: mpmath.log(count), log_a: mpmath.log(extra.weight), g_1: extra.offset}
            slowest = count * min(sample.weight for sample in law)
            where = f"N = {count}, v = {first[0]} or {second[0]}, {'one' if extra.weight else 'none'} planted"
            for name, gibbs, density in (
                ("sum of weights", lambda data: _gibbs_average(data, 0), finite_n.weight_density),
                ("Y2", _participation, finite_n.participation_density),
                ("ln Z", lambda data: mpmath.log(_partition_function(data)), finite_n.log_partition_density),
                ("<g>", lambda data: _gibbs_average(data, 1), finite_n.mean_density),
                ("<g^2>", lambda data: _gibbs_average(data, 2), finite_n.second_moment_density),
                ("<g>^2", lambda data: _gibbs_average(data, 1) ** 2, finite_n.squared_mean_density),
                ("planted weight", lambda data: data[-1].weight / _partition_function(data), finite_n.planted_density),
            ):
                over_data_sets = mpmath.fsum(
                    mpmath.fprod(law[sample] for sample in data) * gibbs((*data, extra))
                    for data in product(law, repeat=count)
                )
                integral = _integral_over_xi(density.right, averages, fixed, slowest, digits)
                rows.append(Comparison(f"{name} at {where}", over_data_sets, integral))
    return tuple(rows)


def single_sample(digits: int = 20) -> tuple[Comparison, ...]:
    """Averages over one sample on one direction: Mellin-Barnes integrals, and what they are made of.

    Lines left of the pole at 0 and right of it both serve the powers k = 1 and 2.
    """
    rows = []
    in_strip = sp.exp(finite_n.mellin_exponent.right)
    mean, second = (
        equation.right.subs(lam, -z) for equation in (finite_n.centered_mean, finite_n.centered_second_moment)
    )
    with mpmath.workdps(digits + 10):
        left, right = mpmath.mpf("-0.5"), mpmath.mpf("0.1")
        for variance, time, x, reference, u in (
            (1, "0.7", "0.4", "0.3", "0.01"),
            (7, "2", "-1.5", "-1", 1),
            ("0.09", "0.5", 1, "0.05", 10),
            (1, "0.2", "0.5", "0.4", 1000),
        ):
            values = _one_direction(variance, time, x, reference, u)
            where = f"s = {variance}, t = {time}, x = {x}, u = {u}"
            for name, power, order, factor, line in (
                ("phi", 0, 0, sp.S.One, right),
                ("phi - 1", 0, 0, sp.S.One, left),
                ("M_1", 1, 0, sp.S.One, left),
                ("M_1 on the other line", 1, 0, sp.S.One, right),
                ("M_1g", 1, 1, mean, left),
                ("M_2", 2, 0, sp.S.One, right),
                ("M_2gg", 2, 2, second, left),
            ):
                direct = _sample_average(power, order, values, less_one=name == "phi - 1")
                contour = _line_integral(in_strip * factor, line, {**values, k: power}, digits)
                rows.append(Comparison(f"{name} at {where}", direct, contour))
        rows += [*_rising_factorials(digits), *_residues(digits)]
    return tuple(rows)


def _gaussian_integral(integrand: sp.Expr) -> sp.Expr:
    """Integral over y_v by the determinant formula, a route of its own beside SymPy's integrator.

    exp(-A y^2/2 + B y + C) integrates to sqrt(2 pi/A) exp(B^2/(2A) + C).
    """
    polynomial = sp.Poly(sp.expand(sp.log(integrand).expand(force=True)), y_v)
    quadratic, linear, constant = (polynomial.coeff_monomial(y_v**power) for power in (2, 1, 0))
    precision = -2 * quadratic
    return sp.sqrt(2 * sp.pi / precision) * sp.exp(linear**2 / (2 * precision) + constant)


def _gap_at(time: sp.Expr) -> sp.Expr:
    return score.gap_height.right.subs(t, time)


def _singled_out() -> Iterable[Identity]:
    """With the direction's variance its block's, singling it out changes nothing: for two blocks, v in the first."""
    together = {Q[1]: Q_rest[1] + q_v, Q[2]: Q_rest[2], delta[1]: 1, delta[2]: 0}
    for whole, probed in (
        (partition.generating_function, probe.generating_function_probed),
        (condensation.entropy, probe.entropy_probed),
        (condensation.critical_log_size, probe.critical_log_size_probed),
        (partition.second_cumulant, probe.second_cumulant_probed),
        (score.log_signal_to_noise, probe.log_signal_to_noise_probed),
        (score.signal_to_noise_log_size, probe.signal_to_noise_log_size_probed),
    ):
        yield Identity(
            f"{probed.name} with s_v = s_b = {whole.name}",
            unroll(probed.right, 2).subs(s_v, s[1]),
            unroll(whole.right, 2).subs(s_v, s[1]).xreplace(together),
        )
    yield Identity(
        "Q = Q_rest + delta x_v^2 for every probe",
        probe.probe_squared_length.right,
        probe.probe_rest.right + delta[b] * probe.probe_coordinate.right.subs(s_v, s[b]),
    )


def _tilted_moment(order: int, values: Values) -> mpmath.mpf:
    """E y^order exp(-lambda E/t) by numerical integration."""
    variance, time, tilt, x = (values[symbol] for symbol in (s_v, t, lam, x_v))

    def integrand(y: mpmath.mpf) -> mpmath.mpf:
        weight = mpmath.exp(-tilt * (x - y) ** 2 / (2 * time) - y**2 / (2 * variance))
        return y**order * weight / mpmath.sqrt(2 * mpmath.pi * variance)

    width = mpmath.sqrt(variance) + abs(x)
    return mpmath.quad(integrand, [-20 * width, -5 * width, -width, 0, width, 5 * width, 20 * width])


def _sample(weight: Number, offset: Number) -> WeightedSample:
    return WeightedSample(mpmath.mpf(weight), mpmath.mpf(offset))


def _partition_function(data: Sequence[WeightedSample]) -> mpmath.mpf:
    return mpmath.fsum(sample.weight for sample in data)


def _gibbs_average(data: Sequence[WeightedSample], order: int) -> mpmath.mpf:
    """Gibbs average of g^order over one data set."""
    return mpmath.fsum(sample.weight * sample.offset**order for sample in data) / _partition_function(data)


def _participation(data: Sequence[WeightedSample]) -> mpmath.mpf:
    return mpmath.fsum(sample.weight**2 for sample in data) / _partition_function(data) ** 2


def _averages(law: Mapping[WeightedSample, mpmath.mpf], log_u: mpmath.mpf) -> dict[sp.Basic, mpmath.mpf]:
    """What the densities need of one sample, for a law that gives the probability of each."""
    # Powers of uv, and of g.
    sums = dict.fromkeys(((0, 0), (1, 0), (2, 0), (1, 1), (1, 2), (2, 2)), mpmath.mpf(0))
    for sample, probability in law.items():
        w = mpmath.exp(log_u) * sample.weight
        factor = probability * mpmath.exp(-w)
        for power, order in sums:
            sums[power, order] += factor * w**power * sample.offset**order
    return {
        log_phi: mpmath.log(sums[0, 0]),
        M_1: sums[1, 0],
        M_2: sums[2, 0],
        M_1g: sums[1, 1],
        M_1gg: sums[1, 2],
        M_2gg: sums[2, 2],
    }


def _integral_over_xi(
    density: sp.Expr,
    averages: Callable[[mpmath.mpf], Values],
    fixed: Values,
    slowest: mpmath.mpf,
    digits: int,
) -> mpmath.mpf:
    """Integral of a density that falls like u on the left, and like exp(-u slowest) on the right."""
    decay = (digits + 5) * mpmath.log(10)
    ends = [-decay - 5, -20, -1, mpmath.log(decay / slowest)]
    return mpmath.quad(lambda at: evaluate(density, {xi: at, **fixed, **averages(at)}, digits + 10), ends)


def _one_direction(
    variance: Number, time: Number, x: Number, reference: Number, u: Number
) -> dict[sp.Basic, mpmath.mpf | list[mpmath.mpf]]:
    """Values of a manifold of one direction, which is the probed one."""
    variance, time, x = mpmath.mpf(variance), mpmath.mpf(time), mpmath.mpf(x)
    return {
        s: [variance],
        d: [mpmath.mpf(1)],
        Q_rest: [mpmath.mpf(0)],
        s_v: variance,
        t: time,
        x_v: x,
        q_v: x**2,
        y_0: mpmath.mpf(reference),
        xi: mpmath.log(mpmath.mpf(u)),
    }


def _sample_average(power: int, order: int, values: Values, less_one: bool = False) -> mpmath.mpf:
    """E g^order (uv)^power exp(-uv), or E exp(-uv) - 1, by numerical integration over y."""
    variance, time, x, reference, log_u = (values[symbol] for symbol in (s_v, t, x_v, y_0, xi))

    def integrand(y: mpmath.mpf) -> mpmath.mpf:
        density = mpmath.exp(-(y**2) / (2 * variance)) / mpmath.sqrt(2 * mpmath.pi * variance)
        w = mpmath.exp(log_u - (x - y) ** 2 / (2 * time))
        factor = mpmath.expm1(-w) if less_one else w**power * mpmath.exp(-w)
        return density * (y - reference) ** order * factor

    width = mpmath.sqrt(variance)
    return mpmath.quad(integrand, [-14 * width, -2 * width, 2 * width, 14 * width])


def _line_integral(integrand: sp.Expr, line: mpmath.mpf, values: Values, digits: int) -> mpmath.mpf:
    """Integral over z along the line of this real part, over 2 pi i; conjugate halves are taken together."""

    def on_line(height: mpmath.mpf) -> mpmath.mpf:
        return evaluate(integrand, {**values, z: mpmath.mpc(line, height)}, digits + 10).real

    # The Gamma function falls like exp(-pi/2 height).
    end = 2 / mpmath.pi * (digits + 10) * mpmath.log(10)
    return mpmath.quad(on_line, [0, end]) / mpmath.pi


def _rising_factorials(digits: int) -> Iterable[Comparison]:
    """The polynomial in k against the ratio of Gamma functions."""
    for power in range(3):
        for argument in ("-0.4", "0.3", "2.5"):
            point = mpmath.mpf(argument)
            yield Comparison(
                f"rising factorial at k = {power}, z = {argument}",
                mpmath.gamma(point + power) / mpmath.gamma(point),
                evaluate(finite_n.rising_factorial.right, {k: power, z: point}, digits + 10),
            )


def _residues(digits: int) -> Iterable[Comparison]:
    """Residues against the power series of (uv)^k exp(-uv), whose moments E v^j are integrated over y."""
    values = _one_direction(1, "0.7", "0.4", 0, "1.3")
    for power in range(3):
        for pole in range(power, power + 3):
            moment = _tilted_moment(0, {**values, lam: mpmath.mpf(pole)})
            yield Comparison(
                f"residue at k = {power}, j = {pole}",
                (-1) ** (pole - power) * mpmath.exp(pole * values[xi]) * moment / mpmath.factorial(pole - power),
                evaluate(finite_n.mellin_residue.right, {**values, k: power, j: pole}, digits + 10),
            )


def _root_in_log(function: Callable[[mpmath.mpf], mpmath.mpf], scale: float | mpmath.mpf) -> mpmath.mpf:
    """Root in t of an increasing function, by bisection and secant in ln t around `scale`."""
    low = high = mpmath.log(scale)
    while function(mpmath.exp(low)) > 0:
        low -= 2
    while function(mpmath.exp(high)) < 0:
        high += 2
    return mpmath.exp(mpmath.findroot(lambda u: function(mpmath.exp(u)), (low, high), solver="anderson"))
