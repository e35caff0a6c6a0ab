"""The one door to the levels of the theory."""

import numpy as np

from geomem.laws.manifold import Manifold
from geomem.laws.mixture import GaussianMixture
from geomem.laws.probe import Probe
from geomem.levels.criteria import Criterion, Setting, find_criterion, setting
from geomem.levels.mixture_criteria import MixtureCriterion, MixtureSetting, find_mixture_criterion, mixture_setting


def rule_and_setting(
    law: Manifold | GaussianMixture, block: int | np.integer, criterion: str, theory: str, probe: Probe
) -> tuple[Criterion | MixtureCriterion, Setting | MixtureSetting]:
    if isinstance(law, GaussianMixture):
        return find_mixture_criterion(theory, criterion, probe), mixture_setting(law, block, probe)
    return find_criterion(theory, criterion, law.normalized), setting(law, law.indicator(block), probe)
