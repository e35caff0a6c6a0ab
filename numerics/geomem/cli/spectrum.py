"""`geomem spectrum`: the empirical score's spectrum beside the theory."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from geomem.cli.options import ClockInput, ManifoldInput
from geomem.cli.output import OutputOptions, Whole
from geomem.cli.ranges import check_noise_range
from geomem.cli.tables import (
    block_row,
    json_text,
    print_table,
    range_row,
    readings,
    time_row,
    warn_of_wide_blocks,
    write,
)
from geomem.core.status import InputError
from geomem.files.writing import netcdf_writer, or_none, output_folder

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from jaxtyping import Array

    from geomem.laws.manifold import Manifold


def spectrum(
    *,
    manifold: ManifoldInput = ManifoldInput(),
    protocol: Literal["jacobian", "orthogonal_frame", "central_difference"] = "jacobian",
    noise_variances: tuple[float, float, float] | None = None,
    num_replicates: Whole = 1,
    checkpoint: Path | None = None,
    distributed: bool = False,
    clock: ClockInput = ClockInput(),
    output: OutputOptions = OutputOptions(),
) -> None:
    """Spectrum of the empirical score's Jacobian at the mean of the data, beside the theory.

    Writes spectrum.nc, .png and .pdf, and prints the dimension against the noise variance and the predicted
    critical time of every block; of blocks that group the spectrum of data also from when to when the directions
    in them are lost, each of which counts in the dimension with its own variance. Without --data the samples are
    drawn; of data, --num-samples are chosen. The theory is that of one Gaussian with the spectrum of the data, about
    its mean; phase-diagram has others.

    Parameters
    ----------
    protocol
        How the spectrum is taken.
    noise_variances
        Smallest and largest noise variance t, and how many [default: six in a decade, from 1e-3 to 10 times the largest
        variance, and to a factor 3 beyond every critical time].
    num_replicates
        Random frames of protocol orthogonal_frame.
    checkpoint
        A .npz file for the running sums of a long pass, to go on from after an interruption.
    distributed
        Share the samples among the processes that srun started.
    """
    names = ("spectrum.nc", "spectrum.png", "spectrum.pdf")
    folder = output.folder(*names)
    if noise_variances is not None:  # before anything is imported that is slow to import
        check_noise_range(noise_variances)

    from geomem.core.parallel import join_cluster, peers

    mesh = join_cluster() if distributed else None

    import jax
    import numpy as np

    from geomem.core.progress import progress
    from geomem.core.provenance import extended
    from geomem.empirical.scores import EmpiricalScore
    from geomem.empirical.spectrum import check_protocol
    from geomem.figures.spectrum import spectrum_figure
    from geomem.figures.style import figure_writers
    from geomem.schedules.clock import on_schedule
    from geomem.studies.spectrum import spectrum_study

    check_protocol(protocol, num_replicates)
    leads = jax.process_index() == 0
    law, num_samples, record, data, directions, *_ = manifold.read(aloud=leads)
    if num_samples != int(num_samples):
        raise InputError(f"--num-samples is {num_samples:g}; samples are whole")
    of_data, of_frames = jax.random.split(jax.random.key(output.seed))
    samples = _samples(law, data, int(num_samples), of_data)
    times = _listed(noise_variances, law.num_blocks)
    schedule = clock.read()
    inputs = record | law.record() | {"num_samples": int(num_samples), "protocol": protocol, "seed": output.seed}
    inputs |= {"noise_variances": None if times is None else times.tolist(), "num_replicates": num_replicates}
    inputs |= {"schedule": None} if schedule is None else schedule.record
    output.refuse_other_run(names, inputs)
    output_folder(folder)  # the checkpoint may be in it
    score = EmpiricalScore(samples, checkpoint=checkpoint, mesh=mesh)

    with peers(), progress(leads):
        study = spectrum_study(
            score,
            # Of normalized samples the theory is that of the origin, where all weights are equal.
            np.zeros(samples.shape[1]) if law.normalized else samples.mean(axis=0, dtype=float),
            law,
            noise_variance=times,
            num_samples=int(num_samples),
            protocol=protocol,
            key=of_frames,
            num_replicates=num_replicates,
            direction_variances=directions,
        )
    if not leads:
        return
    study.attrs["provenance"] = extended(study.attrs["provenance"], inputs)
    if schedule is not None:
        study = on_schedule(study, schedule)
    name = folder / "spectrum"
    write({name.with_suffix(".nc"): netcdf_writer(study)} | figure_writers(spectrum_figure(study), name))
    dimensions = [_dimension_row(study.isel(noise_variance=place)) for place in range(study.sizes["noise_variance"])]
    places = [study.isel(block=index) for index in range(law.num_blocks)]
    blocks = [block_row(law, index) | time_row(at) | range_row(at) for index, at in enumerate(places)]
    print_table(dimensions, f"{protocol.replace('_', ' ')}, N = {num_samples:.6g}{clock.title}", output.json)
    print_table(blocks, "predicted losses: signal to noise, level finite_n", output.json)
    if output.json:
        print(json_text({"dimensions": dimensions, "blocks": blocks}))
    if directions is not None:
        warn_of_wide_blocks(study, directions)


def _listed(given: tuple[float, float, float] | None, num_blocks: int) -> "np.ndarray | None":
    """The noise variances that are asked for, if there are any."""
    import numpy as np

    from geomem.core.kinds import refuse_beyond_memory

    if given is None:
        return None
    low, high, count = given
    refuse_beyond_memory(count * num_blocks, f"the averages at {count:g} noise variances")
    return np.geomspace(low, high, int(count))


def _samples(law: "Manifold", data: "np.ndarray | None", num_samples: int, key: "Array") -> "np.ndarray":
    """So many samples: drawn from the law, or chosen from the data, which are taken as they are if all are wanted."""
    import jax
    import numpy as np

    if data is None:
        return np.asarray(law.sample(key, num_samples))
    if num_samples > len(data):
        raise InputError(f"--num-samples is {num_samples}, but there are {len(data)} samples in the data")
    if num_samples == len(data):
        return data
    chosen = jax.random.choice(key, len(data), (num_samples,), replace=False)
    return data[np.sort(np.asarray(chosen, dtype=int))]


def _dimension_row(at: "xr.Dataset") -> dict[str, object]:
    """The study's row of one noise variance; a dimension that the spectrum leaves undecided is None."""
    population = float(at.population_gap_dimension)
    return {
        "noise_variance": float(at.noise_variance),
        **readings(at, "time_on_schedule", "step"),
        "gap": float(at.gap.mean()),
        "gap_dimension": or_none(float(at.gap_dimension.mean())),
        "participation": float(at.participation),
        "population_gap_dimension": int(population) if math.isfinite(population) else None,
        "resolved_dimension": or_none(float(at.resolved_dimension)),
    }
