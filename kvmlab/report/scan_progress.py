"""How much of a log has been read, how fast, how long still: as a bar on stderr, or told to a function."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

# Seconds between two calls of a function that is told of progress.
EVERY = 0.1


@dataclass(frozen=True, slots=True)
class Step:
    """How far a scan is.

    Args:
        done: bytes read.
        total: bytes in all, None for a stream.
        seconds: since the beginning.
    """

    done: int
    total: int | None
    seconds: float

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds still to go, None if that cannot be said."""
        return (self.total - self.done) / self.rate if self.total is not None and self.rate > 0 else None


class Progress:
    """A bar for bytes read; shown only where stderr is a terminal, unless told otherwise.

    Args:
        what: what is being read.
        show: whether to show it; None: where stderr is a terminal.
        tell: called with a `Step` now and then, from one thread at a time, and at the end.

    >>> with Progress("x.log", show=False) as progress:
    ...     progress.begin(10)
    ...     progress.advance(4)
    >>> progress.done
    4
    """

    def __init__(self, what: str, show: bool | None = None, tell: Callable[[Step], object] | None = None) -> None:
        self.what = what
        self.total: int | None = None
        self.done = 0
        self._show = sys.stderr.isatty() if show is None else show
        self._lock = threading.Lock()
        self._bar: Any = None
        self._task: Any = None
        self._tell = tell
        self._begun = self._told = 0.0

    @property
    def step(self) -> Step:
        """How far it is."""
        return Step(self.done, self.total, time.monotonic() - self._begun)

    def begin(self, total: int | None) -> None:
        """Says how many bytes there are; None if that is not known."""
        self.total, self.done = total, 0
        self._begun = time.monotonic()
        if not self._show:
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.progress import (
            Progress as Bar,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        if self._bar is None:
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self.what, total=total)
        else:
            self._bar.reset(self._task, total=total)

    def advance(self, n: int) -> None:
        """Says that `n` more bytes have been read; from any thread."""
        with self._lock:
            self.done += n
            if self._tell is not None:
                now = time.monotonic()
                if now - self._told >= EVERY or self.done == self.total:
                    self._told = now
                    self._tell(self.step)
        if self._bar is not None:
            self._bar.advance(self._task, n)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


AnyProgress = Progress | Callable[[Step], object]


def as_progress(progress: AnyProgress) -> Progress:
    """A `Progress` from one, or from a function that wants to be told.

    Args:
        progress: either.
    """
    return progress if isinstance(progress, Progress) else Progress("", show=False, tell=progress)
