"""Debian's Chromium without a window and without a network, for tests that look at a page as a reader would."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
)


@dataclass(frozen=True)
class Visit:
    """What was left of a page after its scripts had run: the document and the messages of the console."""

    dom: str
    console: tuple[str, ...]


def chromium() -> str:
    """The browser's path; without one the test is skipped, or fails where `CI` is set."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        message = "Chromium is not installed (apt-get install chromium): the page was NOT looked at"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def visit(page: Path, profile: Path, *, budget_ms: int = 20_000) -> Visit:
    """Open a file with the network off and return what it became."""
    done = subprocess.run(
        [
            chromium(),
            *FLAGS,
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={profile}",
            f"--virtual-time-budget={budget_ms}",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    console = tuple(line for line in done.stderr.splitlines() if ":CONSOLE" in line)
    return Visit(done.stdout, console)


def picture(page: Path, profile: Path, out: Path, *, width: int = 1000, height: int = 1400) -> Path:
    """A PNG of a page."""
    subprocess.run(
        [
            chromium(),
            *FLAGS,
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            "--virtual-time-budget=10000",
            f"--screenshot={out}",
            page.as_uri(),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return out
