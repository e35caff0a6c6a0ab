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


class Provenance(str):
    """The record of a result: a dictionary, `document`, which as an attribute in a file is its JSON text."""

    document: dict[str, Any]

    def __new__(cls, document: dict[str, Any]) -> "Provenance":
        record = super().__new__(cls, json.dumps(document, sort_keys=True))
        record.document = document
        return record

    def __getnewargs__(self) -> tuple[dict[str, Any]]:  # ty: ignore[invalid-method-override] (for copies)
        return (self.document,)

    @property
    def inputs(self) -> dict[str, Any]:
        return self.document["inputs"]


def provenance(inputs: dict[str, Any]) -> Provenance:
    """A record with `inputs`, package versions and a SHA-256 of all equations of the theory."""
    versions = {package: version(package) for package in _PACKAGES}
    return Provenance({"inputs": inputs, "versions": versions, "theory_sha256": _theory_sha256(), "dtype": "float64"})


def extended(record: str, inputs: dict[str, Any]) -> Provenance:
    """The record with more inputs."""
    return provenance(inputs_of(record) | inputs)


def inputs_of(record: str) -> dict[str, Any]:
    """The inputs of a record, also of one that comes out of a file as text."""
    return record.inputs if isinstance(record, Provenance) else json.loads(record)["inputs"]


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
