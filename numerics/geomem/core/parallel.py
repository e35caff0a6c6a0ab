"""Devices and processes that share one pass, on JAX's own runtime."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

import jax
from jax.sharding import AxisType, Mesh

from geomem.core.status import InputError, PeerError


def join_cluster() -> Mesh:
    """Join the processes that a cluster environment started, as a mesh over all their devices.

    JAX reads addresses and ranks from the environment of Slurm or of Open MPI up to version 4, and gives
    every process one accelerator. Has to come before any computation. A job for the command on four machines:

        #!/bin/sh
        #SBATCH --nodes=4 --ntasks-per-node=1
        srun geomem spectrum --data samples.npy --num-blocks 8 --distributed --checkpoint sums.npz --out results

    with as many tasks per node as it has accelerators. In the pass every process reads its own share of a .npy file;
    the covariance spectrum before it every process takes from all of the file. The first one writes the results. If
    a process is lost, no result is written, and all go on from their checkpoints when the job is started again.

    Raises:
        InputError: if there is no such environment, or the processes do not find each other.
    """
    try:
        jax.distributed.initialize()
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"no cluster was joined ({reason}); start every process by srun, or leave --distributed out"
        ) from error
    return jax.make_mesh((jax.device_count(),), ("samples",), axis_types=(AxisType.Auto,))


@contextmanager
def peers() -> Generator[None]:
    """Around work that is shared: says in one sentence that another process is gone, which JAX notices where results
    meet, and keeps what the runtime has to say off the standard output.

    Raises:
        PeerError: if another process is gone.
    """
    if jax.process_count() == 1:
        yield
        return
    sys.stdout.flush()
    output = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise PeerError(
            f"another of the {jax.process_count()} processes is gone ({reason}); no result was written, start all of "
            "them again"
        ) from error
    finally:
        os.dup2(output, 1)
        os.close(output)


def shared_mesh(mesh: Mesh | None) -> Mesh:
    """The mesh that shares samples, or one device.

    Raises:
        InputError: if the mesh has several axes.
    """
    if mesh is None:
        return _one_device()
    if not isinstance(mesh, Mesh):
        raise InputError("the mesh is none of JAX's, over devices that share the work; leave it out for one device")
    if len(mesh.axis_names) != 1:
        raise InputError(f"the mesh has axes {mesh.axis_names}; samples are shared along one")
    return mesh


@cache
def _one_device() -> Mesh:
    return jax.make_mesh((1,), ("samples",), axis_types=(AxisType.Auto,), devices=jax.local_devices()[:1])
