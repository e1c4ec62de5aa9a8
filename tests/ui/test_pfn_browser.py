"""The pfn browser in a browser: zoom with the mouse, by keyboard, select a stretch and read its lines of the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.lab import NotebookPage

pytestmark = [pytest.mark.ui, pytest.mark.xdist_group("browser")]


def test_a_stretch_is_zoomed_to_and_its_lines_are_read(notebook_page: NotebookPage, screenshots: Path) -> None:
    page = notebook_page.page
    notebook_page.open("notebooks/04-pfn-ranges.ipynb")
    notebook_page.run_all()
    view = page.locator(".kvmlab-view").first
    view.scroll_into_view_if_needed()
    whole = view.inner_text()
    assert "120 pages in 9 runs" in whole
    # A box over the upper left part of the map, drawn with the mouse, becomes the view.
    plot = page.locator(".widget-box .js-plotly-plot .draglayer .nsewdrag").last
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 4, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 6, box["y"] + 0.2 * box["height"], steps=8)
    page.mouse.up()
    page.wait_for_function(
        "(was) => document.querySelector('.kvmlab-view').innerText !== was", arg=whole, timeout=20_000
    )
    assert "61 pages" in view.inner_text()
    page.screenshot(path=screenshots / "pfn-browser-zoomed.png")
    # The same by keyboard.
    page.get_by_role("button", name="All", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "(was) => document.querySelector('.kvmlab-view').innerText.startsWith(was)", arg=whole.split(";")[0]
    )
    first, last = (page.get_by_label(label) for label in ("from pfn", "to pfn"))
    first.fill("0x2db0")
    last.fill("0x2dbf")
    page.get_by_role("button", name="Select", exact=True).click()
    page.wait_for_function("() => document.querySelector('.kvmlab-lines').innerText.includes('BUG: Bad page state')")
    assert "pfn:02db1" in page.locator(".kvmlab-lines").first.inner_text()
    assert "0x2db1" in page.locator(".kvmlab-reports").first.inner_text()
    page.screenshot(path=screenshots / "pfn-browser-selected.png")
    assert notebook_page.errors == []
    assert notebook_page.outside == []
