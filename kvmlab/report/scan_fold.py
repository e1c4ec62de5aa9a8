"""Reports that stand in a log more than once, found among rows: only those that could be copies are looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.log import find_reports
from kvmlab.report.records import Kind, Report
from kvmlab.report.repeats import fold_repeats
from kvmlab.report.scan_groups import light_reports
from kvmlab.report.scan_result import Scan, title_of
from kvmlab.report.scan_rows import without
from kvmlab.report.scan_text import Stretches
from kvmlab.text.reader import read_text
from kvmlab.text.source import open_source
from kvmlab.text.span import Span

_K = np.uint64(0x9E3779B97F4A7C15)


def folded(scan: Scan, text: Stretches) -> Scan:
    """The scan with copies put together, as `fold_repeats` does it for the reports of a `Log`.

    Args:
        scan: rows and reports in the order of the text.
        text: where the bytes of rows can be read once more.
    """
    rows, reports = scan.rows, scan.reports
    doubtful = _doubtful_rows(rows)
    titles = {_words(report.title) for report in reports if report.kind is Kind.BAD_PAGE and report.title}
    if titles:
        pfns = np.array(sorted({x.pfn for x in reports if x.pfn is not None and x.kind is Kind.BAD_PAGE}), np.uint64)
        for i in np.flatnonzero(np.isin(rows[:, r.PFN].view(np.uint64), pfns)).tolist():
            if _words(title_of(scan, i)) in titles:
                doubtful.add(i)
    if not doubtful and len(reports) < 2:
        return scan
    chosen = sorted(doubtful)
    held: list[Report] = [replace(report, index=-1 - k) for k, report in enumerate(reports)]
    held += _as_reports(scan, text, chosen)
    kept = fold_repeats(sorted(held, key=lambda x: (x.span.first_line, x.span.last_line)))
    places = {report.span: i for report, i in zip(held[len(reports) :], chosen, strict=True)}
    gone = np.zeros(len(rows), bool)
    gone[chosen] = True
    others = []
    for report in kept:
        row = places.get(report.span)
        if row is None:
            others.append(report)
        else:
            gone[row] = False
    now = np.cumsum(~gone) - 1
    repeats = {int(now[places[x.span]]): len(x.repeats) for x in kept if x.repeats and x.span in places}
    return replace(scan, rows=without(rows, gone), reports=others, repeats=repeats)


def _words(title: str | None) -> str:
    return " ".join((title or "").split())


def _doubtful_rows(rows: Any) -> set[int]:
    """Rows that another one could be a copy of: the same pfn and time, or without times the same facts."""
    if not len(rows):
        return set()
    timed = rows[:, r.TIME_US] >= 0
    with np.errstate(over="ignore"):
        key = rows[:, r.PFN].view(np.uint64) * _K
        key ^= np.where(timed, rows[:, r.TIME_US], -1).view(np.uint64)
        if not timed.all():
            facts = (r.COMM, r.REFCOUNT, r.MAPCOUNT, r.MAPPING, r.INDEX, r.PID, r.STACK, r.FRAMES)
            for column in (*facts, *range(r.WORD_0, r.WORD_0 + r.MAX_WORDS)):
                key = np.where(timed, key, (key ^ rows[:, column].view(np.uint64)) * _K)
    ordered = np.sort(key)
    if not (ordered[1:] == ordered[:-1]).any():
        return set()
    _, which, counts = np.unique(key, return_inverse=True, return_counts=True)
    return set(np.flatnonzero(counts[which] > 1).tolist())


def _as_reports(scan: Scan, text: Stretches, chosen: list[int]) -> list[Report]:
    """Rows as reports: read once more by the tolerant parser, or by what the rows say if the text is gone."""
    found = []
    for i in chosen:
        row = scan.rows[i]
        start, stop, first = int(row[r.START]), int(row[r.STOP]), int(row[r.LINE]) + 1
        data = text.read(start, stop)
        if len(data) < stop - start:
            # A pipe that has been read: all of them alike, so that none weighs more than another one.
            return light_reports(scan, chosen)
        report = find_reports(read_text(open_source(data)).records)[0][0]
        span = Span(start, stop, first, first + int(row[r.LINES]) - 1)
        found.append(replace(report, span=span, index=i))
    return found
