"""The single-sample averages at finite N by plain quadrature over the sample, with no contour integral.

For a law that has one direction, or one block of directions about the probe itself, the energy is a function of one
variable r: of the coordinate, or of the distance. The averages of (uv)^k e^(-uv) are then Gauss-Legendre sums in
panels over r, of two kinds: those that resolve the density of r, and those that resolve e^(-uv), which passes from 0
to 1 where the energy is about t ln u.
"""

from itertools import pairwise

from mpmath import mp, mpf
from numpy.polynomial.legendre import leggauss

POINTS = 16  # in a panel
RARE = 80  # -ln of the density of r, relative to its maximum, from where on samples are left out
PANEL = mpf("1.5")  # standard deviations of r, roughly
SATURATED = 5  # ln(uv) from where on e^(-uv) is zero
LEVELS = (*range(-5, 35, 3), 41, 48, 56, 66, 80, 100)  # energies over t, less ln u, between which e^(-uv) is resolved


def is_open_to_quadrature(sample):
    """Whether the energy is a function of one variable that the panels cover."""
    if sample.s_v == 0 or any(s > 0 for i, s in enumerate(sample.s) if i != sample.block):
        return False
    return sample.d[sample.block] == 1 or (sample.x == 0 and sample.Q[sample.block] == 0)


def gauss_legendre():
    nodes = []
    for rough in leggauss(POINTS)[0]:
        x = mp.findroot(lambda x: mp.legendre(POINTS, x), mpf(float(rough)))
        slope = POINTS * mp.legendre(POINTS - 1, x) / (1 - x**2)
        nodes.append((x, 2 / ((1 - x**2) * slope**2)))
    return nodes


class Quadrature:
    """ln phi, M_1, M_2, M_1g, M_1gg and M_2gg at any xi = ln u."""

    def __init__(self, sample):
        self.sample, self.d = sample, sample.d[sample.block]
        self.unit, self.rule = mp.sqrt(sample.s_v), gauss_legendre()
        # Directions without variance only add to the energy.
        self.shift = sum(Q for s, Q in zip(sample.s, sample.Q, strict=True) if s == 0) / (2 * sample.t)
        # The coordinate has both signs, a distance has not.
        self.log_norm = mp.log(2 * mp.pi) / 2 if self.d == 1 else (self.d / 2 - 1) * mp.log(2) + mp.loggamma(self.d / 2)
        peak, reach = mp.sqrt(self.d - 1), mp.sqrt(2 * mpf(RARE))
        self.low, self.high = -reach if self.d == 1 else max(mpf(0), peak - reach), peak + reach
        count = int(mp.ceil((self.high - self.low) / PANEL))
        self.ends = [self.low + (self.high - self.low) * i / count for i in range(count + 1)]

    def log_density(self, r):
        power = 0 if self.d == 1 else (self.d - 1) * mp.log(r)
        return power - r**2 / 2 - self.log_norm

    def log_w(self, r, xi):
        distance = self.unit * r - (self.sample.x if self.d == 1 else 0)
        return xi - self.shift - distance**2 / (2 * self.sample.t)

    def panels(self, xi):
        sample, ends = self.sample, set(self.ends)
        levels = [max(mpf(0), xi - self.shift) + level for level in LEVELS]
        for level in (mpf(0), *(level for level in levels if level > 0)):
            distance = mp.sqrt(2 * sample.t * level) / self.unit
            ends.update((sample.x / self.unit + distance, sample.x / self.unit - distance))
        panels = list(pairwise(sorted(end for end in ends if self.low <= end <= self.high)))
        middles = [(low + high) / 2 for low, high in panels]
        sizes = [self.log_density(r) + min(self.log_w(r, xi), 0) for r in middles]
        # A panel's middle may be far below its ends, but not by as much as this where it counts.
        return [panel for panel, size in zip(panels, sizes, strict=True) if size > max(sizes) - RARE]

    def __call__(self, xi):
        sample, moments = self.sample, [mpf(0)] * 6
        for low, high in self.panels(xi):
            half, middle = (high - low) / 2, (high + low) / 2
            for x, weight in self.rule:
                r = middle + half * x
                log_w = self.log_w(r, xi)
                p = half * weight * mp.exp(self.log_density(r))
                if log_w > SATURATED:
                    moments[0] += p
                    continue
                w = mp.exp(log_w)
                absent = -mp.expm1(-w)  # 1 - e^(-uv), which may be tiny
                first = p * w * (1 - absent)
                second = first * w
                g = self.unit * r - sample.y_0 if self.d == 1 else mpf(0)
                gg = g**2 if self.d == 1 else sample.s_v * r**2 / self.d
                terms = (p * absent, first, second, g * first, gg * first, gg * second)
                moments = [a + b for a, b in zip(moments, terms, strict=True)]
        return mp.log1p(-moments[0]), *moments[1:]
