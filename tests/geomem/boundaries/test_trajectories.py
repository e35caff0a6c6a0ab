"""Times of typical trajectories: closed forms, the published table, drawn matrices, and the empirical score."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Polynomial
from scipy.integrate import quad

import geomem_theory
from geomem import (
    InputError,
    Manifold,
    RandomManifold,
    Status,
    dominance_radius,
    flow_basin_radius,
    gibbs,
    trajectory_times,
)
from geomem.laws.random_manifold import resolvent_at
from geomem_theory.evaluation import evaluate
from geomem_theory.symbols import alpha, block_root, bulk_value, column_ratio, rho_v, s_v, t

NAMES = ("collapse", "onset", "held_out", "generalization")


def values(times):
    return np.array([np.asarray(getattr(times, name).value) for name in NAMES])


@pytest.mark.parametrize(
    ("latent_ratio", "log_size", "expected"),
    [(0.1, 1.0, (1.49721, 3.68936, 1.32012, 0.12973)), (0.5, 0.5, (0.98102, 2.23882, 0.71784, 0.30384))],
)
def test_random_manifolds_have_the_known_times(latent_ratio, log_size, expected):
    """ln N is per latent dimension in the table, per dimension here."""
    law = RandomManifold([1.0], [1.0], latent_ratio=latent_ratio)
    times = trajectory_times(law, log_num_samples=log_size * latent_ratio)
    np.testing.assert_allclose(values(times), expected, atol=5.1e-6)
    assert all(int(getattr(times, name).status) == Status.CONVERGED for name in NAMES)
    assert int(times.speciation.status) == Status.NO_TRANSITION


def test_one_block_in_closed_form():
    sizes = np.array([[10.0, 1e3], [1e6, 1e12]])
    times = trajectory_times(Manifold([2.0], [7]), num_samples=sizes)
    np.testing.assert_allclose(times.collapse.value, 2.0 / (sizes ** (2 / 7) - 1), rtol=1e-12)
    held_out = np.asarray(times.held_out.value)
    np.testing.assert_allclose(
        times.generalization.value, held_out * (1 - (held_out / (held_out + 2)) ** 2), rtol=1e-12
    )


@pytest.mark.parametrize("latent_ratio", [0.3, 1.0, 1.7])
def test_one_bulk_has_the_marchenko_pastur_edges(latent_ratio):
    edges = RandomManifold([2.0], [1.0], latent_ratio).bulk_edges()
    np.testing.assert_allclose(edges, 2 * (1 + np.array([-1, 1]) / np.sqrt(latent_ratio)) ** 2, rtol=1e-10)


def test_two_bulks_have_four_edges():
    edges = RandomManifold([0.4, 0.036], [0.5, 0.5], latent_ratio=0.4).bulk_edges()
    np.testing.assert_allclose(edges, [0.01758, 0.15772, 0.32708, 2.11362], atol=5.1e-6)


SEVERAL_BULKS = [
    ([0.4, 0.036], [0.5, 0.5], 0.4),
    ([1.0, 0.02], [0.2, 0.8], 2.5),
    ([1.0, 0.5], [0.5, 0.5], 1.3),
    ([3.0, 0.3, 0.01], [0.2, 0.3, 0.5], 0.3),
]


def edges_and_scales(variances, weights, latent_ratio):
    """Edges as values of z where z'(x), cleared of its denominators, has its real roots; |z''/2| there.

    z(x) = -1/x + a sum h tau/(1 + tau x), x being the resolvent's trace per dimension and tau = s/a.
    """
    taus, shares = np.array(variances) / latent_ratio, np.array(weights)
    squares = [Polynomial([1, tau]) ** 2 for tau in taus]
    cleared = np.prod(squares)
    for place, (tau, share) in enumerate(zip(taus, shares, strict=True)):
        cleared -= latent_ratio * share * tau**2 * Polynomial([0, 0, 1]) * np.prod(np.delete(squares, place))
    roots = cleared.roots()
    x = roots[np.abs(roots.imag) < 1e-9 * np.abs(roots)].real[:, None]
    edges = (-1 / x[:, 0]) + latent_ratio * (shares * taus / (1 + taus * x)).sum(axis=1)
    bends = -1 / x[:, 0] ** 3 + latent_ratio * (shares * taus**3 / (1 + taus * x) ** 3).sum(axis=1)
    order = np.argsort(edges)
    return edges[order], np.abs(bends[order])


# Of the last one the gap is 4e-5 wide.
@pytest.mark.parametrize("law", [*SEVERAL_BULKS, ([1.0, 0.05], [0.2, 0.8], 2.5)])
def test_edges_of_several_bulks_are_the_roots_of_a_polynomial(law):
    np.testing.assert_allclose(RandomManifold(*law).bulk_edges(), edges_and_scales(*law)[0], rtol=1e-9)


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize("law", SEVERAL_BULKS)
def test_edges_of_several_bulks_are_those_of_drawn_matrices(law):
    """Extreme eigenvalues of every bulk, inside its edge by the mean of the Tracy-Widom law, -1.2065 for real matrices.

    Its unit is (|z''/2|/d^2)^(1/3), where the density is that of Airy's zeros; beyond it are corrections of d^(-1/3).
    """
    variances, weights, ratio = law
    dims, draws, edges = 180, 100, RandomManifold(*law).bulk_edges()
    counts = np.rint(np.array(weights) * ratio * dims).astype(int)
    scale = np.sqrt(np.repeat(variances, counts) / counts.sum())
    middles, rng = (edges[1:-1:2] + edges[2:-1:2]) / 2, np.random.default_rng(2)
    inside = np.empty((draws, len(edges)))
    for row in inside:
        factor = rng.normal(size=(dims, counts.sum())) * scale
        spectrum = np.linalg.eigvalsh(factor.T @ factor if ratio < 1 else factor @ factor.T)
        parts = np.split(spectrum, np.searchsorted(spectrum, middles))
        row[:] = [end for part in parts for end in (part[0], part[-1])]
    inside = (inside - edges) * np.tile([1, -1], len(edges) // 2)
    inside /= (edges_and_scales(*law)[1] / dims**2) ** (1 / 3)
    error = inside.std(axis=0, ddof=1) / np.sqrt(draws)
    assert (np.abs(inside.mean(axis=0) - 1.2065) < 4 * error + 2 * dims ** (-1 / 3)).all()


@pytest.mark.slow  # compiles for some seconds
def test_spectral_sums_are_those_of_drawn_matrices():
    """Two variances, 16 matrices in 500 dimensions: means within their standard errors."""
    variances, weights, ratio, dims = np.array([1.0, 0.1]), np.array([0.25, 0.75]), 0.4, 500
    latent = int(ratio * dims)
    scale = np.sqrt(np.repeat(variances, (weights * latent).astype(int)) / latent)
    rng = np.random.default_rng(0)
    spectra = [np.linalg.svd(rng.normal(size=(dims, latent)) * scale, compute_uv=False) ** 2 for _ in range(16)]
    spectra = np.pad(spectra, ((0, 0), (0, dims - latent)))
    law = RandomManifold(variances, weights, ratio)
    for time in (0.01, 0.3, 10.0):
        number, slope = resolvent_at(law, jnp.array(time))
        found = [number, slope, *law.typical_sizes(jnp.array(time))]
        drawn = []
        for spectrum in spectra:
            *sums, shrunk = Manifold(spectrum, np.ones(dims)).typical_sizes(jnp.array(time))
            means = np.mean(1 / (time + spectrum)), -np.mean(1 / (time + spectrum) ** 2)
            drawn.append([*means, *(float(one) / dims for one in sums), float(shrunk)])
        z = (np.mean(drawn, axis=0) - np.array(found)) / (np.std(drawn, axis=0, ddof=1) / np.sqrt(16))
        assert np.abs(z).max() < 4.5


@pytest.mark.parametrize("latent_ratio", [0.1, 0.5, 1.7])
@pytest.mark.parametrize("noise_variance", [0.01, 0.3, 20.0])
def test_one_block_in_closed_form_is_that_of_the_resolvent(latent_ratio, noise_variance):
    """Against the resolvent's route, and the sum of logarithms over the density by quadrature."""
    variance = 2.0
    information, root = geomem_theory.equation("one_block_information"), geomem_theory.equation("one_block_root")
    values = {alpha: latent_ratio, column_ratio: variance / (latent_ratio * noise_variance)}
    explicit = evaluate(information.right, values | {block_root: evaluate(root.right, values)})
    law, time = RandomManifold([variance], [1.0], latent_ratio), jnp.array(noise_variance)
    number, _ = resolvent_at(law, time)
    closed = 1 - evaluate(root.right, values) / (4 * values[column_ratio])
    assert float(noise_variance * number) == pytest.approx(float(closed), rel=1e-12)
    assert float(law.typical_sizes(time).collapse) == pytest.approx(float(latent_ratio / 2 * explicit), rel=1e-12)
    low, high = law.bulk_edges()
    density = sp.lambdify(
        bulk_value, geomem_theory.equation("one_bulk_density").right.subs({alpha: latent_ratio, s_v: variance})
    )
    summed = mpmath.quad(lambda x: mpmath.log1p(x / noise_variance) * density(x).real / 2, [low, high])
    assert float(summed) == pytest.approx(float(latent_ratio / 2 * explicit), rel=1e-7)


@pytest.mark.slow  # draws large matrices
@pytest.mark.parametrize("latent_ratio", [0.4, 1.0, 2.5])
def test_densities_of_one_block_are_those_of_drawn_matrices(latent_ratio):
    """The integral is m/d, or 1; moments and extreme eigenvalues of drawn matrices, their edges and mass at 1."""
    variance, time, dims = 2.0, 0.3, 600
    latent = int(latent_ratio * dims)
    rng = np.random.default_rng(1)
    spectra = variance * np.array(
        [np.linalg.eigvalsh((lambda f: f @ f.T)(rng.normal(size=(dims, latent)) / np.sqrt(latent))) for _ in range(6)]
    )
    values = time / (time + np.maximum(spectra, 0.0))
    law = RandomManifold([variance], [1.0], latent_ratio)
    edges = law.jacobian_edges([time, 1.0])
    assert edges.shape == (2, 2)
    inside = np.sort(values.ravel())[: 6 * min(latent, dims)]
    np.testing.assert_allclose([inside[0], inside[-1]], edges[0], atol=0.02)
    share = float(geomem_theory.equation("jacobian_flat_share").right.subs(alpha, latent_ratio))
    assert np.mean(values > 1 - 1e-9) == pytest.approx(max(share, 0.0), abs=1e-12 + 2 / dims * (latent_ratio == 1))
    density = sp.lambdify(
        rho_v,
        geomem_theory.equation("jacobian_bulk_density").right.subs({alpha: latent_ratio, s_v: variance, t: time}),
        "numpy",
    )

    def mean(function):
        # The roots at the edges are smooth in an angle.
        middle, half = edges[0].mean(), np.diff(edges[0])[0] / 2

        def integrand(angle):
            place = middle - half * np.cos(angle)
            return function(place) * density(place) * half * np.sin(angle)

        return quad(integrand, 1e-9, np.pi - 1e-9, epsabs=1e-12)[0]

    assert mean(lambda _: 1.0) == pytest.approx(min(1.0, latent_ratio), rel=1e-6)
    for power in (1, 2):
        drawn = np.sum(np.where(values > 1 - 1e-9, 0.0, values**power), axis=1) / dims
        assert abs(mean(lambda x, power=power: x**power) - drawn.mean()) < 5 * drawn.std(ddof=1) / np.sqrt(6) + 2e-3


def test_edges_of_two_bulks_are_those_of_the_jacobian():
    law = RandomManifold([0.4, 0.036], [0.5, 0.5], latent_ratio=0.4)
    np.testing.assert_allclose(law.jacobian_edges(0.2), 0.2 / (0.2 + law.bulk_edges()[::-1]), rtol=1e-14)
    assert (np.diff(law.jacobian_edges([0.01, 10.0])) > 0).all()


@pytest.mark.slow  # compiles for some seconds
@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    exponents=st.lists(st.floats(-4, 2), min_size=3, max_size=3),
    multiplicities=st.lists(st.integers(1, 300), min_size=3, max_size=3), per_direction=st.floats(0.01, 5),
)  # fmt: skip
def test_the_formulas_keep_their_order(exponents, multiplicities, per_direction):
    log_size = max(per_direction * sum(multiplicities), 0.7)
    times = trajectory_times(Manifold(10.0 ** np.array(exponents), multiplicities), log_num_samples=log_size)
    collapse, onset, held_out, generalization = values(times)
    assert generalization < held_out < collapse < onset
    assert max(abs(float(getattr(times, name).residual)) for name in NAMES) < 1e-9 * log_size


def test_dominance_is_one_at_collapse_and_none_at_onset(default_manifold):
    times = trajectory_times(default_manifold, num_samples=1000)
    for time, expected in ((times.collapse, 1.0), (times.onset, 0.0)):
        radius = dominance_radius(default_manifold, noise_variance=time.value, num_samples=1000)
        assert float(radius) == pytest.approx(expected, abs=1e-9)
    law = RandomManifold([1.0], [1.0], 0.5)
    at_collapse = trajectory_times(law, log_num_samples=[0.25, 0.5]).collapse.value
    radii = dominance_radius(law, noise_variance=at_collapse, log_num_samples=[0.25, 0.5])
    assert radii.shape == (2, 2)
    np.testing.assert_allclose(np.diag(radii), 1.0, atol=1e-9)


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize("latent_ratio", [0.3, 1.5])
def test_dominance_radius_of_random_features_is_where_the_weights_of_drawn_points_balance(latent_ratio):
    """The own weight against N times the density of the noised law of drawn features, at displaced drawn points."""
    variances, weights, dims = [1.0, 0.2], [0.4, 0.6], 400
    law, log_size, rng = RandomManifold(variances, weights, latent_ratio), 0.2, np.random.default_rng(9)
    times = trajectory_times(law, log_num_samples=log_size)
    collapse, onset = float(times.collapse.log_value), float(times.onset.log_value)
    grid = np.exp(collapse + np.array([-0.3, 0.3, 0.7]) * (onset - collapse))
    radii = np.asarray(dominance_radius(law, noise_variance=grid, log_num_samples=log_size))
    counts = np.rint(np.array(weights) * latent_ratio * dims).astype(int)
    scale = np.sqrt(np.repeat(variances, counts) / counts.sum())
    balances = np.empty((8, len(grid)))
    for row in balances:
        factor = rng.normal(size=(dims, counts.sum())) * scale
        data, noise = factor @ rng.normal(size=(counts.sum(), 400)), rng.normal(size=(dims, 400))
        spectrum, frame = np.linalg.eigh(factor @ factor.T)
        for place, (time, radius) in enumerate(zip(grid, radii, strict=True)):
            x = frame.T @ (data + np.sqrt(radius * time) * noise)
            squared = (x**2 / (spectrum[:, None] + time)).sum(axis=0)
            others = log_size * dims - (np.log1p(spectrum / time).sum() + squared) / 2
            row[place] = np.mean(others + radius * dims / 2)
    z = balances.mean(axis=0) / (balances.std(axis=0, ddof=1) / np.sqrt(len(balances)))
    assert np.abs(z).max() < 4
    assert np.ptp(radii) > 0.8


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    exponents=st.lists(st.floats(-4, 2), min_size=3, max_size=3),
    log_size=st.floats(0.7, 60),
    place=st.floats(0.01, 1.5),
)  # fmt: skip
def test_the_flow_reaches_as_far_as_the_best_later_domination(exponents, log_size, place):
    """Above collapse, the balance at every t' of a fine grid; the others are not condensed at the best."""
    variances, multiplicities = 10.0 ** np.array(exponents), np.array([1.0, 5.0, 20.0])
    law = Manifold(variances, multiplicities)
    times = trajectory_times(law, log_num_samples=log_size)
    collapse, onset = float(times.collapse.log_value), float(times.onset.log_value)
    time = np.exp(collapse + place * (onset - collapse))
    radius = float(flow_basin_radius(law, noise_variance=time, log_num_samples=log_size))
    later = time * np.exp(-np.linspace(0, 12, 4001))[:, None]
    stretch = np.sqrt((variances + later) / (variances + time))

    def total(terms):
        return np.sum(multiplicities * terms, axis=1) / 2

    lead = total(np.log1p(variances / later) + variances / (variances + time)) - log_size
    signal = np.sum(multiplicities * variances / (variances + time)) / 2
    dominates = later[:, 0] / time * (lead - total(variances * (1 - stretch) ** 2 / later)) / signal
    best = dominates.argmax()
    assert radius == pytest.approx(dominates[best], abs=1e-4 * (1 + abs(dominates[best])))
    assert radius > float(dominance_radius(law, noise_variance=time, log_num_samples=log_size))
    # The entropy of the others there: ln N + K - K' at the length that the flow has.
    length = stretch**2 * (variances + radius * time)
    entropy = log_size - total(
        np.log1p(variances / later) - variances / (later + variances) + length * variances / (later + variances) ** 2
    )
    assert entropy[best] > 0


def test_the_basin_of_the_flow_begins_at_collapse(default_manifold):
    collapse = float(trajectory_times(default_manifold, num_samples=1000).collapse.value)
    times = collapse * np.array([0.99, 1.0001, 1.5, 1e4])
    radii = flow_basin_radius(default_manifold, noise_variance=times, num_samples=[1e3, 1e4])
    assert radii.shape == (4, 2)
    assert np.isnan(radii[0, 0])
    assert float(radii[1, 0]) == pytest.approx(1.0, abs=1e-3)
    assert float(radii[3, 0]) < 0 < float(radii[2, 0]) < 1


def test_the_basin_of_the_flow_has_a_derivative(default_manifold):
    def radius(log_size):
        return flow_basin_radius(default_manifold, noise_variance=0.05, log_num_samples=log_size)

    size, shift = jnp.log(1000.0), 1e-4
    difference = (radius(size + shift) - radius(size - shift)) / (2 * shift)
    assert float(jax.grad(radius)(size)) == pytest.approx(float(difference), rel=1e-6)


@pytest.mark.slow  # 20 000 samples in 60 dimensions
def test_a_training_point_outweighs_the_rest_at_onset():
    """The median time at which a sample's own weight is one half, where it lies, within 2 % of the formula."""
    law = Manifold([1.0], [60])
    onset = float(trajectory_times(law, num_samples=20_000).onset.value)
    data = np.asarray(law.sample(jax.random.key(0), 20_000))
    times = onset * np.linspace(0.9, 1.1, 21)
    own = -np.median(gibbs(data[:200], data, times).log_partition, axis=1)  # its energy is zero
    measured = np.interp(-np.log(0.5), -own, times)
    assert measured == pytest.approx(onset, rel=0.02)


def test_lanes_without_an_answer():
    times = trajectory_times(Manifold([0.0], [3]), num_samples=[10.0, np.nan])
    assert times.collapse.status.tolist() == [Status.NO_TRANSITION, Status.INVALID]
    assert np.isnan(times.generalization.value).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RandomManifold([1.0, 2.0], [1.0], 0.5), "2 variances but 1 weights"),
        (lambda: RandomManifold([-1.0], [1.0], 0.5), "must be finite and not negative"),
        (lambda: RandomManifold([1.0], [0.5], 0.5), "add to one"),
        (lambda: RandomManifold([1.0], [1.0], 0), "latent_ratio is 0"),
        (lambda: RandomManifold([1.0], [1.0], 0.5).jacobian_edges([1.0, 0.0]), "must be positive and finite"),
        (lambda: trajectory_times(RandomManifold([1.0], [1.0], 0.5), num_samples=10), "per dimension"),
        (lambda: trajectory_times(RandomManifold([1.0], [1.0], 0.5), log_num_samples=-1.0), "is -1"),
        (lambda: trajectory_times(Manifold([1.0], [2], normalized=True), num_samples=10), "normalized data"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
