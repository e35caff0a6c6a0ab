"""One million condensation times side by side: a scalar loop, SciPy's vectorized solver, and geomem.

Run with `pytest tests/benchmarks --benchmark-only -s`; the scalar loop is timed on a subset.
Compilation is timed apart. Ratios are printed, and the answers are compared.
"""

import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp
from scipy.optimize import brentq, elementwise

from geomem import Manifold, Probe, Status
from geomem.boundaries.explicit import search_window, solve_times
from geomem.levels.question import question
from geomem_theory.derivation import merge_sums
from geomem_theory.evaluation import unroll
from geomem_theory.probe import PROBES, critical_log_size_probed
from geomem_theory.symbols import Q_rest, a, b, d, lam, q_v, s, s_v, t

MULTIPLICITIES = np.array([2.0, 5.0, 23.0])
LOG_SIZES = np.linspace(np.log(10), np.log(1e9), 1000)
VARIANCES = np.geomspace(1e-3, 10, 1000)
SPECTRUM = (1.0, 0.09, 1e-4)


swept, log_time = sp.Symbol("swept"), sp.Symbol("log_time")


def written_out():
    """ln N_c(ln t, s_0) of the probe along block 0, lowered to NumPy with its three blocks written out."""
    equation = unroll(critical_log_size_probed.right, 3).subs(q_v, PROBES["along"].coordinate.right)
    spectrum = dict(zip((s[1], s[2], s[3]), (swept, *SPECTRUM[1:]), strict=True))
    numbers = {d[k + 1]: MULTIPLICITIES[k] for k in range(3)} | {Q_rest[k + 1]: 0 for k in range(3)}
    values = {s_v: swept, lam: 1, a: 1} | spectrum | numbers
    return sp.lambdify([log_time, swept], equation.subs(values).subs(t, sp.exp(log_time)), "numpy")


def over_blocks():
    """The same with NumPy arrays over the blocks."""
    summand, rest = merge_sums(critical_log_size_probed.right)
    variances, multiplicities = sp.symbols("variances multiplicities")
    of_block = sp.lambdify(
        [t, variances, multiplicities],
        summand.subs({s[b]: variances, d[b]: multiplicities, Q_rest[b]: 0, lam: 1}), "numpy",
    )  # fmt: skip
    of_probe = sp.lambdify([t, s_v], rest.subs(q_v, PROBES["along"].coordinate.right).subs({lam: 1, a: 1}), "numpy")

    def equation(log_time, swept):
        spectrum = np.array([swept, *SPECTRUM[1:]])
        return np.sum(of_block(np.exp(log_time), spectrum, MULTIPLICITIES)) + of_probe(np.exp(log_time), swept)

    return equation


@jax.jit
def million(variances):
    asked = question("condensation", "rem", Probe.along())

    def row(variance):
        manifold = Manifold(jnp.stack([variance, *map(jnp.asarray, SPECTRUM[1:])]), jnp.asarray(MULTIPLICITIES))
        at = asked.setting(manifold, 0)
        return solve_times(asked, at, jnp.asarray(LOG_SIZES), *search_window(at, None))

    return jax.lax.map(row, variances)


def seconds(function) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


@pytest.mark.benchmark(group="condensation times")
def test_million_condensation_times(benchmark):
    variances = jnp.asarray(VARIANCES)
    first = seconds(lambda: million(variances))
    answer = benchmark.pedantic(lambda: jax.block_until_ready(million(variances)), rounds=5)
    ours = benchmark.stats["min"] / 1e6
    assert (answer.status == Status.CONVERGED).all()

    subset = [(i, j) for i in range(0, 1000, 50) for j in range(0, 1000, 50)]
    bracket = (np.log(1e-12), np.log(1e6))
    for name, equation in (("written out", written_out()), ("over blocks", over_blocks())):
        start = time.perf_counter()
        roots = [
            brentq(lambda u, i=i, j=j, f=equation: f(u, VARIANCES[i]) - LOG_SIZES[j], *bracket, xtol=1e-13, rtol=1e-13)
            for i, j in subset
        ]
        scalar = (time.perf_counter() - start) / len(subset)
        reference = np.exp(roots)
        found = np.array([answer.value[i, j] for i, j in subset])
        np.testing.assert_allclose(found, reference, rtol=1e-10)
        assert scalar / ours > 200
        print(f"\nbrentq, equation {name}: {scalar * 1e6:.1f} us per root, {scalar / ours:.0f} times ours", end="")

    equation = written_out()
    grid_s, grid_n = np.meshgrid(VARIANCES, LOG_SIZES, indexing="ij")
    start = time.perf_counter()
    result = elementwise.find_root(lambda u, swept, size: equation(u, swept) - size, bracket, args=(grid_s, grid_n))
    vectorized = (time.perf_counter() - start) / 1e6
    assert result.success.all()
    np.testing.assert_allclose(answer.value, np.exp(result.x), rtol=1e-10)
    assert vectorized / ours > 3
    print(f"\nelementwise.find_root: {vectorized * 1e6:.2f} us per root, {vectorized / ours:.1f} times ours")
    print(f"geomem: {ours * 1e6:.3f} us per root; the first call, compilation included: {first:.2f} s")


@pytest.mark.benchmark(group="process")
def test_command_against_imports(benchmark, tmp_path):
    def run(*command):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - start

    geomem = str(Path(sys.executable).with_name("geomem"))
    imports = min(run(sys.executable, "-c", "import jax, sympy, xarray, matplotlib.pyplot") for _ in range(5))
    help_ = min(run(geomem, "--help") for _ in range(3))
    benchmark.pedantic(lambda: run(geomem, "phase-diagram", "--theory", "rem", "--out", str(tmp_path)), rounds=5)
    whole = benchmark.stats["min"]
    assert whole / imports < 4
    print(f"\nimports {imports:.2f} s; phase-diagram {whole:.2f} s, {whole / imports:.2f} times; help {help_:.2f} s")
