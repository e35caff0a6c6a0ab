"""The command `derive`: the derivations in reading order, by chapters, as text and as JSON."""

import json

import pytest

from tests.geomem.cli.commands import fail, run


@pytest.mark.slow  # derives and prints every chapter
def test_derive(capsys, tmp_path):
    out, _ = run(capsys, "derive", "--chapter", "partition")
    assert "### `generating_function`" in out
    assert "### `entropy`" not in out
    run(capsys, "derive", "--format", "latex", "--out", tmp_path)
    text = (tmp_path / "derivation.tex").read_text()
    assert text.index("eq:generating_function}") < text.index("eq:entropy}") < text.index("eq:population_score}")
    out, _ = run(capsys, "derive", "--chapter", "partition", "--json")
    rows = json.loads(out)
    assert {"chapter", "name", "source", "latex", "steps"} == set(rows[0])
    assert rows[1]["steps"][1]["latex"]
    run(capsys, "derive", "--chapter", "score", "--json", "--out", tmp_path)
    assert {row["chapter"] for row in json.loads((tmp_path / "derivation.json").read_text())} == {"score"}
    again = ("derive", "--json", "--out", tmp_path, "--chapter")
    assert run(capsys, *again, "score") == ("", "")
    assert "derivation.json is another derivation; choose another --out" in fail(capsys, *again, "partition")
    assert "replaced" in run(capsys, *again, "partition", "--overwrite")[1]


def test_an_unknown_chapter(capsys):
    assert "no chapter 'finite'" in fail(capsys, "derive", "--chapter", "finite")
