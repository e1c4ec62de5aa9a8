"""The fast way through big logs: `scan_log` reads one, `scan_logs` many; the records are those of `read_log`.

One pass over the bytes; reports that a fast engine fully understands become rows at once, the lines of all others go to
the tolerant parser. Memory does not grow with the log, only with the number of reports in it.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from io import BufferedReader
from typing import Any, BinaryIO

from kvmlab.errors import UnusableInput
from kvmlab.report.fast_chunk import Engine
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.log import read_log
from kvmlab.report.scan_job import CHUNK, Job
from kvmlab.report.scan_open import HEAD, NUMBA_FROM, chosen, engine_of, is_plain, processors
from kvmlab.report.scan_parquet import ParquetFile
from kvmlab.report.scan_progress import AnyProgress, Progress, as_progress
from kvmlab.report.scan_result import Scan
from kvmlab.report.scan_ring import PIECE, Ring
from kvmlab.report.scan_rows import no_rows
from kvmlab.report.scan_text import SAVE_IT, FileText, Fill, MemoryText, NotPlain, behind, compression, filled
from kvmlab.report.scan_unpack import Pipe, reading, unpacking
from kvmlab.text.inflate import compression_of


def scan_log(
    path: str | os.PathLike[str] | bytes | BinaryIO,
    *,
    engine: str | Engine = "auto",
    threads: int | None = None,
    chunk: int = CHUNK,
    progress: AnyProgress | None = None,
    parquet: str | os.PathLike[str] | None = None,
    limit: int | None = None,
) -> Scan:
    """Reads a log of any size and finds the same reports in it as `read_log`, without keeping the text.

    Args:
        path: a path, `-` for stdin, the bytes themselves or a binary file; compression of a file is undone on the way.
        engine: `numba`, `python`, `slow` (the tolerant parser alone), `auto`: by size; or an engine to go on with.
        threads: how many chunks are read at a time; None for one a processor.
        chunk: bytes of a chunk.
        progress: shown while reading: a `Progress`, or a function that is called with a `Step`.
        parquet: a Parquet file to write the bad pages to, a stretch of rows at a time; see `write_parquet`.
        limit: bytes of text at most, for texts that only the tolerant parser can read; None for its default.

    Raises:
        UnusableInput: it cannot be read.
        MissingLibrary: a Parquet file is wanted and pyarrow is not installed.

    >>> text = b"[    1.500000] BUG: Bad rss-counter state mm:ffff8881 type:MM_ANONPAGES val:-1\\n"
    >>> scan_log(text).df_reports()[["kind", "first_line"]].values.tolist()
    [['bad_rss_counter', 1]]
    """
    shown = None if progress is None else as_progress(progress)
    given = {} if limit is None else {"limit": limit}
    if parquet is None:
        return _scan(path, engine, threads, chunk, shown, given, threading.local())
    with ParquetFile(parquet) as file:
        found = _scan(path, engine, threads, chunk, shown, given, threading.local())
        file.write(found)
    return found


def scan_logs(
    paths: Iterable[str | os.PathLike[str]],
    *,
    engine: str = "auto",
    threads: int | None = None,
    progress: AnyProgress | None = None,
    parquet: str | os.PathLike[str] | None = None,
    limit: int | None = None,
) -> Iterator[Scan]:
    """Reads many logs, several at a time; yields what each holds in the order of `paths`.

    Args:
        paths: the files.
        engine: as in `scan_log`; `auto` judges by the sum of the sizes.
        threads: how many files are read at a time; None for one a processor.
        progress: as in `scan_log`; the bytes are those of the files.
        parquet: a Parquet file for the bad pages of all of them; it is complete when the last scan has been taken.
        limit: as in `scan_log`.

    Raises:
        UnusableInput: one of them cannot be read.
        MissingLibrary: a Parquet file is wanted and pyarrow is not installed.
    """
    names = [os.fspath(path) for path in paths]
    sizes = {name: os.path.getsize(name) for name in names if os.path.isfile(name)}
    n = threads or processors()
    name = chosen(8 * sum(sizes.values())) if engine == "auto" else engine
    shown = None if progress is None else as_progress(progress)
    if shown is not None:
        shown.begin(sum(sizes.values()))
    # What one file has taught is known to all.
    first = engine_of(name, 0, Lexicon()) if name != "slow" else None

    # So is memory that one has used, to those that the same thread reads.
    rooms = threading.local()
    given = {} if limit is None else {"limit": limit}
    each = 1 if len(names) >= n else n // len(names) if names else 1

    def one(path: str) -> Scan:
        found = _scan(path, name if first is None else first.sibling(), each, CHUNK, None, given, rooms)
        if shown is not None:
            shown.advance(sizes.get(path, 0))
        return found

    def all_of_them() -> Iterator[Scan]:
        with ThreadPoolExecutor(n) as pool:
            waiting: deque[Future[Scan]] = deque()
            for path in names:
                waiting.append(pool.submit(one, path))
                if len(waiting) > 4 * n:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    if parquet is None:
        yield from all_of_them()
        return
    with ParquetFile(parquet) as file:
        for found in all_of_them():
            file.write(found)
            yield found


def _scan(
    path: str | os.PathLike[str] | bytes | BinaryIO, engine: str | Engine, threads: int | None, chunk: int,
    progress: Progress | None, given: dict[str, int], rooms: Any,
) -> Scan:  # fmt: skip
    def job(name: str, size: int) -> Job:
        return Job(name, engine_of(engine, size, Lexicon()), chunk, threads, progress, rooms=rooms)

    if isinstance(path, bytes):
        found = (
            None if engine == "slow" or not is_plain(path[:HEAD]) else job("<bytes>", len(path)).run(MemoryText(path))
        )
        return found or _slowly("<bytes>", path, given)
    if not isinstance(path, str | os.PathLike) or path == "-":
        return _scan_pipe(path, engine, job, given)
    name = os.fspath(path)
    kind = compression(name)
    if engine == "slow":
        return _slowly(name, name, given)
    if kind is not None:
        return _scan_packed(name, kind, job) or _slowly(name, name, given)
    text = FileText(name)
    try:
        found = job(name, text.size).run(text) if text.size and is_plain(text.read(0, HEAD)) else None
    finally:
        text.close()
    return found or _slowly(name, name, given)


def _scan_packed(name: str, kind: str, job: Callable[[str, int], Job]) -> Scan | None:
    with ExitStack() as files:

        def opened() -> Fill:
            return unpacking(files.enter_context(open(name, "rb")), kind)

        try:
            return _scan_stream(job(name, 10 * os.path.getsize(name)), opened(), opened)
        except NotPlain:
            return None


def _scan_stream(job: Job, fill: Fill, again: Callable[[], Fill] | None) -> Scan | None:
    held = getattr(job.rooms, "pieces", None)
    if held is None:
        held = job.rooms.pieces = []
    text = Ring(fill, held, min(PIECE, job.chunk), again)
    try:
        first = text.next()
        return job.stream(text, first) if is_plain(text.read(0, HEAD)) else None
    finally:
        text.close()


def _slowly(name: str, what: str | bytes, given: dict[str, int]) -> Scan:
    log = read_log(what, **given)
    size, lines = len(log.source.data), log.text.n_lines
    return Scan(name, "slow", size, lines, no_rows(), Lexicon(), list(log.reports), log=log)


def _scan_pipe(
    path: str | os.PathLike[str] | BinaryIO, engine: str | Engine, job: Callable[[str, int], Job],
    given: dict[str, int],
) -> Scan:  # fmt: skip
    file: BinaryIO = sys.stdin.buffer if path == "-" else path  # type: ignore[assignment]
    read = reading(file)
    room = bytearray(HEAD)
    head = bytes(room[: filled(read, memoryview(room))])
    kind = compression_of(head)
    if engine == "slow" or (kind is None and not is_plain(head)):
        return _slowly("-", head + file.read(), given)

    fill = behind(head, read)
    try:
        unpacked = fill if kind is None else unpacking(BufferedReader(Pipe(fill)), kind)
        found = _scan_stream(job("-", NUMBA_FROM), unpacked, None)
    except NotPlain:
        found = None
    if found is None:
        raise UnusableInput(SAVE_IT)
    return found
