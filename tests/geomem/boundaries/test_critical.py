"""Critical times and sizes against formulas of the paper, independent solves, simulation and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import brentq

from geomem import InputError, Manifold, Probe, Status, critical_size, critical_time

PROBES = [Probe.origin(), Probe.along(), Probe.along(2.0), Probe.random_direction(1.5), Probe.data_point(),
          Probe.typical()]  # fmt: skip
LEVELS = [
    ("gaussian_rem", "condensation"),
    ("gaussian_rem", "participation"),
    ("rem", "condensation"),
    ("rem", "participation"),
    ("rem", "signal_to_noise"),
]


# An independent program: the theory typed once more, by hand, in NumPy.


def squared_lengths(probe, s, d, t, block):
    lengths = {
        "origin": 0 * s,
        "along": probe.amplitude**2 * t * (np.arange(len(s)) == block),
        "random_direction": probe.amplitude**2 * t * d / d.sum(),
        "data_point": d * s,
        "typical": d * (s + t),
    }
    return lengths[probe.kind]


def generating_function(lam, s, d, q, t):
    return -0.5 * np.sum(d * np.log1p(lam * s / t) + lam * q / (t + lam * s))


def entropy(lam, log_size, s, d, q, t):
    slope = -0.5 * np.sum(d * s / (t + lam * s) + t * q / (t + lam * s) ** 2)
    return log_size + generating_function(lam, s, d, q, t) - lam * slope


def log_ratio(log_size, s, d, q, t, block, probe):
    s_v, x2 = s[block], q[block] if probe.kind == "along" else q[block] / d[block]
    shift = np.sqrt(x2) * (2 * s_v / (t + 2 * s_v) - s_v / (t + s_v))
    log_variance = generating_function(2, s, d, q, t) - 2 * generating_function(1, s, d, q, t) - log_size
    log_variance += np.log((shift**2 + s_v * t / (t + 2 * s_v)) / t**2)
    return np.log(x2 / (t + s_v) ** 2) - log_variance


def balance(criterion, log_size, s, d, t, block, probe):
    q = squared_lengths(probe, s, d, t, block)
    if criterion == "signal_to_noise":
        return log_ratio(log_size, s, d, q, t, block, probe)
    return entropy({"condensation": 1.0, "participation": 0.5}[criterion], log_size, s, d, q, t)


def scalar_critical_time(criterion, log_size, s, d, block, probe):
    """The largest root in t, by a dense scan from above and Brent's method."""
    grid = np.log(s.max()) + np.linspace(np.log(1e6), np.log(1e-12), 2000)
    values = [balance(criterion, log_size, s, d, np.exp(u), block, probe) for u in grid]
    changes = np.flatnonzero(np.sign(values[1:]) != np.sign(values[:-1]))
    if len(changes) == 0:
        return np.nan
    bracket = grid[changes[0] + 1], grid[changes[0]]
    return np.exp(brentq(lambda u: balance(criterion, log_size, s, d, np.exp(u), block, probe), *bracket, xtol=1e-14))


# Published level: closed forms.


@pytest.mark.parametrize("amplitude", [0.5, 1.0, 3.0])
def test_gaussian_rem_along_a_direction_is_the_published_formula(default_manifold, amplitude):
    s, d, sizes = np.array([1, 0.09, 1e-4]), np.array([2, 5, 23]), np.array([10.0, 1e3, 1e9])
    log_sizes, trace = np.log(sizes), np.sum(d * s**2)
    for block in range(3):
        a2s = amplitude**2 * s[block]
        condensation = (a2s + np.sqrt(a2s**2 + 4 * log_sizes * trace)) / (4 * log_sizes)
        participation = (a2s + np.sqrt(a2s**2 + 16 * log_sizes * trace)) / (16 * log_sizes)
        for criterion, expected in (("condensation", condensation), ("participation", participation)):
            answer = critical_time(
                default_manifold, block, num_samples=sizes, criterion=criterion, theory="gaussian_rem",
                probe=Probe.along(amplitude),
            )  # fmt: skip
            np.testing.assert_allclose(answer.value, expected, rtol=1e-12)
            assert (answer.status == Status.CONVERGED).all()


def test_gaussian_rem_on_the_sphere_is_the_published_formula():
    s, d = np.array([1, 0.09, 1e-4]), np.array([2, 5, 23])
    for block in range(3):
        answer = critical_time(
            Manifold(s, d, normalized=True), block, num_samples=1000, criterion="condensation", theory="gaussian_rem"
        )
        np.testing.assert_allclose(answer.value, s[block] / np.sum(d * s) / (2 * np.log(1000)), rtol=1e-12)


def test_gaussian_rem_grows_with_the_local_variance(default_manifold):
    times = [
        critical_time(default_manifold, block, num_samples=1000, criterion="condensation", theory="gaussian_rem").value
        for block in range(3)
    ]
    assert times == sorted(times, reverse=True)
    assert float(times[0]) == pytest.approx(0.310, abs=5e-4)


# Level rem: reference numbers, independent solves, limits.


def test_rem_condensation_of_the_default_manifold(default_manifold):
    for block, expected in ((0, 0.010798), (1, 0.010956)):
        answer = critical_time(default_manifold, block, num_samples=1000, criterion="condensation", theory="rem")
        assert float(answer.value) == pytest.approx(expected, abs=5e-7)


@pytest.mark.slow  # compiles for some seconds
# Probes enter every criterion by their squared lengths alone: some are enough for all but one.
@pytest.mark.parametrize(
    ("criterion", "num_blocks", "probes"),
    [
        ("condensation", 1, PROBES[1:2]),
        ("condensation", 20, PROBES[:3]),
        ("participation", 20, PROBES[3:5]),
        ("signal_to_noise", 20, PROBES),
    ],
    ids=["one block", "condensation", "participation", "signal_to_noise"],
)
def test_rem_equals_an_independent_scalar_solve(criterion, num_blocks, probes):
    rng = np.random.default_rng([num_blocks, len(criterion)])
    s = np.sort(10.0 ** rng.uniform(-4, 1, num_blocks))[::-1]
    d = rng.integers(1, 20, num_blocks)
    log_sizes = rng.uniform(np.log(3), 40, 3)
    block = int(rng.integers(num_blocks))
    for probe in probes:
        answer = critical_time(
            Manifold(s, d), block, log_num_samples=log_sizes, criterion=criterion, theory="rem", probe=probe
        )
        expected = [scalar_critical_time(criterion, size, s, d, block, probe) for size in log_sizes] if (
            probe.kind != "origin" or criterion != "signal_to_noise"
        ) else np.full(3, np.nan)  # fmt: skip
        np.testing.assert_allclose(answer.value, expected, rtol=1e-9)
        np.testing.assert_array_equal(np.isnan(expected), answer.status == Status.NO_TRANSITION)


def test_the_root_met_first_as_t_falls_is_taken():
    """One direction, N = 6, amplitude 4: three condensation times, 2.068, 0.315 and 0.0128."""
    manifold, arguments = Manifold([1.0], [1]), {"criterion": "condensation", "theory": "rem"}
    for upper, expected in ((1e6, 2.068), (1.0, 0.315), (0.1, 0.0128)):
        answer = critical_time(manifold, 0, num_samples=6, probe=Probe.along(4.0), window=(1e-6, upper), **arguments)
        assert float(answer.value) == pytest.approx(expected, rel=5e-3)
        assert answer.status == Status.CONVERGED


# Every probe with the criterion that sees most of it, and every criterion with one of them.
_PAIRS = [(LEVELS[-1], probe) for probe in PROBES[1:]] + [(pair, Probe.random_direction(1.5)) for pair in LEVELS[:-1]]


@pytest.mark.parametrize(("pair", "probe"), _PAIRS, ids=lambda one: getattr(one, "kind", str(one)))
def test_size_inverts_time(default_manifold, pair, probe):
    level, criterion = pair
    log_sizes = np.array([2.0, 7.0, 20.0])
    times = critical_time(
        default_manifold, 1, log_num_samples=log_sizes, criterion=criterion, theory=level, probe=probe
    )
    sizes = critical_size(
        default_manifold, 1, noise_variance=times.value, criterion=criterion, theory=level, probe=probe
    )
    np.testing.assert_allclose(sizes.log_value, log_sizes, rtol=1e-10)
    np.testing.assert_array_equal(sizes.status, times.status)
    assert (np.abs(times.residual) < 1e-10).all()
    assert (times.lower * (1 - 1e-12) <= times.value).all()
    assert (times.value <= times.upper * (1 + 1e-12)).all()


def test_validity_of_the_leading_order_ends_where_the_critical_tilt_is_two(default_manifold):
    s, d, block = np.array([1, 0.09, 1e-4]), np.array([2, 5, 23]), 1
    log_sizes = np.linspace(1, 12, 40)
    answer = critical_time(
        default_manifold, block, log_num_samples=log_sizes, criterion="signal_to_noise", theory="rem"
    )
    assert set(answer.status.tolist()) == {Status.CONVERGED, Status.OUT_OF_VALIDITY}
    for log_size, time, status in zip(log_sizes, answer.value, answer.status, strict=True):
        q = squared_lengths(Probe.along(), s, d, float(time), block)
        tilt = brentq(lambda lam, t=float(time), q=q, n=log_size: entropy(lam, n, s, d, q, t), 1e-6, 1e6)
        assert (tilt >= 2) == (status == Status.CONVERGED)


# A finite-N average over data sets: 0.3, 0.1 and both blocks, N = 1000, exact values by the quenched average.
_EXACT_RATIOS = {(0.3, 0): 38.56, (0.3, 1): 876.3, (0.1, 0): 1.528, (0.1, 1): 61.8}


@pytest.mark.parametrize(("case", "exact"), _EXACT_RATIOS.items(), ids=str)
def test_leading_order_ratio_is_within_three_percent_of_the_exact_one(default_manifold, case, exact):
    """R is proportional to N at leading order, so it is N/N_c; at N = 1000 all four have a critical tilt above 8."""
    time, block = case
    size = critical_size(default_manifold, block, noise_variance=time, criterion="signal_to_noise", theory="rem")
    assert 1000 / float(size.value) == pytest.approx(exact, rel=0.03)


def test_leading_order_variance_equals_the_simulated_empirical_score(default_manifold, rng):
    """400 data sets of 1000 points at t = 0.3: the score's mean and variance, in units of their standard errors."""
    time, num_samples, num_datasets, block = 0.3, 1000, 400, 1
    scales, axis = np.repeat(np.sqrt([1, 0.09, 1e-4]), [2, 5, 23]), 2
    probe = np.zeros(30)
    probe[axis] = np.sqrt(time)
    scores = np.empty(num_datasets)
    for index in range(num_datasets):
        data = rng.normal(size=(num_samples, 30)) * scales
        energies = ((probe - data) ** 2).sum(axis=1) / 2
        weights = np.exp(-(energies - energies.min()) / time)
        scores[index] = (weights @ data[:, axis] / weights.sum() - probe[axis]) / time
    mean = -np.sqrt(time) / (time + 0.09)
    size = critical_size(default_manifold, block, noise_variance=time, criterion="signal_to_noise", theory="rem")
    variance = mean**2 * float(size.value) / num_samples
    deviations = (scores - scores.mean()) ** 2
    z_mean = (scores.mean() - mean) / np.sqrt(variance / num_datasets)
    z_variance = (deviations.mean() - variance) / (deviations.std() / np.sqrt(num_datasets))
    assert abs(z_mean) < 4
    assert abs(z_variance) < 4


# Outcomes that are no numbers.


@pytest.mark.slow  # compiles for some seconds
def test_no_transition_is_an_outcome(default_manifold):
    ratio = {"criterion": "signal_to_noise", "theory": "rem", "num_samples": 1000}
    assert critical_time(default_manifold, 0, probe=Probe.origin(), **ratio).status == Status.NO_TRANSITION
    assert critical_time(Manifold([1.0, 0.0], [2, 3]), 1, **ratio).status == Status.NO_TRANSITION
    nothing = Manifold([0.0], [3])
    for level, criterion in LEVELS:
        answer = critical_time(nothing, 0, num_samples=1000, criterion=criterion, theory=level)
        assert answer.status == Status.NO_TRANSITION
        assert np.isnan(answer.value)
        assert np.isnan(answer.residual)
    far = critical_time(default_manifold, 0, log_num_samples=2000.0, criterion="condensation", theory="rem")
    assert far.status == Status.NO_TRANSITION
    for status in Status:
        assert status.sentence.endswith(".")


def test_large_sizes_stay_finite_in_logarithms(default_manifold):
    answer = critical_time(default_manifold, 0, log_num_samples=800.0, criterion="condensation", theory="rem",
                           window=(1e-30, 1.0))  # fmt: skip
    assert answer.status == Status.CONVERGED
    size = critical_size(Manifold([1.0], [1000]), 0, noise_variance=1e-3, criterion="condensation", theory="rem")
    assert np.isinf(size.value)
    assert np.isfinite(size.log_value)
    assert size.status == Status.CONVERGED


def test_sizes_without_transition(default_manifold):
    ratio = {"criterion": "signal_to_noise", "theory": "rem", "noise_variance": 0.1}
    assert critical_size(default_manifold, 0, probe=Probe.origin(), **ratio).status == Status.NO_TRANSITION
    assert critical_size(Manifold([1.0, 0.0], [2, 3]), 1, **ratio).status == Status.NO_TRANSITION


def test_a_bad_lane_is_marked_and_the_others_are_solved(default_manifold):
    sizes = np.array([1000.0, 1.0, np.nan, np.inf, -3.0, 100.0])
    answer = critical_time(default_manifold, 0, num_samples=sizes, criterion="condensation", theory="rem")
    bad = Status.INVALID
    assert answer.status.tolist() == [Status.CONVERGED, bad, bad, bad, bad, Status.CONVERGED]
    assert np.isnan(answer.value[1:5]).all()
    times = np.array([0.1, 0.0, -1.0, np.nan, np.inf])
    answer = critical_size(default_manifold, 0, noise_variance=times, criterion="condensation", theory="rem")
    assert answer.status.tolist() == [Status.CONVERGED, bad, bad, bad, bad]


def test_shapes_follow_the_sizes(default_manifold):
    for shape in ((), (3,), (2, 3)):
        answer = critical_time(
            default_manifold, 0, num_samples=np.full(shape, 1000.0), criterion="condensation", theory="rem"
        )
        assert all(np.shape(field) == shape for field in answer)
    assert critical_time(default_manifold, 0, num_samples=2, criterion="condensation", theory="rem").status == 0


def test_values_do_not_depend_on_the_batch(default_manifold):
    sizes = np.geomspace(10, 1e9, 7)
    batch = critical_time(default_manifold, 0, num_samples=sizes, criterion="signal_to_noise", theory="rem")
    for size, value in zip(sizes, batch.value, strict=True):
        one = critical_time(default_manifold, 0, num_samples=size, criterion="signal_to_noise", theory="rem")
        assert float(one.value) == pytest.approx(float(value), rel=1e-13)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_samples": 1}, "num_samples is 1; it must be finite and at least 2"),
        ({"num_samples": np.nan}, "num_samples is nan"),
        ({"num_samples": "many"}, "is not a number or a list of numbers"),
        ({"num_samples": 10**400}, "is not a number or a list of numbers"),
        ({"num_samples": []}, "num_samples is empty"),
        ({"num_samples": None}, "exactly one of num_samples and log_num_samples"),
        ({"log_num_samples": 3.0}, "exactly one of num_samples and log_num_samples"),
        ({"num_samples": None, "log_num_samples": 0.1}, "log_num_samples is 0.1"),
        ({"block": 3}, "there is no block 3"),
        ({"criterion": "freezing"}, "there is no criterion 'freezing'; choose one of"),
        ({"theory": "mean_field"}, "there is no theory 'mean_field'; choose one of"),
        ({"theory": "finite_n", "criterion": "condensation"}, "no sharp condensation"),
        ({"theory": "gaussian_rem", "criterion": "signal_to_noise"}, "has no signal-to-noise ratio"),
        ({"window": (1.0, 0.1)}, "the window"),
        ({"window": (0.0, 1.0)}, "the window"),
    ],
)
def test_bad_input_is_one_sentence(default_manifold, change, message):
    arguments = {"block": 0, "num_samples": 1000, "criterion": "condensation", "theory": "rem"} | change
    with pytest.raises(InputError, match=message) as caught:
        critical_time(default_manifold, **arguments)
    assert "\n" not in str(caught.value)


def test_bad_noise_variance(default_manifold):
    for value in (0.0, -1.0, np.nan):
        with pytest.raises(InputError, match="the noise variance is"):
            critical_size(default_manifold, 0, noise_variance=value, criterion="condensation", theory="rem")


def test_normalized_data_are_not_for_rem():
    manifold = Manifold([1.0, 0.1], [2, 3], normalized=True)
    with pytest.raises(InputError, match="does not know normalized data"):
        critical_time(manifold, 0, num_samples=100, criterion="condensation", theory="rem")


# Transformations.


@pytest.mark.parametrize(("level", "criterion"), LEVELS)
def test_gradients_equal_finite_differences(level, criterion):
    # The typical probe's lengths and coordinate depend on the variances too.
    probe = Probe.typical()
    multiplicities = jnp.array([2.0, 5.0, 23.0])

    def log_time(log_variances, log_size):
        manifold = Manifold(jnp.exp(log_variances), multiplicities)
        return critical_time(
            manifold, 1, log_num_samples=log_size, criterion=criterion, theory=level, probe=probe
        ).log_value

    point, log_size = jnp.log(jnp.array([1.0, 0.09, 1e-2])), jnp.array(9.0)
    by_variances, by_size = jax.grad(log_time, argnums=(0, 1))(point, log_size)
    step = 1e-5
    for index in range(3):
        shift = step * jnp.eye(3)[index]
        difference = (log_time(point + shift, log_size) - log_time(point - shift, log_size)) / (2 * step)
        assert float(by_variances[index]) == pytest.approx(float(difference), rel=1e-7, abs=1e-9)
    difference = (log_time(point, log_size + step) - log_time(point, log_size - step)) / (2 * step)
    assert float(by_size) == pytest.approx(float(difference), rel=1e-7)


def test_a_failed_lane_leaves_the_gradients_of_others_alone(default_manifold):
    def total(variances):
        manifold = Manifold(variances, jnp.array([2.0, 5.0, 23.0]))
        answer = critical_time(
            manifold, 0, log_num_samples=jnp.array([7.0, 2000.0]), criterion="condensation", theory="rem"
        )
        return jnp.where(answer.status == 0, answer.value, 0.0).sum()

    gradient = jax.grad(total)(default_manifold.variances)
    alone = jax.grad(
        lambda s: (
            critical_time(
                Manifold(s, jnp.array([2.0, 5.0, 23.0])), 0, log_num_samples=7.0, criterion="condensation", theory="rem"
            ).value
        )
    )(default_manifold.variances)
    np.testing.assert_allclose(gradient, alone, rtol=1e-12)


def test_vmap_over_manifolds_equals_a_loop():
    variances = jnp.array([[1.0, 0.1], [2.0, 0.3], [0.5, 0.0]])

    def solve(row):
        return critical_time(
            Manifold(row, jnp.array([2.0, 5.0])), 0, num_samples=1000.0, criterion="condensation", theory="rem"
        )

    batch = jax.jit(jax.vmap(solve))(variances)
    np.testing.assert_allclose(batch.value, [solve(row).value for row in variances], rtol=1e-12)
    assert (batch.status == Status.CONVERGED).all()


@pytest.mark.parametrize("level", ["rem", "gaussian_rem"])
@pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf])
def test_a_traced_bad_spectrum_is_marked(level, bad):
    multiplicities = jnp.array([2.0, 5.0])
    arguments = {"criterion": "condensation", "theory": level}
    variances = jnp.array([[1.0, 0.1], [1.0, bad], [bad, 0.1]])
    expected = [Status.CONVERGED, Status.INVALID, Status.INVALID]
    for solve in (
        lambda s: critical_time(Manifold(s, multiplicities), 0, num_samples=1000.0, **arguments),
        lambda s: critical_size(Manifold(s, multiplicities), 0, noise_variance=0.1, **arguments),
    ):
        answer = jax.vmap(solve)(variances)
        assert answer.status.tolist() == expected
        assert np.isnan(answer.value[1:]).all()
    counts = jax.vmap(
        lambda d: critical_size(Manifold(jnp.array([1.0, 0.1]), d), 0, noise_variance=0.1, **arguments).status
    )(jnp.array([[2.0, 5.0], [2.0, -5.0], [1.5, 5.0]]))
    assert counts.tolist() == expected


def test_gradient_through_a_list_of_tracers():
    def log_time(s):
        return critical_time(
            Manifold([s, 0.1], [2, 5]), 0, num_samples=1000, criterion="condensation", theory="rem"
        ).log_value

    step = 1e-5
    difference = (log_time(1.0 + step) - log_time(1.0 - step)) / (2 * step)
    assert float(jax.grad(log_time)(1.0)) == pytest.approx(float(difference), rel=1e-7)


def test_a_very_wide_window():
    answer = critical_time(Manifold([1.0], [2]), 0, num_samples=10, criterion="condensation", theory="rem",
                           window=(1e-200, 1e200))  # fmt: skip
    assert answer.status == Status.CONVERGED


@pytest.mark.parametrize(
    ("level", "criterion"),
    [
        ("rem", "signal_to_noise"),
        ("gaussian_rem", "participation"),
        pytest.param("finite_n", "signal_to_noise", marks=pytest.mark.slow),  # compiles three shapes of integrals
    ],
)
@pytest.mark.parametrize("probe", [Probe.along(), Probe.typical()], ids=["along", "typical"])
def test_a_direction_of_its_own_variance_is_that_of_a_block_of_it(level, criterion, probe):
    """The same spectrum: asked of the narrower block, and of the wider one with the narrower one's variance."""
    law = Manifold([1.0, 0.4, 0.02], [3, 2, 10])
    asked = {"criterion": criterion, "theory": level, "probe": probe}
    times = [critical_time(law, 1, num_samples=[300, 3000], **asked)]
    times.append(critical_time(law, 0, num_samples=[300, 3000], local_variance=0.4, **asked))
    np.testing.assert_allclose(times[1].value, times[0].value, rtol=1e-7)
    sizes = [critical_size(law, 1, noise_variance=0.3, **asked)]
    sizes.append(critical_size(law, 0, noise_variance=0.3, local_variance=0.4, **asked))
    np.testing.assert_allclose(sizes[1].log_value, sizes[0].log_value, rtol=1e-7)


def test_a_direction_needs_a_variance(default_manifold):
    asked = {"num_samples": 100, "criterion": "condensation", "theory": "rem"}
    for variance in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(InputError, match="local variance is"):
            critical_time(default_manifold, 0, local_variance=variance, **asked)
    with pytest.raises(InputError, match="block 1 has no variance"):
        critical_time(Manifold([1.0, 0.0], [2, 3]), 1, local_variance=0.1, **asked)
    with pytest.raises(InputError, match="it must be one number"):
        critical_time(default_manifold, 0, local_variance=[0.1, 0.2], **asked)


@pytest.mark.parametrize(
    ("level", "criterion"),
    [
        ("gaussian_rem", "participation"),
        pytest.param("rem", "signal_to_noise", marks=pytest.mark.slow),  # the same
        pytest.param("finite_n", "signal_to_noise", marks=pytest.mark.slow),  # integrals with derivatives
    ],
)
def test_a_traced_local_variance(level, criterion):
    """Compiled, with derivatives, and NaN where there is none; derivatives in the background's variances too."""

    def log_time(variance, first=1.0):
        law = Manifold([first, 0.4, 0.02], [3, 2, 10])
        asked = {"num_samples": 1000, "criterion": criterion, "theory": level}
        return critical_time(law, 0, local_variance=variance, **asked).log_value

    step = 1e-4
    value, slopes = jax.jit(jax.value_and_grad(log_time, argnums=(0, 1)))(0.4, 1.0)
    assert float(value) == pytest.approx(float(log_time(0.4)), rel=1e-9)
    for found, along in zip(slopes, ((step, 0.0), (0.0, step)), strict=True):
        ends = [float(log_time(0.4 + sign * along[0], 1.0 + sign * along[1])) for sign in (1, -1)]
        assert float(found) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)
    assert np.isnan(jax.jit(log_time)(-0.4))


def test_an_exact_size_is_not_traced(default_manifold):
    def size(variance):
        asked = {"noise_variance": 0.1, "criterion": "signal_to_noise", "theory": "finite_n"}
        return critical_size(default_manifold, 0, local_variance=variance, **asked).log_value

    with pytest.raises(InputError, match="critical_size at theory 'finite_n' is not traced"):
        jax.jit(size)(0.5)
