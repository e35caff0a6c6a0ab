"""A pass shared by devices and by processes is the pass of one device."""

import os
import socket
import subprocess
import sys

import pytest

DEVICES = """
import sys
import jax, numpy as np
from jax.sharding import AxisType
from geomem import gibbs, score

rng = np.random.default_rng(0)
data, x, v = rng.normal(size=(1001, 5)), rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
times = [1e-3, 0.1, 10.0]
mesh = jax.make_mesh((jax.device_count(),), ("samples",), axis_types=(AxisType.Auto,))
assert mesh.size == int(sys.argv[1])
for chunk_size in (None, 100):
    for directions in (None, v):
        options = {"directions": directions, "chunk_size": chunk_size}
        one, shared = gibbs(x, data, times, **options), gibbs(x, data, times, mesh=mesh, **options)
        np.testing.assert_array_equal(one.nearest_index, shared.nearest_index)
        for alone, together in zip(one, shared):
            np.testing.assert_allclose(np.asarray(together), np.asarray(alone), rtol=1e-12)
        alone, together = score(x, data, times, **options), score(x, data, times, mesh=mesh, **options)
        np.testing.assert_allclose(np.asarray(together), np.asarray(alone), rtol=1e-12, atol=1e-12)
print("equal")
"""

PROCESS = (
    """
import sys
import jax
jax.distributed.initialize(sys.argv[2], num_processes=2, process_id=int(sys.argv[3]))
"""
    + DEVICES
)


def start(code, *arguments, devices):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish_all(processes):
    """What they print, once all have ended well; none is left running."""
    try:
        outputs = [process.communicate(timeout=200) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, err) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, err
    return [out for out, _ in outputs]


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.slow  # a process that compiles for itself
def test_four_devices():
    assert finish_all([start(DEVICES, 4, devices=4)]) == ["equal\n"]


@pytest.mark.slow  # two processes that compile for themselves and wait for each other
def test_two_processes():
    address = free_address()
    for out in finish_all([start(PROCESS, 4, address, number, devices=2) for number in range(2)]):
        assert "equal" in out
