"""Numbers from the theory: lowered equations, batched solvers, phase diagrams and figures.

Everything is float64. The public names below are imported on first use, so that
importing this package, and the command line's help, stay fast.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

# float64 has to be chosen before JAX makes its first array, whichever module imports JAX first.
os.environ["JAX_ENABLE_X64"] = "1"
if "jax" in sys.modules:
    sys.modules["jax"].config.update("jax_enable_x64", True)

if TYPE_CHECKING:
    from numerics.basins import measure_basin as measure_basin
    from numerics.comparison import compare as compare
    from numerics.critical import critical_size as critical_size
    from numerics.critical import critical_time as critical_time
    from numerics.curves import load_curve as load_curve
    from numerics.data import load_data as load_data
    from numerics.diagram import phase_diagram as phase_diagram
    from numerics.embedding import local_covariance as local_covariance
    from numerics.embedding import on_sphere as on_sphere
    from numerics.embedding import tanh_features as tanh_features
    from numerics.empirical import Gibbs as Gibbs
    from numerics.empirical import denoiser as denoiser
    from numerics.empirical import gibbs as gibbs
    from numerics.empirical import jacobian as jacobian
    from numerics.empirical import jacobian_operator as jacobian_operator
    from numerics.empirical import score as score
    from numerics.entropy import collapse_time as collapse_time
    from numerics.entropy import excess_entropy as excess_entropy
    from numerics.entropy import expected_collapse_probability as expected_collapse_probability
    from numerics.entropy import expected_excess_entropy as expected_excess_entropy
    from numerics.estimation import critical_times_of_data as critical_times_of_data
    from numerics.estimation import local_spectrum as local_spectrum
    from numerics.figures import phase_diagram_figure as phase_diagram_figure
    from numerics.finite_n import Quenched as Quenched
    from numerics.finite_n import quenched as quenched
    from numerics.generalization import generalization_time as generalization_time
    from numerics.images import load_images as load_images
    from numerics.laws import GaussianMixture as GaussianMixture
    from numerics.laws import RandomManifold as RandomManifold
    from numerics.lowering import LoweringError as LoweringError
    from numerics.lowering import lower as lower
    from numerics.manifold import Manifold as Manifold
    from numerics.memorization import collapse_of_trajectories as collapse_of_trajectories
    from numerics.memorization import effective_memorization as effective_memorization
    from numerics.memorization import memorization_ratio as memorization_ratio
    from numerics.memorization import memorization_start as memorization_start
    from numerics.memorization import score_distance as score_distance
    from numerics.mixture import cloning_curve as cloning_curve
    from numerics.networks import MLP as MLP
    from numerics.networks import UNet as UNet
    from numerics.phases import phase as phase
    from numerics.phases import resolved_dimension as resolved_dimension
    from numerics.probe import Probe as Probe
    from numerics.replicates import measure_resolved_dimension as measure_resolved_dimension
    from numerics.sampling import generate as generate
    from numerics.sampling import sampling_grid as sampling_grid
    from numerics.schedule import Discrete as Discrete
    from numerics.schedule import FlowMatching as FlowMatching
    from numerics.schedule import OrnsteinUhlenbeck as OrnsteinUhlenbeck
    from numerics.schedule import VarianceExploding as VarianceExploding
    from numerics.schedule import schedule_from_json as schedule_from_json
    from numerics.scores import score_of as score_of
    from numerics.simulation import theory_versus_simulation as theory_versus_simulation
    from numerics.solution import Transition as Transition
    from numerics.spectrum import EmpiricalScore as EmpiricalScore
    from numerics.spectrum import measure_spectrum as measure_spectrum
    from numerics.spectrum import predicted_spectrum as predicted_spectrum
    from numerics.spectrum_figures import comparison_figure as comparison_figure
    from numerics.spectrum_figures import spectrum_figure as spectrum_figure
    from numerics.status import InputError as InputError
    from numerics.status import Status as Status
    from numerics.study import spectrum_study as spectrum_study
    from numerics.training import TrainConfig as TrainConfig
    from numerics.training import Trained as Trained
    from numerics.training import train as train
    from numerics.training import train_group as train_group
    from numerics.trajectories import TrajectoryTimes as TrajectoryTimes
    from numerics.trajectories import dominance_radius as dominance_radius
    from numerics.trajectories import flow_basin_radius as flow_basin_radius
    from numerics.trajectories import trajectory_times as trajectory_times

_MODULE_OF = {
    "Discrete": "schedule",
    "EmpiricalScore": "spectrum",
    "FlowMatching": "schedule",
    "GaussianMixture": "laws",
    "Gibbs": "empirical",
    "InputError": "status",
    "LoweringError": "lowering",
    "MLP": "networks",
    "Manifold": "manifold",
    "OrnsteinUhlenbeck": "schedule",
    "Probe": "probe",
    "Quenched": "finite_n",
    "RandomManifold": "laws",
    "Status": "status",
    "TrainConfig": "training",
    "Trained": "training",
    "TrajectoryTimes": "trajectories",
    "Transition": "solution",
    "UNet": "networks",
    "VarianceExploding": "schedule",
    "cloning_curve": "mixture",
    "collapse_of_trajectories": "memorization",
    "collapse_time": "entropy",
    "compare": "comparison",
    "comparison_figure": "spectrum_figures",
    "critical_size": "critical",
    "critical_time": "critical",
    "critical_times_of_data": "estimation",
    "denoiser": "empirical",
    "dominance_radius": "trajectories",
    "effective_memorization": "memorization",
    "excess_entropy": "entropy",
    "expected_collapse_probability": "entropy",
    "expected_excess_entropy": "entropy",
    "flow_basin_radius": "trajectories",
    "generalization_time": "generalization",
    "generate": "sampling",
    "gibbs": "empirical",
    "jacobian": "empirical",
    "jacobian_operator": "empirical",
    "load_curve": "curves",
    "load_data": "data",
    "load_images": "images",
    "local_covariance": "embedding",
    "local_spectrum": "estimation",
    "lower": "lowering",
    "measure_basin": "basins",
    "measure_resolved_dimension": "replicates",
    "measure_spectrum": "spectrum",
    "memorization_ratio": "memorization",
    "memorization_start": "memorization",
    "on_sphere": "embedding",
    "phase": "phases",
    "phase_diagram": "diagram",
    "phase_diagram_figure": "figures",
    "predicted_spectrum": "spectrum",
    "quenched": "finite_n",
    "resolved_dimension": "phases",
    "sampling_grid": "sampling",
    "schedule_from_json": "schedule",
    "score": "empirical",
    "score_distance": "memorization",
    "score_of": "scores",
    "spectrum_figure": "spectrum_figures",
    "spectrum_study": "study",
    "tanh_features": "embedding",
    "theory_versus_simulation": "simulation",
    "train": "training",
    "train_group": "training",
    "trajectory_times": "trajectories",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'numerics' has no attribute {name!r}")
    return getattr(import_module(f"numerics.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_MODULE_OF)
