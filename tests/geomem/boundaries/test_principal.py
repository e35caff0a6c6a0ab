"""Phase diagrams and critical sizes of blocks of principal directions."""

import jax
import numpy as np
import pytest

from geomem import (
    GaussianMixture,
    InputError,
    Manifold,
    Probe,
    SampledLaw,
    critical_time,
    phase_diagram,
    principal_directions,
    quenched,
)
from geomem.boundaries.principal_sizes import principal_sizes
from geomem.levels.question import question

COVARIANCES = np.array([np.diag([1.0, 0.3, 0.02]), [[0.2, 0.1, 0.0], [0.1, 0.2, 0.0], [0.0, 0.0, 0.05]]])
LAW = GaussianMixture([0.4, 0.6], [[1.0, 0.0, 0.0], [-1.0, 0.5, 0.2]], COVARIANCES)
PROBE = Probe.noised(np.asarray(LAW.sample(jax.random.key(0), 3)), key=jax.random.key(1))
ASKED = {"criterion": "signal_to_noise", "theory": "finite_n"}


@pytest.fixture(scope="module")
def diagram():
    return phase_diagram(LAW, num_samples=[30, 1e4], probe=PROBE, num_blocks=2, **ASKED)


def _log_ratio(direction_rows, time, size, points):
    found = quenched(LAW, direction_rows, noise_variance=time, num_samples=size, probe=PROBE)
    signal, noise = np.asarray(found.score_mean)[points] ** 2, np.asarray(found.score_variance)[points]
    return np.log(signal.mean() / noise.mean())


@pytest.mark.long  # two walks
def test_a_block_is_lost_where_means_over_its_directions_and_the_points_are_equal(diagram):
    """And its error is that of times with one point less."""
    assert dict(diagram.sizes) == {"block": 2, "num_samples": 2}
    np.testing.assert_allclose(diagram.opening_time, diagram.block_variance)
    counts = diagram.multiplicity.values.astype(int)
    for block, rows in enumerate(np.split(principal_directions(LAW), [counts[0]])):
        for place, size in enumerate(diagram.num_samples.values):
            time = float(diagram.critical_time[block, place])
            below, above = (_log_ratio(rows, time * factor, size, slice(None)) for factor in (0.97, 1.03))
            assert below < 0 < above
            others = [_log_ratio(rows, time, size, [0, 1]), _log_ratio(rows, time, size, [1, 2])]
            assert max(map(abs, others)) > 0.05  # points differ, and so they have an error
    assert (diagram.critical_time_error[0] > 0).all()
    assert set(diagram.attrs) == {"criterion", "theory", "swept_block", "provenance"}


@pytest.mark.long  # walks
def test_a_stretched_law_is_asked_as_it_is():
    """A map at the block's own variance is the diagram; and the law of one Gaussian is that with another variance."""
    one = GaussianMixture([1.0], np.zeros((1, 2)), np.diag([1.0, 0.1])[None])
    asked = {"num_samples": [100.0], "probe": Probe.point([0.5, -0.2]), **ASKED}
    found = phase_diagram(one, local_variance=[1.0, 2.0], block=0, **asked)
    np.testing.assert_allclose(found.critical_time_map[:, 0], found.critical_time[0], rtol=1e-9)
    wider = GaussianMixture([1.0], np.zeros((1, 2)), np.diag([2.0, 0.1])[None])
    point = Probe.point([0.5 * np.sqrt(2), -0.2])
    expected = critical_time(wider, np.eye(2)[0], **(asked | {"probe": point}))
    np.testing.assert_allclose(found.critical_time_map[:, 1], expected.value, rtol=0.03)
    assert np.isnan(found.critical_time_error).all()


@pytest.mark.long  # a walk
def test_about_the_mean_one_gaussian_is_its_manifold():
    """Each block from its own probe; and a direction without variance is never lost."""
    manifold = Manifold([1.0, 0.1], [1, 2])
    full = GaussianMixture([1.0], np.zeros((1, 4)), np.diag([1.0, 0.1, 0.1, 0.0])[None])
    found = phase_diagram(full, num_samples=[1e3], num_blocks=2, **ASKED)
    for block in range(2):
        expected = critical_time(manifold, block, num_samples=1e3, **ASKED)
        np.testing.assert_allclose(found.critical_time[block], expected.value, rtol=0.03)
    assert found.status.values[:, 0].tolist() == [0, 0, 1]


@pytest.mark.long  # as the pool's rule
def test_critical_sizes_and_times_of_blocks_agree(diagram):
    found = principal_sizes(question(*ASKED.values(), PROBE), LAW, diagram.critical_time.values[:, 1], 2)
    np.testing.assert_allclose(np.diag(found.log_size), np.log(1e4), atol=0.15)
    assert (found.log_error > 0).all()
    pool = SampledLaw(np.asarray(LAW.sample(jax.random.key(2), 300)))
    several = phase_diagram(pool, num_samples=[10, 60], probe=PROBE, num_blocks=2, **ASKED)
    assert set(several.status.values[:, 1].tolist()) <= {1, 2, 3}  # a fifteenth of 300 is 20


def test_stretched_laws():
    matrix = np.eye(3) + np.outer([0.6, 0.8, 0.0], [0.6, 0.8, 0.0])
    np.testing.assert_allclose(LAW.stretched(matrix).covariance(), matrix @ LAW.covariance() @ matrix, atol=1e-12)
    pool = SampledLaw(np.asarray(LAW.sample(jax.random.key(2), 30)))
    np.testing.assert_allclose(pool.stretched(matrix).center, pool.center, atol=1e-12)
    np.testing.assert_allclose(pool.stretched(matrix).covariance(), matrix @ pool.covariance() @ matrix, atol=1e-12)


def test_below_its_finest_noise_a_pool_is_separate_samples():
    pool = SampledLaw(np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0], [30.0, 40.0]]))
    assert pool.finest == pytest.approx(25 / 20)
    assert pool.largest_size == pytest.approx(4 / 15)


ONE = {"num_samples": [9], **ASKED}
GIVEN = ONE | {"probe": Probe.point(np.zeros(3))}
MANIFOLD = Manifold([1.0], [3])


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: phase_diagram(LAW, **GIVEN | {"theory": "rem"}),
            "does not average over directions; use theory 'finite_n'",
        ),
        (lambda: phase_diagram(LAW, local_variance=[1.0], block=7, **GIVEN), "no block 7"),
        (lambda: phase_diagram(LAW, direction_variances=[1.0], **GIVEN), "along directions"),
        (lambda: phase_diagram(MANIFOLD, num_blocks=2, **ONE), "has its blocks"),
        (lambda: phase_diagram(MANIFOLD, local_variance=[2.0], **GIVEN), "a stretched direction does not know"),
        (lambda: principal_sizes(question(*ASKED.values(), Probe.along()), LAW, np.ones(1), 2), "give points"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
