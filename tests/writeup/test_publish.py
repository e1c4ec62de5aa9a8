"""Publishing a case: everything in one folder, nothing of this machine in it, refused when the raw file was changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from kvmlab.writeup.case import CaseError, open_case
from kvmlab.writeup.notebook import NotebookFailed
from kvmlab.writeup.publish import Published, notebook_of, publish
from tests.writeup.chromium import visit
from tests.writeup.pages import check_page


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    case_dir = Path(__file__).resolve().parents[2] / "data" / "2024-07-31-kvm-bad-page-state"
    return publish(case_dir, tmp_path_factory.mktemp("writeups"))


@pytest.fixture
def copied(case_dir: Path, tmp_path: Path) -> Path:
    """A copy of the case with a small notebook of its own."""
    place = tmp_path / "cases" / case_dir.name
    shutil.copytree(case_dir, place)
    toml = place / "case.toml"
    toml.write_text("".join(line for line in toml.open() if not line.startswith("notebook =")))
    cells = [
        new_markdown_cell("# What is in it?", id="question"),
        new_code_cell('case_name = ""', id="parameters", metadata={"tags": ["parameters"]}),
        new_code_cell("from kvmlab import open_case\nopen_case(case_name).raw.name", id="open"),
    ]
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernelspec}), place / "look.ipynb")
    return place


def test_everything_lies_in_the_folder_of_the_case(published: Published) -> None:
    assert published.folder.name == published.case.name
    assert sorted(p.name for p in published.folder.iterdir()) == sorted(
        ["report.html", "report.txt", "01-replay-the-reported-trace.ipynb"]
    )
    assert [line.split()[-1] for line in published.lines()] == [
        str(published.html), str(published.text), str(published.notebook),
    ]  # fmt: skip


def test_the_page_is_offline_and_says_where_it_comes_from(published: Published) -> None:
    page = published.html.read_text()
    check_page(page)
    assert published.case.files[0].sha256 in page
    assert published.case.source["message_id"] in page
    assert page.count("<figure") >= 3


def test_no_path_of_this_machine_is_published(published: Published) -> None:
    here = str(published.case.path.parents[1])
    for file in (published.html, published.text, published.notebook):
        assert here not in file.read_text()
        assert str(Path.home()) + "/" not in file.read_text()


@pytest.mark.ui
def test_chromium_draws_every_picture_of_the_report_with_the_network_off(published: Published, tmp_path: Path) -> None:
    seen = visit(published.html, tmp_path / "profile")
    figures = published.html.read_text().count("<figure")
    assert f'data-drawn="{figures}" data-failures=""' in seen.dom
    assert seen.dom.count('class="main-svg"') >= figures
    assert seen.console == ()


def test_a_case_with_a_notebook_of_its_own_is_published_with_that(copied: Path, tmp_path: Path) -> None:
    done = publish(copied, tmp_path / "out")
    assert done.notebook.name == "look.ipynb"
    assert "raw.txt" in done.html.read_text()


def test_a_changed_raw_file_is_not_published(copied: Path, tmp_path: Path) -> None:
    with (copied / "raw.txt").open("ab") as stream:
        stream.write(b"\n")
    with pytest.raises(CaseError, match=r"raw\.txt sha256 is [0-9a-f]{64}, case\.toml says"):
        publish(copied, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_failing_notebook_leaves_no_page_behind(copied: Path, tmp_path: Path) -> None:
    place = copied / "look.ipynb"
    place.write_text(place.read_text().replace("open_case(case_name)", "open_case(case_name + 'x')"))
    with pytest.raises(NotebookFailed, match=r"look\.ipynb, cell 3: CaseError"):
        publish(copied, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.html"))


def test_a_notebook_that_is_named_and_missing_is_said(copied: Path) -> None:
    toml = copied / "case.toml"
    toml.write_text('notebook = "gone.ipynb"\n' + toml.read_text())
    with pytest.raises(CaseError, match=r"names the notebook gone\.ipynb, which is not there"):
        notebook_of(open_case(copied))
