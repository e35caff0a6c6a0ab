"""A measured spectrum with the theory of the same data beside it, and its figures."""

import jax
import numpy as np
import pytest

from geomem import (
    EmpiricalScore,
    Manifold,
    comparison_figure,
    critical_time,
    predicted_spectrum,
    resolved_dimension,
    spectrum_figure,
    spectrum_study,
)
from geomem.figures.style import save_figure

TIMES = np.geomspace(0.02, 5, 6)


@pytest.fixture(scope="module")
def manifold():
    return Manifold([1.0, 0.01], [2, 4])


@pytest.fixture(scope="module")
def study(manifold):
    data = manifold.sample(jax.random.key(1), 300)
    return spectrum_study(
        EmpiricalScore(data), np.zeros(6), manifold, noise_variance=TIMES, num_samples=300,
        protocol="orthogonal_frame", key=jax.random.key(2), num_replicates=3,
    )  # fmt: skip


def test_a_study_is_what_its_parts_are(manifold, study):
    lost = [
        float(critical_time(manifold, block, num_samples=300, criterion="signal_to_noise", theory="finite_n").value)
        for block in range(2)
    ]
    np.testing.assert_array_equal(study.critical_time, lost)
    np.testing.assert_array_equal(study.opening_time, manifold.variances)
    resolved = resolved_dimension(manifold, noise_variance=TIMES, num_samples=300, theory="finite_n")
    np.testing.assert_array_equal(study.resolved_dimension, resolved)
    population = predicted_spectrum(manifold, noise_variance=TIMES, theory="population")
    np.testing.assert_array_equal(study.population_value, population.singular_value)
    np.testing.assert_array_equal(study.population_gap_dimension, population.gap_dimension)
    np.testing.assert_array_equal(study.population_gap_status, population.gap_status)
    assert study.singular_value.sizes == {"noise_variance": 6, "index": 6, "replicate": 3}
    assert '"num_samples": 300' in study.attrs["provenance"]


def test_a_study_is_drawn_and_the_same_every_time(study, tmp_path):
    for name in ("first", "second"):
        save_figure(spectrum_figure(study), tmp_path / name)
    assert (tmp_path / "first.pdf").read_bytes() == (tmp_path / "second.pdf").read_bytes()
    above, below = spectrum_figure(study).axes
    drawn = [line.get_ydata() for line in below.lines]
    np.testing.assert_array_equal(drawn[1], study.resolved_dimension)
    np.testing.assert_array_equal(drawn[2], study.gap_dimension.mean("replicate"))
    assert above.get_ylabel()
    assert below.get_xlabel()


def test_a_comparison_is_drawn(manifold, study):
    predicted = predicted_spectrum(manifold, noise_variance=TIMES, num_samples=300, theory="finite_n")
    figure = comparison_figure(study, predicted)
    above, below = figure.axes
    assert len(above.containers) == 6  # points with error bars
    assert below.get_ylabel() == "$z$"
    assert len(figure.legends[0].get_texts()) == 6
