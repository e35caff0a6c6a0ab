"""The law of patches: against patches cut in loops, simulated local scores, and its own limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from notebooks.data import local_scores

from geomem import InputError, Probe, patch_diagram, patch_law, quenched
from geomem.laws.full_mixture import FullMixture
from geomem.laws.manifold import Manifold
from geomem.lowering import lower
from geomem.studies.patch_law import Window, law_in_window
from tests.reference.local_scores import _patch

KEY = jax.random.key(0)
COLOUR = np.random.default_rng(0).normal(size=(4, 5, 6, 2)).cumsum(axis=1)
FIELDS = local_scores.fields(np.random.default_rng(1), 40, local_scores.power_spectrum(16))
ASKED = {"patch_sizes": [2, 3], "noise_variance": [0.1, 0.5], "num_points": 4, "boundary": "periodic", "key": KEY}


def plain(images, size, periodic, pixel=None):
    """Patches one by one, those that reach over the border left out unless they are around one pixel."""
    found = []
    for image in images:
        for row, column in np.ndindex(image.shape[:2]) if pixel is None else [pixel]:
            numbers, there = _patch(image, row, column, size, periodic)
            if pixel is None and not all(there):
                continue
            found.append(numbers[np.array(there)].ravel())
    return np.array(found)


@pytest.mark.parametrize("pixel", [None, (0, 5), (2, 3)])
@pytest.mark.parametrize("boundary", ["zero", "periodic"])
@pytest.mark.parametrize("size", [2, 3])
def test_it_is_the_covariance_of_patches_cut_in_loops(size, boundary, pixel):
    rows = plain(COLOUR, size, boundary == "periodic", pixel)
    found = patch_law(COLOUR, patch_size=size, boundary=boundary, pixel=pixel)
    assert found.positions * len(COLOUR) == len(rows)
    np.testing.assert_allclose(found.law.center, rows.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.law.covariance(), np.cov(rows.T, ddof=0), atol=1e-11)
    assert found.directions.shape == (2, rows.shape[1])
    if pixel:  # the scored pixel is the one that patches are around
        np.testing.assert_array_equal(rows @ found.directions.T, COLOUR[:, pixel[0], pixel[1]])
    assert float(found.log_num_samples(7)) == pytest.approx(np.log(7 * found.positions))


@pytest.mark.slow  # compiles the exact theory of patches twice
def test_zeros_behind_the_patches_change_nothing():
    images = FIELDS[..., None]
    x = np.random.default_rng(2).normal(size=(64, 12))  # as many as are compiled for below
    found = []
    for dims in (9, 12):
        window = Window.of(images, 3, None, True, dims)
        law = law_in_window(window, images, "gaussian", None)
        at = quenched(law.law, law.directions[0], noise_variance=0.3, num_samples=500.0, probe=Probe.point(x[:, :dims]))
        found.append(
            (at.participation, at.score_mean, at.score_variance, law.law.typical_sizes(jnp.array(0.3)).collapse)
        )
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7)


@pytest.mark.slow  # compiles for some seconds
def test_simulated_fields_have_its_participation_and_score_variance():
    """Overlapping patches of one image, and of five, count as independent ones."""
    found = local_scores.table(local_scores.power_spectrum(16), (3,), {1: 24, 5: 12}, np.array([0.1, 0.5]), 4, 16)
    assert np.abs(found.z.values).max() < 4
    relative = found.measured_error / found.measured
    assert relative.sel(observable="participation").max() < 0.1


def test_the_committed_table_agrees_but_for_large_patches_of_one_image():
    """Whose participation is off by less than 0.02, several standard errors of so many seeds."""
    found = xr.load_dataset(local_scores.FOLDER / "local_scores_fields.nc", engine="h5netcdf")
    error = np.hypot(found.measured_error, found.predicted_error)
    np.testing.assert_allclose(found.z, (found.measured - found.predicted) / error)
    assert found.z.size == 60
    one_image = (found.num_images == 1) & (found.patch_size == 8)
    assert float(np.abs(found.z.where(~one_image)).max()) < 4
    away = (found.measured - found.predicted).sel(observable="participation")
    assert float(np.abs(away).max()) < 0.02


@pytest.fixture(scope="module")
def diagram():
    return patch_diagram(FIELDS, num_images=[1, 30], **ASKED)


@pytest.mark.slow  # compiles for some seconds
def test_at_its_critical_size_a_patch_has_a_participation_of_one_half(diagram):
    place = {"patch_size": 1, "noise_variance": 1}
    size = float(np.exp(diagram.log_critical_size[place]))
    again = patch_diagram(FIELDS, num_images=[max(size, 1.0), 2.0], **ASKED)
    at = again.participation[place][0] if size > 1 else None
    assert at is None or float(at) == pytest.approx(0.5, abs=2e-3)
    assert (diagram.status == 0).all()


def test_larger_patches_copy_more_images_at_larger_noise(diagram):
    logs = diagram.log_critical_size.values
    assert (np.diff(logs, axis=0) > 0).all()
    assert (np.diff(logs, axis=1) < 0).all()
    largest = diagram.largest_patch
    np.testing.assert_array_equal(largest == 0, diagram.log_critical_size[0] > np.log(diagram.num_images))
    bits = lower("information_in_bits")(float(diagram.information[0, 0]))
    assert float(diagram.information_bits[0, 0]) == pytest.approx(float(bits))
    collapse = diagram.information - np.log(256)
    np.testing.assert_allclose(diagram.log_collapse_size, collapse, rtol=1e-12)


def test_typical_sizes_of_one_gaussian_are_closed_forms():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 3))
    spectrum = np.append(np.linalg.eigvalsh(root.T @ root) + 0.1, 0.1)
    expected = Manifold(spectrum, np.ones(4)).typical_sizes(jnp.array(0.2))
    whole = FullMixture([1.0], np.ones((1, 4)), (root @ root.T + 0.1 * np.eye(4))[None])
    few = FullMixture.low_rank([1.0], np.ones((1, 4)), root[None], [0.1])
    twice = FullMixture([0.5, 0.5], np.ones((2, 4)), np.stack([root @ root.T + 0.1 * np.eye(4)] * 2))
    for law, off in ((whole, 1e-10), (few, 1e-10), (twice, 0.3)):
        np.testing.assert_allclose(law.typical_sizes(jnp.array(0.2))[:4], expected[:4], atol=off)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"patch_size": 6}, "the images have 5 by 6 pixels"),
        ({"images": COLOUR.reshape(4, -1)}, "reshape flat ones"),
        ({"images": COLOUR[:0]}, "at least 1"),
        ({"pixel": (5, 0)}, "a row and a column of 5 by 6 pixels"),
        ({"boundary": "mirror"}, "no boundary 'mirror'"),
        ({"family": "mixture"}, "give a key"),
        ({"family": "nothing"}, "no family 'nothing'"),
    ],
)
def test_bad_input_is_one_sentence(given, sentence):
    with pytest.raises(InputError, match=sentence):
        patch_law(**{"images": COLOUR, "patch_size": 3} | given)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"patch_sizes": [3, 2]}, "they must rise"),
        ({"patch_sizes": 3}, "a list of whole numbers"),
        ({"num_images": [0]}, "at least 1"),
        ({"num_points": 1}, "num_points is 1"),
        ({"images": FIELDS[:1]}, "at least 2"),
    ],
)
def test_bad_input_to_the_diagram_is_one_sentence(given, sentence):
    with pytest.raises(InputError, match=sentence):
        patch_diagram(**{"images": FIELDS} | ASKED | given)
