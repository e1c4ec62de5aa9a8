"""Texts with one report: read both ways, and what tests ask of them."""

from __future__ import annotations

from kvmlab.report.log import read_log
from kvmlab.report.records import Report
from kvmlab.report.scan import scan_log


def one(text: str) -> Report:
    """The report of a text that holds just one; the fast way must find it, too."""
    log = read_log(text.encode())
    assert len(log.reports) == 1, [r.title for r in log.reports]
    fast = scan_log(text.encode()).df_reports()
    assert fast["title"].fillna("").tolist() == [log.reports[0].title or ""]
    return log.reports[0]


def functions(report: Report) -> list[str]:
    """The functions of its call trace, innermost first."""
    return [] if report.call_trace is None else [frame.function for frame in report.call_trace.frames]
