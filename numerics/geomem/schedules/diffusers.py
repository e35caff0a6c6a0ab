"""Schedules from the scheduler configurations of the diffusers library.

The clock of a schedule is what the scheduler calls its timesteps, each at the noise that its class has there, as of
diffusers 0.42; where a class is given sigma itself, sigma is the clock.
"""

import math
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from reprlib import repr as shown
from typing import Any

import numpy as np

from geomem.core.opening import as_path, is_there, load_json, named
from geomem.core.status import InputError
from geomem.schedules.bounded import Bounded, Trigonometric
from geomem.schedules.continuous import FORMULAS, FlowMatching, Schedule, VarianceExploding
from geomem.schedules.discrete import Discrete
from geomem.schedules.keys import FLOWS, SIGMA_GRIDS, WITH_BETAS, check_entry

_Config = dict[str, Any]

# Those that put the smallest number of float16 where rescaling makes alphabar 0.
_ALMOST_PURE = ("DPMSolverMultistep", "EulerAncestralDiscrete", "EulerDiscrete", "UniPCMultistep")
_SMALLEST_HALF = 2.0**-24
_LEAST_SIGMA, _MOST_SIGMA, _MOST_RATE = 1e-150, 1e150, 700.0  # what float64 holds the noise variances of


def schedule_from_json(path: str | Path) -> Schedule:
    """The noise schedule of a scheduler's configuration as the diffusers library writes it.

    Times are the scheduler's timesteps, and t the noise that its class has there, in squared units of its samples:
    those of SCMScheduler are sigma_data times the data that pipelines give it. What only sets the grid of a sampler
    (Karras sigmas, shifts, spacings) does not change the noise at a time, and is passed over. Betas have to be there;
    for another number that is missing stands the default of the class.

    Schedulers that are known, less `Scheduler`: CMStochasticIterative, CogVideoXDDIM, CogVideoXDPM,
    CosineDPMSolverMultistep, DDIM, DDIMInverse, DDIMParallel, DDPM, DDPMParallel, DDPMWuerstchen, DEISMultistep,
    DPMSolverMultistep, DPMSolverMultistepInverse, DPMSolverSDE, DPMSolverSinglestep, EDMDPMSolverMultistep, EDMEuler,
    EulerAncestralDiscrete, EulerDiscrete, FlowMapEulerDiscrete, FlowMatchEulerDiscrete, FlowMatchHeunDiscrete,
    FlowMatchLCM, HeunDiscrete, IPNDM, KDPM2AncestralDiscrete, KDPM2Discrete, KarrasVe, LCM, LMSDiscrete,
    LTXEulerAncestralRF, MiniMaxH3, PNDM, RePaint, SASolver, SCM, ScoreSdeVe, ScoreSdeVp, TCD, UnCLIP, UniPCMultistep.

    Args:
        path: a `scheduler_config.json`, or a folder of `save_pretrained` that holds it, itself or in `scheduler`.

    Raises:
        InputError: if the file cannot be read as JSON, is of an unknown scheduler, lacks a
            key, has one that may change the clock and is not known, or its noise does not grow.
    """
    file = configuration_file(path)
    config = load_json(file)
    try:
        return _from_config(config)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def configuration_file(path: str | Path) -> Path:
    """The configuration at a path: the file, or the one in a folder of `save_pretrained`.

    Raises:
        InputError: if there is none.
    """
    file = as_path(path, "the schedule")
    if is_there(file, "folder"):
        name = "scheduler_config.json"
        found = [place for place in (file / "scheduler" / name, file / name) if is_there(place, "file")]
        if not found:
            raise InputError(f"there is no schedule file {name} in the folder {str(path)!r} or its folder scheduler")
        return found[0]
    if not is_there(file, "file"):
        raise InputError(f"there is no schedule file {named(path)!r}")
    return file


def _from_config(config: object) -> Schedule:
    if not isinstance(config, dict):
        raise InputError("a scheduler's configuration is a JSON object with the key '_class_name'")
    kind = _entry(config, "_class_name", str)
    short = kind.removesuffix("Scheduler")
    if short == kind or short not in _READERS:
        near = [f", but {one}Scheduler is" for one in get_close_matches(short, _READERS, 1)]
        raise InputError(
            f"the scheduler {shown(kind)} is not known{''.join(near)}; the documentation of schedule_from_json lists "
            f"all {len(_READERS)} that are"
        )
    for key, value in config.items():
        if not key.startswith("_"):
            check_entry(short, key, value)
    return _READERS[short](short, config)


def _with_betas(short: str, config: _Config) -> Schedule:
    if config.get("use_flow_sigmas"):
        # Such grids are made of sigma = b/a, and only UniPC turns Karras' into shares of noise.
        for grid in SIGMA_GRIDS[1:] if short == "UniPCMultistep" else SIGMA_GRIDS:
            if config.get(grid):
                raise InputError(f"{grid} beside use_flow_sigmas leaves {short}Scheduler without a clock")
        return _flow(short, config)
    return _steps(short, config)


def _steps(short: str, config: _Config) -> Discrete:
    steps = _betas(config)
    if config.get("snr_shift_scale") is not None:
        steps = steps.shifted(_entry(config, "snr_shift_scale", float))
    if config.get("rescale_betas_zero_snr"):
        steps = steps.to_pure_noise()
        if short in _ALMOST_PURE:
            if steps.alphabar[-2] <= _SMALLEST_HALF:
                raise InputError(
                    f"with rescale_betas_zero_snr {short}Scheduler sets alphabar 2^-24 at the last step, where the "
                    f"noise must grow; that of the step before is {steps.alphabar[-2]:g}"
                )
            steps = Discrete(np.append(steps.alphabar[:-1], _SMALLEST_HALF))
    return steps


def _cogvideox(short: str, config: _Config) -> Schedule:
    return _with_betas(short, {"snr_shift_scale": 3.0} | config)


def _betas(config: _Config) -> Discrete:
    if config.get("trained_betas") is not None:
        betas = _entry(config, "trained_betas", list)
        for step, beta in enumerate(betas):
            _check_type(f"trained_betas {step}", beta, float)
        return Discrete.from_betas(betas)
    shape = _entry(config, "beta_schedule", str)
    num_steps = _entry(config, "num_train_timesteps", int)
    alone = {"squaredcos_cap_v2": Discrete.cosine, "exp": Discrete.exponential, "laplace": Discrete.laplace}
    if shape in alone:
        return alone[shape](num_steps)
    makers = {"linear": Discrete.linear, "scaled_linear": Discrete.scaled_linear, "sigmoid": Discrete.sigmoid}
    if shape not in makers:
        raise InputError(f"the beta_schedule {shown(shape)} is not known; known are {', '.join({**makers, **alone})}")
    return makers[shape](_entry(config, "beta_start", float), _entry(config, "beta_end", float), num_steps)


def _unclip(_short: str, config: _Config) -> Schedule:
    shape = config.get("beta_schedule", "squaredcos_cap_v2")
    if shape != "squaredcos_cap_v2":
        raise InputError(f"the beta_schedule {shown(shape)} is not known of UnCLIPScheduler, but squaredcos_cap_v2")
    return Discrete.cosine(_entry({"num_train_timesteps": 1000} | config, "num_train_timesteps", int))


def _euler(short: str, config: _Config) -> Schedule:
    stamped = config.get("timestep_type", "discrete")
    if stamped not in ("discrete", "continuous"):
        raise InputError(f"timestep_type is {shown(stamped)}; known are discrete and continuous")
    # Of networks that predict anything else the class makes whole timesteps, whatever it is told.
    if not (stamped == "continuous" and config.get("prediction_type") == "v_prediction"):
        if config.get("interpolation_type") not in (None, "linear"):
            raise InputError(
                f"interpolation_type is {shown(config['interpolation_type'])}, which moves sigmas against "
                "timesteps by how many there are; known is linear"
            )
        return _with_betas(short, config)
    steps = _steps(short, config)
    ends = np.sqrt(steps.noise_variance([0, steps.num_steps - 1])).tolist()
    gridded = any(config.get(grid) for grid in SIGMA_GRIDS)
    return _log_sigma(config if gridded else {}, *ends)


def _flow(_short: str, config: _Config) -> Schedule:
    num_steps = _entry({"num_train_timesteps": 1000} | config, "num_train_timesteps", int)
    return FlowMatching(num_steps, from_noise=bool(config.get("invert_sigmas")))


def _log_sigma(config: _Config, lowest: float, highest: float, unit: float = 1.0) -> Schedule:
    return Bounded("log_sigma", *_variances(config, lowest, highest), unit=unit)


def _angle_of_sigma(_short: str, config: _Config) -> Schedule:
    return Bounded("angle_of_sigma", *_variances(config, 0.3, 500.0), unit=2 / math.pi)


def _score_sde_ve(_short: str, config: _Config) -> Schedule:
    ends = _sigmas(config, 0.01, 1348.0)
    return Bounded("geometric_sigma", ends[0] ** 2, ends[1] ** 2, parameters=ends)


def _variances(config: _Config, lowest: float, highest: float) -> tuple[float, float]:
    """The squares of sigma_min and sigma_max, for which their defaults are given."""
    ends = _sigmas(config, lowest, highest)
    return ends[0] ** 2, ends[1] ** 2


def _sigmas(config: _Config, lowest: float, highest: float) -> tuple[float, float]:
    ends = _number(config, "sigma_min", lowest), _number(config, "sigma_max", highest)
    if not _LEAST_SIGMA < ends[0] < ends[1] < _MOST_SIGMA:
        raise InputError(
            f"sigma_min is {ends[0]:g} and sigma_max {ends[1]:g}; they must rise, "
            f"from above {_LEAST_SIGMA:g} to below {_MOST_SIGMA:g}"
        )
    return ends


def _score_sde_vp(_short: str, config: _Config) -> Schedule:
    rates = _number(config, "beta_min", 0.1), _number(config, "beta_max", 20.0)
    if not rates[0] <= rates[1] < _MOST_RATE:
        raise InputError(f"beta_min is {rates[0]:g} and beta_max {rates[1]:g}; they must rise, to below {_MOST_RATE:g}")
    name = "variance_preserving_sde"
    return Bounded(name, 0.0, float(FORMULAS[name].noise_variance(np.array(1.0), *rates)), parameters=rates)


def _wuerstchen(_short: str, config: _Config) -> Schedule:
    scaler, offset = _number(config, "scaler", 1.0), _number(config, "s", 0.008)
    if scaler != 1:
        raise InputError(f"scaler is {scaler:g}, which bends the clock; known is 1")
    # The class keeps alphabar between these.
    least, most = 1e-4, 0.9999
    return Bounded("cosine", (1 - most) / most, (1 - least) / least, parameters=(offset,), held=(0.0, 1.0))


_READERS: dict[str, Callable[[str, _Config], Schedule]] = {
    **dict.fromkeys(WITH_BETAS, _with_betas),
    **dict.fromkeys(FLOWS, _flow),
    **dict.fromkeys(("CogVideoXDDIM", "CogVideoXDPM"), _cogvideox),
    **dict.fromkeys(("EDMDPMSolverMultistep", "EDMEuler"), lambda _, config: _log_sigma(config, 0.002, 80.0)),
    "CMStochasticIterative": lambda _, config: _log_sigma(config, 0.002, 80.0, unit=1000.0),
    "CosineDPMSolverMultistep": _angle_of_sigma,
    "DDPMWuerstchen": _wuerstchen,
    "EulerDiscrete": _euler,
    "IPNDM": lambda _, config: Trigonometric(unit=2 / math.pi),
    "KarrasVe": lambda _, config: VarianceExploding("sigma"),
    "MiniMaxH3": lambda _, config: FlowMatching(from_noise=True),
    "SCM": lambda _, config: Trigonometric(_number(config, "sigma_data", 0.5)),
    "ScoreSdeVe": _score_sde_ve,
    "ScoreSdeVp": _score_sde_vp,
    "UnCLIP": _unclip,
}


def _number(config: _Config, key: str, default: float) -> float:
    """A positive number, by default that of the class."""
    if config.get(key) is None:
        return default
    value = float(_entry(config, key, float))
    if not 0 < value < math.inf:
        raise InputError(f"{key} is {value:g}; it must be positive and finite")
    return value


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
