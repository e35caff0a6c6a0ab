"""Processes that share a pass: one that is killed is named by the others, and nothing is lost."""

import json

import numpy as np
import pytest

from geomem import InputError, gibbs
from geomem.core.parallel import join_cluster, peers
from tests.geomem.empirical.test_streaming import finish_all, free_address, start

KILLED = """
import os, signal, sys
import jax
address, number, checkpoint, dies = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "dies"
jax.distributed.initialize(address, num_processes=2, process_id=number)

import numpy as np
from jax.sharding import AxisType
from geomem import gibbs
from geomem.empirical import streaming
from geomem.core.parallel import peers
from geomem.core.status import PeerError

streaming._SAVE_EVERY = 0.0
data = np.random.default_rng(0).normal(size=(1000, 5))
mesh = jax.make_mesh((jax.device_count(),), ("samples",), axis_types=(AxisType.Auto,))


def chunks():
    for first in range(0, 1000, 100):
        if dies and first == 500 and number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        yield data[first : first + 100]


try:
    with peers():
        found = gibbs(data[:3] + 0.1, chunks(), [0.1], mesh=mesh, chunk_size=100, checkpoint=checkpoint)
    print(np.asarray(found.log_partition).tolist())
except PeerError as error:
    print(error, flush=True)
    os._exit(2)
"""


def run(checkpoint, how):
    address = free_address()
    return [start(KILLED, address, number, checkpoint, how, devices=1) for number in range(2)]


@pytest.mark.long  # the runtime takes 30 seconds to miss a process
def test_a_killed_process_is_named_and_both_go_on_from_where_they_were(tmp_path):
    checkpoint = tmp_path / "sums.npz"
    first, second = run(checkpoint, "dies")
    try:
        (out, _), _ = first.communicate(timeout=200), second.communicate(timeout=200)
    finally:
        first.kill()
        second.kill()
    assert (first.returncode, second.returncode) == (2, -9)
    assert "another of the 2 processes is gone" in out
    saved = sorted(file.name for file in tmp_path.iterdir())
    assert saved == ["sums.0.npz", "sums.1.npz"]
    done = [int(np.load(tmp_path / name)["step"]) for name in saved]
    assert done == [1000, 500]
    data = np.random.default_rng(0).normal(size=(1000, 5))
    expected = gibbs(data[:3] + 0.1, data, [0.1]).log_partition
    processes = run(checkpoint, "lives")
    outputs = finish_all(processes)
    for out in outputs:
        lines = [line for line in out.splitlines() if line.startswith("[[")]
        np.testing.assert_allclose(json.loads(lines[0]), expected, rtol=1e-12)
    assert not list(tmp_path.iterdir())


def test_no_cluster_is_one_sentence(monkeypatch):
    for name in ("JAX_COORDINATOR_ADDRESS", "SLURM_JOB_ID", "OMPI_MCA_orte_hnp_uri"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match=r"no cluster was joined \(.*\); start every process by srun"):
        join_cluster()


def test_alone_nothing_is_caught():
    with pytest.raises(ZeroDivisionError), peers():
        raise ZeroDivisionError
