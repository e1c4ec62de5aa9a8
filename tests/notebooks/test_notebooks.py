"""Every shipped notebook: stored clean, thin, and executed from top to bottom."""

from __future__ import annotations

import ast
import json
import re
import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path

import nbformat
import pytest

from kvmlab.writeup.html import FIGURE_MIME, STATIC_MIME, to_html, write_html
from kvmlab.writeup.notebook import run_notebook
from tests.charts.figures import check_told
from tests.writeup.chromium import visit
from tests.writeup.pages import check_page

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
# The workbench and the pfn browser; the replay player is in the page that is published.
LIVE = [path for path in NOTEBOOKS if path.stem in ("00-start-here", "04-pfn-ranges")]
MOST_LINES, MEDIAN_LINES, CELL_SECONDS = 15, 4, 120


@cache
def stored(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


@cache
def executed(path: Path) -> nbformat.NotebookNode:
    return run_notebook(path, timeout=CELL_SECONDS)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in stored(path).cells if cell.cell_type == "code"]


def lines_of(cell: nbformat.NotebookNode) -> int:
    return sum(1 for line in cell.source.splitlines() if line.strip())


def test_there_are_notebooks() -> None:
    names = [path.name for path in NOTEBOOKS]
    assert "00-start-here.ipynb" in names
    assert "01-replay-the-reported-trace.ipynb" in names


@EACH
def test_it_is_stored_without_outputs(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nbstripout", "--verify", "--keep-id", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(stored(path).metadata) <= {"kernelspec", "language_info"}
    assert path.stat().st_size < 40_000


@EACH
def test_its_cells_are_thin(path: Path) -> None:
    lines = [lines_of(cell) for cell in code_cells(path)]
    assert max(lines) <= MOST_LINES
    assert statistics.median(lines) <= MEDIAN_LINES


@EACH
def test_it_holds_words_to_calls_and_nothing_else(path: Path) -> None:
    for cell in code_cells(path):
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda), cell.id
            if isinstance(node, ast.Import):
                assert "re" not in {alias.name for alias in node.names}, cell.id


@EACH
def test_its_cells_have_readable_ids(path: Path) -> None:
    ids = [cell.id for cell in stored(path).cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(-[a-z0-9]+)*", i) and not re.fullmatch(r"[0-9a-f-]{8,}", i) for i in ids), ids


@EACH
def test_it_asks_a_question_has_one_parameters_cell_on_top_and_ends_with_an_answer(path: Path) -> None:
    cells = stored(path).cells
    assert cells[0].cell_type == "markdown"
    assert "?" in cells[0].source
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == [code_cells(path)[0]]
    assert all(isinstance(node, ast.Assign) for node in ast.parse(tagged[0].source).body)
    assert cells[-1].cell_type == "markdown"
    assert len(cells[-1].source) > 80


@EACH
def test_it_runs_from_top_to_bottom(path: Path) -> None:
    outputs = [output for cell in executed(path).cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [o for o in outputs if o.output_type == "error"]
    assert not [o.text for o in outputs if o.get("name") == "stderr"]
    for output in outputs:
        if FIGURE_MIME in output.get("data", {}):
            check_told(json.loads(json.dumps(output.data[FIGURE_MIME])))


@EACH
def test_its_page_needs_no_network(path: Path) -> None:
    check_page(to_html(executed(path), title=path.stem))


@pytest.mark.ui
@pytest.mark.parametrize("path", LIVE, ids=lambda p: p.stem)
def test_its_live_views_are_pictures_on_a_page_without_network(path: Path, tmp_path: Path) -> None:
    page = write_html(executed(path), tmp_path / "page.html", title=path.stem)
    seen = visit(page, tmp_path / "profile")
    pictures = page.read_text(encoding="utf-8").count("<figure data-picture=")
    twins = sum(STATIC_MIME in o.get("data", {}) for cell in executed(path).cells for o in cell.get("outputs", []))
    assert twins >= 1
    assert f'data-drawn="{pictures}" data-failures=""' in seen.dom
    assert seen.console == ()


def test_two_runs_give_the_same_notebook() -> None:
    path = FOLDER / "01-replay-the-reported-trace.ipynb"
    again = run_notebook(path, timeout=CELL_SECONDS)
    assert json.dumps(again, sort_keys=True) == json.dumps(executed(path), sort_keys=True)
