"""Local scores: against a plain loop, their limits and symmetries, and where scores go."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem.core.status import InputError
from geomem.empirical.gibbs import score
from geomem.empirical.local import local_gibbs, local_score, local_score_of
from geomem.empirical.sampling import generate
from geomem.empirical.spectrum import measure_spectrum
from tests.reference.local_scores import plain_local_score

IMAGES = np.random.default_rng(0).normal(size=(3, 4, 5, 2))
PROBES = np.random.default_rng(1).normal(size=(2, 4, 5, 2))


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize("boundary", ["zero", "periodic"])
@pytest.mark.parametrize("equivariant", [True, False])
def test_it_is_the_plain_loop(equivariant, boundary):
    """Of every patch size at once, odd and even, in colour; with the nearest patch and its distance."""
    times, sizes = np.array([0.7, 0.2, 1.5, 0.7]), (1, 2, 3, 4)
    given = {"patch_size": sizes, "equivariant": equivariant, "boundary": boundary}
    scores, gibbs = (one(PROBES, IMAGES, times, **given) for one in (local_score, local_gibbs))
    for level, (time, size) in enumerate(zip(times, sizes, strict=True)):
        plain = plain_local_score(PROBES, IMAGES, time, size, equivariant, boundary == "periodic")
        np.testing.assert_allclose(scores[level], plain.score, atol=1e-10)
        np.testing.assert_allclose(gibbs.participation[level], plain.participation, atol=1e-12)
        np.testing.assert_allclose(gibbs.log_partition[level], plain.log_partition, atol=1e-10)
        np.testing.assert_allclose(gibbs.nearest_distance[level] ** 2, plain.nearest_squared, atol=1e-12)
        place = (gibbs.nearest_index[level], gibbs.nearest_row[level], gibbs.nearest_column[level])
        np.testing.assert_array_equal(np.stack(place), plain.nearest)
        flat = local_score_of(IMAGES, patch_size=size, equivariant=equivariant, boundary=boundary)
        np.testing.assert_allclose(flat(PROBES.reshape(2, -1), time).reshape(PROBES.shape), plain.score, atol=1e-10)


def test_a_patch_as_large_as_the_image_is_the_whole_score():
    images, probes = IMAGES[:, :, :4, 0], PROBES[:, :, :4, 0]
    found = local_score(probes, images, [0.7, 1e-3], patch_size=4, equivariant=False, boundary="periodic")
    assert found.shape == (2, 2, 4, 4)
    expected = score(probes.reshape(2, -1), images.reshape(3, -1), [0.7, 1e-3])
    np.testing.assert_allclose(found.reshape(2, 2, -1), expected, rtol=1e-12)


def test_equivariant_and_periodic_it_follows_shifts():
    moved = np.roll(PROBES, (1, 2), axis=(1, 2))
    found, of_moved = (local_score(x, IMAGES, 0.7, patch_size=3, boundary="periodic") for x in (PROBES, moved))
    np.testing.assert_allclose(of_moved, np.roll(found, (1, 2), axis=(1, 2)), atol=1e-12)


def test_chunks_do_not_matter():
    whole, parts = (local_score(PROBES, IMAGES, 0.7, patch_size=3, chunk_size=size) for size in (None, 1))
    np.testing.assert_allclose(parts, whole, rtol=1e-12)


def test_without_noise_a_training_image_is_its_own_nearest_patch():
    found = local_gibbs(IMAGES, IMAGES, 1e-8, patch_size=3)
    np.testing.assert_allclose(found.participation, 1)
    np.testing.assert_array_equal(found.nearest_index, np.broadcast_to(np.arange(3)[:, None, None], (3, 4, 5)))


@pytest.mark.slow  # compiles for some seconds
def test_it_goes_where_scores_go():
    flat, key = local_score_of(IMAGES[..., 0], patch_size=3), jax.random.key(0)
    point = PROBES[0, ..., 0].ravel()
    spectrum = measure_spectrum(flat, point, [0.5], protocol="jacobian", key=key)
    slopes = jax.jacfwd(lambda x: flat(x[None], 0.5)[0])(jnp.asarray(point))
    step = 1e-5 * np.eye(20)
    differences = (flat(point + step, 0.5) - flat(point - step, 0.5)) / 2e-5
    np.testing.assert_allclose(slopes, differences.T, atol=1e-7)
    values = np.linalg.eigvalsh(-0.25 * (slopes + slopes.T))[::-1]
    np.testing.assert_allclose(spectrum.singular_value.squeeze(), values, atol=1e-10)
    drawn = generate(flat, key, num_samples=2, dims=20, noise_variance=np.geomspace(10, 1e-2, 5), method="ode")
    assert np.isfinite(drawn.x).all()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"patch_size": 5}, "patch_size is 5, and the images have 4 by 5 pixels"),
        ({"patch_size": 0}, "patch_size is 0"),
        ({"patch_size": [3, 3]}, "2 patch sizes and 1 noise variances"),
        ({"boundary": "mirror"}, "there is no boundary 'mirror'"),
        ({"images": IMAGES.reshape(3, -1)}, "reshape flat ones"),
        ({"images": IMAGES[:, :3]}, "they must be the same"),
        ({"images": IMAGES[:1], "equivariant": False}, "there must be at least 2"),
        ({"images": IMAGES[:0]}, "there must be at least 1"),
        ({"x": PROBES[..., 0]}, "they must be the same"),
        ({"x": PROBES * np.nan}, "the probes hold NaN"),
        ({"noise_variance": -1.0}, "positive"),
    ],
)
def test_bad_input_is_one_sentence(given, sentence):
    with pytest.raises(InputError, match=sentence):
        local_score(**{"x": PROBES, "images": IMAGES, "noise_variance": 0.7, "patch_size": 3} | given)
