"""Phase diagrams along principal directions of laws that are seen from given points, and the axes of all diagrams."""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Float

from geomem.boundaries.points import group_times
from geomem.core.arguments import is_whole
from geomem.core.progress import bar
from geomem.core.provenance import provenance
from geomem.core.results import SQUARED, Transition, described, status_attributes, transition
from geomem.core.status import InputError, Status
from geomem.laws.covariance import in_blocks
from geomem.laws.law import Law, check_law
from geomem.laws.points import one_by_one
from geomem.laws.probe import PointProbe, Probe
from geomem.laws.views import principal
from geomem.levels.level import Level
from geomem.levels.question import Question

_NULL = 1e-12  # of the largest variance: rounding
# Errors of a critical time in its logarithm up to which polynomials are refined, and beyond which it is none, and the
# walk's step in ln t: a mean over so few points is known less well.
_ERRORS, _STEP = (3e-2, 0.1), 1.0
_BELOW = 1e-2  # of the narrowest direction's variance within which so many samples have one neighbour, the walk ends


class PrincipalBlocks(NamedTuple):
    """Principal directions of a law, in rows, and which blocks they are in; none without a variance is in one."""

    axes: Float[np.ndarray, "directions dims"]
    variances: Float[np.ndarray, " blocks"]
    multiplicities: Float[np.ndarray, " blocks"]
    members: Bool[np.ndarray, "blocks directions"]

    @classmethod
    def of(cls, level: Level, law: Law, num_blocks: int | None, num_directions: int | None = None) -> "PrincipalBlocks":
        """Every direction a block, or so many groups of them; of the leading directions alone if that is said.

        Raises:
            InputError: for a law without a covariance, or a level that does not average over directions.
        """
        if not level.averages_over_directions:
            raise InputError(f"theory {level.name!r} does not average over directions; use theory 'finite_n'")
        check_law(law)
        law.require("views", "a phase diagram along directions")
        spectrum, axes = (rows[:num_directions] for rows in principal(np.asarray(law.covariance())))
        spectrum = np.where(spectrum > _NULL * spectrum[0], spectrum, 0.0)
        variances, counts = spectrum, np.ones(len(spectrum))
        if num_blocks is not None:
            variances, counts = in_blocks(spectrum, num_blocks)
        of_block = np.repeat(np.arange(len(counts)), counts.astype(int))
        members = np.eye(len(counts), dtype=bool)[:, of_block] & (variances > 0)[:, None]
        return cls(axes, variances, counts, members)

    def directions(self, block: int | np.integer) -> Float[np.ndarray, "members dims"]:
        first = int(self.multiplicities[:block].sum())
        return self.axes[first : first + int(self.multiplicities[block])]


def principal_diagram(
    asked: Question[Level],
    law: Law,
    sizes: Float[np.ndarray, " sizes"],
    log_sizes: Float[np.ndarray, " sizes"],
    swept_values: Float[np.ndarray, " swept"],
    block: int | np.integer,
    num_blocks: int | None,
    num_directions: int | None = None,
) -> xr.Dataset:
    """`phase_diagram` of blocks of principal directions, or of the leading ones alone.

    Raises:
        InputError: for a law without a covariance, an unknown block, or as `Question.points`.
    """
    own = PrincipalBlocks.of(asked.level, law, num_blocks, num_directions)
    axes, variances, counts, blocks = own
    if not is_whole(block) or not 0 <= block < len(counts):
        raise InputError(f"there is no block {block!r}: the diagram has blocks 0 to {len(counts) - 1}")
    solved, error = _times(asked, law, axes, blocks, log_sizes)
    over, text = ("block", "num_samples"), f"critical noise variance by {asked.criterion}, level {asked.level.name}"
    data = {
        "critical_time": (over, np.asarray(solved.value), described(text, SQUARED)),
        "critical_time_error": (over, error, described("standard error over the points", SQUARED)),
        "opening_time": ("block", variances, described("noise variance below which a block is open", SQUARED)),
        "status": (over, np.asarray(solved.status), status_attributes()),
    }
    coordinates = diagram_axes(variances, counts, sizes, log_sizes)
    if len(swept_values):
        data |= _swept(asked, law, own.directions(block), float(variances[block]), swept_values, log_sizes, text)
        coordinates |= swept_axis(swept_values, block)
    inputs = law.record() | {"block": int(block), "num_blocks": num_blocks} | asked.record()
    inputs |= {} if num_directions is None else {"num_directions": num_directions}
    return xr.Dataset(data, coordinates, diagram_attributes(asked, block, inputs))


def _times(
    asked: Question[Level],
    law: Law,
    directions: Float[np.ndarray, "directions dims"],
    blocks: Bool[np.ndarray, "blocks directions"],
    log_sizes: Float[np.ndarray, " sizes"],
) -> tuple[Transition, Float[np.ndarray, "blocks sizes"]]:
    """Critical times of blocks of directions, (blocks, sizes), and their standard errors over the points.

    A block of no directions has no transition.
    """
    known = blocks.any(axis=1)
    shape = (len(blocks), len(log_sizes))
    solved, error = _never(shape), np.full(shape, np.nan)
    used = blocks.any(axis=0)
    if used.any():
        found, error[known] = _solved(asked, law, directions[used], blocks[known][:, used], log_sizes)
        solved = jax.tree.map(lambda all_, rows: all_.at[known].set(rows), solved, found)
    beyond = (solved.status == Status.CONVERGED) & jnp.asarray(log_sizes > np.log(law.largest_size))[None, :]
    status = jnp.where(beyond, Status.OUT_OF_VALIDITY, solved.status).astype(jnp.int8)
    return solved._replace(status=status), error


def _solved(
    asked: Question[Level],
    law: Law,
    directions: Float[np.ndarray, "directions dims"],
    blocks: Bool[np.ndarray, "blocks directions"],
    log_sizes: Float[np.ndarray, " sizes"],
) -> tuple[Transition, Float[np.ndarray, "blocks sizes"]]:
    if one_by_one(asked.probe):  # the first direction of every block
        rows = []
        with bar("critical times", len(blocks)) as report:
            for block in blocks:
                rows.append(_walked(asked, law, directions[[np.argmax(block)]], np.ones((1, 1, 1), bool), log_sizes))
                report(len(rows))
        found = jax.tree.map(lambda *fields: jnp.concatenate(fields), *rows)
        return found, np.full(found.value.shape, np.nan)
    if asked.criterion == "participation":  # the same along all directions
        directions, blocks = directions[:1], np.ones((len(blocks), 1), dtype=bool)
    members = with_one_point_less(asked.probe, blocks)
    found = _walked(asked, law, directions, members, log_sizes)
    logs = np.asarray(found.log_value).reshape(-1, len(blocks), len(log_sizes))
    return jax.tree.map(lambda rows: rows[: len(blocks)], found), np.exp(logs[0]) * jackknife(logs[1:])


def with_one_point_less(
    probe: Probe, blocks: Bool[np.ndarray, "blocks directions"]
) -> Bool[np.ndarray, "groups points directions"]:
    """The blocks seen from all points, and from all but one of them, one after the other; alone from a single one."""
    points = len(probe.base) if isinstance(probe, PointProbe) else 1
    left = np.concatenate([np.ones((1, points), dtype=bool), ~np.eye(points, dtype=bool)])[: points + (points > 1)]
    return (left[:, None, :, None] & blocks[None, :, None, :]).reshape(-1, points, blocks.shape[1])


def jackknife(others: Float[np.ndarray, "points ..."]) -> Float[np.ndarray, "..."]:
    """Standard error over points, from what is found with one point less; NaN of a single one."""
    points = len(others)
    return others.std(axis=0) * np.sqrt(points - 1) if points else np.full(others.shape[1:], np.nan)


def _walked(
    asked: Question[Level],
    law: Law,
    directions: Float[np.ndarray, "directions dims"],
    members: Bool[np.ndarray, "groups points directions"],
    log_sizes: Float[np.ndarray, " sizes"],
) -> Transition:
    seen = asked.points(law, directions)
    assert seen is not None
    variances = np.linalg.eigvalsh(np.asarray(law.covariance()))
    variances = variances[variances > _NULL * variances[-1]]
    # Where all samples are far apart nothing changes any more.
    lowest = _BELOW * variances[0] * np.exp(-2.0 * np.max(log_sizes) / len(variances))
    window = (float(lowest), float(np.inf))
    return group_times(asked, seen.at, log_sizes, members, window, _ERRORS, _STEP)


def _swept(
    asked: Question[Level],
    law: Law,
    directions: Float[np.ndarray, "directions dims"],
    variance: float,
    values: Float[np.ndarray, " swept"],
    log_sizes: Float[np.ndarray, " sizes"],
    text: str,
) -> dict[str, tuple]:
    """The map: the law and the points stretched along the block's directions."""
    if not variance > 0:
        raise InputError("the swept block has no variance, and what is stretched has none either; give another block")
    times, status = np.full((2, len(log_sizes), len(values)), np.nan)
    with bar("local variances", len(values)) as report:
        for place, value in enumerate(values):
            factor = np.sqrt(value / variance)
            matrix = np.eye(directions.shape[1]) + (factor - 1.0) * directions.T @ directions
            probe = asked.probe
            if isinstance(probe, PointProbe):
                probe = probe.stretched(np.asarray(law.center), matrix)
            whole = np.full((1, len(directions)), value > 0)
            found, _ = _times(replace(asked, probe=probe), law.stretched(matrix), directions, whole, log_sizes)
            times[:, place], status[:, place] = np.asarray(found.value)[0], np.asarray(found.status)[0]
            report(place + 1)
    over = ("num_samples", "local_variance")
    return {
        "critical_time_map": (over, times, described(f"{text}, of the swept block", SQUARED)),
        "opening_time_map": (
            "local_variance",
            values,
            described("noise variance below which the swept block is open", SQUARED),
        ),
        "status_map": (over, status.astype(np.int8), status_attributes()),
    }


def _never(shape: tuple[int, int]) -> Transition:
    """No transition anywhere."""
    status, none = jnp.full(shape, int(Status.NO_TRANSITION), dtype=jnp.int8), jnp.full(shape, jnp.nan)
    return transition(none, status, none, none, none, jnp.zeros(shape, dtype=int))


def diagram_axes(
    variances: Float[Array | np.ndarray, " blocks"],
    multiplicities: Float[Array | np.ndarray, " blocks"],
    sizes: Float[np.ndarray, " sizes"],
    log_sizes: Float[np.ndarray, " sizes"],
) -> dict[str, tuple]:
    """Coordinates of a diagram."""
    return {
        "block": ("block", np.arange(len(variances)), described("block of directions of one variance", "1")),
        "block_variance": ("block", np.asarray(variances), described("local variance", SQUARED)),
        "multiplicity": ("block", np.asarray(multiplicities), described("number of directions", "1")),
        "num_samples": ("num_samples", sizes, described("number of training samples", "1")),
        "log_num_samples": ("num_samples", log_sizes, described("ln N", "1")),
    }


def swept_axis(values: Float[np.ndarray, " swept"], block: int | np.integer) -> dict[str, tuple]:
    """The coordinate of a diagram's map."""
    return {
        "local_variance": ("local_variance", values, described(f"local variance of the swept block {block}", SQUARED))
    }


def diagram_attributes(asked: Question[Level], block: int | np.integer, inputs: dict[str, object]) -> dict[str, object]:
    """What a diagram says of itself."""
    return {
        "criterion": asked.criterion,
        "theory": asked.level.name,
        "swept_block": int(block),
        "provenance": provenance(inputs),
    }
