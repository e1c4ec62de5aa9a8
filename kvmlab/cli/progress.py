"""One line at the terminal that tells how far a long run has come; nothing in a pipe, and nothing of a short run."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

PATIENCE = 1.0
"""Seconds without a word."""
INTERVAL = 0.2
"""Seconds between two words."""
BAR = 24
"""Characters of the bar."""


class ProgressLine:
    """States explored so far, on standard error: how many of those that are allowed, how deep, how fast.

    Args:
        bound: states that are allowed.
        stream: where to write; standard error if None.
    """

    def __init__(self, bound: int, stream: TextIO | None = None) -> None:
        self.bound, self.stream = bound, sys.stderr if stream is None else stream
        self._began = self._last = time.monotonic()
        self._width, self._compiling = 0, False
        self.wanted = self.stream.isatty()

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._width:
            self._write("")
            self.stream.write("\r")
            self.stream.flush()

    def __call__(self, states: int, depth: int) -> None:
        """Tell, if it is time to; 0 states stand for a search that is being compiled."""
        now = time.monotonic()
        if not self.wanted:
            return
        if states == 0:
            self._write("compiling the search for this configuration ...")
            self._compiling = True
        elif self._compiling:
            # The clock of the search begins where compiling ends.
            self._compiling, self._began, self._last = False, now, now
        elif now - self._last >= INTERVAL and (self._width or now - self._began >= PATIENCE):
            self._last = now
            self._write(self.line(states, depth, now - self._began))

    def line(self, states: int, depth: int, seconds: float) -> str:
        """What it says.

        Args:
            states: states so far.
            depth: steps to the last of them.
            seconds: how long it has taken.

        >>> ProgressLine(50_000_000).line(12_500_000, 31, 5.0)
        '[######                  ] 12,500,000 states of at most 50,000,000, 31 steps deep, 2,500,000/s'
        """
        full = min(BAR, BAR * states // self.bound)
        bar = "#" * full + " " * (BAR - full)
        speed = round(states / max(seconds, 1e-9))
        return f"[{bar}] {states:,} states of at most {self.bound:,}, {depth} steps deep, {speed:,}/s"

    def _write(self, text: str) -> None:
        self.stream.write("\r" + text.ljust(self._width))
        self.stream.flush()
        self._width = len(text)
