"""Marks to regions to reports: what a fast engine does not fully understand is read by the tolerant parser.

A region is a stretch of lines that the tolerant parser would read as it does within the whole text: no report goes on
from before it or behind it. All regions of a batch are one text, so that wrapping is judged by all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kvmlab.report import fast_rows as r
from kvmlab.report.records import Report
from kvmlab.report.scan_region_reports import LONGEST, Region, reports_of
from kvmlab.report.scan_text import Stretches
from kvmlab.report.splat import FOREIGN_LIMIT_TALKING
from kvmlab.report.splat_rules import GAP_NS, NMI_NS, NMI_SENT
from kvmlab.text.prefix import HOT_BYTES, STAMP

# Bytes of regions that the tolerant parser reads at a time.
BATCH = 4 << 20
# Lines without a prefix beyond this number are taken for the noise of a console, unless they look like a report's.
MAX_LOOSE = 50_000
_TITLE = b"BUG: Bad page state in process "
_NMI_SENT = NMI_SENT.encode()
_STAMP = re.compile(STAMP.encode())
# Longer than a line that says so.
_TAIL = 400


class Regions:
    """Collects marks in the order of the text, and hands out the reports in them.

    Args:
        text: where the bytes are.
        held: whether the bytes of a region must be taken soon, because the text keeps only the last that it has read.
    """

    def __init__(self, text: Stretches, held: bool = False) -> None:
        self.text = text
        self.held = held
        # Whether several callers may print at a time, so that a report can go on behind another one.
        self.interleaved = False
        self._open: Region | None = None
        # Lines without a prefix behind the open region.
        self._loose: list[Region] = []
        self._n_loose = 0
        self._ready: list[Region] = []
        self._size = 0
        self.read_bytes = 0

    def add(self, mark: list[int], row_stop: int) -> Iterator[Report]:
        """Takes a mark; yields the reports of the batch that it fills.

        Args:
            mark: columns as in `fast_rows`, with offsets and lines of the whole text.
            row_stop: where the last report before it ends that an engine has read.
        """
        start, stop, line, lines, kind, _, last_us = mark
        wanted = kind != r.LOOSE
        region = self._open
        if region is not None:
            follows = region.stop == start
            if stop - region.start > region.bound and (
                follows or (wanted and self._joins(region, mark, row_stop, stop - start + 2 * LONGEST))
            ):
                # Only what ended before is cut off, not a report in its middle.
                yield from (done := self._cut_off(region, start))
                follows = follows or bool(done)
            if follows or (wanted and self._joins(region, mark, row_stop)):
                region.take_time(last_us if last_us >= 0 else self._time_within(region.stop, stop))
                region.stop, region.lines = stop, line + 1 + lines - region.line
                self._loose = [other for other in self._loose if other.start >= stop]
                return
            if wanted:
                yield from self._close(start)
        if kind != r.WANTED and row_stop < start:
            # Its first line could be the rest of the line above.
            start, line, lines = self._line_before(start), line - 1, lines + 1
        found = Region(start, stop, line + 1, lines, last_us)
        last = self._loose[-1] if self._loose else None
        if last is not None and last.stop >= start:
            found = Region(last.start, stop, last.line, found.line + lines - last.line, last_us)
            self._loose.pop()
        if wanted:
            self._hold(self._loose)
            self._ready += self._loose
            self._open, self._loose = found, []
        elif self._n_loose < MAX_LOOSE:
            self._n_loose += 1
            self._loose.append(found)
            if self._open is None and len(self._loose) > 64:
                self._loose, ready = self._loose[-1:], self._loose[:-1]
                self._hold(ready)
                self._ready += ready

    def pass_by(self, lines: int) -> Iterator[Report]:
        """Says how many lines of the text have been seen; what they leave far behind is closed if it must be held."""
        if not self.held:
            return
        region = self._open
        if region is not None and lines + 1 - (region.line + region.lines) > FOREIGN_LIMIT_TALKING + 1:
            yield from self._close()
        elif region is None and self._loose and lines - self._loose[-1].line > FOREIGN_LIMIT_TALKING:
            self._hold(self._loose)
            self._ready, self._loose = self._ready + self._loose, []

    def _hold(self, regions: list[Region]) -> None:
        if self.held:
            for region in regions:
                if region.data is None:
                    region.data = self.text.read(region.start, region.stop)

    def _cut_off(self, region: Region, upto: int) -> list[Report]:
        """The reports of a region before its last one, at which it begins from now on; none if it cannot be cut there.

        Args:
            region: the region; it is left alone if it cannot be cut.
            upto: where its text ends at the latest.
        """
        # A text that cannot be cut is not tried at every line.
        region.bound = 2 * (upto - region.start)
        data = self.text.read(region.start, upto)
        whole = Region(region.start, upto, region.line, data.count(b"\n"), region.last_us, data)
        found = sorted(self._reports([whole]), key=lambda report: report.span.first_line)
        if not found:
            return []
        line = found[-1].span.first_line
        before = found[:-1]
        if line <= region.line or any(report.span.last_line >= line for report in before):
            return []
        at = 0
        for _ in range(line - region.line):
            at = data.index(b"\n", at) + 1
        region.start, region.line, region.bound = region.start + at, line, LONGEST
        return before

    def _joins(self, region: Region, mark: list[int], row_stop: int, longest: int = LONGEST) -> bool:
        """Whether a report that began in a region could go on in a mark."""
        start, stop, line, _, _, first_us, _ = mark
        if row_stop > region.stop and not self.interleaved:
            return False
        if line + 1 - (region.line + region.lines) > FOREIGN_LIMIT_TALKING or stop - region.start > longest:
            return False
        if self.interleaved:
            # The times of different callers say nothing about each other.
            return True
        return not self._is_gap(region, first_us, start)

    def _time_within(self, start: int, stop: int) -> int:
        """The last of the kernel's times in a stretch of lines that are taken in between two marks, -1 if none."""
        found = _STAMP.findall(self.text.read(start, stop))
        return int(found[-1].strip(b"[ ]").replace(b".", b"")) if found else -1

    def _is_gap(self, region: Region, us: int, stop: int) -> bool:
        """Whether the time from a region to a line that begins at `stop` ends the region's report."""
        gap = region.gap_ns(us)
        if not GAP_NS < gap <= NMI_NS:
            return gap > GAP_NS
        return _NMI_SENT not in self.text.read(max(region.start, region.stop - _TAIL), stop)

    def count_lines(self, start: int, stop: int) -> int:
        """How many line feeds stand from `start` to `stop`."""
        return self.text.read(start, stop).count(b"\n")

    def finish(self) -> Iterator[Report]:
        """The reports of what is left."""
        yield from self._close()
        yield from self._read()

    def _close(self, limit: int | None = None) -> Iterator[Report]:
        regions = [] if self._open is None else [self._open]
        if self._open is not None:
            self._extend(self._open, limit)
            self._loose = [other for other in self._loose if other.start >= self._open.stop]
        regions += self._loose
        self._hold(regions)
        self._ready += regions
        self._size += sum(region.stop - region.start for region in regions)
        self._open, self._loose = None, []
        if self._size >= BATCH:
            yield from self._read()

    def _extend(self, region: Region, limit: int | None) -> None:
        """Takes in the lines behind a region that could still be of its last report, up to the next that could not."""
        room = 1 << 14
        while True:
            stop = region.stop + room if limit is None else min(region.stop + room, limit)
            data = self.text.read(region.stop, stop)
            lines = data.splitlines(keepends=True)
            if (
                len(lines) > FOREIGN_LIMIT_TALKING + 1
                or region.stop + len(data) < stop
                or stop == limit
                or room > LONGEST
            ):
                break
            room *= 4
        for line in lines[: FOREIGN_LIMIT_TALKING + 1]:
            if not self.interleaved and _TITLE in line:
                return
            hot = HOT_BYTES.match(line)
            if not self.interleaved and hot and self._is_gap(region, int(hot[1] + hot[2]), region.stop):
                return
            region.stop += len(line)
            region.lines += 1

    def _line_before(self, start: int) -> int:
        back = 256
        while True:
            at = max(0, start - back)
            found = self.text.read(at, max(at, start - 1)).rfind(b"\n")
            if found >= 0 or at == 0:
                return at + found + 1
            back *= 4

    def _read(self) -> Iterator[Report]:
        regions, self._ready, self._size = self._ready, [], 0
        if regions:
            yield from self._reports(regions)

    def _reports(self, regions: list[Region]) -> Iterator[Report]:
        reports, size = reports_of(regions, self.text)
        self.read_bytes += size
        return reports
