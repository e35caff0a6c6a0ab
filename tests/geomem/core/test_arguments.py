"""What a user passes: whole numbers, and the parts of a table."""

import numpy as np
import pytest

from geomem import InputError
from geomem.core.arguments import parts, whole_number
from geomem.core.kinds import whole_numbers


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_are_integers(value):
    found = whole_number(value, "count", 3)
    assert found == 3
    assert type(found) is int


@pytest.mark.parametrize("value", [True, 3.0, 2, np.float64(3), "3", None, [3]])
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(InputError, match=r"count is .*; it must be a whole number from 3"):
        whole_number(value, "count", 3)


def test_a_list_of_whole_numbers():
    np.testing.assert_array_equal(whole_numbers([2.0, 3], "count", 2), [2, 3])
    for values in ([2, 1], [2.5], [[2]], [], [np.inf], [1e13]):
        with pytest.raises(InputError, match="count is"):
            whole_numbers(values, "count", 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parts_of_a_table_are_all_of_it(dtype):
    table = np.random.default_rng(0).normal(size=(3000, 1500)).astype(dtype)
    found = list(parts(table))
    assert len(found) == 2
    assert {part.dtype for part in found} == {np.dtype(float)}
    np.testing.assert_array_equal(np.concatenate(found), table)
