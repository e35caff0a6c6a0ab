"""A configuration of `geomem train` to begin from, with every key, its default and its meaning."""

import ast
import inspect
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from itertools import pairwise
from typing import Any

from geomem.networks.config import MLP, ResNet, TrainConfig, UNet
from geomem.networks.experiment import ONLY_WITH, Data, Experiment, Measures, read_experiment

_BEFORE = "linear-quick"  # the preset that lends values to keys without defaults
_WIDTH = 100


def configuration() -> str:
    """The text of a TOML file that trains as `linear-quick` does, but for defaults where that sets keys.

    Keys that would be refused beside the others, such as those of another kind of network, are commented out.
    """
    given = read_experiment(_BEFORE)
    lent = {"num_samples": given.data.num_samples, "num_steps": given.training.num_steps}
    unused = [key for key, (other, value) in ONLY_WITH.items() if getattr(given.data, other) != value]
    parts = [
        f"# Only data.num_samples and training.num_steps have no default; here they are those of {_BEFORE}.",
        "# A key behind a bare # is for another source, embedding or kind of network.",
        "",
        "[data]",
        *_keys(Data, lent, out=unused),
        "",
        "[network]",
        "# Architecture: mlp, for data of any kind, or unet or resnet, for images.",
        'kind = "mlp"',
        *_keys(MLP),
        '# Of kind = "unet", instead of these:',
        *_keys(UNet, out=[one.name for one in fields(UNet)], without=("image_shape",)),
        '# Of kind = "resnet":',
        *_keys(ResNet, out=[one.name for one in fields(ResNet)], without=("image_shape",)),
        "",
        "[training]",
        *_keys(TrainConfig, lent, without=("network",)),
        *_keys(Experiment, without=[one.name for one in fields(Experiment) if one.name != "seeds"]),
        "",
        "[measures]",
        *_keys(Measures),
    ]
    return "\n".join(parts) + "\n"


def _keys(
    kind: type, lent: Mapping[str, Any] | None = None, out: Sequence[str] = (), without: Sequence[str] = ()
) -> list[str]:
    """Lines for the fields of a section: what each means, and its default, or what is lent where there is none."""
    meanings, lines = _meanings(kind), []
    for one in fields(kind):  # ty: ignore[invalid-argument-type] (all of them are dataclasses)
        if one.name not in without:
            value = (lent or {})[one.name] if one.default is MISSING else one.default
            lines += textwrap.wrap(meanings[one.name], _WIDTH, initial_indent="# ", subsequent_indent="# ")
            # Of TOML, as far as it goes here, JSON is a part.
            lines.append(f"{'#' if one.name in out else ''}{one.name} = {json.dumps(value)}")
    return lines


def _meanings(kind: type) -> dict[str, str]:
    """What stands below each field of a dataclass."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(kind)).body if isinstance(node, ast.ClassDef))
    found = {}
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else None
            found[field.target.id] = " ".join(str(text).split())
    return found
