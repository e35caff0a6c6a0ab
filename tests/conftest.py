"""For the whole suite: quick compilation, workers, no silent rank or dtype promotion."""

import os
from pathlib import Path

import jax
import numpy as np
import pytest
from xdist.plugin import pytest_xdist_auto_num_workers as number_of_cores

import geomem

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Most of the suite's time is compiling; so it takes half of the time. At level 0 it would take a quarter, but what is
# compiled then runs longer, by more than that where integrals are taken. Only the last digits differ.
QUICK_FLAGS = (
    "--xla_backend_optimization_level=1",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
)
MOST_WORKERS = 8  # every one of them imports and traces for itself


def pytest_configure(config):
    """How to compile, also for the processes that tests start; benchmarks time JAX as users have it.

    What is compiled is not kept on disk: in a run that read all of it back from there, four tests got the numbers of
    another program, which alone and compiled anew they never did (jaxlib 0.10.2).
    """
    os.environ["GEOMEM_NO_CACHE"] = "1"
    if config.getoption("benchmark_only"):
        return
    flags = os.environ.get("XLA_FLAGS", "").split()
    os.environ["XLA_FLAGS"] = " ".join([*(flag for flag in QUICK_FLAGS if flag not in flags), *flags])


def pytest_xdist_auto_num_workers(config):
    """A worker per core, but none to wait for where one file is asked for, and none beside what is timed."""
    named = {argument.partition("::")[0] for argument in config.args}
    files = len(named) if all(Path(name).is_file() for name in named) else MOST_WORKERS
    workers = min(files, number_of_cores(config), MOST_WORKERS)
    return 0 if config.getoption("benchmark_only") or workers == 1 else workers


@pytest.fixture(autouse=True, scope="module")
def _forget_compiled():
    """Every compiled function holds memory maps, of which Linux grants a process so many; past them JAX crashes."""
    yield
    limit = Path("/proc/sys/vm/max_map_count")
    if limit.exists() and Path("/proc/self/maps").read_bytes().count(b"\n") > int(limit.read_text()) / 2:
        jax.clear_caches()


@pytest.fixture
def default_manifold() -> "geomem.Manifold":
    return geomem.Manifold([1.0, 0.09, 1e-4], [2, 5, 23])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20241008)


def pytest_collection_modifyitems(items):
    """Notebooks first: handed out last, they would leave the other workers idle."""
    items.sort(key=lambda item: "test_notebooks" not in item.nodeid)
