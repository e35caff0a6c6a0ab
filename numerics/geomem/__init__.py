"""Memorization in diffusion models, direction by direction: phase boundaries, the empirical score, networks.

Everything is float64: importing this package makes it JAX's default, unless the environment variable JAX_ENABLE_X64
forbids it; nothing is computed then. The public names below are imported on first use, so that importing this package,
and the command line's help, stay fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from geomem.core.float64 import choose_float64, leave_environment, require_float64

choose_float64()

if TYPE_CHECKING:
    from geomem.boundaries.clones import cloning_curve as cloning_curve
    from geomem.boundaries.clones import expected_collapse_probability as expected_collapse_probability
    from geomem.boundaries.critical import critical_size as critical_size
    from geomem.boundaries.critical import critical_time as critical_time
    from geomem.boundaries.diagram import phase_diagram as phase_diagram
    from geomem.boundaries.excess_entropy import expected_excess_entropy as expected_excess_entropy
    from geomem.boundaries.memorization import memorization_time as memorization_time
    from geomem.boundaries.memorization import training_phase as training_phase
    from geomem.boundaries.memorized import critical_times_of as critical_times_of
    from geomem.boundaries.model_size import model_size_crossover as model_size_crossover
    from geomem.boundaries.phases import phase as phase
    from geomem.boundaries.phases import resolved_dimension as resolved_dimension
    from geomem.boundaries.trajectories import TrajectoryTimes as TrajectoryTimes
    from geomem.boundaries.trajectories import dominance_radius as dominance_radius
    from geomem.boundaries.trajectories import flow_basin_radius as flow_basin_radius
    from geomem.boundaries.trajectories import trajectory_times as trajectory_times
    from geomem.boundaries.uncertainty import critical_times_of_data as critical_times_of_data
    from geomem.boundaries.widths import critical_width as critical_width
    from geomem.core.progress import progress as progress
    from geomem.core.results import Transition as Transition
    from geomem.core.status import InputError as InputError
    from geomem.core.status import Status as Status
    from geomem.empirical.basins import measure_basin as measure_basin
    from geomem.empirical.dimension import local_dimension as local_dimension
    from geomem.empirical.excess_entropy import collapse_time as collapse_time
    from geomem.empirical.excess_entropy import excess_entropy as excess_entropy
    from geomem.empirical.gibbs import Gibbs as Gibbs
    from geomem.empirical.gibbs import denoiser as denoiser
    from geomem.empirical.gibbs import gibbs as gibbs
    from geomem.empirical.gibbs import jacobian as jacobian
    from geomem.empirical.gibbs import jacobian_operator as jacobian_operator
    from geomem.empirical.gibbs import score as score
    from geomem.empirical.local import LocalGibbs as LocalGibbs
    from geomem.empirical.local import local_gibbs as local_gibbs
    from geomem.empirical.local import local_score as local_score
    from geomem.empirical.local import local_score_of as local_score_of
    from geomem.empirical.memorization import collapse_of_trajectories as collapse_of_trajectories
    from geomem.empirical.memorization import effective_memorization as effective_memorization
    from geomem.empirical.memorization import memorization_ratio as memorization_ratio
    from geomem.empirical.memorization import memorization_start as memorization_start
    from geomem.empirical.memorization import score_distance as score_distance
    from geomem.empirical.models import score_from as score_from
    from geomem.empirical.response import measure_response as measure_response
    from geomem.empirical.sampling import generate as generate
    from geomem.empirical.sampling import sampling_grid as sampling_grid
    from geomem.empirical.scores import EmpiricalScore as EmpiricalScore
    from geomem.empirical.scores import score_of as score_of
    from geomem.empirical.signal_to_noise import measure_resolved_dimension as measure_resolved_dimension
    from geomem.empirical.spectrum import measure_spectrum as measure_spectrum
    from geomem.empirical.spectrum import spectrum_of as spectrum_of
    from geomem.figures.comparison import comparison_figure as comparison_figure
    from geomem.figures.diagram import phase_diagram_figure as phase_diagram_figure
    from geomem.figures.spectrum import spectrum_figure as spectrum_figure
    from geomem.files.curves import load_curve as load_curve
    from geomem.files.data import load_data as load_data
    from geomem.files.images import load_images as load_images
    from geomem.files.inspection import data_warnings as data_warnings
    from geomem.laws.embedding import on_sphere as on_sphere
    from geomem.laws.embedding import tanh_features as tanh_features
    from geomem.laws.local import local_covariance as local_covariance
    from geomem.laws.local import local_spectrum as local_spectrum
    from geomem.laws.manifold import Manifold as Manifold
    from geomem.laws.mixture import GaussianMixture as GaussianMixture
    from geomem.laws.points import principal_directions as principal_directions
    from geomem.laws.pool import SampledLaw as SampledLaw
    from geomem.laws.probe import Probe as Probe
    from geomem.laws.random_manifold import RandomManifold as RandomManifold
    from geomem.levels.feature_networks import random_features as random_features
    from geomem.levels.feature_response import NetworkResponse as NetworkResponse
    from geomem.levels.feature_spectrum import training_spectrum as training_spectrum
    from geomem.levels.quenched import quenched as quenched
    from geomem.levels.random_features import RandomFeatures as RandomFeatures
    from geomem.levels.sums import Quenched as Quenched
    from geomem.lowering import LoweringError as LoweringError
    from geomem.lowering import lower as lower
    from geomem.networks.config import MLP as MLP
    from geomem.networks.config import ResNet as ResNet
    from geomem.networks.config import TrainConfig as TrainConfig
    from geomem.networks.config import UNet as UNet
    from geomem.networks.training import Trained as Trained
    from geomem.networks.training import train as train
    from geomem.networks.training import train_group as train_group
    from geomem.reports.report import Report as Report
    from geomem.reports.report import report as report
    from geomem.schedules.continuous import FlowMatching as FlowMatching
    from geomem.schedules.continuous import OrnsteinUhlenbeck as OrnsteinUhlenbeck
    from geomem.schedules.continuous import VarianceExploding as VarianceExploding
    from geomem.schedules.diffusers import schedule_from_json as schedule_from_json
    from geomem.schedules.discrete import Discrete as Discrete
    from geomem.studies.comparison import compare as compare
    from geomem.studies.feature_simulation import simulate_random_features as simulate_random_features
    from geomem.studies.fitting import Fitted as Fitted
    from geomem.studies.fitting import fit_law as fit_law
    from geomem.studies.generalization import generalization_time as generalization_time
    from geomem.studies.local_agreement import local_agreement as local_agreement
    from geomem.studies.patch_diagram import patch_diagram as patch_diagram
    from geomem.studies.patch_law import PatchLaw as PatchLaw
    from geomem.studies.patch_law import patch_law as patch_law
    from geomem.studies.simulation import theory_versus_simulation as theory_versus_simulation
    from geomem.studies.spectrum import predicted_spectrum as predicted_spectrum
    from geomem.studies.spectrum import spectrum_study as spectrum_study

_MODULE_OF = {
    "Discrete": "schedules.discrete",
    "EmpiricalScore": "empirical.scores",
    "Fitted": "studies.fitting",
    "FlowMatching": "schedules.continuous",
    "GaussianMixture": "laws.mixture",
    "Gibbs": "empirical.gibbs",
    "InputError": "core.status",
    "LocalGibbs": "empirical.local",
    "LoweringError": "lowering",
    "MLP": "networks.config",
    "Manifold": "laws.manifold",
    "NetworkResponse": "levels.feature_response",
    "OrnsteinUhlenbeck": "schedules.continuous",
    "PatchLaw": "studies.patch_law",
    "Probe": "laws.probe",
    "Quenched": "levels.sums",
    "RandomFeatures": "levels.random_features",
    "RandomManifold": "laws.random_manifold",
    "Report": "reports.report",
    "ResNet": "networks.config",
    "SampledLaw": "laws.pool",
    "Status": "core.status",
    "TrainConfig": "networks.config",
    "Trained": "networks.training",
    "TrajectoryTimes": "boundaries.trajectories",
    "Transition": "core.results",
    "UNet": "networks.config",
    "VarianceExploding": "schedules.continuous",
    "cloning_curve": "boundaries.clones",
    "collapse_of_trajectories": "empirical.memorization",
    "collapse_time": "empirical.excess_entropy",
    "compare": "studies.comparison",
    "comparison_figure": "figures.comparison",
    "critical_size": "boundaries.critical",
    "critical_time": "boundaries.critical",
    "critical_times_of": "boundaries.memorized",
    "critical_times_of_data": "boundaries.uncertainty",
    "critical_width": "boundaries.widths",
    "data_warnings": "files.inspection",
    "denoiser": "empirical.gibbs",
    "dominance_radius": "boundaries.trajectories",
    "effective_memorization": "empirical.memorization",
    "excess_entropy": "empirical.excess_entropy",
    "expected_collapse_probability": "boundaries.clones",
    "expected_excess_entropy": "boundaries.excess_entropy",
    "fit_law": "studies.fitting",
    "flow_basin_radius": "boundaries.trajectories",
    "generalization_time": "studies.generalization",
    "generate": "empirical.sampling",
    "gibbs": "empirical.gibbs",
    "jacobian": "empirical.gibbs",
    "jacobian_operator": "empirical.gibbs",
    "load_curve": "files.curves",
    "load_data": "files.data",
    "load_images": "files.images",
    "local_agreement": "studies.local_agreement",
    "local_covariance": "laws.local",
    "local_dimension": "empirical.dimension",
    "local_gibbs": "empirical.local",
    "local_score": "empirical.local",
    "local_score_of": "empirical.local",
    "local_spectrum": "laws.local",
    "lower": "lowering",
    "measure_basin": "empirical.basins",
    "measure_resolved_dimension": "empirical.signal_to_noise",
    "measure_response": "empirical.response",
    "measure_spectrum": "empirical.spectrum",
    "memorization_ratio": "empirical.memorization",
    "memorization_start": "empirical.memorization",
    "memorization_time": "boundaries.memorization",
    "model_size_crossover": "boundaries.model_size",
    "on_sphere": "laws.embedding",
    "patch_diagram": "studies.patch_diagram",
    "patch_law": "studies.patch_law",
    "phase": "boundaries.phases",
    "phase_diagram": "boundaries.diagram",
    "phase_diagram_figure": "figures.diagram",
    "predicted_spectrum": "studies.spectrum",
    "principal_directions": "laws.points",
    "progress": "core.progress",
    "quenched": "levels.quenched",
    "random_features": "levels.feature_networks",
    "report": "reports.report",
    "resolved_dimension": "boundaries.phases",
    "sampling_grid": "empirical.sampling",
    "schedule_from_json": "schedules.diffusers",
    "score": "empirical.gibbs",
    "score_distance": "empirical.memorization",
    "score_from": "empirical.models",
    "score_of": "empirical.scores",
    "simulate_random_features": "studies.feature_simulation",
    "spectrum_figure": "figures.spectrum",
    "spectrum_of": "empirical.spectrum",
    "spectrum_study": "studies.spectrum",
    "tanh_features": "laws.embedding",
    "theory_versus_simulation": "studies.simulation",
    "train": "networks.training",
    "train_group": "networks.training",
    "training_phase": "boundaries.memorization",
    "training_spectrum": "levels.feature_spectrum",
    "trajectory_times": "boundaries.trajectories",
}


__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'geomem' has no attribute {name!r}")
    if name != "InputError":
        require_float64()
    found = getattr(import_module(f"geomem.{_MODULE_OF[name]}"), name)
    leave_environment()
    return found


def __dir__() -> list[str]:
    return sorted(_MODULE_OF)
