"""Where bulks of singular values run together: against the symmetric case's own equation, and drawn matrices."""

import jax.numpy as jnp
import numpy as np
import pytest

from geomem import Manifold, Probe
from geomem.levels.bulks import Profile, closing_noise
from geomem.levels.gaps import gap_participation
from geomem.levels.spectrum_profile import kernel


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize("block", [0, 1])
def test_a_symmetric_product_closes_where_its_one_equation_says(block):
    """V_ki = kappa b_k b_i: the vector equation is one of a level and a drive."""
    manifold, time = Manifold([1.0, 0.3, 0.02], [10, 10, 10]), 0.3
    pulls, couplings = kernel(manifold, float(time))
    couplings = couplings * np.exp(-pulls / 2)
    entries = np.outer(couplings, couplings) * 10.0
    values = time / (time + np.array([1.0, 0.3, 0.02]))
    found = closing_noise(
        Profile(*map(jnp.asarray, (values, entries, entries, entries))),
        (jnp.asarray(values[block]), jnp.asarray(values[block + 1])),
        jnp.array(jnp.nan),
    )
    expected = gap_participation(manifold.setting(manifold.indicator(block), Probe.origin()), jnp.asarray(time))
    assert float(found.met) == pytest.approx(float(expected), rel=1e-9)
    assert 0.95 < float(found.seen / found.met) <= 1.0


# A value below zero, unequal variances and half of a correlation: nothing is symmetric here.
VALUES, COUNTS = np.array([-0.5, 0.9, 1.3]), np.array([200, 150, 50])
VARIANCES = np.array([[0.4, 0.3, 0.05], [0.5, 0.2, 0.1], [0.1, 0.02, 0.01]]) / 200
CORRELATION = 0.5


@pytest.mark.slow  # compiles for some seconds
def test_drawn_matrices_have_a_gap_below_the_closing_noise_alone():
    shared = CORRELATION * np.sqrt(VARIANCES * VARIANCES.T)
    entries = [jnp.asarray(one * COUNTS) for one in (VARIANCES, VARIANCES.T, shared)]
    closing = float(
        closing_noise(Profile(jnp.asarray(VALUES), *entries), (jnp.array(0.5), jnp.array(0.9)), jnp.array(jnp.nan)).met
    )
    blocks, rng = np.repeat(np.arange(3), COUNTS), np.random.default_rng(0)
    one = rng.standard_normal((400, 400))
    other = CORRELATION * one.T + np.sqrt(1.0 - CORRELATION**2) * rng.standard_normal((400, 400))
    noise = np.where(np.triu(np.ones((400, 400))) > 0, one, other) * np.sqrt(VARIANCES)[np.ix_(blocks, blocks)]

    def steps(factor: float) -> np.ndarray:
        matrix = np.diag(VALUES[blocks]) + np.sqrt(factor * closing) * noise
        return np.diff(np.linalg.svd(matrix, compute_uv=False)[::-1])

    inside = np.r_[190:199, 200:209]
    assert steps(0.7)[199] > 8.0 * np.median(steps(0.7)[inside])
    assert steps(1.3)[199] < 4.0 * np.median(steps(1.3)[inside])
