"""The empirical score beside the straightforward program, beside its floor, and from a file larger than memory.

Run with `pytest tests/benchmarks --benchmark-only -s`. Compilation is timed apart; ratios are printed.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from geomem import gibbs, score
from geomem.figures.style import COLUMN_WIDTH, STYLE, save_figure


def seconds(function, repeats=1) -> float:
    """Best of several runs, after one that compiles."""
    jax.block_until_ready(function())
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(function())
        best = min(best, time.perf_counter() - start)
    return best


def broadcast_score(x, data, noise_variance):
    """The score by arrays of probes x samples x dimensions, one noise variance at a time."""
    differences = data[None, :, :] - x[:, None, :]
    exponents = -np.sum(differences**2, axis=2) / (2 * noise_variance)
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.sum(weights[:, :, None] * differences, axis=1) / noise_variance


@pytest.mark.benchmark(group="empirical score")
def test_central_differences_at_the_origin(benchmark):
    """N = 1000, d = 30, rows of unit norm, 100 noise variances, steps sqrt(t) along the axes, singular values."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(1000, 30)) * np.repeat([1.0, 0.3, 0.01], [2, 5, 23])
    data /= np.linalg.norm(data, axis=1, keepdims=True)
    times = np.linspace(0.01, 1.0, 100)
    steps = np.concatenate([np.eye(30), -np.eye(30)])

    def ours():
        scores = np.asarray(score(np.zeros(30), data, times, directions=steps))
        slopes = (scores[:, :30] - scores[:, 30:]) / (2 * np.sqrt(times)[:, None, None])
        return np.linalg.svd(slopes, compute_uv=False)

    def straightforward():
        values = []
        for t in times:
            scores = broadcast_score(np.sqrt(t) * steps, data, t)
            values.append(np.linalg.svd((scores[:30] - scores[30:]) / (2 * np.sqrt(t)), compute_uv=False))
        return np.array(values)

    compiled = time.perf_counter()
    ours()
    compiled = time.perf_counter() - compiled
    found = benchmark.pedantic(ours, rounds=10)
    start = time.perf_counter()
    expected = straightforward()
    plain = time.perf_counter() - start
    assert np.abs(found - expected).max() <= 1e-10 * expected.max()
    ratio = plain / benchmark.stats["min"]
    print(f"\nbroadcasting {plain:.2f} s, ours {benchmark.stats['min'] * 1e3:.0f} ms: {ratio:.0f} times faster", end="")
    print(f"; first call {compiled:.1f} s")
    assert ratio >= 25


@jax.jit
def one_exponential_each(distances, times):
    def add(total, t):
        return total + jnp.exp(-distances / (2 * t)), None

    return jax.lax.scan(add, jnp.zeros_like(distances), times)[0]


@pytest.mark.benchmark(group="empirical score")
def test_beside_its_floor(benchmark):
    """N = 10^6, d = 64, 64 probes, 100 noise variances: one distance product, one exponential per weight."""
    rng = np.random.default_rng(0)
    num_samples, dims, num_probes, part = 1_000_000, 64, 64, 8192
    data, x, times = (
        rng.normal(size=(num_samples, dims)),
        rng.normal(size=(num_probes, dims)),
        np.geomspace(0.1, 100, 100),
    )
    product = jax.jit(lambda a, b: a @ b)
    few = jnp.asarray(data[:part])
    distances = jnp.abs(product(jnp.asarray(x), few.T))
    exponentials = seconds(lambda: one_exponential_each(distances, jnp.asarray(times)), 3) * num_samples / part
    distance_product = seconds(lambda: product(jnp.asarray(x), few.T), 3) * num_samples / part
    weights = jnp.asarray(rng.random((len(times) * num_probes, part)))
    mean_product = seconds(lambda: product(weights, few), 3) * num_samples / part
    weights_alone = seconds(lambda: gibbs(x, data, times))
    floor = exponentials + distance_product
    print(f"\nln Z and Y2: {weights_alone:.1f} s, floor {floor:.1f} s, ratio {weights_alone / floor:.2f}")
    benchmark.pedantic(lambda: jax.block_until_ready(score(x, data, times)), rounds=1, warmup_rounds=1)
    whole, its_floor = benchmark.stats["min"], floor + mean_product
    print(f"score: {whole:.1f} s, floor {its_floor:.1f} s, ratio {whole / its_floor:.2f}")
    assert weights_alone < 3 * floor
    assert whole < 3 * its_floor


FROM_FILE = """
import sys, time
import numpy as np
from geomem import gibbs
from pathlib import Path

rng = np.random.default_rng(0)
x = rng.normal(size=(8, 64))
gibbs(x, np.zeros((100_000, 64), dtype=np.float32), np.geomspace(1, 100, 10))  # compiles
start = time.perf_counter()
gibbs(x, sys.argv[1], np.geomspace(1, 100, 10))
elapsed = time.perf_counter() - start
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(elapsed, int(status["RssAnon"].split()[0]) / 1e6)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc for the resident memory")
@pytest.mark.benchmark(group="empirical score")
def test_from_a_file(benchmark, tmp_path):
    """d = 64 in float32, 8 probes, 10 noise variances, in a process of its own: time linear in N, memory bounded."""
    rows = []
    for num_samples in (10**5, 10**6, 10**7):
        file = tmp_path / "samples.npy"
        samples = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(num_samples, 64))
        for first in range(0, num_samples, 10**5):
            samples[first : first + 10**5] = np.random.default_rng(first).normal(size=(10**5, 64))
        del samples
        out = subprocess.run([sys.executable, "-c", FROM_FILE, file], capture_output=True, text=True, check=True).stdout
        rows.append((num_samples, *map(float, out.split())))
        file.unlink()
    for row in rows:
        print("\nN = {:.0e}: {:.2f} s, anonymous memory {:.2f} GB".format(*row), end="")
    benchmark.pedantic(lambda: None, rounds=1)
    draw_times(rows, Path(os.environ.get("GEOMEM_FIGURES", tmp_path)) / "pass_over_a_file")
    assert rows[-1][2] < 1.5
    # Linear in N, with room for a file system that is slow the first time.
    assert rows[2][1] < 20 * rows[1][1]


def draw_times(rows, path):
    """Time against N, with a line through the largest N and the origin."""
    sizes, elapsed, _ = map(np.array, zip(*rows, strict=True))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_WIDTH, 2.4), layout="constrained")
        axes = figure.subplots()
        axes.plot(
            sizes, elapsed[-1] * sizes / sizes[-1], color="0.5", linestyle="--", linewidth=1, label="linear in $N$"
        )
        axes.plot(sizes, elapsed, "ko", markersize=4, label="8 probes, 10 noise variances, $d = 64$")
        axes.set(xscale="log", yscale="log", xlabel="number of samples $N$", ylabel="time of a pass [s]")
        axes.legend(frameon=False)
    save_figure(figure, path)
    print(f"\n{path.with_suffix('.png')}", end="")
