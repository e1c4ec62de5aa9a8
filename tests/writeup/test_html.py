"""The exported page: offline, escaped, drawn."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kvmlab.charts.call_stack import df_call_stack, plot_call_stack
from kvmlab.writeup.html import to_html, write_html
from tests.charts.sample import HOSTILE, frame, report
from tests.writeup.chromium import visit
from tests.writeup.pages import ATTACKS, check_page, hostile_notebook


def notebook_with(*outputs: nbformat.NotebookNode) -> nbformat.NotebookNode:
    cells = [new_markdown_cell("# Title\n\nText.", id="t"), new_code_cell("show()", id="c", outputs=list(outputs))]
    return new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})


def figure_output() -> nbformat.NotebookNode:
    picture = plot_call_stack(df_call_stack(report(frame("bad_page", 91), frame("hva_to_pfn", 104, module="kvm"))))
    return new_output("display_data", data={"application/vnd.plotly.v1+json": picture.to_plotly_json()})


def test_attacks_end_up_as_text() -> None:
    page = to_html(
        hostile_notebook(),
        title="<!--kvmlab-policy--></title><script>document.title='owned'</script>",
        facts={"comm": HOSTILE},
    )
    told = check_page(page)
    assert told.links == ["#main", "#A-page", "https://lore.kernel.org/all/x"]
    assert page.index("Content-Security-Policy") < page.index("<title>"), "a forged mark moved the policy"
    assert "document.title='owned'" not in "".join(told.scripts[-2:])
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 5, "the attack is still shown, as text"


def test_only_the_pages_own_scripts_may_run() -> None:
    page = to_html(notebook_with(figure_output()), title="t")
    told = check_page(page)
    runnable = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(runnable) == 2
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    for script in runnable:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[1]
    assert len(told.scripts) == 4


def test_a_page_without_figures_carries_no_script_at_all() -> None:
    page = to_html(notebook_with(new_output("stream", name="stdout", text="plain")), title="t")
    assert "<script" not in page
    assert "script-src 'none'" in page
    assert len(page) < 60_000


def test_plotly_js_is_there_once_for_many_figures() -> None:
    one = len(to_html(notebook_with(figure_output()), title="t"))
    three = len(to_html(notebook_with(figure_output(), figure_output(), figure_output()), title="t"))
    assert three - one < 200_000


def test_every_picture_has_a_text_alternative() -> None:
    page = to_html(notebook_with(figure_output()), title="t")
    assert 'aria-label="Call stack of 2 entries, 2 of them confirmed.' in page
    assert "<noscript><p>This picture needs JavaScript. In words: Call stack" in page


def test_tables_of_pandas_are_kept_and_their_cells_escaped() -> None:
    table = pd.DataFrame({"comm": [HOSTILE], "pfn": ["0xfb1665"]})
    output = new_output("execute_result", data={"text/html": table._repr_html_(), "text/plain": "t"}, execution_count=1)
    page = to_html(notebook_with(output), title="t")
    assert "<td>0xfb1665</td>" in page
    assert "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td>" in page
    assert "tbody tr th" not in page, "pandas' own style rules are left out"


def test_the_notebook_is_not_changed_and_the_page_is_the_same_each_time(tmp_path: Path) -> None:
    notebook = notebook_with(figure_output())
    before = json.dumps(notebook)
    first = write_html(notebook, tmp_path / "a" / "1.html", title="t").read_bytes()
    second = write_html(notebook, tmp_path / "a" / "2.html", title="t").read_bytes()
    assert json.dumps(notebook) == before
    assert first == second


@pytest.mark.ui
def test_chromium_draws_the_figures_with_the_network_off(tmp_path: Path) -> None:
    page = write_html(notebook_with(figure_output(), figure_output()), tmp_path / "p.html", title="t")
    seen = visit(page, tmp_path / "profile")
    assert 'data-drawn="2" data-failures=""' in seen.dom
    assert seen.dom.count('class="main-svg"') >= 2
    # The words name the drawing, not the box around it: an image may not hold the buttons of plotly's bar.
    drawings = re.findall(r'<svg[^>]*role="img"[^>]*>', seen.dom)
    assert len(drawings) == 2
    assert all('aria-label="Call stack of' in drawing for drawing in drawings)
    assert not re.search(r'<div[^>]*role="img"', seen.dom)
    assert "bad_page+0x60/0x80" in seen.dom
    assert seen.console == ()


@pytest.mark.ui
def test_chromium_runs_none_of_the_attacks(tmp_path: Path) -> None:
    page = write_html(hostile_notebook(), tmp_path / "p.html", title="calm")
    seen = visit(page, tmp_path / "profile")
    assert "<title>calm</title>" in seen.dom
    assert 'data-drawn="1" data-failures=""' in seen.dom
    assert "owned</title>" not in seen.dom
    assert seen.console == ()
    assert seen.dom.count("&lt;script&gt;") >= len([a for a in ATTACKS if a.startswith("<script>")])
