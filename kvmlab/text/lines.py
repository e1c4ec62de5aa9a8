"""Lines of a text: where each begins, its characters, and spans over them.

There are two kinds. *Physical* lines are what an editor shows; all line numbers that leave this room count them from 1.
*Rows* are what the readers look at: mostly the same, but a row can be several physical lines (a quoted-printable soft
break), a part of one (two log records without a break between them) or empty (the second line of a JSON message).
"""

from __future__ import annotations

import codecs
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kvmlab.text.encoding import Encoding, encoding_of
from kvmlab.text.span import Span

# A line of a kernel log has about 1 kB, a wrapped JSON field some more; characters past this bound stay in the
# span of a record but not in its text.
MAX_LINE = 1 << 16

# A run of carriage returns with or without a line feed is one ending, so that "\r\r\n" of a serial line counts once;
# so is "\n\r", which some consoles send. Each alternative is decided by the next byte or two: no rescanning.
_ENDING = re.compile(rb"\r+\n?|\n(?:\r(?![\r\n]))?")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes `start` to `stop` of a text, which need decoding of their own.

    Args:
        start, stop: offsets.
        decode: what makes characters of the bytes of one row.
        rows: offsets at which rows begin; None for the physical lines.
        plain: whether a part of a row can be decoded by itself.
        marks: quote marks that stand for the markup around a row, by the offset at which it begins.
    """

    start: int
    stop: int
    decode: Callable[[bytes], str]
    rows: Sequence[int] | None = None
    plain: bool = False
    marks: Mapping[int, str] | None = None


class Lines:
    """Index of the rows of `data`, by number from 1.

    Args:
        data: the bytes.
        encoding: their encoding, found if None.
        stretches: parts that need decoding of their own, in order.
        splits: further offsets at which rows begin.

    >>> lines = Lines(b"one\\r\\ntwo\\nthree")
    >>> len(lines), lines.text(2), lines.span(2, 3)
    (3, 'two', Span(start=5, stop=14, first_line=2, last_line=3))
    """

    __slots__ = (
        "_memo",
        "_physical",
        "_stretch_starts",
        "_stretches",
        "data",
        "encoding",
        "endings",
        "splits",
        "starts",
    )

    def __init__(
        self,
        data: bytes,
        encoding: Encoding | None = None,
        stretches: Sequence[Stretch] = (),
        splits: Iterable[int] = (),
    ) -> None:
        self.data = data
        self.encoding = encoding or encoding_of(data)
        # _physical[n - 1] is where line n begins; one more entry for the end of the data.
        self._physical, self.endings = _index(data, self.encoding)
        self.starts = self._physical
        self._stretches = tuple(stretches)
        self._stretch_starts = [stretch.start for stretch in self._stretches]
        self.splits = frozenset(splits)
        self._memo: tuple[int, list[str]] = (0, [])
        if self.splits or any(stretch.rows is not None for stretch in self._stretches):
            self.starts = self._rows()

    def _rows(self) -> array[int]:
        starts = array("Q")
        at = 0
        for stretch in self._stretches:
            if stretch.rows is None:
                continue
            starts.extend(self._physical[at : bisect_left(self._physical, stretch.start)])
            starts.extend(stretch.rows)
            at = bisect_left(self._physical, stretch.stop)
        starts.extend(self._physical[at:])
        if not self.splits:
            return starts
        # Splits lie inside rows: offsets that are there already stay single, empty rows stay empty.
        return array("Q", sorted([*starts, *self.splits.difference(starts)]))

    @property
    def plain(self) -> bool:
        """Whether all rows are read as they stand."""
        return not self._stretches

    @property
    def quotes(self) -> bool:
        """Whether markup around some rows says that they are quoted."""
        return any(stretch.marks for stretch in self._stretches)

    def is_split(self, row: int) -> bool:
        """Whether a row begins within a line because a second log record was found there."""
        return self.starts[row - 1] in self.splits

    def splittable(self, offset: int) -> bool:
        """Whether a row may be split at `offset`."""
        if self.encoding.unit > 1:
            return False
        k = bisect_right(self._stretch_starts, offset) - 1
        return k < 0 or offset >= self._stretches[k].stop or self._stretches[k].plain

    def with_splits(self, splits: Iterable[int]) -> Lines:
        """The same rows, split at further offsets."""
        return Lines(self.data, self.encoding, self._stretches, splits)

    def in_stretch(self, offset: int) -> bool:
        """Whether the byte at `offset` needs decoding of its own."""
        k = bisect_right(self._stretch_starts, offset) - 1
        return k >= 0 and offset < self._stretches[k].stop

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def n_lines(self) -> int:
        """Number of physical lines."""
        return len(self._physical) - 1

    def text(self, row: int) -> str:
        """Characters of a row without its ending and without a byte order mark, at most `MAX_LINE`."""
        start, stop = self.starts[row - 1], self.starts[row]
        if self._stretches:
            # A row of no bytes is a further line of the row before.
            owner = row if start < stop else max(1, bisect_left(self.starts, start))
            nth = row - owner
            start = self.starts[owner - 1]
            k = bisect_right(self._stretch_starts, start) - 1
            if k >= 0 and start < self._stretches[k].stop:
                if nth == 0 and (row == len(self) or self.starts[row] != self.starts[row + 1]):
                    marks = self._stretches[k].marks
                    mark = marks.get(start, "") if marks else ""
                    return mark + self._stretches[k].decode(self.data[start:stop])[:MAX_LINE].rstrip("\r\n")
                if self._memo[0] != owner:
                    self._memo = owner, self._stretches[k].decode(self.data[start : self.starts[owner]]).split("\n")
                return self._memo[1][nth][:MAX_LINE] if nth < len(self._memo[1]) else ""
        return self._decode(start, stop)

    def _decode(self, start: int, stop: int) -> str:
        if start == 0:
            start += self.encoding.bom
        if stop - start > MAX_LINE:
            # A character that the cut falls into is left out.
            decoder = codecs.getincrementaldecoder(self.encoding.name)("backslashreplace")
            return decoder.decode(self.data[start : start + MAX_LINE])
        return self.encoding.decode(self.data[start:stop]).rstrip("\r\n")

    def line_text(self, number: int) -> str:
        """Characters of physical line `number` as they stand."""
        if not 1 <= number <= self.n_lines:
            raise IndexError(number)
        return self._decode(self._physical[number - 1], self._physical[number])

    def line(self, row: int) -> int:
        """Number of the physical line on which a row begins."""
        if self.starts is self._physical:
            return row
        start = self.starts[row - 1]
        return self.line_at(start if start < self.starts[row] else start - 1)

    def last_line(self, row: int) -> int:
        """Number of the physical line on which a row ends."""
        return row if self.starts is self._physical else self.line_at(max(0, self.starts[row] - 1))

    def line_at(self, offset: int) -> int:
        """Number of the physical line that holds byte `offset`."""
        return max(1, min(bisect_right(self._physical, offset), self.n_lines))

    def row_at(self, offset: int) -> int:
        """Number of the row that holds byte `offset`."""
        return max(1, min(bisect_right(self.starts, offset), len(self)))

    def cut(self, row: int) -> bool:
        """Whether `text` leaves out the end of a row."""
        return self.starts[row] - self.starts[row - 1] > MAX_LINE

    def span(self, first: int, last: int) -> Span:
        """Span of the rows `first` to `last`."""
        start, stop = self.starts[first - 1], self.starts[last]
        if self.starts is self._physical:
            return Span(start, stop, first, last)
        return Span(start, stop, self.line(first), max(self.line(first), self.last_line(last)))

    def valid(self, first: int, last: int) -> bool:
        """Whether the bytes of the rows `first` to `last` are characters; of each, `MAX_LINE` bytes are tried."""
        for row in range(first, last + 1):
            start, stop = self.starts[row - 1], self.starts[row]
            if self.in_stretch(start):
                continue
            decoder = codecs.getincrementaldecoder(self.encoding.name)()
            try:
                decoder.decode(self.data[start : min(stop, start + MAX_LINE)], stop - start <= MAX_LINE)
            except UnicodeDecodeError:
                return False
        return True

    def first_invalid(self) -> int | None:
        """Number of the first row that holds bytes that are no characters."""
        decoder = codecs.getincrementaldecoder(self.encoding.name)()
        for start in range(0, len(self.data), 1 << 20):
            chunk = self.data[start : start + (1 << 20)]
            try:
                decoder.decode(chunk, start + (1 << 20) >= len(self.data))
            except UnicodeDecodeError as error:
                # The decoder may hold a few bytes of the chunk before.
                at = max(0, start + error.start - (len(error.object) - len(chunk)))
                return None if self.in_stretch(at) else self.row_at(at)
        return None

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
