"""Reference values of the averages over data sets at finite N, at high precision and without JAX.

Run from the repository root with `python tests/reference/finite_n.py [processes]`; it writes
`tests/data/finite_n_reference.json` row by row. The formulas are those of `geomem_theory`, chapter
`finite_n`, retyped: a contour integral over z for one sample and an integral over xi = ln u.

Every row is computed twice, on disjoint points in xi and with different contours and steps in z.
A row is written only if the two agree to 1e-13 in every quantity and the weights sum to one.
"""

import json
import sys
import time
from multiprocessing import Pool
from operator import mul
from pathlib import Path

from mpmath import mp, mpc, mpf

mp.dps = 40
BITS = 140  # fixed-point digits of the contour sums
CUT = mpf(10) ** -28  # of the maximum, where a contour ends
TAIL = mpf(10) ** -20  # of the maximum, where the xi integral ends
MAX_NODES = 20000
MAX_SECONDS = 60
TOLERANCE = mpf(10) ** -13
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


class Sample:
    """The law of one sample seen from the probe."""

    def __init__(self, s, d, block, probe, t, planted):
        self.s, self.d, self.t = [mpf(v) for v in s], [mpf(v) for v in d], mpf(t)
        kind, a = probe[0], mpf(probe[1])
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
        low, high = mpf(10) ** -8, mpf(1)
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


class Integral:
    """Trapezoid sums over xi of all densities, for one family of contours."""

    def __init__(self, sample, N, log_planted, family, start):
        self.sample, self.N, self.log_planted, self.start = sample, N, log_planted, start
        self.phi, self.powers = Contours(sample, 0, family), Contours(sample, 1, family)

    def densities(self, xi):
        N = self.N
        line, (phi,) = self.phi(xi)
        log_phi = mp.log(phi) if line.c > 0 else mp.log1p(phi)
        _, (M_1, M_2, M_1g, M_1gg, M_2gg) = self.powers(xi)
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

    def sums(self, h, offset, deadline):
        total, peak = [mpf(0)] * 6, [mpf(0)] * 6
        for step in (1, -1):
            n, quiet = (0 if step == 1 else -1), 0
            while quiet < 4:
                if time.time() > deadline:
                    raise TimeoutError
                values = self.densities(self.start + (n + offset) * h)
                total = [a + b for a, b in zip(total, values, strict=True)]
                peak = [max(a, abs(b)) for a, b in zip(peak, values, strict=True)]
                small = all(abs(v) <= TAIL * p for v, p in zip(values, peak, strict=True))
                quiet = quiet + 1 if small else 0
                n += step
        return [h * v for v in total]


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


def compute(case):
    """The row of one case, or a sentence saying why there is none."""
    index, (s, d, block, probe, t, N, log_planted) = case
    begin = time.time()
    sample = Sample(s, d, block, probe, t, log_planted is not None)
    level, log_Z = sample.level(mp.log(N))
    note = f"lambda {float(level):.3g}"
    if level < mpf("0.002"):
        return index, None, f"{note}: too deeply condensed"
    start = -log_Z if log_planted is None else -max(log_Z, mpf(log_planted))
    planted = None if log_planted is None else mpf(log_planted)
    integrals = [Integral(sample, mpf(N), planted, family, start) for family in FAMILIES]
    h = mpf("0.2") / level
    try:
        for _ in range(4):
            sums = [
                integral.sums(h, offset, begin + MAX_SECONDS)
                for integral, offset in zip(integrals, (mpf(0), mpf(1) / 2), strict=True)
            ]
            first, second = (outputs(sample, v) for v in sums)
            # zero by symmetry where the probe is at the origin
            errors = [abs(a - b) / abs(a) if a else abs(b) for a, b in zip(first, second, strict=True)]
            error = max(*errors, *(abs(v[0] - 1) for v in sums))
            if error < mpf(10) ** -16:
                break
            h /= 2
    except TimeoutError:
        return index, None, f"{note}: too slow"
    note += f", agreement {mp.nstr(error, 2)}, {time.time() - begin:.0f} s"
    if error > TOLERANCE:
        return index, None, f"{note}: not verified"
    row = {
        "variances": s,
        "multiplicities": d,
        "block": block,
        "probe": probe,
        "noise_variance": t,
        "num_samples": float(N),
        "log_planted": log_planted,
    }
    row.update({name: mp.nstr((a + b) / 2, 20) for name, a, b in zip(NAMES, first, second, strict=True)})
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


def main():
    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    rows = {}
    with Pool(processes) as pool:
        for index, row, note in pool.imap_unordered(compute, list(enumerate(cases()))):
            print(index, cases()[index], note, flush=True)
            if row is None:
                continue
            rows[index] = row
            lines = ",\n".join(json.dumps(rows[i]) for i in sorted(rows))
            OUTPUT.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
