"""Data files: what is read, and what is refused without being unpickled."""

import numpy as np
import pytest

from geomem import InputError, load_data

ROWS = np.arange(12.0).reshape(4, 3)


class Malicious:
    """A pickle that would leave a mark if it were ever loaded."""

    def __reduce__(self):
        return (print, ("unpickled",))


def test_digits():
    digits = load_data("digits")
    assert digits.shape == (1797, 61)
    assert (np.ptp(digits, axis=0) > 0).all()


def test_files(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS.astype(np.float32))
    np.savez(tmp_path / "one.npz", rows=ROWS)
    np.savez(tmp_path / "two.npz", rows=ROWS, other=ROWS + 1)
    np.savetxt(tmp_path / "plain.csv", ROWS, delimiter=",")
    np.savetxt(tmp_path / "named.csv", ROWS, delimiter=",", header="a,b,c", comments="")
    plain = (tmp_path / "plain.csv").read_text()
    (tmp_path / "marked.csv").write_text(plain, encoding="utf-8-sig")
    (tmp_path / "blank_lines.csv").write_text("\n\na,b,c\n" + plain)
    for name in (
        "marked.csv",
        "blank_lines.csv",
        "rows.npy",
        "one.npz",
        "one.npz:rows",
        "two.npz:rows",
        "plain.csv",
        "named.csv",
    ):
        found = load_data(str(tmp_path / name))
        assert found.dtype == (np.float32 if name == "rows.npy" else np.float64)
        np.testing.assert_array_equal(found, ROWS)
    np.testing.assert_array_equal(load_data(str(tmp_path / "two.npz:other")), ROWS + 1)


def test_a_npy_file_stays_in_its_file(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    assert isinstance(load_data(str(tmp_path / "rows.npy")).base, np.memmap)


def _write_bad_files(folder):
    np.save(folder / "pickle.npy", np.array([Malicious(), Malicious()], dtype=object), allow_pickle=True)
    np.savez(folder / "pickle.npz", rows=np.array([Malicious()], dtype=object))
    (folder / "empty.npy").touch()
    (folder / "empty.npz").touch()
    (folder / "empty.csv").touch()
    whole = folder / "whole.npy"
    np.save(whole, ROWS)
    (folder / "truncated.npy").write_bytes(whole.read_bytes()[:-8])
    (folder / "text.npy").write_text("not an array")
    (folder / "text.npz").write_text("not an archive")
    np.savez(folder / "two.npz", rows=ROWS, other=ROWS)
    np.savez(folder / "none.npz")
    np.save(folder / "one_row.npy", ROWS[:1])
    np.save(folder / "nan.npy", np.where(ROWS == 4, np.nan, ROWS))
    (folder / "ragged.csv").write_text("1,2,3\n4,5\n")
    (folder / "words.csv").write_text("a,b\n1,2\nx,4\n")
    (folder / "missing_value.csv").write_text("1,2\n3,nan\n")
    (folder / "gap_in_first_row.csv").write_text("1,,3\n1,2,3\n3,4,5\n")
    (folder / "na_in_first_row.csv").write_text("NA,2\n1,2\n3,4\n")
    np.savez_compressed(folder / "damaged.npz", rows=np.random.default_rng(0).normal(size=(50, 50)))
    damaged = bytearray((folder / "damaged.npz").read_bytes())
    damaged[200:260] = bytes(60)
    (folder / "damaged.npz").write_bytes(damaged)
    header = whole.read_bytes()
    (folder / "header.npy").write_bytes(header.replace(b"(4, 3)", b"(4, 3 "))
    (folder / "huge.npy").write_bytes(header.replace(b"(4, 3)", b"(4000000000000, 3)").replace(b" " * 12, b"", 1))
    (folder / "rows.txt").write_text("1 2\n")
    np.savez(folder / "archive.npz", rows=ROWS)
    (folder / "archive.npz").rename(folder / "archive.npy")
    whole.rename(folder / "bare.npz")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.npy", "there is no such file or folder of data"),
        ("pickle.npy", "it holds objects, not numbers; save it as an array of numbers"),
        ("pickle.npz", "it holds objects, not numbers; save it as an array of numbers"),
        ("empty.npy", "it holds no array of NumPy"),
        ("empty.npz", "it is no archive of arrays"),
        ("empty.csv", "the file holds no rows"),
        ("truncated.npy", "the file is cut off: its header announces"),
        ("text.npy", "it holds no array of NumPy"),
        ("text.npz", "it is no archive of arrays of NumPy"),
        ("two.npz", "choose one by FILE.npz:KEY; the file holds rows, other"),
        ("two.npz:third", "there is no array 'third'"),
        ("none.npz", "the file holds nothing"),
        ("one_row.npy", "1 row"),
        ("nan.npy", "row 1 of the data holds NaN"),
        ("ragged.csv", "line 2 has 2 cells where line 1 has 3"),
        ("words.csv", "line 3, column 1 is 'x', which is no number$"),
        ("missing_value.csv", "row 1 of the data holds NaN"),
        ("gap_in_first_row.csv", "line 1, column 2 is empty"),
        ("na_in_first_row.csv", "line 1, column 1 is 'NA', which is no number; if this line names"),
        ("damaged.npz", "the header of its array is damaged"),
        ("header.npy", "the header of its array is damaged"),
        ("huge.npy", "the file is cut off"),
        (
            "rows.txt",
            "it is no file of data but text; name it .csv or .tsv if it is a table; read are .csv",
        ),
        ("archive.npy", "name it .npz"),
        ("bare.npz", "name it .npy"),
        (".npy", "there is no such file or folder"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, capsys, name, message):
    _write_bad_files(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        load_data(str(tmp_path / name))
    assert "\n" not in str(caught.value)
    assert "unpickled" not in capsys.readouterr().out


@pytest.mark.parametrize("source", ["digits", "patches:4", "one.npy"])
@pytest.mark.parametrize("header", [True, False])
def test_only_text_has_a_header(source, header, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("one.npy", np.eye(3))
    with pytest.raises(InputError, match=r"have no header; leave it out|which alone have a header"):
        load_data(source, header=header)
