"""Configurations as diffusers writes them."""

import json
import math

import numpy as np
import pytest

from geomem import FlowMatching, InputError, VarianceExploding, schedule_from_json
from geomem.schedules.clock import clock_columns, clock_of
from geomem.schedules.diffusers import _READERS


def written_out(config):
    """alphas_cumprod of a configuration, one step after another."""
    kept, product = [], 1.0
    count = config["num_train_timesteps"]
    for step in range(count):
        part = step / (count - 1)
        if config["beta_schedule"] == "linear":
            beta = config["beta_start"] * (1 - part) + config["beta_end"] * part
        elif config["beta_schedule"] == "scaled_linear":
            beta = (config["beta_start"] ** 0.5 * (1 - part) + config["beta_end"] ** 0.5 * part) ** 2
        elif config["beta_schedule"] == "sigmoid":
            beta = config["beta_start"] + (config["beta_end"] - config["beta_start"]) / (1 + math.exp(6 - 12 * part))
        else:
            now, then = (math.cos((at / count + 0.008) / 1.008 * math.pi / 2) ** 2 for at in (step, step + 1))
            beta = min(1 - then / now, 0.999)
        product *= 1 - beta
        kept.append(product)
    return np.array(kept)


STABLE_DIFFUSION = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}
DDPM = STABLE_DIFFUSION | {
    "_class_name": "DDPMScheduler",
    "beta_schedule": "linear",
    "beta_start": 0.0001,
    "beta_end": 0.02,
}
SIGMOID = DDPM | {"beta_schedule": "sigmoid", "beta_start": 1e-7, "beta_end": 2e-3}
EULER = STABLE_DIFFUSION | {"_class_name": "EulerDiscreteScheduler", "prediction_type": "v_prediction"}
COGVIDEOX = STABLE_DIFFUSION | {"_class_name": "CogVideoXDDIMScheduler"}
COSINE = DDPM | {"_class_name": "DPMSolverMultistepScheduler", "beta_schedule": "squaredcos_cap_v2"}


def read(tmp_path, content):
    file = tmp_path / "scheduler_config.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return schedule_from_json(file)


@pytest.mark.parametrize("config", [STABLE_DIFFUSION, DDPM, SIGMOID, COSINE, COSINE | {"num_train_timesteps": 50}])
def test_configurations_of_diffusers(config, tmp_path):
    schedule, kept = read(tmp_path, config), written_out(config)
    np.testing.assert_allclose(schedule.alphabar, kept, rtol=1e-12)
    steps = np.arange(len(kept))
    variances = (1 - kept) / kept
    # Rounding of alphabar near 1 is all that t can differ by.
    np.testing.assert_allclose(schedule.noise_variance(steps), variances, rtol=1e-10)
    np.testing.assert_array_equal(schedule.step(variances), steps)
    np.testing.assert_allclose(schedule.score_factor(steps), kept**-0.5, rtol=1e-12)


def test_other_configurations(tmp_path):
    trained = read(tmp_path, DDPM | {"trained_betas": [0.1, 0.2, 0.5]})
    np.testing.assert_allclose(trained.alphabar, [0.9, 0.72, 0.36], rtol=1e-15)
    flow = read(tmp_path, {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0})
    assert flow == read(tmp_path, DDPM | {"_class_name": "UniPCMultistepScheduler", "use_flow_sigmas": True})
    assert flow == FlowMatching(1000)
    assert read(tmp_path, {"_class_name": "KarrasVeScheduler", "s_churn": 80}) == VarianceExploding("sigma")


def test_a_flow_with_timesteps_is_the_flow_on_their_clock(tmp_path):
    """Timesteps of diffusers are num_train_timesteps times sigma, its tau."""
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0}
    schedule = read(tmp_path, config)
    assert schedule.noise_variance(300) == pytest.approx((0.3 / 0.7) ** 2, rel=1e-14)
    times = np.array([1.0, 250.5, 999.0])
    np.testing.assert_allclose(schedule.time(schedule.noise_variance(times)), times, rtol=1e-12)
    np.testing.assert_array_equal(schedule.score_factor(times), FlowMatching().score_factor(times / 1000))
    asked = FlowMatching().noise_variance([1e-9, 0.2994, 0.2996, 0.99999])
    assert schedule.step(asked).tolist() == [1, 299, 300, 1000]
    assert schedule.reaches(asked).all()
    with pytest.raises(InputError, match="the time is 1000; the schedule has times between 0 and 1000"):
        schedule.noise_variance(1000)
    with pytest.raises(InputError, match="the clock of this schedule has no steps"):
        FlowMatching().step(1.0)
    columns = clock_columns(clock_of(str(tmp_path / "scheduler_config.json")), 1.0)
    assert {name: float(column) for name, column in columns.items()} == {"time_on_schedule": 500, "step": 500}


def without(key):
    return {name: value for name, value in DDPM.items() if name != key}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ([1], "a scheduler's configuration is a JSON object"),
        ({}, "the key '_class_name' is missing"),
        ({"_class_name": "VQDiffusionScheduler"}, "the scheduler 'VQDiffusionScheduler' is not known"),
        ({"_class_name": "DDMPScheduler"}, "'DDMPScheduler' is not known, but DDPMScheduler is; the documentation of"),
        ({"_class_name": 3}, "_class_name is 3; it must be text"),
        (without("beta_schedule"), "the key 'beta_schedule' is missing"),
        (without("num_train_timesteps"), "the key 'num_train_timesteps' is missing"),
        (without("beta_end"), "the key 'beta_end' is missing"),
        (DDPM | {"beta_schedule": "jsd"}, "the beta_schedule 'jsd' is not known"),
        (DDPM | {"beta_start": "small"}, "beta_start is 'small'; it must be a number"),
        (DDPM | {"beta_start": 0}, "beta 0 is 0; it must be between 0 and 1"),
        (DDPM | {"beta_end": 1.5}, "beta 1 is 1.5; it must be between 0 and 1"),
        (DDPM | {"beta_end": math.nan}, "beta 1 is nan"),
        (DDPM | {"num_train_timesteps": 1}, "the number of steps is 1; it must be a whole number from 2"),
        (DDPM | {"num_train_timesteps": 10**15}, "it must be a whole number from 2 to 1000000"),
        (DDPM | {"num_train_timesteps": 10.5}, "num_train_timesteps is 10.5; it must be a whole number"),
        (DDPM | {"trained_betas": [0.1, -0.1]}, "beta 1 is -0.1"),
        (
            {"_class_name": "FlowMatchHeunDiscreteScheduler", "num_train_timesteps": "1000"},
            "num_train_timesteps is '1000'; it must be a whole number",
        ),
        (
            {"_class_name": "FlowMatchHeunDiscreteScheduler", "num_train_timesteps": 0},
            "the number of steps is 0; it must be a whole number from 2",
        ),
        (DDPM | {"trained_betas": 0.1}, "trained_betas is 0.1; it must be a list"),
        (DDPM | {"trained_betas": [0.1, [0.2]]}, "trained_betas 1 is [0.2]; it must be a number"),
        (DDPM | {"trained_betas": ["0.1", "0.2"]}, "trained_betas 0 is '0.1'; it must be a number"),
        (DDPM | {"trained_betas": [0.1, None]}, "trained_betas 1 is None; it must be a number"),
        (DDPM | {"trained_betas": [0.1, True]}, "trained_betas 1 is True; it must be a number"),
        (DDPM | {"trained_betas": [0.1, 10**400]}, "it must be a finite number"),
        (DDPM | {"beta_end": 10**400}, "it must be a finite number"),
        (DDPM | {"num_train_timesteps": 10**400}, "it must be a finite number"),
        (DDPM | {"num_train_timesteps": 10**300}, "it must be a whole number from 2 to 1000000"),
        (DDPM | {"shape_of_noise": "pink"}, "the key 'shape_of_noise' is not known and may change the clock"),
        (
            DDPM | {"invert_sigmas": True},
            "invert_sigmas is True, which DDPMScheduler passes over; known is False, or one of the schedulers",
        ),
        (DDPM | {"snr_shift_scale": 3.0}, "snr_shift_scale is 3.0, which DDPMScheduler passes over"),
        (DDPM | {"timestep_type": "continuous"}, "timestep_type is 'continuous', which DDPMScheduler passes over"),
        (DDPM | {"rescale_betas_zero_snr": "no"}, "rescale_betas_zero_snr is 'no'; it must be true or false"),
        (
            EULER | {"rescale_betas_zero_snr": True, "beta_schedule": "linear", "beta_end": 0.02},
            "EulerDiscreteScheduler sets alphabar 2^-24 at the last step, where the noise must grow",
        ),
        (EULER | {"timestep_type": "whole"}, "timestep_type is 'whole'; known are discrete and continuous"),
        (EULER | {"interpolation_type": "log_linear"}, "interpolation_type is 'log_linear', which moves sigmas"),
        (
            DDPM | {"_class_name": "SASolverScheduler", "use_flow_sigmas": True, "use_beta_sigmas": True},
            "use_beta_sigmas beside use_flow_sigmas leaves SASolverScheduler without a clock",
        ),
        ({"_class_name": "EDMEuler", "sigma_max": 80}, "the scheduler 'EDMEuler' is not known"),
        ({"_class_name": "EDMEulerScheduler", "sigma_max": 0.001}, "sigma_min is 0.002 and sigma_max 0.001; they must"),
        ({"_class_name": "EDMEulerScheduler", "sigma_min": -1}, "sigma_min is -1; it must be positive and finite"),
        ({"_class_name": "ScoreSdeVpScheduler", "beta_max": 0.01}, "beta_min is 0.1 and beta_max 0.01; they must rise"),
        ({"_class_name": "DDPMWuerstchenScheduler", "scaler": 2.0}, "scaler is 2, which bends the clock; known is 1"),
        ({"_class_name": "UnCLIPScheduler", "beta_schedule": "linear"}, "'linear' is not known of UnCLIPScheduler"),
        (COGVIDEOX | {"snr_shift_scale": 0}, "the factor of the noise variances is 0; it must be positive"),
        (DDPM | {"beta_schedule": "s" * 1000}, "is not known; known are linear"),
        ('{"_class_name": ' + "9" * 5000 + "}", "cannot be read as JSON: a number in it is too long"),
        (DDPM | {"trained_betas": [0.1, 1e-30]}, "the noise does not grow from step 0 to 1"),
    ],
)
def test_bad_configurations(content, sentence, tmp_path):
    with pytest.raises(InputError) as error:
        read(tmp_path, content)
    assert sentence in str(error.value)
    assert "scheduler_config.json" in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 1000


def test_the_documentation_lists_what_is_known():
    listed = " ".join(schedule_from_json.__doc__.split()).partition("less `Scheduler`: ")[2].partition(". ")[0]
    assert listed.split(", ") == sorted(_READERS)


def test_files_that_are_not_there(tmp_path):
    for path in (tmp_path / "none.json", tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="there is no schedule file"):
            schedule_from_json(path)
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        schedule_from_json(str(tmp_path / "binary.json"))
