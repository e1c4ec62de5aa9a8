"""Groups of one drain: the figures of real storms, and what breaks a group."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.inquiry.batch_groups import batch_groups, df_batch_groups, time_ns
from kvmlab.report.log import read_log
from kvmlab.report.records import Kind, Registers, Report
from kvmlab.text.span import Span
from tests.charts.sample import frame, report
from tests.work import calls

STACK = (frame("dump_stack_lvl", 1), frame("bad_page", 2), frame("free_unref_folios", 3))


def page(pfn: int, **changes: object) -> Report:
    """A bad page whose registers are those of one system call, unless changed."""
    registers = Registers("x86_64", "user", {"RSP": 0x7FFC}, (), (), Span(0, 1, 1, 1))
    return replace(report(*STACK, pfn=pfn), registers=registers, **changes)


def other_call(pfn: int) -> Report:
    registers = Registers("x86_64", "user", {"RSP": 0x7FFD}, (), (), Span(0, 1, 1, 1))
    return replace(page(pfn), registers=registers)


def sizes(*reports: Report) -> list[int]:
    return [len(group) for group in batch_groups(reports)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("6.12.117+deb12-amd64/bad/kvmbad_lruoff.dmesg.txt", [18, 30, 12]),
        ("6.12.117-klab/bad/kvmbad_lruoff.dmesg.txt.gz", [17, 30, 13]),
        ("6.12.117+deb12-amd64/bad/badput_lruoff.dmesg.txt", [12, 1, 30, 1, 16]),
    ],
)
def test_real_storms_fall_into_drains_of_thirty(shared: Path, name: str, expected: list[int]) -> None:
    groups = batch_groups(read_log(shared / "captures" / name).reports)
    assert [len(group) for group in groups] == expected
    assert all(group.by_registers for group in groups)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("storm-1vcpu", [30, 30]),
        ("storm-1vcpu-two-passes", [30, 30]),
        # Of the first drain of the second minute 11 pages were counted before the kernel printed again.
        ("storm-1vcpu-second-minute", [30, 30, 19, 30, 11]),
        ("storm-2vcpu", [30, 30]),
    ],
)
def test_recorded_storms_of_one_kvm_run_are_cut_into_drains(root: Path, run: str, expected: list[int]) -> None:
    log = read_log(root / "data" / "captures" / "6.12.117+deb12-amd64" / run / "storm" / "dmesg.txt.gz")
    assert [len(group) for group in batch_groups(log.reports)] == expected


def test_a_group_ends_with_the_system_call_the_stack_or_the_task() -> None:
    assert sizes(page(1), page(2), page(3)) == [3]
    assert sizes(page(1), other_call(2), other_call(3)) == [1, 2]
    inner = replace(page(2), call_trace=report(frame("bad_page", 1)).call_trace)
    assert sizes(page(1), inner) == [1, 1]
    line = page(2).cpu_line
    assert line is not None
    assert sizes(page(1), page(2, cpu_line=replace(line, cpu=3))) == [1, 1]
    assert sizes(page(1), page(2, cpu_line=None)) == [1, 1]


def storm(gaps: list[int], *, first: int = 0) -> list[Report]:
    """Bad pages of one system call with pauses of so many microseconds between them."""
    at, pages = 10_000_000, []
    for number, gap in enumerate([0, *gaps]):
        at += gap
        stamp = f"{at // 1_000_000}.{at % 1_000_000:06}"
        pages.append(page(first + number, timestamp=stamp, last_timestamp=stamp))
    return pages


def test_a_system_call_that_drains_several_batches_is_cut_where_the_guest_ran_in_between() -> None:
    groups = batch_groups(storm([10] * 29 + [900] + [12] * 29 + [700] + [9] * 19))
    assert [len(group) for group in groups] == [30, 30, 20]
    assert all(group.by_pause and group.by_registers for group in groups)
    (whole,) = batch_groups(storm([10] * 14 + [900] + [10] * 14))
    assert not whole.by_pause, "what fits into one batch is not cut"


def test_without_any_difference_in_time_full_batches_are_cut() -> None:
    assert sizes(*storm([0] * 69)) == [31, 31, 8]


def test_a_long_pause_or_a_suppressed_report_ends_a_group() -> None:
    assert sizes(*storm([10, 2_000_000, 10])) == [2, 2]
    pages = storm([10, 10, 10])
    hidden = replace(pages[0], kind=Kind.SUPPRESSED, pfn=None)
    assert sizes(*pages[:2], hidden, *pages[2:]) == [2, 2]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=150))
def test_no_group_is_larger_than_a_batch_and_no_page_is_lost(gaps: list[int]) -> None:
    pages = storm(gaps)
    groups = batch_groups(pages)
    assert all(len(group) <= 31 for group in groups)
    assert [r.pfn for group in groups for r in group.reports] == [p.pfn for p in pages]


def test_thirty_thousand_reports_of_one_call_are_no_quadratic_work() -> None:
    pages = storm(list(range(1, 3_001)) * 10)
    assert calls(batch_groups, pages[:30_000]) < 12 * calls(batch_groups, pages[:3_000])


def test_without_registers_time_decides_and_says_so() -> None:
    near = [report(*STACK, pfn=1, timestamp="10.000000"), report(*STACK, pfn=2, timestamp="10.900000")]
    (group,) = batch_groups(near)
    assert not group.by_registers
    assert group.pfns == (1, 2)
    assert sizes(near[0], report(*STACK, pfn=2, timestamp="12.000000")) == [1, 1]


def test_every_bad_page_is_in_one_row_with_its_line() -> None:
    table = df_batch_groups([page(7), page(8), other_call(1 << 40), report(pfn=None)])
    assert table["pfn"].tolist() == [7, 8, 1 << 40]
    assert table["group"].tolist() == [0, 0, 1]
    assert table["place"].tolist() == [0, 1, 0]
    assert table["hva"].tolist() == [0x7FA8117C3000] * 3
    assert table["line"].tolist() == [60, 60, 60]
    assert df_batch_groups([]).empty


@pytest.mark.parametrize(
    ("text", "expected"),
    [("252080.141632", 252_080_141_632_000), ("5", 5_000_000_000), (None, None), ("later", None), ("1.5x", None)],
)
def test_time_in_nanoseconds(text: str | None, expected: int | None) -> None:
    assert time_ns(replace(report(), timestamp=text)) == expected
