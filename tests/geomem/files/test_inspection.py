"""What is said of data: planted faults are named, clean data give no sentence."""

import numpy as np
import pytest

from geomem import InputError, data_warnings, load_data
from geomem.core.precision import rounding_variances
from geomem.files.inspection import prepare


def _clean(rng: np.random.Generator, samples: int) -> dict[str, np.ndarray]:
    angle = 6 * rng.random(samples)
    directions = rng.normal(size=(samples, 3))
    wide = np.where(rng.random(samples) < 0.5, 1, 0.03)
    return {
        "one": rng.normal(size=(samples, 1)),
        "two": rng.normal(size=(samples, 2)),
        "many": rng.normal(size=(samples, 20)),
        "uniform": rng.random((samples, 2)),
        "curve": np.column_stack([np.cos(angle), np.sin(angle), angle**2]),
        "sphere": directions / np.linalg.norm(directions, axis=1)[:, None],
        "plane": rng.normal(size=(samples, 2)) @ rng.normal(size=(2, 20)),
        "tails": rng.standard_t(3, (samples, 4)),
        "scales": rng.normal(size=(samples, 5)) * wide[:, None] + 3,
        "single": rng.normal(size=(samples, 3)).astype(np.float32),
        "constant": np.column_stack([rng.normal(size=samples), np.full(samples, 1e9)]),
    }


@pytest.mark.parametrize("samples", [30, 1000])
def test_nothing_is_said_of_clean_data(samples):
    for seed in range(2):
        for name, data in _clean(np.random.default_rng(seed), samples).items():
            assert data_warnings(data) == [], name


def test_nothing_is_said_of_digits():
    assert data_warnings(load_data("digits")) == []


@pytest.mark.parametrize("dims", [1, 3, 40])
def test_copies_are_counted_and_named(rng, dims):
    data = rng.normal(size=(500, dims))
    data[[40, 70, 300, 301, 302, 303]] = data[10]
    (said,) = data_warnings(data)
    assert said == "6 of 500 rows repeat earlier ones (rows 40, 70, 300, 301, 302, ...), no independent samples"
    data[0], data[1] = 0.0, -0.0
    assert "7 of 500 rows repeat earlier ones (rows 1, 40," in data_warnings(data)[0]


@pytest.mark.parametrize("dims", [3, 40, 200])
@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_near_copies_are_counted_and_named(rng, dims, shift):
    data = rng.normal(size=(1000, dims)) + shift
    data[900] = data[500] + 1e-6 * rng.normal(size=dims)
    data[[20, 30]] = data[10] + 1e-6 * rng.normal(size=(2, dims))
    (said,) = data_warnings(data)
    assert "5 of 1000 rows nearly repeat others (rows 10, 20, 30, 500, 900)" in said


def test_on_a_line_only_more_than_chance_are_near_copies(rng):
    data = rng.random((20_000, 1))
    assert data_warnings(data) == []
    data[1000:1200] = data[:200] + 1e-10
    (said,) = data_warnings(data)
    assert int(said.split()[0]) == pytest.approx(400, abs=30)


def test_a_row_far_away_is_named(rng):
    data = rng.normal(size=(300, 4)) + 50
    data[7] += 50
    assert data_warnings(data) == []
    data[8, 2] = 1e4
    (said,) = data_warnings(data)
    assert "1 of 300 rows lies farther from the median than 100 times the median distance (row 8)" in said


def test_unlike_scales_are_named(rng):
    data = rng.normal(size=(300, 3)) * [1.0, 500.0, 0.1]
    (said,) = data_warnings(data)
    assert "differ by a factor of 4.6e+03" in said
    assert "column 1: " in said
    assert "column 2: " in said
    assert data_warnings(data[:, :2]) == []


def test_pixels_that_are_rarely_lit_are_of_one_scale(rng):
    pixels = rng.integers(0, 256, (5000, 8)).astype(float)
    pixels[:, 0] = 0
    pixels[5, 0] = 1
    assert pixels[:, 1].std() > 1e3 * pixels[:, 0].std()
    assert data_warnings(pixels) == []


def test_fewer_rows_than_columns(rng):
    assert data_warnings(rng.normal(size=(41, 40))) == []
    for samples in (40, 2):
        (said,) = data_warnings(rng.normal(size=(samples, 40)))
        assert f"{samples} rows in 40 columns vary in at most {samples - 1} directions" in said


@pytest.mark.parametrize(
    "index", [np.arange(100), np.arange(300.0, 0, -3), np.linspace(0, 1, 100), np.linspace(5, 6, 100, dtype=np.float32)]
)
def test_an_index_is_named_and_hides_no_copies(rng, index):
    data = rng.normal(size=(100, 3))
    data[:, 1] = index
    (said,) = data_warnings(data)
    assert said.startswith("column 1: in equal steps from row to row")
    data[50, [0, 2]] = data[49, [0, 2]]
    assert "1 of 100 rows repeats earlier ones (row 50)" in data_warnings(data)[1]
    data[60, 1] += 0.4 * (index[1] - index[0])
    assert data_warnings(data) == []


def test_data_that_are_one_sample():
    assert len(data_warnings(np.ones((40, 2)))) == 1
    assert data_warnings(np.arange(40.0)[:, None]) == ["column 0: in equal steps from row to row, as an index is"]


def test_parts_are_looked_at_together(rng, monkeypatch):
    data = rng.normal(size=(3000, 12)) * np.geomspace(1e5, 1, 12)
    data[2000] = data[1]
    data[1500] = data[2] * (1 + 1e-9)
    data[2999, 0] = 1e9
    whole = data_warnings(data)
    assert len(whole) == 4
    monkeypatch.setattr("geomem.core.arguments._PART", 1200)
    monkeypatch.setattr("geomem.files.inspection._TOGETHER", 100)
    monkeypatch.setattr("geomem.files.inspection._LOOKED_AT", 700)
    assert data_warnings(data) == whole


def test_data_are_prepared_as_asked(rng):
    data = (rng.normal(size=(60, 4)) * [1.0, 1e5, 10.0, 0.0]).astype(np.float32)
    data[50] = data[3]
    data[51, 1:] = data[4, 1:]
    found = prepare(data, [1, 3, 2], drop_duplicates=True, standardize=True)
    expected = np.delete(data[:, [1, 3, 2]], [50, 51], axis=0).astype(float)
    deviations = np.where(expected.std(axis=0) > 0, expected.std(axis=0), 1)
    np.testing.assert_allclose(found.data, expected / deviations, rtol=1e-6)
    np.testing.assert_allclose(found.rounding, rounding_variances(np.float32(expected)) / deviations**2, rtol=1e-6)
    assert list(found.sentences) == ["dropped", "standardized"]
    assert "dropped 2 of 60 rows that repeat earlier ones, or nearly (rows 50, 51)" in found.sentences["dropped"]
    assert "divided 2 columns" in found.sentences["standardized"]


def test_data_are_left_as_they_are(rng):
    data = rng.normal(size=(60, 4))
    data[50] = data[3]
    before = data.copy()
    found = prepare(data, None, drop_duplicates=False, standardize=False)
    assert found.data is data
    np.testing.assert_array_equal(data, before)
    assert list(found.sentences) == ["copies"]


def test_columns_that_are_taken_keep_their_numbers(rng):
    data = rng.normal(size=(60, 4)) * [1, 1, 1, 1e5]
    (said,) = prepare(data, [3, 1], drop_duplicates=False, standardize=False).sentences.values()
    assert "column 3: " in said
    assert "column 1: " in said


@pytest.mark.parametrize(
    ("columns", "message"),
    [([4], "there is no column 4"), ([0, -1], "no column -1"), ([], "no column is named"), ([1, 1], "name one twice")],
)
def test_columns_that_there_are_not(columns, message):
    with pytest.raises(InputError, match=message):
        prepare(np.zeros((5, 4)), columns, drop_duplicates=False, standardize=False)


def test_data_without_anything_left():
    with pytest.raises(InputError, match=r"1 row\(s\)"):
        prepare(np.ones((5, 4)), None, drop_duplicates=True, standardize=False)
    with pytest.raises(InputError, match="too far from one"):
        data_warnings(np.array([[1e200], [2e200], [3e200]]))
