"""Runs the command line inside the test, with its output and its exit status."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from unittest import mock

from kvmlab.cli import main


@dataclass(frozen=True)
class Done:
    """What a run printed and how it ended."""

    status: int
    out: str
    err: str


class Terminal(io.StringIO):
    """A standard output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def run(*words: str, stdin: bytes = b"", terminal: bool = False) -> Done:
    """Run `kvmlab WORDS`.

    Args:
        words: the arguments.
        stdin: bytes on standard input.
        terminal: whether standard output is a terminal.
    """
    out, err = Terminal() if terminal else io.StringIO(), io.StringIO()
    source = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), mock.patch.object(sys, "stdin", source):
        try:
            status = main(words)
        except SystemExit as stop:
            status = int(stop.code or 0)
    return Done(status, out.getvalue(), err.getvalue())
