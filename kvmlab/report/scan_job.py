"""One text being read: it is cut into chunks or pieces, which an engine reads, several at a time where that pays."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from kvmlab.report.fast_chunk import Chunk, Engine, Found, TooShort, Unread
from kvmlab.report.scan_open import processors
from kvmlab.report.scan_regions import Regions
from kvmlab.report.scan_result import Scan
from kvmlab.report.scan_ring import Piece, Ring, joined, line_before
from kvmlab.report.scan_stacks import learn_stacks
from kvmlab.report.scan_taken import Taken
from kvmlab.report.scan_text import FileText, NotPlain

if TYPE_CHECKING:
    from kvmlab.report.scan_progress import Progress
    from kvmlab.report.scan_workers import Workers

CHUNK = 4 << 20
MARGIN = 64 << 10
# The first chunk.
FIRST = 64 << 10
PAD = 256
# Chunks that are asked for before they are taken, for each reader: one that is slow once holds up nobody.
_AHEAD = 8
# A line or report that is longer than this makes the text none that the fast engines read.
LONGEST = 64 << 20


class AnyText(Protocol):
    """A text of known size of which any stretch can be read; the file that it is in, -1 if it is in none."""

    size: int
    fd: int

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`."""

    def fill(self, buffer: memoryview, start: int) -> int:
        """Reads into a buffer; how many bytes."""

    def close(self) -> None:
        """Lets go of the text."""


@dataclass(slots=True)
class Job:
    """One text being read.

    Args:
        name: of the text.
        engine: what reads the chunks.
        chunk: bytes of a chunk.
        threads: chunks read at a time.
        progress: told of every chunk.
        rooms: memory of each thread, which texts read one after the other can share.
    """

    name: str
    engine: Engine
    chunk: int
    threads: int | None
    progress: Progress | None
    rooms: Any = field(default_factory=threading.local)

    def run(self, text: AnyText) -> Scan | None:
        """Reads a text of which any stretch can be read; None if the tolerant parser must see it whole."""
        taken = Taken(Regions(text))
        n = self.threads or processors()
        if self.progress is not None:
            self.progress.begin(text.size)

        def alone(lo: int, hi: int) -> tuple[Found, int]:
            return self.read(text, lo, hi, self.rooms)

        workers = self._workers(text, n, alone)
        try:
            if workers is not None:
                self._together(text.size, n, workers.submit, workers.result, taken)
            elif n > 1 and text.size > FIRST and self.engine.parallel:
                with ThreadPoolExecutor(n) as threads:

                    def submit(lo: int, hi: int) -> Future[tuple[Found, int]]:
                        return threads.submit(alone, lo, hi)

                    self._together(text.size, n, submit, lambda lo, hi, asked: asked.result(), taken)
            else:
                for lo, hi in self._chunks(text.size):
                    taken.take(*alone(lo, hi))
            return taken.finish(self.name, self.engine, text.size)
        except NotPlain:
            return None

    def _workers(self, text: AnyText, n: int, alone: Callable[[int, int], tuple[Found, int]]) -> Workers | None:
        """Processes for a big file, if the engine gains nothing by threads."""
        if self.engine.parallel or n == 1 or not isinstance(text, FileText) or sys.platform == "emscripten":
            return None
        from kvmlab.report import scan_workers as w

        if text.size < w.WORKERS_FROM:
            return None
        return w.Workers(text.path, self.chunk, n, self.engine.lexicon, alone, self.progress)

    def _together(
        self,
        size: int,
        n: int,
        submit: Callable[[int, int], Any],
        result: Callable[[int, int, Any], tuple[Found, int]],
        taken: Taken,
    ) -> None:
        """Has chunks read at the same time, and takes them in their order."""
        waiting: deque[tuple[int, int, Any]] = deque()
        try:
            for lo, hi in self._chunks(size):
                waiting.append((lo, hi, submit(lo, hi)))
                if len(waiting) > _AHEAD * n:
                    taken.take(*result(*waiting.popleft()))
            while waiting:
                taken.take(*result(*waiting.popleft()))
        finally:
            for _, _, asked in waiting:
                if asked is not None:
                    asked.cancel()

    def stream(self, text: Ring, first: Piece) -> Scan | None:
        """Reads a stream; None if the tolerant parser must see it whole.

        Args:
            text: the stream.
            first: its first piece.
        """
        taken = Taken(Regions(text, held=True))
        if self.progress is not None:
            self.progress.begin(None)
        n = self.threads or processors()
        try:
            if n == 1 or first.at_end:
                self._pieces(text, first, None, taken)
            else:
                # While a piece is looked at, the next one is unpacked.
                with ThreadPoolExecutor(1) as pool:
                    self._pieces(text, first, pool, taken)
            return taken.finish(self.name, self.engine, text.size)
        except NotPlain:
            return None

    def _pieces(self, text: Ring, piece: Piece, pool: ThreadPoolExecutor | None, taken: Taken) -> None:
        size, enough = piece.size, 0
        while True:
            room = None if piece.at_end else text.room()
            coming = None if pool is None or room is None else pool.submit(text.fill, room)
            begin = piece.begin
            if piece.at_end or piece.size >= enough:
                begin, enough = self._take_piece(piece, taken), 0
                if begin < 0:
                    # It is looked at again when there is twice as much of it.
                    begin, enough = piece.begin, 2 * piece.size
                    if piece.at_end or piece.size > LONGEST:
                        raise NotPlain
            if self.progress is not None:
                self.progress.advance(size)
            if room is None:
                return
            following = text.keep(room, text.fill(room) if coming is None else coming.result())
            size = following.size
            piece = joined(piece, begin, following)

    def _take_piece(self, piece: Piece, taken: Taken) -> int:
        """Takes the reports of a piece; where what is left of it begins, -1 if more of the text is needed."""
        # The last lines wait for the next piece, so that a report that ends in it need not be read twice.
        hi = piece.stop if piece.at_end else line_before(piece, piece.stop - MARGIN)
        if hi <= piece.begin and not piece.at_end:
            return -1
        base = piece.offset - piece.begin
        chunk = Chunk(piece.data, piece.begin, hi, piece.stop, piece.at_end, base)
        try:
            found = self.engine.read(chunk)
        except TooShort:
            return -1
        learn_stacks(chunk, found, self.engine.lexicon)
        taken.take(found, base)
        return hi

    def _chunks(self, size: int) -> Iterator[tuple[int, int]]:
        """Where the chunks begin and end; the first ones are small, since they are read again for what they teach."""
        lo, length = 0, min(self.chunk, FIRST)
        while lo < size:
            yield lo, min(lo + length, size)
            lo, length = lo + length, min(2 * length, self.chunk)

    def read(self, text: AnyText, lo: int, hi: int, buffers: Any) -> tuple[Found, int]:
        """Reads a chunk: what it holds, and the offset that it counts from."""
        margin, some = MARGIN, self.engine.fills and text.fd >= 0
        while True:
            begin = max(0, lo - 1)
            want = min(hi + margin, text.size) - begin
            data = getattr(buffers, "data", None)
            if data is None or len(data) < want + PAD:
                data = buffers.data = np.zeros(self.chunk + margin + PAD + 1, np.uint8)
            now = min(want, FIRST) if some else want
            n = have = text.fill(data.data[:now], begin)
            data[n : n + PAD] = 0
            first = 0 if lo == 0 else _behind_newline(data, n)
            if n == now < want:
                if first == n:
                    some = False
                    continue
                # The engine reads the rest.
                n = want
            at_end = begin + n >= text.size or n < want
            chunk = Chunk(data, min(first, n), max(first, min(hi - begin, n)), n, at_end, begin, have, text.fd)
            try:
                found = self.engine.read(chunk)
                break
            except Unread:
                some = False
            except TooShort:
                margin *= 4
                if margin > LONGEST:
                    raise NotPlain from None
        if found.stray:
            raise NotPlain
        if self.progress is not None:
            self.progress.advance(hi - lo)
        learn_stacks(chunk, found, self.engine.lexicon)
        return found, begin


def _behind_newline(data: Any, n: int) -> int:
    """Offset behind the first line feed, `n` if there is none."""
    at = 0
    while at < n:
        found = data[at : min(n, at + 4096)].tobytes().find(b"\n")
        if found >= 0:
            return int(at + found + 1)
        at += 4096
    return n
