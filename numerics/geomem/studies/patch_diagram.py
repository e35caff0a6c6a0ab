"""Which patches copy at which noise variance, and how many images it takes that they do not.

Equations: `geomem_theory`, chapter `local_scores`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from geomem.boundaries.principal import jackknife
from geomem.boundaries.principal_sizes import BEYOND
from geomem.boundaries.size_scan import LARGEST_LOG_SIZE
from geomem.core.arguments import (
    Numbers,
    check_key,
    float_array,
    listed_noise_variances,
    refuse_unless,
    whole_number,
)
from geomem.core.crossing import level_crossing
from geomem.core.images import checked_images, checked_sides, is_periodic
from geomem.core.progress import bar
from geomem.core.provenance import digest, key_record, provenance
from geomem.core.results import described, noise_axis, status_attributes
from geomem.core.status import InputError, Status
from geomem.laws.probe import Probe
from geomem.levels.quenched import quenched
from geomem.lowering import lower
from geomem.studies.patch_law import Images, PatchLaw, Pixel, Window, law_in_window

_image_log_size = jnp.vectorize(lower("image_log_size"))
_bits = jnp.vectorize(lower("information_in_bits"))
_balance = jnp.vectorize(lower("participation_balance"))
_SCAN = 48  # sizes at which the participation is known, between which it is smooth
_HELD_OUT = 5  # a part of so many of the images, at most
NAMES = ("log_critical_size", "log_critical_size_error", "status", "log_collapse_size", "information", "participation",
         "signal_to_noise")  # fmt: skip


def patch_diagram(
    images: Numbers,
    *,
    patch_sizes: Numbers,
    noise_variance: Numbers,
    num_images: Numbers | None = None,
    pixel: Pixel | None = None,
    boundary: str = "zero",
    family: str = "gaussian",
    num_points: int = 16,
    key: Array,
) -> xr.Dataset:
    """Where a local score copies single patches: critical numbers of images over patch size and noise variance.

    A patch of a fresh noised image copies where the Gibbs measure over the patches of N images has a participation
    above one half: two draws of the weights are then more often one patch than not. It is exact at every number of
    patches, for independent ones; the collapse condition, that the information of a noisy patch about the clean one is
    the logarithm of the number of patches, is its limit of many pixels, and given beside it.

    Args:
        images: the data set, (samples, height, width) or with channels last, two at least.
        patch_sizes: sides of patches in pixels, rising.
        noise_variance: noise variances t, in squared units of the pixels.
        num_images: numbers of images N to look at; by default that of the images.
        pixel, boundary, family: as for `patch_law`.
        num_points: noised patches that averages are over, of held-out images: a fifth of the images at most.
        key: for the points and their noise, and for the law.

    Returns:
        A data set over `patch_size`, `noise_variance` and `num_images` with

        - `log_critical_size` (patch_size, noise_variance): ln of the number of images below which patches copy, with
          its standard error over the points, and `status`: NO_TRANSITION and minus infinity where two patches are
          enough not to, OUT_OF_VALIDITY where 1e15 are too few, and it is infinite, or beyond what a pool tells;
        - `information` and `information_bits` (patch_size, noise_variance) of a noisy patch about the clean one, and
          `log_collapse_size`, ln of the number of images whose patches it tells apart; NaN for a pool;
        - `participation` and `signal_to_noise` (patch_size, noise_variance, num_images) of the scored pixel's score at
          so many images;
        - `largest_patch` (num_images, noise_variance): the largest patch that does not copy, between the patch sizes
          by a line in ln N; 0 where the smallest copies, infinite where the largest does not.

        Source: `geomem_theory`, chapter `local_scores`, and level `finite_n`.

    Raises:
        InputError: as `patch_law`, for patch sizes that do not rise, or numbers that are none.
    """
    rows, periodic = checked_images(images, least=2 if pixel is None else 4), is_periodic(boundary)
    sides = checked_sides(patch_sizes, rows)
    times = listed_noise_variances(noise_variance)
    counts = np.atleast_1d(
        np.asarray(float_array(len(rows) if num_images is None else num_images, "num_images"), dtype=float)
    )
    if counts.ndim != 1:
        raise InputError(f"the numbers of images have shape {counts.shape}; they must be a list")
    refuse_unless(counts, np.isfinite(counts) & (counts >= 1), "number of images", "they must be finite and at least 1")
    points = whole_number(num_points, "num_points", 2)
    check_key(key)
    of_images, *keys = jax.random.split(key, 1 + len(sides))
    order = np.asarray(jax.random.permutation(of_images, len(rows)))
    held = max(min(points, len(rows) // _HELD_OUT), 1)
    widest = Window.of(rows, sides[-1], pixel, periodic).dims
    found: dict[str, list[np.ndarray]] = {name: [] for name in NAMES}
    with bar("patch sizes", len(sides)) as report:
        for place, (side, own) in enumerate(zip(sides, keys, strict=True)):
            of_law, of_points, of_noise = jax.random.split(own, 3)
            window = Window.of(rows, side, pixel, periodic, widest)
            patches = law_in_window(window, rows[np.sort(order[held:])], family, of_law)
            fresh = _fresh(window, rows[order[:held]], points, of_points)
            for name, values in _of_patch(patches, Probe.noised(fresh, key=of_noise), times, counts).items():
                found[name].append(values)
            report(place + 1)
    record: dict[str, object] = {
        "images_sha256": digest(rows),
        "images": len(rows),
        "pixel": None if pixel is None else list(pixel),
    }
    record |= {"boundary": boundary, "family": family, "num_points": points, "key": key_record(key)}
    return _data_set({name: np.stack(each) for name, each in found.items()}, sides, times, counts, record)


def _fresh(window: Window, images: Images, count: int, key: Array) -> Float[np.ndarray, "points dims"]:
    """Patches of the images in turn, at places that are drawn."""
    places = np.asarray(jax.random.randint(key, (count,), 0, window.positions))
    return window.cut(images, np.arange(count) % len(images) * window.positions + places)


def _of_patch(
    patches: PatchLaw, probe: Probe, times: Float[np.ndarray, " times"], counts: Float[np.ndarray, " counts"]
) -> dict[str, np.ndarray]:
    """What is found of one patch size."""
    law, directions = patches.law, patches.directions
    ends = np.log(2.0), min(LARGEST_LOG_SIZE, np.log(law.largest_size) + BEYOND)
    scan, sizes = np.linspace(*ends, _SCAN), np.maximum(patches.log_num_samples(counts), np.log(2.0))
    both = np.concatenate([scan, sizes])
    at = quenched(law, directions, noise_variance=times, log_num_samples=both, probe=probe)
    participation = np.asarray(at.participation)[:, 0]  # the weights are the same along all directions
    balance = np.asarray(_balance(_with_one_less(participation[:, :, :_SCAN])))
    logs = np.array([[level_crossing(scan, row, 0.0, smooth=True) for row in rows] for rows in balance])
    status = np.select(
        [logs[0] == -np.inf, np.isnan(logs[0]), logs[0] > np.log(law.largest_size), logs[0] == np.inf],
        [Status.NO_TRANSITION, Status.NOT_CONVERGED, Status.OUT_OF_VALIDITY, Status.OUT_OF_VALIDITY],
        Status.CONVERGED,
    )
    with np.errstate(invalid="ignore"):  # where there is none
        error = jackknife(logs[1:])
    # Means over points and channels.
    signal, noise = np.asarray(at.score_mean) ** 2, np.asarray(at.score_variance)
    mean, variance = (one[:, :, :, _SCAN:].mean(axis=(0, 1)) for one in (signal, noise))
    information = np.full(len(times), np.nan)
    if "typical_sizes" in law.knows:
        information = np.array([float(law.typical_sizes(jnp.asarray(time)).collapse) for time in times])
    positions = float(patches.positions)
    return {
        "log_critical_size": np.asarray(_image_log_size(logs[0], positions)),
        "log_critical_size_error": error,
        "status": status.astype(np.int8),
        "log_collapse_size": np.asarray(_image_log_size(information, positions)),
        "information": information,
        "participation": participation[:, :, _SCAN:].mean(axis=0),
        "signal_to_noise": mean / variance,
    }


def _data_set(
    found: dict[str, np.ndarray],
    sides: list[int],
    times: Float[np.ndarray, " times"],
    counts: Float[np.ndarray, " counts"],
    record: dict[str, object],
) -> xr.Dataset:
    plane, whole = ("patch_size", "noise_variance"), ("patch_size", "noise_variance", "num_images")
    log_size = "ln of the number of images below which patches copy"
    bits = np.asarray(_bits(found["information"]))
    data = {
        "log_critical_size": (plane, found["log_critical_size"], described(f"{log_size}, by participation 1/2", "1")),
        "log_critical_size_error": (plane, found["log_critical_size_error"], described("standard error", "1")),
        "status": (plane, found["status"], status_attributes()),
        "log_collapse_size": (plane, found["log_collapse_size"], described(f"{log_size}, by the collapse", "1")),
        "information": (plane, found["information"], described("information of a noisy patch", "nats")),
        "information_bits": (plane, bits, described("information of a noisy patch", "bits")),
        "participation": (whole, found["participation"], described("sum of squared weights of patches", "1")),
        "signal_to_noise": (whole, found["signal_to_noise"], described("of the score of a pixel", "1")),
        "largest_patch": (
            ("num_images", "noise_variance"),
            np.array(
                [[_largest(sides, each, np.log(count)) for each in found["log_critical_size"].T] for count in counts]
            ),
            described("side of the largest patch that does not copy", "pixels"),
        ),
    }
    coordinates = noise_axis(times) | {
        "patch_size": ("patch_size", sides, described("side of the patches", "pixels")),
        "num_images": ("num_images", counts, described("number of images", "1")),
    }
    return xr.Dataset(data, coordinates, {"provenance": provenance(record)})


def _with_one_less(rows: Float[np.ndarray, "points times sizes"]) -> Float[np.ndarray, "groups times sizes"]:
    """Means over all points, and over all but one of them."""
    total = rows.sum(axis=0)
    return np.concatenate([total[None] / len(rows), (total[None] - rows) / (len(rows) - 1)])


def _largest(sides: list[int], log_sizes: Float[np.ndarray, " sides"], log_count: float) -> float:
    """Where the critical size rises above that of the images, as a patch size."""
    place = level_crossing(np.array(sides, dtype=float), log_sizes, log_count)
    return 0.0 if place == -np.inf else place
