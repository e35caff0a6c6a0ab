"""The size from which on a model that holds samples gains by it."""

import numpy as np
import pytest

from geomem.boundaries.model_size import model_size_crossover
from geomem.core.status import InputError
from geomem.laws.manifold import Manifold


def test_of_one_variance_it_is_the_published_number():
    times, weights = np.array([0.1, 1.0, 5.0]), np.array([1.0, 2.0, 0.5])
    found = model_size_crossover(
        Manifold([0.7], [50]), num_samples=[100, 1000], noise_variance=times, loss_weights=weights
    )
    share = (weights / (0.7 / times + 1)).sum() / weights.sum()
    np.testing.assert_allclose(found.lower, (1 - share) * np.array([100, 1000]), rtol=1e-12)
    np.testing.assert_allclose(found.upper, (1 - share / 2) * np.array([100, 1000]), rtol=1e-12)


@pytest.mark.slow  # compiles for some seconds
def test_held_samples_have_the_smaller_loss_from_there_on(rng):
    """A denoiser that gives the nearest of M stored samples, or the mean far from them all, beside the exact one."""
    size, dims, time = 400, 400, 0.5
    variances = np.repeat([1.0, 0.3], dims // 2)
    data = rng.normal(size=(size, dims)) * np.sqrt(variances)
    noised = data + np.sqrt(time) * rng.normal(size=data.shape)
    of_law = np.sum((noised * variances / (variances + time) - data) ** 2)
    order = np.arange(size)  # stored are the first M
    # In so many dimensions a sample's noised copy is nearest to it, and to its mean where it is not stored.
    nearest = np.linalg.norm(noised[:, None] - data[None], axis=2).argmin(axis=1)
    assert (nearest == order).all()
    of_mean = np.sum(data**2, axis=1)
    losses = of_mean.sum() - np.cumsum(of_mean)
    crossed = 1 + np.argmax(losses < of_law)
    law = Manifold([1.0, 0.3], [dims // 2, dims // 2])
    found = model_size_crossover(law, num_samples=size, noise_variance=time)
    assert abs(crossed - found.lower.item()) < 0.02 * size


@pytest.mark.parametrize(
    ("law", "given", "sentence"),
    [
        (Manifold([0.0], [3]), {}, "all variances are zero"),
        (Manifold([1.0], [3]), {"loss_weights": [1.0, 2.0]}, "1 noise variances and 2 weights"),
        (Manifold([1.0], [3]), {"loss_weights": [-1.0]}, "positive, finite"),
        (Manifold([1.0], [3], normalized=True), {}, "normalized"),
    ],
)
def test_bad_input_is_one_sentence(law, given, sentence):
    with pytest.raises(InputError, match=sentence):
        model_size_crossover(law, num_samples=[10], noise_variance=[1.0], **given)
