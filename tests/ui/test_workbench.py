"""The workbench in a browser: a log is uploaded, and every tab follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.lab import NotebookPage

pytestmark = [pytest.mark.ui, pytest.mark.xdist_group("browser")]

STORM = Path("data", "captures", "6.12.117+deb12-amd64", "storm-1vcpu", "storm", "dmesg.txt.gz")


def test_an_uploaded_log_feeds_the_tabs(notebook_page: NotebookPage, root: Path, screenshots: Path) -> None:
    page = notebook_page.page
    notebook_page.open("notebooks/00-start-here.ipynb")
    notebook_page.run_all()
    words = page.locator(".kvmlab-bench").first
    words.scroll_into_view_if_needed()
    assert "2 reports, 1 bad page; views: families, pfns, replay" in words.inner_text()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload a log").click()
    chooser.value.set_files(root / STORM)
    page.wait_for_function(
        "() => document.querySelector('.kvmlab-bench').innerText.includes('60 bad pages')", timeout=60_000
    )
    tab = page.locator(".jupyter-widgets .lm-TabBar-tab", has_text="Pfns")
    tab.click()
    page.locator(".jupyter-widgets .lm-TabBar-tab.lm-mod-current", has_text="Pfns").wait_for(timeout=20_000)
    page.locator(".kvmlab-view").first.wait_for(state="visible", timeout=20_000)
    page.wait_for_function(
        "() => document.querySelector('.kvmlab-view')?.innerText.includes('60 pages')", timeout=30_000
    )
    page.screenshot(path=screenshots / "workbench.png")
    assert notebook_page.errors == []
    assert notebook_page.outside == []
