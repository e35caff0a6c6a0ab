"""Notebooks run from beginning to end, on coarse grids, show what they compute, and draw the committed figures."""

from pathlib import Path

import jupytext
import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.py"))


@pytest.mark.slow  # a notebook computes for a minute or two
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("GEOMEM_FIGURES", str(tmp_path))
    monkeypatch.setenv("GEOMEM_SMALL", "1")
    book = jupytext.read(notebook)
    strict = "import warnings; warnings.simplefilter('error')"  # as in pyproject.toml
    book.cells.insert(0, nbformat.v4.new_code_cell(strict))
    nbclient.NotebookClient(book, timeout=1200, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("text/markdown" in output.get("data", {}) for output in shown)
    assert any("image/png" in output.get("data", {}) for output in shown)
    drawn = {file.name for file in tmp_path.glob("*.png")}
    committed = {file.name for file in (notebook.parent / "figures").glob("*.png")}
    assert drawn
    assert drawn <= committed
