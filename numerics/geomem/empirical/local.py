"""Local scores: every pixel is denoised from the patch around it, by a Gibbs average over the patches of a data set.

What convolutional networks are close to (arXiv:2412.20292). A pass over the images, as for the empirical score: all
squared differences of a probe and the images at one relative shift, summed over patches, are weights of all pixels.
Equations: `geomem_theory`, chapter `empirical`, with patches for samples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.tree_util import Partial
from jaxtyping import Array, Float, Int

from geomem.core.arguments import Numbers, check_columns, positive_noise_variances
from geomem.core.images import checked_images, checked_side, image_shape, is_periodic
from geomem.core.kinds import refuse_beyond_memory
from geomem.core.status import InputError
from geomem.empirical.patch_sums import PatchContext, Patches, merge_patches, no_sums
from geomem.empirical.streaming import PassOptions, fold_samples
from geomem.empirical.sums import Sums
from geomem.lowering import lower

_log_partition = jnp.vectorize(lower("log_partition_of_sum"))
_score = jnp.vectorize(lower("empirical_score"))
_TILE_WEIGHTS = 1 << 16  # of all pixels, computed at once, of which a few tables should stay in the cache


class LocalGibbs(NamedTuple):
    """The Gibbs measure over patches from every pixel: noise variances, probes, height, width in shape.

    `log_partition` is ln of the sum of exp(-|P - P'|^2/2t) over patches, `participation` the sum of the squared
    weights; the nearest patch is that of image `nearest_index` around pixel (`nearest_row`, `nearest_column`), at
    `nearest_distance`.
    """

    log_partition: Float[Array, "..."]
    participation: Float[Array, "..."]
    nearest_distance: Float[Array, "..."]
    nearest_index: Int[Array, "..."]
    nearest_row: Int[Array, "..."]
    nearest_column: Int[Array, "..."]


def local_score(
    x: Numbers,
    images: Numbers,
    noise_variance: Numbers,
    *,
    patch_size: int | Sequence[int],
    equivariant: bool = True,
    boundary: str = "zero",
    chunk_size: int | None = None,
    checkpoint: str | Path | None = None,
    mesh: Mesh | None = None,
) -> Float[Array, "..."]:
    """The local empirical score of noised images: s_i = (sum_mu w_mu(P_i) y_mu - x_i)/t at every pixel i.

    The weights w_mu are those of the patches of the images, as seen from the patch P_i of the probe around pixel i:
    exp(-|P_i - P_mu|^2/2t) over their sum, y_mu being the pixel that the patch is around.

    Args:
        x: noised images, (probes, height, width) or (probes, height, width, channels), in the images' units.
        images: the data set, (samples, height, width) or with channels last. If equivariant one image is enough.
        noise_variance: one noise variance t or a list of them, in squared units of the pixels.
        patch_size: side of the patches in pixels, or one for each noise variance. One of even size reaches a pixel
            farther up and left of its own than down and right.
        equivariant: whether patches around all pixels of an image are compared with (as a network without attention
            does), or only those around the same pixel.
        boundary: `zero`: what is beyond the border is no pixel, and seen as such: a patch that reaches over it is
            compared with those that reach over it equally. `periodic`: images go on at the opposite border.
        chunk_size, checkpoint, mesh: as for `gibbs`.

    Returns:
        Scores, (noise variances, probes, height, width), with the channels if there are any; without the first axis for
        a single noise variance. The cost grows as probes x images x pixels^2, whatever the patches. Source:
        arXiv:2412.20292.

    Raises:
        InputError: for images or probes that are none, of other sizes or not finite, a patch larger than the images, an
            unknown boundary, or as `gibbs`.
    """
    given = _Given.of(x, images, noise_variance, patch_size, equivariant, boundary)
    return given.scores(given.sums(PassOptions(chunk_size, checkpoint, mesh)))


def local_gibbs(
    x: Numbers,
    images: Numbers,
    noise_variance: Numbers,
    *,
    patch_size: int | Sequence[int],
    equivariant: bool = True,
    boundary: str = "zero",
    chunk_size: int | None = None,
    checkpoint: str | Path | None = None,
    mesh: Mesh | None = None,
) -> LocalGibbs:
    """The Gibbs measures over patches that `local_score` averages with; arguments and errors are the same."""
    given = _Given.of(x, images, noise_variance, patch_size, equivariant, boundary)
    return given.gibbs(given.sums(PassOptions(chunk_size, checkpoint, mesh)))


def local_score_and_gibbs(
    x: Numbers,
    images: Numbers,
    noise_variance: Numbers,
    *,
    patch_size: int | Sequence[int],
    equivariant: bool = True,
    boundary: str = "zero",
) -> tuple[Float[Array, "..."], LocalGibbs]:
    """What `local_score` and `local_gibbs` give, by one pass; arguments and errors are the same."""
    given = _Given.of(x, images, noise_variance, patch_size, equivariant, boundary)
    sums = given.sums(PassOptions())
    return given.scores(sums), given.gibbs(sums)


def local_score_of(
    images: Numbers, *, patch_size: int, equivariant: bool = True, boundary: str = "zero"
) -> Callable[..., Float[Array, "points dims"]]:
    """The local score of images in memory as a function of flat points and a noise variance, as `score_of`.

    Arguments and errors as for `local_score`; points (n, dims) are flattened images. It is traceable and
    differentiable: for `measure_spectrum`, `generate`, `score_distance`.
    """
    rows = checked_images(images, least=1 if equivariant else 2)
    patches = Patches(image_shape(rows), (checked_side(patch_size, rows),), bool(equivariant), is_periodic(boundary))
    return Partial(_Score(patches), jnp.asarray(rows.reshape(len(rows), -1)))


@dataclass(frozen=True)
class _Given:
    """Checked arguments of a pass."""

    times: Float[np.ndarray, " levels"]
    x: Float[np.ndarray, "probes height width channels"]
    images: Float[np.ndarray, "samples height width channels"]
    patches: Patches
    result_shape: tuple[int, ...]
    of_pixels: tuple[int, ...]  # the axis of the channels, if the images have one

    @staticmethod
    def of(
        x: Numbers, images: Numbers, noise_variance: Numbers, patch_size: int | Sequence[int], equivariant: bool,
        boundary: str,
    ) -> "_Given":  # fmt: skip
        rows = checked_images(images, least=1 if equivariant else 2)
        probes = checked_images(x, "probes")
        times = positive_noise_variances(noise_variance)
        if times.ndim > 1:
            raise InputError(f"the noise variances have shape {times.shape}; they must be a number or a list")
        if np.ndim(x) != np.ndim(images) or probes.shape[1:] != rows.shape[1:]:
            raise InputError(
                f"the probes have shape {np.shape(x)} and the images {np.shape(images)}; but for their numbers they "
                "must be the same"
            )
        flat = times.ravel()
        sizes = patch_size if isinstance(patch_size, (Sequence, np.ndarray)) else [patch_size] * len(flat)
        if len(sizes) != len(flat):
            raise InputError(f"there are {len(sizes)} patch sizes and {len(flat)} noise variances; give one for each")
        shape = image_shape(rows)
        patches = Patches(
            shape, tuple(checked_side(one, rows) for one in sizes), bool(equivariant), is_periodic(boundary)
        )
        pixels = float(len(flat)) * probes.size
        refuse_beyond_memory(4 * pixels, "the sums of all pixels")
        result = times.shape + probes.shape[:3]
        return _Given(flat, probes, rows, patches, result, shape[2:] if np.ndim(images) == 4 else ())

    def sums(self, options: PassOptions) -> Sums:
        """The sums over all patches, (levels, probes x pixels)."""
        height, width, channels = self.patches.shape
        pixels = height * width
        shape = (len(self.times), len(self.x) * pixels)
        zero = no_sums(shape, channels)
        context = PatchContext(
            jnp.asarray(self.times),
            jnp.asarray(self.x),
            np.array(self.patches.sizes),
            np.array([self.patches.equivariant, self.patches.periodic], dtype=int),
        )
        together = max(map(self.patches.sizes.count, self.patches.sizes))  # noise variances, of patches of one size
        tile = int(np.clip(_TILE_WEIGHTS // (together * pixels), 8, 4096))
        data = self.images.reshape(len(self.images), -1)
        return fold_samples(self.patches, merge_patches, context, zero, data, pixels * channels, tile, options)

    def scores(self, sums: Sums) -> Float[Array, "..."]:
        pixels = jnp.asarray(self.x).reshape(1, -1, self.patches.shape[2])
        scores = _score(self.times[:, None, None], sums.weighted / sums.total[:, :, None], pixels)
        return scores.reshape(self.result_shape + self.of_pixels)

    def gibbs(self, sums: Sums) -> LocalGibbs:
        height, width, _ = self.patches.shape
        place = sums.index % (height * width)
        fields = (
            _log_partition(self.times[:, None], sums.total, sums.nearest),
            sums.squares / sums.total**2,
            jnp.sqrt(sums.nearest),
            sums.index // (height * width),
            place // width,
            place % width,
        )
        return LocalGibbs(*(field.reshape(self.result_shape) for field in fields))


@dataclass(frozen=True)
class _Score:
    """The local score as a function of flat images, flat points and a noise variance."""

    patches: Patches

    def __call__(self, images: Array, x: Array | np.ndarray, noise_variance: Array | float) -> Array:
        x = jnp.asarray(x, dtype=float)
        check_columns(x, prod(self.patches.shape))
        return _flat_score(self.patches, images, x, jnp.asarray(noise_variance, dtype=float))


@partial(jax.jit, static_argnums=0)
def _flat_score(patches: Patches, images: Array, x: Array, time: Array) -> Array:
    height, width, channels = patches.shape
    probes = x.reshape(-1, *patches.shape)
    tile = int(np.clip(_TILE_WEIGHTS // (height * width), 8, len(images)))
    beyond = -len(images) % tile
    filled = jnp.pad(images, ((0, beyond), (0, 0))).reshape(-1, tile, images.shape[1])
    index = jnp.pad(jnp.arange(len(images)), (0, beyond), constant_values=-1).reshape(-1, tile)
    context = PatchContext(time[None], probes, np.array(patches.sizes), np.zeros(2, dtype=int))
    nothing = no_sums((1, len(probes) * height * width), channels)
    sums, _ = jax.lax.scan(lambda sums, part: (patches(context, sums, *part), None), nothing, (filled, index))
    return _score(time, (sums.weighted / sums.total[:, :, None]).reshape(x.shape), x)
