"""The replay player in a browser: by keyboard, and the picture follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ui.lab import NotebookPage

pytestmark = [pytest.mark.ui, pytest.mark.xdist_group("browser")]

# Where the picture says that the player stands.
POSITION = (
    "() => document.querySelector('.kvmlab-life .js-plotly-plot')"
    "?.layout?.shapes?.find((shape) => shape.name === 'position')?.x0"
)


def test_the_replay_is_played_by_keyboard(notebook_page: NotebookPage, screenshots: Path) -> None:
    page = notebook_page.page
    notebook_page.open("notebooks/01-replay-the-reported-trace.ipynb")
    notebook_page.run_all()
    words = page.locator(".kvmlab-step").first
    words.scroll_into_view_if_needed()
    assert "step 1 of" in words.inner_text()
    page.wait_for_function(f"({POSITION})() === 0.5", timeout=20_000)
    page.locator(".jupyter-widgets .noUi-handle").first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function(f"({POSITION})() === 3.5", timeout=20_000)
    assert "step 4 of" in words.inner_text()
    page.keyboard.press("End")
    page.wait_for_function(f"({POSITION})() > 20", timeout=20_000)
    page.keyboard.press("Home")
    page.wait_for_function(f"({POSITION})() === 0.5", timeout=20_000)
    page.get_by_role("button", name="Next mark").focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "() => document.querySelector('.kvmlab-step').innerText.includes('stray put')", timeout=20_000
    )
    page.wait_for_function(f"({POSITION})() > 3.5", timeout=20_000)
    missing = "document.querySelector('.kvmlab-scene').textContent.includes('is missing')"
    page.wait_for_function(f"() => {missing}", timeout=20_000)
    page.get_by_role("button", name="Back", exact=True).first.click()
    page.wait_for_function("() => document.querySelector('.kvmlab-step').innerText.includes('grab')", timeout=20_000)
    page.wait_for_function(f"() => !{missing}", timeout=20_000)
    page.locator(".jupyter-widgets select").first.select_option("d")
    page.wait_for_function("() => document.querySelector('.kvmlab-step').innerText.includes('under d')", timeout=20_000)
    page.screenshot(path=screenshots / "replay-player.png")
    assert notebook_page.errors == []
    assert notebook_page.outside == []


def test_the_replay_plays_by_itself(notebook_page: NotebookPage) -> None:
    page = notebook_page.page
    notebook_page.open("notebooks/01-replay-the-reported-trace.ipynb")
    notebook_page.run_all()
    page.locator(".kvmlab-step").first.scroll_into_view_if_needed()
    page.locator(".widget-play button").first.click()
    page.wait_for_function(f"({POSITION})() >= 2.5", timeout=20_000)
    assert notebook_page.errors == []
