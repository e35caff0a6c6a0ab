"""The mixture's equations against a mixture written out in mpmath."""

import mpmath
import pytest

import geomem_theory
from geomem_theory.evaluation import evaluate
from geomem_theory.symbols import class_excess, class_log_size, class_weight, lam, overlap, s, separation, t, x_variance

VARIANCES, SIZES, TIME = (mpmath.mpf("0.7"), mpmath.mpf("0.2")), (1, 1), mpmath.mpf("0.3")
WEIGHTS, CENTERS = (0.25, 0.75), ((0.4, -0.1), (-0.6, 0.5))
PROBE = (mpmath.mpf("0.2"), mpmath.mpf("-0.3"))


def class_K(center, tilt):
    total = mpmath.mpf(0)
    for variance, x, place in zip(VARIANCES, PROBE, center, strict=True):
        total -= mpmath.log(1 + tilt * variance / TIME) / 2 + tilt * (x - place) ** 2 / (2 * (TIME + tilt * variance))
    return total


def mixture_K(tilt):
    return mpmath.log(sum(w * mpmath.exp(class_K(c, tilt)) for w, c in zip(WEIGHTS, CENTERS, strict=True)))


@pytest.mark.parametrize("tilt", [0.4, 1.0, 2.0])
def test_generating_function_and_size_of_a_mixture(tilt):
    with mpmath.workdps(40):
        excess = [class_K(center, tilt) - class_K(CENTERS[1], tilt) for center in CENTERS]
        sizes = [
            tilt * mpmath.diff(lambda u, c=center: class_K(c, u), tilt) - class_K(center, tilt) for center in CENTERS
        ]
        values = {class_weight: list(WEIGHTS), class_excess: excess, class_log_size: sizes}
        mixed = evaluate(geomem_theory.equation("mixture_generating_function").right, values, 40)
        size = evaluate(geomem_theory.equation("mixture_critical_log_size").right, values, 40)
        assert abs(mixed + class_K(CENTERS[1], tilt) - mixture_K(tilt)) < mpmath.mpf("1e-30")
        # The classes' excesses are relative to one class; so is what the size adds to it.
        assert abs(size - (tilt * mpmath.diff(mixture_K, tilt) - mixture_K(tilt))) < mpmath.mpf("1e-15")


def test_moments_of_the_excess():
    """At x = m + z the excess is linear in z: its mean at z = 0, and its covariance from its slopes."""
    tilt, spread = 1.0, (0.9, 0.4)
    offset = [b - a for a, b in zip(*CENTERS, strict=True)]

    def excess(z):
        return sum(
            -tilt / (2 * (TIME + tilt * v)) * ((x - o) ** 2 - x**2)
            for v, x, o in zip(VARIANCES, z, offset, strict=True)
        )

    values = {
        lam: tilt, t: TIME, s: list(VARIANCES), separation: [o**2 for o in offset], overlap: [o**2 for o in offset],
        x_variance: list(spread),
    }  # fmt: skip
    mean = evaluate(geomem_theory.equation("class_excess_mean").right, values, 30)
    covariance = evaluate(geomem_theory.equation("class_excess_covariance").right, values, 30)
    slopes = [excess((1, 0)) - excess((0, 0)), excess((0, 1)) - excess((0, 0))]
    assert abs(mean - excess((0, 0))) < 1e-14
    assert abs(covariance - sum(v * g**2 for v, g in zip(spread, slopes, strict=True))) < 1e-14
