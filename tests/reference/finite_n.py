"""Reference values of the averages over data sets at finite N, at high precision and without JAX.

Run from the repository root with `python tests/reference/finite_n.py [processes]`; it writes
`tests/data/finite_n_reference.json` row by row. The formulas are those of `geomem_theory`, chapter
`finite_n`, retyped: a contour integral over z for one sample and an integral over xi = ln u.

Every row is computed twice, on disjoint points in xi and with different contours and steps in z. A row is written
only if the two agree in every quantity and the weights sum to one, and, where the energy is a function of one
variable, if `finite_n_quadrature`, which knows no contours, gives the same. The first table of cases uses a fixed
family of contours and agrees to 1e-13; the second, which goes far into condensation, a path of its own through the
saddle point of every integrand at every xi. Rows that the file holds already are kept as they are.
"""

import json
import math
import sys
import time
from multiprocessing import Pool
from operator import mul
from pathlib import Path

from finite_n_quadrature import Quadrature, is_open_to_quadrature
from mpmath import mp, mpc, mpf
from scipy.special import digamma, gammaln, polygamma

DIGITS = 40
mp.dps = DIGITS
BITS = 140  # fixed-point digits of the contour sums
CUT = mpf(10) ** -28  # of the maximum, where a contour ends
TAIL = mpf(10) ** -20  # of the maximum, where the xi integral ends
MAX_NODES = 20000
MAX_SECONDS = 60
TOLERANCE = mpf(10) ** -13
# The same for paths through saddle points, and for the plain quadrature.
PATH_DIGITS = 30
PATH_CUT = mpf(10) ** -17
PATH_TAIL = mpf(10) ** -14
PATH_STEP = mpf("0.24")  # of the xi sum, in units of the width of its features
PATH_SECONDS = 60
PATH_TOLERANCE = mpf(10) ** -11
QUADRATURE_TOLERANCE = mpf(10) ** -10
QUADRATURE_TAIL = mpf(10) ** -12
OUTPUT = Path(__file__).parents[1] / "data" / "finite_n_reference.json"

# Contours Re z = c left of 0, and the ratio of the logarithmic grid right of it, for both computations.
FAMILIES = (
    (
        (-1.7, -1.35, -1.12, -1.03, -0.97, -0.9, -0.78, -0.64, -0.5, -0.37, -0.26, -0.17, -0.1, -0.05, -0.022, -0.01),
        1.45,
    ),
    (
        (-1.8, -1.45, -1.2, -1.05, -0.96, -0.85, -0.71, -0.57, -0.43, -0.31, -0.21, -0.13, -0.07, -0.03, -0.013),
        1.55,
    ),
)

# Step along a path in standard deviations of its saddle point, and its slope far out, for both computations.
RULES = ((mpf("0.2"), mpf("0.5")), (mpf("0.185"), mpf("0.4")))
# A path is stretched like a hyperbolic sine, whose argument is this times the number of standard deviations.
STRETCH = mpf("0.45")
# Steps in xi are in proportion to it right of -ln CROWDING and to the distance from the peak FALL or more left of it.
CROWDING, FALL = mpf("0.03"), mpf(4)


class Sample:
    """The law of one sample seen from the probe."""

    def __init__(self, s, d, block, probe, t, planted):
        self.s, self.d, self.t = [mpf(v) for v in s], [mpf(v) for v in d], mpf(t)
        self.block, kind, a = block, probe[0], mpf(probe[1])
        others = {
            "origin": lambda s: mpf(0),
            "along": lambda s: mpf(0),
            "random_direction": lambda s: a**2 * self.t / sum(self.d),
            "data_point": lambda s: s,
            "typical": lambda s: s + self.t,
        }[kind]
        squared = a**2 * self.t if kind == "along" else others(self.s[block])
        self.Q = [d * others(s) for s, d in zip(self.s, self.d, strict=True)]
        if kind == "along":
            self.Q[block] += squared
        self.s_v, self.x = self.s[block], mp.sqrt(squared)
        self.edge = self.t / max(self.s)
        self.y_0 = mpf(0)
        self.y_0 = self.x if planted else self.mean(mpf(1))

    def K(self, lam):
        t = self.t
        terms = zip(self.s, self.d, self.Q, strict=True)
        return -sum(d * mp.log(1 + lam * s / t) + lam * Q / (t + lam * s) for s, d, Q in terms) / 2

    def K_1(self, lam):
        t = self.t
        terms = zip(self.s, self.d, self.Q, strict=True)
        return -sum(d * s / (t + lam * s) + t * Q / (t + lam * s) ** 2 for s, d, Q in terms) / 2

    def K_2(self, lam):
        t = self.t
        terms = zip(self.s, self.d, self.Q, strict=True)
        return sum(d * s**2 / (t + lam * s) ** 2 + 2 * t * Q * s / (t + lam * s) ** 3 for s, d, Q in terms) / 2

    def mean(self, lam):
        return lam * self.s_v * self.x / (self.t + lam * self.s_v) - self.y_0

    def second(self, lam):
        return self.s_v * self.t / (self.t + lam * self.s_v) + self.mean(lam) ** 2

    def level(self, log_N):
        """min(1, lambda_c) and the typical ln Z of the random-energy model."""

        def entropy(lam):
            return log_N + self.K(lam) - lam * self.K_1(lam)

        if entropy(mpf(1)) >= 0:
            return mpf(1), log_N + self.K(mpf(1))
        low, high = mpf(10) ** -16, mpf(1)
        for _ in range(60):
            middle = mp.sqrt(low * high)
            low, high = (middle, high) if entropy(middle) > 0 else (low, middle)
        return low, self.K_1(low)


class Contour:
    """The single-sample averages with Gamma(z + k), k = 0 or 1, on the line Re z = c."""

    def __init__(self, sample, k, c):
        self.sample, self.k, self.c = sample, k, mpf(c)
        self.exponent = mp.log(abs(mp.gamma(self.c + k))) + sample.K(-self.c)
        self.values = None

    def at(self, z):
        sample = self.sample
        f = mp.gamma(z + self.k) * mp.exp(sample.K(-z) - self.exponent)
        if self.k == 0:
            return (f,)
        m, mm = sample.mean(-z), sample.second(-z)
        return f, (z + 1) * f, m * f, mm * f, (z + 1) * mm * f

    def build(self):
        """Tabulate the integrands; False if that takes too many nodes."""
        distance = min(abs(self.c - pole) for pole in (-2, -1, 0, self.sample.edge)[: 4 if self.k == 0 else 2])
        distance = min(distance, self.sample.edge - self.c)
        width = 1 / mp.sqrt(mp.psi(1, self.c + self.k) + self.sample.K_2(-self.c))
        self.h = min(2 * mp.pi * distance / 65, mpf("0.6") * width)
        if abs(self.at(mpc(self.c, MAX_NODES * self.h))[0]) > CUT:
            return False
        columns = [[v / 2 for v in self.at(mpc(self.c))]]
        while len(columns) < 20 or abs(columns[-1][0]) > CUT:
            columns.append(self.at(mpc(self.c, len(columns) * self.h)))
        self.values = []
        for row in zip(*columns, strict=True):
            fixed = [(int(mp.ldexp(v.real, BITS)), int(mp.ldexp(v.imag, BITS))) for v in map(mpc, row)]
            self.values.append(tuple(zip(*fixed, strict=True)))
        self.nodes = len(columns)
        return True

    def __call__(self, xi):
        """The averages at u = e^xi; for k = 0 it is phi right of 0 and phi - 1 left of it."""
        w = mp.expj(-self.h * xi)
        w_re, w_im = int(mp.ldexp(w.real, BITS)), int(mp.ldexp(w.imag, BITS))
        a, b = 1 << BITS, 0
        re, im = [], []
        for _ in range(self.nodes):
            re.append(a)
            im.append(b)
            a, b = (a * w_re - b * w_im) >> BITS, (a * w_im + b * w_re) >> BITS
        scale = self.h / mp.pi * mp.exp(self.exponent - self.c * xi)
        sums = [sum(map(mul, x, re)) - sum(map(mul, y, im)) for x, y in self.values]
        result = [scale * mp.ldexp(mpf(v), -2 * BITS) for v in sums]
        if self.c < -1:  # the residue at z = -1
            sample, one = self.sample, mpf(1)
            first = mp.exp(xi + sample.K(one))
            if self.k == 0:
                return [result[0] - first]
            added = (first, 0, first * sample.mean(one), first * sample.second(one), 0)
            return [v + r for v, r in zip(result, added, strict=True)]
        return result


class Contours:
    """A family of contours; every xi takes the one where the real exponent is smallest."""

    def __init__(self, sample, k, family):
        left, ratio = family
        edge, c = sample.edge, mpf("0.05") * min(1, sample.edge)
        right = []
        while c < min(edge / 2, 150):
            right += [c, edge - c] if edge < 300 else [c]
            c *= ratio
        self.lines = [Contour(sample, k, c) for c in (*map(mpf, map(str, left)), *right)]

    def __call__(self, xi):
        while True:
            line = min(self.lines, key=lambda line: line.exponent - line.c * xi)
            if line.values is not None or line.build():
                return line, line(xi)
            self.lines.remove(line)


class Family:
    """ln phi, M_1, M_2, M_1g, M_1gg and M_2gg at any xi by a fixed family of contours."""

    def __init__(self, sample, family):
        self.phi, self.powers = Contours(sample, 0, family), Contours(sample, 1, family)

    def __call__(self, xi):
        line, (phi,) = self.phi(xi)
        _, powers = self.powers(xi)
        return mp.log(phi) if line.c > 0 else mp.log1p(phi), *powers


class Saddles:
    """The same, every integral by a path through the saddle point of its integrand.

    With j = 0, 1 or 2 the integrand is Gamma(z + j) e^(K(-z) - z xi) times something smooth; j = 0 has a saddle on
    either side of the pole at 0, and the lower of the two is taken.
    """

    def __init__(self, sample, rule):
        self.sample, (self.step, self.slope) = sample, rule
        terms = zip(sample.s, sample.d, sample.Q, strict=True)
        self.rough = [(float(s), float(d), float(Q)) for s, d, Q in terms]
        self.t, self.edge = float(sample.t), float(sample.edge)
        self.stretched = []  # y in units of the scale, and its slope, at every point of a path

    def exponent(self, j, c, xi):
        """The real exponent, in double precision: it places a path and chooses between two."""
        value = gammaln(c + max(j, 1)) - c * xi - (0 if j else math.log(abs(c)))
        terms = ((self.t - c * s, s, d, Q) for s, d, Q in self.rough)
        return float(value) - sum(d * math.log(w / self.t) - c * Q / w for w, s, d, Q in terms) / 2

    def derivative(self, j, c, xi):
        value = digamma(c + max(j, 1)) - xi - (0 if j else 1 / c)
        terms = ((self.t - c * s, s, d, Q) for s, d, Q in self.rough)
        return float(value) + sum(d * s / w + self.t * Q / w**2 for w, s, d, Q in terms) / 2

    def saddle(self, j, low, high, xi):
        """The real zero of the derivative, which rises from minus to plus infinity over the strip."""
        for _ in range(70):
            middle = (low + high) / 2
            if middle in (low, high):
                break
            low, high = (low, middle) if self.derivative(j, middle, xi) > 0 else (middle, high)
        return middle

    def along(self, j, c, xi, functions):
        """The integrals over z, divided by 2 pi i, of the integrand times each function of z."""
        sample, c, order = self.sample, mpf(c), max(j, 1)
        energetic = sum(
            s**3 * d / (sample.t - c * s) ** 3 + 3 * sample.t * Q * s**2 / (sample.t - c * s) ** 4
            for s, d, Q in zip(sample.s, sample.d, sample.Q, strict=True)
        )
        second = mpf(float(polygamma(1, float(c) + order))) + sample.K_2(-c) + (0 if j else c**-2)
        # Gamma's poles left of the right strip would bend the path away from where e^(-z xi) falls.
        third = (
            energetic
            if j == 0 and c > 0
            else energetic + float(polygamma(2, float(c) + order)) - (0 if j else 2 / c**3)
        )
        scale, bend = 1 / mp.sqrt(second), third / (6 * second)
        # A hyperbola with the curvature of steepest descent at the saddle point and a bounded slope far out, where
        # e^(-z xi) falls to the right and Gamma to the left; what K takes from xi is seen well off the real axis.
        left = float(xi + sample.K_1(-mpc(c, 4)).real)
        share = min(1, left / 4) if bend > 0 else min(1, 1 - left / 6)
        slope = mp.sign(bend) * self.slope * max(share, 0.02)
        width = max(slope / (2 * bend), scale)
        height = mp.log(mp.gamma(c + order)) + sample.K(-c) - c * xi
        totals, largest, quiet, n = [mpf(0)] * len(functions), mpf(0), 0, 0
        while quiet < 3:
            if n == len(self.stretched):
                argument = STRETCH * n * self.step
                self.stretched.append((mp.sinh(argument) / STRETCH, mp.cosh(argument)))
            y, growth = self.stretched[n]
            y *= scale
            far = mp.sqrt(y**2 + width**2)
            z = mpc(c + slope * (far - width), y)
            speed = mpc(slope * y / far, 1) * scale * growth
            f = speed * mp.gamma(z + order) * mp.exp(sample.K(-z) - z * xi - height)
            f = f if j else f / z
            size = abs(f)
            largest, quiet = max(largest, size), quiet + 1 if size < PATH_CUT * largest else 0
            share = mpf(1) / 2 if n == 0 else mpf(1)
            totals = [total + share * (f * of(z)).imag for total, of in zip(totals, functions, strict=True)]
            n += 1
        return [mp.exp(height) * self.step / mp.pi * total for total in totals]

    def log_phi(self, xi):
        strips = ((-1.0, 0.0), (0.0, self.edge))
        left, right = (self.saddle(0, *strip, xi) for strip in strips)
        if self.exponent(0, left, xi) < self.exponent(0, right, xi):
            return mp.log1p(self.along(0, left, xi, (lambda z: 1,))[0])
        return mp.log(self.along(0, right, xi, (lambda z: 1,))[0])

    def __call__(self, xi):
        sample, rough = self.sample, float(xi)
        one = mpf(1)
        s_v, t = sample.s_v, sample.t

        def square(z):
            return sample.second(-z)

        def decline(z):  # of the tilted mean, whose zero at z = -1 turns Gamma(z + 1) into Gamma(z + 2)
            return -s_v * t * sample.x / ((t - z * s_v) * (t + s_v))

        c = self.saddle(1, -1.0, self.edge, rough)
        M_1, M_1gg = self.along(1, c, xi, (lambda z: 1, square))
        c = self.saddle(2, -2.0, self.edge, rough)
        M_2, M_2gg, rest = self.along(2, c, xi, (lambda z: 1, square, decline))
        return self.log_phi(xi), M_1, M_2, sample.mean(one) * M_1 + rest, M_1gg, M_2gg


class Integral:
    """Trapezoid sums of all densities over xi."""

    def __init__(self, sample, N, log_planted, single, start, tail):
        self.sample, self.N, self.log_planted, self.single = sample, N, log_planted, single
        self.start, self.tail = start, tail

    def densities(self, xi):
        N = self.N
        log_phi, M_1, M_2, M_1g, M_1gg, M_2gg = self.single(xi)
        planted = mpf(0) if self.log_planted is None else mp.exp(xi + self.log_planted)
        zero, one, two = (mp.exp((N - count) * log_phi - planted) for count in (0, 1, 2))
        g_1 = self.sample.x - self.sample.y_0
        norm = N * M_1 * one + planted * zero
        return (
            norm,
            N * M_2 * one + planted**2 * zero,
            -(xi + mp.euler) * norm,
            N * M_1g * one + g_1 * planted * zero,
            N * M_1gg * one + g_1**2 * planted * zero,
            N * M_2gg * one
            + N * (N - 1) * M_1g**2 * two
            + 2 * g_1 * planted * N * M_1g * one
            + (g_1 * planted) ** 2 * zero,
        )

    def values(self, place):
        """The densities over the variable that is summed over."""
        return self.densities(self.start + place)

    def sums(self, h, offset, deadline):
        total, peak = [mpf(0)] * 6, [mpf(0)] * 6
        for step in (1, -1):
            n, quiet = (0 if step == 1 else -1), 0
            while quiet < 4:
                if time.time() > deadline:
                    raise TimeoutError
                values = self.values((n + offset) * h)
                total = [a + b for a, b in zip(total, values, strict=True)]
                peak = [max(a, abs(b)) for a, b in zip(peak, values, strict=True)]
                small = all(abs(v) <= self.tail * p for v, p in zip(values, peak, strict=True))
                quiet = quiet + 1 if small else 0
                n += step
        return [h * v for v in total]


class StretchedIntegral(Integral):
    """Steps in xi that grow to both sides: with the energies of the few nearest samples, and where u is small.

    xi = tau + CROWDING e^tau - FALL e^(-(tau - left)/FALL), the last from where only e^xi is left of the densities.
    """

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.left = min(self.start, mpf(0)) - FALL
        low, high = self.left, min(self.start, mp.log(max(self.start, 1) / CROWDING)) + FALL
        for _ in range(60):
            self.tau = (low + high) / 2
            low, high = (low, self.tau) if self.at(self.tau)[0] > self.start else (self.tau, high)
        self.speed = self.at(self.tau)[1]

    def at(self, tau):
        """xi and its slope."""
        crowded, fall = CROWDING * mp.exp(tau), mp.exp(-(tau - self.left) / FALL)
        return tau + crowded - FALL * fall, 1 + crowded + fall

    def values(self, place):
        xi, speed = self.at(self.tau + place)
        return [speed * v for v in self.densities(xi)]


INPUTS = ("variances", "multiplicities", "block", "probe", "noise_variance", "num_samples", "log_planted")
NAMES = ("log_partition", "participation", "score_mean", "score_variance", "second_moment")


def outputs(sample, sums):
    _, Y_2, log_Z, g, gg, g_squared = sums
    y_0, t = sample.y_0, sample.t
    return (
        log_Z,
        Y_2,
        (g + y_0 - sample.x) / t,
        (g_squared - g**2) / t**2,
        gg + 2 * y_0 * g + y_0**2,
    )


def difference(first, second):
    """The largest relative one; absolute where symmetry makes an average zero."""
    return max(abs(a - b) / abs(a) if a else abs(b) for a, b in zip(first, second, strict=True))


def compute(case):
    """The row of one case, or a sentence saying why there is none."""
    index, (s, d, block, probe, t, N, log_planted), is_deep = case
    begin = time.time()
    mp.dps = PATH_DIGITS if is_deep else DIGITS
    sample = Sample(s, d, block, probe, t, log_planted is not None)
    level, log_Z = sample.level(mp.log(N))
    note = f"lambda {float(level):.3g}"
    if not is_deep and level < mpf("0.002"):
        return index, None, f"{note}: too deeply condensed"
    start = -log_Z if log_planted is None else -max(log_Z, mpf(log_planted))
    planted = None if log_planted is None else mpf(log_planted)
    asked = (sample, mpf(N), planted)
    if is_deep:
        integrals = [StretchedIntegral(*asked, Saddles(sample, rule), start, PATH_TAIL) for rule in RULES]
        h = PATH_STEP * min(1, 1 / (level * integrals[0].speed))
        seconds, enough, tolerance = PATH_SECONDS, 3 * mpf(10) ** -12, PATH_TOLERANCE
    else:
        integrals = [Integral(*asked, Family(sample, family), start, TAIL) for family in FAMILIES]
        h, seconds, enough, tolerance = mpf("0.2") / level, MAX_SECONDS, mpf(10) ** -16, TOLERANCE
    try:
        for _ in range(4):
            sums = [
                integral.sums(h, offset, begin + seconds)
                for integral, offset in zip(integrals, (mpf(0), mpf(1) / 2), strict=True)
            ]
            first, second = (outputs(sample, v) for v in sums)
            error = max(difference(first, second), *(abs(v[0] - 1) for v in sums))
            if error < enough:
                break
            h /= 2
    except TimeoutError:
        return index, None, f"{note}: too slow"
    note += f", agreement {mp.nstr(error, 2)}, {time.time() - begin:.1f} s"
    if error > tolerance:
        return index, None, f"{note}: not verified"
    row = dict(zip(INPUTS, (s, d, block, probe, t, float(N), log_planted), strict=True))
    averages = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    row.update({name: mp.nstr(a, 20) for name, a in zip(NAMES, averages, strict=True)})
    if is_deep and is_open_to_quadrature(sample):
        begin = time.time()
        integral = StretchedIntegral(*asked, Quadrature(sample), start, QUADRATURE_TAIL)
        plain = outputs(sample, integral.sums(h, mpf(1) / 4, math.inf))
        note += f", quadrature {mp.nstr(difference(averages, plain), 2)}, {time.time() - begin:.1f} s"
        if difference(averages, plain) > QUADRATURE_TOLERANCE:
            return index, None, f"{note}: the two disagree"
        row["quadrature"] = True
    return index, row, note


def cases():
    line, default = ([1.0], [1]), ([1.0, 0.09, 1e-4], [2, 5, 23])
    flat, large = ([1.0], [30]), ([1.0], [1000])
    degenerate = ([2.0, 0.5, 0.0], [2, 3, 10])

    def along(a=1.0):
        return ["along", a]

    table = [
        (*default, 0, along(), 0.02, 1e3, None),
        (*line, 0, along(), 0.5, 10.0, None),
        (*flat, 0, along(), 1.0, 1e3, None),
        (*default, 0, along(), 0.1, 1e3, -3.0),
    ]
    for N, t in (
        *((2.0, t) for t in (0.3, 1.0, 10.0, 1e3)),
        *((3.0, t) for t in (0.2, 1.0, 30.0)),
        *((10.0, t) for t in (0.05, 0.3, 3.0, 1e3)),
        *((1e3, t) for t in (1e-3, 0.01, 0.1, 1.0, 10.0, 1e3)),
        *((1e6, t) for t in (1e-4, 1e-3, 0.01, 0.1, 1.0, 100.0)),
        *((1e9, t) for t in (1e-4, 1e-3, 0.03, 1.0, 1e3)),
        *((1e15, t) for t in (1e-4, 1e-3, 0.01, 0.3, 10.0)),
    ):
        table.append((*default, 0, along(), t, N, None))
    for N, t in ((2.0, 1.0), (3.0, 100.0), (10.0, 0.3), (1e3, 0.01), (1e6, 1e-4), (1e9, 0.01), (1e15, 1e-4)):
        table.append((*line, 0, along(1.5), t, N, None))
    for N, t in (
        *((2.0, 0.5), (3.0, 3.0), (10.0, 0.2), (1e3, 0.03), (1e3, 0.3), (1e6, 0.02), (1e6, 0.2), (1e9, 0.05)),
        *((1e15, 0.02), (1e15, 0.2), (1e15, 1e3), (1e9, 5e-3)),
    ):
        table.append((*flat, 0, along(), t, N, None))
    for N, t in ((2.0, 30.0), (10.0, 5.0), (1e3, 1.0), (1e3, 100.0), (1e6, 2.0), (1e9, 0.3), (1e15, 1e3), (1e15, 3.0)):
        table.append((*large, 0, along(), t, N, None))
    for N, t in ((3.0, 1.0), (1e3, 0.05), (1e6, 0.5), (1e15, 0.01)):
        table.append((*degenerate, 1, along(), t, N, None))
    for block, a, t, N in (
        *((1, 1.0, 0.02, 1e3), (2, 1.0, 0.02, 1e3), (1, 3.0, 0.1, 1e6), (2, 5.0, 0.01, 1e9), (0, 0.1, 0.02, 1e3)),
        *((0, 3.0, 0.1, 1e3), (0, 5.0, 0.3, 1e6), (0, 5.0, 3.0, 10.0), (0, 2.0, 0.003, 1e15)),
    ):
        table.append((*default, block, along(a), t, N, None))
    for probe in (["random_direction", 2.0], ["data_point", 1.0], ["typical", 1.0], ["origin", 1.0]):
        for t, N in ((0.02, 1e3), (0.5, 10.0), (0.05, 1e9)):
            table.append((*default, 0, probe, t, N, None))
    table += [
        (*flat, 0, ["typical", 1.0], 0.2, 1e6, None),
        (*degenerate, 0, ["data_point", 1.0], 0.1, 1e3, None),
        (*default, 0, along(), 0.02, 1e3, -1.0),
        (*default, 0, along(), 1.0, 10.0, -8.0),
        (*flat, 0, ["random_direction", 1.0], 0.2, 1e6, -20.0),
        (*default, 1, ["typical", 1.0], 0.05, 1e9, -15.0),
        (*line, 0, along(2.0), 1e-3, 1e6, -1.0),
    ]
    return list({json.dumps(case): case for case in table}.values())


def deep_cases():
    """Those computed by a path through every saddle point: far into condensation, and both ends of every range."""
    line, default = ([1.0], [1]), ([1.0, 0.09, 1e-4], [2, 5, 23])
    plane, flat, large, huge = ([1.0], [2]), ([1.0], [30]), ([1.0], [1000]), ([1.0], [10000])
    pair, degenerate = ([1.0, 0.3], [1, 1]), ([2.0, 0.5, 0.0], [2, 3, 10])
    embedded, eight = ([1.0, 0.0], [1, 5]), ([12.0, 6.0, 3.0, 1.5, 0.7, 0.3, 0.1, 0.02], [2, 3, 5, 8, 12, 14, 12, 5])
    origin, data_point, typical = ["origin", 1.0], ["data_point", 1.0], ["typical", 1.0]

    def along(a=1.0):
        return ["along", a]

    return [
        # One direction: open to plain quadrature at every probe.
        (*line, 0, along(), 1e-8, 2.0, None),
        (*line, 0, along(), 1e6, 2.0, None),
        (*line, 0, origin, 1e-6, 10.0, None),
        (*line, 0, data_point, 1e-8, 1e3, None),
        (*line, 0, along(30.0), 1e-4, 2.0, None),
        (*line, 0, along(30.0), 100.0, 1e3, None),
        (*line, 0, typical, 1e-3, 3.0, None),
        (*line, 0, along(), 1e6, 1e15, None),
        (*line, 0, ["random_direction", 10.0], 1e-3, 1e9, None),
        (*line, 0, along(), 1e-4, 3.0, -2.0),
        (*embedded, 0, along(), 1e-5, 10.0, None),
        (*embedded, 0, typical, 0.01, 1e6, None),
        (*embedded, 0, data_point, 1e-4, 2.0, -1.0),
        # Blocks of directions about the probe.
        (*plane, 0, origin, 1e-8, 2.0, None),
        (*plane, 0, origin, 1e-6, 1e6, None),
        ([1.0], [3], 0, origin, 1e-5, 1e3, None),
        (*flat, 0, origin, 1e-8, 2.0, None),
        (*flat, 0, origin, 1e-6, 1e15, None),
        (*flat, 0, origin, 1e-4, 10.0, -5.0),
        (*large, 0, origin, 1e-6, 1e9, None),
        (*large, 0, origin, 1.0, 2.0, None),
        (*huge, 0, origin, 1e-8, 2.0, None),
        (*huge, 0, origin, 0.1, 1e15, None),
        (*huge, 0, origin, 1e6, 1e3, None),
        ([2.0, 0.0], [7, 3], 0, origin, 1e-7, 1e3, None),
        # Several blocks, or probes off the axis of symmetry.
        (*default, 0, along(), 1e-8, 2.0, None),
        (*default, 0, along(), 1e6, 1e15, None),
        (*default, 0, along(30.0), 1e-5, 1e3, None),
        (*default, 1, along(30.0), 0.1, 1e9, None),
        (*default, 2, data_point, 1e-6, 1e6, None),
        (*default, 1, typical, 1e-4, 2.0, None),
        (*default, 0, ["random_direction", 5.0], 1e-7, 1e15, None),
        (*default, 0, along(), 1e-4, 10.0, -2.0),
        (*default, 2, along(), 1e-3, 1e3, -1e-3),
        (*pair, 0, along(), 1e-6, 1e9, None),
        (*pair, 1, typical, 1e-3, 2.0, None),
        (*pair, 1, data_point, 1e-8, 1e15, None),
        (*plane, 0, along(), 1e-7, 3.0, None),
        (*plane, 0, data_point, 1e3, 2.0, None),
        (*flat, 0, data_point, 1e-6, 1e3, None),
        (*flat, 0, along(30.0), 0.01, 1e6, None),
        (*flat, 0, typical, 1e-5, 1e15, -3.0),
        (*large, 0, along(), 1e-4, 2.0, None),
        (*large, 0, data_point, 1e-8, 1e15, None),
        (*large, 0, typical, 0.01, 1e3, None),
        (*huge, 0, along(), 1e-5, 1e3, None),
        (*huge, 0, data_point, 1e-7, 1e9, None),
        (*huge, 0, along(30.0), 1e5, 1e9, None),
        (*degenerate, 1, along(), 1e-6, 1e3, None),
        (*degenerate, 0, data_point, 1e-8, 2.0, None),
        (*degenerate, 2, typical, 1e-4, 1e6, None),
        (*eight, 6, along(), 0.009, 1797.0, None),
        (*eight, 7, along(), 7.8e-4, 1797.0, None),
        (*eight, 0, typical, 1e-6, 1e9, None),
        (*eight, 3, data_point, 0.5, 1e15, None),
        (*eight, 2, origin, 1e-3, 2.0, -4.0),
        (*eight, 0, along(10.0), 1e6, 10.0, None),
    ]


def main():
    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    known = {json.dumps([row[name] for name in INPUTS]): row for row in json.loads(OUTPUT.read_text())}
    asked = [(*case, False) for case in cases()] + [(*case, True) for case in deep_cases()]
    keys = [json.dumps(case[:-1]) for case in asked]
    rows = {index: known[key] for index, key in enumerate(keys) if key in known}
    todo = [(index, case[:-1], case[-1]) for index, case in enumerate(asked) if index not in rows]
    with Pool(processes) as pool:
        for index, row, note in pool.imap_unordered(compute, todo):
            print(index, keys[index], note, flush=True)
            if row is None:
                continue
            rows[index] = row
            lines = ",\n".join(json.dumps(rows[i]) for i in sorted(rows))
            OUTPUT.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
