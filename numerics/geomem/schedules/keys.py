"""The keys of the scheduler configurations of diffusers: which make another clock, and in which classes.

Classes are named less "Scheduler".
"""

from reprlib import repr as shown

from geomem.core.status import InputError

# Keys that choose how a sampler steps along the clock, or what its network predicts, not the noise at a time.
HARMLESS = {
    "algorithm_type", "base_image_seq_len", "base_shift", "clip_denoised", "clip_sample", "clip_sample_range",
    "correct_steps", "corrector_order", "disable_corrector", "dynamic_thresholding_ratio", "eta", "euler_at_final",
    "final_sigmas_type", "flow_shift", "lambda_min_clipped", "lower_order_final", "max_image_seq_len", "max_shift",
    "noise_sampler_seed", "original_inference_steps", "predict_epsilon", "predict_x0", "prediction_type",
    "predictor_order", "rho", "s_churn", "s_max", "s_min", "s_noise", "sample_max_value", "sampling_eps",
    "scale_factors", "set_alpha_to_one", "shift", "shift_terminal", "sigma_schedule", "skip_prk_steps", "snr",
    "solver_order", "solver_p", "solver_type", "steps_offset", "stochastic_sampling", "tau_func", "tensor_format",
    "thresholding", "time_shift_type", "timestep_scaling", "timestep_spacing", "timestep_values", "upscale_mode",
    "use_beta_sigmas", "use_dynamic_shifting", "use_exponential_sigmas", "use_karras_sigmas", "use_lu_lambdas",
    "variance_type",
}  # fmt: skip
# Numbers of clocks. A class that does not have them was given them by another's configuration, and passes them over.
NUMBERS = {
    "beta_end", "beta_max", "beta_min", "beta_schedule", "beta_start", "num_train_timesteps", "s", "scaler",
    "sigma_data", "sigma_max", "sigma_min", "trained_betas",
}  # fmt: skip
SIGMA_GRIDS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")

# The classes that take their noise from betas alone. They differ in how they sample, not in the noise.
WITH_BETAS = (
    "DDIM", "DDIMInverse", "DDIMParallel", "DDPM", "DDPMParallel", "DEISMultistep", "DPMSolverMultistep",
    "DPMSolverMultistepInverse", "DPMSolverSDE", "DPMSolverSinglestep", "EulerAncestralDiscrete", "HeunDiscrete",
    "KDPM2AncestralDiscrete", "KDPM2Discrete", "LCM", "LMSDiscrete", "PNDM", "RePaint", "SASolver", "TCD",
    "UniPCMultistep",
)  # fmt: skip
FLOWS = (
    "FlowMapEulerDiscrete", "FlowMatchEulerDiscrete", "FlowMatchHeunDiscrete", "FlowMatchLCM",
    "LTXEulerAncestralRF",
)  # fmt: skip

# Keys that make another clock: the value that does not, and the classes that go by them.
SWITCHES: dict[str, tuple[object, tuple[str, ...]]] = {
    "interpolation_type": ("linear", ("EulerDiscrete",)),
    "invert_sigmas": (False, ("FlowMatchEulerDiscrete", "FlowMatchLCM")),
    "rescale_betas_zero_snr": (False, (
        "CogVideoXDDIM", "CogVideoXDPM", "DDIM", "DDIMInverse", "DDIMParallel", "DDPM", "DDPMParallel",
        "DPMSolverMultistep", "EulerAncestralDiscrete", "EulerDiscrete", "LCM", "TCD", "UniPCMultistep",
    )),
    "snr_shift_scale": (1.0, ("CogVideoXDDIM", "CogVideoXDPM")),
    "timestep_type": ("discrete", ("EulerDiscrete",)),
    "use_flow_sigmas": (False, (
        "DEISMultistep", "DPMSolverMultistep", "DPMSolverMultistepInverse", "DPMSolverSinglestep", "SASolver",
        "UniPCMultistep",
    )),
}  # fmt: skip


def check_entry(kind: str, key: str, value: object) -> None:
    """Refuse what may make another clock than the one that is read.

    Raises:
        InputError: for a key that is not known, unless its value is null or false; for one by which the class does not
            go, unless its value makes no other clock; for a value of another type.
    """
    if value is None:
        return
    if (key in SIGMA_GRIDS or SWITCHES.get(key, (None,))[0] is False) and not isinstance(value, bool):
        raise InputError(f"{key} is {shown(value)}; it must be true or false")
    if key in SWITCHES:
        neutral, readers = SWITCHES[key]
        if kind not in readers and value != neutral:
            raise InputError(
                f"{key} is {shown(value)}, which {kind}Scheduler passes over; known is {shown(neutral)}, or one of the "
                f"schedulers {', '.join(readers)}"
            )
    elif key not in HARMLESS and key not in NUMBERS and value is not False:
        raise InputError(f"the key {shown(key)} is not known and may change the clock; leave it out if it does not")
