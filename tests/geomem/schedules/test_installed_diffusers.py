"""Configurations that the installed package diffusers writes, against the noise that its classes add."""

import math
import warnings

import numpy as np
import pytest

from geomem import Discrete, schedule_from_json

with warnings.catch_warnings():  # of packages that diffusers looks for
    warnings.simplefilter("ignore")
    torch = pytest.importorskip("torch", reason="diffusers needs it")
    diffusers = pytest.importorskip("diffusers", reason="it is what is compared with")

pytestmark = pytest.mark.filterwarnings("ignore")

FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
ZERO = {
    "rescale_betas_zero_snr": True,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
}
CONTINUOUS = {
    "timestep_type": "continuous",
    "prediction_type": "v_prediction",
    "beta_schedule": "scaled_linear",
}
KARRAS = {"use_karras_sigmas": True}
# Methods of second order, whose every other timestep is half a step, at a sigma of its own.
HALVING = ("DPMSolverSDEScheduler", "KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler")
# Classes whose own add_noise or scale_noise is asked, and what is set that is not their default.
ADDING = [
    ("CMStochasticIterativeScheduler", {}),
    ("CogVideoXDDIMScheduler", {}),
    ("CogVideoXDDIMScheduler", {"snr_shift_scale": 1.0, **ZERO}),
    ("CogVideoXDPMScheduler", ZERO),
    ("CosineDPMSolverMultistepScheduler", {}),
    ("DDIMParallelScheduler", ZERO),
    ("DDIMScheduler", {}),
    ("DDIMScheduler", {**ZERO, "timestep_spacing": "trailing"}),
    ("DDPMParallelScheduler", {"beta_schedule": "sigmoid"}),
    ("DDPMScheduler", {"beta_schedule": "laplace"}),
    ("DDPMScheduler", {"beta_schedule": "squaredcos_cap_v2"}),
    ("DDPMWuerstchenScheduler", {}),
    ("DEISMultistepScheduler", {}),
    ("DEISMultistepScheduler", FLOW),
    ("DPMSolverMultistepScheduler", {**ZERO, "beta_schedule": "squaredcos_cap_v2"}),
    ("DPMSolverMultistepScheduler", {**FLOW, "flow_shift": 3.0}),
    ("DPMSolverMultistepInverseScheduler", {}),
    ("DPMSolverSDEScheduler", {}),
    ("DPMSolverSinglestepScheduler", {}),
    ("DPMSolverSinglestepScheduler", FLOW),
    ("EDMDPMSolverMultistepScheduler", {"sigma_max": 50.0}),
    ("EDMEulerScheduler", {"sigma_schedule": "exponential"}),
    ("EDMEulerScheduler", {"sigma_min": 0.01, "final_sigmas_type": "sigma_min"}),
    ("EulerAncestralDiscreteScheduler", ZERO),
    ("EulerDiscreteScheduler", {**ZERO, "timestep_spacing": "trailing"}),
    ("EulerDiscreteScheduler", KARRAS),
    ("EulerDiscreteScheduler", {**CONTINUOUS}),
    ("EulerDiscreteScheduler", {**CONTINUOUS, **KARRAS, "sigma_min": 0.002, "sigma_max": 700.0}),
    ("FlowMapEulerDiscreteScheduler", {"shift": 3.0}),
    ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    ("FlowMatchEulerDiscreteScheduler", {**KARRAS, "num_train_timesteps": 500}),
    ("FlowMatchLCMScheduler", {"shift": 3.0, "shift_terminal": 0.1}),
    ("HeunDiscreteScheduler", {"beta_schedule": "exp"}),
    ("KDPM2AncestralDiscreteScheduler", {}),
    ("KDPM2DiscreteScheduler", {}),
    ("LCMScheduler", ZERO),
    ("LMSDiscreteScheduler", {}),
    ("MiniMaxH3Scheduler", {}),
    ("PNDMScheduler", {}),
    ("SASolverScheduler", {}),
    ("TCDScheduler", {}),
    ("UnCLIPScheduler", {}),
    ("UniPCMultistepScheduler", ZERO),
    ("UniPCMultistepScheduler", {**FLOW, **KARRAS, "sigma_min": 0.01, "sigma_max": 200.0}),
]


def made(name, config, folder):
    """The scheduler, and the schedule of what it saves."""
    if not hasattr(diffusers, name):
        pytest.skip(f"this diffusers has no {name}")
    scheduler = getattr(diffusers, name)(**config)
    scheduler.save_pretrained(folder)
    return scheduler, schedule_from_json(folder)


def added(scheduler, times):
    """(b/a)^2 of what the scheduler makes of a sample, and of noise, alone."""
    one, none = torch.ones(len(times), 1, 1, 1), torch.zeros(len(times), 1, 1, 1)
    if hasattr(scheduler, "scale_noise"):
        a, b = scheduler.scale_noise(one, times, none), scheduler.scale_noise(none, times, one)
    else:
        a, b = scheduler.add_noise(one, none, times), scheduler.add_noise(none, one, times)
    with np.errstate(divide="ignore"):
        return ((b.double() / a.double()) ** 2).ravel().numpy()


@pytest.mark.parametrize(("name", "config"), ADDING)
def test_noise_that_is_added(name, config, tmp_path):
    scheduler, schedule = made(name, config, tmp_path)
    scheduler.set_timesteps(10)
    times = torch.unique_consecutive(scheduler.timesteps)
    if name in HALVING:
        times = times[::2]
    if name == "DDPMWuerstchenScheduler":
        times = times[:-1]  # 0, where it is not asked
    found = added(scheduler, times)
    if config.get("use_flow_sigmas"):  # whose timesteps are cut to whole ones
        assert (np.abs(schedule.time(found[found < np.inf]) - times.numpy()[found < np.inf]) <= 1).all()
    else:
        within = times.double().numpy()
        # Where the clock is continuous there is no time at pure noise.
        kept = np.isfinite(found) | isinstance(schedule, Discrete)
        np.testing.assert_allclose(schedule.noise_variance(within[kept]), found[kept], rtol=5e-3)


def test_mochi_runs_from_noise_to_data(tmp_path):
    """Its sigma is the share of the data: the step that leads to 1 ends at what the network says is left."""
    scheduler, schedule = made("FlowMatchEulerDiscreteScheduler", {"invert_sigmas": True}, tmp_path)
    scheduler.set_timesteps(10)
    times, data, noise = scheduler.timesteps, torch.tensor([2.0]), torch.tensor([-1.0])
    for time in times[1:]:
        share = 1 / (1 + np.sqrt(schedule.noise_variance(float(time))))
        scheduler._step_index = None
        scheduler.set_begin_index(int((times == time).nonzero()))
        sample = float(share) * data + (1 - float(share)) * noise
        for later in scheduler.timesteps[scheduler.begin_index :]:
            sample = scheduler.step(data - noise, later, sample).prev_sample
        torch.testing.assert_close(sample, data, rtol=1e-4, atol=1e-4)


def test_classes_that_do_not_add_noise(tmp_path):
    scheduler, schedule = made("IPNDMScheduler", {}, tmp_path / "ipndm")
    scheduler.set_timesteps(10)
    found = (scheduler.betas[1:-1] / scheduler.alphas[1:-1]).numpy() ** 2
    np.testing.assert_allclose(schedule.noise_variance(scheduler.timesteps[1:].numpy()), found, rtol=1e-4)

    for name, config in (("RePaintScheduler", {"beta_schedule": "sigmoid"}), ("DDIMInverseScheduler", ZERO)):
        scheduler, schedule = made(name, config, tmp_path / name)
        kept = scheduler.alphas_cumprod.double().numpy()
        np.testing.assert_allclose(schedule.alphabar, kept, rtol=5e-3)

    scheduler, schedule = made("FlowMatchHeunDiscreteScheduler", {"shift": 3.0}, tmp_path / "heun")
    scheduler.set_timesteps(10)
    share = scheduler.sigmas[1:-1].double().numpy()
    np.testing.assert_allclose(
        schedule.noise_variance(scheduler.timesteps[1:].double().numpy()), (share / (1 - share)) ** 2, rtol=1e-4
    )

    scheduler, schedule = made("LTXEulerAncestralRFScheduler", {}, tmp_path / "ltx")
    scheduler.set_timesteps(10)
    share = scheduler.sigmas[1:-1].double().numpy()
    np.testing.assert_allclose(
        schedule.noise_variance(scheduler.timesteps[1:10].double().numpy()), (share / (1 - share)) ** 2, rtol=1e-4
    )

    scheduler, schedule = made("SASolverScheduler", FLOW, tmp_path / "sa")
    scheduler.set_timesteps(10)
    a, b = scheduler._sigma_to_alpha_sigma_t(scheduler.sigmas[:-1].double())
    assert (np.abs(schedule.time((b / a).numpy() ** 2) - scheduler.timesteps.numpy()) <= 1).all()

    scheduler, schedule = made("ScoreSdeVeScheduler", {}, tmp_path / "ve")
    scheduler.set_timesteps(10)
    scheduler.set_sigmas(10)
    np.testing.assert_allclose(
        schedule.noise_variance(scheduler.timesteps.double().numpy()), scheduler.sigmas.double() ** 2, rtol=1e-4
    )

    scheduler, schedule = made("SCMScheduler", {"sigma_data": 0.7}, tmp_path / "scm")
    scheduler.set_timesteps(2, intermediate_timesteps=1.3)
    before, after = scheduler.timesteps[:2]
    noise = torch.randn(5, generator=torch.Generator().manual_seed(0))
    zero = torch.zeros(5)
    b = scheduler.step(zero, before, zero, torch.Generator().manual_seed(0)).prev_sample / noise
    np.testing.assert_allclose(schedule.noise_variance(1.3), (b.numpy() / math.cos(float(after))) ** 2, rtol=1e-4)
