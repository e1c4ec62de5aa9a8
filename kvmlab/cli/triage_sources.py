"""How `kvmlab triage` reads what it is given: files and standard input, the slow way or the fast way by their size."""

from __future__ import annotations

import gc
import hashlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from kvmlab.cli.arguments import open_log
from kvmlab.inquiry.filters import ReportFilter
from kvmlab.inquiry.summaries import SourceSummary, Stored, of_log, of_scan
from kvmlab.report.log import read_log

if TYPE_CHECKING:
    from kvmlab.report.scan_result import Scan

# Stored bytes of all files, or of standard input, from which on the fast way reads them; it takes a moment to start.
FAST_FROM = 64 << 20
# The beginning of a text, by which its kind is told without reading it whole.
HEAD = 1 << 18
# Objects after which Python looks for cycles; records and reports hold none, and looking takes a sixth of the time.
_COLLECT_AFTER = 100_000


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Lets Python look for cycles of objects less often, for as long as reports are made by the thousand.

    >>> before = gc.get_threshold()
    >>> with rarely_collected():
    ...     gc.get_threshold()[0] > before[0]
    True
    >>> gc.get_threshold() == before
    True
    """
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], _COLLECT_AFTER) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Tap(io.RawIOBase):
    """A pipe that is read once, with what its bytes were: how many, their hash, the first of them.

    Args:
        file: the pipe.
        first: bytes that have been read from it already.

    >>> tap = Tap(io.BytesIO(b" pages"), b"bad")
    >>> io.BufferedReader(tap).read(), tap.size, tap.head
    (b'bad pages', 9, b'bad pages')
    """

    name = "-"

    def __init__(self, file: IO[bytes], first: bytes = b"") -> None:
        super().__init__()
        self._file = file
        self._first = memoryview(first)
        self._hash = hashlib.sha256()
        self.size = 0
        self.head = b""

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, room: bytearray | memoryview) -> int:  # type: ignore[override]
        """Reads what there is, at most what there is room for; how many bytes, 0 at the end."""
        view = memoryview(room).cast("B")
        if self._first:
            n = min(len(view), len(self._first))
            view[:n], self._first = self._first[:n], self._first[n:]
        else:
            n = self._file.readinto1(view)  # type: ignore[attr-defined]
        self._hash.update(view[:n])
        self.size += n
        if len(self.head) < HEAD:
            self.head += bytes(view[: min(n, HEAD - len(self.head))])
        return n

    def stored(self) -> Stored:
        """What the bytes were; what is left of the pipe is read, so that they are all of them."""
        rest = bytearray(1 << 20)
        while self.readinto(rest):
            pass
        return Stored(self.size, self._hash.hexdigest(), self.head)


def summarize(
    paths: Sequence[str], wanted: ReportFilter, rows: int, *, way: str = "auto", limit: int | None = None
) -> Iterator[SourceSummary]:
    """The summaries of the sources, in the order given, read in the way that is wanted or that suits their size.

    Args:
        paths: files, `-` for standard input.
        wanted: which reports count.
        rows: how many rows of each source are wanted.
        way: `fast`, `slow`, or `auto`: fast if the files have 64 MiB or more together.
        limit: bytes of text at most that only the slow way can read; None for its default.

    Raises:
        UnusableInput: one of them cannot be read.
    """
    files = [path for path in paths if path != "-"]
    large = sum(os.path.getsize(path) for path in files if os.path.isfile(path)) >= FAST_FROM
    fast = way == "fast" or (way == "auto" and large)
    found = _scans(files, limit) if fast and files else iter(())
    for source, path in enumerate(paths):
        if path == "-":
            yield _from_pipe(source, wanted, rows, way, limit)
        elif fast:
            yield _of_scan(source, next(found), wanted, rows)
        else:
            yield of_log(source, wanted.apply(open_log(path, limit)), rows)


def scans(paths: Sequence[str], *, limit: int | None = None) -> Iterator[Scan]:
    """What the fast way finds in the sources, in the order given.

    Args:
        paths, limit: as in `summarize`.

    Raises:
        UnusableInput: one of them cannot be read.
    """
    from kvmlab.report.scan import scan_log
    from kvmlab.report.scan_progress import Progress

    files = [path for path in paths if path != "-"]
    found = _scans(files, limit) if files else iter(())
    for path in paths:
        if path == "-":
            with Progress("standard input") as progress:
                yield scan_log("-", progress=progress, limit=limit)
        else:
            yield next(found)


def _scans(files: Sequence[str], limit: int | None) -> Iterator[Scan]:
    from kvmlab.report.scan import scan_log, scan_logs
    from kvmlab.report.scan_progress import Progress

    with Progress(files[0] if len(files) == 1 else f"{len(files)} files") as progress:
        if len(files) == 1:
            yield scan_log(files[0], progress=progress, limit=limit)
        else:
            yield from scan_logs(files, progress=progress, limit=limit)


def _of_scan(source: int, scan: Scan, wanted: ReportFilter, rows: int) -> SourceSummary:
    from kvmlab.report.scan_unpack import beginning

    if scan.log is not None:
        return of_log(source, wanted.apply(scan.log), rows)
    stored = Stored(os.path.getsize(scan.path), sha256_of(scan.path), beginning(scan.path, HEAD))
    return of_scan(source, scan, wanted, rows, stored)


def sha256_of(path: str) -> str:
    """The hash of a file as it is stored, in hex digits.

    Args:
        path: the file.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_pipe(source: int, wanted: ReportFilter, rows: int, way: str, limit: int | None) -> SourceSummary:
    given = {} if limit is None else {"limit": limit}
    pipe = sys.stdin.buffer
    first = pipe.read(FAST_FROM) if way == "auto" else b""
    if way == "slow" or (way == "auto" and len(first) < FAST_FROM):
        log = read_log(io.BufferedReader(Tap(pipe, first)), **given)
        return of_log(source, wanted.apply(log), rows)
    from kvmlab.report.scan import scan_log
    from kvmlab.report.scan_progress import Progress

    tap = Tap(pipe, first)
    with Progress("standard input") as progress:
        scan = scan_log(io.BufferedReader(tap, 1 << 20), progress=progress, limit=limit)
    if scan.log is not None:
        return replace(of_log(source, wanted.apply(scan.log), rows), path=scan.path)
    return of_scan(source, scan, wanted, rows, tap.stored())
