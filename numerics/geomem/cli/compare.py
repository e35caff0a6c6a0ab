"""`geomem compare`: a measured curve against the theory."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from geomem.cli.laws import FAMILIES
from geomem.cli.options import ClockInput, ManifoldInput, read_probe
from geomem.cli.output import OutputOptions, Whole
from geomem.cli.tables import json_text, json_writer, print_table, write
from geomem.core.status import InputError, Status
from geomem.files.formats import KEYED, TABLES, file_and_key, suffix
from geomem.files.writing import netcdf_writer, or_none

if TYPE_CHECKING:
    import xarray as xr

    from geomem.laws.law import Law
    from geomem.laws.manifold import Manifold
    from geomem.schedules.clock import Clock

_UNKNOWN = (
    "the points are taken to be independent, so there is no p-value and the shift's interval may be too narrow; a "
    "curve of at least 8 replicates has the covariance of its points, and '# points: independent' in its file says "
    "that there is none"
)


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
    clock: ClockInput = ClockInput(),
    output: OutputOptions = OutputOptions(),
) -> None:
    """A measured curve against the theory: residuals, chi-square, and how far apart they are in ln t.

    Writes compare.nc, .json, .png and .pdf, and prints the table. What the curve's file says of its observable,
    schedule and num_samples need not be said again, and may not be contradicted; its num_samples go before those of
    --data, and its dimension must be that of the law.

    Parameters
    ----------
    curve
        A .csv, .tsv, .parquet, .npz or .nc file with the columns time, value, error and, of replicates, replicate; or
        FILE.nc:NAME, a curve of results of this package.
    observable
        What was measured. Singular values are refused: spectra are compared with their law in Python.
    law
        manifold; two-classes, Gaussians of that manifold about two opposite centers; or the file of a measured
        excess entropy, which bounds the collapse probability from below.
    squared_center
        Squared distance of the centers from the origin, along the first direction.
    theory
        Level of the theory: finite_n, where there are levels; rem for the excess entropy too.
    block
        Block of the probed direction, for the participation [default: 0].
    probe
        Where the participation is taken: origin, along[:AMPLITUDE], random_direction[:AMPLITUDE], data_point or
        typical [default: along].
    """
    from dataclasses import replace

    import xarray as xr

    from geomem.core.provenance import document_of, extended
    from geomem.figures.comparison import comparison_figure
    from geomem.figures.style import figure_writers
    from geomem.studies.agreement import ASSUMED
    from geomem.studies.curve import Asked, in_words, predict, study_curve, with_both_errors

    names = ("compare.nc", "compare.json", "compare.png", "compare.pdf")
    name = output.folder(*names) / "compare"
    size = None if manifold.num_samples is None else manifold.single_size()
    said = {"observable": observable, "schedule": clock.schedule, "num_samples": size}
    measured, schedule = _read_curve(curve, said)
    found = measured.attrs["observable"]
    for option, given in {"block": block, "probe": probe}.items():
        if given is not None and found != "participation":
            raise InputError(f"--{option} is for participation; what was measured is {found}")
    if "num_samples" in measured.attrs:
        manifold = replace(manifold, num_samples=(float(measured.attrs["num_samples"]),))
    spectrum, num_samples, record, _, directions, *_ = manifold.read()
    source = _read_law(law, squared_center, spectrum, measured)
    inputs = record | spectrum.record() | schedule.record | {"curve": str(curve), "law": law, "seed": output.seed}
    inputs |= {"observable": found}
    inputs |= {"curve_sha256": _digest(measured), "asked": {"theory": theory, "block": block, "probe": probe}}
    inputs |= {"squared_center": squared_center}
    inputs |= {"law_sha256": _digest(source) if isinstance(source, xr.Dataset) else None}
    output.refuse_other_run(names, inputs)
    asked = Asked(num_samples, theory, block or 0, read_probe(probe or "along"), directions)
    predicted = predict(found, source, measured.noise_variance.values, asked)
    measured = with_both_errors(measured, predicted)
    study = study_curve(measured, predicted, output.seed)
    study.attrs["provenance"] = extended(study.attrs["provenance"], inputs)
    rows = [_curve_row(study.isel(noise_variance=place)) for place in range(study.sizes["noise_variance"])]
    names = ("reduced_chi_square", "p_value", "max_abs_z", "log_time_shift", "log_time_shift_lower")
    numbers = {one: or_none(float(study.attrs[one])) for one in (*names, "log_time_shift_upper")}
    summary = {"points": study.attrs["points"]} | numbers
    document = {"summary": summary, "rows": rows}
    whole = document | {"provenance": document_of(study.attrs["provenance"])}
    writers = {name.with_suffix(".nc"): netcdf_writer(study), name.with_suffix(".json"): json_writer(whole)}
    write(writers | figure_writers(comparison_figure(measured, predicted), name))
    missing = study.predicted.isnull()
    if missing.any():
        reasons = in_words(study.status.values[missing.values])
        print(
            f"geomem: the prediction has no value at {int(missing.sum())} of {missing.size} times: {reasons}",
            file=sys.stderr,
        )
    if study.attrs["points"] == ASSUMED:
        print(f"geomem: {_UNKNOWN}", file=sys.stderr)
    print_table(rows, f"{found.replace('-', ' ')}, {law}, schedule {schedule.name}", output.json)
    print_table([dict(summary)], "measured less predicted", output.json)
    if output.json:
        print(json_text(document))


def _read_law(
    name: str, squared_center: float | None, spectrum: "Manifold", measured: "xr.Dataset"
) -> "Law | xr.Dataset":
    """The law of that name, or the measured excess entropy of that file; of the dimension that the curve states."""
    if (name == "two-classes") != (squared_center is not None):
        raise InputError("--squared-center goes with --law two-classes; give both or none")
    from geomem.laws.law import LAWS, law_of

    if name in (*LAWS, "two-classes"):
        dims = int(sum(spectrum.multiplicities))
        if measured.attrs.get("dimension", dims) != dims:
            raise InputError(f"the curve is of data in {measured.attrs['dimension']} dimensions, the law of {dims}")
    if name in LAWS:
        return law_of(name, spectrum)
    if squared_center is not None:
        from geomem.laws.mixture import GaussianMixture

        return GaussianMixture.two_classes(squared_center, spectrum)
    if name in FAMILIES:
        raise InputError(
            f"--law {name} is not fitted for a curve; phase-diagram and critical-size take it, and compare "
            "manifold, the one Gaussian of --data"
        )
    if suffix(file_and_key(name)[0]) not in (*TABLES, *KEYED):
        raise InputError(
            f"there is no law {name!r}; choose {', '.join(LAWS)}, two-classes or the file of an excess entropy"
        )
    shared = {key: measured.attrs.get(key) for key in ("num_samples", "dimension")}
    return _read_curve(Path(name), {"observable": "excess-entropy"} | shared)[0]


def _read_curve(file: Path, said: Mapping[str, object]) -> "tuple[xr.Dataset, Clock]":
    """A measured curve over noise variances, of which the observable is known, and its schedule."""
    from geomem.files.curves import read_curve
    from geomem.studies.curve import on_noise_variance

    curve, clock = read_curve(file, said)
    if "observable" not in curve.attrs or clock is None:
        what = "schedule" if "observable" in curve.attrs else "observable"
        raise InputError(f"{file} does not say its {what}; give --{what}, or add a line '# {what}: ...' to the file")
    try:
        return on_noise_variance(curve, clock), clock
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def _digest(curve: "xr.Dataset") -> str:
    """What tells a curve over noise variances from others."""
    import numpy as np

    from geomem.core.provenance import digest

    return digest(np.stack([curve.noise_variance.values, curve.value.values, curve.error.values]))


def _curve_row(at: "xr.Dataset") -> dict[str, object]:
    """The comparison's row of one time."""
    numbers = ("time", "noise_variance", "measured", "error", "predicted", "residual", "z")
    return {name: or_none(float(at[name])) for name in numbers} | {"status": Status(int(at.status)).name}
