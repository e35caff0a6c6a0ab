"""Reference values of averages over data sets of rows divided by their norm, at high precision and without JAX.

Run from the repository root with `python tests/reference/unit_normalized.py`; it writes
`tests/data/unit_normalized_reference.json` row by row, and keeps the rows that are there. The route is another one
than that of `geomem_theory`, chapter `unit_normalized`: c over the length in the other directions is proportional to
sinh(pi/2 sinh q), and the root of that length comes from sqrt(Q) = int d eta eta^(-3/2) (1 - e^(-eta Q))/(2 sqrt(pi)).
Every row is computed twice, on disjoint nodes of different steps, and written if both agree and the weights sum to
one.
"""

import json
from multiprocessing import Pool
from pathlib import Path

from mpmath import mp, mpf

mp.dps = 34
STEPS = (mpf("0.2"), mpf("0.25")), (mpf("0.17"), mpf("0.21"))  # in the logarithm of a weight, and in xi
ETA_STEP = mpf("0.5")
TOLERANCE = mpf(10) ** -12
OUTPUT = Path(__file__).parents[1] / "data" / "unit_normalized_reference.json"
PUBLISHED = ([1.0, 0.09, 1e-4], [2, 5, 23])
FLAT, FEW, CIRCLE, WIDE = ([1.0], [12]), ([1.0, 0.2], [1, 3]), ([1.0, 0.3], [1, 1]), ([2.0, 0.5, 0.01], [1, 4, 60])
# Spectrum, block, amplitude, noise variance, size.
CASES = [
    *(
        (PUBLISHED, block, 1.0, t, n)
        for block in (0, 1, 2)
        for t, n in ((0.05, 1000), (0.01, 1000), (1.0, 20), (0.1, 1e9))
    ),
    *((PUBLISHED, block, 0.0, 0.05, 1000) for block in (0, 1)),
    *((PUBLISHED, block, 3.0, 0.3, 250) for block in (0, 1)),
    *((FLAT, 0, a, t, n) for a, t, n in ((1.0, 0.1, 2), (1.0, 0.02, 100), (0.5, 5.0, 1e6), (2.0, 0.05, 1e4))),
    *((FEW, block, 1.0, t, n) for block in (0, 1) for t, n in ((0.2, 10), (0.02, 300), (3.0, 1e5), (0.01, 3))),
    *((CIRCLE, block, 1.0, t, n) for block in (0, 1) for t, n in ((0.3, 50), (0.05, 7))),
    *((WIDE, block, 1.0, t, n) for block in (0, 1, 2) for t, n in ((0.1, 40), (0.008, 2000))),
    (PUBLISHED, 1, 1.0, 0.002, 500),
    (PUBLISHED, 0, 1.0, 10.0, 1e12),
    (WIDE, 0, 0.2, 0.001, 30),
]


def law(spectrum, block, amplitude, step):
    """Nodes c, their probabilities, and the mean squares of another direction of every block, times these."""
    variances = [mpf(one) for one in spectrum[0]]
    own = variances[block]
    others = [count - (place == block) for place, count in enumerate(spectrum[1])]
    trace = sum(n * s for n, s in zip(others, variances, strict=True))
    eta = [mp.exp(ETA_STEP * k) / trace for k in range(-90, 171)]
    half_powers = [(mp.sqrt(one), 1 / mp.sqrt(one)) for one in eta]
    # Powers of the first and of the last nodes go on as geometric series.
    rest = 1 / (1 - mp.exp(-ETA_STEP / 2))
    width = step * min(mpf("0.4"), 2 / (mp.pi * amplitude) if amplitude else mpf(1))
    scale = mp.sqrt(min(mpf(1), own / max(variances)))
    nodes = []
    number = 0
    while True:
        q = width * (number + mpf("0.5"))
        number += 1
        g = mp.pi / 2 * mp.sinh(q)
        ratio = scale * mp.sinh(g)
        length = mp.sqrt(1 + ratio**2)
        theta = ratio**2 / (2 * own)
        transform = 1 / mp.sqrt(mp.fprod((1 + 2 * theta * s) ** n for n, s in zip(others, variances, strict=True)))
        measure = width * mp.pi / 2 * mp.cosh(q) * scale * mp.cosh(g) / mp.sqrt(2 * mp.pi * own)
        slopes = [2 * s / (1 + 2 * theta * s) for s in variances]
        below = rest - 1
        root = below * mp.sqrt(eta[0]) * sum(n * slope for n, slope in zip(others, slopes, strict=True)) / 2
        squares = [below * mp.sqrt(eta[0]) * slope / 2 for slope in slopes]
        for one, (up, down) in zip(eta, half_powers, strict=True):
            product = mpf(1)
            for n, slope in zip(others, slopes, strict=True):
                product *= (1 + one * slope) ** n
            if product > mpf(10) ** 50:
                root += down * rest
                break
            fallen = 1 / mp.sqrt(product)
            root += down * (1 - fallen)
            squares = [
                sum_ + up * fallen * slope / 2 / (1 + one * slope) for sum_, slope in zip(squares, slopes, strict=True)
            ]
        root *= ETA_STEP * transform / (2 * mp.sqrt(mp.pi))
        if root * measure < mpf(10) ** -32:
            return nodes
        squares = [one * ETA_STEP * transform / mp.sqrt(mp.pi) * measure / length**2 for one in squares]
        nodes += [(sign * ratio / length, root * measure, squares) for sign in (1, -1)]


def averages(spectrum, block, amplitude, t, size, steps):
    amplitude, t, size = mpf(amplitude), mpf(t), mpf(size)
    x = amplitude * mp.sqrt(t)
    nodes = [(c, p, squares, x * c / t) for c, p, squares in law(spectrum, block, x / t, steps[0])]
    total = mp.fsum(p for _, p, _, _ in nodes)
    assert abs(total - 1) < TOLERANCE, total
    mean_weight = mp.fsum(p * mp.exp(log_v) for _, p, _, log_v in nodes)
    y_0 = mp.fsum(p * c * mp.exp(log_v) for c, p, _, log_v in nodes) / mean_weight
    blocks = len(spectrum[0])
    sums = [mpf(0)] * (6 + 2 * blocks)
    xi = -mp.log(size) - mp.log(mean_weight) - 40 + steps[1] / 3
    while True:
        psi, m1, m1g, m1gg, m2, m2gg = [mpf(0)] * 6
        m1s, m2s = [mpf(0)] * blocks, [mpf(0)] * blocks
        for c, p, squares, log_v in nodes:
            log_w = xi + log_v
            if log_w > mpf("4.5"):
                psi += p
                continue
            w = mp.exp(log_w)
            left = mp.exp(-w)
            g, first = c - y_0, w * left
            psi += p * (1 - left)
            m1 += p * first
            m1g += p * first * g
            m1gg += p * first * g**2
            second = w * first
            m2 += p * second
            m2gg += p * second * g**2
            for place, square in enumerate(squares):
                m1s[place] += square * first
                m2s[place] += square * second
        log_phi = mp.log(max(1 - psi, mpf(10) ** -36))
        one, two = size * mp.exp((size - 1) * log_phi), size * (size - 1) * mp.exp((size - 2) * log_phi)
        terms = [
            m1 * one, -(xi + mp.euler) * m1 * one, m2 * one, m1g * one, m1gg * one, m2gg * one + m1g**2 * two,
            *(m * one for m in m1s), *(m * one for m in m2s),
        ]  # fmt: skip
        sums = [a + steps[1] * b for a, b in zip(sums, terms, strict=True)]
        xi += steps[1]
        if psi > mpf("0.5") / size and terms[0] < mpf(10) ** -24:
            break
    weight, log_z, participation, mean, second, squared = sums[:6]
    assert abs(weight - 1) < TOLERANCE, weight
    return {
        "log_partition": log_z - (x**2 + 1) / (2 * t),
        "participation": participation,
        "score_mean": (mean + y_0 - x) / t,
        "score_variance": (squared - mean**2) / t**2,
        "second_moment": second + 2 * y_0 * mean + y_0**2,
        "other_score_variance": [one / t**2 for one in sums[6 + blocks :]],
        "other_second_moment": sums[6 : 6 + blocks],
    }


def flat(row):
    return [one for value in row.values() for one in (value if isinstance(value, list) else [value])]


def both(case):
    return [averages(*case, steps) for steps in STEPS]


def main():
    rows = json.loads(OUTPUT.read_text()) if OUTPUT.is_file() else []
    known = {json.dumps([[row["variances"], row["multiplicities"]], *row["case"]]) for row in rows}
    missing = [case for case in CASES if json.dumps([list(case[0]), *case[1:]]) not in known]
    with Pool(2) as pool:
        for (spectrum, *case), (one, two) in zip(missing, pool.imap(both, missing), strict=True):
            pairs = [(a, b) for a, b in zip(flat(one), flat(two), strict=True) if abs(a) > mpf(10) ** -12]
            worst = max(abs(a - b) / abs(a) for a, b in pairs)
            print(spectrum, case, mp.nstr(worst, 3), flush=True)
            if worst > TOLERANCE:
                continue
            row = {"variances": spectrum[0], "multiplicities": spectrum[1], "case": case}
            for name, value in one.items():
                row[name] = [mp.nstr(v, 20) for v in value] if isinstance(value, list) else mp.nstr(value, 20)
            rows.append(row)
            OUTPUT.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
