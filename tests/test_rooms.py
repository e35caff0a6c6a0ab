"""The rooms stand in a line: a room imports only rooms above it, and no two modules import each other."""

import ast
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
    "cli",
)
MOST_LINES = 320
# Chapters that are one argument each: their lines are equations with their proofs, read from the first to the last.
LONGER = {
    "geomem_theory.condensation",
    "geomem_theory.finite_n",
    "geomem_theory.random_manifold",
    "geomem_theory.trajectories",
}


def _modules() -> dict[str, Path]:
    roots = (ROOT / "theory", ROOT / "numerics")
    found = {}
    for root in roots:
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}


def _imported(name: str) -> set[str]:
    """Modules of ours that this one imports anywhere: at the top, in a function, or for the type checker alone."""
    package = name if MODULES[name].stem == "__init__" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            found |= {_module(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            found |= {_module(f"{start}.{alias.name}") for alias in node.names}
    return found - {""}


def _module(dotted: str) -> str:
    """The longest beginning of a dotted name that is a module of ours; empty for others' names."""
    while dotted and dotted not in MODULES:
        dotted = dotted.rpartition(".")[0]
    return dotted


IMPORTED = {name: _imported(name) for name in MODULES}


def _room(name: str) -> str:
    return name.split(".")[1]


def test_every_module_is_in_a_room():
    assert {_room(name) for name in MODULES if name.startswith("geomem.")} == set(ROOMS)


def test_a_room_imports_only_rooms_above_it():
    wrong = [
        f"{name} imports {other}"
        for name in MODULES
        if name.startswith("geomem.")
        for other in IMPORTED[name]
        if other.startswith("geomem.") and ROOMS.index(_room(other)) > ROOMS.index(_room(name))
    ]
    assert not wrong


def test_nothing_inside_goes_through_the_door():
    """The package's own names are for users; inside they would be circles that only show when they are used."""
    assert not [name for name in MODULES if name.startswith("geomem.") and "geomem" in IMPORTED[name]]


def test_the_theory_stands_alone():
    for name in MODULES:
        if name.partition(".")[0] == "geomem_theory":
            nodes = list(ast.walk(TREES[name]))
            others = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
            others |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
            assert not {other.partition(".")[0] for other in others} & {"geomem", "jax", "jaxlib", "jaxtyping"}, name


def test_no_module_imports_itself_by_way_of_others():
    # The door names every module; that nothing goes through it is tested above.
    graph = {name: others - {name} for name, others in IMPORTED.items() if name != "geomem"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_no_file_is_long():
    lines = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name for name, count in lines.items() if count > MOST_LINES} == LONGER


def test_every_module_says_what_it_is_for():
    first = {name: (ast.get_docstring(tree) or "").partition("\n")[0] for name, tree in TREES.items()}
    assert not [name for name, line in first.items() if not (line.endswith(".") and len(line.split()) > 2)]
