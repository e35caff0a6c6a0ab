"""Why the asymptotic times have an order at every spectrum: signs, one direction at a time."""

import pytest
import sympy as sp

from geomem_theory import trajectories
from geomem_theory.derivation import merge_sums
from geomem_theory.symbols import b, d, s, s_v, t, t_later

variance, number = sp.Symbol("variance", positive=True), sp.Symbol("number", positive=True)


def of_one_block(equation):
    """Its summand, for a block that has variance and directions."""
    return merge_sums(equation.right)[0].subs({s[b]: variance, d[b]: number})


@pytest.mark.parametrize("name", ["onset_log_size", "collapse_log_size", "held_out_log_size"])
def test_sizes_fall_in_t(name):
    """So each takes every value once, from infinity down to zero."""
    size = of_one_block(getattr(trajectories, name))
    assert sp.factor(sp.diff(size, t)).is_negative
    assert sp.limit(size, t, 0) == sp.oo
    assert sp.limit(size, t, sp.oo) == 0


def test_sizes_are_ordered():
    onset, collapse, held_out = (
        of_one_block(getattr(trajectories, name))
        for name in ("onset_log_size", "collapse_log_size", "held_out_log_size")
    )
    assert sp.simplify(onset - collapse - of_one_block(trajectories.onset_half_signal)) == 0
    assert sp.factor(sp.simplify(onset - collapse)).is_positive
    assert sp.factor(sp.simplify(collapse - held_out)).is_positive


def test_generalization_is_below_held_out_condensation():
    """The ratio is a mean over the directions of what is below 1."""
    share = sp.numer(trajectories.generalization_ratio.right).function.subs({s[b]: variance, d[b]: number}) / number
    assert sp.factor(1 - share).is_positive
    assert sp.factor(share).is_positive


def test_the_flow_decides_at_one_time():
    """The size falls in t' below t, and is that of collapse at t' = t."""
    size = of_one_block(trajectories.flow_basin_log_size)
    stretch = trajectories.population_flow.right.subs(s_v, variance)
    slope = -number * variance * (variance / t_later + stretch / 2) / (2 * (variance + t_later) ** 2)
    assert sp.simplify(sp.diff(size, t_later) - slope) == 0
    assert slope.is_negative
    assert sp.simplify(size.subs(t_later, t) - of_one_block(trajectories.collapse_log_size)) == 0
    # At t' = t the radius is the dominance radius.
    captured = of_one_block(trajectories.captured_log_size).subs(t_later, t)
    assert sp.simplify(captured - of_one_block(trajectories.onset_log_size)) == 0
