"""Critical sizes of blocks of principal directions, of laws that are seen from given points."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int8

from geomem.boundaries.principal import PrincipalBlocks, jackknife, with_one_point_less
from geomem.boundaries.size_scan import LARGEST_LOG_SIZE, first_cell
from geomem.core.status import InputError, Status
from geomem.laws.law import Law
from geomem.laws.points import one_by_one
from geomem.levels.level import Level
from geomem.levels.question import Question

BEYOND = 2.7  # in ln N beyond what a law is to be trusted for
_SCAN = 96  # sizes, between which the balance is taken to be straight in ln N: to a percent of N


class BlockSizes(NamedTuple):
    """Critical sizes of blocks, (blocks, times), as logarithms, with standard errors of these over the points."""

    blocks: PrincipalBlocks
    log_size: Float[np.ndarray, "blocks times"]
    log_error: Float[np.ndarray, "blocks times"]
    status: Int8[np.ndarray, "blocks times"]


def principal_sizes(
    asked: Question[Level],
    law: Law,
    noise_variances: Float[np.ndarray, " times"],
    num_blocks: int | None,
    num_directions: int | None = None,
) -> BlockSizes:
    """The largest N below which a block is lost, at every noise variance.

    Raises:
        InputError: for a probe that is another point for every direction, or as `principal_diagram`.
    """
    if one_by_one(asked.probe):
        raise InputError(f"the probe {asked.probe.kind!r} is another point for every direction of a block; give points")
    blocks = PrincipalBlocks.of(asked.level, law, num_blocks, num_directions)
    varying = blocks.variances > 0
    seen = asked.points(law, blocks.axes)
    assert seen is not None
    members = with_one_point_less(asked.probe, blocks.members[varying])
    highest = min(LARGEST_LOG_SIZE, np.log(law.largest_size) + BEYOND)
    scan = np.linspace(max(highest, np.log(4.0)), np.log(2.0), _SCAN)
    values = asked.level.balances_of_groups(asked.criterion, seen.at, noise_variances, scan, members)
    lanes = values.reshape(-1, _SCAN)
    cells, status = map(np.array, zip(*map(first_cell, lanes), strict=True))
    found = status == Status.CONVERGED
    place, cell = np.flatnonzero(found), cells[found]
    above, below = lanes[place, cell - 1], lanes[place, cell]
    share = np.where(np.isfinite(below), above / np.where(np.isfinite(below), above - below, 1.0), 0.0)
    logs = np.full(len(lanes), np.nan)
    logs[found] = scan[cell - 1] + share * (scan[cell] - scan[cell - 1])
    status = np.where(found & (logs > np.log(law.largest_size)), Status.OUT_OF_VALIDITY, status).astype(np.int8)
    logs, status = (rows.reshape(-1, int(varying.sum()), len(noise_variances)) for rows in (logs, status))
    shape = (len(varying), len(noise_variances))
    log_size, log_error = np.full((2, *shape), np.nan)
    ended = np.full(shape, int(Status.NO_TRANSITION), dtype=np.int8)
    log_size[varying], log_error[varying], ended[varying] = logs[0], jackknife(logs[1:]), status[0]
    return BlockSizes(blocks, log_size, log_error, ended)
