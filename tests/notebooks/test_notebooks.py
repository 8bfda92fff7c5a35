from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_valid_and_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            compile(cell.source, str(path), "exec")


def test_the_last_cells_assert_what_the_sample_holds() -> None:
    expected = json.loads((ROOT / "samples" / "expected.json").read_text("utf-8"))["hang"]
    cells = nbformat.read(ROOT / "notebooks" / "first_look.ipynb", 4).cells
    code = "\n".join(cell.source for cell in cells[-3:])
    assert f"assert len(irps) == {expected['irps']}\n" in code
    assert '["WSK-CLOSE-STUCK"]' in code
    assert f"assert median == {expected['median_total_ns']['WskCloseSocket']}," in code


def test_the_post_mortem_asserts_what_is_pending_in_the_sample() -> None:
    expected = json.loads((ROOT / "samples" / "expected.json").read_text("utf-8"))["hang"]
    cells = nbformat.read(ROOT / "notebooks" / "post_mortem_of_a_hang.ipynb", 4).cells
    code = "\n".join(cell.source for cell in cells[-2:])
    assert expected["pending"]
    for pending in expected["pending"]:
        assert f'"{pending}",\n' in code


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_ends_with_assertions_and_stands_in_the_readme(path: Path) -> None:
    assert "assert " in "".join(cell.source for cell in nbformat.read(path, 4).cells[-3:])
    assert f"(notebooks/{path.name})" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.long
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient")
    # the kernel chooses the backend that shows plots in the page
    monkeypatch.delenv("MPLBACKEND", raising=False)
    found = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(ROOT), found))))
    notebook = nbformat.read(path, 4)
    folder = {"metadata": {"path": str(path.parent)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=folder).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("text/html" in output.get("data", {}) for output in shown)
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert not [output for output in shown if output.output_type == "stream" and output.name == "stderr"]
