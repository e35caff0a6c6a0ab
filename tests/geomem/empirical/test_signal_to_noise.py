"""The measured resolved dimension: against the exact theory, and what subsets of a data set are."""

import jax
import numpy as np
import pytest
import xarray as xr

from geomem import InputError, Manifold, load_data, measure_resolved_dimension, quenched, resolved_dimension
from geomem.core.status import Status
from geomem.empirical.signal_to_noise import _signal_to_noise, _subsets

KEY = jax.random.key(0)


def test_signal_and_noise_of_few_members_are_not_biased(rng):
    """Mean 0.6, variance 1, in groups of three: averages over many groups are the truth's ratio."""
    scores = 0.6 + rng.normal(size=(200_000, 3, 1, 1))
    # The standard error of the mean of 200 000 groups, by the delta method about 0.36.
    assert float(_signal_to_noise(scores)[0][0, 0]) == pytest.approx(0.36, abs=4 * 0.0030)


def test_subsets_of_a_permutation_share_nothing():
    pool = np.arange(20.0).reshape(10, 2)
    groups = [[tuple(map(tuple, subset)) for subset in group] for group in _subsets(pool, KEY, 3, 3, 3)]
    assert [len(group) for group in groups] == [3, 3, 3]
    for group in groups:
        rows = [row for subset in group for row in subset]
        assert len(set(rows)) == 9
    assert len(set(groups[0])) == 3
    assert groups[0] != groups[1]


@pytest.mark.slow  # compiles for some seconds
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


def _of_pools(law, num_pools, samples, sizes, times):
    """Measured on Gaussian data sets, rotated and away from the origin, along the widest seven directions."""
    dims = int(law.multiplicities.sum())
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(dims, dims)))[0]
    measured = [
        measure_resolved_dimension(
            np.asarray(law.sample(jax.random.key(pool), samples)) @ rotation + 3.0,
            noise_variance=times, num_samples=sizes, num_replicates=40, key=KEY,
        )
        for pool in range(num_pools)
    ]  # fmt: skip
    return xr.concat([one.drop_vars("local_variance").isel(direction=slice(7)) for one in measured], "pool")


def _deviation(measured, law, block):
    """Root mean square of z of the ratios along the direction of a block, for every size."""
    over = {"noise_variance": measured.noise_variance.values, "num_samples": measured.num_samples.values}
    at = measured.isel(direction=block)
    z = (at.signal_to_noise - np.asarray(quenched(law, block, **over).signal_to_noise)) / at.signal_to_noise_error
    return np.sqrt((z**2).mean(("pool", "noise_variance"))).values


@pytest.mark.slow  # hundreds of measurements
def test_what_a_pool_has_in_common_by_chance_is_in_the_errors():
    """Forty subsets are no forty data sets: as if they were, z is up to 4."""
    law = Manifold(np.append(np.geomspace(100.0, 5.0, 8), 1.0), [1] * 8 + [8])
    measured = _of_pools(law, 12, 400, [50, 130], [3.0, 20.0])
    np.testing.assert_array_equal(measured.independent, [8, 3])
    for block in (0, 3, 6):
        assert (_deviation(measured, law, block) < 1.2).all()
    unknown = measured.sel(num_samples=130)
    assert (unknown.status == Status.NOT_CONVERGED).all()
    assert unknown.value.isnull().all()
    assert (unknown.upper - unknown.lower > 0).any()


@pytest.mark.long  # seven thousand data sets in 61 dimensions
def test_subsets_of_gaussian_data_give_what_fresh_data_sets_give():
    """Gaussian pools with the spectrum of the digits, of as many samples."""
    law = Manifold.from_data(load_data("digits"))
    times, sizes = [6.0, 9.6, 15.2, 24.3], [50, 200, 800]
    measured = _of_pools(law, 40, 1797, sizes, times)
    exact = np.asarray(resolved_dimension(law, noise_variance=times, num_samples=sizes, theory="finite_n"))
    covered = (measured.lower <= exact) & (exact <= measured.upper)
    assert (covered.mean(("pool", "noise_variance")) > 0.95).all()
    np.testing.assert_array_equal(measured.status.max(("pool", "noise_variance")), [0, 0, Status.NOT_CONVERGED])
    told = measured.sel(num_samples=[50, 200])
    assert ((told.lower <= told.value) & (told.value <= told.upper)).all()
    z = (told.value - exact[:, :2]) / told.error
    assert float((np.abs(z) > 2).mean()) < 0.1
    # Directions next to no signal count for nothing: uncorrected it is 0.6.
    assert (np.abs(z.mean(("pool", "noise_variance"))) < 0.45).all()
    for block in (0, 3, 6):
        assert (_deviation(measured, law, block) < 1.2).all()


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
        ({"source": np.zeros((30, 2)), "num_samples": 16}, "have at most 15"),
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
