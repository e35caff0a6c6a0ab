"""Public names, laziness, and float64 whoever imports JAX first."""

import os
import subprocess
import sys

import jax
import numpy as np
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


@pytest.mark.slow  # compiles for some seconds
def test_float64_with_jax_imported_before_or_after():
    check = "import jax.numpy as jnp; assert jnp.ones(1).dtype == 'float64'"
    run(f"import geomem; {check}")
    run(f"import jax, geomem; {check}")
    run(f"import geomem.laws.manifold; {check}")


def of_environment(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a fresh process says in which JAX_ENABLE_X64 is this, or not set."""
    others = {name: value for name, value in os.environ.items() if name != "JAX_ENABLE_X64"}
    return subprocess.run([sys.executable, "-c", code], env=others | environment, capture_output=True, text=True)


def test_the_environment_may_forbid_float64():
    """It is not overridden, and nothing is computed in less."""
    code = "import geomem, jax; print(jax.config.jax_enable_x64); geomem.Manifold([1.0], [1])"
    done = of_environment(code, JAX_ENABLE_X64="0")
    assert done.stdout == "False\n"
    assert "UserWarning: geomem computes in float64, which JAX_ENABLE_X64=0 in the environment forbids" in done.stderr
    assert "InputError: geomem computes in float64" in done.stderr
    command = "import sys; from geomem.cli.app import main; sys.argv = ['geomem', 'phase-diagram']; main()"
    done = of_environment(command, JAX_ENABLE_X64="false")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("geomem: geomem computes in float64, which JAX_ENABLE_X64=false")


@pytest.mark.slow  # compiles for some seconds
def test_processes_started_from_here_do_not_inherit_it():
    code = "from geomem import *; import os; Manifold([1.0], [1]); print(os.environ.get('JAX_ENABLE_X64'))"
    assert of_environment(code).stdout == "None\n"
    assert of_environment(code, JAX_ENABLE_X64="1").stdout == "1\n"


@pytest.mark.slow  # compiles for some seconds
def test_all_public_names_come_with_a_star():
    code = "from geomem import *; import geomem; print(all(name in globals() for name in dir(geomem)))"
    assert run(code) == "True\n"


@pytest.mark.parametrize("turn", [jax.jit, jax.grad, lambda function: jax.vmap(function)])
def test_functions_of_data_say_that_they_are_not_traced(turn):
    def count(data):
        return geomem.Manifold.from_data(data).variances.sum()

    with pytest.raises(geomem.InputError, match=r"JAX traces the data, .* outside of jit, grad and vmap"):
        turn(count)(np.ones((3, 4, 2) if turn not in (jax.jit, jax.grad) else (4, 2)))

    def at_time(time):
        return geomem.gibbs(np.zeros(2), np.eye(2), time).log_partition.sum()

    with pytest.raises(geomem.InputError, match="JAX traces the noise variance"):
        turn(at_time)(np.ones(3) if turn not in (jax.jit, jax.grad) else 1.0)
