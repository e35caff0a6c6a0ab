"""The measured resolved dimension: against the exact theory, and what subsets of a data set are."""

import jax
import numpy as np
import pytest

from geomem import InputError, Manifold, measure_resolved_dimension, quenched, resolved_dimension
from geomem.empirical.signal_to_noise import _signal_to_noise, _subsets

KEY = jax.random.key(0)


def test_signal_and_noise_of_few_members_are_not_biased(rng):
    """Mean 0.6, variance 1, in groups of three: averages over many groups are the truth's ratio."""
    scores = 0.6 + rng.normal(size=(200_000, 3, 1, 1))
    # The standard error of the mean of 200 000 groups, by the delta method about 0.36.
    assert float(_signal_to_noise(scores)[0, 0]) == pytest.approx(0.36, abs=4 * 0.0030)


def test_subsets_of_a_permutation_share_nothing():
    pool = np.arange(20.0).reshape(10, 2)
    groups = [[tuple(map(tuple, subset)) for subset in group] for group in _subsets(pool, KEY, 3, 7)]
    assert [len(group) for group in groups] == [3, 3, 3]  # at least seven in all
    for group in groups:
        rows = [row for subset in group for row in subset]
        assert len(set(rows)) == 9
    assert len(set(groups[0])) == 3
    assert groups[0] != groups[1]


def test_a_manifold_has_the_dimension_that_finite_n_predicts(default_manifold):
    times, sizes = np.array([0.015, 0.07, 0.4, 3.0]), [100, 1000]
    measured = measure_resolved_dimension(
        default_manifold, noise_variance=times, num_samples=sizes, num_replicates=[100, 60], key=KEY
    )
    assert measured.value.dims == ("noise_variance", "num_samples")
    assert measured.sizes["direction"] == 7  # the normal directions open below the range
    predicted = resolved_dimension(default_manifold, noise_variance=times, num_samples=sizes, theory="finite_n")
    np.testing.assert_array_equal(measured.value, predicted)
    assert (measured.error[-1] == 0).all()  # nothing is open
    for block, directions in ((0, slice(0, 2)), (1, slice(2, 7))):
        exact = quenched(default_manifold, block, noise_variance=times, num_samples=sizes).signal_to_noise
        z = (measured.signal_to_noise[:, :, directions] - np.asarray(exact)[:, :, None]) / (
            measured.signal_to_noise_error[:, :, directions]
        )
        assert float(np.abs(z).max()) < 4.5
    again = measure_resolved_dimension(
        default_manifold, noise_variance=times, num_samples=sizes, num_replicates=[100, 60], key=KEY
    )
    assert measured.identical(again)


@pytest.mark.slow  # hundreds of data sets
def test_subsets_of_gaussian_data_agree_with_the_law(default_manifold):
    """A rotated pool, away from the origin: the jackknife's error knows of the samples that permutations share."""
    pool = (
        np.asarray(default_manifold.sample(KEY, 2000)) @ np.linalg.qr(np.random.default_rng(0).normal(size=(30, 30)))[0]
    )
    measured = measure_resolved_dimension(
        pool + 3.0, noise_variance=[0.05, 0.3], num_samples=[200], num_replicates=100, key=KEY
    )
    law = Manifold.from_data(pool)
    for direction in (0, 2):
        exact = quenched(law, direction, noise_variance=[0.05, 0.3], num_samples=200).signal_to_noise
        z = (measured.signal_to_noise[:, 0, direction] - np.asarray(exact)) / measured.signal_to_noise_error[
            :, 0, direction
        ]
        assert float(np.abs(z).max()) < 4.5


def test_directions_open_below_their_variance_only():
    """t = s itself, of a variance whose root squared is not itself; and a range in which nothing opens."""
    measured = measure_resolved_dimension(
        Manifold([2.0, 0.1], [3, 2]), noise_variance=[2.0, 3.0], num_samples=50, num_replicates=8, key=KEY
    )
    assert (measured.value == 0).all()
    assert (measured.error == 0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_variance": [[0.1]]}, "must be a list"),
        ({"num_samples": 1}, "num_samples is 1"),
        ({"num_samples": 10.5}, "num_samples is 10.5"),
        ({"num_samples": np.inf}, "num_samples is inf"),
        ({"num_replicates": 2}, "num_replicates is 2"),
        ({"num_replicates": [10, 10]}, "1 sizes but 2 num_replicates"),
        ({"source": np.zeros((30, 2)), "num_samples": 14}, "have at most 13"),
        ({"source": Manifold([1.0], [2], normalized=True)}, "normalized data"),
        ({"source": np.zeros(3)}, r"shape \(3,\)"),
    ],
)
def test_bad_input(changes, message):
    arguments = {
        "source": Manifold([1.0], [2]), "noise_variance": [0.1], "num_samples": 10, "num_replicates": 8, "key": KEY,
    } | changes  # fmt: skip
    with pytest.raises(InputError, match=message):
        measure_resolved_dimension(arguments.pop("source"), **arguments)
