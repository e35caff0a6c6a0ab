"""The rates at which a network of random features is trained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem.core.status import Status
from geomem.laws.manifold import Manifold
from geomem.levels.activations import constants
from geomem.levels.feature_spectrum import training_spectrum
from geomem.studies.feature_simulation import feature_moments

LAW = Manifold([4.0, 0.25], [50, 100])


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize(("size", "width", "time"), [(300.0, 600.0, 0.3), (600.0, 150.0, 0.05), (75.0, 600.0, 0.3)])
def test_mass_and_mean(size, width, time):
    given = {"noise_variance": time, "num_samples": size, "width": width}
    coarse = training_spectrum(LAW, **given)
    assert (coarse.status == Status.CONVERGED).all()
    floor, at_floor = float(coarse.floor), float(coarse.mass_at_floor)
    assert at_floor == max(0.0, 1 - (150 + size) / width)
    rates = np.geomspace(floor * (1 + 1e-4), coarse.rate.values[-1], 6000)
    density = training_spectrum(LAW, **given, rates=rates).density.values
    mass = np.trapezoid(density * rates, np.log(rates)) + at_floor
    mean = np.trapezoid(density * rates**2, np.log(rates)) + at_floor * floor
    kind = constants("tanh", jnp.asarray(1.5), jnp.asarray(time))
    np.testing.assert_allclose(mass, 1, atol=1e-3)
    np.testing.assert_allclose(mean, kind.slope**2 * 1.5 + kind.memory + kind.blur + kind.floor, rtol=1e-4)


def test_drawn_networks_have_its_eigenvalues(rng):
    """Both bulks of the published figure: fast rates of the law, slow ones of the samples."""
    size, width, time = 300, 600, 0.3
    deviations = np.asarray(LAW.axis_deviations())
    weights = rng.normal(size=(width, 150)) / np.sqrt(150)
    data = rng.normal(size=(size, 150)) * deviations
    moments, _ = feature_moments(jax.jit(jnp.tanh), data @ weights.T, time * weights @ weights.T)
    drawn = np.linalg.eigvalsh(moments)
    rates = np.geomspace(drawn[0] / 2, 2 * drawn[-1], 6000)
    found = training_spectrum(LAW, noise_variance=time, num_samples=size, width=width, rates=rates)
    density = found.density.values
    mass = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(rates))]) + float(
        found.mass_at_floor
    )
    # Between the bulks nothing is, and so many eigenvalues are below.
    share = 1 - 150 / width
    gap = rates[(mass > share - 1e-3) & (mass < share + 1e-3)]
    assert np.sum(drawn < np.sqrt(gap[0] * gap[-1])) == round(share * width)
    for level in (0.3, 0.5, 0.7, 0.8, 0.9, 0.97):
        expected = np.interp(level, mass, np.log(rates))
        assert abs(np.log(np.quantile(drawn, level)) - expected) < 0.02 * np.log(drawn[-1] / drawn[0])
