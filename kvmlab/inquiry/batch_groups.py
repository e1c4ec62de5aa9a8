"""Which bad page reports belong to one drain of a folio batch: same task, same stack, same system call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kvmlab.inquiry.pfn_ranges import PfnRun, pfn_runs
from kvmlab.report.records import Kind, Report

if TYPE_CHECKING:
    import pandas as pd

INNERMOST: Final = 8
LONGEST_PAUSE_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class BatchGroup:
    """Bad pages that one pass over a folio batch reported.

    Args:
        reports: the reports, in the order of the text.
        by_registers: whether the user registers prove that it was one system call; False if only task, stack and time
            agree, because the text holds no registers.
    """

    reports: tuple[Report, ...]
    by_registers: bool

    @property
    def first(self) -> Report:
        """Its first report."""
        return self.reports[0]

    @property
    def pfns(self) -> tuple[int, ...]:
        """Its pfns, in the order of the text."""
        return tuple(r.pfn for r in self.reports if r.pfn is not None)

    @property
    def runs(self) -> tuple[PfnRun, ...]:
        """The runs of its pfns."""
        return pfn_runs(self.pfns)

    def __len__(self) -> int:
        return len(self.reports)


def batch_groups(reports: Iterable[Report]) -> tuple[BatchGroup, ...]:
    """Put bad page reports of one drain together; every bad page with a pfn is in exactly one group.

    Two neighbouring reports belong together if the same task on the same CPU prints the same innermost confirmed
    functions, from the same system call: the user registers are equal. Where both lack registers, at most a second
    may lie between them.

    Args:
        reports: reports of one log, in order; other kinds are passed over.

    Source: drains of 30 pages each, 6.12 and 7.3, in the kernel lab's captures.
    """
    groups: list[list[Report]] = []
    proofs: list[bool] = []
    for report in reports:
        if report.kind is not Kind.BAD_PAGE or report.pfn is None:
            continue
        if groups and _belong(groups[-1][-1], report):
            groups[-1].append(report)
            proofs[-1] = proofs[-1] and report.registers is not None
        else:
            groups.append([report])
            proofs.append(report.registers is not None)
    return tuple(BatchGroup(tuple(g), proof) for g, proof in zip(groups, proofs, strict=True))


def df_batch_groups(reports: Iterable[Report]) -> pd.DataFrame:
    """One row a bad page: its group, its place in it, its pfn and where it stands in the log.

    Args:
        reports: as for `batch_groups`.

    Returns:
        `group`, `place` (0 is the first that was reported), `pfn` (uint64), `hva` (UInt64: index x 4096, as anonymous
        memory has it), `report`, `line`, `time_ns` (Int64), `comm`, `reason`.
    """
    import pandas as pd

    rows = [
        (
            number,
            place,
            report.pfn,
            None if report.page is None or report.page.index is None else (report.page.index << 12) % (1 << 64),
            report.index,
            (report.title_span or report.span).first_line,
            time_ns(report),
            report.process,
            None if report.page is None else report.page.reason,
        )
        for number, group in enumerate(batch_groups(reports))
        for place, report in enumerate(group.reports)
    ]
    types = {
        "group": "int64",
        "place": "int64",
        "pfn": "uint64",
        "hva": "UInt64",
        "report": "int64",
        "line": "int64",
        "time_ns": "Int64",
        "comm": "str",
        "reason": "str",
    }
    return pd.DataFrame(rows, columns=list(types)).astype(types)


def time_ns(report: Report) -> int | None:
    """When a report begins, in nanoseconds since boot, None if the text has no time stamps.

    Args:
        report: any report.
    """
    if report.timestamp is None:
        return None
    seconds, _, fraction = report.timestamp.strip().partition(".")
    if not (seconds + fraction).isdecimal():
        return None
    return int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0") or 0)


def _belong(one: Report, other: Report) -> bool:
    a, b = one.cpu_line, other.cpu_line
    if a is None or b is None or (a.cpu, a.pid, a.comm) != (b.cpu, b.pid, b.comm) or _stack(one) != _stack(other):
        return False
    if one.registers is not None and other.registers is not None:
        return dict(one.registers.values) == dict(other.registers.values)
    before, after = time_ns(one), time_ns(other)
    return before is not None and after is not None and 0 <= after - before <= LONGEST_PAUSE_NS


def _stack(report: Report) -> tuple[str, ...]:
    frames = report.call_trace.reliable if report.call_trace is not None else ()
    return tuple(f.function for f in frames[:INNERMOST])
