"""The workbench in a browser: a log is uploaded, and every tab follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.lab import NotebookPage

pytestmark = [pytest.mark.ui, pytest.mark.xdist_group("browser")]

STORM = Path("data", "captures", "6.12.117+deb12-amd64", "storm-1vcpu", "storm", "dmesg.txt.gz")


def test_an_uploaded_log_feeds_the_tabs_and_leaves_the_chosen_one(
    notebook_page: NotebookPage, root: Path, screenshots: Path
) -> None:
    page = notebook_page.page
    notebook_page.open("notebooks/00-start-here.ipynb")
    notebook_page.run_all()
    words = page.locator(".kvmlab-bench").first
    words.scroll_into_view_if_needed()
    words.get_by_text("2 reports, 1 bad page; views: families, pfns, replay").wait_for(timeout=30_000)
    # Whoever looks at the pfns of one log wants to see those of the next.
    page.locator(".jupyter-widgets .lm-TabBar-tab", has_text="Pfns").click()
    view = page.locator(".kvmlab-view").first
    view.wait_for(state="visible", timeout=20_000)
    assert "1 page in 1 run;" in view.inner_text()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload a log").click()
    chooser.value.set_files(root / STORM)
    words.get_by_text("60 bad pages").wait_for(timeout=60_000)
    view.get_by_text("60 pages").wait_for(timeout=30_000)
    assert "Pfns" in page.locator(".jupyter-widgets .lm-TabBar-tab.lm-mod-current").inner_text()
    page.screenshot(path=screenshots / "workbench.png")
    # What a log has nothing for says so instead of showing the log before it.
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload a log").click()
    chooser.value.set_files({"name": "clean.log", "mimeType": "text/plain", "buffer": b"[    1.000000] all is well\n"})
    words.get_by_text("0 reports, 0 bad pages; views: none").wait_for(timeout=30_000)
    page.get_by_text("no report that is loaded names a pfn").wait_for(timeout=20_000)
    assert notebook_page.errors == []
    assert notebook_page.outside == []
