"""A browser and a JupyterLab for the whole run; loudly skipped where there is no Chromium, an error in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ui.lab import ARGUMENTS, Lab, NotebookPage, find_chromium, running_lab


def _missing(what: str) -> None:
    message = f"NOT TESTED IN A BROWSER: {what}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def lab(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab over a copy of the notebooks, with the data beside them."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(root / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    (folder / "data").symlink_to(root / "data")
    with running_lab(folder) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    chromium = find_chromium()
    if chromium is None:
        _missing("there is no Chromium; as root: apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("Playwright is not installed: pip install -c constraints.txt -e '.[ui]'")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture
def notebook_page(browser: Any, lab: Lab) -> Iterator[NotebookPage]:
    """A fresh page."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    yield NotebookPage(context.new_page(), lab)
    context.close()


@pytest.fixture(scope="session")
def screenshots(root: Path) -> Path:
    """Where pictures of the run are kept."""
    folder = root / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
