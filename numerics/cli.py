"""The `geomem` command: a thin layer over `numerics`; heavy imports wait inside the commands."""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter, Token

from numerics.status import InputError, PeerError, Status

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from jaxtyping import Array
    from matplotlib.figure import Figure

    from numerics.laws import GaussianMixture
    from numerics.manifold import Manifold
    from numerics.probe import Probe


def _whole_number(_type: type, tokens: Sequence[Token]) -> int:
    """An integer that is written as one: 1.9 is a mistake, not 2."""
    return int(tokens[0].value)


Several = Parameter(consume_multiple=True)
Whole = Annotated[int, Parameter(converter=_whole_number)]

_HEADINGS = {
    "local_variance": "variance",
    "multiplicity": "directions",
    "opening_time": "opening t",
    "critical_time": "critical t",
    "lost": "at N",
    "noise_variance": "t",
    "opening_time_on_schedule": "opening on schedule",
    "critical_time_on_schedule": "critical on schedule",
    "opening_step": "opening step",
    "critical_step": "critical step",
    "loss_time_on_schedule": "network on schedule",
    "loss_step": "network step",
    "empirical_loss_time_on_schedule": "empirical on schedule",
    "empirical_loss_step": "empirical step",
    "time_on_schedule": "on schedule",
    "critical_size": "critical N",
    "log_critical_size": "ln N",
    "gap_dimension": "gap dimension",
    "participation": "Y2",
    "population_gap_dimension": "without memorization",
    "resolved_dimension": "resolved D",
    "num_samples": "N",
    "typical_collapse_time": "collapse t",
    "empirical_loss_time": "empirical t",
    "empirical_loss_error": "+-",
    "empirical_seeds_lost": "lost",
    "empirical_seeds_kept": "kept",
    "empirical_seeds_never_open": "closed",
    "loss_time": "network t",
    "loss_error": "+-",
    "seeds_lost": "lost",
    "seeds_kept": "kept",
    "seeds_never_open": "closed",
    "memorized_error": "+-",
    "memorization_start": "begins at step",
}

app = App(
    name="geomem",
    version=lambda: version("geomem"),
    help="Phase diagrams of geometric memorization in diffusion models.",
    default_parameter=Parameter(negative=()),
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ManifoldInput:
    """The data's law: a covariance spectrum, or a data set whose spectrum is taken."""

    variances: Annotated[tuple[float, ...] | None, Several] = None
    """Local variances s_b, one per block [default: 1 0.09 1e-4]."""

    multiplicities: Annotated[tuple[float, ...] | None, Several] = None
    """Numbers of directions d_b [default: 2 5 23, or 1 each]."""

    data: str | None = None
    """Data set instead of a spectrum: digits, FILE.npy, FILE.npz[:KEY] or FILE.csv."""

    num_blocks: Whole | None = None
    """Group the spectrum of the data into so many blocks."""

    num_samples: float | None = None
    """Data-set size N [default: that of the data, else 1000]."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of the theory."""

    theory: str = "finite_n"
    """Level of the theory: finite_n, rem or gaussian_rem."""

    criterion: str = "signal_to_noise"
    """What counts as the transition: signal_to_noise, participation or (not at finite_n) condensation."""

    probe: str = "along"
    """Where the score is evaluated: origin, along[:AMPLITUDE], random_direction[:AMPLITUDE], data_point or typical."""

    @property
    def title(self) -> str:
        return f"{self.criterion.replace('_', ' ')}, level {self.theory}"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ClockOption:
    """The clock of a sampler."""

    schedule: str | None = None
    """Give times on this noise schedule too, and its nearest steps: ve, sigma, ou, ddpm, ddpm-cosine, flow or a
    scheduler_config.json of diffusers."""

    @property
    def title(self) -> str:
        return "" if self.schedule is None else f", schedule {self.schedule}"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Where results go."""

    out: Path = Path("results")
    """Folder for the results."""

    json: bool = False
    """Print the table as JSON, alone on stdout."""

    seed: Whole = 0
    """Seed of random draws, recorded with the results (spectrum and train draw, and compare replicates)."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: exit status 0, or 2 with one sentence on stderr for bad input."""
    try:
        app(arguments, exit_on_error=False, print_error=False)
    except (InputError, CycloptsError) as error:
        sentence = " ".join(str(error).split()).rstrip(".").replace(". ", "; ")
        print(f"geomem: {sentence}", file=sys.stderr, flush=True)
        if isinstance(error, PeerError):
            os._exit(2)  # else the runtime would wait for the lost process until it aborts
        raise SystemExit(2) from error
    except BrokenPipeError:
        raise SystemExit(1) from None


@app.command
def phase_diagram(
    *,
    manifold: ManifoldInput = ManifoldInput(),
    question: Question = Question(),
    block: Whole = 0,
    sizes: tuple[float, float, float] = (10.0, 1e9, 60.0),
    clock: ClockOption = ClockOption(),
    output: OutputOptions = OutputOptions(),
) -> None:
    """Critical time of every block against data-set size and local variance.

    Writes phase_diagram.nc, .png and .pdf, and prints when each block opens, when it is lost at N, and whether
    it is lost before it opens.

    Parameters
    ----------
    block
        Block whose variance is swept in the map.
    sizes
        Smallest and largest data-set size of the diagram, and how many.
    """
    law, num_samples, record, _ = _read_manifold(manifold)
    log_sizes = _log_sizes(sizes)

    import numpy as np

    from numerics.criteria import find_criterion
    from numerics.diagram import phase_diagram as compute
    from numerics.figures import phase_diagram_figure
    from numerics.files import output_folder
    from numerics.provenance import extended

    # All input is looked at before the folder is made and anything is computed.
    _check_schedule(clock)
    point = _read_probe(question.probe)
    find_criterion(question.theory, question.criterion, law.normalized)
    law.indicator(block)
    folder = output_folder(output.out)

    # N itself is solved along with the diagram's sizes and taken out again.
    solved = compute(
        law,
        log_num_samples=np.append(log_sizes, math.log(num_samples)),
        local_variance=_swept_variances(np.asarray(law.variances), 12 if question.theory == "finite_n" else 60),
        block=block,
        criterion=question.criterion,
        theory=question.theory,
        probe=point,
        progress=True,
    )
    solved.attrs["provenance"] = extended(solved.attrs["provenance"], record | {"seed": output.seed})
    solved = _on_schedule(solved, clock)
    diagram, at_size = solved.isel(num_samples=slice(None, -1)), solved.isel(num_samples=-1)
    rows = [_block_row(law, index) | _time_row(at_size.isel(block=index)) for index in range(law.num_blocks)]
    _write(diagram, phase_diagram_figure(diagram), folder / "phase_diagram")
    _print_rows(rows, f"{question.title}, N = {num_samples:.6g}{clock.title}", output.json)


@app.command
def critical_size(
    *,
    noise_variance: Annotated[tuple[float, ...] | None, Several] = None,
    time: Annotated[tuple[float, ...] | None, Several] = None,
    manifold: ManifoldInput = ManifoldInput(),
    question: Question = Question(),
    block: Whole | None = None,
    clock: ClockOption = ClockOption(),
    output: OutputOptions = OutputOptions(),
) -> None:
    """How many samples keep a direction down to a noise variance.

    Writes critical_size.json and prints the table.

    Parameters
    ----------
    noise_variance
        Noise variances t.
    time
        Times on the schedule, instead.
    block
        Block of the direction [default: every block].
    """
    variances = _asked_variances(noise_variance, time, clock)
    law, _, record, _ = _read_manifold(manifold)

    from numerics.clocks import clock_columns, schedule_record
    from numerics.critical import critical_size as compute
    from numerics.files import output_folder, write_whole
    from numerics.provenance import provenance

    point = _read_probe(question.probe)
    readings = {} if clock.schedule is None else clock_columns(clock.schedule, variances)
    rows = []
    for index in range(law.num_blocks) if block is None else [block]:
        sizes = compute(
            law,
            index,
            noise_variance=variances,
            criterion=question.criterion,
            theory=question.theory,
            probe=point,
        )
        rows += [
            _block_row(law, index)
            | {"noise_variance": t}
            | {name: _reading(name, values[place]) for name, values in readings.items()}
            | {
                "critical_size": _or_none(float(sizes.value[place])),
                "log_critical_size": _or_none(float(sizes.log_value[place])),
                "status": Status(int(sizes.status[place])).name,
            }
            for place, t in enumerate(variances)
        ]
    inputs = (
        record
        | law.record()
        | {
            "block": block,
            "noise_variance": list(variances),
            "criterion": question.criterion,
            "theory": question.theory,
            "probe": point.record(),
            "seed": output.seed,
        }
        | ({} if clock.schedule is None else schedule_record(clock.schedule))
    )
    document = {"rows": rows, "provenance": json.loads(provenance(inputs))}
    target = output_folder(output.out) / "critical_size.json"
    write_whole({target: lambda file: file.write_text(json.dumps(document, indent=1) + "\n")})
    _print_rows(rows, question.title + clock.title, output.json)


@app.command
def spectrum(
    *,
    manifold: ManifoldInput = ManifoldInput(),
    protocol: Literal["jacobian", "orthogonal_frame", "central_difference"] = "jacobian",
    noise_variances: tuple[float, float, float] | None = None,
    num_replicates: Whole = 1,
    checkpoint: Path | None = None,
    distributed: bool = False,
    clock: ClockOption = ClockOption(),
    output: OutputOptions = OutputOptions(),
) -> None:
    """Spectrum of the empirical score's Jacobian at the mean of the data, beside the theory.

    Writes spectrum.nc, .png and .pdf, and prints the dimension against the noise variance and the predicted
    critical time of every block. Without --data the samples are drawn; of data, --num-samples are chosen.

    Parameters
    ----------
    protocol
        How the spectrum is taken.
    noise_variances
        Smallest and largest noise variance t, and how many [default: 25 from 1e-3 to 10 times the largest variance].
    num_replicates
        Random frames of protocol orthogonal_frame.
    checkpoint
        A .npz file for the running sums of a long pass, to go on from after an interruption.
    distributed
        Share the samples among the processes that srun started.
    """
    from numerics.cluster import join_cluster, peers

    mesh = join_cluster() if distributed else None

    import jax
    import numpy as np

    from numerics.files import output_folder
    from numerics.provenance import extended
    from numerics.spectrum import EmpiricalScore, check_protocol
    from numerics.spectrum_figures import spectrum_figure
    from numerics.study import spectrum_study

    leads = jax.process_index() == 0
    law, num_samples, record, data = _read_manifold(manifold)
    if num_samples != int(num_samples):
        raise InputError(f"--num-samples is {num_samples:g}; samples are whole")
    _check_seed(output.seed)
    of_data, of_frames = jax.random.split(jax.random.key(output.seed))
    samples = _samples(law, data, int(num_samples), of_data)
    times = _noise_variances(noise_variances, np.asarray(law.variances))
    check_protocol(protocol, num_replicates)
    _check_schedule(clock)
    score = EmpiricalScore(samples, checkpoint=checkpoint, mesh=mesh, progress=leads)
    folder = output_folder(output.out)

    with peers():
        study = spectrum_study(
            score,
            samples.mean(axis=0, dtype=float),
            law,
            noise_variance=times,
            num_samples=int(num_samples),
            protocol=protocol,
            key=of_frames,
            num_replicates=num_replicates,
            progress=leads,
        )
    if not leads:
        return
    study.attrs["provenance"] = extended(study.attrs["provenance"], record | {"seed": output.seed})
    study = _on_schedule(study, clock)
    _write(study, spectrum_figure(study), folder / "spectrum")
    dimensions = [_dimension_row(study.isel(noise_variance=place)) for place in range(len(times))]
    blocks = [_block_row(law, index) | _time_row(study.isel(block=index)) for index in range(law.num_blocks)]
    _print_table(dimensions, f"{protocol.replace('_', ' ')}, N = {num_samples:.6g}{clock.title}", output.json)
    _print_table(blocks, "predicted losses: signal to noise, level finite_n", output.json)
    if output.json:
        print(_as_json({"dimensions": dimensions, "blocks": blocks}))


@app.command
def compare(
    curve: Path,
    *,
    observable: Literal[
        "participation", "dimension", "excess-entropy", "collapse-probability", "cloning", "singular-values"
    ]
    | None = None,
    law: str = "manifold",
    squared_center: float | None = None,
    manifold: ManifoldInput = ManifoldInput(),
    theory: str | None = None,
    block: Whole | None = None,
    probe: str | None = None,
    index: Whole | None = None,
    clock: ClockOption = ClockOption(),
    output: OutputOptions = OutputOptions(),
) -> None:
    """A measured curve against the theory: residuals, chi-square, and how far apart they are in ln t.

    Writes compare.nc, .json, .png and .pdf, and prints the table. What the curve's file says of its observable,
    schedule and num_samples need not be said again, and may not be contradicted; its num_samples go before those of
    --data, and its dimension must be that of the law.

    Parameters
    ----------
    curve
        A .csv, .npz or .nc file with the columns time, value, error and, of replicates, replicate.
    observable
        What was measured.
    law
        manifold; two-classes, Gaussians of that manifold about two opposite centers; or the file of a measured
        excess entropy, which bounds the collapse probability from below.
    squared_center
        Squared distance of the centers from the origin, along the first direction.
    theory
        Level of the theory: finite_n, where there are levels; rem for the excess entropy too, population or published
        for singular values.
    block
        Block of the probed direction, for the participation [default: 0].
    probe
        Where the participation is taken: origin, along[:AMPLITUDE], random_direction[:AMPLITUDE], data_point or
        typical [default: along].
    index
        Which singular value [default: 0, the largest].
    """
    from dataclasses import replace

    from numerics.curve_study import Asked, in_words, predict, study_curve, with_both_errors
    from numerics.files import netcdf_writer, output_folder, write_whole
    from numerics.provenance import extended

    said = {"observable": observable, "schedule": clock.schedule, "num_samples": manifold.num_samples}
    measured = _read_curve(curve, said)
    found, schedule = measured.attrs["observable"], measured.attrs["schedule"]
    options = {"block": block, "probe": probe, "index": index}
    for name, of in {"block": "participation", "probe": "participation", "index": "singular-values"}.items():
        if options[name] is not None and found != of:
            raise InputError(f"--{name} is for {of}; what was measured is {found}")
    if "num_samples" in measured.attrs:
        manifold = replace(manifold, num_samples=float(measured.attrs["num_samples"]))
    spectrum, num_samples, record, _ = _read_manifold(manifold)
    source = _read_law(law, squared_center, spectrum, measured)
    asked = Asked(num_samples, theory, block or 0, _read_probe(probe or "along"), index or 0)
    _check_seed(output.seed)
    _check_folder(output.out)
    predicted = predict(found, source, measured.noise_variance.values, asked, progress=True)
    measured = with_both_errors(measured, predicted)
    study = study_curve(measured, predicted, output.seed)
    inputs = record | {"curve": str(curve), "observable": found, "law": law, "seed": output.seed}
    study.attrs["provenance"] = extended(study.attrs["provenance"], inputs)
    rows = [_curve_row(study.isel(noise_variance=place)) for place in range(study.sizes["noise_variance"])]
    names = ("reduced_chi_square", "max_abs_z", "log_time_shift", "log_time_shift_lower", "log_time_shift_upper")
    summary = {name: _or_none(float(study.attrs[name])) for name in names}
    document = {"summary": summary, "rows": rows}
    whole = document | {"provenance": json.loads(study.attrs["provenance"])}

    from numerics.figures import figure_writers
    from numerics.spectrum_figures import comparison_figure

    figure = comparison_figure(measured, predicted)
    folder = output_folder(output.out)
    write_whole(
        {
            folder / "compare.nc": netcdf_writer(study),
            folder / "compare.json": lambda file: file.write_text(json.dumps(whole, indent=1) + "\n"),
        }
        | figure_writers(figure, folder / "compare")
    )
    missing = study.predicted.isnull()
    if missing.any():
        reasons = in_words(study.status.values[missing.values])
        print(
            f"geomem: the prediction has no value at {int(missing.sum())} of {missing.size} times: {reasons}",
            file=sys.stderr,
        )
    _print_table(rows, f"{found.replace('-', ' ')}, {law}, schedule {schedule}", output.json)
    _print_table([dict(summary)], "measured less predicted", output.json)
    if output.json:
        print(_as_json(document))


@app.command
def train(*, config: str, clock: ClockOption = ClockOption(), output: OutputOptions = OutputOptions()) -> None:
    """Train networks on data sets of several sizes, and measure them beside the empirical score and the theory.

    Writes train.nc, figures (spectra, dimension, sizes, losses, memorization, training) and what the next run goes
    on from: the same command continues where it stopped. Prints what became of every block, and of generated samples.

    Parameters
    ----------
    config
        A TOML file with the sections data, network, training and measures, or a preset: linear-quick, linear-paper
        or digits. --seed is added to its seeds.
    """
    from dataclasses import replace

    from numerics.experiment import read_experiment
    from numerics.figures import figure_writers
    from numerics.files import netcdf_writer, output_folder, write_whole
    from numerics.network_figures import study_figures
    from numerics.network_study import loss_rows, memorization_rows, train_study

    _check_schedule(clock)
    experiment = read_experiment(config)
    experiment = replace(experiment, seeds=tuple(seed + output.seed for seed in experiment.seeds))
    folder = output_folder(output.out)
    study = _on_schedule(train_study(experiment, folder / "parts"), clock)
    writers = {folder / "train.nc": netcdf_writer(study)}
    for name, figure in study_figures(study).items():
        writers |= figure_writers(figure, folder / name)
    write_whole(writers)
    losses = _with_readings(loss_rows(study), clock)
    memorized = memorization_rows(study)
    seeds = f"{len(experiment.seeds)} seeds, {experiment.training.num_steps} steps"
    _print_table(losses, f"noise variances at which blocks are lost, {seeds}{clock.title}", output.json)
    _print_table(memorized, "generated samples", output.json)
    if output.json:
        print(_as_json({"losses": losses, "memorization": memorized}))


@app.command
def derive(
    *,
    chapter: str | None = None,
    format: Literal["markdown", "latex"] = "markdown",
    out: Path | None = None,
    json: bool = False,
    seed: Whole = 0,
) -> None:
    """Perform the derivations and print them in reading order.

    Parameters
    ----------
    chapter
        One chapter only: partition, condensation, score, probe, finite_n, empirical, published, trajectories,
        mixture, random_manifold or schedules.
    format
        Markdown with LaTeX formulas, or a LaTeX fragment.
    out
        Folder to write derivation.md or derivation.tex to, instead of stdout.
    json
        Chapter, name, source, LaTeX and steps of every equation as JSON instead.
    seed
        Accepted by every command; nothing is drawn here.
    """
    from numerics.files import output_folder, write_whole
    from theory import CHAPTERS

    names = [one.name for one in CHAPTERS]
    if chapter is not None and chapter not in names:
        raise InputError(f"there is no chapter {chapter!r}; choose one of {', '.join(names)}")
    chapters = [one for one in CHAPTERS if chapter in (None, one.name)]
    if json:
        text = _as_json([row for one in chapters for row in one.to_rows()])
    else:
        text = "\n".join(one.to_markdown() if format == "markdown" else one.to_latex() for one in chapters)
    if out is None:
        print(text)
        return
    suffix = "json" if json else {"markdown": "md", "latex": "tex"}[format]
    write_whole({output_folder(out) / f"derivation.{suffix}": lambda file: file.write_text(text + "\n")})


def _read_manifold(given: ManifoldInput) -> "tuple[Manifold, float, dict[str, object], np.ndarray | None]":
    """The law, the data-set size, what of the input goes into the provenance, and the data if there are any."""
    from numerics.manifold import Manifold

    data = None
    if given.data is not None:
        if given.variances is not None or given.multiplicities is not None:
            raise InputError("give either --data or --variances with --multiplicities, not both")
        from numerics.data import load_data
        from numerics.provenance import digest

        data = load_data(given.data)
        law = Manifold.from_data(data, num_blocks=given.num_blocks)
        num_samples = float(len(data)) if given.num_samples is None else given.num_samples
        record: dict[str, object] = {
            "data": given.data,
            "num_blocks": given.num_blocks,
            "data_sha256": digest(data),
        }
    else:
        if given.num_blocks is not None:
            raise InputError("--num-blocks groups the spectrum of --data; a spectrum that is given has its blocks")
        if given.variances is None and given.multiplicities is not None:
            raise InputError("--multiplicities go with --variances; give both")
        if given.variances is None:
            law = Manifold([1.0, 0.09, 1e-4], [2, 5, 23])
        else:
            law = Manifold(list(given.variances), list(given.multiplicities or [1] * len(given.variances)))
        num_samples = 1000.0 if given.num_samples is None else given.num_samples
        record = {}
    if not (math.isfinite(num_samples) and num_samples >= 2):
        raise InputError(f"--num-samples is {num_samples:g}; it must be finite and at least 2")
    return law, num_samples, record | {"num_samples": num_samples}, data


def _read_law(
    name: str, squared_center: float | None, spectrum: "Manifold", measured: "xr.Dataset"
) -> "Manifold | GaussianMixture | xr.Dataset":
    """The law of that name, or the measured excess entropy of that file; of the dimension that the curve states."""
    if (name == "two-classes") != (squared_center is not None):
        raise InputError("--squared-center goes with --law two-classes; give both or none")
    if name in ("manifold", "two-classes"):
        dims = int(sum(spectrum.multiplicities))
        if measured.attrs.get("dimension", dims) != dims:
            raise InputError(f"the curve is of data in {measured.attrs['dimension']} dimensions, the law of {dims}")
    if name == "manifold":
        return spectrum
    if squared_center is not None:
        from numerics.laws import GaussianMixture

        return GaussianMixture.two_classes(squared_center, spectrum)
    if Path(name).suffix not in (".csv", ".npz", ".nc"):
        raise InputError(f"there is no law {name!r}; choose manifold, two-classes or the file of an excess entropy")
    shared = {key: measured.attrs.get(key) for key in ("num_samples", "dimension")}
    return _read_curve(Path(name), {"observable": "excess-entropy"} | shared)


def _read_curve(file: Path, said: Mapping[str, object]) -> "xr.Dataset":
    """A measured curve over noise variances, of which the observable and the schedule are known."""
    from numerics.curve_study import on_noise_variance
    from numerics.curves import load_curve

    curve = load_curve(file, said=said)
    for what in ("observable", "schedule"):
        if what not in curve.attrs:
            raise InputError(
                f"{file} does not say its {what}; give --{what}, or add a line '# {what}: ...' to the file"
            )
    try:
        return on_noise_variance(curve, curve.attrs["schedule"])
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def _read_probe(text: str) -> "Probe":
    """A probe from KIND or KIND:AMPLITUDE."""
    from numerics.probe import KINDS, Probe

    kind, colon, amplitude = text.partition(":")
    if kind not in KINDS:
        raise InputError(f"there is no probe {kind!r}; choose one of {', '.join(KINDS)}")
    if not colon:
        return getattr(Probe, kind)()
    if kind not in ("along", "random_direction"):
        raise InputError(f"the probe {kind!r} has no amplitude; only along and random_direction have one")
    try:
        value = float(amplitude)
    except ValueError as error:
        raise InputError(f"the probe's amplitude is {amplitude!r}; it must be a number") from error
    return getattr(Probe, kind)(value)


def _log_sizes(sizes: tuple[float, float, float]) -> "np.ndarray":
    import numpy as np

    low, high, count = sizes
    if not (2 <= low < high <= 1e300 and 2 <= count < math.inf and count == int(count)):
        raise InputError(
            f"--sizes {low:g} {high:g} {count:g} must be a size of at least 2, a larger one up to 1e300, "
            "and a count of at least 2"
        )
    return np.linspace(math.log(low), math.log(high), int(count))


def _noise_variances(given: tuple[float, float, float] | None, variances: "np.ndarray") -> "np.ndarray":
    import numpy as np

    largest = variances.max() or 1.0
    low, high, count = (1e-3 * largest, 10 * largest, 25) if given is None else given
    if not (0 < low < high < math.inf and 2 <= count < math.inf and count == int(count)):
        raise InputError(
            f"--noise-variances {low:g} {high:g} {count:g} must be a positive noise variance, a larger one, and a "
            "count of at least 2"
        )
    return np.geomspace(low, high, int(count))


def _asked_variances(
    noise_variance: tuple[float, ...] | None, time: tuple[float, ...] | None, clock: ClockOption
) -> tuple[float, ...]:
    """The noise variances t that are asked for, given as such or as times of the schedule."""
    if (noise_variance is None) == (time is None):
        raise InputError("give either --noise-variance or --time, with --schedule, and not both")
    if time is not None:
        if clock.schedule is None:
            raise InputError("--time is on the clock of a --schedule; give it too")
        if not time:
            raise InputError("--time needs at least one value")
        from numerics.schedule import schedule_of

        schedule = schedule_of(clock.schedule)
        try:
            return tuple(schedule.noise_variance(time).tolist())
        except InputError as error:
            raise InputError(f"--time: {error}") from error
    if not noise_variance:
        raise InputError("--noise-variance needs at least one value")
    bad = [t for t in noise_variance if not 0 < t < math.inf]
    if bad:
        raise InputError(f"--noise-variance is {bad[0]:g}; it must be positive and finite")
    return noise_variance


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**63:
        raise InputError(f"--seed is {seed}; it must be a whole number from 0 to 2^63 - 1")


def _check_folder(path: Path) -> None:
    """That the folder can be made and written, before anything is computed; it is made when there are results."""
    there = next(one for one in (path.absolute(), *path.absolute().parents) if os.access(one, os.F_OK))
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise InputError(f"the output folder {str(path)!r} cannot be written: {str(there)!r} is no folder to write in")


def _check_schedule(clock: ClockOption) -> None:
    """That there is such a schedule, before anything is computed."""
    if clock.schedule is not None:
        from numerics.schedule import schedule_of

        schedule_of(clock.schedule)


def _on_schedule(results: "xr.Dataset", clock: ClockOption) -> "xr.Dataset":
    if clock.schedule is None:
        return results
    from numerics.clocks import on_schedule

    return on_schedule(results, clock.schedule)


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


def _swept_variances(variances: "np.ndarray", count: int) -> "np.ndarray":
    """Local variances of the map: the spectrum's range and a decade more on either side."""
    import numpy as np

    positive = variances[variances > 0]
    if len(positive) == 0:
        return np.geomspace(0.1, 10, count)
    return np.geomspace(positive.min() / 10, positive.max() * 10, count)


def _write(results: "xr.Dataset", figure: "Figure", name: Path) -> None:
    """Results as NetCDF and their figure, all under one name, or nothing."""
    from numerics.figures import figure_writers
    from numerics.files import netcdf_writer, write_whole

    write_whole({name.with_suffix(".nc"): netcdf_writer(results)} | figure_writers(figure, name))


def _block_row(law: "Manifold", index: int) -> dict[str, object]:
    law.indicator(index)  # names the blocks there are, if this is none of them
    return {
        "block": index,
        "local_variance": float(law.variances[index]),
        "multiplicity": int(law.multiplicities[index]),
    }


def _time_row(at: "xr.Dataset") -> dict[str, object]:
    """The diagram's row of one block at one size; lost means: before it opens."""
    opening, time = float(at.opening_time), float(at.critical_time)
    return {
        "opening_time": opening,
        "critical_time": _or_none(time),
        **_readings(at, "opening_time_on_schedule", "critical_time_on_schedule", "opening_step", "critical_step"),
        "status": Status(int(at.status)).name,
        "lost": time >= opening if math.isfinite(time) else None,
    }


def _dimension_row(at: "xr.Dataset") -> dict[str, object]:
    """The study's row of one noise variance."""
    return {
        "noise_variance": float(at.noise_variance),
        **_readings(at, "time_on_schedule", "step"),
        "gap": float(at.gap.mean()),
        "gap_dimension": float(at.gap_dimension.mean()),
        "participation": float(at.participation),
        "population_gap_dimension": int(at.population_gap_dimension),
        "resolved_dimension": _or_none(float(at.resolved_dimension)),
    }


def _curve_row(at: "xr.Dataset") -> dict[str, object]:
    """The comparison's row of one time."""
    numbers = ("time", "noise_variance", "measured", "error", "predicted", "residual", "z")
    return {name: _or_none(float(at[name])) for name in numbers} | {"status": Status(int(at.status)).name}


def _readings(at: "xr.Dataset", *names: str) -> dict[str, float | int | None]:
    """Those of the readings of a schedule's clock that there are."""
    return {name: _reading(name, at[name].item()) for name in names if name in at.variables}


def _with_readings(rows: list[dict[str, object]], clock: ClockOption) -> list[dict[str, object]]:
    """The rows of what was lost, with what the clock says of it."""
    if clock.schedule is None:
        return rows
    from numerics.clocks import clock_columns

    for name in ("critical_time", "empirical_loss_time", "loss_time"):
        if name in rows[0]:
            times = [time if isinstance(time := row[name], float) else math.nan for row in rows]
            for column, values in clock_columns(clock.schedule, times, name).items():
                read = [_reading(column, value) for value in values.tolist()]
                rows = [row | {column: value} for row, value in zip(rows, read, strict=True)]
    return rows


def _reading(name: str, value: float) -> float | int | None:
    """Steps are whole."""
    return int(value) if "step" in name and math.isfinite(value) else _or_none(float(value))


def _or_none(value: float) -> float | None:
    """JSON has neither NaN nor infinity."""
    return value if math.isfinite(value) else None


def _as_json(document: object) -> str:
    return json.dumps(document, allow_nan=False)


def _print_rows(rows: list[dict[str, object]], title: str, as_json: bool) -> None:
    """The rows as a table on stdout; or as JSON there and the table on stderr."""
    _print_table(rows, title, as_json)
    if as_json:
        print(_as_json(rows))


def _print_table(rows: list[dict[str, object]], title: str, on_stderr: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in rows[0]:
        table.add_column(_HEADINGS.get(name, name), justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(name, value) for name, value in row.items()))
    console = Console(stderr=on_stderr)
    # Wider than the screen rather than with numbers cut off.
    console.width = max(console.width, console.measure(table, options=console.options.update(max_width=1000)).maximum)
    console.print(table)


def _cell(name: str, value: object) -> str:
    if value is None:
        return "-"
    if name == "lost":
        return "lost" if value else "kept"
    if name == "status":
        return str(value).lower().replace("_", " ")
    return f"{value:.5g}" if isinstance(value, float) else str(value)
