"""Reference values at given points of mixtures of several covariances, at high precision and without JAX.

Run from the repository root with `python tests/reference/mixture_points.py [processes]`; it writes
`tests/data/mixture_points_reference.json` row by row. A cell is a random mixture, point, direction, noise variance and
size, known by its number: NumPy's legacy generator draws the same numbers in every version. Components are given by
their eigenvalues and eigenvectors, which nothing here decomposes.

Every row is computed twice by integrals along paths through saddle points, as in `finite_n`, on disjoint points in xi
and with different paths and steps in z, and written only if the two agree. The integrals over z are in double
precision: along such a path nothing cancels. Of the smallest shape mpmath, with the paths of `finite_n` themselves and
twenty digits, must agree too, and the row says so; for the others it would take hours. The formulas of a component are
those of `geomem_theory`, chapter `points`, retyped.
"""

import json
import math
import sys
import time
from multiprocessing import Pool
from pathlib import Path
from typing import NamedTuple

import finite_n
import numpy as np
from finite_n import STRETCH, Saddles, StretchedIntegral, difference
from mpmath import mp, mpc, mpf
from scipy.special import loggamma, polygamma

OUTPUT = Path(__file__).parents[1] / "data" / "mixture_points_reference.json"
SHAPES = ((2, 2), (3, 5), (4, 9), (5, 14), (6, 20))  # components and dimensions: few, for each is compiled
CELLS = 60
NAMES = ("log_partition", "participation", "score_mean", "score_variance", "signal_to_noise")
DIGITS, CUT, TAIL = 20, mpf(10) ** -13, mpf(10) ** -12
RULES = ((mpf("0.3"), mpf("0.5")), (mpf("0.27"), mpf("0.4")))  # as those of `finite_n`
STEP, TOLERANCE, SECONDS = mpf("0.35"), mpf(10) ** -9, 600
NODES, QUIET = 600, 42.0  # on a path in double precision, which ends so many e-folds down
BY_MPMATH = 1  # of the shapes: the others take hours


class Cell(NamedTuple):
    """A mixture of eigenvalues (components, dims) and eigenvectors in columns, and what is asked of it."""

    weights: np.ndarray
    means: np.ndarray
    eigenvalues: np.ndarray
    bases: np.ndarray
    point: np.ndarray
    direction: np.ndarray
    noise_variance: float
    num_samples: float


def cell(number):
    rng = np.random.RandomState(number)
    count, dims = SHAPES[number % len(SHAPES)]
    weights = rng.dirichlet(np.full(count, 2.0))
    means = 0.7 * rng.normal(size=(count, dims))
    eigenvalues = 10 ** rng.uniform(-2.5, 0.5, size=(count, dims))
    bases = np.array([np.linalg.qr(rng.normal(size=(dims, dims)))[0] for _ in range(count)])
    t = 10 ** rng.uniform(-2.5, 0.7)
    own = rng.choice(count, p=weights)
    sample = means[own] + bases[own] @ (np.sqrt(eigenvalues[own]) * rng.normal(size=dims))
    point = sample + np.sqrt(t) * rng.normal(size=dims)
    direction = rng.normal(size=dims)
    size = np.rint(10 ** rng.uniform(np.log10(2), 6))
    return Cell(weights, means, eigenvalues, bases, point, direction / np.linalg.norm(direction), t, max(size, 2.0))


class Component:
    """One Gaussian seen from the point: what `finite_n.Contour` asks of a sample."""

    def __init__(self, given, k):
        self.t = mpf(given.noise_variance)
        basis = mp.matrix(given.bases[k].tolist())
        away = mp.matrix((given.point).tolist()) - mp.matrix(given.means[k].tolist())
        v = mp.matrix(given.direction.tolist())
        away_b, v_b = basis.T * away, basis.T * v
        self.s, self.d = [mpf(s) for s in given.eigenvalues[k]], [mpf(1)] * len(given.point)
        self.Q = [a**2 for a in away_b]
        self.chi = [a * b for a, b in zip(away_b, v_b, strict=True)]
        self.nu = [b**2 for b in v_b]
        self.offset = (v.T * mp.matrix(given.means[k].tolist()))[0]
        self.edge = self.t / max(self.s)
        self.y_0 = mpf(0)

    def K(self, lam):
        product, turns, distance = mpf(1), 0.0, mpf(0)
        for s, Q in zip(self.s, self.Q, strict=True):
            width = 1 + lam * s / self.t
            product *= width
            turns += float(mp.arg(width)) if isinstance(width, mpc) else 0.0
            distance += Q / width
        log = mp.log(product)
        log += 2j * mp.pi * round((turns - float(log.imag)) / (2 * math.pi))  # of the root that is 1 at lambda = 0
        return (log if isinstance(lam, mpc) else log.real) / -2 - lam * distance / (2 * self.t)

    def K_1(self, lam):
        t = self.t
        return -sum(s / (t + lam * s) + t * Q / (t + lam * s) ** 2 for s, Q in zip(self.s, self.Q, strict=True)) / 2

    def K_2(self, lam):
        t = self.t
        terms = zip(self.s, self.Q, strict=True)
        return sum(s**2 / (t + lam * s) ** 2 + 2 * t * Q * s / (t + lam * s) ** 3 for s, Q in terms) / 2

    def mean(self, lam):
        terms = zip(self.s, self.chi, strict=True)
        return self.offset + sum(chi * lam * s / (self.t + lam * s) for s, chi in terms) - self.y_0

    def decline(self, z):
        """The mean at -z less that at 1, over z + 1."""
        t, terms = self.t, zip(self.s, self.chi, strict=True)
        return -sum(chi * s * t / ((t - z * s) * (t + s)) for s, chi in terms)

    def second(self, lam):
        variance = sum(nu * s * self.t / (self.t + lam * s) for s, nu in zip(self.s, self.nu, strict=True))
        return variance + self.mean(lam) ** 2


class Mixture:
    """The components, with the posterior mean that g is measured from."""

    def __init__(self, given):
        self.weights = [mpf(w) for w in given.weights]
        self.parts = [Component(given, k) for k in range(len(self.weights))]
        shares = self.shares(mpf(1))
        self.y_0 = sum(share * part.mean(1) for share, part in zip(shares, self.parts, strict=True))
        for part in self.parts:
            part.y_0 = self.y_0
        v = mp.matrix(given.direction.tolist())
        self.x = (v.T * mp.matrix(given.point.tolist()))[0]
        self.t = self.parts[0].t

    def shares(self, lam):
        sizes = [w * mp.exp(part.K(lam)) for w, part in zip(self.weights, self.parts, strict=True)]
        return [size / sum(sizes) for size in sizes]

    def level(self, log_N):
        """min(1, lambda_c) and the typical ln Z of the random-energy model."""

        def value(lam):
            return mp.log(sum(w * mp.exp(part.K(lam)) for w, part in zip(self.weights, self.parts, strict=True)))

        def slope(lam):
            return sum(share * part.K_1(lam) for share, part in zip(self.shares(lam), self.parts, strict=True))

        def entropy(lam):
            return log_N + value(lam) - lam * slope(lam)

        if entropy(mpf(1)) >= 0:
            return mpf(1), log_N + value(mpf(1))
        low, high = mpf(10) ** -12, mpf(1)
        for _ in range(40):
            middle = mp.sqrt(low * high)
            low, high = (middle, high) if entropy(middle) > 0 else (low, middle)
        return low, slope(low)


class Paths(Saddles):
    """phi or phi - 1, whether it is the first, and M_1, M_2, M_1g, M_1gg and M_2gg of one component."""

    def __call__(self, xi):
        part, rough = self.sample, float(xi)
        left, right = (self.saddle(0, *strip, rough) for strip in ((-1.0, 0.0), (0.0, self.edge)))
        is_whole = self.exponent(0, left, rough) >= self.exponent(0, right, rough)
        (phi,) = self.along(0, right if is_whole else left, xi, ("one",))
        M_1, M_1gg = self.along(1, self.saddle(1, -1.0, self.edge, rough), xi, ("one", "square"))
        M_2, M_2gg, rest = self.along(2, self.saddle(2, -2.0, self.edge, rough), xi, ("one", "square", "decline"))
        return is_whole, phi, M_1, M_2, part.mean(mpf(1)) * M_1 + rest, M_1gg, M_2gg

    def along(self, j, c, xi, functions):
        part = self.sample
        known = {"one": lambda z: 1, "square": lambda z: part.second(-z), "decline": part.decline}
        return super().along(j, c, xi, [known[name] for name in functions])


class Doubles(Paths):
    """The same in double precision, all points of a path at once; paths are placed a little otherwise."""

    def __init__(self, part, rule):
        super().__init__(part, rule)
        argument = float(STRETCH) * float(self.step) * np.arange(NODES)
        argument = argument[argument < 300]
        self.y, self.growth = np.sinh(argument) / float(STRETCH), np.cosh(argument)
        self.arrays = [np.array(list(map(float, row))) for row in (part.s, part.Q, part.chi, part.nu)]
        self.offset, self.y_0 = float(part.offset), float(part.y_0)

    def along(self, j, c, xi, functions):
        s, Q, _, _ = self.arrays
        t, order, rough = self.t, max(j, 1), float(xi)
        w = t - c * s
        second = polygamma(1, c + order) + np.sum(s**2 / w**2 + 2 * t * Q * s / w**3) / 2 + (0 if j else c**-2)
        third = np.sum(s**3 / w**3 + 3 * t * Q * s**2 / w**4)
        if j or c < 0:
            third += polygamma(2, c + order) - (0 if j else 2 / c**3)
        scale, bend = 1 / np.sqrt(second), third / (6 * second)
        at_four = t - complex(c, 4) * s
        left = rough - (np.sum(s / at_four + t * Q / at_four**2) / 2).real
        share = min(1.0, left / 4) if bend > 0 else min(1.0, 1 - left / 6)
        slope = np.sign(bend) * float(self.slope) * max(share, 0.02)
        width = max(slope / (2 * bend), scale) if bend else scale
        y = scale * self.y
        far = np.sqrt(y**2 + width**2)
        z = c + slope * (far - width) + 1j * y
        speed = (slope * y / far + 1j) * scale * self.growth
        factors = 1 - z[:, None] * s / t
        K = -np.log(factors).sum(axis=1) / 2 + z * np.sum(Q / factors, axis=1) / (2 * t)
        log_f = loggamma(z + order) + K - z * rough
        height = log_f[0].real
        size = log_f.real - height + np.log(np.abs(speed)) - (0 if j else np.log(np.abs(z)))
        ends = np.flatnonzero(size < np.maximum.accumulate(size) - QUIET)
        used = slice(0, ends[0] if len(ends) else len(z))
        z = z[used]
        f = speed[used] * np.exp(log_f[used] - height)
        f = f if j else f / z
        f[0] /= 2
        totals = [float(np.sum((f * self.of(name, z)).imag)) for name in functions]
        return [mp.exp(height) * self.step / mp.pi * total for total in totals]

    def of(self, name, z):
        s, _, chi, nu = self.arrays
        w = self.t - z[:, None] * s
        if name == "one":
            return 1.0
        if name == "decline":
            return -np.sum(chi * s * self.t / (w * (self.t + s)), axis=1)
        mean = self.offset - z * np.sum(chi * s / w, axis=1) - self.y_0
        return np.sum(nu * s * self.t / w, axis=1) + mean**2


class Averages:
    """ln phi, M_1, M_2, M_1g, M_1gg and M_2gg of the mixture at any xi."""

    def __init__(self, mixture, rule, paths):
        self.weights, self.parts = mixture.weights, [paths(part, rule) for part in mixture.parts]

    def __call__(self, xi):
        rows = [part(xi) for part in self.parts]
        means = [sum(w * row[place] for w, row in zip(self.weights, rows, strict=True)) for place in range(2, 7)]
        if not any(row[0] for row in rows):
            return mp.log1p(sum(w * row[1] for w, row in zip(self.weights, rows, strict=True))), *means
        return mp.log(sum(w * (row[1] + (not row[0])) for w, row in zip(self.weights, rows, strict=True))), *means


def averages(mixture, num_samples, paths):
    """What is asked of a cell, and how far two computations of it are apart."""
    begin = time.time()
    level, log_Z = mixture.level(mp.log(num_samples))
    asked = mixture, mpf(num_samples), None
    integrals = [StretchedIntegral(*asked, Averages(mixture, rule, paths), -log_Z, TAIL) for rule in RULES]
    h = STEP * min(1, 1 / (level * integrals[0].speed))
    error = math.inf
    for _ in range(4):
        sums = [
            integral.sums(h, offset, begin + SECONDS)
            for integral, offset in zip(integrals, (mpf(0), mpf(1) / 2), strict=True)
        ]
        both = [outputs(mixture, one) for one in sums]
        error = max(difference(*both), *(abs(one[0] - 1) for one in sums))
        if error < TOLERANCE:
            break
        h /= 2
    return [(a + b) / 2 for a, b in zip(*both, strict=True)], error


def compute(number):
    """The row of a cell, none if it is not verified, and a sentence on how it went."""
    begin = time.time()
    mp.dps, finite_n.PATH_CUT = DIGITS, CUT
    given = cell(number)
    mixture = Mixture(given)
    level = float(mixture.level(mp.log(given.num_samples))[0])
    note = f"{number}: {len(given.weights)} components, N {given.num_samples:g}, lambda {level:.3g}"
    try:
        values, error = averages(mixture, given.num_samples, Doubles)
        note += f", agreement {mp.nstr(error, 2)}, {time.time() - begin:.1f} s"
        if error > TOLERANCE:
            return None, f"{note}: not verified"
        row = {"cell": number, "level": level} | {n: mp.nstr(v, 15) for n, v in zip(NAMES, values, strict=True)}
        if number % len(SHAPES) < BY_MPMATH:
            slow, error = averages(mixture, given.num_samples, Paths)
            apart = difference(slow, values)
            note += f", mpmath {mp.nstr(error, 2)}, apart {mp.nstr(apart, 2)}, {time.time() - begin:.1f} s"
            if max(error, apart) > TOLERANCE:
                return None, f"{note}: not verified"
            row["mpmath"] = True
    except TimeoutError:
        note += ": too slow for mpmath"
    return row, note


def outputs(mixture, sums):
    _, Y_2, log_Z, g, _, g_squared = sums
    mean, variance = (g + mixture.y_0 - mixture.x) / mixture.t, (g_squared - g**2) / mixture.t**2
    return log_Z, Y_2, mean, variance, mean**2 / variance


def main():
    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    rows = {row["cell"]: row for row in json.loads(OUTPUT.read_text())} if OUTPUT.exists() else {}
    with Pool(processes) as pool:
        left = [number for number in range(CELLS) if number not in rows]
        left.sort(key=lambda number: number % len(SHAPES) < BY_MPMATH)  # what takes long at the end
        for row, note in pool.imap_unordered(compute, left):
            print(note, flush=True)
            if row is None:
                continue
            rows[row["cell"]] = row
            lines = ",\n".join(json.dumps(rows[number]) for number in sorted(rows))
            OUTPUT.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
