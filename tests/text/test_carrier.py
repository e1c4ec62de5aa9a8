"""Carriers that no table knows, in texts of one logger and of several."""

from __future__ import annotations

import pytest

from kvmlab.report.log import read_log
from kvmlab.report.records import Report
from kvmlab.text.carrier import learn_carrier
from tests.report.generator import log


def test_a_carrier_without_times_among_lines_of_another_logger() -> None:
    report = [line.partition("] ")[2] for line in log(3, "dmesg", 1.0, 3_000)]
    carried = [f"console-7 <main> {line}" for line in report[:30]]
    other = log(8, "dmesg", 0.5, 30_000)
    for rows in ([*carried, *other], [*other[:200], *carried]):
        found = learn_carrier(rows)
        assert found is not None
        assert found.match(carried[0]).end() == len("console-7 <main> ")  # type: ignore[union-attr]
    both = read_log("\n".join([*carried, *other, ""]).encode())
    assert len(both.bad_pages) == 1 + sum("BUG: Bad page state" in line for line in other)
    assert both.bad_pages[0].span.first_line == 1


def test_words_before_a_few_lines_are_no_carrier() -> None:
    rows = [
        "he saw BUG: Bad page state in process x  pfn:12345",
        *(f"line {n} of a letter, not a log" for n in range(9)),
    ]
    assert learn_carrier(rows) is None


def facts(report: Report) -> list[object]:
    """What a report says, wherever it stands."""
    assert report.call_trace is not None
    assert report.modules is not None
    assert report.page is not None
    assert report.page.raw is not None
    functions = [frame.function for frame in report.call_trace.frames]
    return [report.title, report.modules.names, report.page.raw.words, functions]


@pytest.mark.parametrize("front", ["{:6}\t", "{:6}  ", "{}:", "{:4} | ", "{}. ", "[{}] ", "{:03}> "])
def test_numbers_of_lines_without_times(front: str) -> None:
    report = [line.partition("] ")[2] for line in log(3, "dmesg", 1.0, 3_000)]
    plain = read_log("\n".join([*report, ""]).encode())
    numbered = read_log("\n".join([*(front.format(n + 95) + line for n, line in enumerate(report)), ""]).encode())
    assert [facts(report) for report in numbered.reports] == [facts(report) for report in plain.reports]
    assert len(plain.reports) == 1


def test_numbers_that_do_not_count_up_are_none() -> None:
    rows = [f"{n}: what {n} says" for n in (4, 9, 1, 7, 3, 12)]
    assert learn_carrier(rows) is None


@pytest.mark.parametrize("front", ["2024-07-31 11:58:14.100 ", "11:58:14 ", "console-7 <main> "])
def test_a_list_of_modules_goes_on_behind_a_clock(front: str) -> None:
    report = [line.partition("] ")[2] for line in log(3, "dmesg", 1.0, 3_000)]
    found = read_log("".join(f"{front}{line}\n" for line in report).encode()).reports[0]
    assert found.modules is not None
    assert len(found.modules.names) == 250


@pytest.mark.parametrize("damaged", ["[1000141637]", "[   000141637]", "[    1000.1416]", "[    .141637]"])
def test_a_time_that_lost_characters_still_begins_a_record(damaged: str) -> None:
    rows = [line.partition("] ")[2] for line in log(3, "dmesg", 1.0, 3_000)]
    at = next(n for n, row in enumerate(rows) if row.startswith("CPU: "))
    lines = [f"[ 1000.{141632 + n}] {row}" for n, row in enumerate(rows)]
    lines[at] = f"{damaged} {rows[at]}"
    found = read_log("\n".join([*lines, ""]).encode()).reports[0]
    assert found.cpu_line is not None
    assert found.modules is not None
    assert len(found.modules.names) == 250
