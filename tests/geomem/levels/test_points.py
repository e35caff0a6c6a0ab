"""Averages at given points along given directions: published rows, limits that are known otherwise, and simulation."""

import json
import sys
from itertools import product
from pathlib import Path

import jax
import numpy as np
import pytest

from geomem import (
    GaussianMixture,
    InputError,
    Manifold,
    Probe,
    SampledLaw,
    expected_excess_entropy,
    quenched,
    theory_versus_simulation,
)

# Three components in six dimensions; rows of the lower triangular A with C = A A^T.
WEIGHTS = np.array([0.6, 0.3, 0.1])
MEANS = np.array([[0, 0.4, -0.3, -1.1, -0.5, -1.2], [0.1, 1.6, -0.6, -0.7, 0.6, 0.4], [0.1, -1.1, 0, 0.8, -1.6, -0.5]])
_ROWS = (
    ".703|-.032 .216|.531 -.027 .134|-.024 .022 .135 .149|.388 -.145 .159 -.03 .134|.118 -.107 .351 .259 .116 .078",
    ".179|-.164 .072|-.326 .199 .448|.209 -.016 -.217 .121|.286 .042 .036 -.025 .116|-.01 -.104 -.162 -.108 -.029 .049",
    ".081|.087 .531|.176 -.087 .146|-.03 .073 .004 .117|-.099 -.002 -.04 -.037 .027|-.065 -.027 -.002 -.065 -.003 .043",
)
ROOTS = np.array([[np.pad(np.array(row.split(), float), (0, 6 - len(row.split()))) for row in one.split("|")]
                  for one in _ROWS])  # fmt: skip
COVARIANCES = np.einsum("kij,klj->kil", ROOTS, ROOTS)
DIRECTION = np.array([1, -2, 0, 2, 1, -1]) / np.sqrt(11)
NAMES = ("log_partition", "participation", "score_mean", "score_variance", "signal_to_noise")
TESTS = Path(__file__).parents[2]
ROWS = json.loads((TESTS / "data" / "mixture_points_reference.json").read_text())


@pytest.fixture(scope="module")
def law():
    return GaussianMixture(WEIGHTS, MEANS, COVARIANCES)


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize(
    ("time", "x", "expected"),
    [  # checked by mpmath and by 40 000 data sets each
        (1.0, (-0.942, 1.245, 1.74, -1.248, 0.058, -0.926),
         (2.1193175, 0.0070713651, 0.59691285, 0.0033055274, 107.79065)),
        (0.1, (0.694, 1.332, -0.784, -0.542, 0.617, 0.392),
         (1.3887107, 0.03433994, -2.099142, 0.10374649, 42.472732167212)),
        (0.03, (0.05, 1.0, -0.45, -0.9, 0.05, -0.4),
         (-7.8414604, 0.46026522, 7.9775741, 4.653369, 13.676475676814)),
    ],
)  # fmt: skip
def test_mixture_of_several_covariances(law, time, x, expected):
    found = quenched(law, DIRECTION, noise_variance=time, num_samples=300, probe=Probe.point(x))
    np.testing.assert_allclose(
        [float(getattr(found, name)) for name in NAMES], expected, rtol=5e-8
    )  # as many digits as there are
    np.testing.assert_allclose(found.signal_to_noise, expected[-1], rtol=1e-7 if time == 1.0 else 1e-11)


@pytest.mark.slow  # four kinds of law are compiled
def test_one_gaussian_is_a_manifold():
    """Seen along an axis, from the mean, by both ways; and by covariances that are given in full or by factors."""
    manifold = Manifold([1.0, 0.09], [1, 5])
    asked = {"noise_variance": [0.3, 0.02], "num_samples": [10, 1e6]}
    of_block = quenched(manifold, 1, **asked)
    axis = np.eye(6)[1]
    of_vector = quenched(manifold, axis, **asked)
    full = GaussianMixture([1.0], np.zeros((1, 6)), np.diag([1.0, *[0.09] * 5])[None])
    factors = type(full).low_rank([1.0], np.zeros((1, 6)), np.sqrt(0.91) * np.eye(6)[None, :, :1], [0.09])
    for other in (of_vector, quenched(full, axis, **asked), quenched(factors, axis, **asked)):
        for name in NAMES:
            np.testing.assert_allclose(getattr(other, name), getattr(of_block, name), rtol=1e-9, err_msg=name)


@pytest.mark.slow  # compiles for some seconds
def test_directions_and_points_have_axes_of_their_own(law):
    """What is asked together is what is asked one by one."""
    points = np.asarray(law.sample(jax.random.key(1), 2))
    directions = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0][:6]
    probe = Probe.noised(points, key=jax.random.key(2))
    asked = {"noise_variance": [0.5, 0.1], "num_samples": [30, 300]}
    together = quenched(law, directions, probe=probe, **asked)
    assert together.score_mean.shape == (2, 6, 2, 2)
    place = points[1] + np.sqrt(0.1) * np.asarray(probe.offset)[1]
    alone = quenched(law, directions[4], noise_variance=0.1, num_samples=300, probe=Probe.point(place))
    for name in NAMES:
        np.testing.assert_allclose(getattr(together, name)[1, 4, 1, 1], getattr(alone, name), rtol=1e-9)


@pytest.mark.parametrize("time", [2.0, 0.05])
def test_a_pool_is_exact_for_data_sets_drawn_from_it(time):
    """All data sets of two and of three samples that six can make, with replacement."""
    pool = np.random.default_rng(1).normal(size=(6, 2)) * [1.0, 0.3]
    x, direction = np.array([0.2, -0.1]), np.array([0.6, 0.8])
    found = quenched(SampledLaw(pool), direction, noise_variance=time, num_samples=[2, 3], probe=Probe.point(x))
    for column, size in enumerate((2, 3)):
        sets = pool[np.array(list(product(range(6), repeat=size)))]
        exponents = -np.sum((sets - x) ** 2, axis=2) / (2 * time)
        log_z = np.logaddexp.reduce(exponents, axis=1)
        weights = np.exp(exponents - log_z[:, None])
        scores = (np.sum(weights * (sets @ direction), axis=1) - x @ direction) / time
        expected = (log_z.mean(), np.sum(weights**2, axis=1).mean(), scores.mean(), scores.var())
        for name, value in zip(NAMES, expected, strict=False):
            np.testing.assert_allclose(getattr(found, name)[column], value, rtol=1e-6, err_msg=name)


@pytest.mark.slow  # compiles for some seconds
def test_a_pool_whose_samples_are_repeated_is_the_same_law():
    """Near samples one by one and far ones by power sums, in other parts: 3000 rows take two, 1500 one."""
    rows = np.random.default_rng(3).normal(size=(1500, 3)) * [1.0, 0.5, 0.2]
    asked = {"noise_variance": [3.0, 0.02], "num_samples": [5, 90], "probe": Probe.point([0.5, 0.1, 0.0])}
    once, twice = (quenched(SampledLaw(one), np.eye(3), **asked) for one in (rows, np.repeat(rows, 2, axis=0)))
    for name in NAMES:
        np.testing.assert_allclose(getattr(twice, name), getattr(once, name), rtol=1e-9, err_msg=name)


@pytest.mark.slow  # compiles for some seconds
def test_planted_sample_at_a_point(law):
    """With a weight of 1 and few others the planted sample holds all of it, and the score points nowhere along v."""
    asked = {"noise_variance": 1e-3, "num_samples": 10, "probe": Probe.point(MEANS[0] + 0.1)}
    for one in (law, SampledLaw(np.asarray(law.sample(jax.random.key(0), 500)))):
        found = quenched(one, DIRECTION, log_planted=0.0, **asked)
        assert found.planted_weight > 0.99
        assert abs(float(found.score_mean)) < 0.02 / np.sqrt(1e-3)


@pytest.mark.long  # thousands of data sets of every law
@pytest.mark.parametrize("kind", ["mixture", "pool", "manifold"])
def test_theory_versus_simulation(law, kind):
    pool = SampledLaw(np.asarray(law.sample(jax.random.key(4), 400)))
    one = {"mixture": law, "pool": pool, "manifold": Manifold([1.0, 0.3], [2, 4])}[kind]
    asked = {"noise_variance": 0.3, "num_samples": 50, "num_datasets": 2000, "key": jax.random.key(5)}
    found = theory_versus_simulation(one, DIRECTION, probe=Probe.point(np.full(6, 0.1)), **asked)
    assert (np.abs(found.z) < 4).all(), found.z.values


@pytest.mark.long  # 64 points
def test_excess_entropy_of_classes_is_that_by_their_shared_covariance():
    manifold = Manifold([1.0, 0.1], [2, 2])
    centers = np.eye(4)[:2] * 2.0
    shared = GaussianMixture([0.5, 0.5], centers, manifold)
    full = GaussianMixture([0.5, 0.5], centers, np.tile(np.asarray(manifold.covariance()), (2, 1, 1)))
    asked = {"noise_variance": [0.05], "num_samples": 100, "theory": "finite_n"}
    found, expected = (expected_excess_entropy(one, **asked) for one in (full, shared))
    assert abs(float(found.value[0] - expected.value[0])) < 4 * float(np.hypot(found.error[0], expected.error[0]))
    assert 0 < float(found.error[0]) < 0.2 * float(found.value[0])


@pytest.fixture(scope="module")
def cell():
    sys.path.insert(0, str(TESTS / "reference"))
    from mixture_points import cell

    return cell


def averages_at(given):
    covariances = np.einsum("kdr,kr,ker->kde", given.bases, given.eigenvalues, given.bases)
    law = GaussianMixture(given.weights, given.means, covariances)
    asked = {"noise_variance": given.noise_variance, "num_samples": given.num_samples}
    return law, quenched(law, given.direction, probe=Probe.point(given.point), **asked)


@pytest.mark.long  # five shapes are compiled
def test_random_cells(cell):
    """Sixty random mixtures of two to six components in two to twenty dimensions, from liquid to condensed."""
    assert len(ROWS) == 60
    for row in ROWS:
        _, found = averages_at(cell(row["cell"]))
        for name in NAMES:
            np.testing.assert_allclose(
                getattr(found, name), float(row[name]), rtol=1e-8, err_msg=f"{row['cell']}: {name}"
            )


@pytest.mark.long  # 1000 data sets of every cell
def test_random_cells_by_simulation(cell):
    """Those of them that mpmath has no time for, where data sets are small enough to be drawn."""
    scores, count = [], 1000
    for row in ROWS:
        given = cell(row["cell"])
        if row.get("mpmath") or given.num_samples > 1000:
            continue
        law, found = averages_at(given)
        size = int(given.num_samples)
        drawn = np.asarray(law.sample(jax.random.key(row["cell"]), size * count))
        exponents = (-np.sum((drawn - given.point) ** 2, axis=1) / (2 * given.noise_variance)).reshape(count, size)
        log_z = np.logaddexp.reduce(exponents, axis=1)
        weights = np.exp(exponents - log_z[:, None])
        along = ((drawn - given.point) @ given.direction).reshape(count, size) / given.noise_variance
        values = (log_z, np.sum(weights**2, axis=1), np.sum(weights * along, axis=1))
        for name, value in zip(NAMES, values, strict=False):
            scores.append((value.mean() - float(getattr(found, name))) / (value.std() / np.sqrt(count)))
    assert len(scores) > 30
    assert np.abs(scores).max() < 4.5
    assert abs(np.mean(np.square(scores)) - 1) < 4 * np.sqrt(2 / len(scores))


@pytest.mark.slow  # 4000 data sets at every row
@pytest.mark.parametrize("time", [0.6, 0.08])
def test_simulation(law, time):
    x, size, count = np.array([0.1, 0.9, -0.5, -0.8, 0.1, -0.3]), 100, 4000
    found = quenched(law, DIRECTION, noise_variance=time, num_samples=size, probe=Probe.point(x))
    sets = np.asarray(law.sample(jax.random.key(7), size * count)).reshape(count, size, 6)
    exponents = -np.sum((sets - x) ** 2, axis=2) / (2 * time)
    log_z = np.logaddexp.reduce(exponents, axis=1)
    weights = np.exp(exponents - log_z[:, None])
    scores = (np.sum(weights * (sets @ DIRECTION), axis=1) - x @ DIRECTION) / time
    squares = (scores - float(found.score_mean)) ** 2
    for name, values in zip(NAMES, (log_z, np.sum(weights**2, axis=1), scores, squares), strict=False):
        z = (values.mean() - float(getattr(found, name))) / (values.std() / np.sqrt(count))
        assert abs(z) < 4, (name, z)


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda law: quenched(law, 2 * DIRECTION, noise_variance=1, num_samples=9), "divide it by that"),
        (lambda law: quenched(law, DIRECTION[:5], noise_variance=1, num_samples=9), "6 coordinates"),
        (lambda law: quenched(law, 9, noise_variance=1, num_samples=9), "no block 9"),
        (lambda law: quenched(law, np.eye(6), noise_variance=1, num_samples=9), "one direction at a time"),
        (lambda law: quenched(law, 0, noise_variance=1, num_samples=9, probe=Probe.typical()), "Probe.noised"),
        (lambda law: quenched(law, 0, noise_variance=1, num_samples=9, probe=Probe.point([1.0])), "1 coordinates"),
        (lambda law: quenched(law, 0, noise_variance=1, num_samples=9, local_variance=1.0), "leave it out"),
        (lambda law: Probe.point([np.nan]), "finite"),
        (
            lambda law: theory_versus_simulation(
                law,
                np.eye(6),
                noise_variance=1.0,
                num_samples=9,
                num_datasets=9,
                key=jax.random.key(0),
                probe=Probe.point(np.zeros(6)),
            ),
            "of one direction",
        ),
    ],
)
def test_bad_input(law, call, message):
    with pytest.raises(InputError, match=message):
        call(law)
