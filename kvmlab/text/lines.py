"""Physical lines of a text: where each begins, its characters, and spans over them."""

from __future__ import annotations

import codecs
import re
from array import array
from bisect import bisect_right

from kvmlab.text.encoding import Encoding, encoding_of
from kvmlab.text.span import Span

# A line of a kernel log has about 1 kB, a wrapped JSON field some more; characters past this bound stay in the
# span of a record but not in its text.
MAX_LINE = 1 << 16

# A run of carriage returns with or without a line feed is one ending, so that "\r\r\n" of a serial line counts once;
# so is "\n\r", which some consoles send. Each alternative is decided by the next byte or two: no rescanning.
_ENDING = re.compile(rb"\r+\n?|\n(?:\r(?![\r\n]))?")


class Lines:
    """Index of the physical lines of `data`; line numbers count from 1.

    >>> lines = Lines(b"one\\r\\ntwo\\nthree")
    >>> len(lines), lines.text(2), lines.span(2, 3)
    (3, 'two', Span(start=5, stop=14, first_line=2, last_line=3))
    """

    __slots__ = ("data", "encoding", "endings", "starts")

    def __init__(self, data: bytes, encoding: Encoding | None = None) -> None:
        self.data = data
        self.encoding = encoding or encoding_of(data)
        # starts[n - 1] is where line n begins; one more entry for the end of the data.
        self.starts, self.endings = _index(data, self.encoding)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def raw(self, number: int) -> bytes:
        """Bytes of line `number`, at most `MAX_LINE`, ending included."""
        start = self.starts[number - 1]
        return self.data[start : min(self.starts[number], start + MAX_LINE)]

    def text(self, number: int) -> str:
        """Characters of line `number` without its ending and without a byte order mark."""
        start, stop = self.starts[number - 1], self.starts[number]
        if number == 1:
            start += self.encoding.bom
        if stop - start > MAX_LINE:
            # A character that the cut falls into is left out.
            decoder = codecs.getincrementaldecoder(self.encoding.name)("backslashreplace")
            return decoder.decode(self.data[start : start + MAX_LINE])
        return self.encoding.decode(self.data[start:stop]).rstrip("\r\n")

    def valid(self, first: int, last: int) -> bool:
        """Whether the bytes of the lines `first` to `last` are characters; of each, `MAX_LINE` bytes are tried."""
        for number in range(first, last + 1):
            start, stop = self.starts[number - 1], self.starts[number]
            decoder = codecs.getincrementaldecoder(self.encoding.name)()
            try:
                decoder.decode(self.data[start : min(stop, start + MAX_LINE)], stop - start <= MAX_LINE)
            except UnicodeDecodeError:
                return False
        return True

    def first_invalid(self) -> int | None:
        """Number of the first line that holds bytes that are no characters."""
        decoder = codecs.getincrementaldecoder(self.encoding.name)()
        for start in range(0, len(self.data), 1 << 20):
            chunk = self.data[start : start + (1 << 20)]
            try:
                decoder.decode(chunk, start + (1 << 20) >= len(self.data))
            except UnicodeDecodeError as error:
                # The decoder may hold a few bytes of the chunk before.
                return self.at(max(0, start + error.start - (len(error.object) - len(chunk))))
        return None

    def cut(self, number: int) -> bool:
        """Whether `text` leaves out the end of line `number`."""
        return self.starts[number] - self.starts[number - 1] > MAX_LINE

    def span(self, first: int, last: int) -> Span:
        """Span of the lines `first` to `last`."""
        return Span(self.starts[first - 1], self.starts[last], first, last)

    def at(self, offset: int) -> int:
        """Number of the line that holds byte `offset`."""
        return max(1, min(bisect_right(self.starts, offset), len(self)))

    @property
    def ends_with_newline(self) -> bool:
        """Whether the last line has an ending."""
        return self.encoding.decode(self.data[-self.encoding.unit :]).endswith(("\n", "\r"))


def _index(data: bytes, encoding: Encoding) -> tuple[array[int], str]:
    starts = array("Q", [0])
    if encoding.unit > 1:
        endings = _wide(data, encoding, starts)
    elif b"\r" not in data:
        starts.extend(m.end() for m in re.finditer(b"\n", data))
        endings = "lf" if len(starts) > 1 else "none"
    else:
        crlf, cr, lf = data.count(b"\r\n"), data.count(b"\r"), data.count(b"\n")
        starts.extend(m.end() for m in _ENDING.finditer(data))
        endings = "crlf" if crlf == cr == lf else "cr" if not lf else "mixed"
    if starts[-1] != len(data):
        starts.append(len(data))
    return starts, endings


def _wide(data: bytes, encoding: Encoding, starts: array[int]) -> str:
    unit = encoding.unit
    cr, lf = "\r".encode(encoding.name), "\n".encode(encoding.name)
    seen = set()
    after_cr = -1
    for match in re.finditer(re.escape(cr) + b"|" + re.escape(lf), data):
        at = match.start()
        if at % unit:
            continue
        # A line feed right behind a carriage return belongs to the same ending.
        if at == after_cr:
            starts.pop()
        after_cr = match.end() if match.group() == cr else -1
        seen.add(match.group())
        starts.append(match.end())
    return {frozenset(): "none", frozenset({lf}): "lf", frozenset({cr}): "cr"}.get(frozenset(seen), "crlf")
