"""Many reports to few stacks: a signature that survives offsets, builds and inlining, and what each family counts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kvmlab.inquiry.pfn_ranges import PfnRun, pfn_runs
from kvmlab.kernel.functions import find_function, plain_symbol
from kvmlab.report.jsonable import hex_or_none
from kvmlab.report.log import Log
from kvmlab.report.records import Kind, Report

_ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Family:
    """Reports of one kind, one reason and one stack.

    Args:
        id: hex digits that the same stack has in every log.
        title: kind, reason and the first function that says something.
        signature: functions of the confirmed entries, innermost first, without what every such report has.
        reports: positions of its reports among all the reports of all the logs.
        suppressed: messages that the kernel says it left out while this family was printed; a lower bound.
        first_timestamp, last_timestamp: as printed, None where the text has none.
        runs: runs of its pfns.
    """

    id: str
    title: str
    signature: tuple[str, ...]
    reports: tuple[int, ...]
    suppressed: int
    first_timestamp: str | None
    last_timestamp: str | None
    runs: tuple[PfnRun, ...]

    @property
    def count(self) -> int:
        """How many reports were printed."""
        return len(self.reports)


def signature(report: Report) -> tuple[str, ...]:
    """The functions that make a stack what it is: confirmed, without compiler suffixes, without the report's machinery.

    Args:
        report: a report; without a call trace the signature is empty.
    """
    trace = report.call_trace
    names = [plain_symbol(frame.function) for frame in (trace.reliable if trace else ())]
    kept = [name for name in names if not ((known := find_function(name)) and known.boring)]
    return tuple(kept or names)


def families(logs: Sequence[Log]) -> tuple[Family, ...]:
    """The families of the reports of some logs, the largest first.

    Fragments without a stack and the kernel's own notes of suppressed messages are in no family.

    Args:
        logs: the logs, in the order in which their reports are numbered.
    """
    members: dict[tuple[Kind, str, tuple[str, ...]], list[tuple[int, Report]]] = {}
    suppressed: dict[tuple[Kind, str, tuple[str, ...]], int] = {}
    position = 0
    for log in logs:
        last: tuple[Kind, str, tuple[str, ...]] | None = None
        for report in log.reports:
            key = (report.kind, _reason(report), signature(report))
            if report.kind is Kind.SUPPRESSED:
                if last is not None:
                    suppressed[last] = suppressed.get(last, 0) + _messages(report)
            elif report.kind is not Kind.FRAGMENT or key[2]:
                members.setdefault(key, []).append((position, report))
                last = key
            position += 1
    found = [_family(key, rows, suppressed.get(key, 0)) for key, rows in members.items()]
    return tuple(sorted(found, key=lambda family: (-family.count, family.reports[0])))


def _reason(report: Report) -> str:
    return report.page.reason or "" if report.page else ""


def _messages(report: Report) -> int:
    number = report.fields.get("messages", 0)
    return int(number)


def _family(key: tuple[Kind, str, tuple[str, ...]], rows: list[tuple[int, Report]], suppressed: int) -> Family:
    kind, reason, functions = key
    digest = hashlib.sha256("\0".join((kind, reason, *functions)).encode("utf-8", "backslashreplace")).hexdigest()
    words = [kind.replace("_", " ")]
    if reason:
        words.append(f"({reason})")
    if functions:
        words.append(f"in {functions[0]}")
    times = [report.timestamp for _, report in rows if report.timestamp is not None]
    return Family(
        digest[:_ID_DIGITS],
        " ".join(words),
        functions,
        tuple(position for position, _ in rows),
        suppressed,
        times[0] if times else None,
        times[-1] if times else None,
        pfn_runs(report.pfn for _, report in rows if report.pfn is not None),
    )


def family_json(family: Family) -> dict[str, Any]:
    """A family in the shape that `kvmlab triage --json` prints."""
    return {
        "id": family.id,
        "title": family.title,
        "reports": list(family.reports),
        "count": family.count,
        "suppressed": family.suppressed,
        "first_timestamp": family.first_timestamp,
        "last_timestamp": family.last_timestamp,
        "signature": list(family.signature),
        "pfn_runs": [
            {"first": hex_or_none(run.first), "last": hex_or_none(run.last), "pages": run.pages} for run in family.runs
        ],
    }
