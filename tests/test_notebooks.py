"""Notebooks run as scripts, and as notebooks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.py"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_as_a_script(notebook, tmp_path):
    environment = os.environ | {"MPLBACKEND": "Agg", "GEOMEM_FIGURES": str(tmp_path)}
    subprocess.run([sys.executable, "-W", "error", notebook], check=True, env=environment, cwd=tmp_path, timeout=300)
    drawn = {file.name for file in tmp_path.glob("*.png")}
    committed = {file.name for file in (notebook.parent / "figures").glob("*.png")}
    assert drawn
    assert drawn <= committed


@pytest.mark.slow  # starts a Jupyter kernel and runs the notebook a second time
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_as_a_notebook(notebook, tmp_path, monkeypatch):
    jupytext = pytest.importorskip("jupytext")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("GEOMEM_FIGURES", str(tmp_path))
    book = jupytext.read(notebook)
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("text/markdown" in output.get("data", {}) for output in shown)
    assert any("image/png" in output.get("data", {}) for output in shown)
