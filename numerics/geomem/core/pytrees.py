"""Dataclasses as pytrees, whose structures are equal only where their types are.

Those of `jax.tree_util.register_dataclass` are equal where the numbers of fields are, whatever the types (jaxlib
0.10.2): what was compiled for one law's setting then sometimes answered for another's.
"""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, TypeVar

import jax

_Type = TypeVar("_Type")


def pytree(cls: type[_Type]) -> type[_Type]:
    """Make a dataclass a pytree of its fields; those with the metadata `static` are part of its structure."""
    of_class: Any = cls
    static = tuple(one.name for one in fields(of_class) if one.metadata.get("static"))
    register(cls, tuple(one.name for one in fields(of_class) if one.name not in static), static)
    return cls


def register(cls: type, leaves: tuple[str, ...], static: tuple[str, ...] = ()) -> None:
    """Make a class a pytree of these attributes, the static ones being part of its structure."""

    def flatten(one: object) -> tuple[tuple[object, ...], tuple[object, ...]]:
        return tuple(getattr(one, name) for name in leaves), tuple(getattr(one, name) for name in static)

    def unflatten(structure: tuple[object, ...], values: Iterable[object]) -> object:
        return rebuilt(cls, dict(zip((*static, *leaves), (*structure, *values), strict=True)))

    jax.tree_util.register_pytree_node(cls, flatten, unflatten)


def rebuilt(cls: type, values: dict[str, Any]) -> Any:  # noqa: ANN401 (of that type)
    """One with these fields, not validated: transformations have placeholders for them, which are no user's input."""
    one = object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(one, name, value)
    return one
