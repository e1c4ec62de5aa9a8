"""Carriers that no table knows, in texts of one logger and of several."""

from __future__ import annotations

from kvmlab.report.log import read_log
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
