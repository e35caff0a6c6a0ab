"""Every symbol of the theory: its assumptions, its meaning, and its name in code.

The notation follows Achilli et al., *Losing dimensions*, arXiv:2410.08727, with
the local variance written s = sigma^2. Expressions are matched by these objects,
never by name, so nothing else in the project makes a symbol of its own.

The assumptions (positive times, real coordinates) serve the integrals and the
square roots. Lowered functions are rational functions, logarithms and roots of
their arguments and continue to complex arguments as such.
"""

from typing import NamedTuple

import sympy as sp


class Notation(NamedTuple):
    """One line of the notation table."""

    symbol: sp.Basic
    meaning: str
    code: str

    @property
    def latex(self) -> str:
        return sp.latex(self.symbol)


# Sizes and the diffusion noise.
N = sp.Symbol("N", positive=True)
log_N = sp.Symbol(r"\ln{N}", positive=True)
t = sp.Symbol("t", positive=True)

# The spectrum: blocks b = 1 ... B of directions that share one variance.
b = sp.Symbol("b", integer=True, positive=True)
c = sp.Symbol("c", integer=True, positive=True)
B = sp.Symbol("B", integer=True, positive=True)
s = sp.IndexedBase("s", nonnegative=True)
d = sp.IndexedBase("d", positive=True)
Q = sp.IndexedBase("Q", nonnegative=True)

# The probed direction v, taken out of its block.
s_v = sp.Symbol("s_v", positive=True)
x_v = sp.Symbol("x_v", real=True)
y_v = sp.Symbol("y_v", real=True)
q_v = sp.Symbol("x_v^{2}", positive=True)
delta = sp.IndexedBase(r"\delta", nonnegative=True)
Q_rest = sp.IndexedBase(r"Q^{\perp}", nonnegative=True)
a = sp.Symbol("a", nonnegative=True)

# The random-energy model.
lam = sp.Symbol("lambda", positive=True)
lam_c = sp.Symbol("lambda_c", positive=True)
h = sp.Symbol("h", real=True)
k_1 = sp.Symbol("kappa_1", positive=True)
k_2 = sp.Symbol("kappa_2", positive=True)
t_c = sp.Symbol("t_c", positive=True)

# Gaps of the Jacobian spectrum, between a wider block and a narrower one.
s_wide = sp.Symbol("s_+", positive=True)
s_narrow = sp.Symbol("s_-", positive=True)
gap = sp.Symbol("Delta", positive=True)

E_v = sp.Function("E_v")
K = sp.Function("K")
S = sp.Function("S")
m = sp.Function("m")
p = sp.Function("p")

NOTATION: tuple[Notation, ...] = (
    Notation(N, "number of training samples", "`num_samples`"),
    Notation(log_N, "its logarithm, the size in which everything is computed", "`log_num_samples`"),
    Notation(t, "variance of the diffusion noise, x = y + sqrt(t) omega", "`noise_variance`"),
    Notation(b, "a block: the directions that share one local variance", "`block`"),
    Notation(c, "a second block index, where two sums meet", ""),
    Notation(B, "number of blocks", ""),
    Notation(s[b], "local variance of the data along the directions of block b", "`variances`"),
    Notation(d[b], "number of directions of block b", "`multiplicities`"),
    Notation(Q[b], "squared length of the probe inside block b", "`Probe.squared_lengths`"),
    Notation(s_v, "local variance along the probed direction v", ""),
    Notation(x_v, "coordinate of the probe along v", ""),
    Notation(q_v, "its square", ""),
    Notation(y_v, "coordinate of a training sample along v", ""),
    Notation(delta[b], "1 for the block that holds v, else 0", ""),
    Notation(Q_rest[b], "squared length of the probe inside block b, v left out", ""),
    Notation(a, "amplitude of a probe, in units of sqrt(t)", "`amplitude`"),
    Notation(lam, "tilt: inverse temperature in units of 1/t", ""),
    Notation(lam_c, "tilt at which the entropy vanishes; condensed where it is below 1", ""),
    Notation(h, "source that generates the moments of y along v", ""),
    Notation(k_1, "first cumulant of the random energy", ""),
    Notation(k_2, "second cumulant of the random energy", ""),
    Notation(t_c, "critical noise variance", "`critical_time`"),
    Notation(s_wide, "the larger of two local variances that a gap separates", ""),
    Notation(s_narrow, "the smaller of them", ""),
    Notation(gap, "height of a gap in the spectrum of -tJ", ""),
    Notation(E_v(x_v), "random energy of one direction, half a squared distance", ""),
    Notation(K(lam), "generating function of the random energy, ln E exp(-lambda E/t)", ""),
    Notation(S(lam), "entropy: log-number of samples at the energies of tilt lambda", ""),
    Notation(m(lam), "mean of y along v under the law tilted by exp(-lambda E/t)", ""),
    Notation(p(lam), "variance of y along v under the tilted law", ""),
)


def notation_table() -> str:
    """The notation as a Markdown table, one line per symbol."""
    rows = [f"| ${line.latex}$ | {line.meaning} | {line.code} |" for line in NOTATION]
    return "\n".join(["| symbol | meaning | in code |", "|---|---|---|", *rows])
