"""Every kind of clock that diffusers has, against its formulas written out."""

import json

import numpy as np
import pytest

from geomem import Discrete, InputError, sampling_grid, schedule_from_json

STABLE_VIDEO = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "sigma_max": 700.0,
    "sigma_min": 0.002,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "trained_betas": None,
    "use_karras_sigmas": True,
}
BETAS = {key: STABLE_VIDEO[key] for key in ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps")}
EDM = {"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5, "rho": 7.0, "num_train_timesteps": 1000}
MOCHI = {"num_train_timesteps": 1000, "shift": 1.0, "invert_sigmas": True}
LINE = np.array([1.0, 100.0, 250.5, 999.0])
KEPT = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
STEPS = np.array([0, 1, 500, 998])


def from_alphabar(kept):
    return (1 - kept) / kept


def line_to_zero(kept):
    root = np.sqrt(kept)
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2


def from_fractions(alphabar):
    kept = np.array([alphabar(step / 1000) for step in range(1001)])
    return np.cumprod(1 - np.minimum(1 - kept[1:] / kept[:-1], 0.999))


def laplace(fraction):
    ratio = np.exp(-0.5 * np.copysign(1, 0.5 - fraction) * np.log(1 - 2 * abs(0.5 - fraction) + 1e-6))
    return np.sqrt(ratio / (1 + ratio))


def late_cosine(time, offset=0.008):
    begun = np.cos(offset / (1 + offset) * np.pi / 2)
    return np.clip((np.cos((time + offset) / (1 + offset) * np.pi / 2) / begun) ** 2, 1e-4, 0.9999)


CUT = np.array([0.001, 0.3, 1.0])
UNIT = np.array([0.001, 0.02, 0.5, 0.9])
LOGS = 0.25 * np.log([0.002, 0.3, 1.0, 80.0])
# The class, the rest of its configuration, timesteps and their noise variances.
KINDS = [
    ("FlowMatchEulerDiscrete", MOCHI, LINE, ((1 - LINE / 1000) / (LINE / 1000)) ** 2),
    ("FlowMatchEulerDiscrete", MOCHI | {"invert_sigmas": False}, LINE, ((LINE / 1000) / (1 - LINE / 1000)) ** 2),
    ("FlowMatchLCM", {"shift": 5.0}, LINE, ((LINE / 1000) / (1 - LINE / 1000)) ** 2),
    ("LTXEulerAncestralRF", {"num_train_timesteps": 100}, [20.0], [0.0625]),
    ("MiniMaxH3", {"shift": 12.0}, UNIT, ((1 - UNIT) / UNIT) ** 2),
    ("EulerDiscrete", STABLE_VIDEO, 0.25 * np.log([0.002, 1.0, 353.9, 700.0]), [4e-6, 1.0, 353.9**2, 490000.0]),
    ("EulerDiscrete", STABLE_VIDEO | {"prediction_type": "epsilon"}, STEPS, from_alphabar(KEPT)[STEPS]),
    ("EulerDiscrete", STABLE_VIDEO | {"timestep_type": "discrete"}, STEPS, from_alphabar(KEPT)[STEPS]),
    ("EDMEuler", EDM, LOGS, np.exp(8 * LOGS)),
    ("EDMDPMSolverMultistep", {"sigma_schedule": "exponential"}, LOGS, np.exp(8 * LOGS)),
    ("CMStochasticIterative", EDM | {"num_train_timesteps": 40}, 1000 * LOGS, np.exp(8 * LOGS)),
    ("CosineDPMSolverMultistep", {}, np.arctan([0.3, 1.0, 500.0]) * 2 / np.pi, [0.09, 1.0, 250000.0]),
    ("KarrasVe", {"sigma_min": 0.02, "s_noise": 1.007}, [0.02, 100.0], [0.0004, 10000.0]),
    ("ScoreSdeVe", {"snr": 0.15}, [0.0, 0.5, 1.0], [1e-4, 0.01 * 1348, 1348.0**2]),
    ("ScoreSdeVp", {}, UNIT, np.expm1(UNIT**2 * 19.9 / 2 + UNIT * 0.1)),
    ("ScoreSdeVp", {"beta_min": 3.0, "beta_max": 3.0}, [1e-12, 1.0], np.expm1([3e-12, 3.0])),
    ("IPNDM", {"num_train_timesteps": 1000}, UNIT, np.tan(np.pi / 2 * UNIT) ** 2),
    ("SCM", {"prediction_type": "trigflow"}, [0.1, 1.3], (0.5 * np.tan([0.1, 1.3])) ** 2),
    ("DDPMWuerstchen", {"scaler": 1.0, "s": 0.008}, CUT, from_alphabar(late_cosine(CUT))),
    ("CogVideoXDDIM", BETAS | {"snr_shift_scale": 1.0}, STEPS, from_alphabar(KEPT)[STEPS]),
    ("CogVideoXDPM", BETAS, STEPS, 3 * from_alphabar(KEPT)[STEPS]),
    (
        "CogVideoXDPM",
        BETAS | {"rescale_betas_zero_snr": True},
        STEPS,
        from_alphabar(line_to_zero(KEPT / (3 - 2 * KEPT))[STEPS]),
    ),
    ("DDIM", BETAS | {"rescale_betas_zero_snr": True}, STEPS, from_alphabar(line_to_zero(KEPT)[STEPS])),
    ("DDIM", BETAS | {"rescale_betas_zero_snr": True}, [999], [np.inf]),
    ("EulerDiscrete", BETAS | {"rescale_betas_zero_snr": True}, STEPS, from_alphabar(line_to_zero(KEPT)[STEPS])),
    ("EulerDiscrete", BETAS | {"rescale_betas_zero_snr": True}, [999], [2**24 - 1]),
    ("UnCLIP", {"num_train_timesteps": 1000}, STEPS, from_alphabar(Discrete.cosine().alphabar[STEPS])),
    ("RePaint", BETAS | {"eta": 0.0}, STEPS, from_alphabar(KEPT)[STEPS]),
    ("HeunDiscrete", BETAS | {"beta_schedule": "exp"}, STEPS, np.expm1(0.012 * (STEPS + 1))),
    ("DDPM", BETAS | {"beta_schedule": "laplace"}, STEPS, from_alphabar(from_fractions(laplace)[STEPS])),
    ("UniPCMultistep", BETAS | {"use_flow_sigmas": True, "use_karras_sigmas": True}, [750.0], [9.0]),
]


def read(tmp_path, kind, config):
    file = tmp_path / "scheduler_config.json"
    file.write_text(json.dumps({"_class_name": f"{kind}Scheduler"} | config))
    return schedule_from_json(file)


@pytest.mark.parametrize(("kind", "config", "times", "variances"), KINDS)
def test_timesteps_have_the_noise_of_their_class(kind, config, times, variances, tmp_path):
    schedule, variances = read(tmp_path, kind, config), np.asarray(variances, dtype=float)
    np.testing.assert_allclose(schedule.noise_variance(times), variances, rtol=1e-9)
    reached = schedule.reaches(variances)
    assert (reached == np.isfinite(variances)).all()
    if reached.all() and kind != "DDPMWuerstchen":
        np.testing.assert_allclose(schedule.time(variances), times, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "config", "time", "scale"),
    [
        ("FlowMatchEulerDiscrete", MOCHI, 100.0, 0.1),
        ("EDMEuler", EDM, 0.3, 1.0),
        ("CosineDPMSolverMultistep", {}, 0.5, 1.0),
        ("ScoreSdeVe", {}, 0.5, 1.0),
        ("ScoreSdeVp", {}, 0.5, np.exp(-(0.5**2) * 19.9 / 4 - 0.5 * 0.1 / 2)),
        ("IPNDM", {}, 0.5, np.sqrt(0.5)),
        ("SCM", {}, 1.3, np.cos(1.3)),
        ("DDPMWuerstchen", {}, 1.0, 0.01),
    ],
)
def test_scales(kind, config, time, scale, tmp_path):
    schedule = read(tmp_path, kind, config)
    assert schedule.score_factor(time) == pytest.approx(1 / scale, rel=1e-12)
    assert schedule.jacobian_factor(time) == pytest.approx(1 / scale**2, rel=1e-12)


def test_the_clock_of_mochi_falls_with_the_noise(tmp_path):
    schedule = read(tmp_path, "FlowMatchEulerDiscrete", MOCHI)
    assert schedule.noise_variance(100) == pytest.approx(81, rel=1e-14)
    assert schedule.step([1e9, 81.0, 1e-9]).tolist() == [0, 100, 999]
    grid = sampling_grid(schedule, 4, highest=9.0, lowest=1.0)
    np.testing.assert_allclose(schedule.time(grid), [250, 312.5, 375, 437.5, 500], rtol=1e-12)


def test_noise_beyond_the_sigmas_of_a_configuration_is_not_on_its_clock(tmp_path):
    schedule = read(tmp_path, "EDMEuler", EDM)
    assert schedule.reaches([3.9e-6, 4e-6, 1.0, 6400.0, 6401.0]).tolist() == [False, True, True, True, False]
    with pytest.raises(InputError, match="the noise variance is 6401; the schedule has 4e-06 to 6400"):
        schedule.time(6401.0)
    with pytest.raises(InputError, match=r"the time is 1\.1; the schedule has times between -1\.55365 and 1\.09551"):
        schedule.noise_variance(1.1)
    # Without a grid of its own, Stable Video's sampler is between the sigmas of its betas.
    plain = read(tmp_path, "EulerDiscrete", STABLE_VIDEO | {"use_karras_sigmas": False})
    ends = from_alphabar(KEPT)[[0, -1]]
    assert plain.reaches([*ends, *(ends * [0.99, 1.01])]).tolist() == [True, True, False, False]


def test_pure_noise_is_a_step_that_no_time_comes_near(tmp_path):
    schedule = read(tmp_path, "DDIM", BETAS | {"rescale_betas_zero_snr": True})
    assert (schedule.num_steps, schedule.num_noisy) == (1000, 999)
    assert schedule.alphabar[-1] == 0
    assert np.isinf(schedule.score_factor(999))
    last = float(schedule.noise_variance(998))
    assert schedule.step(1.1 * last) == 998
    assert not schedule.reaches([1.1 * last, np.inf]).any()
    with pytest.raises(InputError, match=r"the step is 998\.5; nothing is between step 998 and pure noise, step 999"):
        schedule.noise_variance(998.5)
    with pytest.raises(InputError, match="the last step of the schedule is pure noise, where no sampler starts"):
        sampling_grid(schedule)
    assert sampling_grid(schedule, highest=last)[0] == last
    np.testing.assert_allclose(Discrete([0.9, 0.5, 0.0]).noise_variance([0, 1, 2]), [1 / 9, 1.0, np.inf], rtol=1e-15)


def test_outside_of_where_alphabar_is_cut_the_noise_of_wuerstchen_stays(tmp_path):
    schedule = read(tmp_path, "DDPMWuerstchen", {})
    first, last = schedule.time([1e-4 / 0.9999, 9999.0])
    assert 0 < first < last < 1
    assert (schedule.noise_variance([0.0, first / 2]) == schedule.noise_variance(first)).all()
    assert (schedule.noise_variance([last, 1.0]) == schedule.noise_variance(last)).all()
    with pytest.raises(InputError, match=r"the time is 1\.1; the schedule has times between 0 and 1"):
        schedule.noise_variance(1.1)
