"""Agreement of scores with local ones: of a local score itself, of whole images, and what is refused."""

import jax
import numpy as np
import pytest

from geomem import InputError, local_agreement, local_gibbs, local_score_of, score_of

IMAGES = np.random.default_rng(0).normal(size=(6, 5, 5))
PROBES = np.random.default_rng(1).normal(size=(8, 5, 5))
KEY = jax.random.key(0)
TIMES = [0.5, 2.0]
ASKED = {"noise_variance": TIMES, "patch_sizes": [1, 3, 5], "key": KEY}


@pytest.fixture(scope="module")
def agreement():
    """Of a local score, of that of whole images, and of one that is the first to a factor and a shift."""
    local, whole = local_score_of(IMAGES, patch_size=3), score_of(IMAGES.reshape(6, -1))
    scores = [local, whole, lambda x, t: (3 * (x + t * local(x, t)) + 7 - x) / t]
    return local_agreement(scores, IMAGES, PROBES, **ASKED), scores


def test_a_local_score_is_found_by_its_patch_size(agreement):
    found = agreement[0].isel(score=[0, 2])
    np.testing.assert_allclose(found.r_squared.sel(patch_size=3), 1, atol=1e-12)
    assert (found.r_squared.sel(patch_size=[1, 5]) < 0.98).all()
    assert (found.whole < 0.98).all()
    for end in ("", "_lower", "_upper"):
        assert (found[f"best_patch_size{end}"] == 3).all()


def test_the_score_of_whole_images_is_found_as_such(agreement):
    found = agreement[0].isel(score=1)
    np.testing.assert_allclose(found.whole, 1, atol=1e-12)
    assert (found.r_squared < 0.99).all()


def test_it_is_the_median_over_noised_probes_of_the_correlation(agreement):
    found, (local, whole, _) = agreement
    x = (PROBES + np.sqrt(TIMES[1]) * np.asarray(jax.random.normal(KEY, PROBES.shape))).reshape(8, -1)
    one, other = (np.asarray(x + TIMES[1] * score(x, TIMES[1])) for score in (local, whole))
    squares = [np.corrcoef(*pair)[0, 1] ** 2 for pair in zip(one, other, strict=True)]
    cell = found.isel(score=0, noise_variance=1)
    np.testing.assert_allclose(cell.whole, np.median(squares), rtol=1e-10)
    assert np.min(squares) <= cell.whole_lower < cell.whole < cell.whole_upper <= np.max(squares)
    participation = local_gibbs(x.reshape(PROBES.shape), IMAGES, TIMES[1], patch_size=5).participation
    of_probes = participation.mean(axis=(1, 2))
    np.testing.assert_allclose(cell.participation[2], of_probes.mean(), rtol=1e-10)
    np.testing.assert_allclose(cell.participation_error[2], of_probes.std(ddof=1) / np.sqrt(8), rtol=1e-10)


def test_one_score_has_no_axis_and_a_constant_one_no_correlation():
    found = local_agreement(lambda x, t: -x / t, IMAGES, PROBES, **ASKED)
    assert found.r_squared.dims == ("noise_variance", "patch_size")
    np.testing.assert_array_equal(found.r_squared, 0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"probes": PROBES[:2]}, "at least 3 images"),
        ({"probes": PROBES[:, :4]}, "must be the same"),
        ({"patch_sizes": [3, 3]}, "must rise"),
        ({"patch_sizes": [7]}, "the images have 5 by 5 pixels"),
        ({"score": []}, "the score is None"),
        ({"score": lambda x, t: x[:, :3]}, "values of shape"),
        ({"score": lambda x, t: x * np.nan}, "as many, and finite"),
    ],
)
def test_bad_input(changed, message):
    given = {"score": score_of(IMAGES.reshape(6, -1)), "images": IMAGES, "probes": PROBES, **ASKED} | changed
    with pytest.raises(InputError, match=message):
        local_agreement(**given)
