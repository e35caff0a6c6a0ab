"""Critical times, sizes and phases of directions that are seen from given points."""

import jax
import numpy as np
import pytest

from geomem import (
    GaussianMixture,
    InputError,
    Manifold,
    Probe,
    RandomFeatures,
    SampledLaw,
    critical_size,
    critical_time,
    phase,
    principal_directions,
    quenched,
    resolved_dimension,
)

MANIFOLD = Manifold([1.0, 0.1], [1, 3])
FULL = GaussianMixture([1.0], np.zeros((1, 4)), np.diag([1.0, 0.1, 0.1, 0.1])[None])
SIZES = [30, 1e4]
NETWORK, RATIO = RandomFeatures(width=100), {"criterion": "signal_to_noise"}


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize("criterion", ["condensation", "participation", "signal_to_noise"])
def test_leading_order_of_one_gaussian_is_that_of_its_block(criterion):
    asked = {"criterion": criterion, "theory": "rem"}
    of_block = critical_time(MANIFOLD, 1, num_samples=SIZES, **asked)
    of_axis = critical_time(FULL, np.eye(4)[1], num_samples=SIZES, **asked)
    np.testing.assert_allclose(of_axis.value, of_block.value, rtol=1e-9)
    sizes = critical_size(FULL, np.eye(4)[1], noise_variance=[0.3, 0.02], **asked)
    expected = critical_size(MANIFOLD, 1, noise_variance=[0.3, 0.02], **asked)
    np.testing.assert_allclose(sizes.value, expected.value, rtol=1e-9)
    mean = {"noise_variance": 0.3, "probe": Probe.point(np.zeros(4)), **asked}
    assert critical_size(FULL, np.eye(4)[1:3], **mean).value.shape == (2,)


@pytest.mark.slow  # compiles for some seconds
def test_leading_order_of_a_mixture_is_that_of_the_same_classes_by_their_shared_covariance():
    shared = GaussianMixture([0.3, 0.7], [[0.5, 0, 0, 0], [-0.2, 0.4, 0, 0]], MANIFOLD)
    full = GaussianMixture([0.3, 0.7], shared.centers, np.tile(np.diag([1.0, 0.1, 0.1, 0.1]), (2, 1, 1)))
    direction, probe = np.eye(4)[1], Probe.point([0.3, -0.2, 0.1, 0.0])
    for criterion in ("participation", "signal_to_noise"):
        asked = {"num_samples": SIZES, "criterion": criterion, "theory": "rem", "probe": probe}
        found, same = (critical_time(law, direction, **asked) for law in (shared, full))
        assert np.isfinite(found.value).all()
        np.testing.assert_allclose(found.value, same.value, rtol=1e-9)


@pytest.mark.slow  # walks of a hundred tables
def test_exact_times_of_several_directions_and_points():
    """One walk for all directions ends where R, of means over the points, is 1."""
    directions, points = principal_directions(FULL), np.asarray(FULL.sample(jax.random.key(0), 3))
    probe = Probe.noised(points, key=jax.random.key(1))
    found = critical_time(
        FULL, directions, num_samples=SIZES, criterion="signal_to_noise", theory="finite_n", probe=probe
    )
    assert found.value.shape == (4, 2)
    assert (found.status == 0).all()
    for row, column in ((0, 0), (3, 1)):
        at = quenched(FULL, directions, noise_variance=found.value[row, column], num_samples=SIZES, probe=probe)
        signal, noise = (at.score_mean**2).mean(axis=0), at.score_variance.mean(axis=0)
        assert abs(np.log(signal / noise)[row, column]) < 1e-3
    time = float(found.value[1, 1])
    words = phase(
        FULL,
        directions,
        noise_variance=[1.02 * time, 0.98 * time, 2.0],
        num_samples=1e4,
        theory="finite_n",
        probe=probe,
    )
    assert words[1].tolist() == ["generalizing", "memorized", "unresolved"]
    dimension = resolved_dimension(
        FULL, noise_variance=[1.02 * time, 0.98 * time], num_samples=1e4, theory="finite_n", probe=probe
    )
    np.testing.assert_array_equal(dimension, np.sum(words[:, :2] == "generalizing", axis=0))
    size = critical_size(
        FULL, directions[1], noise_variance=time, criterion="signal_to_noise", theory="finite_n", probe=probe
    )
    np.testing.assert_allclose(size.value, 1e4, rtol=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda asked: critical_time(SampledLaw(np.eye(4)), 0, theory="rem", **asked), "use theory 'finite_n'"),
        (lambda asked: critical_time(FULL, 0, theory="rem", probe=Probe.point(np.eye(4)), **asked), "one point, not 4"),
        (lambda asked: critical_time(MANIFOLD, np.eye(4)[0], theory=NETWORK, **asked | RATIO), "of blocks alone"),
        (lambda asked: critical_time(MANIFOLD, 0, theory=NETWORK, probe=Probe.point(np.zeros(4)), **asked | RATIO),
         "no point as probe"),
        (lambda asked: critical_time(FULL, 0, theory=NETWORK, **asked | RATIO), "does not know mixtures"),
        (lambda asked: critical_time(FULL, 7, theory="rem", **asked), "no block 7"),
        (lambda asked: critical_time(FULL, 0, theory="rem", local_variance=1.0, **asked), "leave it out"),
        (lambda asked: jax.jit(lambda n: critical_time(FULL, 0, theory="rem", **asked | {"num_samples": n}))(9.0),
         "not traced"),
    ],
)  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call({"num_samples": 100, "criterion": "participation"})
