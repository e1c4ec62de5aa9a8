"""Families as sums: what a table shows of them, of logs and of scans alike, without a report for each member."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kvmlab.inquiry.batch_groups import time_ns
from kvmlab.inquiry.families import families, family_title
from kvmlab.inquiry.pfn_runs import pfn_runs
from kvmlab.inquiry.signatures import Key, Signature, signature_of
from kvmlab.inquiry.suppressed import owners_of_suppressed, suppressed_messages
from kvmlab.report.log import Log
from kvmlab.report.records import Kind, Report

if TYPE_CHECKING:
    from kvmlab.report.scan_result import Scan


@dataclass(slots=True)
class Tally:
    """One family of one or more sources, added up.

    Args:
        signature: what its reports share.
        first: the first of them.
        place: source and position of that one.
        count: how many there are.
        suppressed: reports that the kernel counted but did not print; a lower bound.
        reasons: reasons of the page dumps, with how many give them.
        pfns: the pages.
        spans: first and last time (ns) of each source's reports, and how many have a time.
        sources: the sources that have it.
    """

    signature: Signature
    first: Report
    place: tuple[int, int]
    count: int = 0
    suppressed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    pfns: set[int] = field(default_factory=set)
    spans: list[tuple[int, int, int]] = field(default_factory=list)
    sources: set[int] = field(default_factory=set)

    @property
    def title(self) -> str:
        """Kind, commonest reason and first interesting function."""
        commonest = self.reasons.most_common(1)
        return family_title(self.signature, self.first, commonest[0][0] if commonest else None)

    @property
    def rate(self) -> float | None:
        """Reports a second, suppressed ones included, while they came; as `Family.rate`."""
        seconds = sum(last - first for first, last, _ in self.spans) / 1e9
        return (sum(n - 1 for _, _, n in self.spans) + self.suppressed) / seconds if seconds > 0 else None

    @property
    def runs(self) -> int:
        """How many runs of neighbouring pfns there are."""
        return len(pfn_runs(self.pfns))

    def take(self, other: Tally) -> None:
        """Adds what another source has of the same family."""
        if other.place < self.place:
            self.place, self.first = other.place, other.first
        self.count += other.count
        self.suppressed += other.suppressed
        self.reasons += other.reasons
        self.pfns |= other.pfns
        self.spans += other.spans
        self.sources |= other.sources


def merged(parts: Iterable[Iterable[Tally]]) -> list[Tally]:
    """The families of all sources, largest first, then in the order of the texts.

    Args:
        parts: those of each source.
    """
    found: dict[Key, Tally] = {}
    for tally in (tally for part in parts for tally in part):
        held = found.setdefault(tally.signature.key, tally)
        if held is not tally:
            held.take(tally)
    return sorted(found.values(), key=lambda tally: (-tally.count, tally.place))


def tally_log(source: int, log: Log) -> list[Tally]:
    """The families of one log.

    Args:
        source: its position among the sources.
        log: the log.
    """
    found = []
    for family in families([log]):
        times = [ns for report in family.reports if (ns := time_ns(report)) is not None]
        found.append(
            Tally(
                family.signature, family.reports[0], (source, family.members[0].position), family.count,
                family.suppressed, Counter(family.reasons), {r.pfn for r in family.reports if r.pfn is not None},
                [(min(times), max(times), len(times))] if times else [], {source},
            )
        )  # fmt: skip
    return found


def tally_scan(source: int, scan: Scan, keep: Callable[[Report], bool], wanted: Any) -> list[Tally]:
    """The families of one scan.

    Args:
        source: its position among the sources.
        scan: the scan.
        keep: whether the reports that look like one count, judged by their functions and kind.
        wanted: whether the report at each position counts, judged by all else (numpy bool).
    """
    import numpy as np

    frame = scan.df_reports()
    times = frame["time_ns"].to_numpy("int64", na_value=-1)
    pfns = frame["pfn"].to_numpy("uint64", na_value=0)
    known = frame["pfn"].notna().to_numpy()
    found: dict[Key, Tally] = {}
    # Which family the report at each position is of, by its place in `found`; -1: none that counts.
    of = np.full(len(frame), -1, np.int64)

    def add(report: Report, positions: Any) -> None:
        positions = positions[wanted[positions]]
        if not len(positions) or not keep(report):
            return
        signature = signature_of(report)
        own = times[positions]
        own = own[own >= 0]
        reason = report.page.reason if report.page is not None else None
        tally = Tally(
            signature, report, (source, int(positions[0])), len(positions), 0,
            Counter({reason: len(positions)} if reason else ()), set(pfns[positions[known[positions]]].tolist()),
            [(int(own.min()), int(own.max()), len(own))] if len(own) else [], {source},
        )  # fmt: skip
        held = found.setdefault(signature.key, tally)
        if held is not tally:
            held.take(tally)
        of[positions] = list(found).index(signature.key)

    for group in scan.groups():
        add(group.report, group.positions)
    suppressed: dict[int, Report] = {}
    for report, position in zip(scan.reports, scan.positions.tolist(), strict=True):
        add(report, np.array([position]))
        if report.kind is Kind.SUPPRESSED and of[position] >= 0:
            suppressed[position] = report
    for tally in found.values():
        if len(tally.spans) > 1:
            # Of one source: its times lie in one span.
            firsts, lasts, counts = zip(*tally.spans, strict=True)
            tally.spans = [(min(firsts), max(lasts), sum(counts))]
    _give_suppressed(found, of, suppressed)
    return [tally for tally in found.values() if tally.count]


def _give_suppressed(found: dict[Key, Tally], of: Any, suppressed: dict[int, Report]) -> None:
    """Adds the reports that were not printed to the families of their neighbours."""
    import numpy as np

    if not suppressed:
        return
    keys = list(found)
    at = np.flatnonzero(of >= 0)
    # Of a stretch of one family its first report is enough.
    told = np.isin(at, list(suppressed)) | np.append(True, of[at[1:]] != of[at[:-1]])
    places = at[told].tolist()
    reports = [suppressed.get(place) for place in places]
    what = [str(report.fields.get("what")) if report is not None else "" for report in reports]
    owners = owners_of_suppressed([(0, keys[of[p]], said) for p, said in zip(places, what, strict=True)])
    for n, report in enumerate(reports):
        if report is not None:
            own, owner = found[keys[of[places[n]]]], found.get(owners[n]) if n in owners else None
            (owner or own).suppressed += suppressed_messages(report)
            own.count -= owner is not None
