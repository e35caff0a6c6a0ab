"""What a result came from: inputs, versions and equations; no time stamps."""

import json
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
import sympy as sp
from jaxtyping import Array

import geomem_theory

_PACKAGES = ("geomem", "jax", "jaxlib", "numpy", "scipy", "sympy", "xarray")


def provenance(inputs: dict[str, Any]) -> str:
    """A record with `inputs`, package versions and a SHA-256 of all equations of the theory, as the text of a file.

    A plain text, since HDF5 takes no other kind of it: `document_of` gives the dictionary back.
    """
    versions = {package: version(package) for package in _PACKAGES}
    document = {"inputs": inputs, "versions": versions, "theory_sha256": _theory_sha256(), "dtype": "float64"}
    return json.dumps(document, sort_keys=True)


def document_of(record: str) -> dict[str, Any]:
    """The record as a dictionary."""
    return json.loads(record)


def inputs_of(record: str) -> dict[str, Any]:
    """The inputs of a record."""
    return document_of(record)["inputs"]


def extended(record: str, inputs: dict[str, Any]) -> str:
    """The record with more inputs."""
    return provenance(inputs_of(record) | inputs)


def key_record(key: Array) -> list[int]:
    """What a record says of a key for random draws."""
    return np.asarray(jax.random.key_data(key)).tolist()


def digest(data: np.ndarray) -> str:
    """SHA-256 of an array's numbers."""
    return sha256(np.ascontiguousarray(data).data).hexdigest()


@cache
def _theory_sha256() -> str:
    text = "\n".join(f"{name} {sp.srepr(equation.right)}" for name, equation in geomem_theory.EQUATIONS.items())
    return sha256(text.encode()).hexdigest()
