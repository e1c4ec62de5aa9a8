"""Logs that stand newest first are turned round, by their clocks or by the parts of their reports."""

from __future__ import annotations

import pytest

from kvmlab.report.log import read_log
from kvmlab.report.scan import scan_log
from kvmlab.report.scan_open import is_plain

REPORT = [
    "BUG: Bad page state in process fizz  pfn:12345",
    "page:ffffea0000a1b2c0 refcount:0 mapcount:1 mapping:0000000000000000 index:0x1 pfn:0x12345",
    "flags: 0x17ffffc0000004(referenced|node=0|zone=2)",
    "raw: 0017ffffc0000004 dead000000000100 dead000000000122 0000000000000000",
    "raw: 0000000000000001 0000000000000000 0000000000000000 0000000000000000",
    "page dumped because: nonzero mapcount",
    "CPU: 2 PID: 77 Comm: fizz Not tainted 5.15.0 #1",
    "Hardware name: Fizz Inc. Buzz/9, BIOS 1.2 03/04/2021",
    "Call Trace:",
    " <TASK>",
    " bad_page+0x1/0x2",
    " fizz_map+0x1/0x20 [fizz]",
    " </TASK>",
]


def said(data: str) -> list[object]:
    found = read_log(data.encode())
    (report,) = found.reports
    assert report.page is not None
    assert report.page.raw is not None
    assert report.call_trace is not None
    frames = [frame.function for frame in report.call_trace.frames]
    return [report.title, report.pfn, report.page.raw.words, frames, report.complete, len(found.unparsed)]


def coarse(n: int) -> str:
    return f"Jul 31 11:58:{10 + n // 8:02} draig kernel: "


EXPECTED = said("\n".join([*REPORT, ""]))
ROWS = list(enumerate(REPORT))
FORMS = {
    "all in one second": [f"Jul 31 11:58:10 draig kernel: {row}" for row in REPORT[::-1]],
    "over the turn of a second": [coarse(n) + row for n, row in ROWS[::-1]],
    "without times": REPORT[::-1],
    "a table in one millisecond": [
        "@timestamp,@message",
        *(f'"2024-07-31 11:58:10.123","{row}"' for row in REPORT[::-1]),
    ],
    # What has the same time stands in its own order.
    "only the times run backwards": [
        f"2024-07-31T11:58:{10 + k}+00:00 draig kernel: {row}" for k in (2, 1, 0) for row in REPORT[5 * k : 5 * k + 5]
    ],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_report_upside_down(form: str) -> None:
    data = "\n".join([*FORMS[form], ""])
    assert said(data) == EXPECTED
    assert not is_plain(data.encode())
    assert scan_log(data.encode(), engine="python").df_bad_pages()["frames"].tolist() == [2]


def test_a_report_the_right_way_up_stays() -> None:
    for rows in (REPORT, [f"Jul 31 11:58:10 draig kernel: {row}" for row in REPORT], [*REPORT, *REPORT[6:]]):
        found = read_log("\n".join([*rows, ""]).encode())
        trace = found.reports[0].call_trace
        assert trace is not None
        assert found.reports[0].title == REPORT[0]
        assert [frame.function for frame in trace.frames[:2]] == ["bad_page", "fizz_map"]
