"""A log of any size read with the tolerant parser, a piece of the text at a time: every report with all its parts.

`scan` is far faster, but gives numbers; here whole `Report` objects are made and forgotten again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kvmlab.report.log import find_reports
from kvmlab.report.records import Report
from kvmlab.report.scan_text import Fill, NotPlain, filled
from kvmlab.text.backwards import newest_first
from kvmlab.text.reader import read_text
from kvmlab.text.record import Record
from kvmlab.text.records import Records
from kvmlab.text.source import open_source
from kvmlab.text.span import Damage, Span
from kvmlab.text.text import LogBlock, Text, Wrap

# Bytes of a piece.
PIECE = 8 << 20
# Lines at the end of a piece that are read again with the next one: a report goes on behind fewer lines of others.
MARGIN = 4096
# What cannot be cut anywhere within this many bytes has to be read as a whole.
LONGEST = 64 << 20


@dataclass(frozen=True, slots=True)
class LogPiece:
    """A stretch of a log; nothing of it stands in another piece.

    Args:
        reports: the reports that begin in it, in order; they end in it, and their spans count in the whole log.
        unparsed: how many log records no report holds.
        roles: how many records there are of each role.
        damage: what was lost or changed on the way of the text.
        size: bytes.
        lines: physical lines.
    """

    reports: Sequence[Report]
    unparsed: int
    roles: Counter[str]
    damage: tuple[Damage, ...]
    size: int
    lines: int


def read_pieces(fill: Fill, *, piece: int | None = None) -> Iterator[LogPiece]:
    """Reads a plain log from front to back; copies of a report are not put together.

    Args:
        fill: reads the next bytes of the text into a buffer, 0 at its end.
        piece: bytes that are read at a time; None for 8 MiB.

    Raises:
        NotPlain: the text has to be judged as a whole: a mail, or something that nothing can be cut out of.

    >>> import io
    >>> log = io.BytesIO(b"[    1.500000] BUG: Bad rss-counter state mm:ffff8881 type:MM_ANONPAGES val:-1\\n")
    >>> [(part.lines, part.reports[0].kind.value) for part in read_pieces(log.readinto)]
    [(1, 'bad_rss_counter')]
    """
    size = piece or PIECE
    held, want = b"", size
    start = line = 0
    at_end = False
    encoding: str | None = None
    habits: tuple[bool | None, ...] = (None, None)
    wrap: tuple[str, int] | None = None
    while True:
        if not at_end and len(held) < want:
            room = bytearray(want - len(held))
            n = filled(fill, memoryview(room))
            at_end = n < len(room)
            held += room[:n]
        data = held if at_end else held[: held.rfind(b"\n") + 1]
        if not held:
            return
        found = _read(data, start, line, at_end) if data else None
        if found is None:
            # Nothing ends within it.
            want *= 2
            if want > LONGEST:
                raise NotPlain
            continue
        used, text = found
        if encoding not in (None, text.encoding) and {encoding, text.encoding} != {"ascii", "utf-8"}:
            raise NotPlain
        encoding = text.encoding
        if text.wraps:
            if wrap is not None and wrap != _wrap(text.wraps[0]):
                # Where lines go on depends on the width, which only the whole shows.
                raise NotPlain
            wrap = _wrap(text.wraps[-1])
        if blocks := text.log_blocks:
            if start and not _goes_on(habits, _habits(blocks[0])):
                raise NotPlain
            now = _habits(blocks[-1])
            if len(blocks) == 1:
                # What is known of a block stays true of the rest of it.
                now = tuple(a if b is None else b for a, b in zip(habits, now, strict=True))
            habits = now
        yield used
        held, want = held[used.size :], size
        start, line = start + used.size, line + used.lines


def _wrap(wrap: Wrap) -> tuple[str, int]:
    # Mailers leave lines of any length.
    return wrap.kind, wrap.width if wrap.kind == "columns" else 0


def _habits(block: LogBlock) -> tuple[bool | None, ...]:
    return block.blanks_collapsed, block.leading_blanks_lost


def _goes_on(before: tuple[bool | None, ...], now: tuple[bool | None, ...]) -> bool:
    """Whether a block that was cut would be judged in the same way as a whole."""
    return all(b is None or (b is a) or (a is None and not b) for a, b in zip(before, now, strict=True))


def _read(data: bytes, start: int, line: int, at_end: bool) -> tuple[LogPiece, Text] | None:
    """What stands in a stretch up to where it can be cut, and its text; None if it cannot be cut."""
    text = read_text(open_source(data, limit=len(data) + 1))
    if text.mails or text.parts or not isinstance(text.records, Records):
        raise NotPlain
    if not (text.lines is None or text.lines.plain or any(b.prefix_style == "fields" for b in text.log_blocks)):
        # What stands around the lines is judged by the beginning of the text.
        raise NotPlain
    records = list(text.records.moved(start, line))
    if newest_first(records) is not None:
        raise NotPlain
    reports, unparsed = find_reports(records)
    stop, lines = len(data), text.n_lines
    if not at_end:
        upto = _cut(records, reports, line + lines - MARGIN)
        if upto is None:
            return None
        stop, lines = upto.start - start, upto.first_line - 1 - line
    last = line + lines
    damage = (Damage(d.kind, _shifted(d.span, start, line), d.reason) for d in text.damage)
    return (
        LogPiece(
            [report for report in reports if report.span.last_line <= last],
            sum(record.span.first_line <= last for record in unparsed),
            Counter(record.role.value for record in records if record.span.first_line <= last),
            tuple(one for one in damage if one.span.first_line <= last),
            stop,
            lines,
        ),
        text,
    )


def _cut(records: Sequence[Record], reports: Sequence[Report], limit: int) -> Span | None:
    """The last record up to line `limit` that begins behind all reports before it; None if that is the first one."""
    latest = sorted(reports, key=lambda report: -report.span.first_line)
    for report in latest:
        if report.span.first_line < limit <= report.span.last_line:
            limit = report.span.first_line
    low, high = 0, len(records)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if records[middle].span.first_line <= limit else (low, middle)
    if low <= 1:
        return None
    span = records[low - 1].span
    # A record of several lines may begin before the limit: a report that it is of begins there, or before it.
    inside = any(report.span.first_line < span.first_line <= report.span.last_line for report in reports)
    return _cut(records, reports, span.first_line) if inside else span


def _shifted(span: Span, start: int, line: int) -> Span:
    return Span(span.start + start, span.stop + start, span.first_line + line, span.last_line + line)
