"""Rows that are alike, by stack and reason: one light report stands for them all, for questions asked of families."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.cpu_line import match_cpu_line
from kvmlab.report.records import CallTrace, Frame, HeadLine, Kind, PageDump, RawWords, Report
from kvmlab.report.scan_result import positions_of, title_of
from kvmlab.text.span import Span

if TYPE_CHECKING:
    from kvmlab.report.scan_result import Scan
    from kvmlab.report.scan_stacks import Stack


@dataclass(frozen=True, slots=True)
class Group:
    """Bad pages with one stack and one reason.

    Args:
        report: the first of them, with title, place, time, pfn, counts, reason and call trace; no other parts.
        positions: of all of them among the rows of `Scan.df_reports` (numpy int64), in order.
    """

    report: Report
    positions: Any


def groups_of(scan: Scan) -> list[Group]:
    """The groups of a scan's rows, in the order of their first reports.

    Args:
        scan: the scan.
    """
    rows = scan.rows
    if not len(rows):
        return []
    numbers, _, stacks = scan.stack_numbers(())
    key = numbers * (len(scan.lexicon.texts) + 1) + rows[:, r.REASON_ID] + 1
    order = np.argsort(key, kind="stable")
    cuts = np.flatnonzero(np.diff(key[order])) + 1
    places = positions_of(scan)
    parts = sorted(np.split(order, cuts), key=lambda part: int(part[0]))
    return [Group(_light(scan, int(p[0]), int(places[p[0]]), stacks[numbers[p[0]]]), places[p]) for p in parts]


def light_reports(scan: Scan, chosen: Sequence[int]) -> list[Report]:
    """Rows as light reports, with what tells copies of a report: the raw words and the process id, too.

    Args:
        scan: the scan.
        chosen: which rows.
    """
    numbers, _, stacks = scan.stack_numbers(())
    made = []
    for i in chosen:
        report = _light(scan, i, i, stacks[numbers[i]])
        row = scan.rows[i].tolist()
        words = tuple(word & ((1 << 64) - 1) for word in row[r.WORD_0 : r.WORD_0 + min(row[r.N_WORDS], r.MAX_WORDS)])
        page = (
            None if report.page is None else replace(report.page, raw=RawWords(words, row[r.WORD_WIDTH], report.span))
        )
        task = match_cpu_line(f"CPU: 0 PID: {row[r.PID]} Comm: {report.process} Not tainted 1.0 #1", report.span)
        made.append(replace(report, page=page, cpu_line=task, records=tuple(range(row[r.LINES]))))
    return made


def _light(scan: Scan, i: int, position: int, stack: Stack) -> Report:
    row = scan.rows[i].tolist()
    first = row[r.LINE] + 1
    span = Span(row[r.START], row[r.STOP], first, first + row[r.LINES] - 1)
    frames = tuple(Frame(e.function, None, None, e.module, e.confirmed, e.context, span) for e in stack)
    time = row[r.TIME_US]
    shown = None if time < 0 else f"{time // 1_000_000}.{time % 1_000_000:06d}"
    head = None if row[r.ORDER] < 0 else HeadLine({"order": row[r.ORDER]}, span)
    reason = scan.lexicon.texts[row[r.REASON_ID]] if row[r.REASON_ID] >= 0 else None
    unsigned = {name: row[at] & ((1 << 64) - 1) for name, at in _UNSIGNED.items()}
    page = PageDump(
        era="", pointer=None, refcount=row[r.REFCOUNT], mapcount=row[r.MAPCOUNT], mapping=unsigned["mapping"],
        index=unsigned["index"], pfn=None, page_line=None, head=head, memcg=None, address_space=None, flags=None,
        page_type=None, raw=None, head_raw=None, reason=reason, reason_span=None, page_owner=None, span=span,
    )  # fmt: skip
    return Report(
        index=position, kind=Kind.BAD_PAGE, title=title_of(scan, i), span=span, timestamp=shown, last_timestamp=None,
        process=scan.lexicon.texts[row[r.COMM]], pfn=unsigned["pfn"], page=page, call_trace=CallTrace(None, frames),
        rule="bad_page",
    )  # fmt: skip


_UNSIGNED = {"mapping": r.MAPPING, "index": r.INDEX, "pfn": r.PFN}
