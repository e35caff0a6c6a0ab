"""For the whole suite: no silent rank or dtype promotion, and what is compiled is kept on disk, not in memory."""

import os

import jax
import numpy as np
import pytest

import geomem

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_configure(config):
    """What is compiled once is read by the other workers, by the notebooks' kernels and by later runs."""
    if not hasattr(config, "cache") or config.getoption("benchmark_only"):  # switched off; compilation is timed
        return
    compiled = str(config.cache.mkdir("compiled"))
    os.environ |= {"JAX_COMPILATION_CACHE_DIR": compiled, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    jax.config.update("jax_compilation_cache_dir", compiled)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture(autouse=True, scope="module")
def _forget_compiled():
    """Every compiled function holds memory maps, of which Linux grants a process 65530; past them JAX crashes."""
    yield
    jax.clear_caches()


@pytest.fixture
def default_manifold() -> geomem.Manifold:
    return geomem.Manifold([1.0, 0.09, 1e-4], [2, 5, 23])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20241008)


def pytest_collection_modifyitems(items):
    """Notebooks first: handed out last, they would leave the other workers idle."""
    items.sort(key=lambda item: "test_notebooks" not in item.nodeid)
