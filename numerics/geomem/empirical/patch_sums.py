"""Sums over the patches of images of their Gibbs weights, seen from every pixel of a probe: one tile of a pass.

All squared differences of a probe and images at one relative shift, summed over patches by a product with a matrix of
ones and zeros, are the distances of all pixels; no distance is one of products, so that none is in doubt.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from geomem.empirical.sums import Sums, first_at, merge, relative_log_weight, with_tile

_OVERHEAD = 8  # of a step, in pixels


class PatchContext(NamedTuple):
    """Probes at noise variances, and what tells a pass over patches from others."""

    times: Float[Array, " levels"]
    x: Float[Array, "probes height width channels"]
    sizes: Int[np.ndarray, " levels"]  # of the patches
    flags: Int[np.ndarray, "2"]  # equivariant, periodic


@dataclass(frozen=True)
class Patches:
    """How patches are cut and compared; as a step of a pass it adds a tile of images to the sums of every pixel."""

    shape: tuple[int, int, int]  # height, width, channels
    sizes: tuple[int, ...]  # of every noise variance
    equivariant: bool
    periodic: bool

    def __call__(self, context: PatchContext, sums: Sums, samples: Array, index: Array) -> Sums:
        images = samples.reshape(-1, *self.shape)
        pixels = self.shape[0] * self.shape[1]
        probes, levels = len(context.x), len(context.times)

        def of_probe(probe: tuple[Array, Sums]) -> Sums:
            x, own = probe
            return self._added(context.times, x, own, images, index)

        apart = jax.tree.map(
            lambda leaf: jnp.moveaxis(leaf.reshape(levels, probes, pixels, *leaf.shape[2:]), 1, 0), sums
        )
        added = jax.lax.map(of_probe, (context.x, apart))
        return jax.tree.map(lambda leaf, old: jnp.moveaxis(leaf, 0, 1).reshape(old.shape), added, sums)

    def _added(self, times: Array, x: Array, sums: Sums, images: Array, index: Array) -> Sums:
        """Sums (levels, pixels) of one probe with those of a tile of images."""
        for size in dict.fromkeys(self.sizes):
            levels = np.flatnonzero(np.array(self.sizes) == size)
            own = Sums(*(leaf[levels] for leaf in sums))
            own = self._of_size(times[levels], x, own, images, index, size)
            sums = Sums(*(leaf.at[levels].set(new) for leaf, new in zip(sums, own, strict=True)))
        return sums

    def _of_size(self, times: Array, x: Array, sums: Sums, images: Array, index: Array, size: int) -> Sums:
        """The same of patches of one size, shift by shift."""
        height, width, channels = self.shape
        windows = [jnp.asarray(self._window(length, size)) for length in (height, width)]
        steps, pixels = self._steps(size), height * width
        everywhere = steps.pixels.shape[1] == pixels

        def at(leaf: Array, place: Array | np.ndarray) -> Array:
            """Of these pixels, on the second axis."""
            return leaf if everywhere else leaf[:, place]

        def add(sums: Sums, step: _Steps) -> tuple[Sums, None]:
            moved = jnp.roll(jnp.roll(images, -step.down, axis=1), -step.right, axis=2)  # at i the image's i + shift
            squares = jnp.sum((x[None] - moved) ** 2, axis=3)
            over = jnp.einsum("ih,nhw,jw->nij", windows[0], squares, windows[1]).reshape(len(images), pixels)
            # What is filled up with is no pixel, and is dropped where sums are set.
            known = (index >= 0)[:, None] & (step.pixels < pixels)[None, :]
            distances = jnp.where(known, at(over, step.pixels), jnp.inf)
            before = jax.tree.map(lambda leaf: at(leaf, step.pixels), sums)
            least = jnp.min(distances, axis=0)[None]
            nearest = jnp.minimum(before.nearest, jax.lax.stop_gradient(least))
            safe = jnp.where(jnp.isfinite(nearest), nearest, 0.0)
            weights = jnp.exp(relative_log_weight(times[:, None, None], distances[None], safe[:, None, :]))
            closer = least < before.nearest
            rows, columns = step.pixels // width + step.down, step.pixels % width + step.right
            source = rows % height * width + columns % width

            def first() -> Array:
                return first_at(distances.T[None], least, index) * pixels + source[None, :]

            found = jax.lax.cond(closer.any(), first, lambda: jnp.full(least.shape, -1))
            values = at(moved.reshape(len(images), pixels, channels), step.pixels)
            weighted = [jnp.sum(weights * values[None, :, :, channel], axis=1) for channel in range(channels)]
            sums_of_tile = jnp.sum(weights, axis=1), jnp.sum(weights**2, axis=1), jnp.stack(weighted, axis=-1)
            tile = Sums(nearest, jnp.where(closer, found, before.index), *sums_of_tile)
            after = with_tile(times, before, tile)
            if everywhere:
                return after, None
            return jax.tree.map(lambda leaf, new: leaf.at[:, step.pixels].set(new, mode="drop"), sums, after), None

        return jax.lax.scan(add, sums, jax.tree.map(jnp.asarray, steps))[0]

    def _steps(self, size: int) -> "_Steps":
        """All relative shifts, and at each the pixels whose patches are compared with those so far away.

        A patch that reaches over a border is compared along it alone, which makes large patches quick: a shift has few
        pixels, and one of many is made in several steps, so that all have about as many.
        """
        along = [self._alike(length, size) for length in self.shape[:2]]
        places = (along[0][:, None, :, None] & along[1][None, :, None, :]).reshape(
            len(along[0]) * len(along[1]), self.shape[0] * self.shape[1]
        )
        counts = places.sum(axis=1)
        most = np.arange(1, counts.max() + 1)
        steps = -(-counts[None, :] // most[:, None]).sum(axis=1)
        at_once = int(most[np.argmin(steps * (most + _OVERHEAD))])
        shift, pixels = [], []
        for number, row in enumerate(places):
            own = np.flatnonzero(row)
            own = np.pad(own, (0, -len(own) % at_once), constant_values=row.size).reshape(-1, at_once)
            pixels.append(own)
            shift.append(np.full(len(own), number))
        down, right = np.divmod(np.concatenate(shift), len(along[1]))
        return _Steps(down, right, np.concatenate(pixels))

    def _alike(self, length: int, size: int) -> Bool[np.ndarray, "shifts length"]:
        """Whether a patch along an axis is compared with that so far away."""
        place = np.arange(length)
        if not self.equivariant:
            return np.ones((1, length), dtype=bool)
        if self.periodic:
            return np.ones((length, length), dtype=bool)
        inside = (place >= size // 2) & (place + (size - 1) // 2 < length)
        return (inside[None, :] & inside[(place[None, :] + place[:, None]) % length]) | (place[:, None] == 0)

    def _window(self, length: int, size: int) -> Float[np.ndarray, "length length"]:
        """Which pixels along one axis a patch around a pixel has."""
        away = np.arange(length)[None, :] - np.arange(length)[:, None]
        window = (away >= -(size // 2)) & (away <= (size - 1) // 2)
        if self.periodic:
            window = window | (away - length >= -(size // 2)) | (away + length <= (size - 1) // 2)
        return window.astype(float)


class _Steps(NamedTuple):
    """Shifts, and pixels at each: what is filled up with is beyond the last one."""

    down: Int[Array | np.ndarray, "*steps"]
    right: Int[Array | np.ndarray, "*steps"]
    pixels: Int[Array | np.ndarray, "*steps pixels"]


def merge_patches(context: PatchContext, one: Sums, other: Sums) -> Sums:
    """Sums over two sets of images."""
    return merge(context.times, one, other)


def no_sums(shape: tuple[int, int], channels: int) -> Sums:
    """Sums (levels, pixels) over no images."""
    nothing = jnp.zeros(shape)
    return Sums(jnp.full(shape, jnp.inf), jnp.full(shape, -1), nothing, nothing, jnp.zeros((*shape, channels)))
