"""Where two bulks of values run together: against the vector equation's density, closed forms and measured gaps."""

import jax
import numpy as np
import pytest

from geomem import GaussianMixture, InputError, Manifold, Status, critical_size, critical_time
from tests.reference.sorted_spectra import values

DEFAULT = Manifold([1.0, 0.09, 1e-4], [2, 5, 23])


def size_of(manifold: Manifold, block: int, time: float) -> float:
    return float(critical_size(manifold, block, noise_variance=time, criterion="gap", theory="rem").log_value)


def time_of(manifold: Manifold, block: int, size: float):
    return critical_time(manifold, block, num_samples=size, criterion="gap", theory="rem")


def least_density(manifold: Manifold, time: float, log_size: float) -> float:
    """Least density of central differences between the values of blocks 0 and 1, by iterating the vector equation."""
    s, d = np.asarray(manifold.variances), np.asarray(manifold.multiplicities)
    r = s / time
    log_kappa = np.sum(d * (np.log1p(r) - 0.5 * np.log1p(2 * r))) - log_size
    coupling = r / (1 + 2 * r) * np.exp(-0.5 * r**2 / ((1 + r) * (1 + 2 * r)))
    variances = np.exp(log_kappa) * np.outer(coupling, coupling) * d
    values = 1 / (1 + r)
    points = np.linspace(values[0], values[1], 400)[1:-1, None] + 1e-5j
    found = 1 / (values - points)
    for _ in range(4000):
        found = 0.5 * found + 0.5 / (values - points - found @ variances.T)
    return float((found.imag @ d).min() / np.pi)


@pytest.mark.parametrize(
    ("manifold", "time"), [(DEFAULT, 0.05), (Manifold([1.0, 0.2], [8, 4]), 0.3)], ids=["three", "two"]
)
def test_the_density_vanishes_between_bulks_above_the_critical_size_alone(manifold, time):
    log_size = size_of(manifold, 0, time)
    assert least_density(manifold, time, log_size + 0.1) < 0.02
    assert least_density(manifold, time, log_size - 0.1) > 0.2


def test_two_equal_bulks_meet_where_free_convolution_has_it():
    """Nearly equal variances of many directions: half the distance of the values is the root of a row's variance."""
    d, s, time, step = 500.0, 1.0, 30.0, 1e-5
    manifold = Manifold([s * (1 + step), s], [d, d])
    r = s / time
    log_kappa = 2 * d * (np.log1p(r) - 0.5 * np.log1p(2 * r))
    coupling = r / (1 + 2 * r) * np.exp(-0.5 * r**2 / ((1 + r) * (1 + 2 * r)))
    distance = 1 / (1 + r) - 1 / (1 + r * (1 + step))
    expected = log_kappa + np.log(8 * d * coupling**2 / distance**2)
    assert size_of(manifold, 0, time) == pytest.approx(expected, abs=1e-3)


@pytest.mark.long  # compiles the search and its derivatives
def test_times_and_sizes_invert_each_other_and_have_derivatives():
    found = time_of(DEFAULT, 0, 1000.0)
    assert int(found.status) == Status.CONVERGED
    assert size_of(DEFAULT, 0, float(found.value)) == pytest.approx(np.log(1000.0), abs=1e-9)

    def log_time(log_variances):
        return time_of(Manifold(jax.numpy.exp(log_variances), [2, 5, 23]), 0, 1000.0).log_value

    logs = np.log([1.0, 0.09, 1e-4])
    slopes = jax.grad(log_time)(logs)
    for block, step in enumerate(1e-5 * np.eye(3)):
        difference = (float(log_time(logs + step)) - float(log_time(logs - step))) / 2e-5
        assert float(slopes[block]) == pytest.approx(difference, abs=1e-6)


def test_there_is_no_gap_beside_the_narrowest_block():
    assert int(time_of(DEFAULT, 2, 1000.0).status) == Status.NO_TRANSITION


@pytest.mark.long  # 200 data sets
def test_half_of_the_data_sets_lose_the_gap_near_the_critical_time():
    """N = 1000, blocks 0 and 1: the fraction of data sets whose gap is no larger than the spacings beside it."""
    factors, rng = np.array([0.8, 0.9, 1.0, 1.1, 1.2]), np.random.default_rng(3)
    times = factors * float(time_of(DEFAULT, 0, 1000.0).value)
    lost = np.zeros(5)
    for _ in range(200):
        data = rng.standard_normal((1000, 30)) * np.repeat(np.sqrt([1.0, 0.09, 1e-4]), [2, 5, 23])
        for place, time in enumerate(times):
            steps = np.diff(values("central_difference", data, time, rng)[::-1][:7])
            lost[place] += (steps[1] <= steps[[0, 2, 3, 4, 5]].mean()) / 200
    slope, level = np.polyfit(np.log(factors), lost, 1)
    assert abs((0.5 - level) / slope) < 0.15


def test_the_order_of_blocks_does_not_matter():
    assert size_of(Manifold([0.09, 1e-4, 1.0], [5, 23, 2]), 2, 0.05) == pytest.approx(
        size_of(DEFAULT, 0, 0.05), abs=1e-9
    )


def test_a_gap_is_asked_of_blocks_of_one_gaussian_at_level_rem():
    with pytest.raises(InputError, match="'finite_n' has no gap that closes"):
        critical_time(DEFAULT, 0, num_samples=100, criterion="gap", theory="finite_n")
    with pytest.raises(InputError, match="'gap' is of blocks"):
        critical_time(DEFAULT, np.eye(30)[0], num_samples=100, criterion="gap", theory="rem")
    classes = GaussianMixture([0.5, 0.5], np.zeros((2, 30)), DEFAULT)
    with pytest.raises(InputError, match="criterion 'gap' does not know"):
        critical_time(classes, 0, num_samples=100, criterion="gap", theory="rem")
