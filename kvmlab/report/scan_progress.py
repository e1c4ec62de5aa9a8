"""A progress bar on stderr while a log is read: how much, how fast, how long still."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any, Self


class Progress:
    """A bar for bytes read; shown only where stderr is a terminal, unless told otherwise.

    Args:
        what: what is being read.
        show: whether to show it; None: where stderr is a terminal.

    >>> with Progress("x.log", show=False) as progress:
    ...     progress.begin(10)
    ...     progress.advance(4)
    >>> progress.done
    4
    """

    def __init__(self, what: str, show: bool | None = None) -> None:
        self.what = what
        self.total: int | None = None
        self.done = 0
        self._show = sys.stderr.isatty() if show is None else show
        self._lock = threading.Lock()
        self._bar: Any = None
        self._task: Any = None

    def begin(self, total: int | None) -> None:
        """Says how many bytes there are; None if that is not known."""
        self.total, self.done = total, 0
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
