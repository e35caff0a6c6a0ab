"""Identities that SymPy proves, each side from its own route."""

from collections.abc import Iterable
from typing import NamedTuple

import sympy as sp

from geomem_theory import condensation, partition, probe, score
from geomem_theory.checks.networks import network_identities
from geomem_theory.checks.spectrum import spectrum_identities
from geomem_theory.checks.sphere import sphere_identities
from geomem_theory.derivation import equal
from geomem_theory.evaluation import unroll
from geomem_theory.symbols import N, Q, Q_rest, a, b, delta, gap, h, k_1, k_2, lam, log_N, q_v, s, s_v, t, x_v, y_v


class Identity(NamedTuple):
    """Two expressions, each from its own route, that should be equal."""

    name: str
    left: sp.Expr
    right: sp.Expr

    @property
    def holds(self) -> bool:
        return equal(self.left, self.right)


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
        *(Identity(*row) for row in network_identities()),
        *(Identity(*row) for row in sphere_identities()),
        *(Identity(*row) for row in spectrum_identities()),
    )


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
