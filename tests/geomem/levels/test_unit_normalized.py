"""Data divided by their norm at level finite_n: published digits, mpmath, limits, and drawn data sets."""

import json
from itertools import product
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem import (
    InputError,
    Manifold,
    Probe,
    Status,
    critical_size,
    critical_time,
    phase,
    phase_diagram,
    quenched,
    resolved_dimension,
    theory_versus_simulation,
)
from geomem.levels.secants import leading_secants, secants
from geomem.lowering import lower

REFERENCE = Path(__file__).parents[2] / "data" / "unit_normalized_reference.json"
S, D = [1.0, 0.09, 1e-4], [2, 5, 23]
_SIGNED = ("log_partition", "score_mean")
NAMES = ("log_partition", "participation", "score_mean", "score_variance", "second_moment")


@pytest.fixture(scope="module")
def manifold():
    return Manifold(S, D, normalized=True)


@pytest.fixture(scope="module")
def rows():
    return json.loads(REFERENCE.read_text())


@pytest.mark.parametrize(
    ("block", "time", "mean", "variance", "participation"),
    [
        (0, 0.05, 0.767158, 8.459e-5, 0.00402),
        (0, 0.01, 0.875376, 4.477e-5, 0.00845),
        (1, 0.05, 0.284022, 5.158e-4, 0.00378),
    ],
)
def test_digits_of_the_published_setting(manifold, block, time, mean, variance, participation):
    """Mean and variance over data sets of the Gibbs average; as many digits as simulation and theory had before."""
    found = quenched(manifold, block, noise_variance=time, num_samples=1000)
    assert abs(float(found.score_mean) * time + np.sqrt(time) - mean) < 5e-7
    assert abs(float(found.score_variance) * time**2 / variance - 1) < 2e-4
    assert abs(float(found.participation) - participation) < 5e-6


def test_mpmath_by_another_route(rows):
    assert len(rows) >= 40
    for row in rows:
        block, amplitude, time, size = row["case"]
        law = Manifold(row["variances"], row["multiplicities"], normalized=True)
        found = quenched(law, block, noise_variance=time, num_samples=size, probe=Probe.along(amplitude))
        assert found.status == Status.CONVERGED, row
        _compare(found, row)


def _compare(found, row):
    for name in NAMES:
        expected = float(row[name])
        # ln Z may be near zero by chance; at the origin the mean is zero.
        size = max(abs(expected), 1.0 if name == "log_partition" else 1e-3)
        assert abs(float(getattr(found, name)) - expected) <= 1e-9 * (size if name in _SIGNED else abs(expected)), row


@pytest.mark.long  # compiled for points
def test_mpmath_across_the_axis(manifold, rows):
    """From a point on the axis along another direction of every block, and along the axis itself."""
    ends = np.cumsum(D) - 1
    of_law = [row for row in rows if row["variances"] == S and row["case"][1] > 0]
    assert len(of_law) >= 12
    for row in of_law:
        block, amplitude, time, size = row["case"]
        first = np.cumsum([0, *D])[block]
        point = np.zeros(sum(D))
        point[first] = amplitude * np.sqrt(time)
        found = quenched(
            manifold, np.eye(sum(D))[[first, *ends]], noise_variance=time, num_samples=size, probe=Probe.point(point)
        )
        assert (found.status == Status.CONVERGED).all()
        _compare(jax.tree.map(lambda field: field[0], found), row)
        np.testing.assert_allclose(found.score_variance[1:], np.array(row["other_score_variance"], float), rtol=1e-9)
        np.testing.assert_allclose(found.second_moment[1:], np.array(row["other_second_moment"], float), rtol=1e-9)
        assert (np.abs(found.score_mean[1:]) < 1e-12).all()


@pytest.mark.long  # three ways to ask are compiled
def test_a_block_has_no_preferred_axis(manifold):
    """From a point between two directions of one block, along its own direction, a block's answer."""
    along = np.zeros(sum(D))
    along[[2, 5]] = 0.6, 0.8
    asked = {"noise_variance": [0.05, 0.01], "num_samples": [10, 1000]}
    of_block = quenched(manifold, 1, **asked)
    of_vector = quenched(manifold, along, **asked)
    of_point = quenched(manifold, along, noise_variance=0.05, num_samples=1000, probe=Probe.point(0.05**0.5 * along))
    for name in NAMES:
        np.testing.assert_allclose(getattr(of_vector, name), getattr(of_block, name), rtol=1e-10)
        np.testing.assert_allclose(getattr(of_point, name), getattr(of_block, name)[0, 1], rtol=1e-10)


@pytest.mark.slow  # compiles for some seconds
def test_nothing_condenses_at_the_origin(manifold):
    sizes = [2, 1000, 1e9]
    found = quenched(manifold, 0, noise_variance=[1e-5, 0.1], num_samples=sizes, probe=Probe.origin())
    np.testing.assert_allclose(found.participation, np.tile(1 / np.array(sizes), (2, 1)), rtol=1e-9)
    variance = float(manifold.covariance()[0, 0])
    np.testing.assert_allclose(found.second_moment, np.full((2, 3), variance), rtol=1e-9)
    # Weights are equal: the score is a mean of N independent samples.
    scores = variance / np.array(sizes) / np.array([1e-5, 0.1])[:, None] ** 2
    np.testing.assert_allclose(found.score_variance, scores, rtol=1e-9)


def test_variances_of_the_data_are_exact(manifold):
    spread = np.diag(manifold.covariance())
    np.testing.assert_allclose(spread[[0, 2]], [0.351590, 0.0589986], rtol=1e-5)
    np.testing.assert_allclose(spread.sum(), 1.0, rtol=1e-12)


def test_many_samples_have_the_population_score(manifold):
    """Itself weighted means over a million drawn rows."""
    rows = np.asarray(manifold.sample(jax.random.key(3), 1_000_000))[:, 0]
    for time in (1.0, 0.1):
        weights = np.exp(rows / np.sqrt(time))
        mean = np.average(rows, weights=weights)
        error = np.sqrt(np.average((rows - mean) ** 2 * weights, weights=weights) / weights.mean() / len(rows))
        found = quenched(manifold, 0, noise_variance=time, num_samples=1e12)
        expected = lower("sphere_population_score")(mean, np.sqrt(time), time)
        assert abs(float(found.score_mean) - float(expected)) < 4.5 * error / time


@pytest.mark.long  # five shapes of data sets to draw
def test_z_scores_of_many_cells(manifold):
    """Sixty cells, four observables each, of which some have few of the data sets that tell them."""
    scores = []
    cells = product((0, 1, 2), (0.003, 0.02, 0.1, 0.4, 2.0), (0.5, 1.0), (10, 60))
    for seed, (block, time, amplitude, size) in enumerate(cells):
        found = theory_versus_simulation(
            manifold,
            block,
            noise_variance=time,
            num_samples=size,
            probe=Probe.along(amplitude),
            num_datasets=500,
            key=jax.random.key(seed),
        )
        scores.append(found.z.values)
    scores = np.array(scores)
    assert scores.shape == (60, 4)
    assert np.abs(scores).max() < 4.5
    assert (np.abs(scores.mean(axis=0)) < 4 / np.sqrt(60)).all()
    assert (np.abs((scores**2).mean(axis=0) - 1) < 4 * np.sqrt(2 / 60)).all()


@pytest.mark.long  # derivatives are compiled
def test_derivatives_are_those_of_finite_differences():
    def averages(numbers):
        law = Manifold(numbers[:2], [2, 6], normalized=True)
        found = quenched(law, 1, noise_variance=numbers[2], num_samples=50)
        return jnp.stack([found.participation, found.score_mean, jnp.log(found.score_variance)])

    at, step = jnp.array([1.0, 0.3, 0.02]), 2e-5
    slopes = jax.jacfwd(averages)(at)
    for place, along in enumerate(np.eye(3) * step):
        both = (averages(at + along) - averages(at - along)) / (2 * step)
        np.testing.assert_allclose(slopes[:, place], both, rtol=2e-5)


@pytest.mark.long  # both solvers are compiled
def test_critical_times_and_sizes_are_each_other_s_inverse(manifold):
    asked = {"criterion": "participation", "theory": "finite_n"}
    times = critical_time(manifold, 1, num_samples=[50, 1000], **asked)
    assert (times.status == Status.CONVERGED).all()
    back = critical_size(manifold, 1, noise_variance=times.value, **asked)
    np.testing.assert_allclose(back.value, [50, 1000], rtol=1e-6)
    found = quenched(manifold, 1, noise_variance=times.value[0], num_samples=50)
    assert abs(float(found.participation) - 0.5) < 1e-7


def test_a_signal_is_lost_first_where_the_mean_score_changes_its_sign(manifold):
    """In a window that is narrow for many samples, and is not passed over; below, the score points outward."""
    sizes = [1000, 1e6, 1e9]
    found = critical_time(manifold, 0, num_samples=sizes, criterion="signal_to_noise", theory="finite_n")
    assert (found.status == Status.CONVERGED).all()
    for time, size in zip(found.value, sizes, strict=True):
        ratios = quenched(
            manifold, 0, noise_variance=time * np.array([1.0, *np.geomspace(1.001, 30, 30)]), num_samples=size
        )
        assert abs(float(ratios.signal_to_noise[0]) - 1) < 1e-6
        assert (ratios.signal_to_noise[1:] > 1).all()
        assert (ratios.score_mean < 0).all()
    deep = quenched(manifold, 0, noise_variance=[0.2, 1e-6], num_samples=1000)
    assert (deep.score_mean > 0).all()
    assert (deep.signal_to_noise > 100).all()
    assert deep.participation[1] > 0.5


@pytest.mark.long  # derivatives of the walk are compiled
def test_phases_and_diagram(manifold):
    variances = np.diag(manifold.covariance())[[0, 2, 7]]
    asked = {"num_samples": 1000, "theory": "finite_n"}
    words = phase(manifold, 0, noise_variance=[1.01 * variances[0], 0.99 * variances[0]], **asked)
    assert words.tolist() == ["unresolved", "generalizing"]
    np.testing.assert_array_equal(resolved_dimension(manifold, noise_variance=[0.5, 0.2, 0.01], **asked), [0, 2, 7])
    found = phase_diagram(
        manifold, num_samples=[1000], local_variance=[0.09], block=1, criterion="participation", theory="finite_n"
    )
    assert (found.status == Status.CONVERGED).all()
    np.testing.assert_allclose(found.opening_time, variances, rtol=1e-10)
    times = [
        float(critical_time(manifold, block, num_samples=1000, criterion="participation", theory="finite_n").value)
        for block in range(3)
    ]
    np.testing.assert_allclose(found.critical_time[:, 0], times, rtol=1e-5)
    np.testing.assert_allclose(found.critical_time_map, [[times[1]]], rtol=1e-5)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"probe": Probe.typical()}, "at the probe 'typical'; a sample's weight depends on one coordinate of it only"),
        ({"probe": Probe.random_direction()}, "at the probe 'random_direction'"),
        ({"probe": Probe.data_point()}, "at the probe 'data_point'"),
        ({"probe": Probe.point(np.ones(30))}, "point 0 has coordinates in several blocks"),
        ({"probe": Probe.noised(np.eye(30)[:2], key=jax.random.key(0))}, "point 0 has coordinates in several blocks"),
    ],
)
def test_other_probes_are_refused_in_one_sentence(manifold, asked, message):
    with pytest.raises(InputError, match=message):
        quenched(manifold, 0, noise_variance=0.1, num_samples=10, **asked)
    with pytest.raises(InputError, match=message):
        critical_time(manifold, 0, num_samples=10, criterion="participation", theory="finite_n", **asked)


def test_two_points_are_no_density():
    """Of one direction the data are two points, of which a quadrature knows nothing: that is said."""
    found = quenched(Manifold([1.0], [1], normalized=True), 0, noise_variance=0.1, num_samples=10)
    assert found.status == Status.NOT_CONVERGED
    assert np.isnan(float(found.score_mean))


# Central differences at the origin.


@pytest.mark.long  # twenty thousand data sets
def test_secants_are_those_of_drawn_data_sets():
    spectrum, counts, time, size, number = np.array([1.0, 0.09, 0.01]), [2, 2, 3], 0.15, 30, 20_000
    block = np.repeat(np.arange(3), counts)
    rows = np.random.default_rng(1).normal(size=(number, size, 7)) * np.sqrt(spectrum)[block]
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    weights = np.exp(rows / np.sqrt(time))
    there, back = (one / one.sum(axis=1, keepdims=True) for one in (weights, 1 / weights))
    difference = np.einsum("mnk,mni->mki", there - back, rows)
    matrices = np.eye(7) - difference / (2 * np.sqrt(time))
    found = secants(Manifold(spectrum, counts, normalized=True), noise_variance=time, num_samples=size)
    assert found.status == Status.CONVERGED
    away = matrices - np.diag(found.mean[block])
    pairs = [(k, i) for k in range(7) for i in range(7) if k != i]
    samples = {
        "diagonal": [(away[:, k, k] ** 2, found.diagonal[block[k]]) for k in range(7)],
        "variance": [(away[:, k, i] ** 2, found.variance[block[k], block[i]]) for k, i in pairs],
        "transposed": [(away[:, k, i] * away[:, i, k], found.transposed[block[k], block[i]]) for k, i in pairs],
        "between": [(away[:, k, k] * away[:, i, i], found.between[block[k], block[i]]) for k, i in pairs],
        "mean": [(away[:, k, i], 0.0) for k in range(7) for i in range(7)],
    }
    for name, each in samples.items():
        z = np.array([(values.mean() - expected) / (values.std() / np.sqrt(number)) for values, expected in each])
        assert np.abs(z).max() < 4.5, (name, z)


@pytest.mark.long  # two blocks are compiled exactly and to leading order
def test_secants_of_many_samples_are_their_leading_order():
    law = Manifold([1.0, 0.2], [1, 3], normalized=True)
    exact, leading = secants(law, noise_variance=0.5, num_samples=1e6), leading_secants(law, noise_variance=0.5)
    assert exact.status == leading.status == Status.CONVERGED
    np.testing.assert_allclose(exact.mean, leading.mean, rtol=1e-4)
    for name in ("diagonal", "variance", "transposed", "between"):
        one, other = 1e6 * getattr(exact, name), getattr(leading, name)
        np.testing.assert_allclose(one, other, rtol=1e-4)
        if name != "diagonal":  # the only direction of its block has no other
            np.testing.assert_array_equal(np.isnan(one), [[True, False], [False, False]])


def test_secants_of_other_laws_are_refused():
    with pytest.raises(InputError, match="does not know a manifold"):
        secants(Manifold([1.0], [3]), noise_variance=0.1, num_samples=10)


@pytest.mark.long  # a thousand data sets
def test_a_direction_from_a_point_is_that_of_drawn_data_sets():
    manifold, place = Manifold([1.0, 0.3], [2, 3], normalized=True), 0.4 * np.eye(5)[0]
    given = {"noise_variance": 0.2, "num_samples": 20, "num_datasets": 1000, "key": jax.random.key(0)}
    found = theory_versus_simulation(manifold, np.eye(5)[0], probe=Probe.point(place), **given)
    assert (np.abs(found.z) < 4).all(), found.z.values
