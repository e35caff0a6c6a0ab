"""The search for roots in ln t, on balances whose roots are known."""

import numpy as np
import pytest

from geomem.boundaries.walk import walk_to_roots
from geomem.core.status import Status

WINDOW = (-18.0, 14.0)
SHIFTS = np.linspace(-9.0, 2.0, 7)


def evaluator(balance, *, slopes, calls=None):
    """Balances of every lane at log times, with numerical slopes in ln t and along a shift of the lane."""

    def evaluate(log_times):
        if calls is not None:
            calls.extend(log_times.tolist())
        places = log_times[:, None] - SHIFTS
        values = balance(places)
        slope = (balance(places + 1e-6) - balance(places - 1e-6)) / 2e-6
        return values, np.stack([slope, -slope]) if slopes else np.zeros((0, *values.shape))

    return evaluate


@pytest.mark.parametrize("slopes", [False, True])
@pytest.mark.parametrize(
    "balance",
    [
        lambda x: np.log1p(np.exp(x)) - 0.4,
        lambda x: np.sinh(x / 4),
        lambda x: np.sqrt(x**2 + 0.01) + x - 0.3,  # a knee of width a tenth
        lambda x: np.tanh(30 * x),
    ],
    ids=["soft", "steep", "knee", "step"],
)
def test_roots_are_those_of_the_balance_and_their_error_covers(balance, slopes):
    calls = []
    found = walk_to_roots(evaluator(balance, slopes=slopes, calls=calls), 3.0, WINDOW, 1e-6)
    low, high = -40 * np.ones_like(SHIFTS), 40 * np.ones_like(SHIFTS)
    for _ in range(100):  # bisection
        middle = (low + high) / 2
        positive = balance(middle) > 0
        low, high = np.where(positive, low, middle), np.where(positive, middle, high)
    assert (found.status == Status.CONVERGED).all()
    assert ((found.lower <= found.log_time) & (found.log_time <= found.upper)).all()
    deviation = np.abs(found.log_time - SHIFTS - high)
    assert (deviation <= 1e-6 + 3 * found.error).all()
    if balance(0.1) < 0.9:  # a step as steep as the last one is left to who asks
        assert (found.error <= 1e-6).all()
        np.testing.assert_allclose(found.tangents, -found.slope[None][: len(found.tangents)], rtol=5e-3)
    assert len(calls) == len(set(calls))


@pytest.mark.parametrize("slopes", [False, True])
def test_the_first_root_from_above_is_found_between_steps(slopes):
    """Positive at both ends of the long steps, and negative in a dip of width 0.7 that lies within one."""

    def balance(x):
        return 1.0 - 1.2 * np.exp(-((x / 0.6) ** 2) / 2) + 0.01 * x

    found = walk_to_roots(evaluator(balance, slopes=slopes), 4.0, WINDOW, 1e-6)
    assert (found.status == Status.CONVERGED).all()
    place = found.log_time - SHIFTS
    np.testing.assert_allclose(balance(place), 0.0, atol=1e-6)
    assert (place > 0).all()


def test_what_is_unknown_is_not_a_root_and_not_the_absence_of_one():
    def balance(x):
        return np.where(x > 0.3, x + 1.0, np.nan)

    found = walk_to_roots(evaluator(balance, slopes=False), 3.0, WINDOW, 1e-6)
    assert (found.status == Status.NOT_CONVERGED).all()
    assert np.isnan(found.log_time).all()
    # A root next to where it ends is found.
    found = walk_to_roots(evaluator(lambda x: balance(x) - 2.0, slopes=False), 6.0, WINDOW, 1e-6)
    assert (found.status == Status.CONVERGED).all()
    np.testing.assert_allclose(found.log_time - SHIFTS, 1.0, atol=1e-9)


def test_no_root_in_the_window():
    always = evaluator(np.ones_like, slopes=False)
    never = evaluator(lambda x: -np.ones_like(x), slopes=True)
    for evaluate in (always, never):
        assert (walk_to_roots(evaluate, 0.0, WINDOW, 1e-6).status == Status.NO_TRANSITION).all()
    # A window above where the walk would start is searched from its top.
    found = walk_to_roots(evaluator(lambda x: x - 6.0, slopes=False), 1.0, (4.5, 8.5), 1e-6)
    inside = (SHIFTS + 6.0 > 4.5) & (SHIFTS + 6.0 < 8.5)
    assert ((found.status == Status.CONVERGED) == inside).all()
