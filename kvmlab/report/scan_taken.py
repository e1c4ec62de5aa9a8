"""What the chunks of a text hold, put in order: rows are kept, stretches in doubt go to the tolerant parser."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_chunk import Engine, Found
from kvmlab.report.scan_fold import folded
from kvmlab.report.scan_packed import Packed
from kvmlab.report.scan_regions import Regions
from kvmlab.report.scan_result import Scan
from kvmlab.report.scan_rows import Rows
from kvmlab.report.scan_text import NotPlain


@dataclass(slots=True)
class Taken:
    """What has been found in a text so far.

    Args:
        regions: what reads stretches with the tolerant parser.
        rows, reports: what the engine and the tolerant parser have found.
        lines: how many lines the chunks have.
        at: up to where the text has been read.
        row_stop: where the last row's report ends.
    """

    regions: Regions
    rows: Rows = field(default_factory=Rows)
    reports: Packed = field(default_factory=Packed)
    lines: int = 0
    at: int = 0
    row_stop: int = 0

    def take(self, found: Found, base: int) -> None:
        """Takes what a chunk holds; chunks come in order.

        Args:
            found: what it holds.
            base: the offset that it counts from.

        Raises:
            NotPlain: the tolerant parser must see the text whole.
        """
        if found.stray:
            raise NotPlain
        self.regions.interleaved = self.regions.interleaved or found.callers
        rows, marks = found.rows, found.marks
        if len(rows):
            rows[:, [r.START, r.STOP, r.TRACE_AT]] += base
            rows[:, r.LINE] += self.lines
            if rows[0, r.START] < self.at:
                rows = rows[rows[:, r.START] >= self.at]
            self.rows.add(rows)
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
        self.reports += self.regions.pass_by(self.lines)

    def finish(self, name: str, engine: Engine, size: int) -> Scan:
        """All that has been found.

        Args:
            name: of the text.
            engine: what has read it.
            size: bytes of the text.
        """
        self.reports += self.regions.finish()
        rows = self.rows.close()
        if self.regions.interleaved:
            # A region may hold the reports of other callers, which are rows already.
            held = set((rows[:, r.LINE] + 1).tolist())
            self.reports = self.reports.without(held)
        reports = self.reports.in_order()
        return folded(
            Scan(name, engine.name, size, self.lines, rows, engine.lexicon, reports.few()),
            self.regions.text,
            self.regions.interleaved,
        )
