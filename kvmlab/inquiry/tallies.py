"""Families as sums: what a table shows of them, of logs and of scans alike, without a report for each member."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
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
    import pandas as pd

    from kvmlab.report.scan_result import Scan

# Pfns up to this number are counted without loading numpy.
_PLAINLY = 1 << 14


class Pfns:
    """Different pfns, eight bytes each; any number of them can be put together.

    Args:
        pfns: the pfns, in any order, any of them more than once.

    >>> pfns = Pfns([0x2d3a, 0x2d3b, 0x2d3a])
    >>> pfns.take(Pfns([0x2d40]))
    >>> len(pfns), pfns.runs
    (3, 2)
    """

    def __init__(self, pfns: Iterable[int] = ()) -> None:
        self._held = pfns if isinstance(pfns, array) else array("Q", pfns)
        # How many there are at least for which it pays to look for those that are there twice.
        self._room = 1 << 16

    def take(self, other: Pfns) -> None:
        """Adds those of another one."""
        self._held += other._held
        if len(self._held) > self._room:
            self._settle()
            self._room = 2 * len(self._held)

    def _settle(self) -> Sequence[int]:
        """Puts them in order, each of them once."""
        if len(self._held) < _PLAINLY:
            self._held = array("Q", sorted(set(self._held)))
        else:
            import numpy as np

            self._held = array("Q", np.unique(np.frombuffer(self._held, np.uint64)).tobytes())
        return self._held

    def __len__(self) -> int:
        return len(self._settle())

    @property
    def runs(self) -> int:
        """How many runs of neighbouring pfns there are."""
        held = self._settle()
        if len(held) < _PLAINLY:
            return len(pfn_runs(held))
        import numpy as np

        return int((np.diff(np.frombuffer(self._held, np.uint64)) > 1).sum()) + 1


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
    pfns: Pfns = field(default_factory=Pfns)
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

    def take(self, other: Tally) -> None:
        """Adds what another source has of the same family."""
        if other.place < self.place:
            self.place, self.first = other.place, other.first
        self.count += other.count
        self.suppressed += other.suppressed
        self.reasons += other.reasons
        self.pfns.take(other.pfns)
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
                family.suppressed, Counter(family.reasons), Pfns(r.pfn for r in family.reports if r.pfn is not None),
                [(min(times), max(times), len(times))] if times else [], {source},
            )
        )  # fmt: skip
    return found


class ScanTally:
    """The families of one scan, added up part by part.

    Args:
        source: its position among the sources.
        keep: whether the reports that look like one count, judged by their functions.
    """

    def __init__(self, source: int, keep: Callable[[Report], bool]) -> None:
        self._source = source
        self._keep = keep
        self._found: dict[Key, Tally] = {}
        self._places: dict[Key, int] = {}
        # For each part, which family the report at each position is of, by its place in `_found`; -1: none.
        self._of: list[Any] = []
        self._suppressed: dict[int, Report] = {}
        self._n = 0

    def add(self, part: Scan, frame: pd.DataFrame, wanted: Any) -> Any:
        """Adds the next part; returns which of its reports count (numpy bool).

        Args:
            part: the part.
            frame: its reports, as `part.df_reports()` gives them.
            wanted: whether the report at each position counts, judged by all but its functions (numpy bool).
        """
        import numpy as np

        times = frame["time_ns"].to_numpy("int64", na_value=-1)
        pfns = frame["pfn"].to_numpy("uint64", na_value=0)
        known = frame["pfn"].notna().to_numpy()
        of = np.full(len(frame), -1, np.int32)
        for group in part.groups():
            self._take(group.report, group.positions, wanted, times, pfns, known, of)
        for report, position in zip(part.reports, part.positions.tolist(), strict=True):
            self._take(report, np.array([position]), wanted, times, pfns, known, of)
            if report.kind is Kind.SUPPRESSED and of[position] >= 0:
                self._suppressed[self._n + position] = report
        self._of.append(of)
        self._n += len(frame)
        return of >= 0

    def _take(self, report: Report, positions: Any, wanted: Any, times: Any, pfns: Any, known: Any, of: Any) -> None:
        positions = positions[wanted[positions]]
        if not len(positions) or not self._keep(report):
            return
        signature = signature_of(report)
        own = times[positions]
        own = own[own >= 0]
        reason = report.page.reason if report.page is not None else None
        pages = Pfns(array("Q", pfns[positions[known[positions]]].tobytes()))
        tally = Tally(
            signature, report, (self._source, self._n + int(positions[0])), len(positions), 0,
            Counter({reason: len(positions)} if reason else ()), pages,
            [(int(own.min()), int(own.max()), len(own))] if len(own) else [], {self._source},
        )  # fmt: skip
        held = self._found.setdefault(signature.key, tally)
        if held is not tally:
            held.take(tally)
        of[positions] = self._places.setdefault(signature.key, len(self._places))

    def close(self) -> list[Tally]:
        """The families."""
        import numpy as np

        for tally in self._found.values():
            if len(tally.spans) > 1:
                # Of one source: its times lie in one span.
                firsts, lasts, counts = zip(*tally.spans, strict=True)
                tally.spans = [(min(firsts), max(lasts), sum(counts))]
        if self._suppressed:
            _give_suppressed(self._found, np.concatenate(self._of), self._suppressed)
        return [tally for tally in self._found.values() if tally.count]


def _give_suppressed(found: dict[Key, Tally], of: Any, suppressed: dict[int, Report]) -> None:
    """Adds the reports that were not printed to the families of their neighbours."""
    import numpy as np

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
