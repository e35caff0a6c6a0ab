"""union"""

import numpy as np

from geomem.laws.manifold import Manifold
from geomem.laws.mixture import GaussianMixture
from geomem.laws.random_manifold import RandomManifold


def dimension_of(law: Manifold | GaussianMixture) -> int:
    """Number of dimensions of a law's data."""
    manifold = law.manifold if isinstance(law, GaussianMixture) else law
    return int(np.sum(np.asarray(manifold.multiplicities)))


Law = Manifold | GaussianMixture | RandomManifold


def law_record(law: Law) -> dict[str, object]:
    """What the provenance of a result says of a law."""
    if isinstance(law, (Manifold, GaussianMixture)):
        return law.record()
    return {name: np.asarray(getattr(law, name)).tolist() for name in ("variances", "weights", "latent_ratio")}
