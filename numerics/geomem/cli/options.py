"""The words of the command line, and the objects they stand for; heavy imports wait inside the functions."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, Token

from geomem.core.status import InputError

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from geomem.laws.manifold import Manifold
    from geomem.laws.probe import Probe


def _whole_number(_type: type, tokens: Sequence[Token]) -> int:
    """An integer that is written as one: 1.9 is a mistake, not 2."""
    return int(tokens[0].value)


Several = Parameter(consume_multiple=True)
Whole = Annotated[int, Parameter(converter=_whole_number)]


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


def read_manifold(given: ManifoldInput) -> "tuple[Manifold, float, dict[str, object], np.ndarray | None]":
    """The law, the data-set size, what of the input goes into the provenance, and the data if there are any."""
    from geomem.laws.manifold import Manifold

    data = None
    if given.data is not None:
        if given.variances is not None or given.multiplicities is not None:
            raise InputError("give either --data or --variances with --multiplicities, not both")
        from geomem.core.provenance import digest
        from geomem.files.data import load_data

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


def read_probe(text: str) -> "Probe":
    """A probe from KIND or KIND:AMPLITUDE."""
    from geomem.laws.probe import KINDS, Probe

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


def asked_log_sizes(sizes: tuple[float, float, float]) -> "np.ndarray":
    import numpy as np

    low, high, count = sizes
    if not (2 <= low < high <= 1e300 and 2 <= count < math.inf and count == int(count)):
        raise InputError(
            f"--sizes {low:g} {high:g} {count:g} must be a size of at least 2, a larger one up to 1e300, "
            "and a count of at least 2"
        )
    return np.linspace(math.log(low), math.log(high), int(count))


def check_seed(seed: int) -> None:
    if not 0 <= seed < 2**63:
        raise InputError(f"--seed is {seed}; it must be a whole number from 0 to 2^63 - 1")


def check_folder(path: Path) -> None:
    """That the folder can be made and written, before anything is computed; it is made when there are results."""
    there = next(one for one in (path.absolute(), *path.absolute().parents) if os.access(one, os.F_OK))
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise InputError(f"the output folder {str(path)!r} cannot be written: {str(there)!r} is no folder to write in")


def check_schedule(clock: ClockOption) -> None:
    """That there is such a schedule, before anything is computed."""
    if clock.schedule is not None:
        from geomem.schedules.clock import schedule_of

        schedule_of(clock.schedule)


def on_schedule(results: "xr.Dataset", clock: ClockOption) -> "xr.Dataset":
    if clock.schedule is None:
        return results
    from geomem.schedules.clock import on_schedule

    return on_schedule(results, clock.schedule)
