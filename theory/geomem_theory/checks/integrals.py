"""Closed forms and averages at finite N, held against integrals and sums that are taken numerically."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from itertools import product
from typing import NamedTuple

import mpmath
import sympy as sp

from geomem_theory import condensation, finite_n, partition
from geomem_theory.evaluation import Comparison, Values, evaluate
from geomem_theory.symbols import (
    M_1,
    M_2,
    M_1g,
    M_1gg,
    M_2gg,
    Q_rest,
    d,
    g_1,
    k,
    lam,
    lam_c,
    log_a,
    log_N,
    log_phi,
    q_v,
    s,
    s_v,
    t,
    tilt_mean,
    tilt_variance,
    x_v,
    xi,
    y_0,
    z,
)

# What mpmath reads as a number: decimal digits as text.
Number = int | str | mpmath.mpf


class WeightedSample(NamedTuple):
    """A Boltzmann weight v and the g that goes with it."""

    weight: mpmath.mpf
    offset: mpmath.mpf


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
    mean = finite_n.centered_mean.right.subs(lam, -z)
    second = finite_n.centered_second_moment.right.subs(tilt_mean, partition.tilted_mean.right)
    second = second.subs(tilt_variance, partition.tilted_variance.right).subs(lam, -z)
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
        rows += _rising_factorials(digits)
    return tuple(rows)


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
