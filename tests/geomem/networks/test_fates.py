"""When blocks count as lost, kept, closed or unlearned: by hand, of untrained networks, and of the exact score."""

import jax
import numpy as np
import pytest
import xarray as xr

from geomem import MLP, Manifold, score_of
from geomem.networks.architectures import initial_weights, network_score
from geomem.networks.data_sets import TrainingSets
from geomem.networks.experiment import Measures
from geomem.networks.fates import Fate, loss_times
from geomem.networks.measures import measure_spectra

TIMES = np.array([0.01, 0.1, 1.0, 10.0])


@pytest.mark.parametrize(
    ("values", "time", "fate"),
    [
        ([1.0, 0.0, 0.0, 1.0], 0.1**1.5, Fate.LOST),  # halfway in ln t
        ([0.0, 0.0, 0.0, 1.0], np.nan, Fate.KEPT),
        ([1.0, 0.9, 0.6, 1.0], np.nan, Fate.NEVER_OPEN),
        ([0.2, 1.0, 0.4, 0.9], 10 ** (-1 / 6), Fate.LOST),  # lost where it is first lost
        ([0.0, 0.0, 0.0, 0.4], np.nan, Fate.UNLEARNED),
        ([1.0, 0.0, 0.0, 0.4], np.nan, Fate.UNLEARNED),
        ([0.0, 0.0, np.nan, 0.4], np.nan, Fate.OUT_OF_RANGE),
    ],
)
def test_loss_times(values, time, fate):
    means = xr.DataArray([values, values], dims=("block", "noise_variance"))
    found, status = loss_times(TIMES, means, xr.DataArray([1.0, 0.01], dims="block"))
    # The second block would open at the smallest noise variance.
    np.testing.assert_allclose(found, [time, np.nan])
    assert status.values.tolist() == [fate, Fate.OUT_OF_RANGE]


def test_of_a_block_that_is_open_from_the_start_only_a_loss_is_seen():
    means = xr.DataArray([[0.0, 0.0, 0.0, 0.0], [0.9, 0.0, 0.0, 0.0]], dims=("block", "noise_variance"))
    _, status = loss_times(TIMES, means, xr.DataArray([20.0, 20.0], dims="block"))
    assert status.values.tolist() == [Fate.OUT_OF_RANGE, Fate.LOST]
    # Below three variances the largest noise variance decides.
    _, status = loss_times(TIMES, means, xr.DataArray([8.0, 8.0], dims="block"))
    assert status.values.tolist() == [Fate.UNLEARNED, Fate.UNLEARNED]


@pytest.mark.parametrize("noised", [True, False])
def test_an_untrained_network_has_learned_no_block_and_the_empirical_score_each(noised):
    """The second block of these data is closed throughout: collapse comes before it opens."""
    law, key = Manifold([1.0, 0.09], [2, 3]), jax.random.key(0)
    rows = np.asarray(law.sample(key, 60))
    sets = TrainingSets((rows,), rows, law, np.eye(5), True)
    asked = Measures(first=1e-3, count=8, num_points=20, noised=noised)
    untrained = network_score(initial_weights(MLP(width=16, embedding=8, embedding_width=16), 5, key))
    for score, fates in ((untrained, 2 * [Fate.UNLEARNED]), (score_of(rows), [Fate.LOST, Fate.NEVER_OPEN])):
        found = measure_spectra(score, rows, sets, asked, key).assign_coords(
            block_variance=("block", law.block_variances())
        )
        _, status = loss_times(asked.noise_variances, found.block_mean, found.block_variance)
        assert status.values.tolist() == fates
