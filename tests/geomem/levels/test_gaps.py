"""Where two bulks of values run together: against the vector equation's density, closed forms and measured gaps."""

import jax
import numpy as np
import pytest

from geomem import GaussianMixture, InputError, Manifold, Probe, Status, critical_size, critical_time, quenched
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


@pytest.mark.slow  # compiles for some seconds
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


def test_a_gap_is_asked_of_blocks_of_one_gaussian():
    with pytest.raises(InputError, match="'gaussian_rem' has no gap"):
        critical_time(DEFAULT, 0, num_samples=100, criterion="gap", theory="gaussian_rem")
    with pytest.raises(InputError, match="'gap' is of blocks"):
        critical_time(DEFAULT, np.eye(30)[0], num_samples=100, criterion="gap", theory="rem")
    classes = GaussianMixture([0.5, 0.5], np.zeros((2, 30)), DEFAULT)
    with pytest.raises(InputError, match="criterion 'gap' does not know"):
        critical_time(classes, 0, num_samples=100, criterion="gap", theory="rem")


@pytest.mark.slow  # compiles for some seconds
def test_at_finite_n_the_exact_participation_passes_that_of_the_closing():
    """It is the leading order's N/exp(ln N_c) there, and the times of both levels come together."""
    sizes = np.array([1000.0, 1e5])
    found = critical_time(DEFAULT, 0, num_samples=sizes, criterion="gap", theory="finite_n")
    assert found.status.tolist() == [Status.CONVERGED] * 2
    for time, size in zip(found.value, sizes, strict=True):
        exact = quenched(DEFAULT, 0, noise_variance=time, num_samples=size, probe=Probe.origin()).participation
        closing = leading_participation(float(time)) / np.exp(size_of(DEFAULT, 0, float(time)))
        assert float(exact) == pytest.approx(closing, rel=1e-7)
    leading = critical_time(DEFAULT, 0, num_samples=sizes, criterion="gap", theory="rem")
    difference = np.abs(np.log(np.asarray(found.value) / np.asarray(leading.value)))
    assert 3 * difference[1] < difference[0] < 0.02


def leading_participation(time):
    """N times Y2 at the mean of the data: E exp(-2E/t)/(E exp(-E/t))^2."""
    ratios = np.repeat([1.0, 0.09, 1e-4], [2, 5, 23]) / time
    return np.exp(np.sum(np.log1p(ratios) - 0.5 * np.log1p(2 * ratios)))


@pytest.mark.slow  # compiles derivatives of the exact level
def test_at_finite_n_size_and_slopes_are_those_of_the_time():
    question = {"criterion": "gap", "theory": "finite_n"}
    time = critical_time(DEFAULT, 0, num_samples=1000, **question)
    size = critical_size(DEFAULT, 0, noise_variance=time.value, **question)
    assert float(size.value) == pytest.approx(1000, rel=1e-6)

    def log_time(log_size):
        return critical_time(DEFAULT, 0, log_num_samples=log_size, **question).log_value

    step = 1e-3
    differences = (log_time(np.log(1000.0) + step) - log_time(np.log(1000.0) - step)) / (2 * step)
    assert float(jax.jacfwd(log_time)(np.log(1000.0))) == pytest.approx(float(differences), rel=1e-5)


def test_no_gap_outlives_the_collapse_and_both_levels_know_that_it_is_beyond_their_law():
    """Block 1 at N = 1000, whose gap is open until few samples have the weight."""
    size, exact = {"num_samples": 1000}, {"theory": "finite_n", "probe": Probe.origin()}
    leading = critical_time(DEFAULT, 1, **size, criterion="gap", theory="rem")
    found = critical_time(DEFAULT, 1, **size, criterion="gap", **exact)
    assert int(leading.status) == int(found.status) == Status.OUT_OF_VALIDITY
    collapsed = critical_time(DEFAULT, 1, **size, criterion="participation", **exact)
    assert float(found.value) == pytest.approx(float(collapsed.value), rel=1e-7)


def test_at_finite_n_the_narrowest_block_has_no_gap():
    found = critical_time(DEFAULT, 2, num_samples=100, criterion="gap", theory="finite_n")
    assert int(found.status) == Status.NO_TRANSITION
