"""Copies of a report: which count as copies, which one is kept, and in which order the reports stand."""

from __future__ import annotations

from dataclasses import replace

from kvmlab.report.log import find_reports, read_log
from kvmlab.report.records import Report
from kvmlab.report.repeats import fold_repeats
from tests.report.logs import records
from tests.report.test_splat import BAD


def one(lines: list[str], *, part: str | None = None, shift: int = 0, step_ns: int | None = 1000) -> Report:
    rows = [
        replace(r, timestamp=None if r.time_ns is None else f"{(r.time_ns + shift) / 1e9:.6f}")
        for r in records(lines, step_ns=step_ns)
    ]
    (report,) = find_reports(rows)[0]
    return replace(report, part=part)


def test_the_fuller_report_is_kept_at_its_own_place() -> None:
    other = [line.replace("02d3a", "02a4a").replace("0x2d3a", "0x2a4a") for line in BAD]
    title, second, full = one(BAD[:1]), one(other), one(BAD)
    folded = fold_repeats([title, second, full])
    assert [report.pfn for report in folded] == [0x2A4A, 0x2D3A]
    assert [len(report.repeats) for report in folded] == [0, 1]
    assert [report.index for report in folded] == [0, 1]


def test_reports_of_attachments_follow_those_of_the_text() -> None:
    other = [line.replace("02d3a", "02a4a").replace("0x2d3a", "0x2a4a") for line in BAD]
    folded = fold_repeats([one(BAD, shift=7_000), one(other, part="dmesg.txt")])
    assert [report.part for report in folded] == [None, "dmesg.txt"]


def test_the_same_block_in_body_and_attachment_counts_once() -> None:
    folded = fold_repeats([one(BAD), one(BAD, part="dmesg.txt")])
    assert [(report.part, len(report.repeats)) for report in folded] == [(None, 1)]


def test_another_time_or_other_words_are_no_copy() -> None:
    changed = [line.replace("7f0f4a5e5", "7f0f4a5e6") for line in BAD]
    assert len(fold_repeats([one(BAD), one(BAD, shift=5_000_000)])) == 2
    assert len(fold_repeats([one(BAD, step_ns=None), one(changed, step_ns=None)])) == 2
    assert len(fold_repeats([one(BAD, step_ns=None), one(BAD, step_ns=None)])) == 1


def test_fragments_are_never_folded() -> None:
    assert len(fold_repeats([one(BAD[12:]), one(BAD[12:])])) == 2


def test_doubled_lines_are_one_report() -> None:
    text = "".join(f"Nov  3 15:20:05 host kernel: {line}\n" * 2 for line in BAD)
    log = read_log(text.encode())
    assert [report.kind.value for report in log.reports] == ["bad_page"]
    (report,) = log.reports
    assert report.complete
    assert len(report.repeats) == 1
    assert report.page is not None
    assert report.page.raw is not None
    assert len(report.page.raw.words) == 8
    assert report.call_trace is not None
    assert len(report.call_trace.frames) == 4
