"""High-precision evaluation against numbers worked out by hand."""

import mpmath
import sympy as sp

from geomem_theory.evaluation import evaluate, unroll
from geomem_theory.symbols import B, b, c, d, s, t


def test_digits():
    root = evaluate(sp.sqrt(t), {t: 2}, 50)
    with mpmath.workdps(50):
        assert abs(root - mpmath.mpf("1.4142135623730950488016887242096980785696718753769")) < mpmath.mpf("1e-48")


def test_sums_are_unrolled():
    assert unroll(sp.Sum(d[b] * s[b], (b, 1, B)), 2) == d[1] * s[1] + d[2] * s[2]


def test_nested_sums():
    share = sp.Sum(d[b] * s[b] / sp.Sum(d[c], (c, 1, B)), (b, 1, B))
    assert evaluate(share, {d: [1, 3], s: [2.0, 6.0]}) == 5
