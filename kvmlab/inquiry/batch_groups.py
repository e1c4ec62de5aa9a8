"""Which bad page reports belong to one drain of a folio batch: same task, same stack, same system call."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from kvmlab.errors import UnknownRelease
from kvmlab.inquiry.pfn_runs import PfnRun, pfn_runs
from kvmlab.memory.folio_batch import batch_capacity
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
        by_pause: whether it was cut out of a longer stretch at skips or pauses, because no batch of this kernel
            holds so many folios: one KVM_RUN can drain several batches. Skips in the guest's walk cut first.
    """

    reports: tuple[Report, ...]
    by_registers: bool
    by_pause: bool = False

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
    functions, from the same system call (the user registers are equal, where both have them), with no more than a
    second and no suppressed report in between. What is then longer than a folio batch of the kernel is cut where
    the walk through user memory skips a page, and at its longest pauses.

    Args:
        reports: reports of one log, in order; other kinds are passed over.

    Source: drains of 30 pages each, 6.12 and 7.3, in the kernel lab's captures.
    """
    groups: list[list[Report]] = []
    broken = True
    for report in reports:
        if report.kind is Kind.SUPPRESSED:
            broken = True
        if report.kind is not Kind.BAD_PAGE or report.pfn is None:
            continue
        if broken or not _belong(groups[-1][-1], report):
            groups.append([])
            broken = False
        groups[-1].append(report)
    return tuple(
        BatchGroup(tuple(part), all(r.registers is not None for r in part), len(part) < len(group))
        for group in groups
        for part in _cut(group, _capacity(group[0]))
    )


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
    return _ns(report.timestamp)


def _ns(timestamp: str | None) -> int | None:
    if timestamp is None:
        return None
    seconds, _, fraction = timestamp.strip().partition(".")
    if not (seconds + fraction).isdecimal():
        return None
    return int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0") or 0)


def _belong(one: Report, other: Report) -> bool:
    a, b = one.cpu_line, other.cpu_line
    if a is None or b is None or (a.cpu, a.pid, a.comm) != (b.cpu, b.pid, b.comm) or _stack(one) != _stack(other):
        return False
    pause = _pause(one, other)
    if one.registers is not None and other.registers is not None:
        same = dict(one.registers.values) == dict(other.registers.values)
        return same and (pause is None or pause <= LONGEST_PAUSE_NS)
    return pause is not None and abs(pause) <= LONGEST_PAUSE_NS


def _pause(one: Report, other: Report) -> int | None:
    """Nanoseconds from the last line of one report to the first of the next, None if a time is missing."""
    before, after = _ns(one.last_timestamp or one.timestamp), time_ns(other)
    return None if before is None or after is None else after - before


def _capacity(report: Report) -> int | None:
    """Folios in a batch of the report's kernel, None if nobody knows."""
    release = None if report.cpu_line is None else report.cpu_line.release
    if release is None or release.version is None:
        return None
    try:
        return batch_capacity(release)
    except UnknownRelease:
        return None


def _cut(group: Sequence[Report], most: int | None) -> list[Sequence[Report]]:
    """Parts of at most `most` reports: cut first where the walk through user memory skips, then at the longest pauses.

    The page that fills a batch is not lost with it, so between two drains a page is missing from the guest's walk.
    Without skips and with equal pauses the parts are full batches.
    """
    if most is None or len(group) <= most:
        return [group]
    pauses = [_pause(a, b) or 0 for a, b in pairwise(group)]
    cuts = [0, len(group)]
    skips = _skips(group)
    if max(pauses) > min(pauses) or any(skips):
        for at in sorted(range(1, len(group)), key=lambda i: (not skips[i - 1], -pauses[i - 1])):
            place = bisect_right(cuts, at)
            if cuts[place] - cuts[place - 1] > most:
                insort(cuts, at)
    else:
        cuts = [*range(0, len(group), most), len(group)]
    return [group[a:b] for a, b in pairwise(cuts)]


def _skips(group: Sequence[Report]) -> list[bool]:
    """Whether the index steps otherwise than usual from each report to the next; all False without a regular walk."""
    indexes = [None if report.page is None else report.page.index for report in group]
    steps = [None if a is None or b is None else b - a for a, b in pairwise(indexes)]
    usual, times = Counter(step for step in steps if step is not None).most_common(1)[0] if any(steps) else (None, 0)
    regular = times * 4 >= len(steps) * 3
    return [regular and step is not None and step != usual for step in steps]


def _stack(report: Report) -> tuple[str, ...]:
    frames = report.call_trace.reliable if report.call_trace is not None else ()
    return tuple(f.function for f in frames[:INNERMOST])
