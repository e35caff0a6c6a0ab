"""The identity and limit tables hold."""

import math

import mpmath
import pytest

from geomem_theory import checks, condensation
from geomem_theory.evaluation import evaluate
from geomem_theory.symbols import Q, d, lam, log_N, s, t

DIGITS = 30
DIGITS_OF_LINES = 20


@pytest.mark.parametrize("identity", checks.identities(), ids=lambda identity: identity.name)
def test_identity(identity):
    assert identity.holds


def test_identities_can_fail():
    identity = checks.identities()[0]
    assert not identity._replace(right=2 * identity.right).holds


@pytest.mark.parametrize("comparison", checks.quadratures(DIGITS), ids=lambda comparison: comparison.name)
def test_quadrature(comparison):
    assert comparison.difference < mpmath.mpf(10) ** -DIGITS


@pytest.mark.parametrize("comparison", checks.two_valued(DIGITS), ids=lambda comparison: comparison.name)
def test_densities_of_two_valued_samples(comparison):
    assert comparison.difference < mpmath.mpf(10) ** -DIGITS


@pytest.mark.parametrize("comparison", checks.single_sample(DIGITS_OF_LINES), ids=lambda comparison: comparison.name)
def test_mellin_barnes_integrals_of_one_sample(comparison):
    assert comparison.difference < mpmath.mpf(10) ** -DIGITS_OF_LINES


def test_critical_points():
    rows = checks.critical_points([1.0, 0.09, 1e-4], [2, 5, 23], [1.0, 7.0, 20.0, 300.0], DIGITS)
    assert len(rows) == 12
    for row in rows:
        assert row.difference < mpmath.mpf(10) ** -DIGITS, row.name


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
