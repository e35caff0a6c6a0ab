"""Pytrees of different types have different structures: what is compiled for one never answers for another."""

from dataclasses import dataclass, field

import jax
import pytest

from geomem import Manifold, Probe
from geomem.core.pytrees import pytree


@pytree
@dataclass(frozen=True)
class One:
    place: float
    name: str = field(metadata={"static": True})


@pytree
@dataclass(frozen=True)
class Other:
    place: float
    name: str = field(metadata={"static": True})


def test_fields_are_leaves_or_structure():
    assert jax.tree.leaves(One(1.0, "a")) == [1.0]
    assert jax.tree.map(lambda leaf: 2 * leaf, One(1.0, "a")) == One(2.0, "a")
    assert jax.tree.structure(One(1.0, "a")) != jax.tree.structure(One(1.0, "b"))
    assert jax.tree.structure(One(1.0, "a")) == jax.tree.structure(One(2.0, "a"))


def test_structures_are_equal_only_where_types_are():
    assert jax.tree.structure(One(1.0, "a")) != jax.tree.structure(Other(1.0, "a"))


@pytest.mark.parametrize("probe", [Probe.along(), Probe.origin()], ids=["along", "origin"])
def test_settings_of_different_laws_have_different_structures(probe):
    laws = [Manifold([1.0, 0.1], [2, 3], normalized=normalized) for normalized in (False, True)]
    flat, sphere = (jax.tree.structure(law.setting(law.indicator(0), probe)) for law in laws)
    assert flat != sphere
