"""Reports in time, and the silence between them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kvmlab.charts.report_timeline import MOST_MARKS, NoTimes, df_report_timeline, plot_report_timeline
from kvmlab.report.log import read_log
from kvmlab.report.records import Kind, Report
from tests.charts.figures import check_figure
from tests.charts.sample import frame, report


def suppressed(timestamp: str, messages: int, what: str = "state") -> Report:
    """The line that says how many reports were not printed."""
    empty = replace(report(pfn=None, timestamp=timestamp), kind=Kind.SUPPRESSED, page=None)
    return replace(empty, fields={"what": what, "messages": messages})


def test_a_suppression_spans_from_the_last_report_of_its_kind() -> None:
    reports = [
        report(timestamp="1.0", index=0),
        report(timestamp="2.0", index=1),
        replace(report(timestamp="3.0", index=2), kind=Kind.WARNING),
        suppressed("60.5", 81),
    ]
    table = df_report_timeline(reports, source="case")
    last = table.iloc[-1]
    assert (last["kind"], last["since_ns"], last["time_ns"], last["messages"]) == (
        "bad_page",
        2 * 10**9,
        60_500_000_000,
        81,
    )
    told = check_figure(plot_report_timeline(table))
    assert told["layout"]["title"]["text"] == "3 reports in 59.500 s, and 81 that were not printed"
    (box,) = [s for s in told["layout"]["shapes"] if s["type"] == "rect"]
    assert (box["x0"], box["x1"]) == (1.0, 59.5)
    assert any("81 reports not printed" in a["text"] for a in told["layout"]["annotations"])


def test_a_real_storm(shared: Path) -> None:
    log = read_log(shared / "captures" / "6.12.117+deb12-amd64" / "bad" / "badput_lruoff.dmesg.txt")
    table = df_report_timeline(log.reports)
    assert table["messages"].dropna().tolist() == [81]
    told = check_figure(plot_report_timeline(table))
    assert "60 reports" in told["layout"]["title"]["text"]
    marks = [h for trace in told["data"] for h in trace["hovertext"]]
    assert all("of the source" in mark for mark in marks)


def test_many_reports_are_thinned_to_what_can_be_drawn() -> None:
    one = report(frame("bad_page", 91))
    table = df_report_timeline([replace(one, timestamp=f"{i}.5") for i in range(MOST_MARKS + 10)])
    picture = plot_report_timeline(table)
    assert sum(len(t.x) for t in picture.data) <= MOST_MARKS
    assert str(MOST_MARKS + 10) in picture.layout.title.text


def test_reports_without_times_are_refused() -> None:
    with pytest.raises(NoTimes, match="no report has a time stamp"):
        df_report_timeline([replace(report(), timestamp=None)])
