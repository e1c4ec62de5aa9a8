"""The reports in regions of a text: the tolerant parser reads them as one text, so that wrapping is judged by all."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from kvmlab.report.log import find_reports
from kvmlab.report.records import Report
from kvmlab.report.scan_text import NotPlain, Stretches
from kvmlab.report.splat_rules import GAP_NS
from kvmlab.text.prefix import match_prefix
from kvmlab.text.reader import read_text
from kvmlab.text.record import Record
from kvmlab.text.source import open_source
from kvmlab.text.span import Span

# A region that becomes longer than this is cut: what is in it is no report, or too many to be judged together.
LONGEST = 1 << 20
_QUOTED = re.compile(rb"(?m)^ ?>")


@dataclass(slots=True)
class Region:
    """A stretch of the text: its place and its lines, counted from 1; the time of its last mark; its bytes, if held.

    Args:
        bound: beyond how many bytes it is cut.
        other_us: the last time before that was far from it: lines of two clocks can stand among each other.
    """

    start: int
    stop: int
    line: int
    lines: int
    last_us: int
    data: bytes | None = None
    bound: int = LONGEST
    other_us: int = -1

    def take_time(self, us: int) -> None:
        """Takes the time of a further line, in microseconds; -1 if it has none."""
        if us < 0:
            return
        if self.last_us >= 0 and abs(us - self.last_us) * 1000 > GAP_NS:
            self.other_us = self.last_us
        self.last_us = us

    def gap_ns(self, us: int) -> int:
        """The time from the last line to one at `us`, by the clock for which it is shorter; 0 if there is no time."""
        if self.last_us < 0 or us < 0:
            return 0
        gap = us - self.last_us
        return 1000 * (gap if self.other_us < 0 else min(gap, us - self.other_us, key=abs))


def reports_of(regions: list[Region], source: Stretches) -> tuple[Iterator[Report], int]:
    """What the tolerant parser finds in regions that are one text for it, and how many bytes that text has.

    Args:
        regions: the regions, in the order of the text.
        source: where the bytes are that they do not hold.

    Raises:
        NotPlain: the text has to be judged as a whole.
    """
    pieces: list[bytes] = []
    # Where each region begins in the batch: byte, line, and what to add to a line number of the batch.
    starts: list[int] = []
    moves: list[int] = []
    skipped: list[int] = []
    at, line = 0, 1
    for region in regions:
        data = source.read(region.start, region.stop) if region.data is None else region.data
        if not data.endswith(b"\n"):
            data += b"\n"
        before = _line_to_stand_before(data) if region.start else b""
        starts.append(at)
        moves.append(region.line - line - bool(before))
        skipped.append(line if before else 0)
        pieces.append(before + data)
        at += len(pieces[-1])
        line += pieces[-1].count(b"\n")
    whole = b"".join(pieces)
    if _QUOTED.search(whole):
        raise NotPlain
    text = read_text(open_source(whole, limit=len(whole) + 1))
    if text.mails or text.parts or len(text.encoding) == 0 or text.n_lines != line - 1:
        raise NotPlain
    return _found(text.records, starts, moves, skipped), len(whole)


def _found(records: Iterable[Record], starts: list[int], moves: list[int], skipped: list[int]) -> Iterator[Report]:
    for k, held in _by_region(records, starts):
        for report in find_reports(held)[0]:
            if skipped[k] and report.span.first_line == skipped[k]:
                continue
            yield _moved(report, moves[k])


def _line_to_stand_before(data: bytes) -> bytes:
    """A message of nobody with the prefix of the first line: to the parser, something was printed before."""
    line = data[: data.find(b"\n") + 1].decode("utf-8", "backslashreplace")
    prefix = match_prefix(line.rstrip("\r\n"))
    return b"" if prefix is None or not prefix.kernel else line[: prefix.end].encode() + b"-\n"


def _by_region(records: Iterable[Record], starts: list[int]) -> Iterator[tuple[int, list[Record]]]:
    held: list[Record] = []
    at = 0
    for record in records:
        k = bisect_right(starts, record.span.start) - 1
        if k != at:
            if held:
                yield at, held
            held, at = [], k
        held.append(record)
    if held:
        yield at, held


def _moved(report: Report, by: int) -> Report:
    """The report with the line numbers of the whole text; what the columns do not need is left out."""
    span = Span(report.span.start, report.span.stop, report.span.first_line + by, report.span.last_line + by)
    return replace(report, span=span, modules=None, more_registers=(), traces=())
