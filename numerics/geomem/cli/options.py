"""The words of the command line, and the objects they stand for; heavy imports wait inside the functions."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

from cyclopts import Parameter

from geomem.cli.output import Several, Whole
from geomem.core.status import InputError

if TYPE_CHECKING:
    import numpy as np

    from geomem.laws.manifold import Manifold
    from geomem.laws.probe import Probe
    from geomem.levels.level import Level
    from geomem.levels.question import Question
    from geomem.schedules.clock import Clock


# The data that are meant where nothing is said of them: variances, directions, and how many samples.
_DEFAULT_SPECTRUM = ((1.0, 0.09, 1e-4), (2, 5, 23))
_DEFAULT_SIZE = 1000.0

# What can be done about what is found in data, by its kind.
_ADVICE = {
    "copies": "; --drop-duplicates leaves them out",
    "near_copies": "; --drop-duplicates keeps the first",
    "scales": "; --standardize makes them one",
    "scales_beside_index": "; --standardize makes them one",
    "index": "; --columns takes the others",
}


def advised(found: Mapping[str, str]) -> list[str]:
    """Sentences on data, with what can be done about it."""
    return [f"{sentence}{_ADVICE.get(kind, '')}" for kind, sentence in found.items()]


class GivenManifold(NamedTuple):
    """What a command is given: spectrum, data-set size, what the provenance says of them, and the data if there are.

    Of blocks that group the data's spectrum also the variances of all directions, in the blocks' order; and sentences
    on the data.
    """

    manifold: "Manifold"
    num_samples: float  # the first of the sizes
    record: dict[str, object]
    data: "np.ndarray | None"
    direction_variances: "np.ndarray | None" = None
    notes: tuple[str, ...] = ()
    sizes: tuple[float, ...] = ()


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ManifoldInput:
    """A covariance spectrum, or a data set whose spectrum is taken."""

    variances: Annotated[tuple[float, ...] | None, Several] = None
    """Local variances s_b, one per block [default: 1 0.09 1e-4]."""

    multiplicities: Annotated[tuple[float, ...] | None, Several] = None
    """Numbers of directions d_b [default: 2 5 23, or 1 each]."""

    normalized: bool = False
    """Samples of the spectrum are divided by their norm."""

    data: str | None = None
    """Data set instead of a spectrum: digits, patches[:8|:16][:colour][:china|:flower][:NUMBER] (of two photographs),
    a file (.npy, .npz[:KEY], .csv, .tsv, .parquet, .nc[:VARIABLE], IDX or CIFAR's .bin) or a folder of images; what is
    no table is flattened, samples first."""

    header: Annotated[bool | None, Parameter(negative="--no-header")] = None
    """Whether the first line of a .csv or .tsv file names its columns [default: if its cells start with letters]."""

    num_blocks: Whole | None = None
    """Group the spectrum of the data into so many blocks [default: every direction is one, which is exact]."""

    columns: Annotated[tuple[str, ...] | None, Several] = None
    """Columns of the data to use, counted from 0 or by their names [default: all]."""

    drop_duplicates: bool = False
    """Drop rows of the data that repeat earlier ones, or nearly."""

    standardize: bool = False
    """Divide every column of the data by its standard deviation."""

    num_samples: Annotated[tuple[float, ...] | None, Several] = None
    """Data-set size N [default: that of the data, else 1000]. phase-diagram takes several, tabulates all and marks each
    in its figure; the others take one, which does not matter to critical-size."""

    def read(self, aloud: bool = True, several: bool = False) -> GivenManifold:
        """The spectrum and what belongs to it; data are read once, here.

        What breaks the assumptions of the theory is said on stderr, if aloud, and in the record. `several`: whether
        the command knows what to do with several sizes.

        Raises:
            InputError: for words that do not go together, or as `load_data` and `Manifold`.
        """
        found = self._of_spectrum() if self.data is None else self._of_data(self.data)
        sizes = self.num_samples
        if sizes is None:
            sizes = (found.num_samples,)
        elif not sizes:
            raise InputError("--num-samples needs at least one number")
        elif not several:
            sizes = (self.single_size(),)
        if not sizes:
            raise InputError("--num-samples is given without a size; give at least one")
        for size in sizes:
            if not (math.isfinite(size) and size >= 2):
                raise InputError(f"--num-samples is {size:g}; it must be finite and at least 2")
        if aloud:
            for note in found.notes:
                print(f"geomem: {note}", file=sys.stderr)
        record = found.record | {"num_samples": sizes[0] if len(sizes) == 1 else list(sizes)}
        return found._replace(num_samples=sizes[0], record=record, sizes=sizes)

    def single_size(self) -> float:
        """The size that is given, where one alone is of use.

        Raises:
            InputError: if there are several.
        """
        (size, *others) = self.num_samples or (math.nan,)
        if others:
            raise InputError(
                f"--num-samples has {len(others) + 1} sizes, and this command takes one; phase-diagram takes several"
            )
        return size

    def _of_data(self, source: str) -> GivenManifold:
        if self.variances is not None or self.multiplicities is not None:
            raise InputError("give either --data or --variances with --multiplicities, not both")
        if self.normalized:
            raise InputError("--normalized goes with a spectrum; rows of --data are taken as they are")
        if self.num_blocks is not None and self.num_blocks < 1:
            raise InputError(f"--num-blocks is {self.num_blocks}; it must be at least 1")
        from geomem.core.provenance import digest
        from geomem.files.prepared import prepared_data
        from geomem.laws.covariance import in_blocks, variances_of_directions
        from geomem.laws.manifold import Manifold

        found_data, prepared, columns = prepared_data(
            source,
            header=self.header,
            columns=self.columns,
            drop_duplicates=self.drop_duplicates,
            standardize=self.standardize,
        )
        loaded, (data, rounding, found) = found_data.rows, prepared
        asked = {"columns": columns, "drop_duplicates": self.drop_duplicates, "standardize": self.standardize}
        notes = advised(found)
        if found_data.sample_shape is not None:
            shape = " by ".join(map(str, found_data.sample_shape))
            notes.insert(0, f"{len(loaded)} samples of {shape} numbers are taken as rows of {loaded.shape[1]}")
        spectrum = variances_of_directions(data, center=True, rounding=rounding)
        manifold = Manifold(*in_blocks(spectrum, self.num_blocks))
        record: dict[str, object] = {
            "data": source,
            "num_blocks": self.num_blocks,
            "data_sha256": digest(loaded),
            "data_notes": notes,
        }
        directions = None if self.num_blocks is None else spectrum
        return GivenManifold(manifold, float(len(data)), record | asked, data, directions, tuple(notes))

    def _of_spectrum(self) -> GivenManifold:
        if self.num_blocks is not None:
            raise InputError("--num-blocks groups the spectrum of --data; a spectrum that is given has its blocks")
        if self.header is not None:
            raise InputError("--header and --no-header are said of the file of --data; give it too")
        if self.variances is None and self.multiplicities is not None:
            raise InputError("--multiplicities go with --variances; give both")
        if self.columns is not None or self.drop_duplicates or self.standardize:
            raise InputError("--columns, --drop-duplicates and --standardize change --data; a spectrum has none")
        from geomem.laws.manifold import Manifold

        variances, multiplicities = _DEFAULT_SPECTRUM
        if self.variances is not None:
            variances, multiplicities = self.variances, self.multiplicities or (1,) * len(self.variances)
        # Whoever compares records finds that there are no data.
        return GivenManifold(
            Manifold(list(variances), list(multiplicities), self.normalized), _DEFAULT_SIZE, {"data_sha256": None}, None
        )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class QuestionInput:
    """What is asked of the theory."""

    theory: str = "finite_n"
    """Level of the theory: finite_n, rem or gaussian_rem; or random-features, a network, with its --width."""

    width: float | None = None
    """Hidden units of a network of random features."""

    ridge: float | None = None
    """Ridge it is trained with [default: 0]."""

    training_time: float | None = None
    """Time it is trained for by gradient flow, in place of a ridge."""

    activation: str | None = None
    """Its activation: tanh, erf, relu, gelu or silu [default: tanh]."""

    criterion: str = "signal_to_noise"
    """What counts as the transition: signal_to_noise, participation or (not at finite_n) condensation; at levels
    finite_n and rem also gap, to the next narrower block; of networks in training also memorization, from where on
    training loses signal to noise."""

    probe: str | None = None
    """Where the score is evaluated: noised, at points of the --data with noise; or, about the mean of one Gaussian,
    mean (or along[:AMPLITUDE]), origin, random_direction[:AMPLITUDE], data_point or typical [default: noised for data
    at finite_n, else along]."""

    def posed(self, probe: str) -> "Question[Level]":
        """The question that the words stand for, with this probe.

        Raises:
            InputError: as `question`, `level_with` and `read_probe`.
        """
        from geomem.levels.level import level_with
        from geomem.levels.question import question

        words = ("width", "ridge", "training_time", "activation")
        settings = {word: getattr(self, word) for word in words if getattr(self, word) is not None}
        return question(self.criterion, level_with(self.theory, settings), read_probe(probe))


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ClockInput:
    """The clock of a sampler."""

    schedule: str | None = None
    """Give times on this noise schedule too, and its nearest steps: ve, sigma, ou, ddpm, ddpm-cosine, flow, or
    a scheduler_config.json of diffusers or the folder of a pipeline that has one."""

    @property
    def title(self) -> str:
        return "" if self.schedule is None else f", schedule {self.schedule}"

    def read(self) -> "Clock | None":
        """The schedule, if one is asked for.

        Raises:
            InputError: if there is no such schedule.
        """
        if self.schedule is None:
            return None
        from geomem.schedules.clock import clock_of

        return clock_of(self.schedule)


def read_probe(text: str) -> "Probe":
    """A probe from KIND or KIND:AMPLITUDE.

    Raises:
        InputError: if there is no such probe, or it has no such amplitude.
    """
    from geomem.laws.probe import KINDS, WITH_AMPLITUDE, Probe

    kind, colon, amplitude = text.partition(":")
    if kind not in KINDS:
        raise InputError(f"there is no probe {kind!r}; choose one of {', '.join(KINDS)}")
    if not colon:
        return Probe.of_kind(kind)
    if kind not in WITH_AMPLITUDE:
        raise InputError(f"the probe {kind!r} has no amplitude; only {' and '.join(WITH_AMPLITUDE)} have one")
    try:
        value = float(amplitude)
    except ValueError as error:
        raise InputError(f"the probe's amplitude is {amplitude!r}; it must be a number") from error
    return Probe.of_kind(kind, value)
