"""The chapter on sorted singular values, held against moments of the tilted law and free probability."""

from collections.abc import Iterable

import sympy as sp

from geomem_theory import spectrum_law
from geomem_theory.evaluation import unroll
from geomem_theory.partition import tilted_mean, tilted_variance
from geomem_theory.symbols import (
    bulk_slope,
    bulk_sum,
    coupling_i,
    coupling_k,
    couplings,
    d,
    drive,
    gap_level,
    kappa,
    lam,
    level_values,
    log_moment_2,
    log_moment_3,
    log_moment_4,
    pull_i,
    pull_k,
    s_v,
    t,
    x_here,
    x_there,
    x_v,
)

_s_k, _s_i, _gap, _count, _coupling, _small = sp.symbols("s_k s_i Delta d_0 beta_0 epsilon", positive=True)


def spectrum_identities() -> Iterable[tuple[str, sp.Expr, sp.Expr]]:
    """Names and both sides."""
    yield (
        "coupling = p(2)/t",
        tilted_variance.right.subs(lam, 2) / t,
        spectrum_law.coupling_of_direction.right,
    )
    yield (
        "pair's moment at one point = K(2) - 2K(1) of a direction",
        spectrum_law.pair_moment.right.subs({x_here: x_v, x_there: x_v}),
        _log_factor(2, s_v, x_v**2) - 2 * _log_factor(1, s_v, x_v**2),
    )
    at_k = {pull_k: _pull(_s_k), coupling_k: _coupled(_s_k), pull_i: _pull(_s_i), coupling_i: _coupled(_s_i)}
    # kappa_2/N of these two directions, N = 1.
    strength = sp.exp(sum(_log_factor(2, one, 0) - 2 * _log_factor(1, one, 0) for one in (_s_k, _s_i)))
    own, opposite = _strengths()
    yield (
        "variance of an entry, from moments at tilt 2",
        (own - opposite) * tilted_variance.right.subs({lam: 2, s_v: _s_i}) / (2 * t),
        spectrum_law.row_variance.right.xreplace(at_k).xreplace({kappa: strength}),
    )
    at_point = {s_v: _s_k, x_v: sp.sqrt(t)}
    mean, mean_2 = (tilted_mean.right.subs({lam: tilt} | at_point) for tilt in (1, 2))
    variance = tilted_variance.right.subs({lam: 2} | at_point)
    yield (
        "second moment of y at tilt 2 about its mean, in the diagonal entries",
        ((mean_2 - mean) ** 2 + variance) / t,
        (coupling_k + (coupling_k - pull_k) ** 2).subs(at_k),
    )
    yield (
        "the same of opposite points",
        (variance - mean**2) / t,
        (coupling_k - (coupling_k + pull_k) ** 2).subs(at_k),
    )
    of_small = spectrum_law.row_variance.right.subs({pull_k: 0, coupling_k: coupling_k * _small})
    yield (
        "of points that are hardly coupled, the Jacobian's variance",
        sp.limit(of_small / _small, _small, 0),
        spectrum_law.jacobian_entry_variance.right,
    )
    equal = dict.fromkeys((log_moment_2, log_moment_3, log_moment_4), sp.S.Zero)
    yield (
        "equal weights do not fluctuate",
        spectrum_law.participation_variance.right.xreplace(equal),
        sp.S.Zero,
    )
    yield "edge of one bulk = twice the root of the variance of a row", *_one_bulk()
    yield "two equal bulks meet where the variance of a row is a quarter of the squared distance", *_two_bulks()


def _log_factor(tilt: int, variance: sp.Expr, squared: sp.Expr | int) -> sp.Expr:
    """K of one direction."""
    return -sp.log(1 + tilt * variance / t) / 2 - tilt * squared / (2 * (t + tilt * variance))


def _pull(variance: sp.Expr) -> sp.Expr:
    return spectrum_law.pull_of_direction.right.subs(s_v, variance)


def _coupled(variance: sp.Expr) -> sp.Expr:
    return spectrum_law.coupling_of_direction.right.subs(s_v, variance)


def _strengths() -> tuple[sp.Expr, sp.Expr]:
    """E v^2/(E v)^2 at the point of row k, and E v v'/(E v)^2 of that point and its opposite: K_0(2) - 1."""
    at_point = _log_factor(1, _s_k, t) + _log_factor(1, _s_i, 0)
    own = _log_factor(2, _s_k, t) + _log_factor(2, _s_i, 0)
    opposite = _log_factor(2, _s_k, 0) + _log_factor(2, _s_i, 0) - 1
    return sp.exp(own - 2 * at_point), sp.exp(opposite - 2 * at_point)


def _bulks(expression: sp.Expr, values: tuple[sp.Expr, ...]) -> sp.Expr:
    """The sum over bulks of these values, of equal couplings and numbers of directions."""
    unrolled = unroll(expression, len(values))
    each = {level_values[place + 1]: value for place, value in enumerate(values)}
    each |= {one[place + 1]: of for place in range(len(values)) for one, of in ((couplings, _coupling), (d, _count))}
    return unrolled.xreplace(each)


def _one_bulk() -> tuple[sp.Expr, sp.Expr]:
    """Squared distance of the edge from a value of zero, and four times the variance of a row."""
    total, slope = (
        _bulks(one.right, (sp.S.Zero,)) for one in (spectrum_law.sum_over_bulks, spectrum_law.slope_of_bulks)
    )
    at_edge = sp.solve([total - drive / kappa, slope - 1 / kappa], [gap_level, drive], dict=True)
    return at_edge[0][gap_level] ** 2, 4 * kappa * _count * _coupling**2


def _two_bulks() -> tuple[sp.Expr, sp.Expr]:
    """Variance of a row where the gap closes, by free convolution of two masses with a semicircle."""
    ends = (sp.S.Zero, _gap)
    middle = {gap_level: _gap / 2, drive: sp.S.Zero}
    total, slope, curvature = (
        _bulks(one.right, ends).xreplace(middle)
        for one in (spectrum_law.sum_over_bulks, spectrum_law.slope_of_bulks, spectrum_law.curvature_of_bulks)
    )
    balance = spectrum_law.gap_closing_balance.right.subs({bulk_sum: total, bulk_slope: slope, drive: 0})
    return (2 * _count * _coupling**2) / slope + balance + curvature, _gap**2 / 4
