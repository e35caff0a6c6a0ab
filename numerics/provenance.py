"""What a result came from, as one JSON string: inputs, versions and equations; no time stamps."""

import json
from importlib.metadata import version

from numerics.lowering import REGISTRY

_PACKAGES = ("geomem", "jax", "jaxlib", "numpy", "scipy", "sympy", "xarray")


def provenance(inputs: dict[str, object]) -> str:
    """JSON with `inputs`, package versions and the SHA-256 of every lowered equation."""
    return json.dumps(
        {
            "inputs": inputs,
            "versions": {package: version(package) for package in _PACKAGES},
            "equations": {name: REGISTRY[name].fingerprint for name in sorted(REGISTRY)},
            "dtype": "float64",
        },
        sort_keys=True,
    )
