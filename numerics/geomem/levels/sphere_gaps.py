"""The closing of gaps of data divided by their norm, between singular values of central differences at the origin.

Means are those of infinitely many samples; the noise is 1/N times its leading order, which is its participation: at the
origin all weights are equal. Curvature closes a gap whatever N is, since a secant of a sphere changes its sign.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geomem.core.status import InputError
from geomem.laws.manifold import Manifold
from geomem.laws.setting import Setting
from geomem.levels.bulks import Profile, closing_noise
from geomem.levels.lanes import in_threads
from geomem.levels.level import Level
from geomem.levels.secants import Secants, leading_secants
from geomem.levels.spectrum_profile import FEWEST_ACTIVE
from geomem.levels.sphere_spectra import least_active
from geomem.lowering import lower

_root_balance = jnp.vectorize(lower("sphere_gap_balance"))
_STEP = 1e-4  # of logarithms, in differences
# Own deviations of a block, of the largest, below which its values are taken to be one sharp value. What couples them
# then, and is left out, moves the participation by a percent.
_LEAST = 1e-5


def balances(
    level: Level, at: Setting, times: Float[np.ndarray, " times"], log_sizes: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "times sizes"]:
    """The root of N times the participation at which the gap closes, less one."""
    return _table(_roots(at, times), log_sizes)


def _table(roots: Float[np.ndarray, " times"], log_sizes: Float[np.ndarray, "..."]) -> Float[np.ndarray, "times sizes"]:
    rows = np.broadcast_to(log_sizes, (len(roots), np.shape(log_sizes)[-1]))
    return np.asarray(_root_balance(jnp.asarray(rows), jnp.asarray(np.broadcast_to(roots[:, None], rows.shape))))


def balances_with_slopes(
    level: Level,
    at: Setting,
    tangents: Setting,
    times: Float[np.ndarray, " times"],
    log_sizes: Float[np.ndarray, "..."],
) -> tuple[Float[np.ndarray, "times sizes"], Float[np.ndarray, "slopes times sizes"]]:
    """The same with its derivatives, in ln t and along tangents to the setting, by central differences."""

    def difference(ends: list[Float[np.ndarray, " times"]]) -> Float[np.ndarray, "times sizes"]:
        upper, lower_ = (_table(end, log_sizes) for end in ends)
        return (upper - lower_) / (2.0 * _STEP)

    def moved(tangent: Setting, step: float) -> Setting:
        return jax.tree.map(lambda value, slope: value + step * slope, at, tangent)

    slopes = [difference([_roots(at, times * np.exp(step)) for step in (_STEP, -_STEP)])]
    for place in range(len(tangents.variances)):
        tangent = jax.tree.map(lambda leaf, place=place: leaf[place], tangents)
        # Directions that are seen change nothing; the spectrum does.
        still = not np.any(np.asarray(tangent.variances)[np.asarray(at.multiplicities) > 0])
        slopes.append(
            np.zeros_like(slopes[0])
            if still
            else difference([_roots(moved(tangent, step), times) for step in (_STEP, -_STEP)])
        )
    return balances(level, at, times, log_sizes), np.stack(slopes)


def balance(
    level: Level, at: Setting, time: Float[Array, ""], log_sizes: Float[Array, " sizes"]
) -> Float[Array, " sizes"]:
    """What JAX would trace: of matrices whose moments are sums over as many nodes as they need there is none.

    Raises:
        InputError: always.
    """
    raise InputError(
        "derivatives of when a gap of normalized data closes are not known; take differences of critical times"
    )


def exist(at: Setting) -> bool:
    """Whether there is a gap that can be lost."""
    manifold, below = _blocks(at)
    return bool((~below).any() and np.asarray(manifold.variances)[below].min() > 0)


def hold(at: Setting, times: Float[np.ndarray, " times"]) -> Bool[np.ndarray, " times"]:
    """Whether so many samples are active where the gap closes that the law of the matrix is known."""
    manifold, _ = _blocks(at)

    def holds(time: float, root: float) -> bool:
        if not root > 0:
            return root <= 0  # curvature closes it, of any number of samples
        active = least_active(manifold, np.array([time]), -2.0 * np.log(root), "central_difference")
        return bool(active[0] >= FEWEST_ACTIVE)

    return np.array([holds(*lane) for lane in zip(times.tolist(), _roots(at, times).tolist(), strict=True)], dtype=bool)


def _blocks(at: Setting) -> tuple[Manifold, Bool[np.ndarray, " blocks"]]:
    """The law, and which of its blocks have the values below the gap: the setting's and the wider ones."""
    variances, counts = np.asarray(at.variances), np.asarray(at.multiplicities)
    own = variances[np.argmax(np.asarray(at.indicator))]
    real = counts > 0  # others only hold what a probe has
    return Manifold(variances[real], counts[real], normalized=True), variances[real] >= own


def _roots(at: Setting, times: Float[np.ndarray, " times"]) -> Float[np.ndarray, " times"]:
    """Roots of the participations at which the gap closes; negative where values are in another order without noise."""
    manifold, below = _blocks(at)
    if below.all() or not len(times):
        return np.full(len(times), np.nan)  # the narrowest block has none above it
    moments = leading_secants(manifold, noise_variance=times)
    counts = np.asarray(manifold.multiplicities)
    lanes = [jax.tree.map(lambda field, lane=lane: field[lane], moments) for lane in range(len(times))]
    return np.array(in_threads(lambda one: _root(_profile(one, counts), below), lanes))


def _profile(moments: Secants, counts: Float[np.ndarray, " blocks"]) -> Profile:
    """Sums over the other directions of every block; a diagonal entry has what is not common to all of them."""
    alone = np.isnan(np.diag(moments.between))
    own = moments.diagonal - np.where(alone, 0.0, np.diag(moments.between))
    blurred = own > _LEAST**2 * own.max()
    others = (counts - np.eye(len(counts))) * np.outer(blurred, blurred)
    entries = (moments.variance, moments.variance.T, moments.transposed)
    sums = (np.nan_to_num(one) * others + np.diag(own * blurred) for one in entries)
    return Profile(jnp.asarray(moments.mean), *map(jnp.asarray, sums))


def _root(profile: Profile, below: Bool[np.ndarray, " blocks"]) -> float:
    """The root is smooth where two values change places: beyond, it is minus that of the gap that they leave."""
    sizes = np.abs(profile.values)
    low, high = np.where(below, sizes, -np.inf).argmax(), np.where(below, np.inf, sizes).argmin()
    if sizes[low] == sizes[high]:
        return 0.0
    if sizes[low] < sizes[high]:
        return _root_in_order(profile, below)
    places = np.arange(len(below))
    swapped = (below & (places != low)) | (places == high)
    if np.where(swapped, sizes, -np.inf).max() < np.where(swapped, np.inf, sizes).min():
        return -_root_in_order(profile, swapped)
    return -1.0  # more than two have changed places


def _root_in_order(profile: Profile, below: Bool[np.ndarray, " blocks"]) -> float:
    sizes, blurred = np.abs(profile.values), np.asarray(profile.rows).any(axis=1)
    places = np.where(below, sizes, -np.inf).argmax(), np.where(below, np.inf, sizes).argmin()
    sharp = next((float(sizes[place]) for place in places if not np.take(blurred, place)), np.nan)
    entries = (jnp.asarray(np.asarray(one)[np.ix_(blurred, blurred)]) for one in profile[1:])
    ends = jnp.asarray(sizes[places[0]]), jnp.asarray(sizes[places[1]])
    found = closing_noise(Profile(profile.values[blurred], *entries), ends, jnp.asarray(sharp))
    # Beyond what is held against data, a gap need only be seen.
    known = found.met if np.isfinite(found.met) or found.seen <= 1.0 / FEWEST_ACTIVE else found.seen
    return float(np.sqrt(known))
