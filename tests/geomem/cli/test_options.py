"""What the commands say of data, and do with them if asked: on stderr, in the record, and in the numbers."""

import json

import numpy as np
import pytest

from geomem import Manifold
from tests.geomem.cli.commands import fail, run

ASKED = ["critical-size", "--theory", "gaussian_rem", "--criterion", "participation", "--noise-variance", 0.1, "--json",
         "--overwrite"]  # fmt: skip


def _asked(capsys, folder, data, *options: object) -> tuple[list[float], list[str], dict[str, object]]:
    """Variances of the blocks, what is said on stderr, and what is recorded."""
    np.save(folder / "data.npy", data)
    out, err = run(capsys, *ASKED, "--data", folder / "data.npy", "--out", folder, *options)
    written = json.loads((folder / "critical_size.json").read_text())
    assert written["rows"] == json.loads(out)
    said = [line.removeprefix("geomem: ") for line in err.splitlines() if line.startswith("geomem: ")]
    inputs = written["provenance"]["inputs"]
    # What is said of the law is another matter.
    notes = [one for one in said if "of another run" not in one and "one Gaussian is off" not in one]
    assert inputs["data_notes"] == notes
    return [row["local_variance"] for row in written["rows"]], notes, inputs


@pytest.fixture
def data(rng):
    return rng.normal(size=(100, 3)) * [3.0, 2.0, 1.0]


def test_of_clean_data_nothing_is_said(capsys, tmp_path, data):
    variances, notes, inputs = _asked(capsys, tmp_path, data)
    assert notes == []
    assert variances == pytest.approx(Manifold.from_data(data).variances.tolist())
    assert (inputs["columns"], inputs["drop_duplicates"], inputs["standardize"]) == (None, False, False)


def test_copies_are_named_and_dropped_if_asked(capsys, tmp_path, data):
    twice = np.concatenate([data, data[:40], data[50:60] + 1e-9])
    variances, notes, inputs = _asked(capsys, tmp_path, twice)
    assert len(notes) == 2
    assert "40 of 150 rows repeat earlier ones (rows 100, 101, 102, 103, 104, ...)" in notes[0]
    assert "20 of 150 rows nearly repeat others (rows 50, 51," in notes[1]
    assert all("--drop-duplicates" in note for note in notes)
    assert variances == pytest.approx(Manifold.from_data(twice).variances.tolist())
    assert inputs["num_samples"] == 150
    variances, notes, inputs = _asked(capsys, tmp_path, twice, "--drop-duplicates")
    assert len(notes) == 1
    assert "dropped 50 of 150 rows" in notes[0]
    assert variances == pytest.approx(Manifold.from_data(data).variances.tolist())
    assert (inputs["num_samples"], inputs["drop_duplicates"]) == (100, True)


def test_an_outlier_is_named(capsys, tmp_path, data):
    data[17] = 1e4
    variances, notes, _ = _asked(capsys, tmp_path, data)
    assert len(notes) == 1
    assert "(row 17)" in notes[0]
    assert variances == pytest.approx(Manifold.from_data(data).variances.tolist())


def test_unlike_columns_are_named_and_standardized_if_asked(capsys, tmp_path, data):
    data[:, 0] *= 1e5
    _, notes, _ = _asked(capsys, tmp_path, data)
    assert len(notes) == 1
    assert "--standardize makes them one" in notes[0]
    variances, notes, inputs = _asked(capsys, tmp_path, data, "--standardize")
    assert notes == ["divided 3 columns by their standard deviations"]
    assert variances == pytest.approx(np.linalg.eigvalsh(np.corrcoef(data.T))[::-1])
    assert inputs["standardize"]


def test_standardized_data_have_the_rounding_of_the_data(capsys, tmp_path, rng):
    plane = (rng.normal(size=(100, 2)) @ rng.normal(size=(2, 4)) + 5).astype(np.float32)
    variances, _, _ = _asked(capsys, tmp_path, plane, "--standardize")
    assert len(variances) == 3
    assert variances[-1] == 0


def test_few_rows_are_named(capsys, tmp_path, rng):
    variances, notes, _ = _asked(capsys, tmp_path, rng.normal(size=(5, 8)))
    assert notes == ["5 rows in 8 columns vary in at most 4 directions; the others have variance 0"]
    assert len(variances) == 5


def test_an_index_is_named_and_left_out_if_asked(capsys, tmp_path, data):
    indexed = np.column_stack([np.arange(100), data])
    _, notes, _ = _asked(capsys, tmp_path, indexed)
    assert notes == ["column 0: in equal steps from row to row, as an index is; --columns takes the others"]
    variances, notes, inputs = _asked(capsys, tmp_path, indexed, "--columns", 1, 2, 3)
    assert notes == []
    assert variances == pytest.approx(Manifold.from_data(data).variances.tolist())
    assert inputs["columns"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--standardize"], "change --data"),
        (["--drop-duplicates"], "change --data"),
        (["--columns", 1], "change --data"),
        (["--data", "data.npy", "--columns", 1, 3], "there is no column 3; the data have columns 0 to 2"),
        (["--data", "data.npy", "--columns", 1, 1], "name one twice"),
        (["--data", "data.npy", "--columns", 1.5], "--columns"),
    ],
)
def test_what_cannot_be_done(capsys, tmp_path, monkeypatch, data, arguments, message):
    monkeypatch.chdir(tmp_path)
    np.save("data.npy", data)
    assert message in fail(capsys, *ASKED, *arguments, "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_columns_by_name_and_what_is_no_table(capsys, tmp_path, data):
    (tmp_path / "named.csv").write_text("a,b,2\n" + "\n".join(",".join(map(str, row)) for row in data) + "\n")
    given = [*ASKED, "--data", tmp_path / "named.csv", "--header", "--out", tmp_path]
    rows = json.loads(run(capsys, *given, "--columns", "b", 2)[0])
    expected = Manifold.from_data(data[:, 1:]).variances.tolist()
    assert [row["local_variance"] for row in rows] == pytest.approx(expected)
    assert "--columns has 'c', which is no column; they are a, b, 2" in fail(capsys, *given, "--columns", "c")
    variances, notes, _ = _asked(capsys, tmp_path, data[:96].reshape(48, 2, 3))
    assert notes[0] == "48 samples of 2 by 3 numbers are taken as rows of 6"
    assert variances == pytest.approx(Manifold.from_data(data[:96].reshape(48, 6)).variances.tolist())


@pytest.mark.parametrize("command", [ASKED, ["spectrum"]])
def test_one_size_alone(capsys, tmp_path, command):
    said = fail(capsys, *command, "--num-samples", 10, 20, "--out", tmp_path / "new")
    assert "--num-samples has 2 sizes, and this command takes one; phase-diagram takes several" in said
