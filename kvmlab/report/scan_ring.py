"""A stream in a ring of memory: each piece is read into room that is used again, and the last pieces can be read again.

Nothing is copied but the lines that a piece leaves behind, which are put before the next one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kvmlab.report.scan_text import filled

# Bytes of a piece: few enough to be in the cache still when they are looked at, enough to be worth a call.
PIECE = 2 << 20
# Room before a piece for the lines that the last one has left behind; and what is kept of pieces that are done with.
RESERVE, KEPT = 128 << 10, 6 << 20
PAD = 256


@dataclass(slots=True)
class Piece:
    """A stretch of a stream: `size` bytes from `offset` on, in `data` from `begin` on with zeros behind them."""

    data: Any
    begin: int
    size: int
    offset: int
    at_end: bool

    @property
    def stop(self) -> int:
        """Where in `data` they end."""
        return self.begin + self.size


class Ring:
    """A stream that is read piece by piece.

    Args:
        fill: reads into a buffer; how many bytes, 0 at the end of the stream.
        rooms: memory of earlier streams, which is used again; new memory is added to it.
        piece: bytes of a piece.
        again: opens the stream once more from its beginning, None if that cannot be done.
    """

    def __init__(
        self, fill: Callable[[memoryview], int], rooms: list[Any], piece: int = PIECE,
        again: Callable[[], Callable[[memoryview], int]] | None = None,
    ) -> None:  # fmt: skip
        self._fill, self._rooms, self._piece, self._again = fill, rooms, piece, again
        self._kept: deque[Piece] = deque()
        self._behind: tuple[Callable[[memoryview], int], int] | None = None
        self.size = 0

    def room(self) -> Any:
        """Memory for the next piece; what it held is forgotten."""
        while len(self._kept) > 2 and self.size - self._kept[1].offset > KEPT:
            self._rooms.append(self._kept.popleft().data)
        wanted = RESERVE + self._piece + PAD
        if self._rooms and len(self._rooms[-1]) == wanted:
            return self._rooms.pop()
        self._rooms.clear()
        return np.zeros(wanted, np.uint8)

    def fill(self, room: Any) -> int:
        """Reads the next piece into memory, from any thread; how many bytes."""
        n = filled(self._fill, room.data[RESERVE : RESERVE + self._piece])
        room[RESERVE + n : RESERVE + n + PAD] = 0
        return n

    def keep(self, room: Any, n: int) -> Piece:
        """Takes memory with the next piece of `n` bytes in it."""
        piece = Piece(room, RESERVE, n, self.size, n < self._piece)
        self._kept.append(piece)
        self.size += n
        return piece

    def next(self) -> Piece:
        """The next piece; only the last one is shorter than the others."""
        room = self.room()
        return self.keep(room, self.fill(room))

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`; fewer if they are not kept and the stream cannot be opened again."""
        stop = min(stop, self.size)
        if start < stop and start < self._kept[0].offset and self._again is not None:
            return self._read_again(start, stop)
        out = b""
        for piece in self._kept:
            a, b = max(0, start - piece.offset), min(piece.size, stop - piece.offset)
            if a < b:
                out += piece.data[piece.begin + a : piece.begin + b].tobytes()
        return out

    def _read_again(self, start: int, stop: int) -> bytes:
        assert self._again is not None
        if self._behind is None or self._behind[1] > start:
            self._behind = self._again(), 0
        fill, at = self._behind
        self._behind = None
        room = memoryview(bytearray(min(start - at, self._piece)))
        while at < start:
            n = filled(fill, room[: min(len(room), start - at)])
            if not n:
                return b""
            at += n
        out = bytearray(stop - start)
        n = filled(fill, memoryview(out))
        self._behind = fill, at + n
        return bytes(out[:n])

    def close(self) -> None:
        """Gives the memory back, for the next stream."""
        while self._kept:
            self._rooms.append(self._kept.popleft().data)


def joined(left: Piece, begin: int, piece: Piece) -> Piece:
    """A piece with the bytes before it that another one has left behind.

    Args:
        left: the piece before it.
        begin: where in its data those bytes begin.
        piece: the piece.
    """
    n = left.stop - begin
    if n <= piece.begin:
        at = piece.begin - n
        piece.data[at : piece.begin] = left.data[begin : left.stop]
        return Piece(piece.data, at, n + piece.size, piece.offset - n, piece.at_end)
    data = np.zeros(n + piece.size + PAD, np.uint8)
    data[:n] = left.data[begin : left.stop]
    data[n : n + piece.size] = piece.data[piece.begin : piece.stop]
    return Piece(data, 0, n + piece.size, piece.offset - n, piece.at_end)


def line_before(piece: Piece, upto: int) -> int:
    """Where in the data of a piece the last line that ends before `upto` ends; its beginning if none does.

    Args:
        piece: the piece.
        upto: a place in its data.
    """
    back = 4096
    while upto > piece.begin:
        at = max(piece.begin, upto - back)
        found = piece.data[at:upto].tobytes().rfind(b"\n")
        if found >= 0:
            return int(at + found + 1)
        upto, back = at, 4 * back
    return piece.begin
