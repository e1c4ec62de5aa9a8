"""JupyterLab on this machine and Chromium in front of it, as a person would have them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Chromium without its sandbox runs as root in a container; the rest keeps it from calling home.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
START_SECONDS = 90
SLOW = "[anywidget] Failed to initialize model."
RUN_SECONDS = 240


def find_chromium() -> str | None:
    """Path of Chromium, None if there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass
class Lab:
    """A running JupyterLab.

    Args:
        url: where it listens, on 127.0.0.1.
        token: its token.
    """

    url: str
    token: str


@contextlib.contextmanager
def running_lab(root: Path) -> Iterator[Lab]:
    """Start JupyterLab over a folder, with settings and caches of its own, and stop it.

    Args:
        root: the folder that it shows.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = Path(tempfile.mkdtemp(prefix="kvmlab-lab-"))
    settings = home / "settings" / "@jupyterlab"
    for folder, name, value in (
        ("apputils-extension", "notification", {"fetchNews": "false", "checkForUpdates": False}),
        # Cells that are off the screen must stay in the document, or their outputs cannot be looked at.
        ("notebook-extension", "tracker", {"windowingMode": "none"}),
    ):
        (settings / folder).mkdir(parents=True)
        (settings / folder / f"{name}.jupyterlab-settings").write_text(json.dumps(value))
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    environment = os.environ | {name: str(home / folder) for name, folder in places.items()}
    # The kernel must be the one of this environment, wherever a user's own kernels lie.
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"]
    command += [f"--ServerApp.root_dir={root}"]
    lab = Lab(f"http://127.0.0.1:{port}", token)
    with (home / "lab.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(lab, server, home / "lab.log")
        yield lab
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(20)
        server.kill()
        shutil.rmtree(home, ignore_errors=True)


def _wait_for(lab: Lab, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            break
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{lab.url}/api/status?token={lab.token}", timeout=2).read()
            return
        time.sleep(0.25)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-2000:]}")


@dataclass
class NotebookPage:
    """A notebook that is open in a browser.

    Args:
        page: the browser's page.
        lab: the server.
        outside: addresses outside this machine that the page asked for.
        errors: errors of scripts and of the console.
        slow: whether anywidget gave up on a widget, as it does after two seconds on a machine that is too busy.
    """

    page: Any
    lab: Lab
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    slow: bool = False

    def __post_init__(self) -> None:
        self.page.on("request", self._request)
        self.page.on("pageerror", self._page_error)
        self.page.on("console", self._console)

    def _request(self, request: Any) -> None:
        if request.url.startswith(("http:", "https:")) and not request.url.startswith(self.lab.url):
            self.outside.append(request.url[:120])

    def _page_error(self, error: Any) -> None:
        if SLOW in str(error):
            self.slow = True
        else:
            self.errors.append(str(error)[:300])

    def _console(self, message: Any) -> None:
        if message.type == "error" and SLOW in message.text:
            self.slow = True
        elif message.type == "error":
            self.errors.append(message.text[:300])

    def open(self, notebook: str) -> None:
        """Open a notebook with a kernel of its own and wait until that is idle."""
        self._end_kernels()
        self.page.goto(f"{self.lab.url}/lab/tree/{notebook}?token={self.lab.token}&reset")
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=START_SECONDS * 1000)
        self.page.locator("#jp-main-statusbar >> text=/\\| Idle/").wait_for(timeout=START_SECONDS * 1000)

    def _end_kernels(self) -> None:
        """End the kernels of earlier tests: a notebook would find its old one, and the widgets that are left there."""
        sessions = f"{self.lab.url}/api/sessions"
        with urllib.request.urlopen(f"{sessions}?token={self.lab.token}", timeout=20) as answer:
            running = json.load(answer)
        for session in running:
            address = f"{sessions}/{session['id']}?token={self.lab.token}"
            urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=60).read()

    def run_all(self) -> None:
        """Run all cells through the menu and wait for the last one."""
        ran = (
            "() => [...document.querySelectorAll('.jp-Notebook .jp-InputPrompt')]"
            ".some(e => /\\[(\\*|\\d+)\\]/.test(e.textContent))"
        )
        for _ in range(8):
            self.page.get_by_role("menuitem", name="Run", exact=True).click()
            self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            # Right after the kernel has started a click can be lost: only a prompt shows that it was not.
            with contextlib.suppress(Exception):
                self.page.wait_for_function(ran, timeout=5000)
                break
        done = (
            "() => { const c = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')];"
            " return c.length && c.every(e => /\\[\\d+\\]/.test(e.querySelector('.jp-InputPrompt').textContent)"
            " || !e.querySelector('.cm-content').textContent.trim()); }"
        )
        self.page.wait_for_function(done, timeout=RUN_SECONDS * 1000)
        self.page.wait_for_timeout(1500)

    def cell_errors(self) -> list[str]:
        """Tracebacks that the cells show."""
        shown = self.page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")
        return [re.sub(r"\s+", " ", text)[:300] for text in shown.all_inner_texts()]

    def figures(self) -> int:
        """How many plotly figures are drawn."""
        return int(self.page.locator(".jp-Notebook .js-plotly-plot .main-svg:first-child").count())
