"""The facts of a storm of bad pages on which hypotheses are weighed: of its pages, and of groups and order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from kvmlab.errors import UnknownRelease
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.batch_groups import BatchGroup, batch_groups, time_ns
from kvmlab.inquiry.hypothesis_facts import (
    TESTS,
    Fact,
    by_drain,
    fact_of,
    functions_of,
    lost_mapped,
    put_by_kvm,
    release_of,
)
from kvmlab.memory.folio_batch import batch_capacity
from kvmlab.memory.report_limit import SHOWN_AT_ONCE
from kvmlab.report.records import Kind, Report

# Pages that wait in the activate batch, or in an unfinished one, are reported by whoever drains it later.
_MAJORITY = frozenset({"copy below KVM"})


def storm_facts(reports: Sequence[Report]) -> dict[str, Fact]:
    """The facts of a storm: those of its pages, and those of groups and order.

    Args:
        reports: all reports of a log, in order; other kinds than bad pages only break groups.
    """
    bad = [report for report in reports if report.kind is Kind.BAD_PAGE]
    facts = {}
    for name, (test, *_) in TESTS.items():
        told = [answer for report in bad if (answer := test(report)) is not None]
        enough = sum(told) * 2 > len(told) if name in _MAJORITY else all(told)
        facts[name] = fact_of(name, enough if told else None)
    put = [report for report in bad if put_by_kvm(report)]
    facts["KVM put"] = fact_of("KVM put", bool(put) if any(functions_of(report) for report in bad) else None)
    groups = batch_groups(reports)
    facts["group limit"] = _group_limit(groups)
    facts["guest order"] = _guest_order(groups)
    facts["survivor"] = _survivor(groups)
    facts["one loop"] = _one_loop(groups)
    facts["report limit"] = _report_limit(reports)
    return facts


def _group_limit(groups: Sequence[BatchGroup]) -> Fact:
    """Whether drains report groups, none larger than a batch without the page that filled it."""
    release = None if not groups else release_of(groups[0].first)
    try:
        limit = None if release is None else batch_capacity(release) - 1
    except UnknownRelease:
        limit = None
    sizes = [len(group) for group in groups if by_drain(group.first)]
    if limit is None or sum(sizes) < 2:
        return Fact("group limit", None, "too few reports of drains to tell groups", Basis.INFERRED)
    told = f"drains report groups of {', '.join(map(str, sizes))}; a batch allows at most {limit}"
    return Fact("group limit", max(sizes) <= limit and max(sizes) > 1, told, Basis.INFERRED)


def _guest_order(groups: Sequence[BatchGroup]) -> Fact:
    """Whether the user addresses within groups rise (or fall) throughout, as a guest walks its memory."""
    steps = []
    for group in groups:
        addresses = [r.page.index for r in group.reports if r.page is not None and r.page.index is not None]
        steps += [b - a for a, b in pairwise(addresses)]
    if len(steps) < 3:
        return Fact("guest order", None, "too few reports in groups to tell an order", Basis.INFERRED)
    regular = max(sum(step > 0 for step in steps), sum(step < 0 for step in steps))
    told = f"{regular} of {len(steps)} steps within groups go the same way through user memory"
    return Fact("guest order", regular * 10 >= len(steps) * 9, told, Basis.INFERRED)


def _survivor(groups: Sequence[BatchGroup]) -> Fact:
    """Whether exactly one page is missing between one full group and the next."""
    limit = max((len(group) for group in groups), default=0)
    gaps = []
    for one, other in pairwise(group for group in groups if by_drain(group.first)):
        last, first = _index(one.reports[-1]), _index(other.reports[0])
        if last is not None and first is not None and len(one) == limit:
            gaps.append(abs(first - last))
    if not gaps:
        return Fact("survivor", None, "no two full groups follow each other", Basis.INFERRED)
    told = f"between full groups {', '.join(str(gap - 1) for gap in gaps)} pages are missing"
    return Fact("survivor", all(gap == 2 for gap in gaps), told, Basis.INFERRED)


# A slow console puts tens of milliseconds between two reports of one loop (recorded: 25 ms).
_LOOP_NS = 100_000_000


def _one_loop(groups: Sequence[BatchGroup]) -> Fact:
    """Whether each report of a group begins where the one before ends."""
    pauses = [
        time - before
        for group in groups
        for a, b in pairwise(group.reports)
        if (time := time_ns(b)) is not None
        and (before := time_ns(replace(a, timestamp=a.last_timestamp or a.timestamp))) is not None
    ]
    if not pauses:
        return Fact("one loop", None, "no two reports of a group with times", Basis.INFERRED)
    told = f"the longest pause within a group is {max(pauses) / 1000:.0f} us"
    return Fact("one loop", max(pauses) <= _LOOP_NS, told, Basis.INFERRED)


def _report_limit(reports: Sequence[Report]) -> Fact:
    """Whether so many pages were bad that the kernel fell silent, or must have been close to it."""
    bad = sum(report.kind is Kind.BAD_PAGE for report in reports)
    swallowed = sum(int(r.fields.get("messages", 0)) for r in reports if r.kind is Kind.SUPPRESSED)
    told = f"{bad} bad pages printed, {swallowed} counted as suppressed, which is a lower bound"
    reached = bad >= SHOWN_AT_ONCE or swallowed > 0
    return Fact("report limit", True if reached else None if bad < 2 else False, told, Basis.OBSERVED)


def _index(report: Report) -> int | None:
    return None if report.page is None else report.page.index


def extra_put_was_earlier(reports: Sequence[Report]) -> Fact:
    """Whether the log alone shows that the reported stacks are not those of the put that was too many.

    A drain drops exactly the reference that the batch took when the folio joined it, one for each. A page that reaches
    0 there while it is mapped had lost a reference before; the stack shows who noticed, not who did it.

    Args:
        reports: all reports of a log, in order.
    """
    name = "extra put was earlier"
    bad = [report for report in reports if report.kind is Kind.BAD_PAGE]
    drained = [report for report in bad if by_drain(report) and lost_mapped(report)]
    if not drained:
        return Fact(
            name, None, "no page of this log was lost by the drain of a batch while it was mapped", Basis.INFERRED
        )
    told = (
        f"{len(drained)} of {len(bad)} bad pages reached refcount 0 in the drain of a batch, which drops only what the "
        "batch took; one reference of each was dropped before, by a put that no reported stack shows"
    )
    return Fact(name, True, told, Basis.INFERRED)
