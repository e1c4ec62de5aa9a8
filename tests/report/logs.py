"""Records made by hand, for tests that do not want a text around them."""

from __future__ import annotations

from collections.abc import Iterable

from kvmlab.report.log import find_reports
from kvmlab.report.records import Report
from kvmlab.text.record import Record, Role
from kvmlab.text.span import Span

SPAN = Span(0, 1, 1, 1)


def records(lines: Iterable[str], *, step_ns: int | None = 1000, caller: str | None = None) -> list[Record]:
    """LOG records, one a line, `step_ns` apart (no times with None).

    Args:
        lines: the messages; `T12|text` sets the caller of one line.
        step_ns: nanoseconds between two records.
        caller: caller id of lines that name none.
    """
    made = []
    for i, line in enumerate(lines):
        head, bar, rest = line.partition("|")
        mine, text = (head, rest) if bar and head[:1] in "TC" and head[1:].isdigit() else (caller, line)
        ns = None if step_ns is None else 10**9 + i * step_ns
        shown = None if ns is None else f"{ns // 10**9}.{ns % 10**9 // 1000:06d}"
        made.append(Record(Span(i * 100, i * 100 + 100, i + 1, i + 1), Role.LOG, text, shown, ns, caller=mine))
    return made


def reports(lines: Iterable[str] | str, *, step_ns: int | None = 1000, caller: str | None = None) -> list[Report]:
    """The reports among such lines."""
    if isinstance(lines, str):
        lines = lines.strip("\n").split("\n")
    return find_reports(records(lines, step_ns=step_ns, caller=caller))[0]
