"""Groups of one drain: the figures of real storms, and what breaks a group."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kvmlab.inquiry.batch_groups import batch_groups, df_batch_groups, time_ns
from kvmlab.report.log import read_log
from kvmlab.report.records import Registers, Report
from kvmlab.text.span import Span
from tests.charts.sample import frame, report

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


def test_a_group_ends_with_the_system_call_the_stack_or_the_task() -> None:
    assert sizes(page(1), page(2), page(3)) == [3]
    assert sizes(page(1), other_call(2), other_call(3)) == [1, 2]
    inner = replace(page(2), call_trace=report(frame("bad_page", 1)).call_trace)
    assert sizes(page(1), inner) == [1, 1]
    line = page(2).cpu_line
    assert line is not None
    assert sizes(page(1), page(2, cpu_line=replace(line, cpu=3))) == [1, 1]
    assert sizes(page(1), page(2, cpu_line=None)) == [1, 1]


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
