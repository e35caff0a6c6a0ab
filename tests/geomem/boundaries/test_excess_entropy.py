"""Excess entropy: measured by the engine, predicted exactly, and what is read off it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import logsumexp

from geomem import (
    GaussianMixture,
    InputError,
    Manifold,
    RandomManifold,
    Status,
    collapse_time,
    excess_entropy,
    expected_collapse_probability,
    expected_excess_entropy,
    trajectory_times,
)

KEY = jax.random.key(7)
LAW = Manifold([1.0, 0.1], [4, 12])
TIMES = [0.05, 0.3, 2.0]


def test_measured_is_the_published_form():
    """ln N/d + E ln p/d + 1/2 + ln(2 pi t)/2, up to the control variate of mean 1/2."""
    data = np.asarray(LAW.sample(KEY, 300))
    time, count = 0.2, 300
    measured = excess_entropy(data, time, num_probes=count, key=KEY)
    noise = jax.random.normal(jax.random.key(1), (4000, *data.shape))

    @jax.jit
    def published(omega):
        x = jnp.asarray(data) + jnp.sqrt(time) * omega
        squared = jnp.sum((x[:, None] - jnp.asarray(data)[None]) ** 2, axis=2)
        log_density = logsumexp(-squared / (2 * time), axis=1) - np.log(300) - 8 * jnp.log(2 * jnp.pi * time)
        return np.log(300) / 16 + log_density.mean() / 16 + 0.5 + 0.5 * jnp.log(2 * jnp.pi * time)

    values = np.asarray(jax.lax.map(published, noise[:100]))
    error = np.hypot(values.std(ddof=1) / 10, float(measured.error[0]))
    assert abs(float(measured.value[0]) - values.mean()) < 4 * error


@pytest.mark.long  # a dozen data sets, and the exact prediction at three noise variances
@pytest.mark.parametrize("mixed", [False, True])
def test_expected_is_the_mean_over_data_sets(mixed):
    law = GaussianMixture.two_classes(6.0, LAW) if mixed else LAW
    sets, size = 16, 500
    values, together = [], []
    for draw in range(sets):
        data = law.sample(jax.random.key(100 + draw), size)
        values.append(excess_entropy(data, TIMES, num_probes=500, key=jax.random.key(200 + draw)).value.values)
        together.append(_participation(np.asarray(data), jax.random.key(300 + draw)))
    for measured, expected in (
        (np.array(values), expected_excess_entropy(law, noise_variance=TIMES, num_samples=size, theory="finite_n")),
        (np.array(together), expected_collapse_probability(law, noise_variance=TIMES, num_samples=size)),
    ):
        error = np.hypot(measured.std(axis=0, ddof=1) / np.sqrt(sets), expected.error.values)
        z = (measured.mean(axis=0) - expected.value.values) / error
        assert np.abs(z).max() < 4
        assert (expected.error.values < 0.7 * error).all()


def _participation(data: np.ndarray, key: jax.Array) -> np.ndarray:
    from geomem import gibbs

    noise = np.asarray(jax.random.normal(key, data.shape))
    return np.asarray(gibbs(data, data, TIMES, directions=noise).participation).mean(axis=1)


@pytest.mark.slow  # exact averages take seconds for each noise variance
def test_limits_of_the_expected_excess_entropy():
    late = expected_excess_entropy(LAW, noise_variance=[1e-4, 1e6], num_samples=1000, theory="finite_n")
    assert (late.status == Status.CONVERGED).all()
    late = late.value
    assert 0 <= late[0] < 1e-9
    assert float(late[1]) == pytest.approx(np.log(1000) / 16, rel=1e-5)


@pytest.mark.slow  # exact averages take seconds for each noise variance
def test_a_class_out_of_reach_is_out_of_reach_at_any_distance():
    law = Manifold([1.0, 1e-6], [4, 4])
    near, far = (
        expected_excess_entropy(
            GaussianMixture([0.5, 0.5], np.eye(2, 8, k=6) * [[0.0], [distance]], law),
            noise_variance=[1e-4], num_samples=5000, theory="finite_n",
        )
        for distance in (3.0, 3e3)
    )  # fmt: skip
    np.testing.assert_allclose(far.value, near.value, rtol=1e-5)
    assert far.value > 0


@pytest.mark.slow  # exact averages take seconds for each noise variance
def test_many_dimensions_approach_the_asymptotic_formula():
    """At finite N it lies above, by less and less where ln N/d and the spectrum stay."""
    gaps = []
    for repeat in (1, 8):
        law = Manifold([1.0, 0.1], [4 * repeat, 12 * repeat])
        question = {"noise_variance": [0.4], "log_num_samples": 3.0 * repeat}
        exact = expected_excess_entropy(law, **question, theory="finite_n").value
        gaps.append(float((exact - expected_excess_entropy(law, **question, theory="rem").value)[0]))
    assert gaps[0] > gaps[1] > 0
    assert gaps[1] < 0.1 * gaps[0]


@pytest.mark.slow  # compiles a solver for each of four laws
def test_asymptotic_curve_vanishes_at_collapse_for_every_law():
    mixture = GaussianMixture.two_classes(9.0, LAW)
    for law, size in ((LAW, 5.0), (mixture, 5.0), (RandomManifold([1.0], [1.0], latent_ratio=0.5), 0.25)):
        collapse = float(trajectory_times(law, log_num_samples=size).collapse.value)
        times = [0.9 * collapse, collapse, 1.1 * collapse]
        curve = expected_excess_entropy(law, noise_variance=times, log_num_samples=size, theory="asymptotic").value
        assert curve[0] == 0
        assert abs(curve[1]) < 1e-9
        assert curve[2] > 1e-3


@pytest.mark.slow  # compiles for some seconds
def test_collapse_time_is_where_the_curve_passes_the_level():
    data = np.asarray(LAW.sample(KEY, 400))
    found = collapse_time(data, key=KEY, level=0.1, num_probes=400)
    assert found.lower < found.value < found.upper
    # The same noised points at this noise variance give the level itself.
    value = excess_entropy(data, float(found.value), num_probes=400, key=KEY).value
    assert float(value[0]) == pytest.approx(0.1 * np.log(400) / 16, rel=0.01)


def test_repeated_samples_do_not_collapse():
    data = np.tile(np.asarray(LAW.sample(KEY, 50)), (2, 1))
    found = collapse_time(data, key=KEY, num_probes=100)
    assert found.status == Status.NO_TRANSITION
    assert np.isnan(found.value)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: collapse_time(np.ones((3, 2)), key=KEY), "all samples are the same"),
        (lambda: collapse_time(np.eye(3), key=KEY, level=1.5), "between 0 and 1"),
        (lambda: excess_entropy(np.eye(3), 1.0, num_probes=1, key=KEY), "num_probes is 1"),
        (lambda: excess_entropy(np.eye(3), -1.0, key=KEY), "noise variance is -1"),
        (
            lambda: expected_excess_entropy(LAW, noise_variance=1.0, num_samples=[2, 3], theory="rem"),
            "one data-set size",
        ),
        (lambda: expected_excess_entropy(LAW, noise_variance=1.0, num_samples=9, theory="mean field"), "no theory"),
        (lambda: expected_collapse_probability(LAW, noise_variance=1.0, num_samples=[2, 3]), "one data-set size"),
    ],
)
def test_bad_questions_are_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()


def test_random_manifolds_have_no_finite_n():
    law = RandomManifold([1.0], [1.0], latent_ratio=0.5)
    with pytest.raises(InputError, match="random manifolds"):
        expected_excess_entropy(law, noise_variance=1.0, log_num_samples=0.5, theory="finite_n")


@pytest.mark.slow  # exact averages take seconds for each noise variance
@pytest.mark.filterwarnings("error")
def test_sizes_beyond_float64():
    """ln N = 1000 in 2000 dimensions: the asymptotic entropy as ever, the exact one zero or not converged."""
    law, times = Manifold([1.0], [2000]), np.array([0.3, 3.0])
    found = expected_excess_entropy(law, noise_variance=times, log_num_samples=1000.0, theory="rem")
    np.testing.assert_allclose(found.value, np.maximum(0, 0.5 - 0.5 * np.log1p(1 / times)), rtol=1e-12)
    assert found.attrs["num_samples"] == np.inf
    exact = expected_excess_entropy(law, noise_variance=times, log_num_samples=1000.0, theory="finite_n")
    clones = expected_collapse_probability(law, noise_variance=times, log_num_samples=1000.0)
    assert exact.value[0] < 1e-100
    assert clones.value[0] == 1
    for curve in (exact, clones):
        assert curve.status.values.tolist() == [Status.CONVERGED, Status.NOT_CONVERGED]


FOUR = Manifold([1.0], [4])
MIXTURES = {
    "equal": GaussianMixture.two_classes(4.0, FOUR),
    "far": GaussianMixture([0.5, 0.5], [[6.0, 0, 0, 0], [-6.0, 0, 0, 0]], FOUR),
    "unequal": GaussianMixture([0.8, 0.2], [[2.0, 0, 0, 0], [-2.0, 0, 0, 0]], FOUR),
    "three": GaussianMixture([0.4, 0.3, 0.3], [[2.0, 0, 0, 0], [-2.0, 0, 0, 0], [0, 2.0, 0, 0]], FOUR),
}


@pytest.mark.long  # averages over classes at several sizes, and 20 000 data sets of each
@pytest.mark.parametrize("name", MIXTURES)
def test_few_samples_of_a_mixture_are_those_of_drawn_data_sets(name):
    """Minus the logarithm of the own sample's weight, per dimension, in 20 000 data sets of each size."""
    law, rng = MIXTURES[name], np.random.default_rng(5)
    weights, centers = np.asarray(law.weights), np.asarray(law.centers)
    for size, time in ((2, 0.5), (20, 2.0), (50, 0.7)):
        expected = expected_excess_entropy(law, noise_variance=[time], num_samples=size, theory="finite_n")
        data = centers[rng.choice(len(weights), (20_000, size), p=weights)] + rng.normal(size=(20_000, size, 4))
        points = data[:, :1] + np.sqrt(time) * rng.normal(size=(20_000, 1, 4))
        energies = -np.sum((points - data) ** 2, axis=2) / (2 * time)
        own = (np.logaddexp.reduce(energies, axis=1) - energies[:, 0]) / 4
        error = np.hypot(own.std() / np.sqrt(len(own)), float(expected.error[0]))
        assert abs(float(expected.value[0]) - own.mean()) < 4 * error
