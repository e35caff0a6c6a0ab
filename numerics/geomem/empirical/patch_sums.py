"""Sums over the patches of images of their Gibbs weights, seen from every pixel of a probe: one tile of a pass.

All squared differences of a probe and images at one relative shift, summed over patches by a product with a matrix of
ones and zeros, are the distances of all pixels; no distance is one of products, so that none is in doubt.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from geomem.empirical.sums import Sums, first_at, merge, relative_log_weight, with_tile


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
        """Sums (levels, pixels) of one probe with those of a tile of images, shift by shift."""
        height, width, channels = self.shape
        unlike = tuple(dict.fromkeys(self.sizes))
        of_level = np.array([unlike.index(size) for size in self.sizes])
        there = (index >= 0)[None, :, None]

        def add(sums: Sums, shift: Array) -> tuple[Sums, None]:
            moved = jnp.roll(images, -shift, axis=(1, 2))  # at pixel i the image's pixel i + shift
            squares = jnp.sum((x[None] - moved) ** 2, axis=3)
            table = jnp.stack([self._over_patches(squares, size, shift) for size in unlike])
            distances = jnp.where(there, table.reshape(len(unlike), len(images), -1), jnp.inf)[of_level]
            least = jnp.min(distances, axis=1)
            nearest = jnp.minimum(sums.nearest, jax.lax.stop_gradient(least))
            safe = jnp.where(jnp.isfinite(nearest), nearest, 0.0)
            weights = jnp.exp(relative_log_weight(times[:, None, None], distances, safe[:, None, :]))
            rows = jnp.arange(height)[:, None] + shift[0], jnp.arange(width)[None, :] + shift[1]
            place = (rows[0] % height * width + rows[1] % width).ravel()
            closer = least < sums.nearest
            pixels = jnp.moveaxis(moved.reshape(len(images), -1, channels), 0, 1)

            def first() -> Array:
                rows = first_at(jnp.swapaxes(distances, 1, 2), least, index)
                return rows * (height * width) + place[None, :]

            found = jax.lax.cond(closer.any(), first, lambda: jnp.full(least.shape, -1))
            weighted = jnp.einsum("lnp,pnc->lpc", weights, pixels)
            index_of_both = jnp.where(closer, found, sums.index)
            tile = Sums(nearest, index_of_both, jnp.sum(weights, axis=1), jnp.sum(weights**2, axis=1), weighted)
            return with_tile(times, sums, tile), None

        return jax.lax.scan(add, sums, jnp.asarray(self._shifts()))[0]

    def _shifts(self) -> Int[np.ndarray, "shifts 2"]:
        """Relative shifts that pair every pixel with every one of an image once; or with its own."""
        if not self.equivariant:
            return np.zeros((1, 2), dtype=int)
        return np.stack(np.meshgrid(*map(np.arange, self.shape[:2]), indexing="ij"), axis=-1).reshape(-1, 2)

    def _over_patches(self, squares: Array, size: int, shift: Array) -> Array:
        """Sums of squares (images, height, width) over patches; infinite where the two reach over different borders."""
        rows, columns = (jnp.asarray(self._window(length, size)) for length in self.shape[:2])
        sums = jnp.einsum("ih,nhw,jw->nij", rows, squares, columns)
        if self.periodic:
            return sums
        alike = []
        for length, by in zip(self.shape[:2], shift, strict=True):
            place = np.arange(length)
            inside = jnp.asarray((place >= size // 2) & (place + (size - 1) // 2 < length))
            alike.append((by == 0) | (inside & inside[(place + by) % length]))
        return jnp.where(alike[0][:, None] & alike[1][None, :], sums, jnp.inf)

    def _window(self, length: int, size: int) -> Float[np.ndarray, "length length"]:
        """Which pixels along one axis a patch around a pixel has."""
        away = np.arange(length)[None, :] - np.arange(length)[:, None]
        window = (away >= -(size // 2)) & (away <= (size - 1) // 2)
        if self.periodic:
            window = window | (away - length >= -(size // 2)) | (away + length <= (size - 1) // 2)
        return window.astype(float)


def merge_patches(context: PatchContext, one: Sums, other: Sums) -> Sums:
    """Sums over two sets of images."""
    return merge(context.times, one, other)


def no_sums(shape: tuple[int, int], channels: int) -> Sums:
    """Sums (levels, pixels) over no images."""
    nothing = jnp.zeros(shape)
    return Sums(jnp.full(shape, jnp.inf), jnp.full(shape, -1), nothing, nothing, jnp.zeros((*shape, channels)))
