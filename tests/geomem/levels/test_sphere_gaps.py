"""When gaps of normalized data close: against data sets that are drawn, curvature alone, and differences."""

import jax
import numpy as np
import pytest

from geomem import InputError, Manifold, Status, critical_size, critical_time, phase_diagram
from geomem.levels.sphere_spectra import block_values, sphere_spectra

VARIANCES, COUNTS = [1.0, 0.09, 1e-4], [2, 5, 23]
DATA = Manifold(VARIANCES, COUNTS, normalized=True)
QUESTION = {"criterion": "gap", "theory": "finite_n"}

pytestmark = pytest.mark.slow  # compiles for some seconds


@pytest.mark.parametrize("block", [0, 1])
def test_half_of_the_data_sets_lose_the_gap_within_a_tenth_of_the_critical_time(block):
    """Lost: it is no larger than the mean spacing of the values on both sides."""
    time = float(critical_time(DATA, block, num_samples=1000, **QUESTION).value)
    ends = np.cumsum([0, *COUNTS])
    first, edge, last = ends[block], ends[block + 1], ends[block + 2]

    def lost(factor: float) -> float:
        drawn = sphere_spectra(DATA, factor * time, np.log(1000.0), "central_difference", num_draws=60, seed=1)
        steps = np.diff(np.sort(drawn, axis=1), axis=1)
        beside = np.concatenate([steps[:, first : edge - 1], steps[:, edge : last - 1]], axis=1)
        return float((steps[:, edge - 1] <= beside.mean(axis=1)).mean())

    assert lost(1.1) < 0.5 < lost(0.9)


def test_size_and_time_invert_each_other_in_any_order_of_blocks():
    time = critical_time(DATA, 0, num_samples=[250.0, 20000.0], **QUESTION).value
    shuffled = Manifold([0.09, 1e-4, 1.0], [5, 23, 2], normalized=True)
    sizes = critical_size(shuffled, 2, noise_variance=time, **QUESTION)
    np.testing.assert_allclose(sizes.value, [250.0, 20000.0], rtol=1e-5)


def test_of_infinitely_many_samples_curvature_closes_it_where_two_values_are_the_same():
    found = critical_time(DATA, 0, num_samples=1e9, **QUESTION)
    values = np.abs(block_values(DATA, np.array([float(found.value)]), "central_difference")[0])
    # A billion samples leave a gap of 2 sqrt(10/N) or so.
    assert values[0] == pytest.approx(values[1], abs=1e-3)
    assert critical_size(DATA, 0, noise_variance=0.15, **QUESTION).status == Status.OUT_OF_VALIDITY


def test_what_is_not_to_be_lost_and_what_is_not_known_is_said():
    assert critical_time(DATA, 2, num_samples=1000, **QUESTION).status == Status.NO_TRANSITION
    assert critical_time(DATA, 0, num_samples=25, **QUESTION).status == Status.OUT_OF_VALIDITY
    with pytest.raises(InputError, match="take differences of critical times"):
        jax.grad(lambda size: critical_time(DATA, 0, log_num_samples=size, **QUESTION).log_value)(np.log(1000.0))
    with pytest.raises(InputError, match="theory 'rem' does not know normalized data"):
        critical_time(DATA, 0, num_samples=1000, criterion="gap", theory="rem")


@pytest.mark.long  # six walks
def test_the_map_sensitivity_is_that_of_differences():
    step = 1e-3
    times = [
        float(
            critical_time(
                Manifold([np.exp(sign * step), *VARIANCES[1:]], COUNTS, normalized=True),
                0,
                num_samples=1000,
                **QUESTION,
            ).log_value
        )
        for sign in (-1, 1)
    ]
    diagram = phase_diagram(DATA, num_samples=[1000.0], local_variance=[1.0], **QUESTION)
    found = float(diagram.sensitivity_swept[0, 0])
    assert found == pytest.approx((times[1] - times[0]) / (2 * step), abs=1e-4)


def test_directions_without_variance_have_one_sharp_value():
    """The edge of the bulk below comes to it, as it comes to that of a bulk of next to no width."""
    laws = (Manifold([1.0, own], [3, 20], normalized=True) for own in (0.0, 1e-6))
    sharp, narrow = (float(critical_time(law, 0, num_samples=1000, **QUESTION).value) for law in laws)
    assert narrow == pytest.approx(sharp, rel=1e-3)  # a percent of the participation is this in t
