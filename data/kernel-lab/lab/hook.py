"""Run any shell script as root in an emulated machine with a real kernel and get back the files that it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .build import built_files
from .initramfs import recipe_files
from .machine import Outcome, Shape, boot
from .ready import prepare


@dataclass(frozen=True, slots=True)
class ScriptOutcome:
    """What came back: `status` is the script's exit status, None when the machine did not get that far."""

    release: str
    status: int | None
    stdout: str
    stderr: str
    folder: Path
    outcome: Outcome


def boot_script(
    script: str,
    *,
    out: Path,
    kernel: str = "6.12",
    files: Mapping[str, bytes] | None = None,
    shape: Shape | None = None,
    offline: bool = True,
    modules: bool = False,
    quiet: bool = False,
) -> ScriptOutcome:
    """Boot a kernel, run the script with its working folder /cap, and copy /cap to `out`/cap.

    `files` appear in /lab under their names; `modules` adds the lab's own modules and program; `offline` uses the
    kernel that is in the cache.
    """
    ready = prepare(kernel, offline=offline)
    inside = recipe_files()
    if modules:
        inside |= built_files(ready)
    inside |= {f"lab/{name}": data for name, data in (files or {}).items()}
    inside["lab/run.env"] = b'SECTIONS="script"\n'
    inside["lab/script"] = script.encode()
    outcome = boot(ready.image, ready.base, inside, shape or Shape(), out, name=kernel, quiet=quiet)

    def text(name: str) -> str:
        path = outcome.capture / name
        return path.read_text(errors="replace") if path.exists() else ""

    status = text("status.txt").strip()
    return ScriptOutcome(
        ready.release, int(status) if status else None, text("stdout.txt"), text("stderr.txt"), outcome.capture, outcome
    )
