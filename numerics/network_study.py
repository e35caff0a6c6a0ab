"""Trained scores against theory: a sweep over data-set sizes and seeds, measured as the empirical score is."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from enum import IntEnum
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float

from numerics.criteria import opening_time
from numerics.critical import critical_time
from numerics.diagram import status_attributes
from numerics.experiment import Experiment, Measures
from numerics.files import netcdf_writer, output_folder, write_whole
from numerics.memorization import (
    collapse_of_trajectories,
    effective_memorization,
    memorization_ratio,
    memorization_start,
    score_distance,
)
from numerics.phases import resolved_dimension
from numerics.progress import bar
from numerics.provenance import SQUARED, described, digest, provenance
from numerics.sampling import generate
from numerics.scores import score_of
from numerics.solution import Transition
from numerics.spectrum import measure_spectrum, predicted_spectrum, spectrum_coordinates, with_gaps
from numerics.status import InputError
from numerics.study import block_coordinates
from numerics.training import config_record, train_group
from numerics.training_checkpoint import first_difference
from numerics.training_sets import TrainingSets, training_sets
from numerics.trajectories import trajectory_times

Traceable = Callable[..., Array]  # a score that JAX can trace

OPEN = 0.5  # values of -tJ below which a direction counts as resolved; the population's pass it at t = s
_FLOW_POINTS = 20  # of the flow, at which scores are compared
_TANGENTS_AT_ONCE = 128  # of a network, whose hidden layers they fill memory with


class Loss(IntEnum):
    """What became of a block as t fell."""

    LOST = 0
    KEPT = 1
    NEVER_OPEN = 2
    OUT_OF_RANGE = 3  # it would open at the smallest noise variance or below


def train_study(experiment: Experiment, directory: str | Path, *, progress: bool = True) -> xr.Dataset:
    """Train networks on data sets of several sizes and seeds, and measure them beside the empirical score.

    All networks are trained together. What is trained and measured is kept in the directory: a call with the same
    experiment goes on where the last one stopped.

    Returns:
        A data set over `num_samples`, `seed`, the training `step`, `noise_variance`, `index` and `block` with, of
        networks and, named `empirical_`, of the empirical score of the same data: `block_mean`, values of -tJ along
        the directions of a block, averaged over them and over training points, noised or not; `dimension`, the mean
        number of eigenvalues below one half there; `singular_value` and `gap_dimension` by the chosen protocol, those
        of other protocols than `jacobian` at the training points themselves; `loss_time` and `loss_status` of every
        block (see `loss_times`). Of networks also, along their own probability flow over
        `flow_noise_variance`, `distance_to_empirical` and, where the data are a linear manifold,
        `distance_to_population` (see `score_distance`); of the samples it ends at `memorization_ratio` with its error,
        over `step` alone `effective_memorization` and over `num_samples` alone `memorization_start` (see the
        functions); `collapse_time`, the median over trajectories of the reverse SDE (see
        `collapse_of_trajectories`). Beside them the theory's `population_block_mean`,
        `resolved_dimension`, `critical_time` (by signal_to_noise, level finite_n), `opening_time` and, of all blocks
        together, `typical_collapse_time` (see `trajectory_times`). The history of training is `loss` and
        `held_out_loss`, over `history_step`.

    Raises:
        InputError: if the directory holds another experiment, or as `training_sets` and `train_group`.
    """
    folder = output_folder(directory)
    sets = training_sets(experiment.data, experiment.seeds, experiment.measures.num_blocks)
    members = [(size, place) for size in experiment.data.num_samples for place in range(len(experiment.seeds))]
    data = [sets.of_seed[place][:size] for size, place in members]
    keys = [jax.random.split(jax.random.key(experiment.seeds[place]), 3)[1:] for _, place in members]
    names = [f"the network of N = {size}, seed {experiment.seeds[place]}," for size, place in members]
    record = _record(experiment, sets)
    references = [score_of(rows) for rows in data]

    def measured(label: str, measure: Callable[[int], xr.Dataset]) -> xr.Dataset:
        parts = []
        with bar(progress, f"measuring {label}", len(members)) as report:
            for member in range(len(members)):
                parts.append(measure(member))
                report(len(parts))
        return _gathered(parts, experiment)

    def of_data(member: int) -> xr.Dataset:
        return _spectra(references[member], data[member], sets, experiment.measures, keys[member][1])

    def of_networks(step: int) -> xr.Dataset:
        trained = train_group(
            replace(experiment.training, num_steps=step), data, [key for key, _ in keys],
            directory=_begun(folder / "training", step), held_out=[sets.held_out] * len(members), names=names,
            progress=progress,
        )  # fmt: skip

        def measure(member: int) -> xr.Dataset:
            score, key = trained[member].score, keys[member][1]
            spectra = _spectra(score, data[member], sets, experiment.measures, key)
            return spectra.merge(_flow(score, references[member], data[member], sets, experiment, key))

        history = _gathered([one.history[["loss", "held_out_loss"]] for one in trained], experiment)
        return measured(f"step {step}", measure).merge(history.rename(step="history_step"))

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
    inputs = json.loads(record)["inputs"] | {"experiment": _inputs(experiment)}
    return study.assign_attrs(provenance=provenance(inputs))


def loss_times(
    noise_variance: Float[np.ndarray, " times"], block_mean: xr.DataArray, block_variance: xr.DataArray
) -> tuple[xr.DataArray, xr.DataArray]:
    """Noise variances at which blocks are lost, and what became of them (`Loss`).

    As t falls a block opens where its mean value of -tJ passes one half from above, for the population at t = s,
    and is lost where it passes one half again, from below: near a sample that has all the weight the value is one.
    Crossings are interpolated in ln t. NaN where a block is kept to the smallest t, or has never opened.

    Args:
        noise_variance: rising, in squared units of the data.
        block_mean: values with the dimensions `noise_variance` and `block`.
        block_variance: local variances over `block`, in the same units.
    """
    order = block_mean.transpose(..., "block", "noise_variance")
    found = np.apply_along_axis(_loss, -1, order.values[..., ::-1], np.log(noise_variance[::-1]))
    found[..., (block_variance <= noise_variance[0]).values, :] = np.nan, Loss.OUT_OF_RANGE
    over = order.dims[:-1]
    flags = {"flag_values": np.array([*Loss], dtype=np.int8), "flag_meanings": " ".join(one.name for one in Loss)}
    return (
        xr.DataArray(found[..., 0], dims=over, attrs=described("noise variance at which a block is lost", SQUARED)),
        xr.DataArray(found[..., 1].astype(np.int8), dims=over, attrs={"long_name": "fate of a block"} | flags),
    )


def _loss(values: Float[np.ndarray, " times"], log_times: Float[np.ndarray, " times"]) -> np.ndarray:
    below = values < OPEN
    if not below.any():
        return np.array([np.nan, Loss.NEVER_OPEN])
    opened = int(np.argmax(below))
    again = np.flatnonzero(~below[opened:])
    if not len(again):
        return np.array([np.nan, Loss.KEPT])
    last = opened + again[0]
    share = (OPEN - values[last - 1]) / (values[last] - values[last - 1])
    return np.array([np.exp(log_times[last - 1] + share * (log_times[last] - log_times[last - 1])), Loss.LOST])


def loss_rows(study: xr.Dataset) -> list[dict[str, object]]:
    """What became of every block at every size, at the last step: theory, empirical score, networks.

    Times are means over the seeds that lost the block, with standard errors; None where there is none. Blocks out of
    the range of noise variances count as neither lost nor kept nor closed.
    """
    last = study.isel(step=-1)
    rows: list[dict[str, object]] = []
    for size in study.num_samples.values:
        for block in range(study.sizes["block"]):
            at = last.sel(num_samples=size).isel(block=block)
            row: dict[str, object] = {"num_samples": int(size), "local_variance": float(at.block_variance)}
            if "critical_time" in study:
                row |= {name: _number(at[name]) for name in ("critical_time", "typical_collapse_time")}
            for prefix in ("empirical_", ""):
                mean, error = over_seeds(at[f"{prefix}loss_time"])
                row |= {f"{prefix}loss_time": _number(mean), f"{prefix}loss_error": _number(error)}
                row |= {
                    f"{prefix}seeds_{one.name.lower()}": int((at[f"{prefix}loss_status"] == one).sum())
                    for one in (Loss.LOST, Loss.KEPT, Loss.NEVER_OPEN)
                }
            rows.append(row)
    return rows


def memorization_rows(study: xr.Dataset) -> list[dict[str, object]]:
    """Of every size: memorized fraction of generated samples at the last step, and the step at which it began."""
    mean, error = memorized_over_seeds(study.isel(step=-1))
    rows: list[dict[str, object]] = []
    for size in study.num_samples.values:
        row: dict[str, object] = {"num_samples": int(size)}
        row |= {"memorized": _number(mean.sel(num_samples=size))}
        row |= {"memorized_error": _number(error.sel(num_samples=size))}
        if "memorization_start" in study:
            row |= {"memorization_start": _number(study.memorization_start.sel(num_samples=size))}
        rows.append(row)
    return rows


def over_seeds(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over the seeds where there is a value, and its standard error; NaN from one seed."""
    count = values.notnull().sum("seed")
    return values.mean("seed"), values.std("seed", ddof=1) / np.sqrt(count.where(count > 1))


def memorized_over_seeds(study: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean memorized fraction and its standard error: from the seeds' scatter, or if that is larger of the counts."""
    mean, scatter = over_seeds(study.memorization_ratio)
    counted = ((study.memorization_ratio_error**2).mean("seed") / study.sizes["seed"]) ** 0.5
    return mean, counted.where(~(scatter > counted), scatter)


def _number(value: xr.DataArray) -> float | None:
    return float(value) if np.isfinite(value) else None


def _spectra(
    score: Traceable, rows: Float[np.ndarray, "samples dims"], sets: TrainingSets, measures: Measures, key: Array
) -> xr.Dataset:
    """Of a score at training points of its own: values of -tJ along blocks, spectra and dimensions."""
    times, points = measures.noise_variances, rows[: measures.num_points]
    of_noise, of_frames = jax.random.split(key)
    noise = jnp.sqrt(times)[:, None, None] * jax.random.normal(of_noise, (1, *points.shape))
    probes = jnp.asarray(points)[None] + (noise if measures.noised else jnp.zeros_like(noise))
    values, diagonals = map(np.asarray, _eigenvalues(score, probes, jnp.asarray(times), jnp.asarray(sets.axes)))
    finite = np.isfinite(values).all(axis=(1, 2))
    if not finite.all():
        raise InputError(f"a score is not finite at noise variance {times[~finite][0]:g}; raise measures.first")
    counts = np.asarray(sets.manifold.multiplicities, dtype=int)
    means = np.add.reduceat(diagonals, np.cumsum(counts) - counts, axis=2) / counts[None, None]
    if measures.protocol == "jacobian":
        spectra = values.swapaxes(1, 2)
    else:
        one_each = [
            measure_spectrum(score, point, times, protocol=measures.protocol, key=frame).singular_value.values[..., 0]
            for point, frame in zip(points, jax.random.split(of_frames, len(points)), strict=True)
        ]
        spectra = np.stack(one_each, axis=2)
    coordinates = spectrum_coordinates(times, rows.shape[1])
    over = "noise_variance"
    gaps = with_gaps(xr.Dataset({"singular_value": ((over, "index", "point"), spectra)}, coordinates))
    dimension = (values < OPEN).sum(axis=2).mean(axis=1)
    return xr.Dataset(
        {
            "block_mean": ((over, "block"), means.mean(axis=1), described("mean value of -tJ along a block", "1")),
            "singular_value": gaps.singular_value.mean("point").assign_attrs(described("value of -tJ", "1")),
            "gap_dimension": gaps.gap_dimension.mean("point").assign_attrs(described("values below the gap", "1")),
            "dimension": (over, dimension, described("number of eigenvalues of -tJ below one half", "1")),
        }
    )


@jax.jit
def _eigenvalues(
    score: Traceable,
    probes: Float[Array, "times points dims"],
    times: Float[Array, " times"],
    axes: Float[Array, "dims dims"],
) -> tuple[Float[Array, "times points dims"], Float[Array, "times points dims"]]:
    """Eigenvalues of the symmetric part of -tJ, descending, and its diagonal on the axes."""
    num_points, dims = probes.shape[1:]
    together = min(num_points, max(1, _TANGENTS_AT_ONCE // dims))

    def at(time: Array, point: Array) -> tuple[Array, Array]:
        def along(tangent: Array) -> Array:
            return jax.jvp(lambda x: score(x[None, :], time)[0], (point,), (tangent,))[1]

        matrix = -time * jax.lax.map(along, jnp.eye(dims), batch_size=min(dims, _TANGENTS_AT_ONCE)).T
        values = jnp.linalg.eigvalsh(0.5 * (matrix + matrix.T))[::-1]
        return values, jnp.sum(axes * (matrix @ axes), axis=0)

    return jax.lax.map(
        lambda row: jax.lax.map(lambda point: at(row[0], point), row[1], batch_size=together), (times, probes)
    )


def _flow(
    score: Traceable, reference: Traceable, rows: Float[np.ndarray, "samples dims"], sets: TrainingSets,
    experiment: Experiment, key: Array,
) -> xr.Dataset:  # fmt: skip
    """Of a network's own probability flow: distances from other scores along it, and what its samples copy.

    Only the collapse is of its reverse SDE: trajectories of the flow have chosen where they end from the start.
    """
    measures, training = experiment.measures, experiment.training
    follow = partial(
        generate,
        score,
        key,
        num_samples=measures.num_generated,
        dims=rows.shape[1],
        noise_variance=np.geomspace(training.sigma_max**2, training.sigma_min**2, measures.num_sampling_steps + 1),
    )
    flow = follow(method="ode", keep_every=max(1, measures.num_sampling_steps // _FLOW_POINTS))
    others = {"empirical": reference} | ({"population": score_of(sets.manifold)} if sets.exact else {})
    times = flow.noise_variance.values
    distances = {
        f"distance_to_{name}": (
            "flow_noise_variance",
            score_distance(score, other, flow.x.values, times).value.values,
            described(f"t |S - S_ref|^2 per dimension, from the {name} score", "1"),
        )
        for name, other in others.items()
    }
    ratio, error = memorization_ratio(flow.x.values[-1], rows)
    collapse = float(collapse_of_trajectories(follow(method="sde", keep_every=2), rows).collapse_time.median())
    return xr.Dataset(
        {
            **distances,
            "memorization_ratio": ((), ratio, described("memorized fraction of generated samples", "1")),
            "memorization_ratio_error": ((), error, described("its standard error", "1")),
            "collapse_time": ((), collapse, described("median collapse of the reverse SDE", SQUARED)),
        },
        {"flow_noise_variance": ("flow_noise_variance", times, described("noise variance of the flow", SQUARED))},
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
    opening = np.asarray(jax.vmap(opening_time)(manifold.block_variances()))
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


def _begun(folder: Path, step: int) -> Path:
    """The folder of a training up to that step: begun from the longest shorter one, if it is not there yet."""
    own = folder / f"step_{step}"
    steps = [int(file.parent.name.removeprefix("step_")) for file in folder.glob("step_*/training.npz")]
    shorter = [one for one in steps if one < step]
    if step not in steps and shorter:
        saved = (folder / f"step_{max(shorter)}" / "training.npz").read_bytes()
        write_whole({output_folder(own) / "training.npz": lambda file: file.write_bytes(saved)})
    return own


def _inputs(experiment: Experiment) -> dict[str, dict[str, object]]:
    return asdict(experiment) | {"training": config_record(experiment.training)}


def _record(experiment: Experiment, sets: TrainingSets) -> str:
    """What makes the parts of a study its own; how long it trains, and when it is measured, does not."""
    inputs = _inputs(experiment)
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
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{str(file)!r} cannot be read; remove it to have it made again") from error
        # Made by other versions of packages it is the same experiment.
        found, asked = (json.loads(one)["inputs"] for one in (part.attrs.get("provenance", '{"inputs": {}}'), record))
        if found != asked:
            raise InputError(
                f"{str(file.parent)!r} holds the results of another experiment, with another "
                f"{first_difference(found, asked)}; choose another folder"
            )
        return part
    part = make().assign_attrs(provenance=record)
    write_whole({file: netcdf_writer(part)})
    return part
