"""Progress for people and bounded child processes with a log file."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import LabError

_START = time.monotonic()


def say(text: str) -> None:
    """Print one line of progress to standard error, with the seconds since the start."""
    print(f"[{time.monotonic() - _START:6.1f} s] {text}", file=sys.stderr, flush=True)


def tail(path: Path, lines: int = 12) -> str:
    """Return the last lines of a log, for an error message."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def run(
    command: Sequence[str | Path],
    *,
    log: Path,
    limit: float,
    what: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a command with its output in `log`; raise `LabError` when it fails or takes longer than `limit` seconds."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        out.write(f"\n$ {' '.join(map(str, command))}\n".encode())
        out.flush()
        try:
            done = subprocess.run(
                list(map(str, command)),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=limit,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise LabError(f"{what} took longer than {limit:.0f} s; its output is in {log}") from late
        except FileNotFoundError as absent:
            raise LabError(f"{what} needs the program {command[0]}, which is not installed") from absent
    if done.returncode:
        raise LabError(f"{what} failed with status {done.returncode}; the end of {log}:\n{tail(log)}")


def output_of(command: Sequence[str | Path], *, what: str, limit: float = 120) -> str:
    """Return the standard output of a command; raise `LabError` when it fails."""
    try:
        done = subprocess.run(
            list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, timeout=limit, check=False
        )
    except FileNotFoundError as absent:
        raise LabError(f"{what} needs the program {command[0]}, which is not installed") from absent
    except subprocess.TimeoutExpired as late:
        raise LabError(f"{what} took longer than {limit:.0f} s") from late
    if done.returncode:
        raise LabError(f"{what} failed with status {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")
