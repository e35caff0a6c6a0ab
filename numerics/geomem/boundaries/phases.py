"""Phases of a direction at a noise variance and a data-set size, and the dimension that is resolved there."""

import numpy as np
from jaxtyping import Bool, Float

from geomem.core.arguments import Numbers, as_log_sizes, as_noise_variances, refuse_traced
from geomem.core.progress import bar
from geomem.core.status import InputError
from geomem.laws.covariance import of_directions
from geomem.laws.law import Law
from geomem.laws.points import asks_for_points, one_by_one, principal_directions
from geomem.laws.probe import Probe
from geomem.laws.setting import opening_time
from geomem.levels.level import Level
from geomem.levels.question import question

PHASES = ("unresolved", "generalizing", "memorized", "unknown")


def phase(
    manifold: Law,
    block: int | np.integer | Numbers,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    theory: str | Level,
    probe: Probe = Probe.along(),
    local_variance: Numbers | None = None,
) -> np.ndarray:
    """The phase of a direction of `block`, one word for every noise variance and size.

    `unresolved` above its opening time t = s_b, else `generalizing` where the
    signal-to-noise ratio exceeds one and `memorized` where it does not; `unknown` where
    the level has no answer. Shape: noise variances + sizes. `local_variance` is the direction's own
    s, by default that of its block; as for `critical_time`. Source: arXiv:2410.08727, section 5.

    Raises:
        InputError: as `quenched` and `critical_time`.
    """
    times = as_noise_variances(noise_variance)
    log_sizes = as_log_sizes(num_samples, log_num_samples)
    refuse_traced(times, "the noise variance")
    refuse_traced(log_sizes, "the data-set size")
    asked = question("signal_to_noise", theory, probe)
    flat, sizes = np.asarray(times).ravel(), np.ravel(log_sizes)
    seen = asked.points(manifold, block, local_variance)
    if seen is not None:
        open_ = flat[None, :] < np.asarray(seen.at.probed_variance)[:, None]
        needed = open_.any(axis=0)
        balance = np.full((*open_.shape, len(sizes)), np.nan)
        if needed.any():
            balance[:, needed] = asked.level.balances_along(asked.criterion, seen.at, flat[needed], sizes)
        return _words(balance, open_, flat).reshape(seen.axes + times.shape + log_sizes.shape)
    at = asked.setting(manifold, block, local_variance)  # ty: ignore[invalid-argument-type]
    open_ = flat < float(opening_time(at.local_variance))
    balance = np.full((len(flat), len(sizes)), np.nan)
    if open_.any():  # elsewhere it does not matter
        balance[open_] = asked.level.balances(asked.criterion, at, flat[open_], sizes)
    return _words(balance, open_, flat).reshape(times.shape + log_sizes.shape)


def _words(
    balance: Float[np.ndarray, "... times sizes"], open_: Bool[np.ndarray, "... times"], times: np.ndarray
) -> np.ndarray:
    words = np.where(balance > 0, PHASES[1], np.where(np.isnan(balance), PHASES[3], PHASES[2]))
    words[(times > 0) & ~open_] = PHASES[0]
    return words


def resolved_dimension(
    manifold: Law,
    *,
    noise_variance: Numbers,
    num_samples: Numbers | None = None,
    log_num_samples: Numbers | None = None,
    theory: str | Level,
    probe: Probe = Probe.along(),
    direction_variances: Numbers | None = None,
) -> Float[np.ndarray, "..."]:
    """D(t, N), the number of directions that are open and whose signal-to-noise ratio exceeds one.

    Of a law that is asked along directions, or from given points, they are its principal directions.
    Of blocks whose variances are means, `direction_variances` are those of all directions, (directions,) in the
    blocks' order and in squared units of the data: each is then asked with its own, in the blocks' background.

    Shape: noise variances + sizes; NaN where the phase of some direction is unknown.

    Raises:
        InputError: as `phase`, or for `direction_variances` that are not those of the manifold's directions.

    Example: forty directions in four blocks, which open and are lost one at a time all the same.

        >>> import numpy as np
        >>> from geomem import Manifold, resolved_dimension
        >>> variances = np.arange(1, 41) ** -1.0
        >>> blocks = Manifold([row.mean() for row in np.split(variances, [1, 4, 14])], [1, 3, 10, 26])
        >>> asked = {"noise_variance": [0.3, 0.1, 0.05], "num_samples": 1e6, "theory": "rem"}
        >>> print("blocks alone:  ", resolved_dimension(blocks, **asked))
        blocks alone:   [ 4. 14. 13.]
        >>> print("own variances: ", resolved_dimension(blocks, direction_variances=variances, **asked))
        own variances:  [ 3.  9. 18.]
        >>> print("whole spectrum:", resolved_dimension(Manifold(variances, np.ones(40)), **asked))
        whole spectrum: [ 3.  9. 18.]
    """
    if asks_for_points(manifold, 0, probe):
        if direction_variances is not None:
            raise InputError("direction_variances are those of blocks; this law or probe is asked along directions")
        directions = principal_directions(manifold)
        parts = directions[:, None] if one_by_one(probe) else [directions]
        each = [
            phase(
                manifold,
                part,
                noise_variance=noise_variance,
                num_samples=num_samples,
                log_num_samples=log_num_samples,
                theory=theory,
                probe=probe,
            )
            for part in parts
        ]
        words = np.concatenate(each)
        unknown = (words == "unknown").any(axis=0)
        return np.where(unknown, np.nan, np.sum(words == "generalizing", axis=0).astype(float))
    total = 0.0
    directions = _by_variance(manifold, direction_variances)
    with bar("resolved dimension", len(directions)) as report:
        for place, (block, local_variance, count) in enumerate(directions):
            words = phase(
                manifold,
                block,
                noise_variance=noise_variance,
                num_samples=num_samples,
                log_num_samples=log_num_samples,
                theory=theory,
                probe=probe,
                local_variance=local_variance,
            )
            total = total + np.where(words == "unknown", np.nan, count * (words == "generalizing"))
            report(place + 1)
    return np.asarray(total)


def _by_variance(manifold: Law, direction_variances: Numbers | None) -> list[tuple[int, float | None, float]]:
    """Blocks, variances of their directions, None for the block's own, and how many of each there are."""
    if direction_variances is None:
        return [(block, None, count) for block, count in enumerate(np.asarray(manifold.multiplicities).tolist())]
    found = []
    for block, own in enumerate(of_directions(manifold, direction_variances)):
        members = zip(*np.unique(own, return_counts=True), strict=True)
        found += [(block, float(one) or None, float(count)) for one, count in members]  # zero is the block's own
    return found
