"""The columns of all tables are explained by the help of their commands."""

import pytest

from geomem.cli.words import COLUMNS, WORDS, column_help
from tests.geomem.cli.commands import run


def test_every_word_is_in_a_table_and_every_column_has_a_word():
    assert {name for columns in COLUMNS.values() for name in columns} == set(WORDS)


@pytest.mark.parametrize("command", COLUMNS)
def test_help_explains_the_columns(capsys, command):
    out, _ = run(capsys, command.replace("_", "-"), "--help")
    out = " ".join(out.split())  # lines are as wide as the console of the first command of this process
    for name in COLUMNS[command]:
        assert f"{WORDS[name].heading}: {WORDS[name].meaning}" in out
    assert ("Columns of the tables" in out) == bool(column_help(command))
