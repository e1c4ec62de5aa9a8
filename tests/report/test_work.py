"""The work grows with the text and not faster: calls are counted, and lines made to trap a pattern come back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from kvmlab.report.lines import LINE_LENGTH, classify
from kvmlab.report.log import find_reports
from kvmlab.report.repeats import fold_repeats
from kvmlab.text.record import Record
from tests.report.logs import SPAN, records
from tests.report.test_splat import BAD

HOSTILE: dict[str, Callable[[int], list[Record]]] = {
    "the same report again and again": lambda n: records(BAD * (n // len(BAD))),
    "the same title without a time": lambda n: records([BAD[0]] * n, step_ns=None),
    "titles that prove nothing": lambda n: records(["BUG: something"] * n),
    "cut here, and nothing": lambda n: records(["------------[ cut here ]------------"] * n),
    "page dumps of a VM_BUG_ON": lambda n: records([BAD[1], "page dumped because: VM_BUG_ON(x)", "cut"] * (n // 3)),
    "rules": lambda n: records(["=" * 60] * n),
    "stacks that open": lambda n: records(["Call Trace:", *([" <TASK>"] * n)]),
    "stacks that close": lambda n: records(["Call Trace:", *([" <IRQ>", " </TASK>"] * (n // 2))]),
    "a trace without an end": lambda n: records(["Call Trace:", *([" f+0x1/0x2"] * n)]),
    "frames and other lines in turn": lambda n: records(["Call Trace:", *([" f+0x1/0x2", "other line"] * (n // 2))]),
    "KASAN without an end": lambda n: records(["BUG: KASAN: x in y", *(["text", " f+0x1/0x2"] * (n // 2))]),
    "raw words without an end": lambda n: records([BAD[0], *(["raw: 0000000000000000"] * n)]),
    "modules without an end": lambda n: records([BAD[0], "Modules linked in:", *([" a b c"] * n)]),
    "a caller for each line": lambda n: records([f"T{i}|{BAD[0]}" for i in range(n)]),
}


def calls(work: Callable[[], object]) -> int:
    """How many Python functions and built-ins are called."""
    count = 0

    def hook(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(hook)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", HOSTILE)
def test_twice_the_records_are_twice_the_work(name: str) -> None:
    make = HOSTILE[name]
    small, large = make(900), make(1800)
    find_reports(small)  # caches are filled before anything is counted
    once = calls(lambda: fold_repeats(find_reports(small)[0]))
    twice = calls(lambda: fold_repeats(find_reports(large)[0]))
    assert twice < 2.5 * once


LINES = (
    "f (" + "a.c:11" * 1200 + "!",
    "f (" + "a.c:11 " * 1200 + "!",
    "Status: 10008403 " + "A" * 8000 + "!",
    "Status: 10008403 " + "AA " * 2600 + "!",
    "NIP: 0 Tainted " * 500 + ")x",
    "RAX: 0000000000000000 " * 370 + "!",
    "r7:c20ccad4 " * 600 + "!",
    "CPU: 1 PID: 1 Comm: " + " " * 8000 + "x",
    "CPU: 1 PID: 1 Comm: x Tainted:" + " G" * 4000 + " ---",
    "Hardware name: " + ", BIOS " * 1100,
    "page:" + "a" * 8000,
    "page:" + "a:1 " * 2000,
    "flags: 0x1(" + "a|" * 4000,
    "BUG: Bad page state in process " + " " * 8000,
    "BUG: Bad page state in process " + "x pfn:" * 1300,
    "rcu: INFO: " + "rcu " * 2000,
    "Unable to handle kernel " + " at " * 2000,
    "[<c0000000>] f+0x1/0x2 " * 350 + "!",
    "<" * 8000,
    "<0000000000000000>{f+1} " * 330 + "!",
    "? " * 4000,
    "f+0x1/0x2 " + "[kvm] " * 1300 + "!",
    "f+0x1/0x2 " + "a/" * 4000,
    "A::" * 2700 + "+0x1/0x2",
    "<" + "A " * 4000 + "+0x1/0x2",
    "[" * 8000,
    "((((" * 2000,
    "Modules linked in: " + "a(" * 4000,
    "Modules linked in: " + "[last unloaded: " * 500,
    "page last allocated via order 0, migratetype A, gfp_mask 0x0(" + ")" * 8000,
    "\xa0" * 8000,
    "\u0661" * 8000,
    "0000000000000000 " * 480 + "!",
    "$ 0   : " + "00000000 " * 900,
    "GPR00: " + "0 " * 4000,
    "Krnl GPRS: " + "0 " * 4000,
    "task:" + "state" * 1600,
)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[:24])
@pytest.mark.parametrize("inside", [False, True])
def test_a_line_made_to_trap_a_pattern_comes_back(line: str, inside: bool) -> None:
    (record,) = records([line])
    classify(line[:LINE_LENGTH].strip(), record, inside)
    find_reports(records(["Call Trace:", " f+0x1/0x2", line, BAD[0], line, "Modules linked in: a", line, BAD[7], line]))


def test_a_line_of_a_megabyte() -> None:
    for start in (*BAD, "", "raw: ", "Call Trace: ", "Modules linked in: "):
        for filler in ("x", " ", "a ", "0", "[", "("):
            find_reports(records([start + filler * 1_000_000]))


def test_spans_need_not_make_sense() -> None:
    from dataclasses import replace

    find_reports([replace(record, span=SPAN) for record in records(BAD * 3)])
