"""Where the gap between two bulks of singular values closes: of a matrix diag(a) + W that is not symmetric, by blocks.

Its resolvent is real between bulks and has a stable equation there. The gap is followed while the noise grows, to where
its edges meet. Equations: `geomem_theory`, chapter `unit_normalized`.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from geomem.core.compilation import quick_options
from geomem.lowering import lower

_own = jnp.vectorize(lower("bulk_resolvent"))
_across = jnp.vectorize(lower("bulk_resolvent_across"))

_LEVELS, _FEWEST = 24, 4  # across a gap, and how many of them at least must be in it
_SHARES = (np.arange(_LEVELS) + 0.5) / _LEVELS
# Steps of the noise: how many at most, how far the first one goes and the last one, and what the next one is where the
# gap was still seen and where it was not.
_STEPS, _FIRST, _LAST, _LONGER, _SHORTER = 90, 1e-3, 1e-5, 1.6, 0.4
_NEWTON, _EXACT, _MET = 8, 1e-9, 1e-6  # what may be left in a gap, and where its edges meet: small ones are less exact
_SQUARINGS = 10  # of a positive map, after which its leading vector is known
_MOST_MOVED = 0.05  # by the last steps, from where the gap was still seen


class Profile(NamedTuple):
    """Means of the diagonal, and sums of noise: entry (k, i) is over the directions of block i, of one of block k."""

    values: Float[Array, " blocks"]
    rows: Float[Array, "blocks blocks"]  # of variances of entries (k, i)
    columns: Float[Array, "blocks blocks"]  # of entries (i, k)
    across: Float[Array, "blocks blocks"]  # of covariances of both

    def right_side(
        self, found: Float[Array, "parts blocks"], scale: Float[Array, ""], level: Float[Array, ""]
    ) -> Float[Array, "parts blocks"]:
        """What the resolvent is equal to, first, last and mixed entries of all blocks, for so many times the noise."""
        first, last, mixed = found
        row, column = scale * (self.rows @ last), scale * (self.columns @ first)
        across = scale * (self.across @ mixed)
        return jnp.stack(
            [
                _own(level, self.values, row, column, across),
                _own(level, self.values, column, row, across),
                _across(level, self.values, row, column, across),
            ]
        )


class Gap(NamedTuple):
    """Levels across a gap and the resolvents there, and which of them are in it."""

    levels: Float[Array, " levels"]
    resolvents: Float[Array, "levels parts blocks"]
    open: Bool[Array, " levels"]


class Closing(NamedTuple):
    """How many times the noise closes a gap, and up to where the gap was seen; NaN if the former is not found."""

    met: Float[Array, ""]
    seen: Float[Array, ""]


@partial(jax.jit, compiler_options=quick_options())
def closing_noise(
    profile: Profile, ends: tuple[Float[Array, ""], Float[Array, ""]], sharp: Float[Array, ""]
) -> Closing:
    """How many times the noise it takes until the gap is closed that is between these ends without noise.

    It closes where the edges of two bulks meet; or where one comes to the end of the gap that is sharp, if one is, else
    NaN is given: a value that does not fluctuate, and has no part in the profile.
    """
    seen, gap = _followed(profile, ends)
    radii = jax.vmap(partial(_radius, profile, seen))(gap.levels, gap.resolvents)
    inmost = jnp.argmin(jnp.where(gap.open, radii, jnp.inf))
    met = _meeting(profile, seen, gap.levels[inmost], gap.resolvents[inmost], ends, sharp)
    near = (met >= seen) & (met <= (1.0 + _MOST_MOVED) * seen)
    return Closing(jnp.where(near, met, jnp.nan), seen)


def _followed(profile: Profile, ends: tuple[Array, Array]) -> tuple[Float[Array, ""], Gap]:
    """The gap while the noise grows, by steps that are shorter where it is lost: up to its last noise."""
    least, most = ends
    levels = least + (most - least) * _SHARES
    nothing = jnp.zeros((3, len(profile.values)))
    bare = jax.vmap(partial(profile.right_side, nothing, jnp.zeros_like(least)))(levels)

    def step(state: tuple[Array, Array, Array, Gap]) -> tuple[Array, Array, Array, Gap]:
        count, scale, ahead, gap = state
        low, high = (pick(jnp.where(gap.open, gap.levels, jnp.nan)) for pick in (jnp.nanmin, jnp.nanmax))
        # A gap moves while it shrinks, and its edges are between levels.
        margin = jnp.maximum(gap.levels[1] - gap.levels[0], 0.4 * (high - low))
        low, high = jnp.maximum(low - margin, least), jnp.minimum(high + margin, most)
        levels = low + (high - low) * _SHARES
        away = jnp.where(gap.open[None, :], jnp.abs(levels[:, None] - gap.levels[None, :]), jnp.inf)
        larger = scale + ahead
        resolvents = jax.vmap(partial(_solved, profile, larger))(levels, gap.resolvents[jnp.argmin(away, axis=1)])
        then = Gap(levels, resolvents, jax.vmap(partial(_is_open, profile, larger))(levels, resolvents))
        there = jnp.sum(then.open.astype(int)) >= _FEWEST
        gap = jax.tree.map(lambda new, old: jnp.where(there, new, old), then, gap)
        return count + 1, jnp.where(there, larger, scale), jnp.where(there, _LONGER, _SHORTER) * ahead, gap

    def goes_on(state: tuple[Array, Array, Array, Gap]) -> Array:
        count, scale, ahead, _ = state
        return (count < _STEPS) & (ahead > _LAST * scale)

    first = _FIRST * (most - least) ** 2 / jnp.max(profile.rows)
    start = jnp.array(0), jnp.zeros_like(least), first, Gap(levels, bare, jnp.ones(_LEVELS, dtype=bool))
    return jax.lax.while_loop(goes_on, step, start)[1::2]


def _solved(
    profile: Profile, scale: Float[Array, ""], level: Float[Array, ""], start: Float[Array, "parts blocks"]
) -> Float[Array, "parts blocks"]:
    """The resolvent by Newton's method."""

    def step(_: int | Array, found: Array) -> Array:
        off = found - profile.right_side(found, scale, level)
        slope = jnp.eye(found.size) - _slope(profile, scale, level, found)
        return found - jnp.linalg.solve(slope, off.ravel()).reshape(found.shape)

    return jax.lax.fori_loop(0, _NEWTON, step, start)


def _slope(
    profile: Profile, scale: Float[Array, ""], level: Float[Array, ""], found: Float[Array, "parts blocks"]
) -> Float[Array, "numbers numbers"]:
    """Derivative of the right side."""
    return jax.jacfwd(lambda flat: profile.right_side(flat.reshape(found.shape), scale, level).ravel())(found.ravel())


def _is_open(
    profile: Profile, scale: Float[Array, ""], level: Float[Array, ""], found: Float[Array, "parts blocks"]
) -> Bool[Array, ""]:
    """Whether the resolvent solves its equation, and is stable: then there is no value at the level."""
    off = jnp.max(jnp.abs(found - profile.right_side(found, scale, level)))
    return (off <= _EXACT * jnp.max(jnp.abs(found))) & (_radius(profile, scale, level, found) < 1.0)


def _radius(
    profile: Profile, scale: Float[Array, ""], level: Float[Array, ""], found: Float[Array, "parts blocks"]
) -> Float[Array, ""]:
    """Spectral radius of the right side's derivative, which takes positive matrices to such: by its leading vector."""
    slope = _slope(profile, scale, level, found)

    def squared(_: int | Array, power: Array) -> Array:
        power = power / jnp.max(jnp.abs(power))
        return power @ power

    unit = jnp.ones_like(found).at[2].set(0.0).ravel()
    leading = jax.lax.fori_loop(0, _SQUARINGS, squared, slope) @ unit
    return jnp.linalg.norm(slope @ leading) / jnp.linalg.norm(leading)


def _meeting(
    profile: Profile,
    scale: Float[Array, ""],
    level: Float[Array, ""],
    found: Float[Array, "parts blocks"],
    ends: tuple[Array, Array],
    sharp: Float[Array, ""],
) -> Float[Array, ""]:
    """The noise at which two edges are one, by Newton's method from near there: the equation is singular, and flat.

    One edge comes to a sharp end where it is singular there.

    Its unknowns are the resolvent, in units of the given one, and how far noise and level are from the given ones.
    """
    units = jnp.broadcast_to(jnp.max(jnp.abs(found), axis=0), found.shape).ravel()
    room = jnp.minimum(level - ends[0], ends[1] - level)
    count = found.size

    def residual(place: Array) -> Array:
        at = (scale * jnp.exp(place[count]), level + room * place[count + 1])
        resolvent = (units * place[:count]).reshape(found.shape)
        return place[:count] - profile.right_side(resolvent, *at).ravel() / units

    def slope(place: Array) -> Array:
        return jax.jacfwd(residual)(place)[:, :count]

    start = jnp.append(found.ravel() / units, jnp.zeros(2))
    left, _, right = jnp.linalg.svd(slope(start))

    def singular(place: Array) -> tuple[Array, Array]:
        """Zero where the equation is singular, and the direction along which it is."""
        border = jnp.append(right[-1], 0.0)
        matrix = jnp.concatenate([jnp.column_stack([slope(place), left[:, -1]]), border[None, :]])
        solved = jnp.linalg.solve(matrix, jnp.zeros(count + 1).at[count].set(1.0))
        return solved[count], solved[:count]

    def conditions(place: Array) -> Array:
        value, along = singular(place)
        flat = jax.jvp(lambda at: singular(at)[0], (place,), (jnp.append(along, jnp.zeros(2)),))[1]
        last = jnp.where(jnp.isnan(sharp), flat, (level - sharp) / room + place[count + 1])
        return jnp.concatenate([residual(place), jnp.stack([value, last])])

    def step(_: int | Array, place: Array) -> Array:
        return place - jnp.linalg.solve(jax.jacfwd(conditions)(place), conditions(place))

    place = jax.lax.fori_loop(0, _NEWTON, step, start)
    solved = jnp.max(jnp.abs(conditions(place))) <= _MET
    return jnp.where(solved, scale * jnp.exp(place[count]), jnp.nan)
