"""The search for roots in ln t where every size is asked by itself, on balances whose roots are known."""

import numpy as np
import pytest

from geomem.boundaries.scan import scan_to_roots
from geomem.core.status import Status

WINDOW = (-18.0, 14.0)
SHIFTS = np.linspace(-9.0, 2.0, 7)


def of_pairs(balance):
    """A balance of ln t less the lane's own shift, at pairs of a noise variance and a size."""
    return lambda times, sizes: balance(np.log(times)[:, None] - sizes)


@pytest.mark.parametrize(
    ("balance", "root"),
    [(np.sinh, 0.0), (lambda x: np.log1p(np.exp(x)) - 0.4, np.log(np.expm1(0.4))), (lambda x: (x - 0.2) ** 3, 0.2)],
)
def test_roots_are_those_of_the_balance(balance, root):
    found = scan_to_roots(of_pairs(balance), SHIFTS, 0.3, WINDOW)  # starts below some roots
    assert (found.status == Status.CONVERGED).all()
    np.testing.assert_allclose(found.log_time, SHIFTS + root, atol=1e-10)
    assert ((found.lower <= found.log_time) & (found.log_time <= found.upper)).all()
    assert (found.slope > 0).all()


def test_the_first_root_from_above_is_found():
    found = scan_to_roots(of_pairs(lambda x: (x - 3) * x * (x + 3)), SHIFTS, 6.0, WINDOW)
    np.testing.assert_allclose(found.log_time, SHIFTS + 3)


@pytest.mark.parametrize(
    ("balance", "status"),
    [
        (lambda x: 1 + 0 * x, Status.NO_TRANSITION),
        (lambda x: -1 + 0 * x, Status.NO_TRANSITION),
        (lambda x: np.nan * x, Status.NOT_CONVERGED),
        (lambda x: np.where(x > 0.1, 1.0, np.nan), Status.NOT_CONVERGED),
        (lambda x: np.where(x > 0.1, 1.0, -1.0), Status.NOT_CONVERGED),
    ],
    ids=["kept", "lost", "unknown", "unknown further down", "jump"],
)
def test_what_has_no_root_says_so(balance, status):
    found = scan_to_roots(of_pairs(balance), SHIFTS, 4.0, WINDOW)
    assert (found.status == status).all()
    assert np.isnan(found.log_time).all()


def test_a_root_above_what_is_not_known_is_found():
    found = scan_to_roots(of_pairs(lambda x: np.where(x > -0.1, x, np.nan)), SHIFTS, 4.0, WINDOW)
    assert (found.status == Status.CONVERGED).all()
    np.testing.assert_allclose(found.log_time, SHIFTS, atol=1e-10)


def test_what_is_found_asks_no_more():
    asked = []

    def balances(times, sizes):
        asked.append(len(times))
        return of_pairs(np.sinh)(times, sizes)

    scan_to_roots(balances, SHIFTS, 4.0, WINDOW)
    assert sum(asked) < 0.5 * len(SHIFTS) * 2 * (WINDOW[1] - WINDOW[0])


def test_an_empty_window_has_no_transition():
    assert (scan_to_roots(of_pairs(np.sinh), SHIFTS, 0.0, (0.0, 0.0)).status == Status.NO_TRANSITION).all()
