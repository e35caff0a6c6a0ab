"""What the README shows is what the code does."""

import contextlib
import io
import re
from pathlib import Path

import pytest

import geomem
from geomem import Manifold, critical_time
from geomem.cli.app import app
from geomem.laws import law
from geomem.levels import level as levels
from geomem.levels.level import criteria_names, level_names

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.slow  # compiles for some seconds
@pytest.mark.parametrize(
    ("code", "printed"), re.findall(r"```python\n([^`]*)```\n\n```text\n([^`]*)```", README), ids=["first"]
)
def test_examples_print_their_numbers(code, printed):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(code, {})
    assert output.getvalue() == printed


def test_every_example_is_run():
    assert README.count("```python") == 1


def test_condensation_times_of_both_levels():
    manifold = Manifold([1.0, 0.09, 1e-4], [2, 5, 23])
    for level, digits in (("gaussian_rem", "0.31034"), ("rem", "0.010798")):
        value = float(critical_time(manifold, 0, num_samples=1000, criterion="condensation", theory=level).value)
        assert f"t = {value:.{len(digits) - 2}f}" in README
        assert digits in README


def test_files_it_points_to_exist():
    for target in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (ROOT / target).is_file(), target


def _table(head: str) -> list[list[str]]:
    """The rows of the table whose first column has this title, cell by cell."""
    lines = re.search(rf"^\| {head} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", README, re.MULTILINE).group(1).splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_what_it_tells_to_call_is_there():
    called = [name for row in _table("you have") for cell in row for name in re.findall(r"`([A-Za-z_][\w.]*)", cell)]
    public = [name for name in called if name not in ("geomem", "noise_variance", "time")]
    assert len(public) > 30
    for name in public:
        owner, _, attribute = name.partition(".")
        assert owner in dir(geomem), name
        assert not attribute or hasattr(getattr(geomem, owner), attribute), name


def test_tables_of_levels_and_criteria_have_them_all():
    assert {row[0].strip("`") for row in _table("level")} == set(level_names())
    assert {row[0].strip("`") for row in _table("criterion")} == set(criteria_names())


def test_where_new_things_go_is_there():
    developing = README.split("## Developing")[1]
    rooms = ROOT / "numerics" / "geomem"
    named = re.findall(r"`((?:\w+/)+(?:\w+\.py)?)`", developing)
    assert len(named) > 5
    for path in named:
        assert (rooms / path).exists(), path
    for module, name in (
        (levels, "Explicit"),
        (levels, "Implicit"),
        (levels, "register"),
        (law, "Law"),
        (law, "LAWS"),
    ):
        assert f"`{name}`" in developing
        assert hasattr(module, name)


COMMANDS = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))


@pytest.mark.parametrize("line", re.findall(r"(?:^|/bin/)geomem (.*)$", COMMANDS, re.MULTILINE))
def test_command_lines_parse(line):
    tokens = re.sub(r"#.*", "", line).split()
    app.parse_args(tokens, exit_on_error=False, print_error=False)


def test_every_command_is_shown():
    shown = set(re.findall(r"(?:^|/bin/)geomem (\S+)", COMMANDS, re.MULTILINE))
    assert shown == {name for name in app if not name.startswith("-")}


def test_no_command_replaces_the_results_of_another():
    """Each can be run again, and all of them one after the other."""
    lines = re.findall(r"(?:^|/bin/)geomem (\S+) .*--out (\S+)", COMMANDS, re.MULTILINE)
    assert len(set(lines)) == len(lines) > 4
