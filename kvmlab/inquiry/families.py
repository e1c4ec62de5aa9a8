"""Families: many reports to few stacks, with what each family's pages have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvmlab.inquiry.batch_groups import BatchGroup, batch_groups, time_ns
from kvmlab.inquiry.page_kind import likely_hva
from kvmlab.inquiry.pfn_runs import PfnRun, pfn_runs
from kvmlab.inquiry.signatures import Key, Signature, signature_of
from kvmlab.inquiry.suppressed import owners_of_suppressed, suppressed_messages
from kvmlab.report.log import Log
from kvmlab.report.records import Kind, Report

if TYPE_CHECKING:
    import pandas as pd

_WORDS: Mapping[Kind, str] = {
    Kind.BAD_PAGE: "Bad page state", Kind.BAD_PAGE_MAP: "Bad page map", Kind.BAD_RSS_COUNTER: "Bad rss-counter state",
    Kind.OOPS: "Oops", Kind.WARNING: "WARNING", Kind.BUG: "BUG", Kind.KASAN: "KASAN", Kind.KFENCE: "KFENCE",
    Kind.PAGE_DUMP: "Page dump", Kind.HUNG_TASK: "Hung task", Kind.SOFT_LOCKUP: "Lockup", Kind.RCU_STALL: "RCU stall",
    Kind.REFCOUNT: "refcount_t", Kind.LIST_CORRUPTION: "List corruption", Kind.SUPPRESSED: "Suppressed reports",
    Kind.FRAGMENT: "Part of a report", Kind.OTHER: "Other report",
}  # fmt: skip
# Kinds whose title says more about what happened than the reason of the page dump.
_SAYS_WHAT = frozenset({Kind.KASAN, Kind.KFENCE, Kind.REFCOUNT, Kind.LIST_CORRUPTION, Kind.RCU_STALL})
_PAGE_SHIFT = 12


@dataclass(frozen=True, slots=True)
class Member:
    """One report of a family and where it is.

    Args:
        source: position of its log among the logs.
        position: position among all reports of those logs, in order.
        report: the report.
    """

    source: int
    position: int
    report: Report


@dataclass(frozen=True, slots=True)
class Family:
    """Reports with one signature.

    Args:
        signature: what they share.
        members: the reports, in the order of the texts.
        suppressed: reports of this family that the kernel counted but did not print; a lower bound.
        suppressed_by: the lines that say so.
    """

    signature: Signature
    members: tuple[Member, ...]
    suppressed: int = 0
    suppressed_by: tuple[Member, ...] = ()

    @property
    def id(self) -> str:
        """A name that the same family has in every log."""
        return self.signature.id

    @property
    def kind(self) -> Kind:
        """Kind of its reports."""
        return self.signature.kind

    @property
    def reports(self) -> tuple[Report, ...]:
        """Its reports, in order."""
        return tuple(member.report for member in self.members)

    @property
    def count(self) -> int:
        """How many reports the texts hold."""
        return len(self.members)

    @property
    def title(self) -> str:
        """Kind, commonest reason and first interesting function: `Bad page state (nonzero mapcount) in do_wp_page`."""
        return family_title(self.signature, self.reports[0], next(iter(self.reasons), None))

    @property
    def reasons(self) -> dict[str, int]:
        """Reasons that the page dumps give, commonest first."""
        return _counted(r.page.reason for r in self.reports if r.page is not None and r.page.reason)

    @property
    def processes(self) -> dict[str, int]:
        """Names of the tasks that noticed, commonest first."""
        return _counted(_comm(report) for report in self.reports)

    @property
    def kernels(self) -> dict[str, int]:
        """Releases, commonest first."""
        lines = (report.cpu_line for report in self.reports)
        return _counted(line.release.text for line in lines if line is not None and line.release is not None)

    @property
    def first_timestamp(self) -> str | None:
        """Time of the first report that has one, as printed."""
        return next((r.timestamp for r in self.reports if r.timestamp is not None), None)

    @property
    def last_timestamp(self) -> str | None:
        """Time of the last report that has one, as printed."""
        return next((r.timestamp for r in reversed(self.reports) if r.timestamp is not None), None)

    @property
    def rate(self) -> float | None:
        """Reports a second, suppressed ones included, while they came; a lower bound.

        Each source counts its own time; None if no source has two reports at different times.
        """
        spans: dict[int, list[int]] = {}
        for member in self.members:
            if (ns := time_ns(member.report)) is not None:
                spans.setdefault(member.source, []).append(ns)
        seconds = sum(max(times) - min(times) for times in spans.values()) / 1e9
        if seconds <= 0:
            return None
        intervals = sum(len(times) - 1 for times in spans.values())
        return (intervals + self.suppressed) / seconds

    @property
    def pfn_runs(self) -> tuple[PfnRun, ...]:
        """Runs of neighbouring pfns."""
        return pfn_runs(r.pfn for r in self.reports if r.pfn is not None)

    @property
    def hva_runs(self) -> tuple[tuple[int, int], ...]:
        """Runs of neighbouring user pages as (first address, pages); inferred, as if the pages were anonymous."""
        hvas = (likely_hva(r.page.index) for r in self.reports if r.page is not None)
        runs = pfn_runs(hva >> _PAGE_SHIFT for hva in hvas if hva is not None)
        return tuple((run.first << _PAGE_SHIFT, run.pages) for run in runs)

    @property
    def batches(self) -> tuple[BatchGroup, ...]:
        """Its bad pages put together by the pass over a folio batch that reported them, source by source."""
        by_source: dict[int, list[Report]] = {}
        for member in self.members:
            by_source.setdefault(member.source, []).append(member.report)
        return tuple(group for reports in by_source.values() for group in batch_groups(reports))


def family_title(signature: Signature, first: Report, reason: str | None) -> str:
    """The title of a family.

    Args:
        signature: what its reports share.
        first: the first of them.
        reason: the commonest reason of their page dumps.
    """
    what = _WORDS[signature.kind]
    if signature.kind is Kind.OTHER and first.rule is not None:
        what = first.rule.replace("_", " ")
    said = first.fields.get("what") if signature.kind in _SAYS_WHAT else reason
    functions = signature.functions
    if not said and not functions:
        said = signature.detail
    named = signature.interesting or (functions[-1] if functions else None)
    return what + (f" ({said})" if said and said != first.rule else "") + (f" in {named}" if named else "")


def families(logs: Sequence[Log]) -> list[Family]:
    """The families of the reports of some logs, largest first, then in the order of the texts.

    Every report is in one family. A count of suppressed reports belongs to a family if the reports around it do; if
    those are of two families, or there are none, it stays a family of its own.

    Args:
        logs: the logs.

    >>> from kvmlab.report.log import read_log
    >>> log = read_log(b"[1.000000] BUG: Bad page state in process qemu  pfn:fb1665\\n"
    ...                b"[2.000000] BUG: Bad page state in process qemu  pfn:fb1666\\n")
    >>> [(family.count, family.kind.value, family.pfn_runs[0].pages) for family in families([log])]
    [(2, 'bad_page', 2)]
    """
    return families_of([log.reports for log in logs])


def families_of(sources: Sequence[Sequence[Report]]) -> list[Family]:
    """The families of the reports of some sources, as `families` gives those of logs.

    Args:
        sources: the reports of each source, in the order of its text.
    """
    signed: list[tuple[Member, Signature]] = []
    for source, reports in enumerate(sources):
        for report in reports:
            signed.append((Member(source, len(signed), report), signature_of(report)))
    owners = owners_of_suppressed(
        [(m.source, signature.key, str(m.report.fields.get("what"))) for m, signature in signed]
    )
    members: dict[Key, list[Member]] = {}
    suppressed: dict[Key, list[Member]] = {}
    signatures: dict[Key, Signature] = {}
    for at, (member, signature) in enumerate(signed):
        if at in owners:
            suppressed.setdefault(owners[at], []).append(member)
            continue
        signatures.setdefault(signature.key, signature)
        members.setdefault(signature.key, []).append(member)
    found = []
    for key, mine in members.items():
        lines = suppressed.get(key, [])
        own = mine if signatures[key].kind is Kind.SUPPRESSED else lines
        messages = sum(suppressed_messages(member.report) for member in own)
        found.append(Family(signatures[key], tuple(mine), messages, tuple(lines)))
    return sorted(found, key=lambda family: (-family.count, family.members[0].position))


def family_json(family: Family) -> dict[str, Any]:
    """A family in the shape that `kvmlab triage --json` prints; `reports` are positions in its list of reports."""
    return {
        "id": family.id,
        "kind": family.kind.value,
        "title": family.title,
        "reports": [member.position for member in family.members],
        "count": family.count,
        "suppressed": family.suppressed,
        "suppressed_by": [member.position for member in family.suppressed_by],
        "first_timestamp": family.first_timestamp,
        "last_timestamp": family.last_timestamp,
        "rate_per_second": family.rate,
        "interesting": family.signature.interesting,
        "signature": list(family.signature.functions),
        "reasons": family.reasons,
        "processes": family.processes,
        "kernels": family.kernels,
        "pfn_runs": [{"first": hex(run.first), "last": hex(run.last), "pages": run.pages} for run in family.pfn_runs],
        "hva_runs": [{"first": hex(first), "pages": pages} for first, pages in family.hva_runs],
        "batches": [len(group) for group in family.batches],
    }


def df_families(found: Iterable[Family]) -> pd.DataFrame:
    """One row a family.

    Args:
        found: the families.

    Returns:
        `id`, `kind`, `title`, `interesting`, `count`, `suppressed` (a lower bound), `sources`, `first_ns`, `last_ns`
        (Int64, ns since boot), `pages` (distinct pfns), `runs` (of neighbouring pfns).
    """
    import pandas as pd

    rows = [
        {
            "id": family.id,
            "kind": family.kind.value,
            "title": family.title,
            "interesting": family.signature.interesting,
            "count": family.count,
            "suppressed": family.suppressed,
            "sources": len({member.source for member in family.members}),
            "first_ns": min(times) if (times := _times(family)) else None,
            "last_ns": max(times) if times else None,
            "pages": sum(run.pages for run in family.pfn_runs),
            "runs": len(family.pfn_runs),
        }
        for family in found
    ]
    kinds = {
        "id": "str", "kind": "str", "title": "str", "interesting": "str", "count": "int64", "suppressed": "int64",
        "sources": "int64", "first_ns": "Int64", "last_ns": "Int64", "pages": "int64", "runs": "int64",
    }  # fmt: skip
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()})


def _times(family: Family) -> list[int]:
    return [ns for report in family.reports if (ns := time_ns(report)) is not None]


def _counted(words: Iterable[str | None]) -> dict[str, int]:
    return dict(Counter(word for word in words if word).most_common())


def _comm(report: Report) -> str | None:
    line = report.cpu_line
    return line.comm if line is not None and line.comm is not None else report.process
