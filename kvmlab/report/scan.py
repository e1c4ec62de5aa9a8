"""The fast way through big logs: `scan_log` reads one, `scan_logs` many; the records are those of `read_log`.

One pass over the bytes; reports that a fast engine fully understands become rows at once, the lines of all others go to
the tolerant parser. Memory does not grow with the log, only with the number of reports in it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_chunk import Chunk, Engine, Found, TooShort
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.log import read_log
from kvmlab.report.records import Report
from kvmlab.report.scan_fold import folded
from kvmlab.report.scan_regions import NotPlain, Regions
from kvmlab.report.scan_result import Scan
from kvmlab.report.scan_stacks import Stack, stacks_of
from kvmlab.report.scan_text import FileText, MemoryText, StreamText, compression, gunzip_blocks, gunzipped
from kvmlab.text.prefix import match_prefix
from kvmlab.text.reader import read_text
from kvmlab.text.source import open_source

if TYPE_CHECKING:
    from kvmlab.report.scan_progress import Progress

CHUNK = 4 << 20
MARGIN = 64 << 10
# The first chunk.
FIRST = 64 << 10
PAD = 256
# Text from which on it pays to load the compiled engine, which takes half a second; and if it is loaded already.
NUMBA_FROM, NUMBA_LOADED_FROM = 96 << 20, 1 << 20
# A line or report that is longer than this makes the text none that the fast engines read.
LONGEST = 64 << 20
# Gzip files that unpack to at most this are unpacked at once.
AT_ONCE = 32 << 20
_HEAD = 16 << 10
_PLAIN_KINDS = frozenset({"dmesg", "syslog", "journal", "console", "logcat", "kmsg"})


class _Text(Protocol):
    size: int

    def read(self, start: int, stop: int) -> bytes: ...
    def fill(self, buffer: memoryview, start: int) -> int: ...
    def close(self) -> None: ...


def scan_log(
    path: str | os.PathLike[str] | bytes | BinaryIO,
    *,
    engine: str = "auto",
    threads: int | None = None,
    chunk: int = CHUNK,
    progress: Progress | None = None,
    lexicon: Lexicon | None = None,
    limit: int | None = None,
) -> Scan:
    """Reads a log of any size and finds the same reports in it as `read_log`, without keeping the text.

    Args:
        path: a path, `-` for stdin, the bytes themselves or a binary file; gzip is undone on the way.
        engine: `numba`, `python`, `slow` (the tolerant parser alone), or `auto`: by size.
        threads: how many chunks are read at a time; None for one a processor.
        chunk: bytes of a chunk.
        progress: shown while reading, see `scan_progress`.
        lexicon: what other scans have learned.
        limit: bytes of text at most, for texts that only the tolerant parser can read; None for its default.

    Raises:
        UnusableInput: it cannot be read.

    >>> text = b"[    1.500000] BUG: Bad rss-counter state mm:ffff8881 type:MM_ANONPAGES val:-1\\n"
    >>> scan_log(text).df_reports()[["kind", "first_line"]].values.tolist()
    [['bad_rss_counter', 1]]
    """
    lexicon = Lexicon() if lexicon is None else lexicon
    given = {} if limit is None else {"limit": limit}
    if isinstance(path, bytes):
        if engine == "slow" or not _is_plain(path[:_HEAD]):
            return _slowly("<bytes>", path, given)
        job = _Job("<bytes>", _engine(engine, len(path), lexicon), chunk, threads, progress)
        return job.run(MemoryText(path)) or _slowly("<bytes>", path, given)
    if not isinstance(path, str | os.PathLike) or path == "-":
        return _scan_stream(path, engine, lexicon, chunk, progress, given)
    name = os.fspath(path)
    kind = compression(name)
    if engine == "slow" or kind not in (None, "gzip"):
        return _slowly(name, name, given)
    if kind == "gzip":
        data = gunzipped(name, AT_ONCE)
        if data is not None:
            if not _is_plain(data[:_HEAD]):
                return _slowly(name, name, given)
            job = _Job(name, _engine(engine, len(data), lexicon), chunk, threads, progress)
            return job.run(MemoryText(data)) or _slowly(name, name, given)
        with open(name, "rb") as file:
            found = _Job(name, _engine(engine, 10 * os.path.getsize(name), lexicon), chunk, threads, progress).stream(
                StreamText(gunzip_blocks(file))
            )
        return found or _slowly(name, name, given)
    text = FileText(name)
    try:
        if not text.size or not _is_plain(text.read(0, _HEAD)):
            return _slowly(name, name, given)
        job = _Job(name, _engine(engine, text.size, lexicon), chunk, threads, progress)
        found = job.run(text)
    finally:
        text.close()
    return found or _slowly(name, name, given)


def scan_logs(
    paths: Iterable[str | os.PathLike[str]],
    *,
    engine: str = "auto",
    threads: int | None = None,
    progress: Progress | None = None,
    limit: int | None = None,
) -> Iterator[Scan]:
    """Reads many logs, several at a time; yields what each holds in the order of `paths`.

    Args:
        paths: the files.
        engine: as in `scan_log`; `auto` judges by the sum of the sizes.
        threads: how many files are read at a time; None for one a processor.
        progress: shown while reading.
        limit: as in `scan_log`.

    Raises:
        UnusableInput: one of them cannot be read.
    """
    names = [os.fspath(path) for path in paths]
    n = threads or _processors()
    lexicon = Lexicon()
    if engine == "auto":
        engine = _chosen(sum(os.path.getsize(name) * 8 for name in names if os.path.isfile(name)))
    if progress is not None:
        progress.begin(sum(os.path.getsize(name) for name in names if os.path.isfile(name)))

    def one(name: str) -> Scan:
        found = scan_log(name, engine=engine, threads=1, lexicon=lexicon, limit=limit)
        if progress is not None:
            progress.advance(os.path.getsize(name))
        return found

    with ThreadPoolExecutor(n) as pool:
        waiting: deque[Future[Scan]] = deque()
        for name in names:
            waiting.append(pool.submit(one, name))
            if len(waiting) > 4 * n:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _is_plain(head: bytes) -> bool:
    """Whether a text is a log of one prefix a line, judged by its beginning."""
    if len(head) == _HEAD:
        head = head[: head.rfind(b"\n") + 1] or head
    if not head.strip():
        return False
    text = read_text(open_source(head))
    if text.mails or text.parts or text.encoding not in ("utf-8", "ascii") or text.source.compression:
        return False
    if text.log_blocks and text.kind in _PLAIN_KINDS:
        return any(block.prefix_style is not None for block in text.log_blocks)
    lines = [line for line in head.decode("utf-8", "replace").splitlines() if line.strip()]
    with_prefix = sum(match_prefix(line) is not None for line in lines[:200])
    return text.kind == "text" and 2 * with_prefix > len(lines[:200])


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _chosen(size: int) -> str:
    loaded = "kvmlab.report.fast_compiled" in sys.modules
    if size < (NUMBA_LOADED_FROM if loaded else NUMBA_FROM):
        return "python"
    try:
        import numba  # noqa: F401
    except ImportError:
        return "python"
    return "numba"


def _engine(name: str, size: int, lexicon: Lexicon) -> Engine:
    if (_chosen(size) if name == "auto" else name) == "numba":
        from kvmlab.report.fast_compiled import CompiledEngine

        return CompiledEngine(lexicon)
    from kvmlab.report.fast_python import PythonEngine

    return PythonEngine(lexicon)


def _slowly(name: str, what: str | bytes, given: dict[str, int]) -> Scan:
    log = read_log(what, **given)
    size, lines = len(log.source.data), log.text.n_lines
    return Scan(name, "slow", size, lines, _no_rows(), Lexicon(), list(log.reports), {}, log=log)


def _by_column(pieces: list[Any]) -> Any:
    """The rows of all chunks, column by column in memory, as frames want them."""
    rows = np.empty((sum(map(len, pieces)), r.N_COLUMNS), np.int64, order="F")
    at = 0
    for piece in pieces:
        rows[at : at + len(piece)] = piece
        at += len(piece)
    return rows


def _no_rows() -> Any:
    return np.empty((0, r.N_COLUMNS), np.int64)


def _scan_stream(
    path: str | os.PathLike[str] | BinaryIO, engine: str, lexicon: Lexicon, chunk: int, progress: Progress | None,
    given: dict[str, int],
) -> Scan:  # fmt: skip
    file: BinaryIO = sys.stdin.buffer if path == "-" else path  # type: ignore[assignment]
    head = b""
    while len(head) < _HEAD and (piece := file.read(_HEAD - len(head))):
        head += piece
    if engine == "slow" or not _is_plain(head):
        data = head + file.read()
        return _slowly("-", data, given)

    def blocks() -> Iterator[bytes]:
        yield head
        while block := file.read(chunk):
            yield block

    found = _Job("-", _engine(engine, NUMBA_FROM, lexicon), chunk, 1, progress).stream(StreamText(blocks()))
    if found is None:
        from kvmlab.errors import UnusableInput

        raise UnusableInput(
            "standard input: it must be judged as a whole (a mail, or lines without prefixes): save it to a file"
        )
    return found


@dataclass(slots=True)
class _Job:
    """One text being read.

    Args:
        name: of the text.
        engine: what reads the chunks.
        chunk: bytes of a chunk.
        threads: chunks read at a time.
        progress: told of every chunk.
    """

    name: str
    engine: Engine
    chunk: int
    threads: int | None
    progress: Progress | None
    rows: list[Any] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    stacks: dict[int, Stack] = field(default_factory=dict)
    lines: int = 0
    at: int = 0
    row_stop: int = 0
    regions: Regions | None = None

    def run(self, text: _Text) -> Scan | None:
        """Reads a text of which any stretch can be read; None if the tolerant parser must see it whole."""
        self.regions = Regions(text)
        n = (self.threads or _processors()) if self.engine.parallel else 1
        if self.progress is not None:
            self.progress.begin(text.size)
        starts = list(self._chunks(text.size))
        buffers = threading.local()
        try:
            if n == 1 or len(starts) == 1:
                for lo, hi in starts:
                    self._take(*self._read(text, lo, hi, buffers))
            else:
                with ThreadPoolExecutor(n) as pool:
                    waiting: deque[Future[tuple[Found, int, Any]]] = deque()
                    try:
                        for lo, hi in starts:
                            waiting.append(pool.submit(self._read, text, lo, hi, buffers))
                            if len(waiting) > 2 * n:
                                self._take(*waiting.popleft().result())
                        while waiting:
                            self._take(*waiting.popleft().result())
                    finally:
                        for future in waiting:
                            future.cancel()
            return self._finish(text.size)
        except NotPlain:
            return None

    def stream(self, text: StreamText) -> Scan | None:
        """Reads a stream; None if the tolerant parser must see it whole."""
        self.regions = Regions(text)
        if self.progress is not None:
            self.progress.begin(None)
        held = b""
        base = 0
        block = text.next()
        try:
            while True:
                following = text.next() if block else b""
                held += block
                at_end = not following
                try:
                    held, base = self._take_block(held, base, at_end)
                except TooShort:
                    if at_end or len(held) > LONGEST:
                        raise NotPlain from None
                if self.progress is not None:
                    self.progress.advance(len(block))
                if at_end:
                    return self._finish(text.size)
                block = following
        except NotPlain:
            return None

    def _take_block(self, held: bytes, base: int, at_end: bool) -> tuple[bytes, int]:
        # The last lines wait for the next block, so that a report that ends in it need not be read twice.
        hi = len(held) if at_end else max(0, held.rfind(b"\n", 0, max(0, len(held) - MARGIN)) + 1)
        if not hi and not at_end:
            return held, base
        data = np.zeros(len(held) + PAD, np.uint8)
        data[: len(held)] = np.frombuffer(held, np.uint8)
        chunk = Chunk(data, 0, hi, len(held), at_end, base)
        found = self.engine.read(chunk)
        self._take(found, base, self._new_stacks(chunk, found))
        return held[hi:], base + hi

    def _chunks(self, size: int) -> Iterator[tuple[int, int]]:
        """Where the chunks begin and end; the first ones are small, since they are read again for what they teach."""
        lo, length = 0, min(self.chunk, FIRST)
        while lo < size:
            yield lo, min(lo + length, size)
            lo, length = lo + length, min(2 * length, self.chunk)

    def _read(self, text: _Text, lo: int, hi: int, buffers: Any) -> tuple[Found, int, Any]:
        """Reads a chunk: what it holds, and the offset that it counts from."""
        margin = MARGIN
        while True:
            begin = max(0, lo - 1)
            want = min(hi + margin, text.size) - begin
            data = getattr(buffers, "data", None)
            if data is None or len(data) < want + PAD:
                data = buffers.data = np.zeros(self.chunk + margin + PAD + 1, np.uint8)
            n = text.fill(data.data[:want], begin)
            data[n : n + PAD] = 0
            first = 0 if lo == 0 else _behind_newline(data, n)
            at_end = begin + n >= text.size or n < want
            chunk = Chunk(data, min(first, n), max(first, min(hi - begin, n)), n, at_end, begin)
            try:
                found = self.engine.read(chunk)
                break
            except TooShort:
                margin *= 4
                if margin > LONGEST:
                    raise NotPlain from None
        if found.stray:
            raise NotPlain
        if self.progress is not None:
            self.progress.advance(hi - lo)
        return found, begin, self._new_stacks(chunk, found)

    def _new_stacks(self, chunk: Chunk, found: Found) -> Any:
        return stacks_of(chunk, found, self.engine.lexicon, self.stacks)

    def _take(self, found: Found, base: int, stacks: Any) -> None:
        """Takes what a chunk holds; chunks come in order."""
        assert self.regions is not None
        if found.stray:
            raise NotPlain
        self.stacks.update(stacks)
        self.regions.interleaved = self.engine.interleaved
        rows, marks = found.rows, found.marks
        if len(rows):
            rows[:, [r.START, r.STOP, r.TRACE_AT]] += base
            rows[:, r.LINE] += self.lines
            if rows[0, r.START] < self.at:
                rows = rows[rows[:, r.START] >= self.at]
            self.rows.append(rows)
        ends = rows[:, r.STOP]
        for mark in marks.tolist():
            mark[r.MARK_START] += base
            mark[r.MARK_STOP] += base
            mark[r.MARK_LINE] += self.lines
            if mark[r.MARK_START] < self.at:
                # The chunk before has read on into this one.
                if mark[r.MARK_STOP] <= self.at:
                    continue
                cut = self.regions.count_lines(mark[r.MARK_START], self.at)
                mark[r.MARK_START] = self.at
                mark[r.MARK_LINE] += cut
                mark[r.MARK_LINES] -= cut
            n = int(np.searchsorted(ends, mark[r.MARK_START], side="right"))
            self.reports += self.regions.add(mark, int(ends[n - 1]) if n else self.row_stop)
        if len(ends):
            self.row_stop = int(ends[-1])
        self.at = max(self.at, found.at + base)
        self.lines += found.lines

    def _finish(self, size: int) -> Scan:
        assert self.regions is not None
        self.reports += self.regions.finish()
        rows = _by_column(self.rows)
        if self.regions.interleaved:
            # A region may hold the reports of other callers, which are rows already.
            held = set((rows[:, r.LINE] + 1).tolist())
            self.reports = [report for report in self.reports if report.span.first_line not in held]
        self.reports.sort(key=lambda report: (report.span.first_line, report.span.last_line))
        return folded(
            Scan(self.name, self.engine.name, size, self.lines, rows, self.engine.lexicon, self.reports, self.stacks),
            self.regions.text,
        )


def _behind_newline(data: Any, n: int) -> int:
    """Offset behind the first line feed, `n` if there is none."""
    at = 0
    while at < n:
        found = data[at : min(n, at + 4096)].tobytes().find(b"\n")
        if found >= 0:
            return int(at + found + 1)
        at += 4096
    return n
