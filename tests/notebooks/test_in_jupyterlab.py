"""Every shipped notebook in a real JupyterLab: all cells run without a complaint, and the views answer to keys."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebooks.lab import Lab, Server, browse, playwright, serve
from tests.writeup.chromium import chromium

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SCREENS = ROOT / "build" / "screens"
# Where the picture says that the player stands.
POSITION = (
    "() => document.querySelector('.kvmlab-life .js-plotly-plot')"
    "?.layout?.shapes?.find((shape) => shape.name === 'position')?.x0"
)

pytestmark = [pytest.mark.ui, pytest.mark.xdist_group("jupyterlab")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    chromium()
    playwright()
    folder = tmp_path_factory.mktemp("notebooks")
    for notebook in NOTEBOOKS:
        shutil.copy(notebook, folder)
    with serve(folder, tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture
def lab(server: Server) -> Iterator[Lab]:
    with browse(server) as opened:
        yield opened


def keep_screen(lab: Lab, name: str) -> None:
    """Keep a picture of the window for people to look at."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    lab.page.screenshot(path=SCREENS / f"{name}.png")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_all_cells_run_without_a_complaint_and_without_the_network(path: Path, lab: Lab) -> None:
    lab.open(path.name)
    lab.run_all()
    keep_screen(lab, path.stem)
    assert lab.error_outputs() == []
    assert lab.errors == []
    assert lab.outside == []


def test_the_replay_player_is_played_by_keyboard(lab: Lab) -> None:
    lab.open("01-replay-the-reported-trace.ipynb")
    lab.run_all()
    words = lab.page.locator(".kvmlab-step").first
    words.scroll_into_view_if_needed()
    assert "step 1 of" in words.inner_text()
    lab.page.wait_for_function(f"({POSITION})() === 0.5", timeout=20_000)
    handle = lab.page.locator(".jupyter-widgets .noUi-handle").first
    handle.focus()
    for _ in range(3):
        lab.page.keyboard.press("ArrowRight")
    lab.page.wait_for_function(f"({POSITION})() === 3.5", timeout=20_000)
    assert "step 4 of" in words.inner_text()
    mark = lab.page.get_by_role("button", name="Next mark")
    mark.focus()
    lab.page.keyboard.press("Enter")
    lab.page.wait_for_function(
        "() => document.querySelector('.kvmlab-step').innerText.includes('stray put')", timeout=20_000
    )
    keep_screen(lab, "replay-player")
    assert lab.errors == []
