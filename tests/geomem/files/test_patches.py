"""Patches of two photographs: where they are from, which ones, and what is refused."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_image

from geomem import InputError, load_data, load_images

GREY = np.array([0.299, 0.587, 0.114])


@pytest.fixture(scope="module")
def both():
    return load_data("patches:300")


def test_they_are_windows_of_the_photographs(both):
    for place, name in enumerate(("china", "flower")):
        image = load_sample_image(f"{name}.jpg") / 255
        for patch in both[place::2][:20]:
            at = np.argwhere(np.isclose((image @ GREY)[:420, :633], patch[0], atol=1e-12))
            assert any(np.allclose((image @ GREY)[y : y + 8, x : x + 8].ravel(), patch, atol=1e-12) for y, x in at)


def test_colours_stand_side_by_side_and_are_those_of_the_grey_levels(both):
    colour = load_data("patches:8:colour:300")
    assert colour.shape == (300, 192)
    assert 0 <= colour.min() < colour.max() <= 1
    np.testing.assert_allclose(colour.reshape(300, 64, 3) @ GREY, both, atol=1e-12)


def test_held_out_by_photograph(both):
    np.testing.assert_array_equal(both[0::2], load_data("patches:china:150"))
    np.testing.assert_array_equal(both[1::2], load_data("patches:flower:150"))


def test_they_are_always_the_same_and_more_begin_with_fewer(both):
    np.testing.assert_array_equal(both, load_data("patches:1001")[:300])
    # NumPy keeps the stream of PCG64 as it is.
    first = [[0.48156078, 0.4692549], [0.25452941, 0.25565882]]
    np.testing.assert_allclose(both[:2, :2], first, atol=1e-8)


def test_sizes():
    assert load_data("patches").shape == (30_000, 64)
    assert load_data("patches:flower:16:500").shape == (500, 256)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("patches:12", "'12' in their name; after 'patches' may stand 8 or 16"),
        ("patches:", "'' in their name"),
        ("patches:color", "'color' in their name"),
        ("patches:8:16", "name '8' and '16'; give one"),
        ("patches:china:300000", "the photograph 'china' has 265860 patches of 8 by 8 pixels, not 300000"),
    ],
)
def test_other_names_are_refused(name, said):
    with pytest.raises(InputError, match=said):
        load_data(name)


@pytest.mark.parametrize(("name", "shape"), [("patches:100", (8, 8, 1)), ("patches:16:colour:100", (16, 16, 3))])
def test_they_are_images_too(name, shape):
    images = load_images(name)
    assert images.shape == (100, *shape)
    np.testing.assert_allclose(images.reshape(100, -1), 2 * load_data(name) - 1, atol=1e-6)
