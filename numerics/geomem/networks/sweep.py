"""Trained scores against theory: a sweep over data-set sizes and seeds, measured as the empirical score is."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from geomem.boundaries.critical import critical_time
from geomem.boundaries.phases import resolved_dimension
from geomem.boundaries.trajectories import trajectory_times
from geomem.core.opening import UNREADABLE, as_path
from geomem.core.progress import bar, say
from geomem.core.progress import progress as showing
from geomem.core.provenance import digest, extended, inputs_of, provenance
from geomem.core.results import SQUARED, Transition, described, status_attributes
from geomem.core.status import InputError
from geomem.empirical.memorization import effective_memorization, memorization_start
from geomem.empirical.scores import score_of
from geomem.files.checkpoint import first_difference
from geomem.files.writing import check_output, netcdf_writer, output_folder, write_whole
from geomem.laws.law import block_coordinates
from geomem.laws.setting import opening_time
from geomem.networks.config import config_record
from geomem.networks.cost import Cost, timed_over_sizes, timed_step
from geomem.networks.data_sets import TrainingSets, training_sets
from geomem.networks.experiment import Experiment
from geomem.networks.fates import loss_times, memorized_over_seeds
from geomem.networks.measures import Traceable, measure_flow, measure_spectra
from geomem.networks.training import train_group
from geomem.studies.spectrum import predicted_spectrum


def train_study(experiment: Experiment, directory: str | Path, *, progress: bool = True) -> xr.Dataset:
    """Train networks on data sets of several sizes and seeds, and measure them beside the empirical score.

    All networks are trained together. What is trained and measured is kept in the directory: a call with the same
    experiment goes on where the last one stopped.

    Returns:
        A data set over `num_samples`, `seed`, the training `step`, `noise_variance`, `index` and `block` with, of
        networks and, named `empirical_`, of the empirical score of the same data: `block_mean`, values of -tJ along
        the directions of a block, averaged over them and over training points, noised or not; `dimension`, the mean
        number of eigenvalues below one half there; `singular_value` and `gap_dimension` by the chosen protocol, the
        latter over points where it is decided (see `measure_spectrum`), and NaN without any, those of other protocols
        than `jacobian` at the training points themselves; `loss_time` and `loss_status` of every
        block (see `loss_times`). Of networks also, along their own probability flow over
        `flow_noise_variance`, `distance_to_empirical` and, where the data are a linear manifold,
        `distance_to_population` (see `score_distance`); of the samples it ends at `memorization_ratio` with its error,
        over `step` alone `effective_memorization` and over `num_samples` alone `memorization_start` (see the
        functions); `collapse_time`, the median over trajectories of the reverse SDE (see
        `collapse_of_trajectories`). Beside them the theory's `population_block_mean`,
        `resolved_dimension`, `critical_time` (by signal_to_noise, level finite_n), `opening_time` and, of all blocks
        together, `typical_collapse_time` (see `trajectory_times`). The history of training is `loss` and
        `held_out_loss`, over `history_step`. Noise variances are in squared units of the source, also where a table was
        scaled.

    Raises:
        InputError: if the directory holds another experiment, or as `training_sets` and `train_group`.
    """
    sets = training_sets(experiment.data, experiment.seeds, experiment.measures.num_blocks)
    folder = as_path(directory, "the directory")
    check_output(folder, ())
    members = [(size, place) for size in experiment.data.num_samples for place in range(len(experiment.seeds))]
    data = [sets.of_seed[place][:size] for size, place in members]
    keys = [jax.random.split(jax.random.key(experiment.seeds[place]), 3)[1:] for _, place in members]
    names = [f"the network of N = {size}, seed {experiment.seeds[place]}," for size, place in members]
    record = _record(experiment, sets)
    references = [score_of(rows) for rows in data]

    def measured(label: str, measure: Callable[[int], xr.Dataset]) -> xr.Dataset:
        parts = []
        with showing(progress), bar(f"measuring {label}", len(members)) as report:
            for member in range(len(members)):
                parts.append(measure(member))
                report(len(parts))
        return _gathered(parts, experiment)

    @cache  # two of them are measured to tell how long all take
    def of_data(member: int) -> xr.Dataset:
        return measure_spectra(references[member], data[member], sets, experiment.measures, keys[member][1])

    def of_network(score: Traceable, member: int) -> xr.Dataset:
        spectra = measure_spectra(score, data[member], sets, experiment.measures, keys[member][1])
        flow = measure_flow(score, references[member], data[member], sets, experiment, keys[member][1])
        return spectra.merge(flow)

    def cost() -> Cost:
        left = [step for step in experiment.steps if not (folder / f"step_{step}.nc").is_file()]
        sizes, of_step, of_measurements, of_data_left = [size for size, _ in members], 0.0, 0.0, 0.0
        if left:
            of_step, score = timed_step(experiment.training, data, jnp.stack([key for key, _ in keys]))
            of_measurements = len(left) * timed_over_sizes(partial(of_network, score), sizes)
        if not (folder / "empirical.nc").is_file():
            of_data_left = timed_over_sizes(of_data, sizes)
        steps = max(left, default=0) - _reached(folder / "training", max(left, default=0))
        return Cost(len(members), steps, of_step, len(left) * len(members), of_measurements, of_data_left)

    def of_networks(step: int) -> xr.Dataset:
        trained = train_group(
            replace(experiment.training, num_steps=step), data, [key for key, _ in keys],
            directory=_begun(folder / "training", step), held_out=[sets.held_out] * len(members), names=names,
            progress=progress,
        )  # fmt: skip

        def measure(member: int) -> xr.Dataset:
            return of_network(trained[member].score, member)

        history = _gathered([one.history[["loss", "held_out_loss"]] for one in trained], experiment)
        return measured(f"step {step}", measure).merge(history.rename(step="history_step"))

    if progress:
        with showing(False):
            expected = cost()
        with showing(expected.seconds > 0):
            say(expected.sentence)
    empirical = _kept(folder / "empirical.nc", record, lambda: measured("data", of_data))
    steps = [_kept(folder / f"step_{step}.nc", record, partial(of_networks, step)) for step in experiment.steps]
    # The last history holds those before it.
    networks = xr.concat(
        [part.drop_dims("history_step") for part in steps],
        xr.Variable("step", list(experiment.steps), described("training step", "1")),
    )
    study = xr.merge(
        [
            networks,
            steps[-1][["loss", "held_out_loss"]],
            empirical.rename({name: f"empirical_{name}" for name in empirical.data_vars}),
            _theory(experiment, sets),
        ]
    )
    for prefix in ("", "empirical_"):
        times, status = loss_times(study.noise_variance.values, study[f"{prefix}block_mean"], study.block_variance)
        study = study.assign({f"{prefix}loss_time": times, f"{prefix}loss_status": status})
    mean, error = memorized_over_seeds(study)
    if study.sizes["num_samples"] > 1:
        study = study.merge(_where_memorized(effective_memorization, mean, error, "num_samples", _EFFECTIVE))
    if study.sizes["step"] > 1:
        study = study.merge(_where_memorized(memorization_start, mean, error, "step", _START))
    return _in_units_of_the_source(study, sets.scale).assign_attrs(
        provenance=extended(record, {"experiment": experiment_record(experiment)})
    )


_EFFECTIVE = ("effective_memorization", "data-set size up to which nine in ten samples are memorized")
_START = ("memorization_start", "training step from which one in ten samples is memorized")


def _where_memorized(
    find: Callable[..., Transition], mean: xr.DataArray, error: xr.DataArray, along: str, named: tuple[str, str]
) -> xr.Dataset:
    """Where, along sizes or steps, the memorized fraction passes a level; one standard error to both sides."""
    name, text = named
    (other,) = (dim for dim in mean.dims if dim != along)
    curves = [[one.sel({other: place}).values for one in (mean, error)] for place in mean[other].values]
    found = [find(mean[along].values, *curve) for curve in curves]
    columns = {
        name: ("value", text),
        f"{name}_lower": ("lower", f"{text}, its lower end, one standard error"),
        f"{name}_upper": ("upper", f"{text}, its upper end, one standard error"),
    }
    return xr.Dataset(
        {key: (other, [float(getattr(one, field)) for one in found], described(words, "1"))
         for key, (field, words) in columns.items()},
    )  # fmt: skip


def _in_units_of_the_source(study: xr.Dataset, scale: float) -> xr.Dataset:
    """The study of data that were divided by a scale, in their own units."""
    if scale == 1.0:
        return study
    squared = [name for name, one in study.variables.items() if one.attrs.get("units") == SQUARED]
    changed = {name: study[name].variable.copy(data=study[name].values * scale**2) for name in squared}
    return study.assign_coords({name: one for name, one in changed.items() if name in study.coords}).assign(
        {name: one for name, one in changed.items() if name not in study.coords}
    )


def _theory(experiment: Experiment, sets: TrainingSets) -> xr.Dataset:
    """What is predicted for linear manifolds; of other data only the spectrum of their blocks."""
    manifold, times = sets.manifold, experiment.measures.noise_variances
    sizes, over = experiment.data.num_samples, ("noise_variance", "num_samples")
    found = xr.Dataset(coords=block_coordinates(manifold))
    if not sets.exact:
        return found
    critical = [
        critical_time(manifold, block, num_samples=sizes, criterion="signal_to_noise", theory="finite_n")
        for block in range(manifold.num_blocks)
    ]
    resolved = resolved_dimension(manifold, noise_variance=times, num_samples=sizes, theory="finite_n")
    population = predicted_spectrum(manifold, noise_variance=times, theory="population")
    by_block = ("block", "num_samples")
    collapse = np.asarray(trajectory_times(manifold, num_samples=sizes).collapse.value)
    opening = np.asarray(jax.vmap(opening_time)(manifold.exact_variances()))
    return found.assign(
        population_block_mean=(
            ("noise_variance", "block"),
            population.block_value.values,
            described("value of -tJ without memorization", "1"),
        ),
        resolved_dimension=(over, np.asarray(resolved), described("resolved dimension, level finite_n", "1")),
        critical_time=(
            by_block,
            np.array([one.value for one in critical]),
            described("critical noise variance by signal_to_noise, level finite_n", SQUARED),
        ),
        status=(by_block, np.array([one.status for one in critical], dtype=np.int8), status_attributes()),
        typical_collapse_time=(
            "num_samples",
            collapse,
            described("noise variance at which typical trajectories collapse", SQUARED),
        ),
        opening_time=("block", opening, described("noise variance below which a block is open", SQUARED)),
    )


def _reached(folder: Path, most: int) -> int:
    """How many steps, up to so many, a checkpoint has done that can be read."""
    reached = 0
    for file in folder.glob("step_*/training.npz"):
        with suppress(KeyError, *UNREADABLE), np.load(file, allow_pickle=False) as saved:
            if int(saved["step"]) <= most:
                reached = max(reached, int(saved["step"]))
    return reached


def _begun(folder: Path, step: int) -> Path:
    """The folder of a training up to that step: begun from the longest shorter one, if it is not there yet."""
    own = folder / f"step_{step}"
    steps = [int(file.parent.name.removeprefix("step_")) for file in folder.glob("step_*/training.npz")]
    shorter = [one for one in steps if one < step]
    if step not in steps and shorter:
        saved = (folder / f"step_{max(shorter)}" / "training.npz").read_bytes()
        write_whole({output_folder(own) / "training.npz": lambda file: file.write_bytes(saved)})
    return own


def experiment_record(experiment: Experiment) -> dict[str, dict[str, object]]:
    """What results say of the experiment."""
    return asdict(experiment) | {"training": config_record(experiment.training)}


def _record(experiment: Experiment, sets: TrainingSets) -> str:
    """What makes the parts of a study its own; how long it trains, and when it is measured, does not."""
    inputs = experiment_record(experiment)
    del inputs["training"]["num_steps"], inputs["measures"]["steps"]
    digests = {"samples_sha256": [digest(rows) for rows in sets.of_seed], "held_out_sha256": digest(sets.held_out)}
    return provenance({"experiment": inputs} | digests)


def _gathered(parts: Sequence[xr.Dataset], experiment: Experiment) -> xr.Dataset:
    """Members, sizes before seeds, as one data set."""
    count = len(experiment.seeds)
    seeds = xr.Variable("seed", list(experiment.seeds), described("seed", "1"))
    sizes = xr.Variable("num_samples", list(experiment.data.num_samples), described("data-set size", "1"))
    rows = [xr.concat(parts[first : first + count], seeds) for first in range(0, len(parts), count)]
    return xr.concat(rows, sizes)


def _kept(file: Path, record: str, make: Callable[[], xr.Dataset]) -> xr.Dataset:
    """A part of the study: read if it is there, else made and written."""
    if file.is_file():
        try:
            part = xr.load_dataset(file, engine="h5netcdf")
            found = inputs_of(part.attrs["provenance"])
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{str(file)!r} cannot be read; remove it to have it made again") from error
        # Made by other versions of packages it is the same experiment.
        if found != (asked := inputs_of(record)):
            raise InputError(
                f"{str(file.parent)!r} holds the results of another experiment, with another "
                f"{first_difference(found, asked)}; choose another folder"
            )
        return part
    part = make().assign_attrs(provenance=record)
    output_folder(file.parent)
    write_whole({file: netcdf_writer(part)})
    return part
