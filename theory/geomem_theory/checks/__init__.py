"""Identities and limits of the theory as tables with two sides, for tests and notebooks alike.

`identities` compares expressions by SymPy, each side from its own route;
`quadratures` compares closed forms with integrals done numerically at high
precision; `critical_points` and `gaussian_limit` look at solved equations;
`two_valued`, `two_probes` and `single_sample` take the averages at finite N by other
routes, and `on_sphere` the densities of data divided by their norm.
"""

from geomem_theory.checks.algebra import Identity as Identity
from geomem_theory.checks.algebra import identities as identities
from geomem_theory.checks.integrals import quadratures as quadratures
from geomem_theory.checks.integrals import single_sample as single_sample
from geomem_theory.checks.integrals import two_valued as two_valued
from geomem_theory.checks.limits import GaussianLimit as GaussianLimit
from geomem_theory.checks.limits import critical_points as critical_points
from geomem_theory.checks.limits import gaussian_limit as gaussian_limit
from geomem_theory.checks.sphere import on_sphere as on_sphere
from geomem_theory.checks.sphere import two_probes as two_probes
from geomem_theory.evaluation import Comparison as Comparison
