"""The notebooks of `examples/` run from the first cell to the last, and are kept without what they print."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.mark.parametrize(
    "file",
    [pytest.param(file, marks=pytest.mark.slow if file.stem == "train_and_compare" else ()) for file in EXAMPLES],
    ids=lambda file: file.stem,
)
def test_a_notebook_runs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = nbformat.read(file, as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("LESIONFLOW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    ran = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    last = [cell for cell in ran.cells if cell.cell_type == "code"][-1]
    assert "text/html" in last.outputs[-1]["data"]  # a table
    said = "".join(output.text for cell in ran.cells for output in cell.get("outputs", ()) if "text" in output)
    assert "Error:" not in said and 'install "ipywidgets"' not in said
    python = [cell for cell in ran.cells if cell.cell_type == "code" and not cell.source.startswith("!")]
    drawn = [output.get("text", "") for cell in python for output in cell.outputs]
    assert not any("\33[2K" in text for text in drawn)  # a bar that is drawn anew


def test_the_tutorial_names_every_notebook() -> None:
    tutorial = (ROOT / "docs" / "tutorial.md").read_text()
    assert len(EXAMPLES) == 3 and all(file.name in tutorial for file in EXAMPLES)
