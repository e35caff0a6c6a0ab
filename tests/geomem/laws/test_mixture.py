"""Gaussian mixtures: what classes add to the theory, against simulation and against a single Gaussian."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import logsumexp
from scipy.integrate import quad
from scipy.stats import norm

from geomem import (
    GaussianMixture,
    InputError,
    Manifold,
    Probe,
    Status,
    cloning_curve,
    critical_size,
    critical_time,
    dominance_radius,
    trajectory_times,
)
from geomem.laws.classes import class_terms, over_probes
from geomem.lowering import lower

excess_of = lower("mixture_generating_function")

MANIFOLD = Manifold([1.0, 0.2], [3, 7])
CRITERIA = ("condensation", "participation", "signal_to_noise")
PROBES = (Probe.along(), Probe.random_direction(2.0))


def three_classes() -> GaussianMixture:
    centers = np.random.default_rng(0).normal(size=(3, 6))
    return GaussianMixture([0.2, 0.3, 0.5], centers, Manifold([1.0, 0.1], [2, 4]))


def two_classes() -> GaussianMixture:
    return GaussianMixture.two_classes(4.0, MANIFOLD)


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("probe", PROBES)
def test_classes_at_one_place_are_one_gaussian(criterion, probe):
    question = {"num_samples": [100, 1e5], "criterion": criterion, "theory": "rem", "probe": probe}
    law = GaussianMixture([0.3, 0.7], np.zeros((2, 10)), MANIFOLD)
    for block in (0, 1):
        ours, theirs = critical_time(law, block, **question), critical_time(MANIFOLD, block, **question)
        np.testing.assert_allclose(ours.value, theirs.value, rtol=1e-10)
        np.testing.assert_array_equal(ours.status, theirs.status)


def test_a_class_far_away_halves_the_samples():
    law = GaussianMixture([0.5, 0.5], np.stack([np.zeros(10), np.full(10, 1e4)]), MANIFOLD)
    for criterion in CRITERIA:
        question = {"criterion": criterion, "theory": "rem"}
        sizes = critical_size(law, 0, noise_variance=[0.1, 0.5], **question).log_value
        of_one = critical_size(MANIFOLD, 0, noise_variance=[0.1, 0.5], **question).log_value
        np.testing.assert_allclose(sizes, np.asarray(of_one) + np.log(2), rtol=1e-10)


@pytest.mark.slow  # compiles for some seconds
def test_at_the_origin_a_direction_between_the_centers_is_silent_and_condensation_is_found():
    law = GaussianMixture.two_classes(4.0, Manifold([1.0, 1.0], [1, 9]))
    question = {"num_samples": 1000, "theory": "rem", "probe": Probe.origin()}
    assert critical_time(law, 1, criterion="condensation", **question).status == Status.CONVERGED
    assert critical_time(law, 1, criterion="signal_to_noise", **question).status == Status.NO_TRANSITION


@pytest.mark.slow  # compiles for some seconds
def test_signal_to_noise_against_simulation():
    """Leading order at large N: the mean and variance of the empirical score between the centers."""
    law = GaussianMixture.two_classes(2.0, Manifold([1.0, 0.5], [1, 3]))
    time, size, sets = 1.0, 4000, 400
    x = np.zeros(4)
    x[0] = np.sqrt(time)
    from geomem import score

    draws = jax.random.split(jax.random.key(3), sets)
    scores = np.array([float(score(x, np.asarray(law.sample(key, size)), time)[0]) for key in draws])
    ratio = np.mean(scores) ** 2 / np.var(scores, ddof=1)
    kept = critical_size(law, 0, noise_variance=time, criterion="signal_to_noise", theory="rem")
    spread = np.sqrt(2 / sets)  # of the logarithm of a variance; the mean is known far better
    assert abs(np.log(ratio) - (np.log(size) - float(kept.log_value))) < 4 * spread


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize("time", [0.1, 1.0, 10.0])
def test_information_of_classes_against_simulation(time):
    law, count = three_classes(), 100_000
    at = jnp.asarray(time)
    x = law.sample(jax.random.key(1), count) + np.sqrt(time) * jax.random.normal(jax.random.key(2), (count, 6))
    variances = law.manifold.axis_deviations() ** 2 + time
    each = -0.5 * jnp.sum((x[:, None] - law.centers[None]) ** 2 / variances[None, None], axis=2)
    densities = logsumexp(each, axis=1, b=law.weights[None])
    measured = -np.asarray(densities) - 3.0  # less the d/2 of a single class
    error = measured.std() / np.sqrt(count)
    assert abs(measured.mean() + float(class_terms(law.class_products(), at).noised)) < 4 * error + 3e-4


def test_the_excess_has_no_slope_at_noised_points():
    """The mean energy of a noised point is d/2 whatever the law."""
    law = GaussianMixture.two_classes(3.0, MANIFOLD)
    time = jnp.asarray(0.7)

    def mean(tilt):
        x_variances = law.manifold.variances + time
        return over_probes(
            law.class_products(), lambda _, excess: excess_of(law.weights, excess), time, tilt, x_variances
        )

    assert abs(jax.grad(mean)(1.0)) < 1e-12


@pytest.mark.slow  # compiles solvers for two mixtures and a manifold
def test_trajectory_times_of_separated_and_merged_classes():
    separated = trajectory_times(GaussianMixture.two_classes(1e5, MANIFOLD), num_samples=[200, 2e4])
    merged = trajectory_times(GaussianMixture([0.4, 0.6], np.zeros((2, 10)), MANIFOLD), num_samples=[100, 1e4])
    of_one = trajectory_times(MANIFOLD, num_samples=[100, 1e4])
    for name in ("collapse", "onset", "held_out", "generalization"):
        expected = getattr(of_one, name).value
        np.testing.assert_allclose(getattr(separated, name).value, expected, rtol=1e-9)
        np.testing.assert_allclose(getattr(merged, name).value, expected, rtol=1e-9)
    np.testing.assert_array_equal(of_one.speciation.status, Status.NO_TRANSITION)
    np.testing.assert_allclose(separated.speciation.value, 1e5)  # Lambda = 1 + |m|^2


def test_dominance_radius_of_classes_at_one_place_is_that_of_one_gaussian():
    law = GaussianMixture([0.3, 0.7], np.ones((2, 10)), MANIFOLD)
    question = {"noise_variance": [[0.01, 0.1], [0.3, 5.0]], "num_samples": [10, 100, 1e5]}
    ours, theirs = dominance_radius(law, **question), dominance_radius(MANIFOLD, **question)
    assert ours.shape == (2, 2, 3)
    assert ours.min() < 0 < ours.max()
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize(
    "within", [pytest.param(0.0, marks=pytest.mark.slow), 1.0]
)  # compiles another number of blocks
def test_dominance_of_classes_is_one_at_collapse_and_none_at_onset(within):
    law = GaussianMixture.two_classes(9.0, Manifold([within, 1.0], [1, 9]))
    times = trajectory_times(law, num_samples=1000)
    radii = dominance_radius(law, noise_variance=[times.collapse.value, times.onset.value], num_samples=[1000, 1e4])
    np.testing.assert_allclose(radii[:, 0], [1.0, 0.0], atol=1e-9)
    assert (radii[:, 1] < radii[:, 0]).all()


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize(("make", "time"), [(three_classes, 0.3), (two_classes, 0.5)])
@pytest.mark.parametrize("log_size", [2.0, 4.0])
def test_at_the_dominance_radius_the_own_weight_is_that_of_the_rest(make, time, log_size):
    """On average over displaced training points, the others' sum being N times the noised population's density."""
    law, rng = make(), np.random.default_rng(5)
    radius = float(dominance_radius(law, noise_variance=time, log_num_samples=log_size))
    assert radius > 0
    points = np.asarray(law.sample(jax.random.key(6), 40_000))
    x = points + np.sqrt(radius * time) * rng.normal(size=points.shape)
    spread = np.repeat(np.asarray(law.variances), np.asarray(law.multiplicities, dtype=int)) + time
    squared = ((x[:, None, :] - np.asarray(law.centers)) ** 2 / spread).sum(axis=2)
    # The mean of e^(-|x - y|^2/2t) over the samples.
    others = logsumexp(np.log(np.asarray(law.weights)) - squared / 2, axis=1) - np.log(spread / time).sum() / 2
    own = -radius * points.shape[1] / 2
    balance = log_size + np.asarray(others) - own
    assert abs(balance.mean()) < 4 * balance.std() / np.sqrt(len(points))


@pytest.mark.long  # draws ten thousand samples many times
def test_dominance_radius_of_classes_against_simulation():
    """Where half of the displaced training points have half of the weight, within 10 % of the formula."""
    law, size = GaussianMixture.two_classes(6.0, Manifold([1.0], [60])), 10_000
    times = trajectory_times(law, num_samples=size)
    time = float(jnp.sqrt(times.collapse.value * times.onset.value))
    expected = float(dominance_radius(law, noise_variance=time, num_samples=size))
    data, noise = np.asarray(law.sample(jax.random.key(7), size)), np.random.default_rng(8).normal(size=(300, 60))
    radii = expected * np.linspace(0.5, 1.5, 11)
    own = np.empty((len(radii), len(noise)))
    for place, radius in enumerate(radii):
        x = data[:300] + np.sqrt(radius * time) * noise
        squared = (x**2).sum(axis=1)[:, None] - 2 * x @ data.T + (data**2).sum(axis=1)
        total = logsumexp(-squared / (2 * time), axis=1)
        own[place] = np.exp(-np.diagonal(squared) / (2 * time) - total)
    measured = np.interp(-0.5, -np.median(own, axis=1), radii)
    assert measured == pytest.approx(expected, rel=0.1)


def test_dominance_radius_of_classes_has_a_derivative():
    law, shift = GaussianMixture.two_classes(9.0, MANIFOLD), 1e-4

    def radius(log_size):
        return dominance_radius(law, noise_variance=0.1, log_num_samples=log_size)

    difference = (radius(4.0 + shift) - radius(4.0 - shift)) / (2 * shift)
    assert float(jax.grad(radius)(4.0)) == pytest.approx(float(difference), rel=1e-6)


@pytest.mark.slow  # compiles averages over two classes
@pytest.mark.parametrize("within", [1e-12, 0.01, 1.0, 100.0])
def test_speciation_is_at_the_variance_between_classes_whatever_that_within(within):
    law = GaussianMixture.two_classes(0.25, Manifold([within, 0.0], [1, 3]))
    times = trajectory_times(law, num_samples=[10.0, 1e6])
    np.testing.assert_allclose(times.speciation.value, 0.25, rtol=1e-12)
    assert times.speciation.status.tolist() == [Status.CONVERGED] * 2
    # Lambda - s where this direction is the leading one, as it is of one variance in all directions.
    flat = GaussianMixture.two_classes(0.25, Manifold([within], [4]))
    found = float(trajectory_times(flat, num_samples=10.0).speciation.value)
    assert found == pytest.approx(float(flat.largest_variance) - within, rel=1e-12, abs=1e-13)


@pytest.fixture(scope="module")
def times_of_three_classes():
    return trajectory_times(three_classes(), num_samples=50.0)


@pytest.mark.long  # compiles averages over three classes
def test_speciation_of_oblique_classes_is_the_largest_variance_between_them(times_of_three_classes):
    law = three_classes()
    weights, centers = np.asarray(law.weights), np.asarray(law.centers)
    between = np.cov(centers.T, aweights=weights, bias=True)
    found = float(times_of_three_classes.speciation.value)
    assert found == pytest.approx(np.linalg.eigvalsh(between)[-1], rel=1e-12)


@pytest.mark.slow  # compiles averages over three classes
def test_all_times_scale_with_the_data(times_of_three_classes):
    law, factor = three_classes(), 25.0
    scaled = GaussianMixture(law.weights, 5.0 * law.centers, Manifold([25.0, 2.5], [2, 4]))
    for one, other in zip(times_of_three_classes, trajectory_times(scaled, num_samples=50.0), strict=True):
        assert float(other.value / one.value) == pytest.approx(factor, rel=1e-9)


# Three of the shape of `three_classes`: the solver is compiled for it already.
@pytest.mark.parametrize(
    ("centers", "manifold"),
    [
        (np.zeros((2, 4)), Manifold([100.0], [4])),
        pytest.param(np.full((3, 6), 1e4 / 3), Manifold([100.0, 10.0], [2, 4]), marks=pytest.mark.slow),
    ],
)
def test_classes_at_one_place_do_not_speciate(centers, manifold):
    weights = [0.1, 0.9] if len(centers) == 2 else [0.1, 0.2, 0.7]
    law = GaussianMixture(weights, centers, manifold)
    times = trajectory_times(law, num_samples=10.0)
    assert int(times.speciation.status) == Status.NO_TRANSITION
    assert np.isnan(float(times.speciation.value))


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize(
    ("share", "place", "spread"), [(0.5, 0.8, 0.5), (0.8, 0.8, 0.5), (0.9, 1.2, 0.3)], ids=["equal", "unequal", "rare"]
)
def test_held_out_and_generalization_of_overlapping_classes_are_integrals(share, place, spread):
    """At fresh points ln N = E(K' - K), and t_G/t_D is twice the mean energy over t d, both summed point by point.

    The coordinates are independent: the one between the centers, and three that are alike.
    """
    law = GaussianMixture([share, 1 - share], np.outer([place, -place], [1, 0, 0, 0]), Manifold([spread, 0.2], [1, 3]))
    times = trajectory_times(law, num_samples=[20.0, 1000.0])

    def of_coordinate(weights, centers, variance, time):
        reach = 8.5 * np.sqrt(variance)
        grid = np.linspace(min(centers) - reach, max(centers) + reach, 1501)
        density = norm.pdf(grid[:, None], centers, np.sqrt(variance)) @ weights
        density /= density.sum()
        energy = (grid[:, None] - grid) ** 2 / (2 * time)
        terms = density * np.exp(-energy)
        partition = terms.sum(axis=1)
        return density @ np.log(partition), density @ ((energy * terms).sum(axis=1) / partition)

    for number, size in enumerate((20.0, 1000.0)):
        time = float(times.held_out.value[number])
        of_classes = of_coordinate(np.array([share, 1 - share]), [place, -place], spread, time)
        of_rest = of_coordinate(np.ones(1), [0.0], 0.2, time)
        log_partition, energy = np.array(of_classes) + 3 * np.array(of_rest)
        assert -energy - log_partition == pytest.approx(np.log(size), rel=1e-9)
        found = float(times.generalization.value[number])
        assert found == pytest.approx(time * 2 * energy / 4, rel=1e-9)


@pytest.mark.slow  # compiles averages over three classes
def test_held_out_and_generalization_of_three_classes_against_simulation(times_of_three_classes):
    """Densities of the noised law at fresh points, and energies of samples drawn from their posterior."""
    law, rng, count = three_classes(), np.random.default_rng(17), 400_000
    weights, centers, within = np.asarray(law.weights), np.asarray(law.centers), np.repeat([1.0, 0.1], [2, 4])
    time = float(times_of_three_classes.held_out.value)
    x = centers[rng.choice(3, count, p=weights)] + np.sqrt(within) * rng.normal(size=(count, 6))
    joint = np.log(weights) - ((x[:, None] - centers) ** 2 / (2 * (within + time))).sum(axis=2)
    log_partition = np.logaddexp.reduce(joint, axis=1) - np.log1p(within / time).sum() / 2
    below = np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None]).cumsum(axis=1)
    drawn = centers[(rng.random((count, 1)) > below[:, :2]).sum(axis=1)]
    y = drawn + within / (within + time) * (x - drawn)
    y += np.sqrt(within * time / (within + time)) * rng.normal(size=(count, 6))
    energy = ((x - y) ** 2).sum(axis=1) / (2 * time)
    sizes = -energy - log_partition
    # The averages over three classes are quasi-random, good to 1e-4 or so.
    assert abs(sizes.mean() - np.log(50)) < 4 * sizes.std() / np.sqrt(count) + 3e-4
    ratio = float(times_of_three_classes.generalization.value) / time
    assert abs(ratio - energy.mean() / 3) < 4 * energy.std() / np.sqrt(count) / 3 + 3e-4


def test_largest_eigenvalue_is_that_of_the_covariance():
    law = three_classes()
    mean = np.asarray(law.weights) @ np.asarray(law.centers)
    between = (np.asarray(law.centers) - mean).T @ np.diag(law.weights) @ (np.asarray(law.centers) - mean)
    whole = np.diag(np.asarray(law.manifold.axis_deviations()) ** 2) + between
    assert float(law.largest_variance) == pytest.approx(np.linalg.eigvalsh(whole)[-1], rel=1e-12)


def test_samples_have_the_law_s_moments():
    law, count = three_classes(), 200_000
    samples = np.asarray(law.sample(jax.random.key(0), count))
    mean = np.asarray(law.weights) @ np.asarray(law.centers)
    assert np.all(np.abs(samples.mean(axis=0) - mean) < 5 * samples.std(axis=0) / np.sqrt(count))
    assert np.linalg.eigvalsh(np.cov(samples.T))[-1] == pytest.approx(float(law.largest_variance), rel=0.02)


def test_cloning_curve_is_the_published_integral():
    law = GaussianMixture.two_classes(16.0, Manifold([1.5], [16]))
    clocks = np.array([0.3, 1.0, 1.5, 3.0])
    curve = cloning_curve(law, noise_variance=np.expm1(2 * clocks)).value.values
    for clock, value in zip(clocks, curve, strict=True):
        place = 4.0 * np.exp(-clock)
        spread = np.sqrt(-np.expm1(-2 * clock) + 1.5 * np.exp(-2 * clock))

        def integrand(y, place=place, spread=spread):
            up, down = norm.pdf(y, place, spread), norm.pdf(y, -place, spread)
            return 0.5 * (up**2 + down**2) / (up + down)

        assert value == pytest.approx(quad(integrand, -place - 8, place + 8, epsabs=1e-12)[0], abs=1e-10)


def test_cloning_at_speciation():
    """0.7752 for well separated classes (arXiv:2402.18491)."""
    law = GaussianMixture.two_classes(1e8, Manifold([1.0], [4]))
    time = trajectory_times(law, num_samples=1000).speciation.value
    assert float(cloning_curve(law, noise_variance=time).value[0]) == pytest.approx(0.7752, abs=5e-5)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: GaussianMixture([0.5, 0.6], np.zeros((2, 10)), MANIFOLD), "add to one"),
        (lambda: GaussianMixture([[0.5, 0.5]], np.zeros((2, 10)), MANIFOLD), "one per class"),
        (lambda: GaussianMixture([0.5, 0.5], np.zeros((2, 9)), MANIFOLD), r"of shape \(2, 10\)"),
        (lambda: GaussianMixture([1.0], np.full((1, 10), np.nan), MANIFOLD), "must be finite"),
        (lambda: GaussianMixture([1.0], np.zeros((1, 10)), Manifold([1.0], [10], normalized=True)), "normalized"),
        (lambda: GaussianMixture.two_classes(-1.0, MANIFOLD), "squared length"),
    ],
)
def test_bad_mixtures_are_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({"theory": "finite_n"}, "does not know mixtures"),
        ({"theory": "rem", "probe": Probe.typical()}, "depends on a class"),
        ({"theory": "nonsense"}, "no theory"),
    ],
)
def test_what_mixtures_do_not_have_is_refused(question, sentence):
    with pytest.raises(InputError, match=sentence):
        critical_time(three_classes(), 0, num_samples=100, criterion="participation", **question)
