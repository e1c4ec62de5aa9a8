"""Running notebooks: parameters, errors in one sentence, the same file each time."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from kvmlab.writeup.notebook import NotebookFailed, run_notebook


def written(folder: Path, *sources: str) -> Path:
    cells = [new_code_cell("pages = 1", id="parameters", metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernelspec})
    place = folder / "n.ipynb"
    nbformat.write(notebook, place)
    return place


def test_two_runs_give_the_same_bytes_and_parameters_arrive(tmp_path: Path) -> None:
    place = written(
        tmp_path,
        "import plotly.graph_objects as go, ipywidgets, os\nprint(pages, os.getcwd().endswith('sub'))",
        "go.Figure(go.Bar(y=[pages]))",
        "ipywidgets.IntSlider(pages)",
    )
    (tmp_path / "sub").mkdir()
    outs = [tmp_path / "1.ipynb", tmp_path / "deep" / "2.ipynb"]
    for out in outs:
        run_notebook(place, parameters={"pages": 7}, out=out, cwd=tmp_path / "sub")
    first, second = (nbformat.read(out, as_version=4) for out in outs)
    assert first.cells[2].outputs[0].text == "7 True\n"
    assert "application/vnd.plotly.v1+json" in first.cells[3].outputs[0].data
    assert "widgets" not in first.metadata
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert [c.id for c in first.cells] == ["parameters", "injected-parameters", "cell-0", "cell-1", "cell-2"]
    assert first == second
    assert list(first.cells[4].outputs[0].data) == ["text/plain"]
    nbformat.validate(first)


@pytest.mark.parametrize(
    ("source", "timeout", "message"),
    [
        ("raise ValueError('no such page')", 60, "n.ipynb, cell 2: ValueError: no such page"),
        ("import time\ntime.sleep(60)", 2, "n.ipynb: a cell took more than 2 s"),
        ("import os\nos._exit(1)", 60, "n.ipynb: .*[Kk]ernel died"),
    ],
)
def test_a_failure_is_one_sentence(tmp_path: Path, source: str, timeout: int, message: str) -> None:
    with pytest.raises(NotebookFailed, match=message) as caught:
        run_notebook(written(tmp_path, source), timeout=timeout)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not json", b"[1]", b"{}", b"\xff\xfe"])
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "n.ipynb"
    place.write_bytes(content)
    with pytest.raises(NotebookFailed, match="is not a notebook"):
        run_notebook(place)


def test_a_missing_notebook_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotebookFailed, match="there is no such file"):
        run_notebook(tmp_path / "absent.ipynb")
