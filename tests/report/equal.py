"""What must be equal between the fast way through a log and the slow one."""

from __future__ import annotations

import pandas as pd

from kvmlab.report.log import Log, read_log
from kvmlab.report.records import Report
from kvmlab.report.scan import scan_log
from kvmlab.report.scan_result import Scan


def check(data: bytes | str, engine: str, chunk: int = 1 << 22) -> int:
    """Compares the two ways; how many reports a fast engine read by itself."""
    slow = read_log(data)
    fast = scan_log(data, engine=engine, chunk=chunk)
    assert fast.lines == slow.text.n_lines
    expected = slow.df_reports()
    pd.testing.assert_frame_equal(fast.df_reports(), expected)
    bad = fast.df_bad_pages()
    pd.testing.assert_frame_equal(bad[list(expected.columns)], slow.df_bad_pages())
    pages = [x for x in slow.bad_pages if x.pfn is not None]
    words = [x.page.raw.words if x.page is not None and x.page.raw is not None else () for x in pages]
    for i in range(8):
        assert bad[f"raw{i}"].astype(object).where(bad[f"raw{i}"].notna(), None).tolist() == [
            w[i] if len(w) > i else None for w in words
        ]
    table = fast.df_stacks()
    held = table.astype(object).where(table.notna(), None)[["function", "module", "context", "confirmed"]]
    stacks = {n: held.loc[at].values.tolist() for n, at in table.groupby("stack").groups.items()}
    assert [stacks.get(s, []) for s in bad["stack"].tolist()] == [_entries(report) for report in pages]
    check_groups(fast, slow)
    return len(fast.rows)


def _entries(report: Report) -> list[list[object]]:
    frames = () if report.call_trace is None else report.call_trace.frames
    found = [[f.function, f.module, f.context, f.reliable] for f in frames]
    return [entry for entry in found if entry[3]] or found


def check_groups(fast: Scan, slow: Log) -> None:
    """What stands for many reports must be like each of them in all that families are judged by."""
    places = fast.positions.tolist()
    for group in fast.groups():
        shown = group.report
        for at in group.positions.tolist():
            places.append(at)
            report = slow.reports[at]
            assert report.page is not None
            assert shown.page is not None
            assert (shown.kind, shown.page.reason) == (report.kind, report.page.reason)
            assert _entries(shown) == _entries(report)
        first = slow.reports[group.positions[0]]
        assert (shown.title, shown.pfn, shown.process) == (first.title, first.pfn, first.process)
        assert (shown.span.first_line, shown.span.last_line) == (first.span.first_line, first.span.last_line)
    assert sorted(places) == list(range(len(slow.reports)))
