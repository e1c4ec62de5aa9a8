"""A log, chosen by path or handed over as bytes; what goes wrong is a sentence to show, never an exception."""

from __future__ import annotations

from typing import Final

from kvmlab.errors import KvmlabError
from kvmlab.report.log import Log, read_log
from kvmlab.widgets.controller import Controller

MOST_BYTES: Final = 256 << 20


class LogLoader(Controller):
    """Holds the log that the other controllers work on.

    Args:
        path: a log to begin with; none if empty.
        limit: bytes of decompressed text to read at most.

    >>> loader = LogLoader()
    >>> loader.load_bytes("dmesg", b"[    1.000000] BUG: Bad page state in process qemu  pfn:fb1665")
    >>> loader.words()
    'dmesg: 1 report, 1 bad page'
    >>> loader.load("no-such-file"); loader.error is not None
    True
    """

    def __init__(self, path: str = "", *, limit: int = MOST_BYTES) -> None:
        super().__init__()
        self.limit = limit
        self.name = ""
        self.log: Log | None = None
        self.error: str | None = None
        if path:
            self.load(path)

    def load(self, path: str) -> None:
        """Read a file; the log that was there before stays if that fails.

        Args:
            path: of a log, a mail or an archive.
        """
        self._read(path, path)

    def load_bytes(self, name: str, data: bytes) -> None:
        """Read bytes, as an upload gives them.

        Args:
            name: to call them by.
            data: the file as it is.
        """
        self._read(name, data)

    def words(self) -> str:
        """One sentence: what was loaded, or what went wrong."""
        if self.error is not None:
            return self.error
        if self.log is None:
            return "no log is loaded"
        reports, bad = len(self.log.reports), len(self.log.bad_pages)
        return (
            f"{self.name}: {reports} {'report' if reports == 1 else 'reports'}, "
            f"{bad} bad {'page' if bad == 1 else 'pages'}"
        )

    def _read(self, name: str, place: str | bytes) -> None:
        try:
            self.log, self.error = read_log(place, limit=self.limit), None
            self.name = name
        except KvmlabError as error:
            self.error = str(error)
        self.changed()
