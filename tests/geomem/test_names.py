"""Names that belong to everybody stay with whoever uses them: a `theory.py` beside a script is no trouble."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).parent / "geomem"


@pytest.fixture
def crowded(tmp_path):
    """A working folder with modules of the user's under names that the source roots have, too."""
    for name in ("theory", "numerics"):
        (tmp_path / f"{name}.py").write_text(f"raise RuntimeError('the {name} of the user was imported')\n")
    return tmp_path


def test_the_package_is_imported(crowded):
    code = "import geomem; print(geomem.critical_time.__module__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=crowded, capture_output=True, text=True, check=True)
    assert done.stdout == "geomem.boundaries.critical\n"


def test_the_command_answers(crowded):
    for start in ([COMMAND], [sys.executable, "-c", "from geomem.cli.app import main; main()"]):
        done = subprocess.run([*start, "--help"], cwd=crowded, capture_output=True, text=True, check=True)
        assert "phase-diagram" in done.stdout


def test_help_needs_nothing_heavy(crowded):
    code = (
        "import sys\n"
        "from geomem.cli.app import app\n"
        "app(['--help'], result_action='return_value')\n"
        "print(sorted({'jax', 'sympy', 'xarray', 'matplotlib'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=crowded, capture_output=True, text=True, check=True)
    assert "phase-diagram" in done.stdout
    assert done.stdout.endswith("[]\n")
