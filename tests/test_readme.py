"""What the README shows is what the code does."""

import contextlib
import io
import re
from pathlib import Path

import pytest

import geomem_theory
from geomem import Manifold, critical_time
from geomem.cli.app import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("code", "printed"),
    re.findall(r"```python\n([^`]*)```\n\n```text\n([^`]*)```", README),
    ids=["first", "errors", "images", "times", "samples"],
)
def test_examples_print_their_numbers(code, printed):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(code, {})
    assert output.getvalue() == printed


def test_notation_table_is_that_of_the_theory():
    table = re.search(r"<!-- notation -->\n(.*?)\n<!-- end of notation -->", README, re.DOTALL).group(1)
    assert table == geomem_theory.notation_table()


def test_condensation_times_of_both_levels():
    manifold = Manifold([1.0, 0.09, 1e-4], [2, 5, 23])
    for level, digits in (("gaussian_rem", "0.31034"), ("rem", "0.010798")):
        value = float(critical_time(manifold, 0, num_samples=1000, criterion="condensation", theory=level).value)
        assert f"t = {value:.{len(digits) - 2}f}" in README
        assert digits in README


def test_files_it_points_to_exist():
    for target in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (ROOT / target).is_file(), target


COMMANDS = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))


@pytest.mark.parametrize("line", re.findall(r"^geomem (.*)$", COMMANDS, re.MULTILINE))
def test_command_lines_parse(line):
    tokens = re.sub(r"#.*", "", line).split()
    app.parse_args(tokens, exit_on_error=False, print_error=False)
