"""Solved equations, and what they tend to with many directions."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import mpmath

from geomem_theory import condensation, partition
from geomem_theory.evaluation import Comparison, evaluate
from geomem_theory.symbols import Q, d, k_2, lam, log_N, s, t


class GaussianLimit(NamedTuple):
    """Condensation times of both levels for many equal directions at fixed sum of squared variances."""

    directions: int
    rem: mpmath.mpf
    gaussian_rem: mpmath.mpf

    @property
    def difference(self) -> mpmath.mpf:
        return (self.gaussian_rem - self.rem) / self.gaussian_rem


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


def _root_in_log(function: Callable[[mpmath.mpf], mpmath.mpf], scale: float | mpmath.mpf) -> mpmath.mpf:
    """Root in t of an increasing function, by bisection and secant in ln t around `scale`."""
    low = high = mpmath.log(scale)
    while function(mpmath.exp(low)) > 0:
        low -= 2
    while function(mpmath.exp(high)) < 0:
        high += 2
    return mpmath.exp(mpmath.findroot(lambda u: function(mpmath.exp(u)), (low, high), solver="anderson"))
