"""What a score keeps of every direction, measured on fresh points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem.core.status import InputError
from geomem.empirical.response import measure_response
from geomem.empirical.scores import score_of
from geomem.laws.manifold import Manifold

LAW = Manifold([4.0, 0.25, 0.01], [3, 9, 18])
KEY = jax.random.key(0)
TIME = 0.3


def test_the_exact_score_has_no_noise():
    found = measure_response(score_of(LAW), LAW, noise_variance=TIME, num_points=400, key=KEY)
    exact = 1 / (np.asarray(LAW.variances) + TIME)
    np.testing.assert_allclose(found.response, -exact, rtol=1e-12)
    np.testing.assert_allclose(found.excess_loss, 0, atol=1e-12)
    assert (found.signal_to_noise > 1e10).all()


def test_slope_and_noise_of_a_score_that_has_both():
    """Sines of the next coordinate are independent of a point's own; their mean square is that of a Gaussian's."""

    def score(x, _):
        return -0.5 * jnp.asarray(x) + jnp.sin(3 * jnp.roll(jnp.asarray(x), 1, axis=1))

    found = measure_response(score, LAW, noise_variance=TIME, num_points=8000, key=KEY)
    each = np.roll(np.asarray(LAW.axis_deviations()) ** 2 + TIME, 1)
    noise = np.array([part.mean() for part in np.split((1 - np.exp(-18 * each)) / 2, [3, 12])])
    total = np.asarray(LAW.variances) + TIME
    expected = {
        "response": -0.5 * np.ones(3),
        "second_moment": 0.25 * total + noise,
        "signal_to_noise": 0.25 * total / noise,
        "excess_loss": total * (1 / total - 0.5) ** 2 + noise,
    }
    for name, value in expected.items():
        z = (found[name] - value) / found[f"{name}_error"]
        assert (abs(z) < 4).all(), (name, z.values)


def test_errors_are_those_of_other_points():
    score = score_of(np.asarray(LAW.sample(KEY, 50)))
    drawn = [
        measure_response(score, LAW, noise_variance=TIME, num_points=400, key=jax.random.key(seed))
        for seed in range(1, 41)  # the samples were drawn by 0
    ]
    for name in ("response", "second_moment", "signal_to_noise", "excess_loss"):
        spread = np.std([one[name].values for one in drawn], axis=0, ddof=1)
        claimed = np.mean([one[f"{name}_error"].values for one in drawn], axis=0)
        # The spread of 40 is known to 11 %.
        assert ((spread / claimed > 0.6) & (spread / claimed < 1.6)).all(), name


@pytest.mark.parametrize(
    ("score", "sentence"), [(lambda x, _: x[:, :2], "as many, and finite"), (lambda x, _: x * np.nan, "and finite")]
)
def test_a_score_of_another_kind_is_refused(score, sentence):
    with pytest.raises(InputError, match=sentence):
        measure_response(score, LAW, noise_variance=TIME, num_points=100, key=KEY)
