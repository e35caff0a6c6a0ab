"""What `geomem train` is asked, read from a TOML file: data, network, training and measures.

For instance, the fields being those of `Data`, `MLP`, `UNet` or `ResNet`, `TrainConfig` and `Measures`:

    [data]
    source = "manifold"             # or digits, FILE.npz, a folder of PNG files, IDX or CIFAR files; or a table
    variances = [1, 0.09, 1e-4]
    multiplicities = [2, 5, 23]
    num_samples = [50, 1000]

    [network]
    kind = "mlp"                    # or unet or resnet, for images

    [training]
    num_steps = 20000
    learning_rate = 1e-3
    seeds = [0, 1, 2]

    [measures]
    steps = [2000, 6000]            # measured at these steps too
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from jaxtyping import Float

from geomem.core.opening import is_there, load_toml, named
from geomem.core.status import InputError
from geomem.empirical.spectrum import check_protocol
from geomem.files.images import load_images
from geomem.files.prepared import prepared_data
from geomem.networks.config import MLP, ResNet, TrainConfig, UNet

_PRESETS = Path(__file__).parent / "presets"
PRESETS = tuple(sorted(file.stem for file in _PRESETS.glob("*.toml")))
_NETWORKS = {"mlp": MLP, "unet": UNet, "resnet": ResNet}
_EMBEDDINGS = ("none", "sphere", "tanh")
# Keys of the data that do nothing but beside this value of another key.
ONLY_WITH = {"radius": ("embedding", "sphere"), "dims": ("embedding", "tanh")} | dict.fromkeys(
    ("variances", "multiplicities", "normalized", "embedding"), ("source", "manifold")
)
_MOST = 10**6  # of anything that is counted
_Section = TypeVar("_Section")


@dataclass(frozen=True, kw_only=True)
class Data:
    """Training sets: drawn from a manifold, embedded or not, or chosen from images or the rows of a table."""

    num_samples: tuple[int, ...]
    """Sizes N of the training sets, rising; a network is trained for every size and seed."""
    source: str = "manifold"
    """Where samples come from: manifold, which draws them; images, as digits, FILE.npz[:KEY], a folder of pictures, IDX
    or CIFAR files; or with table = true the data that other commands take."""
    table: bool = False
    """Whether the source is a table with a sample in every row, centered and divided by its widest deviation."""
    columns: tuple[str, ...] = ()
    """Columns of the table to use, by their numbers from 0 or their names; all of them by default."""
    drop_duplicates: bool = False
    """Whether rows of the table that repeat earlier ones, or nearly, are left out."""
    standardize: bool = False
    """Whether every column of the table is divided by its standard deviation first."""
    num_held_out: int = 1000
    """Samples that are held out, whose loss is recorded."""
    variances: tuple[float, ...] = (1.0, 0.09, 1e-4)
    """Local variances of the manifold's blocks."""
    multiplicities: tuple[float, ...] = (2.0, 5.0, 23.0)
    """Numbers of directions of the manifold's blocks."""
    normalized: bool = False
    """Whether every sample of the manifold is divided by its norm."""
    embedding: str = "none"
    """What takes points of the manifold to data: none, sphere or tanh."""
    radius: float = 3.0
    """Radius of the sphere, for that embedding."""
    dims: int = 100
    """Number of features, for the embedding tanh."""

    def __post_init__(self) -> None:
        if not self.num_samples or min(self.num_samples) < 2 or list(self.num_samples) != sorted(set(self.num_samples)):
            raise InputError(f"data.num_samples is {list(self.num_samples)}; it must be increasing sizes from 2")
        if self.num_held_out < 2:
            raise InputError(f"data.num_held_out is {self.num_held_out}; it must be at least 2")
        if not 1 <= self.dims <= _MOST:
            raise InputError(f"data.dims is {self.dims}; it must be from 1 to {_MOST}")
        if self.embedding not in _EMBEDDINGS:
            raise InputError(f"data.embedding is {self.embedding!r}; choose one of {', '.join(_EMBEDDINGS)}")
        if self.source != "manifold" and self.embedding != "none":
            raise InputError("data.embedding is for the source 'manifold'; leave it out for images")
        if not self.table and (self.columns or self.drop_duplicates or self.standardize):
            raise InputError("data.columns, drop_duplicates and standardize change a table; give it as data.source")
        if self.source == "manifold" and self.table:
            raise InputError("data.table is true but the source is 'manifold'; give the table as data.source")

    @cached_property
    def samples(self) -> Float[np.ndarray, "samples ..."]:
        """The images (samples, height, width, channels) or rows (samples, dims), read when they are first asked for.

        Raises:
            InputError: as `prepared_data` and `load_images`.
        """
        if not self.table:
            return load_images(self.source)
        chosen = self.columns or None
        asked = {"drop_duplicates": self.drop_duplicates, "standardize": self.standardize}
        return prepared_data(self.source, columns=chosen, **asked)[1].data

    def take_samples(self) -> Float[np.ndarray, "samples ..."]:
        """The same, kept no longer: they may be most of what memory holds, and the source may change."""
        samples = self.samples
        del vars(self)["samples"]
        return samples


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What is measured of a trained score, and of the empirical and the population's beside it."""

    first: float = 1e-4
    """Smallest noise variance t, in squared units of what is trained on."""
    last: float = 3.0
    """Largest noise variance t; beyond the largest variance, openings are seen."""
    count: int = 25
    """Number of noise variances between them, spaced evenly in ln t."""
    protocol: str = "jacobian"
    """How spectra are taken: jacobian, orthogonal_frame or central_difference."""
    num_points: int = 16
    """Training points at which spectra are taken."""
    noised: bool = True
    """Whether these are noised, as networks see them in training."""
    num_blocks: int = 4
    """Blocks of directions, where the data are no linear manifold."""
    num_generated: int = 400
    """Samples that every network generates."""
    num_sampling_steps: int = 200
    """Steps in which they are generated."""
    steps: tuple[int, ...] = ()
    """Training steps, rising, at which everything is measured besides the last."""

    def __post_init__(self) -> None:
        # Networks see them in float32.
        if not 1e-36 <= self.first < self.last <= 1e36:
            raise InputError(
                f"measures.first and last are {self.first} and {self.last}; they must be rising variances, from 1e-36 "
                "to 1e36"
            )
        for name in ("count", "num_points", "num_blocks", "num_generated", "num_sampling_steps"):
            if not 2 <= getattr(self, name) <= _MOST:
                raise InputError(f"measures.{name} is {getattr(self, name)}; it must be from 2 to {_MOST}")
        check_protocol(self.protocol, 1)

    @property
    def noise_variances(self) -> Float[np.ndarray, " times"]:
        return np.geomspace(self.first, self.last, self.count)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A sweep over data-set sizes and seeds."""

    data: Data
    training: TrainConfig
    measures: Measures = field(default_factory=Measures)
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of training sets, weights and noise, one network each."""

    def __post_init__(self) -> None:
        possible = all(0 <= seed < 2**63 for seed in self.seeds)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or not possible:
            raise InputError(
                f"training.seeds is {list(self.seeds)}; it must be different whole numbers from 0 to 2^63 - 1"
            )
        wrong = [step for step in self.measures.steps if not 0 < step < self.training.num_steps]
        if wrong or list(self.measures.steps) != sorted(set(self.measures.steps)):
            raise InputError(
                f"measures.steps is {list(self.measures.steps)}; it must be increasing and below training.num_steps, "
                f"{self.training.num_steps}"
            )

    @property
    def steps(self) -> tuple[int, ...]:
        return (*self.measures.steps, self.training.num_steps)


def read_experiment(source: str | Path) -> Experiment:
    """An experiment from a TOML file, or a preset by its name.

    The sections are `data`, `network` (with `kind`, mlp, unet or resnet), `training` (with `seeds`) and
    `measures`; their keys are the fields of `Data`, `MLP`, `UNet` or `ResNet`, `TrainConfig` and `Measures`.

    Raises:
        InputError: if there is no such file, it is no TOML, or for an unknown section or key, or a value of the wrong
            type or range.
    """
    path = _PRESETS / f"{source}.toml" if str(source) in PRESETS else Path(source)
    if not any(is_there(path, kind) for kind in ("file", "folder", "pipe or device")):
        raise InputError(f"there is no file {named(source)!r}, and the presets are {', '.join(PRESETS)}")
    table = load_toml(path)
    try:
        return _experiment(table)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def _experiment(table: Mapping[str, Any]) -> Experiment:
    sections = ("data", "network", "training", "measures")
    for name, section in table.items():
        if name not in sections:
            raise InputError(f"there is no section {name!r}; the sections are {', '.join(sections)}")
        if not isinstance(section, dict):
            raise InputError(f"{name!r} is no section; write [{name}] and its keys below")
    data = _data(table.get("data", {}))
    network, training = dict(table.get("network", {})), dict(table.get("training", {}))
    kind = network.pop("kind", "mlp")
    if not isinstance(kind, str) or kind not in _NETWORKS:
        raise InputError(f"network.kind is {kind!r}; choose one of {', '.join(_NETWORKS)}")
    own = {}
    if kind != "mlp":
        if data.source == "manifold" or data.table:
            raise InputError(f"network.kind is {kind!r}, a network for images; set data.source")
        # The data know the images' shape.
        own["image_shape"] = data.samples.shape[1:]
    built = _section(_NETWORKS[kind], "network", network, own, ("kind",))
    seeds = {"seeds": training.pop("seeds")} if "seeds" in training else {}
    trained = _section(TrainConfig, "training", training, {"network": built}, ("seeds",))
    measures = _section(Measures, "measures", table.get("measures", {}))
    return _section(Experiment, "training", seeds, {"data": data, "training": trained, "measures": measures})


def _data(table: Mapping[str, Any]) -> Data:
    data = _section(Data, "data", table)
    for key, (other, value) in ONLY_WITH.items():
        if key in table and getattr(data, other) != value:
            raise InputError(
                f"data.{key} does nothing with source {data.source!r} and embedding {data.embedding!r}; leave it out"
            )
    return data


def _section(
    kind: type[_Section],
    name: str,
    table: Mapping[str, Any],
    own: Mapping[str, Any] | None = None,
    others: Sequence[str] = (),
) -> _Section:
    """A dataclass from a table of its fields, but for those that are its own; the section has other keys besides."""
    hints, own = get_type_hints(kind), own or {}
    # All of them are dataclasses.
    known = {one.name: one for one in fields(kind) if one.name not in own}  # ty: ignore[invalid-argument-type]
    for key in table:
        if key not in known:
            raise InputError(f"there is no key {key!r} in [{name}]; its keys are {', '.join([*known, *others])}")
    for key, one in known.items():
        if key not in table and one.default is MISSING and one.default_factory is MISSING:
            raise InputError(f"[{name}] has no {key}")
    return kind(**own, **{key: _value(hints[key], f"{name}.{key}", value) for key, value in table.items()})


def _value(hint: Any, name: str, value: Any) -> Any:  # noqa: ANN401 (what a TOML file holds)
    """The value as the type of its field; whole numbers are numbers, and lists are tuples."""
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        if not isinstance(value, list | tuple):
            raise InputError(f"{name} is {value!r}; it must be a list")
        return tuple(_value(inner, name, one) for one in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 1 << 1000 else np.inf
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        raise InputError(f"{name} is {value!r}; it must be {words.get(hint, hint.__name__)}")
    return value
