"""The identity and limit tables hold."""

import math

import mpmath

from geomem_theory import checks, condensation
from geomem_theory.evaluation import evaluate
from geomem_theory.symbols import Q, d, lam, log_N, s, t

DIGITS = 30
DIGITS_OF_LINES = 20
DIGITS_AT_TWO_PROBES = 12


def test_identities():
    identities = checks.identities()
    assert len(identities) == 41
    for identity in identities:
        assert identity.holds, identity.name
    assert not identities[0]._replace(right=2 * identities[0].right).holds


# Tables take seconds: in the tests themselves, not where pytest collects them, which every worker does.
def _assert_equal(comparisons: tuple[checks.Comparison, ...], count: int, digits: int) -> None:
    assert len(comparisons) == count
    for row in comparisons:
        assert row.difference < mpmath.mpf(10) ** -digits, row.name


def test_quadratures():
    _assert_equal(checks.quadratures(DIGITS), 12, DIGITS)


def test_densities_of_two_valued_samples():
    _assert_equal(checks.two_valued(DIGITS), 21, DIGITS)


def test_mellin_barnes_integrals_of_one_sample():
    _assert_equal(checks.single_sample(DIGITS_OF_LINES), 37, DIGITS_OF_LINES)


def test_densities_on_the_sphere():
    _assert_equal(checks.on_sphere(DIGITS_OF_LINES), 9, DIGITS_OF_LINES)


def test_averages_at_two_probes():
    _assert_equal(checks.two_probes(DIGITS_AT_TWO_PROBES), 2, DIGITS_AT_TWO_PROBES)


def test_critical_points():
    rows = checks.critical_points([1.0, 0.09, 1e-4], [2, 5, 23], [1.0, 7.0, 20.0, 300.0], DIGITS)
    _assert_equal(rows, 12, DIGITS)


def test_rem_tends_to_gaussian_rem_with_the_rate_of_the_third_cumulant():
    log_size = 7.0
    rows = checks.gaussian_limit([10, 10**2, 10**4, 10**6, 10**8], log_size)
    differences = [row.difference for row in rows]
    assert differences == sorted(differences, reverse=True)
    # (4/3) sqrt(ln N/d), from x^2/4 - x^3/3 as the expansion of one direction's part of ln N_c in x = s/t.
    leading = [4 / 3 * math.sqrt(log_size / row.directions) for row in rows]
    ratios = [float(difference / lead) for difference, lead in zip(differences, leading, strict=True)]
    assert abs(ratios[-1] - 1) < 1e-3
    # The next order is smaller by another sqrt(ln N/d).
    assert abs(ratios[-1] - 1) < 0.02 * abs(ratios[-3] - 1)


def test_entropy_at_zero_tilt_is_ln_n_and_falls():
    values = {s: [1.0, 0.09], d: [2, 5], Q: [0.3, 0.1], t: 0.05, log_N: 7.0}
    entropies = [evaluate(condensation.entropy.right, {**values, lam: tilt}) for tilt in (0, 0.5, 1, 2, 4)]
    assert entropies[0] == 7
    assert entropies == sorted(entropies, reverse=True)
