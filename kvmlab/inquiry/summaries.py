"""What a triage says about one source: its kind and size, its reports row by row, its kernels, its families."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kvmlab.inquiry.filters import ReportFilter
from kvmlab.inquiry.tallies import ScanTally, Tally, tally_log
from kvmlab.report.jsonable import hex_or_none
from kvmlab.report.log import Log
from kvmlab.report.records import Kind, Report

if TYPE_CHECKING:
    import pandas as pd

    from kvmlab.report.scan_result import Scan

_PROCESS = re.compile(r"BUG: Bad page state in process (.*\S)\s+pfn:")


@dataclass(frozen=True, slots=True)
class Stored:
    """A text as it is stored.

    Args:
        size: bytes.
        sha256: of them.
        head: its beginning, unpacked, by which its kind is told.
    """

    size: int
    sha256: str
    head: bytes


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """One source.

    Args:
        path, kind, lines, size, sha256: of the source; size in bytes and hash as it is stored.
        reports: how many reports are wanted.
        kinds: how many of each kind.
        kernels: releases, commonest first.
        first, last: times of the first and of the last report that has one, in seconds as printed.
        rows: the first reports, as `report_row` gives them.
        families: the families of the wanted reports.
        damage: what is wrong with the text as a whole, a sentence for each kind.
        scanned: whether the fast way read it, which does not look for that damage.
    """

    path: str
    kind: str
    lines: int
    size: int
    sha256: str
    reports: int
    kinds: Counter[str]
    kernels: tuple[str, ...]
    first: str | None
    last: str | None
    rows: list[tuple[object, ...]] = field(repr=False)
    families: list[Tally] = field(repr=False)
    damage: list[str] = field(default_factory=list)
    scanned: bool = False


def of_log(source: int, log: Log, shown: int) -> SourceSummary:
    """The summary of a log, whose unwanted reports are gone.

    Args:
        source: its position among the sources.
        log: the log.
        shown: how many rows are wanted.
    """
    held = log.text.source
    times = [report.timestamp for report in log.reports if report.timestamp is not None]
    kernels = (report.cpu_line.release for report in log.reports if report.cpu_line is not None)
    return SourceSummary(
        held.path, log.text.kind, log.text.n_lines, held.size, held.sha256, len(log.reports),
        Counter(report.kind.value for report in log.reports), _commonest(r.text for r in kernels if r is not None),
        times[0] if times else None, times[-1] if times else None, [report_row(r) for r in log.reports[:shown]],
        tally_log(source, log), _damage(log),
    )  # fmt: skip


def of_scan(source: int, scan: Scan, wanted: ReportFilter, shown: int, stored: Stored) -> SourceSummary:
    """The summary of what the fast way found; a stretch of its reports at a time is a frame.

    Args:
        source: its position among the sources.
        scan: what it found.
        wanted: which reports count.
        shown: how many rows are wanted.
        stored: what is known of the text as it is stored.
    """
    families = ScanTally(source, wanted.keeps_functions)
    kinds: Counter[str] = Counter()
    kernels: Counter[str] = Counter()
    first = last = None
    rows: list[tuple[object, ...]] = []
    before = 0
    for part in scan.parts():
        frame = part.df_reports()
        kept = frame[families.add(part, frame, wanted.mask(frame))]
        kinds.update(dict(kept["kind"].value_counts().items()))
        # The first of equally common ones comes first, as it does where a log is counted report by report.
        kernels.update(dict(kept["kernel"].dropna().value_counts(sort=False).items()))
        times = kept["time_ns"].dropna()
        if len(times):
            first, last = first or _seconds(times.iloc[0]), _seconds(times.iloc[-1])
        if len(rows) < shown:
            rows += _rows(kept.head(shown - len(rows)), part, before)
        before += len(part)
    return SourceSummary(
        scan.path, kind_of(stored.head), scan.lines, stored.size, stored.sha256, kinds.total(), kinds,
        tuple(name for name, _ in kernels.most_common()), first, last, rows, families.close(), scanned=True,
    )  # fmt: skip


def report_row(report: Report) -> tuple[object, ...]:
    """One report for a table: index, kind, lines, time, pfn, process, reason or title, whether it is whole."""
    reason = report.page.reason if report.page and report.page.reason else report.title
    if report.kind is Kind.FRAGMENT:
        parts = [name for name, part in (("registers", report.registers), ("call trace", report.call_trace)) if part]
        reason = f"part of an earlier report: {', '.join(parts) or 'text'}"
    reason = _once(reason, len(report.repeats))
    lines = f"{report.span.first_line}-{report.span.last_line}"
    missing = [d.kind.removeprefix("truncated_") for d in report.damage if d.kind.startswith("truncated_")]
    complete = "yes" if report.complete else f"no: {', '.join(missing)} missing"
    pfn = hex_or_none(report.pfn)
    return (report.index, report.kind.value, lines, report.timestamp, pfn, report.process, reason, complete)


def _rows(frame: pd.DataFrame, scan: Scan, before: int) -> Iterator[tuple[object, ...]]:
    slow = dict(zip(scan.positions.tolist(), scan.reports, strict=True))
    row: Any
    for row in frame.itertuples():
        if (report := slow.get(int(row.report))) is not None:
            yield (before + int(row.report), *report_row(report)[1:])
            continue
        process = _PROCESS.match(row.title)
        yield (
            before + int(row.report), row.kind, f"{row.first_line}-{row.last_line}", _seconds(row.time_ns),
            hex(row.pfn), process[1] if process else row.comm, _once(row.reason, row.repeats), "yes",
        )  # fmt: skip


def _once(reason: str | None, repeats: int) -> str | None:
    """The reason, with a word on the copies of the report that the text holds."""
    return f"{reason} (printed {repeats + 1} times, counted once)" if repeats else reason


def _seconds(ns: Any) -> str | None:
    try:
        whole = int(ns)
    except TypeError:
        return None
    return f"{whole // 10**9}.{whole % 10**9 // 1000:06d}"


def _commonest(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for word, _ in Counter(words).most_common())


def kind_of(head: bytes) -> str:
    """The kind of a text, judged by its beginning.

    Args:
        head: the beginning; a line that is cut off does not count.

    >>> kind_of(b"[    1.500000] x86/fpu: x87 FPU\\n[    1.600000] NX (Exe")
    'dmesg'
    """
    from kvmlab.text.reader import read_text

    return read_text(head[: head.rfind(b"\n") + 1] or head).kind


def _damage(log: Log) -> list[str]:
    """The damage of the whole text, a sentence for each kind, however often it occurs."""
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for damage in log.text.damage:
        counts[damage.kind] += 1
        first.setdefault(damage.kind, f"line {damage.span.first_line}: {damage.reason}")
    return [
        f"damage: {kind.replace('_', ' ')}, {first[kind]}" + (f" (and {n - 1} more)" if n > 1 else "")
        for kind, n in counts.items()
    ]
