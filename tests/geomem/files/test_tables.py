"""Tables in text: what is a header, a decimal comma or an index, and what is refused by its line."""

import numpy as np
import pandas as pd
import pytest

from geomem import InputError, load_data

ROWS = np.array([[1.5, -2.0, 3e-3], [4.0, 5.25, 6.0], [7.0, 8.0, 9.0]])


def read(folder, text, *, name="rows.csv", header=None):
    (folder / name).write_text(text)
    return load_data(folder / name, header=header)


@pytest.mark.parametrize(
    ("text", "name", "header"),
    [
        ("1.5,-2,3e-3\n4,5.25,6\n7,8,9\n", "rows.csv", None),
        ("x1,x2,x3\n1.5,-2,3e-3\n4,5.25,6\n7,8,9", "rows.csv", None),
        ('"x1","x, 2",_y\n1.5, -2, 3e-3\n\n# a remark\n4,5.25,6\n7,8,9\n', "rows.csv", None),
        ('"1.5","-2","3e-3"\n4,5.25,6\n7,8,9\n', "rows.csv", None),  # a first row of quoted numbers is a sample
        ("1,5;-2;0,003\n4;5,25;6\n7;8;9\n", "rows.csv", None),
        ("a;b;c\n1,5;-2;3e-3\n4;5.25;6\n7;8;9\n", "rows.csv", None),  # of both kinds
        ("1.5\t-2\t3e-3\n4\t5.25\t6\n7\t8\t9\n", "rows.tsv", None),
        ("0,1,2\n1.5,-2,3e-3\n4,5.25,6\n7,8,9\n", "rows.csv", True),
        ("$1,2nd,NA\n1.5,-2,3e-3\n4,5.25,6\n7,8,9\n", "rows.csv", True),
    ],
)
def test_the_numbers_are_those_of_the_file(tmp_path, text, name, header):
    np.testing.assert_array_equal(read(tmp_path, text, name=name, header=header), ROWS)


def test_numbers_are_read_to_the_last_digit(tmp_path, rng):
    rows = rng.normal(size=(50, 4)) * 10.0 ** rng.integers(-130, 130, size=(50, 4))
    for separator, decimal in ((",", "."), (";", ",")):
        pd.DataFrame(rows, columns=list("abcd")).to_csv(
            tmp_path / "rows.csv", sep=separator, decimal=decimal, index=False
        )
        np.testing.assert_array_equal(load_data(tmp_path / "rows.csv"), rows)


def test_a_row_of_column_numbers_is_asked_about(tmp_path):
    text = "0,1,2\n4,5,6\n7,8,10\n"
    with pytest.raises(InputError, match=r"line 1 is 0, 1, ... up to 2, .* or a sample; say which by --header"):
        read(tmp_path, text)
    assert len(read(tmp_path, text, header=True)) == 2
    assert len(read(tmp_path, text, header=False)) == 3


@pytest.mark.parametrize("columns", [None, ["a", "b", "c"]])
def test_the_index_that_pandas_writes_is_no_sample(tmp_path, columns):
    pd.DataFrame(ROWS, columns=columns).to_csv(tmp_path / "rows.csv")
    with pytest.raises(InputError, match="the first column has no name and counts the rows"):
        load_data(tmp_path / "rows.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "NA,NA\n1,2\n3,4\n",
            "line 1, column 1 is 'NA', which is no number; if this line names the columns, say --header",
        ),
        ("$1,$2\n1,2\n3,4\n", "line 1, column 1 is '.1', which is no number"),
        ("a,2\n1,2\n3,4\n", "line 1, column 1 is 'a'"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 cells where line 2 has 2"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cells where line 2 has 2"),
        ("1,2,\n3,4,\n", "line 1, column 3 is empty"),
        ('1,"1,234"\n3,4\n', "line 1, column 2 is '1,234'"),  # no decimal comma where commas separate
        ("1.234,5;2\n3;4\n", "line 1, column 1 is '1.234,5'"),
        ("1_000,2\n3,4\n", "line 1, column 1 is '1_000'"),
        ("1 2\n3 4\n", "line 1, column 1 is '1 2'"),
        ('1,"2\n3,4\n', "line 1 has a quotation that is not closed"),
        ("1,2+3j\n3,4\n", "column 2 is '2.3j'"),
        ("# only a remark\n\n", "the file holds no rows"),
    ],
)
def test_what_is_no_table_is_refused_by_its_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_only_texts_have_headers(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    with pytest.raises(InputError, match=r"no \.csv or \.tsv file, which alone have a header"):
        load_data(tmp_path / "rows.npy", header=True)
