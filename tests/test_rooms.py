"""The rooms stand in a line: a room imports only rooms above it, and no two modules import each other."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = (
    "lowering",
    "core",
    "schedules",
    "files",
    "laws",
    "levels",
    "boundaries",
    "empirical",
    "studies",
    "networks",
    "figures",
    "reports",
    "cli",
)
MOST_LINES = 320
# Chapters that are one argument each: their lines are equations with their proofs, read from the first to the last;
# and the tables of symbols.
LONGER = {
    "geomem_theory.condensation",
    "geomem_theory.finite_n",
    "geomem_theory.notation",
    "geomem_theory.random_features",
    "geomem_theory.random_manifold",
    "geomem_theory.spectrum_law",
    "geomem_theory.symbols",
    "geomem_theory.trajectories",
    "geomem_theory.unit_normalized",
}


@cache
def modules() -> dict[str, Path]:
    found = {}
    for root in (ROOT / "theory", ROOT / "numerics"):
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text())


@cache
def imported(name: str) -> set[str]:
    """Dotted names that a module imports anywhere: at the top, in a function, or for the type checker alone."""
    package = name if modules()[name].stem == "__init__" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{start}.{alias.name}" for alias in node.names}
    return found


@cache
def ours(name: str) -> set[str]:
    """The modules of ours among what a module imports: the longest beginning of each name that is one."""
    found = set()
    for dotted in imported(name):
        while dotted and dotted not in modules():
            dotted = dotted.rpartition(".")[0]
        found.add(dotted)
    return found - {""}


def room(name: str) -> str:
    return name.split(".")[1]


def inside() -> list[str]:
    """Every module of the package except its door, which names them all for users."""
    return [name for name in modules() if name.startswith("geomem.")]


def test_every_module_is_in_a_room():
    assert {room(name) for name in inside()} == set(ROOMS)


def test_a_room_imports_only_rooms_above_it():
    wrong = [
        f"{name} imports {other}"
        for name in inside()
        for other in ours(name)
        if other.startswith("geomem.") and ROOMS.index(room(other)) > ROOMS.index(room(name))
    ]
    assert not wrong


def test_nothing_inside_goes_through_the_door():
    """There every name is found when it is used: circles through it would not show."""
    assert not [name for name in inside() if "geomem" in ours(name)]


def test_the_theory_stands_alone():
    for name in modules():
        if name.partition(".")[0] == "geomem_theory":
            packages = {dotted.partition(".")[0] for dotted in imported(name)}
            assert not packages & {"geomem", "jax", "jaxlib", "jaxtyping"}, name


def test_no_module_imports_itself_by_way_of_others():
    graph = {name: ours(name) - {name} for name in modules() if name != "geomem"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_no_file_is_long():
    lines = {name: len(path.read_text().splitlines()) for name, path in modules().items()}
    assert {name for name, count in lines.items() if count > MOST_LINES} == LONGER


def test_every_module_says_what_it_is_for():
    first = {name: (ast.get_docstring(tree(name)) or "").partition("\n")[0] for name in modules()}
    assert not [name for name, line in first.items() if not (line.endswith(".") and len(line.split()) > 2)]


def _words(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def test_only_laws_tell_laws_apart():
    laws = {"GaussianMixture", "Law", "Manifold", "RandomManifold"}
    asked = [
        f"{name}:{node.lineno}"
        for name in inside()
        if room(name) != "laws"
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Call) and _words(node.func) == {"isinstance"} and _words(node.args[1]) & laws
    ]
    assert not asked


def test_only_levels_know_their_names():
    """A comparison with the name of a level would be a second door to it."""
    levels = {"finite_n", "gaussian_rem", "random_features", "rem"}
    compared = [
        f"{name}:{node.lineno}"
        for name in inside()
        if room(name) != "levels"
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Compare)
        and levels & {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
    ]
    assert not compared
