"""Schedules from the scheduler configurations of the diffusers library."""

import json
import sys
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from geomem.core.status import InputError
from geomem.schedules.continuous import FlowMatching, Schedule, VarianceExploding
from geomem.schedules.discrete import Discrete

# The schedulers of diffusers that take their noise from betas. They differ in how they sample, not in the noise.
_WITH_BETAS = (
    "DDIMInverseScheduler",
    "DDIMParallelScheduler",
    "DDIMScheduler",
    "DDPMParallelScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepInverseScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "SASolverScheduler",
    "TCDScheduler",
    "UniPCMultistepScheduler",
)
_FLOWS = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler", "FlowMatchLCMScheduler")
_EDMS = ("EDMDPMSolverMultistepScheduler", "EDMEulerScheduler")


def schedule_from_json(path: str | Path) -> Schedule:
    """The noise schedule of a `scheduler_config.json` as the diffusers library writes it.

    What only sets the grid of a sampler (Karras sigmas, shifts, spacings) does not change
    the noise at a time, and is passed over. Times are the configuration's timesteps where it
    has a number of them, also of a flow.

    Raises:
        InputError: if the file cannot be read as JSON, is of an unknown scheduler, lacks a
            key, or its noise does not grow.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"there is no schedule file {str(path)!r}")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        # Of numbers with thousands of digits Python says how it could be made to read them.
        reason = (
            "a number in it is too long" if "set_int_max_str_digits" in str(error) else " ".join(str(error).split())
        )
        raise InputError(f"{path} cannot be read as JSON: {reason}") from error
    try:
        return _from_config(config)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _from_config(config: object) -> Schedule:
    if not isinstance(config, dict):
        raise InputError("a scheduler's configuration is a JSON object with the key '_class_name'")
    kind = _entry(config, "_class_name", str)
    if kind in _EDMS:
        return VarianceExploding("sigma")
    if kind in _FLOWS or (kind in _WITH_BETAS and config.get("use_flow_sigmas")):
        return FlowMatching(_entry(config, "num_train_timesteps", int) if "num_train_timesteps" in config else None)
    if kind not in _WITH_BETAS:
        raise InputError(
            f"the scheduler {shown(kind)} is not known; known are {', '.join(_WITH_BETAS + _FLOWS + _EDMS)}"
        )
    if config.get("rescale_betas_zero_snr"):
        raise InputError("rescale_betas_zero_snr makes the last step pure noise, which has no finite noise variance")
    if config.get("trained_betas") is not None:
        betas = _entry(config, "trained_betas", list)
        for step, beta in enumerate(betas):
            _check_type(f"trained_betas {step}", beta, float)
        return Discrete.from_betas(betas)
    shape = _entry(config, "beta_schedule", str)
    num_steps = _entry(config, "num_train_timesteps", int)
    if shape == "squaredcos_cap_v2":
        return Discrete.cosine(num_steps)
    makers = {"linear": Discrete.linear, "scaled_linear": Discrete.scaled_linear, "sigmoid": Discrete.sigmoid}
    if shape not in makers:
        raise InputError(
            f"the beta_schedule {shown(shape)} is not known; known are {', '.join(makers)} and squaredcos_cap_v2"
        )
    return makers[shape](_entry(config, "beta_start", float), _entry(config, "beta_end", float), num_steps)


_KINDS: dict[type, str] = {str: "text", int: "a whole number", float: "a number", list: "a list"}


def _entry(config: dict[str, Any], key: str, kind: type) -> Any:  # noqa: ANN401 (JSON holds anything)
    if key not in config:
        raise InputError(f"the key {key!r} is missing")
    _check_type(key, config[key], kind)
    return config[key]


def _check_type(name: str, value: object, kind: type) -> None:
    # JSON does not tell 1 from 1.0, but true is no number, and a whole number may be beyond all others.
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise InputError(f"{name} is {shown(value)}; it must be {_KINDS[kind]}")
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        raise InputError(f"{name} is {shown(value)}; it must be a finite number")
