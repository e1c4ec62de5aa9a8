"""Where a report starts and ends: records to splats, one stream a caller id, foreign lines told apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kvmlab.report.details import match_detail
from kvmlab.report.interleave import Waiting
from kvmlab.report.lines import LINE_LENGTH, Line, Part, classify
from kvmlab.report.open_splat import OpenSplat, Splat
from kvmlab.report.records import Kind
from kvmlab.report.rest import read_rest, rejoined, rest_of_page
from kvmlab.report.splat_rules import (
    WALL,
    accepts,
    belongs,
    continues,
    is_apart,
    is_repeat,
    may_be_cut_here,
    may_follow_rule,
    may_go_on,
)
from kvmlab.text.record import Record, Role

# Members that are asked for at every line: Python 3.11 takes longer to look one up than to compare it.
_LOG, _TITLE, _CUT_HERE, _RULE, _BLANK, _STACK, _REPEAT = (
    Role.LOG, Part.TITLE, Part.CUT_HERE, Part.RULE, Part.BLANK, Part.STACK, Part.REPEAT
)  # fmt: skip
_BEGINS = frozenset({_TITLE, _CUT_HERE, _RULE})
_FREE = frozenset({Part.OTHER, Part.DETAIL})
# Kinds whose text stands behind the line of a warning where kernels print it last: the text says more.
_SPEAKS_FOR_WARNING = frozenset({Kind.LIST_CORRUPTION, Kind.REFCOUNT, Kind.SOFT_LOCKUP})
# Kinds that a text turns into, which stands before their line and has no kind of its own.
_SAYS_MORE = frozenset({Kind.BUG, Kind.OOPS, Kind.WARNING})
# How many records of others may stand in a row inside a report, and inside one that has free text of its own.
FOREIGN_LIMIT = 40
# How many of them between the bottom of a stack and what is below it.
_BETWEEN = 3
FOREIGN_LIMIT_TALKING = 200


def find_splats(records: Iterable[Record], order: Sequence[int] | None = None) -> Iterator[Splat]:
    """Cuts a text into splats; they come in the order in which they end.

    Args:
        records: all records of a text, of any role; only `LOG` records become part of a splat.
        order: positions of the records in the order in which they are read, if that is not their own.

    >>> from kvmlab.text.span import Span
    >>> texts = ["BUG: Bad rss-counter state mm:000000007355ed50 type:MM_ANONPAGES val:100", "eth0: link up"]
    >>> [s.kind.value for s in find_splats([Record(Span(i, i + 1, i, i), Role.LOG, t) for i, t in enumerate(texts)])]
    ['bad_rss_counter']
    """
    done: list[Splat] = []
    current = _Stream(None, done)
    streams: dict[str | None, _Stream] = {None: current}
    rows = enumerate(records) if order is None else _in_order(records, order)
    for index, record in rows:
        caller = record.caller
        if record.prefix is not None and record.prefix.startswith(WALL):
            # A copy of a line for the terminals, printed into whatever stands there.
            streams.setdefault(WALL, _Stream(None, done)).feed(index, record)
        else:
            if caller is not None and record.role is Role.LOG:
                found = streams.get(caller)
                current = streams.setdefault(caller, _Stream(caller, done)) if found is None else found
            current.feed(index, record)
        if done:
            yield from done
            done.clear()
    for stream in streams.values():
        stream.end()
    yield from done


def _in_order(records: Iterable[Record], order: Sequence[int]) -> Iterator[tuple[int, Record]]:
    held = tuple(records)
    return ((index, held[index]) for index in order)


class _Stream:
    """What one caller printed: at most one splat is open at a time; those that end are put into `done`."""

    def __init__(self, caller: str | None, done: list[Splat]) -> None:
        self.caller = caller
        self.done = done
        self.open: OpenSplat | None = None
        self.before: Record | None = None
        self.rule: Line | None = None
        self.waiting = Waiting()

    def feed(self, index: int, record: Record) -> None:
        """Reads one record."""
        if record.role is not _LOG:
            text = record.text[:LINE_LENGTH].strip("= ")
            if self.open is not None and record.role not in (Role.BLANK, Role.FIELD) and text:
                detail = match_detail(text)
                if (joined := rejoined(self.open, text)) is not None:
                    self.open.add(Line(index, record, self.open.last.part, joined, rest=True))
                elif fields := rest_of_page(self.open, text):
                    self.open.add(Line(index, record, Part.PAGE_REST, fields, rest=True))
                elif detail is not None and belongs(self.open, detail):
                    self.open.add(Line(index, record, Part.DETAIL, detail))
                else:
                    self._foreign(Line(index, record, Part.OTHER))
            return
        if self.open is not None and is_apart(self.open, record):
            self.close()
        line = self._read(index, record)
        if line.part is _BLANK:
            return
        splat = self.open
        if splat is not None and is_repeat(splat, line):
            line.part = _REPEAT
            splat.add(line)
            self.before = record
            return
        if self.waiting.splats:
            self._turn(line)
        if self.open is not None and self.open.ruled and not may_follow_rule(self.open, line):
            self.close()
        splat = self.open
        if line.part in _BEGINS:
            self._begin(line)
        elif splat is not None and accepts(splat, line):
            splat.add(line)
        elif line.part in _FREE:
            self._foreign(line)
        else:
            self.close()
            self._start(line)
        if line.part is not _RULE:
            self.rule = None
        self.before = record

    def _begin(self, line: Line) -> None:
        if line.part is _TITLE:
            self._title(line)
        elif line.part is _RULE:
            self._rule(line)
        else:
            if self.open is None or not may_be_cut_here(self.open):
                self.close()
                self.open = OpenSplat()
            self.open.add(line)

    def close(self) -> None:
        """Ends the open splat; it is done if it is a report."""
        splat, self.open = self.open, None
        if splat is not None and splat.is_report:
            self.done.append(splat.close(self.caller))

    def end(self) -> None:
        """Ends all that this caller printed."""
        self.close()
        self._close_all(self.waiting.splats)

    def _close_all(self, splats: Iterable[OpenSplat]) -> None:
        self.done += [splat.close(self.caller) for splat in splats if splat.is_report]

    def _turn(self, line: Line) -> None:
        """Goes on with a report that another one broke into, if a line is of it."""
        self._close_all(self.waiting.ended(self.open, line.index))
        splat = self.waiting.take(self.open, line) if self.waiting.splats else None
        if splat is None:
            return
        if self.open is not None and Part.CPU not in self.open.seen:
            self.waiting.put(self.open)
            self.open = None
        elif self.open is not None and not self.open.had_trace:
            # Both traces are still to come, and nothing will tell which entry is whose.
            splat.mixed = self.open.mixed = True
        self.close()
        self.open = splat

    def _read(self, index: int, record: Record) -> Line:
        text = record.text[:LINE_LENGTH].strip()
        splat = self.open
        part, data = classify(text, record, splat is not None and splat.in_trace)
        line = Line(index, record, part, data)
        if splat is not None:
            read_rest(splat, line, text)
        if line.part is _STACK and not line.data.strict and (splat is None or splat.placed):
            # A bare word is no entry of a trace whose entries carry offsets.
            line.part, line.data = Part.OTHER, None
        return line

    def _title(self, line: Line) -> None:
        row, found = line.data
        splat = self.open
        if splat is not None and continues(splat, row, found):
            told = splat.kind is Kind.WARNING and row.kind in _SPEAKS_FOR_WARNING
            if told or (splat.title is None and not row.late):
                splat.title, splat.found, splat.kind = row, found, row.kind
            elif splat.kind is Kind.OTHER and row.kind in _SAYS_MORE:
                splat.kind = row.kind
            behind = splat.had_trace or (splat.title is not None and splat.title.dies)
            splat.add(line)
            if row.late or behind:
                splat.reopen()
            return
        rule = self.rule
        if self.caller is None and splat is not None and self.waiting.holds_back(splat, row):
            self.open = None
        self.waiting.broken = False
        self.close()
        self.open = splat = OpenSplat(title=row, found=found, kind=row.kind)
        if rule is not None and row.framed:
            splat.add(rule)
        splat.add(line)
        if row.single:
            self.close()

    def _rule(self, line: Line) -> None:
        splat = self.open
        if splat is not None and splat.title is not None and splat.title.framed:
            splat.add(line)
            splat.ruled = not splat.in_title
        elif splat is not None and splat.last.part is Part.DETAIL and not splat.pending and not splat.in_title:
            # A decoder underlines the headings of its listings.
            line.part, line.data = Part.DETAIL, splat.last.data
            splat.add(line)
        else:
            self.rule = line

    def _start(self, line: Line) -> None:
        """Opens a splat without a title: a page dump, a call trace by itself, or what is left of a cut report."""
        kind = Kind.FRAGMENT
        if line.part is Part.PAGE:
            kind = Kind.PAGE_DUMP
        elif line.part is Part.CPU and line.data.comm is not None and self.before is not None:
            # `dump_stack()` begins with this line; with other messages before it, no head is missing.
            kind = Kind.OTHER
        self.open = OpenSplat(kind=kind)
        self.open.add(line)

    def _foreign(self, line: Line) -> None:
        splat = self.open
        if splat is None:
            return
        splat.interrupt(line)
        over = splat.closed_trace and not (splat.talks and not splat.ended) and not may_go_on(splat)
        # Below the bottom of a stack one or two entries more may stand, and the registers of a program.
        over = over and (splat.sealed or not splat.bottomed or len(splat.pending) > _BETWEEN)
        if over or len(splat.pending) > (FOREIGN_LIMIT_TALKING if splat.talks and not splat.ruled else FOREIGN_LIMIT):
            self.close()
