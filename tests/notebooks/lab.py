"""A JupyterLab of its own on this machine only, and a page of Chromium in it; both are gone after the tests."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.writeup.chromium import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Page

ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SETTINGS = {
    "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
    # Outputs that are scrolled out of sight stay in the document.
    "notebook-extension/tracker": '{"windowingMode": "none"}',
}
# Nobody can mend these here: the server asks for optional parts that are not installed.
HARMLESS = re.compile(
    r"404|favicon|Failed to load resource|ResizeObserver|Permissions policy|deprecated", re.IGNORECASE
)
STARTED = r"""
() => [...document.querySelectorAll('.jp-Notebook .jp-InputPrompt')].some((e) => /\[(\*|\d+)\]/.test(e.textContent))
"""
DONE = r"""
() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].every((e) => /\[\d+\]/.test(e.textContent))
"""


def playwright() -> Any:
    """Playwright's Python package; without it the test is skipped, or fails where `CI` is set."""
    try:
        from playwright import sync_api
    except ImportError:
        message = "playwright is not installed (pip install -e '.[ui]'): JupyterLab was NOT looked at"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return sync_api


@dataclass
class Server:
    """A running JupyterLab: where it listens, its token, the folder that it shows."""

    url: str
    token: str
    root: Path


@contextmanager
def serve(root: Path, home: Path) -> Iterator[Server]:
    """Start JupyterLab on a folder with settings of its own, and stop it afterwards.

    Args:
        root: the folder to show.
        home: an empty folder for everything that Jupyter wants to write.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for name, text in SETTINGS.items():
        place = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    token = secrets.token_hex(16)
    folders = {"CONFIG": "config", "DATA": "data", "RUNTIME": "runtime"}
    env = {
        **os.environ,
        **{f"JUPYTER_{key}_DIR": str(home / folder) for key, folder in folders.items()},
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_PLATFORM_DIRS": "1",
    }
    words = ["--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0", "--allow-root"]
    words += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={root}"]
    log = home / "lab.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", *words], env=env, stdout=stream, stderr=stream
        )
    server = Server(f"http://127.0.0.1:{port}", token, root)
    try:
        _wait_until_up(server, process, log)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(home / "workspaces", ignore_errors=True)


def _wait_until_up(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if process.poll() is not None:
            pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
        try:
            urllib.request.urlopen(f"{server.url}/api/status?token={server.token}", timeout=2).read()
        except OSError:
            time.sleep(0.25)
        else:
            return
    pytest.fail("JupyterLab did not answer within a minute")


@dataclass
class Lab:
    """A notebook open in JupyterLab, with what went wrong and what was asked of other hosts."""

    page: Page
    server: Server
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def open(self, notebook: str) -> None:
        """Open a notebook and wait for its kernel."""
        self.page.goto(f"{self.server.url}/lab/tree/{notebook}?token={self.server.token}&reset")
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=90_000)
        self.page.locator("#jp-main-statusbar >> text=/\\| Idle/").wait_for(timeout=90_000)

    def run_all(self, *, timeout_s: int = 240) -> None:
        """Run all cells and wait until the kernel has done them; a click that comes too early is repeated."""
        for _ in range(8):
            self.page.get_by_role("menuitem", name="Run", exact=True).click()
            self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            try:
                self.page.wait_for_function(STARTED, timeout=4_000)
                break
            except Exception:
                continue
        self.page.wait_for_function(DONE, timeout=timeout_s * 1000)
        self.page.wait_for_timeout(1_000)

    def error_outputs(self) -> list[str]:
        """Texts of error outputs and of stderr."""
        found = self.page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']")
        return [found.nth(i).inner_text() for i in range(found.count())]


@contextmanager
def browse(server: Server, *, width: int = 1400, height: int = 1000) -> Iterator[Lab]:
    """A page of Chromium that notes errors and requests to other hosts.

    Args:
        server: where it may go.
        width, height: of the window.
    """
    with playwright().sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=list(ARGS))
        page = browser.new_page(viewport={"width": width, "height": height})
        lab = Lab(page, server)
        page.on("pageerror", lambda error: lab.errors.append(str(error)))
        page.on(
            "console",
            lambda message: (
                lab.errors.append(message.text)
                if message.type == "error" and not HARMLESS.search(message.text)
                else None
            ),
        )
        page.on(
            "request",
            lambda request: (
                lab.outside.append(request.url)
                if request.url.startswith("http") and not request.url.startswith(server.url)
                else None
            ),
        )
        try:
            yield lab
        finally:
            browser.close()
