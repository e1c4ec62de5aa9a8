"""Reports that stand in a log more than once, found among rows: only those that could be copies are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.log import find_reports
from kvmlab.report.records import Kind, Report
from kvmlab.report.repeats import fold_repeats
from kvmlab.report.scan_copies import exact_copies
from kvmlab.report.scan_groups import light_reports
from kvmlab.report.scan_packed import Packed
from kvmlab.report.scan_result import Scan, title_of
from kvmlab.report.scan_rows import without
from kvmlab.report.scan_text import Stretches
from kvmlab.text.reader import read_text
from kvmlab.text.source import open_source
from kvmlab.text.span import Span

_K = np.uint64(0x9E3779B97F4A7C15)


def folded(scan: Scan, text: Stretches, interleaved: bool) -> Scan:
    """The scan with copies put together, as `fold_repeats` does it for the reports of a `Log`.

    Args:
        scan: rows and reports in the order of the text.
        text: where the bytes of rows can be read once more.
        interleaved: whether lines name their callers.
    """
    named = _named_alike(scan)
    # What is alike in name with a report of the tolerant parser is compared as a report.
    suspects = np.setdiff1d(_doubtful_rows(scan.rows), named, assume_unique=True)
    if not len(suspects):
        return _compared(scan, text, named, {})
    gone = np.zeros(len(scan.rows), bool)
    copies, counts = exact_copies(scan.rows, suspects, text, interleaved)
    gone[copies] = True
    now = np.cumsum(~gone) - 1
    rest = replace(scan, rows=without(scan.rows, gone))
    counts = {int(now[i]): n for i, n in counts.items()}
    # Most logs hold nothing else twice.
    return _compared(rest, text, np.union1d(_doubtful_rows(rest.rows), now[named]), counts)


def _named_alike(scan: Scan) -> Any:
    """Rows with the title of a report of the tolerant parser (numpy int64)."""
    bad = [report for report in scan.reports if report.kind is Kind.BAD_PAGE and report.title]
    titles = {_words(report.title) for report in bad}
    pfns = np.array(sorted({report.pfn for report in bad if report.pfn is not None}), np.uint64)
    alike = np.flatnonzero(np.isin(scan.rows[:, r.PFN].view(np.uint64), pfns)).tolist() if len(pfns) else []
    return np.array([i for i in alike if _words(title_of(scan, i)) in titles], np.int64)


def _compared(scan: Scan, text: Stretches, doubtful: Any, copies: dict[int, int]) -> Scan:
    """The scan with those rows put together that are copies when they are compared as reports.

    Args:
        scan: rows and reports in the order of the text.
        text: where the bytes of rows can be read once more.
        doubtful: rows that another report could be a copy of, in order (numpy int64).
        copies: how many copies of a row are known already.
    """
    rows, reports = scan.rows, scan.reports
    others: list[Report] = []
    if not len(doubtful) and len(reports) < 2:
        return replace(scan, repeats=copies)
    chosen = doubtful.tolist()
    if not isinstance(reports, Packed):
        few = list(reports)
    else:
        numbers, near = reports.doubtful()
        # Those that are no copies only count among the reports of their title.
        few = [reports[i] for i in numbers] + [_light(reports[i]) for i in near]
    held: list[Report] = [replace(report, index=-1 - k) for k, report in enumerate(few)]
    held += _as_reports(scan, text, chosen)
    kept = fold_repeats(sorted(held, key=lambda x: (x.span.first_line, x.span.last_line)))
    places = {report.span: i for report, i in zip(held[len(few) :], chosen, strict=True)}
    gone = np.zeros(len(rows), bool)
    gone[chosen] = True
    for report in kept:
        row = places.get(report.span)
        if row is None:
            others.append(report)
        else:
            gone[row] = False
    rows = _with_titles_above(rows, kept, places)
    now = np.cumsum(~gone) - 1
    repeats = {int(now[i]): n for i, n in copies.items() if not gone[i]}
    for report in kept:
        if report.repeats and (row := places.get(report.span)) is not None:
            further = sum(copies.get(places[span], 0) for span in report.repeats if span in places)
            repeats[int(now[row])] = len(report.repeats) + copies.get(row, 0) + further
    left: Sequence[Report] = others
    if isinstance(reports, Packed):
        left = reports.folded({report.span: report for report in others}, numbers)
    return replace(scan, rows=without(rows, gone), reports=left, repeats=repeats)


def _light(report: Report) -> Report:
    """The report without its parts."""
    return replace(report, page=None, call_trace=None, registers=None, cpu_line=None, hardware=None, code=None)


def _with_titles_above(rows: Any, kept: list[Report], places: dict[Span, int]) -> Any:
    """The rows with those that have a copy of their title right above begin there, as one splat begins there."""
    above = [
        (places[report.span], copy)
        for report in kept
        if report.span in places
        for copy in report.repeats
        if copy.first_line == copy.last_line == report.span.first_line - 1
    ]
    if above:
        rows = rows.copy()
    for row, copy in above:
        rows[row, r.LINES] += rows[row, r.LINE] - (copy.first_line - 1)
        # A report of the tolerant parser counts bytes from the stretch that it was read from.
        rows[row, r.START] -= copy.stop - copy.start
        rows[row, r.LINE] = copy.first_line - 1
    return rows


def _words(title: str | None) -> str:
    return " ".join((title or "").split())


def _doubtful_rows(rows: Any) -> Any:
    """Rows that another one could be a copy of: the same pfn and time, or without times the same facts."""
    if not len(rows):
        return np.empty(0, np.int64)
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
        return np.empty(0, np.int64)
    _, which, counts = np.unique(key, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[which] > 1)


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
