"""Strictness for the whole suite: no silent rank or dtype promotion in JAX."""

import jax
import numpy as np
import pytest

import numerics

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture
def default_manifold() -> numerics.Manifold:
    return numerics.Manifold([1.0, 0.09, 1e-4], [2, 5, 23])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20241008)


def pytest_collection_modifyitems(items):
    """Notebooks first: handed out last, they would leave the other workers idle."""
    items.sort(key=lambda item: "test_notebooks" not in item.nodeid)
