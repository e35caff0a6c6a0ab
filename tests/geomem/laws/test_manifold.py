"""The spectrum as given and as taken from data."""

from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from geomem import InputError, Manifold, critical_time
from geomem.laws.covariance import block_ranges, in_blocks, sufficient_blocks


def test_leaves_are_float64():
    manifold = Manifold([1, 2], (3, 4))
    assert manifold.variances.dtype == manifold.multiplicities.dtype == jnp.float64
    assert manifold.num_blocks == 2
    assert not manifold.normalized


def test_pytree_round_trip():
    manifold = Manifold([1.0, 0.5], [1, 2], normalized=True)
    leaves, structure = jax.tree.flatten(manifold)
    rebuilt = jax.tree.unflatten(structure, leaves)
    assert len(leaves) == 2
    assert rebuilt.normalized
    np.testing.assert_array_equal(rebuilt.variances, manifold.variances)


def test_a_list_may_hold_tracers():
    gradient = jax.grad(lambda s: Manifold([s, 0.1], [2, 5]).variances.sum())(1.0)
    assert gradient == 1.0


def test_gradient_passes_through():
    gradient = jax.grad(lambda s: Manifold(s, jnp.array([2.0, 5.0])).variances.sum())(jnp.array([1.0, 0.1]))
    np.testing.assert_array_equal(gradient, [1.0, 1.0])


@pytest.mark.parametrize(
    ("variances", "multiplicities", "message"),
    [
        ([1.0, -0.1], [1, 1], "the variance of block 1 is -0.1; it must be finite and not negative"),
        ([np.nan], [1], "the variance of block 0 is nan"),
        ([np.inf], [1], "the variance of block 0 is inf"),
        ([], [], "non-empty list"),
        ([[1.0]], [[1]], "non-empty list"),
        ([1.0, 2.0], [1], "2 variances but 1 multiplicities"),
        ([1.0], [0], "the multiplicity of block 0 is 0; it must be finite and a positive integer"),
        ([1.0], [1.5], "the multiplicity of block 0 is 1.5"),
        ([1.0], [np.nan], "the multiplicity of block 0 is nan"),
        (["one"], [1], "is not a number or a list of numbers"),
    ],
)
def test_bad_input_is_one_sentence(variances, multiplicities, message):
    with pytest.raises(InputError, match=message) as caught:
        Manifold(variances, multiplicities)
    assert "\n" not in str(caught.value)


def test_indicator():
    manifold = Manifold([1.0, 0.5], [1, 2])
    np.testing.assert_array_equal(manifold.indicator(1), [0.0, 1.0])
    for block in (2, -1):
        with pytest.raises(InputError, match=r"there is no block .*: the manifold has blocks 0 to 1"):
            manifold.indicator(block)


def test_block_variances_of_normalized_data():
    manifold = Manifold([1.0, 0.5], [2, 4], normalized=True)
    np.testing.assert_allclose(manifold.block_variances(), [0.25, 0.125])
    np.testing.assert_array_equal(Manifold([1.0, 0.5], [2, 4]).block_variances(), [1.0, 0.5])


def exact_sphere_variances(variances, multiplicities):
    """E y^2/|y|^2 in every block, from 1/|y|^2 = int e^(-u |y|^2) du and one Gaussian integral per direction."""

    def integrand(log_u, variance):
        u = np.exp(log_u)
        rest = np.dot(multiplicities, np.log1p(2 * u * np.array(variances))) / 2
        return u * variance / (1 + 2 * u * variance) * np.exp(-rest)

    middle = -np.log(np.dot(variances, multiplicities))
    # The integrand falls as u on one side and as u^(-d/2) on the other.
    return [quad(integrand, middle - 40, middle + 40, (one,), epsabs=1e-13, limit=400)[0] for one in variances]


SPHERES = [([1.0, 0.09, 1e-4], [2, 5, 23]), ([1.0, 0.5], [2, 4]), ([1.0, 0.1], [40, 120])]


@pytest.mark.parametrize("spectrum", SPHERES)
def test_normalized_samples_have_the_exact_variances(spectrum):
    """Every block's share of the squared length, in 100 000 rows."""
    rows = np.asarray(Manifold(*spectrum, normalized=True).sample(jax.random.key(2), 100_000))
    expected = exact_sphere_variances(*spectrum)
    assert np.dot(expected, spectrum[1]) == pytest.approx(1, abs=1e-10)
    ends = np.cumsum(spectrum[1])[:-1]
    for part, variance in zip(np.split(rows, ends, axis=1), expected, strict=True):
        shares = (part**2).mean(axis=1)
        assert abs(shares.mean() - variance) < 4.5 * shares.std() / np.sqrt(len(rows))


@pytest.mark.parametrize("spectrum", SPHERES[1:])
def test_block_variances_of_normalized_data_are_the_limit_of_many_directions(spectrum):
    """With k times the directions the error is 2 (s/T - sum d s^2/T^2)/k of the variance, T being the trace."""
    variances, multiplicities = np.array(spectrum[0]), np.array(spectrum[1])
    shares = variances / np.dot(variances, multiplicities)
    leading = 2 * (shares - np.dot(multiplicities, shares**2))
    for repeats in (10, 100, 1000):
        manifold = Manifold(variances, repeats * multiplicities, normalized=True)
        exact = exact_sphere_variances(variances, repeats * multiplicities)
        error = np.asarray(manifold.block_variances()) / exact - 1
        np.testing.assert_allclose(repeats * error / leading, 1, atol=2 / repeats)


def test_block_variances_of_few_normalized_directions_are_rough(default_manifold):
    """As the documentation has it, of the default manifold."""
    manifold = Manifold(default_manifold.variances, default_manifold.multiplicities, normalized=True)
    exact = exact_sphere_variances(*SPHERES[0])
    np.testing.assert_allclose(np.asarray(manifold.block_variances()) / exact - 1, [0.16, -0.38, -0.49], atol=5e-3)


def test_spectrum_of_data_equals_the_eigenvalues_of_the_covariance(rng):
    data = rng.normal(size=(200, 7)) * np.array([5, 3, 2, 1, 0.5, 0.1, 0.01]) + 3
    manifold = Manifold.from_data(data)
    expected = np.linalg.eigvalsh(np.cov(data.T, bias=True))[::-1]
    np.testing.assert_allclose(manifold.variances, expected, rtol=1e-10)
    np.testing.assert_array_equal(manifold.multiplicities, np.ones(7))
    uncentered = Manifold.from_data(data, center=False)
    np.testing.assert_allclose(uncentered.variances, np.linalg.eigvalsh(data.T @ data / 200)[::-1], rtol=1e-10)


def test_zeros_become_one_block(rng):
    data = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 10))
    manifold = Manifold.from_data(data)
    assert manifold.multiplicities.tolist() == [1, 1, 1, 7]
    assert manifold.variances[-1] == 0
    few = Manifold.from_data(rng.normal(size=(4, 10)))
    assert few.multiplicities.tolist() == [1, 1, 1, 7]
    constant = Manifold.from_data(np.ones((5, 3)))
    assert (constant.variances.tolist(), constant.multiplicities.tolist()) == ([0.0], [3.0])


@pytest.mark.parametrize("num_blocks", [1, 3, 8, 100])
def test_grouping_keeps_trace_and_order(rng, num_blocks):
    data = rng.normal(size=(500, 40)) * np.geomspace(10, 0.01, 40)
    whole, grouped = Manifold.from_data(data), Manifold.from_data(data, num_blocks=num_blocks)
    assert grouped.num_blocks == min(num_blocks, 40)
    assert grouped.multiplicities.sum() == 40
    np.testing.assert_allclose((grouped.variances * grouped.multiplicities).sum(), whole.variances.sum(), rtol=1e-12)
    assert (np.diff(grouped.variances) < 0).all()
    # Groups are runs of the ordered spectrum: every mean lies between its members' extremes.
    ends = np.cumsum(np.asarray(grouped.multiplicities, dtype=int))
    for start, end, mean in zip(np.append(0, ends[:-1]), ends, grouped.variances, strict=True):
        assert whole.variances[end - 1] <= mean * (1 + 1e-12)
        assert mean <= whole.variances[start] * (1 + 1e-12)


@pytest.mark.parametrize("num_blocks", [2, 3, 4])
def test_the_largest_ratio_inside_a_block_is_as_small_as_can_be(rng, num_blocks):
    """Against all ways to cut nine directions."""
    for _ in range(20):
        data = rng.normal(size=(50, 9)) * np.exp(rng.normal(size=9))
        spectrum = np.asarray(Manifold.from_data(data).variances)
        grouped = Manifold.from_data(data, num_blocks=num_blocks)
        assert grouped.num_blocks == num_blocks
        ranges = block_ranges(spectrum, np.asarray(grouped.multiplicities))
        least = min(
            max(part[0] / part[-1] for part in np.split(spectrum, cuts))
            for cuts in combinations(range(1, 9), num_blocks - 1)
        )
        assert np.max(ranges[:, 1] / ranges[:, 0]) == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize("distance", [0.02, 0.1, 0.5])
def test_sufficient_blocks_keep_directions_near_their_means(rng, distance):
    def farthest(count):
        variances, multiplicities = in_blocks(spectrum, count)
        return np.abs(np.log(block_ranges(spectrum, multiplicities) / variances[:, None])).max()

    spectrum = -np.sort(-np.exp(2 * rng.normal(size=60)))
    enough = sufficient_blocks(np.append(spectrum, 0.0), distance)
    assert 1 < enough < 60
    assert farthest(enough) <= distance < farthest(enough - 1)


def test_sufficient_blocks_of_few_directions():
    assert sufficient_blocks(np.array([3.0, 2.0, 1.0]), 0.02) == 3
    assert sufficient_blocks(np.array([3.0, 3.0, 3.0]), 0.02) == 1
    assert [sufficient_blocks(np.arange(1, d + 1) ** -1.5, 0.02) for d in (100, 3072)] == [65, 187]


def test_equal_variances_stay_together():
    diagonal = np.diag([2.0, 2.0, 2.0, 1.0, 1.0])
    grouped = Manifold.from_data(np.concatenate([diagonal, -diagonal]), num_blocks=4)
    assert grouped.multiplicities.tolist() == [3.0, 2.0]


@pytest.mark.slow  # exact critical times of a hundred blocks
def test_directions_of_a_grouped_spectrum_are_lost_as_in_the_whole():
    """The spectrum j^-1.5, j up to 100, in eight blocks: to half a percent, with the directions' own variances."""
    spectrum = np.arange(1, 101) ** -1.5
    frame = np.linalg.qr(np.random.default_rng(0).normal(size=(500, 100)))[0]
    frame = np.linalg.qr(frame - frame.mean(axis=0))[0]
    grouped = Manifold.from_data(np.sqrt(500 * spectrum) * frame, num_blocks=8)
    places = np.repeat(np.arange(8), np.asarray(grouped.multiplicities, dtype=int))
    asked = {"num_samples": 1000, "criterion": "signal_to_noise", "theory": "finite_n"}
    for direction in (0, 1, 3, 10, 40):
        whole = critical_time(Manifold(spectrum, np.ones(100)), direction, **asked).value
        own = critical_time(grouped, int(places[direction]), local_variance=spectrum[direction], **asked).value
        assert float(own) == pytest.approx(float(whole), rel=5e-3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((1, 3)), "1 row.s.; a covariance needs at least two"),
        (np.array([[1.0, np.nan], [0, 0]]), "row 0 of the data holds NaN or infinity"),
        (np.ones(3), r"shape \(3,\)"),
        (np.ones((3, 0)), r"shape \(3, 0\)"),
        (np.array([["a", "b"], ["c", "d"]]), "dtype <U1"),
        (np.array([[1 + 1j]]), "dtype complex128"),
        ([[1, 2], [3]], "rows differ in length"),
        (np.array([[1e200, 1.0], [-1e200, 0.0]]), "too large"),
        (np.array([[1e308, 1.0], [-1e308, 0.0], [1e308, 1e308]]), "too far from one"),
    ],
)
def test_bad_data(data, message):
    with pytest.raises(InputError, match=message):
        Manifold.from_data(data)


def test_bad_num_blocks(rng):
    with pytest.raises(InputError, match="num_blocks is 0"):
        Manifold.from_data(rng.normal(size=(5, 3)), num_blocks=0)


def test_samples_have_the_spectrum():
    manifold = Manifold([4.0, 0.25, 0.0], [1, 2, 1])
    rows = manifold.sample(jax.random.key(0), 40_000)
    assert rows.shape == (40_000, 4)
    # The standard error of a variance estimate is s sqrt(2/N).
    z = (rows[:, :3].var(axis=0) / np.array([4.0, 0.25, 0.25]) - 1) / np.sqrt(2 / 40_000)
    assert (abs(z) < 4.5).all()
    assert (rows[:, 3] == 0).all()
    np.testing.assert_array_equal(rows, manifold.sample(jax.random.key(0), 40_000))


def test_normalized_samples_lie_on_the_sphere():
    rows = Manifold([4.0, 0.25], [3, 2], normalized=True).sample(jax.random.key(1), 100)
    np.testing.assert_allclose(jnp.linalg.norm(rows, axis=1), 1.0, rtol=1e-14)


def test_the_spectrum_is_taken_part_by_part(rng, monkeypatch):
    data = (rng.normal(size=(1000, 6)) * np.geomspace(10, 1e-3, 6) + 100).astype(np.float32)
    whole = Manifold.from_data(data)
    monkeypatch.setattr("geomem.core.arguments._PART", 60)
    np.testing.assert_allclose(Manifold.from_data(data).variances, whole.variances, rtol=1e-9)
    centered = data.astype(float) - data.astype(float).mean(axis=0)
    expected = np.linalg.svd(centered, compute_uv=False) ** 2 / 1000
    np.testing.assert_allclose(whole.variances, expected, rtol=1e-9)
