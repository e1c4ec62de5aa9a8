"""Every shipped notebook in a real JupyterLab and a real browser: no error, no outside request, pictures drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ui.lab import NotebookPage
from tests.ui.names import nameless

pytestmark = [pytest.mark.ui, pytest.mark.xdist_group("browser")]

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


def draws(notebook: Path) -> bool:
    """Whether the notebook's cells make pictures."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return any("plot_" in "".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_all_cells_run_without_an_error(notebook: Path, notebook_page: NotebookPage, screenshots: Path) -> None:
    notebook_page.open(f"notebooks/{notebook.name}")
    notebook_page.run_all()
    notebook_page.page.screenshot(path=screenshots / f"{notebook.stem}.png")
    assert notebook_page.cell_errors() == []
    assert notebook_page.errors == []
    assert notebook_page.outside == []
    assert notebook_page.slow or nameless(notebook_page.page) == []
    if draws(notebook):
        assert notebook_page.figures() > 0
