"""`geomem train`: networks, trained and measured."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

from geomem.cli.options import ClockInput
from geomem.cli.output import OutputOptions, Several
from geomem.cli.tables import json_text, print_table, with_readings, write
from geomem.core.status import InputError
from geomem.files.writing import netcdf_writer

if TYPE_CHECKING:
    from geomem.networks.experiment import Experiment


def train(
    *,
    config: str | None = None,
    data: str | None = None,
    columns: Annotated[tuple[str, ...] | None, Several] = None,
    drop_duplicates: bool = False,
    standardize: bool = False,
    template: bool = False,
    clock: ClockInput = ClockInput(),
    output: OutputOptions = OutputOptions(),
) -> None:
    """Train networks on data sets of several sizes, and measure them beside the empirical score and the theory.

    Writes train.nc, figures (spectra, dimension, sizes, losses, memorization, training) and what the next run goes
    on from: the same command continues where it stopped. Prints what became of every block, and of generated samples.

    Parameters
    ----------
    config
        A TOML file with the sections data, network, training and measures, or a preset: linear-quick, linear-paper,
        digits or digits-resnet. --seed is added to its seeds.
    data
        A data set alone, instead: all else is chosen by its size and shape, and said. A table as of other commands, for
        an MLP; or images (a folder, CIFAR's .bin, IDX, FILE.npz[:KEY] of more than two axes), for a U-Net.
    columns
        Columns of a table of --data to use, counted from 0 or by their names [default: all].
    drop_duplicates
        Drop rows of a table of --data that repeat earlier ones, or nearly.
    standardize
        Divide every column of a table of --data by its standard deviation.
    template
        Print a configuration in which every key stands with its default and its meaning, and do nothing else.
    """
    if (config is not None) + (data is not None) + template != 1:
        raise InputError("give --config, --data or --template, and only one of them")
    if template:
        from geomem.networks.template import configuration

        print(configuration(), end="")
        return

    from dataclasses import replace

    from geomem.figures.networks import FIGURES, study_figures
    from geomem.figures.style import figure_writers
    from geomem.networks.fates import loss_rows, memorization_rows
    from geomem.networks.sweep import experiment_record, train_study
    from geomem.schedules.clock import on_schedule

    names = ["train.nc", *(f"{name}.{suffix}" for name in FIGURES for suffix in ("png", "pdf"))]
    folder = output.folder(*names)
    schedule = clock.read()
    asked = {"columns": columns or (), "drop_duplicates": drop_duplicates, "standardize": standardize}
    experiment = _asked(config, data, asked)
    experiment = replace(experiment, seeds=tuple(seed + output.seed for seed in experiment.seeds))
    if not (folder / "parts").is_dir():  # which say themselves of which experiment they are
        output.refuse_other_run(names, {"experiment": experiment_record(experiment)})
    study = train_study(experiment, folder / "parts")
    if schedule is not None:
        study = on_schedule(study, schedule)
    writers = {folder / "train.nc": netcdf_writer(study)}
    for name, figure in study_figures(study).items():
        writers |= figure_writers(figure, folder / name)
    write(writers)
    losses = with_readings(loss_rows(study), schedule)
    memorized = memorization_rows(study)
    seeds = f"{len(experiment.seeds)} seeds, {experiment.training.num_steps} steps"
    print_table(losses, f"noise variances at which blocks are lost, {seeds}{clock.title}", output.json)
    print_table(memorized, "generated samples", output.json)
    if output.json:
        print(json_text({"losses": losses, "memorization": memorized}))


def _asked(config: str | None, data: str | None, asked: dict[str, Any]) -> "Experiment":
    """The experiment of a file, or of data alone, of which it is said on stderr what was chosen."""
    if data is None:
        from geomem.networks.experiment import read_experiment

        if any(asked.values()):
            raise InputError(
                "--columns, --drop-duplicates and --standardize go with --data; a --config has keys for it"
            )
        return read_experiment(str(config))
    from geomem.cli.options import advised
    from geomem.files.inspection import inspect
    from geomem.networks.defaults import experiment_of_data

    experiment, chosen = experiment_of_data(data, **asked)
    for note in advised(inspect(experiment.data.samples).sentences) if experiment.data.table else ():
        print(f"geomem: {note}", file=sys.stderr)
    print(f"geomem: {chosen}; geomem train --template prints what can be chosen otherwise", file=sys.stderr)
    return experiment
