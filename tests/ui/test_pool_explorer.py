"""The pool explorer in a browser: each control is used as a person would, and the pictures follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ui.lab import NotebookPage

pytestmark = [pytest.mark.ui, pytest.mark.xdist_group("browser")]

# The title of a picture, as plotly holds it; undefined until it is drawn.
TITLE = "(pane) => document.querySelector(`.kvmlab-${pane} .js-plotly-plot`)?.layout?.title?.text"


def wait_for(page: Any, pane: str, words: str) -> None:
    """Wait until the title of a pane's picture holds some words."""
    page.wait_for_function(f"([pane, words]) => ({TITLE})(pane)?.includes(words)", arg=[pane, words], timeout=30_000)


def test_kernel_memory_pool_and_buffers_change_the_pictures(notebook_page: NotebookPage, screenshots: Path) -> None:
    page = notebook_page.page
    notebook_page.open("notebooks/03-ttm-pool-patterns.ipynb")
    notebook_page.run_all()
    words = page.locator(".kvmlab-pool").first
    words.scroll_into_view_if_needed()
    assert "6.12 on 256MiB: 1 buffer, 2,025 pages in 8 blocks" in words.inner_text()
    assert "7.3 on 256MiB: 1 buffer, 2,025 pages in 8 blocks" in words.inner_text()
    wait_for(page, "strip", "The buffers share")
    # Alone: the strip shows one buffer instead of two.
    page.get_by_label("beside it", exact=True).select_option("none")
    wait_for(page, "strip", "6.12, buffer 0: 2,025 pages in 8 blocks")
    # Another kernel, and broken memory: smaller blocks.
    page.get_by_label("kernel", exact=True).select_option("7.3")
    wait_for(page, "strip", "7.3, buffer 0: 2,025 pages in 8 blocks")
    page.get_by_label("fragmentation", exact=True).select_option("fine")
    page.wait_for_function(
        f"() => {{ const t = ({TITLE})('strip'); return t && t.startsWith('7.3') && !t.includes('in 8 blocks'); }}",
        timeout=30_000,
    )
    # What waits in the pools is what a write-combined buffer is made of; size and caching are controls too.
    page.get_by_label("fragmentation", exact=True).select_option("whole")
    page.get_by_role("button", name="Begin again", exact=True).click()
    page.get_by_label("in the pools", exact=True).select_option("a freed surface")
    page.wait_for_function("() => document.querySelector('.kvmlab-pool').innerText.includes('4,050 pages pooled')")
    page.get_by_label("pages", exact=True).fill("1024")
    page.get_by_label("caching", exact=True).select_option("wc")
    page.get_by_role("button", name="Fill", exact=True).click()
    wait_for(page, "strip", "7.3, buffer 0: 1,024 pages in 1 block")
    assert "3,026 pages pooled" in words.inner_text()
    page.screenshot(path=screenshots / "pool-explorer.png")
    # The same workload on two kernels, by keyboard.
    page.get_by_label("beside it", exact=True).select_option("6.12")
    wait_for(page, "strip", "Both buffers have the same frames")
    page.get_by_label("workload", exact=True).select_option("compositor")
    page.get_by_role("button", name="Run", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "() => { const f = document.querySelector('.kvmlab-history .js-plotly-plot');"
        " return f?.layout?.annotations?.filter((a) => ['6.12', '7.3'].includes(a.text)).length === 2"
        " && f.layout.meta.caption.includes('202 allocations'); }",
        timeout=30_000,
    )
    page.locator(".kvmlab-history").first.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "pool-explorer-two-kernels.png")
    assert notebook_page.cell_errors() == []
    assert notebook_page.errors == []
    assert notebook_page.outside == []
