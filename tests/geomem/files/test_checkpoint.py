"""Checkpoints: what is kept comes back, and a file that is damaged or another's is named."""

import numpy as np
import pytest

from geomem import InputError
from geomem.files.checkpoint import Checkpoint, checkpoint_path

LEAVES = [np.arange(6.0).reshape(2, 3), np.array([True, False]), np.array(7)]


def made(path, **identity):
    identity = {"data": [1, 2], "config": {"width": 8}} | identity
    return Checkpoint(path / "kept.npz", identity, "start anew", "is another's, with another {difference}")


def test_what_is_kept_comes_back_and_is_the_same_file(tmp_path):
    checkpoint = made(tmp_path)
    checkpoint.save(3, LEAVES, rows=np.ones((2, 4)))
    step, leaves, (rows,) = checkpoint.load(LEAVES, ["rows"])
    assert step == 3
    for found, leaf in zip(leaves, LEAVES, strict=True):
        np.testing.assert_array_equal(found, leaf)
    np.testing.assert_array_equal(rows, np.ones((2, 4)))
    before = checkpoint.path.read_bytes()
    checkpoint.save(3, LEAVES, rows=np.ones((2, 4)))
    assert checkpoint.path.read_bytes() == before


def test_an_identity_is_what_json_makes_of_it(tmp_path):
    made(tmp_path, shape=(8, 8, 1)).save(1, LEAVES)
    assert made(tmp_path, shape=[8, 8, 1]).load(LEAVES)[0] == 1


@pytest.mark.parametrize(("other", "named"), [({"data": [1]}, "data"), ({"config": {"width": 9}}, "width")])
def test_another_identity_is_named(tmp_path, other, named):
    made(tmp_path).save(1, LEAVES)
    with pytest.raises(InputError, match=f"kept.npz' is another's, with another {named}"):
        made(tmp_path, **other).load(LEAVES)


def test_damaged_files(tmp_path):
    checkpoint = made(tmp_path)
    checkpoint.save(1, LEAVES, steps=np.arange(2), rows=np.ones((3, 4)))
    for form, histories in ((LEAVES[:2], ("steps", "rows")), (LEAVES, ("steps",)), (LEAVES, ("steps", "rows"))):
        with pytest.raises(InputError, match="is damaged; start anew"):
            checkpoint.load(form, histories)
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:-30])
    with pytest.raises(InputError, match="is damaged; start anew"):
        checkpoint.load(LEAVES)


def test_other_suffixes_are_refused():
    with pytest.raises(InputError, match=r"must be a \.npz file"):
        checkpoint_path("sums.txt")


def test_a_file_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    for path, message in [
        (tmp_path / "nowhere" / "sums.npz", "there is no folder"),
        (tmp_path / "folder.npz", "there is a folder of that name"),
        (tmp_path / f"{'a' * 300}.npz", "its name is too long"),
    ]:
        with pytest.raises(InputError, match=message):
            checkpoint_path(path)
    assert checkpoint_path(tmp_path / "sums.npz") == tmp_path / "sums.npz"
