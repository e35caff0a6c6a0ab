"""What a result came from, as one JSON string: inputs, versions and equations; no time stamps."""

import json
from functools import cache
from hashlib import sha256
from importlib.metadata import version

import jax
import numpy as np
import sympy as sp
from jaxtyping import Array

import theory

SQUARED = "squared units of the data"

_PACKAGES = ("geomem", "jax", "jaxlib", "numpy", "scipy", "sympy", "xarray")


def provenance(inputs: dict[str, object]) -> str:
    """JSON with `inputs`, package versions and a SHA-256 of all equations of the theory."""
    return json.dumps(
        {
            "inputs": inputs,
            "versions": {package: version(package) for package in _PACKAGES},
            "theory_sha256": _theory_sha256(),
            "dtype": "float64",
        },
        sort_keys=True,
    )


def extended(record: str, inputs: dict[str, object]) -> str:
    """The record of `provenance` with more inputs."""
    return provenance(json.loads(record)["inputs"] | inputs)


def described(long_name: str, units: str) -> dict[str, str]:
    """Attributes of a variable of a result."""
    return {"long_name": long_name, "units": units}


def key_record(key: Array) -> list[int]:
    """What a record says of a key for random draws."""
    return np.asarray(jax.random.key_data(key)).tolist()


def digest(data: np.ndarray) -> str:
    """SHA-256 of an array's numbers."""
    return sha256(np.ascontiguousarray(data).data).hexdigest()


@cache
def _theory_sha256() -> str:
    text = "\n".join(f"{name} {sp.srepr(equation.right)}" for name, equation in theory.EQUATIONS.items())
    return sha256(text.encode()).hexdigest()
