"""`geomem local`: which patches of images copy at which noise variance, and what one image looks like by them."""

import math
from typing import TYPE_CHECKING, Annotated, Literal

from geomem.cli.options import ClockInput
from geomem.cli.output import OutputOptions, Several, Whole
from geomem.cli.ranges import check_noise_range
from geomem.cli.tables import print_rows, readings, write
from geomem.core.status import InputError, Status
from geomem.files.writing import netcdf_writer, or_none

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

_DEFAULT_SIZES = (3, 5, 7)
_DECADES, _LEVELS = (-2.5, 1.0), 8  # of the variance of a pixel
_MOST_LEVELS = 1000
_PICTURES = 4  # noise variances at which an image is shown


def local(
    *,
    data: str,
    patch_sizes: Annotated[tuple[Whole, ...], Several] = _DEFAULT_SIZES,
    noise_variances: tuple[float, float, float] | None = None,
    num_images: Annotated[tuple[float, ...] | None, Several] = None,
    law: Literal["gaussian", "mixture", "pool", "auto"] = "gaussian",
    boundary: Literal["zero", "periodic"] = "zero",
    num_points: Whole = 16,
    clock: ClockInput = ClockInput(),
    output: OutputOptions = OutputOptions(),
) -> None:
    """Where scores of convolutional networks copy: patches of images against noise variance and number of images.

    Such a network denoises a pixel from the patch around it, and early in training is close to the local empirical
    score, an average over all patches of the images. Writes local.nc, .png and .pdf: below how many images patches of
    every size copy single ones, and the largest that does not; and local_pictures.nc, .png and .pdf: one of the images
    with noise, denoised by the patches of all others and by whole images. Prints the critical numbers of images.

    Parameters
    ----------
    data
        Images: digits, patches[:8|:16][:colour][:china|:flower][:NUMBER], a folder of .png and .jpg files, IDX and
        CIFAR files, or an array of images (.npy, .npz[:KEY], .nc[:VARIABLE]); pixels are mapped to -1 to 1.
    patch_sizes
        Sides of patches in pixels, rising.
    noise_variances
        Smallest and largest noise variance t, and how many [default: 8 from 0.003 to 10 times the variance of a pixel].
    num_images
        Numbers of images N to look at [default: those of the data].
    law
        Law of the patches: gaussian, of their covariance; mixture, of several; pool, the patches themselves; auto, a
        mixture if held-out patches gain by it.
    boundary
        What is beyond the border: zero, nothing, as the networks see it, or periodic, the opposite border.
    num_points
        Noised patches of held-out images that averages are over.
    """
    names = [f"{name}.{end}" for name in ("local", "local_pictures") for end in ("nc", "png", "pdf")]
    folder = output.folder(*names)
    schedule = clock.read()

    import jax
    import numpy as np

    from geomem.core.images import checked_sides
    from geomem.core.provenance import digest, extended
    from geomem.figures.local import local_figure, pictures_figure
    from geomem.figures.style import figure_writers
    from geomem.files.images import load_images
    from geomem.schedules.clock import on_schedule
    from geomem.studies.patch_diagram import patch_diagram
    from geomem.studies.patch_pictures import denoised_pictures

    images = load_images(data)
    sides = checked_sides(patch_sizes, images)
    times = _times(noise_variances, float(images.var(dtype=float)))
    inputs: dict[str, object] = {"command": "local", "data": data, "data_sha256": digest(images), "patch_sizes": sides}
    inputs |= {"noise_variances": times.tolist(), "asked_images": None if num_images is None else list(num_images)}
    inputs |= {"law": law, "boundary": boundary, "num_points": num_points, "seed": output.seed}
    inputs |= {"schedule": None} if schedule is None else schedule.record
    output.refuse_other_run(names, inputs)
    of_diagram, of_image, of_noise = jax.random.split(jax.random.key(output.seed), 3)
    diagram = patch_diagram(
        images,
        patch_sizes=sides,
        noise_variance=times,
        num_images=num_images,
        boundary=boundary,
        family=law,
        num_points=num_points,
        key=of_diagram,
    )
    shown = times[np.linspace(0, len(times) - 1, min(_PICTURES, len(times))).round().astype(int)]
    place = int(jax.random.randint(of_image, (), 0, len(images)))
    pictures = denoised_pictures(images, place, sides, shown, boundary=boundary, key=of_noise)
    diagram.attrs["provenance"] = extended(diagram.attrs["provenance"], inputs)
    pictures.attrs["provenance"] = diagram.attrs["provenance"]
    if schedule is not None:
        diagram, pictures = on_schedule(diagram, schedule), on_schedule(pictures, schedule)
    writers = {}
    for name, results, figure in (
        ("local", diagram, local_figure(diagram)),
        ("local_pictures", pictures, pictures_figure(pictures)),
    ):
        writers |= {folder / f"{name}.nc": netcdf_writer(results)} | figure_writers(figure, folder / name)
    write(writers)
    counts = ", ".join(f"{count:.6g}" for count in diagram.num_images.values)
    print_rows(_rows(diagram), f"copying by participation, law {law}, N = {counts}{clock.title}", output.json)


def _rows(diagram: "xr.Dataset") -> list[dict[str, object]]:
    """A row for every patch size and noise variance; what is said of N is said of the last one."""
    rows: list[dict[str, object]] = []
    for size in range(diagram.sizes["patch_size"]):
        for level in range(diagram.sizes["noise_variance"]):
            at = diagram.isel(patch_size=size, noise_variance=level, num_images=-1)
            with_value = math.isfinite(float(at.log_critical_size))
            rows.append(
                {
                    "patch_size": int(at.patch_size),
                    "noise_variance": float(at.noise_variance),
                    **readings(at, "time_on_schedule", "step"),
                    "critical_images": math.exp(float(at.log_critical_size)) if with_value else None,
                    "log_critical_images_error": or_none(float(at.log_critical_size_error)),
                    "information_bits": or_none(float(at.information_bits)),
                    "patch_participation": or_none(float(at.participation)),
                    "status": Status(int(at.status)).name,
                }
            )
    return rows


def _times(given: tuple[float, float, float] | None, variance: float) -> "np.ndarray":
    """The noise variances that are asked for."""
    import numpy as np

    if given is None:
        if not variance > 0:
            raise InputError("all pixels of the images are the same; there is no law to tell of")
        return variance * np.logspace(*_DECADES, _LEVELS)
    check_noise_range(given, _MOST_LEVELS)
    low, high, count = given
    return np.geomspace(low, high, int(count))
