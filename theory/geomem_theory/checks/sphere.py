"""Data divided by their norm: densities on the sphere, and averages at two probes, by other routes."""

from collections.abc import Iterable
from itertools import product

import mpmath
import sympy as sp

from geomem_theory import unit_normalized
from geomem_theory.evaluation import Comparison, Values, evaluate, unroll
from geomem_theory.symbols import (
    M_g,
    M_gh,
    M_h,
    W,
    W_i,
    b,
    block_density,
    log_N,
    log_phi,
    others,
    s,
    s_i,
    s_v,
    theta,
    unit_v,
    w_r,
)


def sphere_identities() -> Iterable[tuple[str, sp.Expr, sp.Expr]]:
    """Names and two sides, for two blocks."""
    each = [unroll(_in_block(unit_normalized.sphere_other_square.right, block), 2) for block in (1, 2)]
    yield (
        "squares of all coordinates add up to one",
        unit_v**2 + others[1] * each[0] + others[2] * each[1],
        sp.S.One,
    )
    transform = unroll(unit_normalized.sphere_log_transform.right, 2)
    moments = [_in_block(unit_normalized.sphere_length_moment.right, block) for block in (1, 2)]
    yield (
        "mean length under the transform = minus its logarithm's slope",
        others[1] * moments[0] + others[2] * moments[1],
        -sp.diff(transform, theta),
    )
    reduced = unit_normalized.sphere_pair_density.right.subs(W_i, 0).subs(s_i, s_v)
    yield (
        "density of two coordinates at W_i = 0 = that without a root, of the others",
        unroll(reduced, 2),
        sp.exp(transform.subs(theta, W**2 / 2))
        * (others[1] * moments[0] + others[2] * moments[1]).subs(theta, W**2 / 2)
        / (2 * sp.pi),
    )


def _in_block(expression: sp.Expr, block: int) -> sp.Expr:
    return expression.subs(b, block)


def on_sphere(digits: int = 20) -> tuple[Comparison, ...]:
    """Three directions: the density of a sample's direction is known, (n C^-1 n)^(-3/2) over 4 pi sqrt(det C).

    Integrated over the angle about the axis it is the density of one coordinate, and with a squared coordinate the
    mean of that; on the circle of two coordinates it is their density.
    """
    rows = []
    with mpmath.workdps(digits + 10):
        for variances, place in (
            (("1", "0.09", "0.5"), "0.3"),
            (("0.02", "3", "1"), "-0.6"),
            (("2", "1", "1e-3"), "0.95"),
        ):
            own, *rest = (mpmath.mpf(one) for one in variances)
            at = mpmath.mpf(place)
            where = f"s = {', '.join(variances)}, c = {place}"

            def density(angle: mpmath.mpf, own=own, rest=rest, at=at) -> mpmath.mpf:  # noqa: ANN001
                across = 1 - at**2
                form = at**2 / own + across * (mpmath.cos(angle) ** 2 / rest[0] + mpmath.sin(angle) ** 2 / rest[1])
                return form ** (-mpmath.mpf(3) / 2) / (4 * mpmath.pi * mpmath.sqrt(own * rest[0] * rest[1]))

            quarter = [0, mpmath.pi / 8, mpmath.pi / 4, 3 * mpmath.pi / 8, 15 * mpmath.pi / 32, mpmath.pi / 2]
            whole = 4 * mpmath.quad(density, quarter)
            square = 4 * (1 - at**2) * mpmath.quad(lambda angle: mpmath.cos(angle) ** 2 * density(angle), quarter)
            ratio = at / mpmath.sqrt((1 - at**2) * own)
            values = {W: ratio, s: rest, others: [1, 1]}
            parts = _over_r(values, digits)
            slope = (1 - at**2) ** (-mpmath.mpf(3) / 2) / mpmath.sqrt(own)
            rows.append(Comparison(f"density of one coordinate at {where}", slope * sum(parts), whole))
            found = evaluate(
                _in_block(unit_normalized.sphere_other_square.right, 1),
                {unit_v: at, block_density: parts, others: [1, 1]},
                digits + 10,
            )
            rows.append(Comparison(f"mean square of another at {where}", found, square / whole))
            rows.append(_two_coordinates(own, rest, at, where, digits))
    return tuple(rows)


def _over_r(values: Values, digits: int) -> list[mpmath.mpf]:
    """Parts of two directions in the density of W, each of a block of its own."""
    ends = [0, mpmath.mpf("0.5"), 2, 10, 100, mpmath.inf]

    def part(block: int) -> mpmath.mpf:
        expression = _in_block(unit_normalized.sphere_block_density.right, block)
        return 2 * mpmath.quad(lambda r: evaluate(expression, {**values, w_r: r}, digits + 10), ends)

    return [part(block) for block in (1, 2)]


def _two_coordinates(own: mpmath.mpf, rest: list[mpmath.mpf], at: mpmath.mpf, where: str, digits: int) -> Comparison:
    """The density of two coordinates, of which the third has one of two signs."""
    ratio = mpmath.mpf("0.7")
    axis_ratio = at / mpmath.sqrt((1 - at**2) * own)
    place = {W: axis_ratio, s_v: own, W_i: ratio, s_i: rest[0]}
    other = evaluate(unit_normalized.sphere_other_coordinate.right, place, digits + 10)
    third = mpmath.sqrt(1 - at**2 - other**2)
    form = at**2 / own + other**2 / rest[0] + third**2 / rest[1]
    direct = 2 * form ** (-mpmath.mpf(3) / 2) / (4 * mpmath.pi * mpmath.sqrt(own * rest[0] * rest[1])) / third
    density = evaluate(
        unit_normalized.sphere_pair_density.right,
        {W: axis_ratio, W_i: ratio, s_i: rest[0], s: [rest[1]], others: [1]},
        digits + 10,
    )
    slope = (1 - at**2) ** (-mpmath.mpf(3) / 2) / mpmath.sqrt(own)
    other_slope = mpmath.sqrt((1 - at**2) * rest[0]) * (1 + rest[0] * ratio**2) ** (-mpmath.mpf(3) / 2)
    return Comparison(f"density of two coordinates at {where}", density * slope / other_slope, direct)


def two_probes(digits: int = 12) -> tuple[Comparison, ...]:
    """Samples of two possible pairs of weights: a sum over all data sets against the double integral over xi.

    It is a sum of equal steps, which is exact to exp(-pi^2/step).
    """
    rows = []
    with mpmath.workdps(digits + 8):
        law = [
            (mpmath.mpf("0.3"), (1, mpmath.mpf("0.2"), mpmath.mpf(1), mpmath.mpf("-0.5"))),
            (mpmath.mpf("0.7"), (mpmath.mpf("0.4"), mpmath.mpf("0.9"), mpmath.mpf("-0.6"), mpmath.mpf("0.8"))),
        ]
        step = mpmath.mpf("0.3")
        decay = (digits + 2) * mpmath.log(10)
        for count in (2, 3):
            exact = mpmath.fsum(
                mpmath.fprod(probability for probability, _ in data) * _product([sample for _, sample in data])
                for data in product(law, repeat=count)
            )
            top = mpmath.log(decay / (count * mpmath.mpf("0.2")))
            places = [top - step * number for number in range(int((decay + top) / step) + 1)]
            total = mpmath.fsum(
                evaluate(
                    unit_normalized.joint_mean_density.right,
                    {log_N: mpmath.log(count), **_averages(law, one, two)},
                    digits + 8,
                )
                for one, two in product(places, repeat=2)
            )
            rows.append(Comparison(f"<g>_1 <h>_2 at N = {count}", exact, step**2 * total))
    return tuple(rows)


def _product(data: list[tuple]) -> mpmath.mpf:
    """Product of the Gibbs averages of g and h in one data set."""
    weights, more_weights, g, h = zip(*data, strict=True)
    return mpmath.fdot(weights, g) / mpmath.fsum(weights) * mpmath.fdot(more_weights, h) / mpmath.fsum(more_weights)


def _averages(law: list[tuple], one: mpmath.mpf, two: mpmath.mpf) -> dict[sp.Basic, mpmath.mpf]:
    phi, of_g, of_h, of_both = (mpmath.mpf(0) for _ in range(4))
    for probability, (weight, more_weight, g, h) in law:
        first, second = mpmath.exp(one) * weight, mpmath.exp(two) * more_weight
        factor = probability * mpmath.exp(-first - second)
        phi += factor
        of_g += factor * g * first
        of_h += factor * h * second
        of_both += factor * g * h * first * second
    return {log_phi: mpmath.log(phi), M_g: of_g, M_h: of_h, M_gh: of_both}
