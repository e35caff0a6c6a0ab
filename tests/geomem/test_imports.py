"""Public names, laziness, and float64 whoever imports JAX first."""

import subprocess
import sys

import pytest

import geomem


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_every_public_name_resolves():
    for name in dir(geomem):
        assert getattr(geomem, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = geomem.nothing


def test_importing_the_package_and_the_command_line_is_light():
    run("import sys, geomem, geomem.cli.app; assert not {'jax', 'sympy', 'xarray', 'matplotlib'} & set(sys.modules)")


def test_float64_with_jax_imported_before_or_after():
    check = "import jax.numpy as jnp; assert jnp.ones(1).dtype == 'float64'"
    run(f"import geomem; {check}")
    run(f"import jax, geomem; {check}")
    run(f"import geomem.laws.manifold; {check}")
