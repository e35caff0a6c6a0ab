"""Critical times of every direction against data-set size and local variance, as one labelled data set."""

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Float

from geomem.boundaries.critical import solver_of
from geomem.boundaries.principal import diagram_attributes, diagram_axes, principal_diagram, swept_axis
from geomem.core.arguments import Numbers, listed_sizes
from geomem.core.kinds import concrete_array
from geomem.core.results import SQUARED, described, status_attributes
from geomem.core.status import InputError
from geomem.laws.covariance import extremes
from geomem.laws.law import Law
from geomem.laws.points import asks_for_points
from geomem.laws.probe import Probe
from geomem.levels.level import Level
from geomem.levels.question import question

_NO_ORDER = 1e-8  # derivatives below it are none


def phase_diagram(
    manifold: Law,
    *,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    local_variance: Numbers | None = None,
    block: int | np.integer = 0,
    criterion: str,
    theory: str | Level,
    probe: Probe = Probe.along(),
    direction_variances: Numbers | None = None,
    num_blocks: int | None = None,
) -> xr.Dataset:
    """Critical times of every block at every size, and of one block as its variance is swept.

    A law that is asked along directions, and any law from given points, has its principal directions as blocks, or
    `num_blocks` groups of them; level `finite_n` answers. A block is then lost where R is 1 of means over its
    directions and over the points.

    Args:
        manifold: the data's law.
        num_samples: data-set sizes; give these or `log_num_samples` = ln N.
        local_variance: variances given to `block` in turn, the rest of the spectrum fixed; without them there is no
            map. Along directions the samples of the law are stretched along those of the block, and the points.
        block: the swept block.
        criterion, theory, probe: as for `critical_time`.
        direction_variances: of blocks whose variances are means, those of all directions, (directions,) in the
            blocks' order.
        num_blocks: of principal directions, grouped by their variances as in `Manifold.from_data`.

    Returns:
        A data set over `block`, `num_samples` and `local_variance` with, in squared units of the data,

        - `critical_time` (block, num_samples) and `opening_time` (block),
        - `sensitivity_block` (block, num_samples): how it changes from direction to direction of a block whose
          variance is a mean; `sensitivity_probe` of the block itself,
        - with `direction_variances`, `critical_time_lower` and `critical_time_upper` (block, num_samples): between
          which the directions of a block are lost, solved at the smallest and the largest variance of them in the
          background of the blocks,
        - `critical_time_map` (num_samples, local_variance) and `opening_time_map`
          (local_variance): the swept block's,
        - `status`, `status_map`: values of `Status`,
        - `sensitivity_swept` (num_samples, local_variance): d ln t_c/d ln s of the swept block,
          its variance changing in the spectrum too,
        - `sensitivity_probe`: the same from one direction to another of the same spectrum. A probe along the
          direction goes with it; any other is one point for both,
        - `lost_first`: its sign; +1 where of two directions the one of higher variance is lost first, 0 where
          there is no order, as by criteria of the weights alone at a probe that is one point.

        Along principal directions there are no sensitivities, and times are within 3 percent; `critical_time_error`
        (block, num_samples) is their standard error over the points, NaN at a single one. Sizes that are too large
        for a pool are OUT_OF_VALIDITY.

    Raises:
        InputError: as `critical_time`, for sizes or local variances that are not a list
            of numbers, the latter finite and not negative, for direction variances that are not those of the
            manifold's directions, and for what is asked of blocks where directions are asked, or the other way round.
    """
    asked = question(criterion, theory, probe)
    sizes, log_sizes = listed_sizes(num_samples, log_num_samples)
    swept_values = np.zeros(0) if local_variance is None else _checked_variances(local_variance)
    if asks_for_points(manifold, 0, probe):
        if direction_variances is not None:
            raise InputError("direction_variances are those of blocks; this law or probe is asked along directions")
        return principal_diagram(asked, manifold, sizes, np.asarray(log_sizes), swept_values, block, num_blocks)
    if num_blocks is not None:
        raise InputError("num_blocks groups principal directions; this law has its blocks")
    asked.check(manifold)
    ends = [(holder, one) for holder, row in enumerate(extremes(manifold, direction_variances)) for one in row]

    # Lanes of one shape: every block of the manifold, then the swept block at every local variance.
    count, each_block = manifold.num_blocks, np.eye(manifold.num_blocks)
    swept_block = np.asarray(manifold.indicator(block))
    spectrum = np.asarray(manifold.variances)
    swept = np.where(swept_block > 0, swept_values[:, None], spectrum)
    variances = np.concatenate([np.tile(spectrum, (count, 1)), swept])
    probed = np.concatenate([each_block, np.tile(swept_block, (len(swept_values), 1))])
    laws = manifold.with_variances(jnp.asarray(variances))
    solve = solver_of(asked.level).lanes
    lanes = solve(asked, laws, probed, log_sizes)
    # What does not depend on the direction is left by rounding.
    sensitivity = np.where(np.abs(lanes.probed) < _NO_ORDER, 0.0, lanes.probed)
    blocks, swept_lanes = slice(None, count), slice(count, None)
    lower, upper = lanes.value[blocks].copy(), lanes.value[blocks].copy()
    if ends:
        holders = np.array([holder for holder, _ in ends])
        own = np.log([one for _, one in ends]) - np.log(np.asarray(manifold.block_variances())[holders])
        same = manifold.with_variances(jnp.asarray(np.tile(spectrum, (len(ends), 1))))
        times = solve(asked, same, each_block[holders], log_sizes, own).value
        np.minimum.at(lower, holders, times)
        np.maximum.at(upper, holders, times)

    time_text = f"critical noise variance by {criterion}, level {asked.level.name}"
    data = {
        "critical_time": (("block", "num_samples"), lanes.value[blocks], described(time_text, SQUARED)),
        "sensitivity_block": (
            ("block", "num_samples"),
            sensitivity[blocks],
            described("d ln t_c / d ln s from direction to direction of a block", "1"),
        ),
        "opening_time": (
            "block",
            lanes.opening_time[blocks],
            described("noise variance below which a block is open", SQUARED),
        ),
        "status": (("block", "num_samples"), lanes.status[blocks], status_attributes()),
        "critical_time_map": (
            ("num_samples", "local_variance"),
            lanes.value[swept_lanes].T,
            described(f"{time_text}, of the swept block", SQUARED),
        ),
        "opening_time_map": (
            "local_variance",
            lanes.opening_time[swept_lanes],
            described("noise variance below which the swept block is open", SQUARED),
        ),
        "status_map": (("num_samples", "local_variance"), lanes.status[swept_lanes].T, status_attributes()),
        "sensitivity_swept": (
            ("num_samples", "local_variance"),
            lanes.swept[swept_lanes].T,
            described("d ln t_c / d ln s with the spectrum following", "1"),
        ),
        "sensitivity_probe": (
            ("num_samples", "local_variance"),
            sensitivity[swept_lanes].T,
            described("d ln t_c / d ln s from direction to direction of one spectrum", "1"),
        ),
        "lost_first": (
            ("num_samples", "local_variance"),
            np.sign(np.nan_to_num(sensitivity[swept_lanes].T)).astype(np.int8),
            {
                "long_name": "which of two directions is lost first",
                "flag_values": np.array([-1, 0, 1], dtype=np.int8),
                "flag_meanings": "lower_variance_first undecided higher_variance_first",
            },
        ),
    }
    if direction_variances is not None:
        over, text = ("block", "num_samples"), "of the directions of a block"
        data["critical_time_lower"] = (over, lower, described(f"least {time_text}, {text}", SQUARED))
        data["critical_time_upper"] = (over, upper, described(f"greatest {time_text}, {text}", SQUARED))
    axes = diagram_axes(manifold.variances, manifold.multiplicities, sizes, np.asarray(log_sizes))
    if len(swept_values):
        axes |= swept_axis(swept_values, block)
    else:
        data = {name: one for name, one in data.items() if "local_variance" not in one[0]}
    inputs = manifold.record() | {"block": int(block)} | asked.record()
    return xr.Dataset(data, axes, diagram_attributes(asked, block, inputs))


def _checked_variances(local_variance: Numbers) -> Float[np.ndarray, " variances"]:
    values = np.atleast_1d(concrete_array(local_variance, "local_variance"))
    if values.ndim != 1 or len(values) == 0:
        raise InputError(f"the local variances have shape {values.shape}; they must be a non-empty list")
    if not (np.isfinite(values) & (values >= 0)).all():
        raise InputError("the local variances must be finite and not negative")
    return values
