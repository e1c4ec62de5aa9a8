"""The facts on which hypotheses are weighed: of one bad page, and of a storm of them, each true, false or not told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from kvmlab.errors import UnknownRelease
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.batch_groups import BatchGroup, batch_groups, time_ns
from kvmlab.inquiry.page_kind import likely_hva
from kvmlab.inquiry.replay_cases import V11_PATCHES
from kvmlab.kernel.page_flags import PageFlags
from kvmlab.kernel.poison import name_word
from kvmlab.kernel.release import KernelRelease
from kvmlab.kvm.kernel_names import base_name
from kvmlab.kvm.policies import stock_policy
from kvmlab.memory.folio_batch import batch_capacity
from kvmlab.memory.report_limit import SHOWN_AT_ONCE
from kvmlab.report.records import Kind, Report

_DRAINS = frozenset({"folio_batch_move_lru", "lru_add_drain", "lru_add_drain_cpu", "__pagevec_lru_add"})
_FAULTIN = ("kvm_faultin_pfn", "kvm_mmu_faultin_pfn", "__kvm_faultin_pfn", "direct_page_fault", "kvm_tdp_page_fault")


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact.

    Args:
        id: short name, as hypotheses use it.
        holds: True, False, or None if the text does not tell.
        tells: what was seen, in a sentence.
        basis: how it is known.
    """

    id: str
    holds: bool | None
    tells: str
    basis: Basis


def _release(report: Report) -> KernelRelease | None:
    return None if report.cpu_line is None else report.cpu_line.release


def _functions(report: Report) -> tuple[str, ...]:
    """Confirmed functions, innermost first, clone suffixes removed."""
    trace = report.call_trace
    return () if trace is None else tuple(base_name(frame.function) for frame in trace.reliable)


def _v11_kernel(report: Report) -> bool | None:
    release = _release(report)
    if release is None or release.version is None:
        return None
    return release.commits_after_tag == V11_PATCHES


def _early_checks(report: Report) -> bool | None:
    release = _release(report)
    policy = None if release is None else stock_policy(release.version)
    return None if policy is None else policy.early_checks


def _flags(report: Report) -> frozenset[str] | None:
    release = _release(report)
    if report.page is None or report.page.flags is None or release is None:
        return None
    try:
        return frozenset(PageFlags.decode(report.page.flags.value, release).names)
    except UnknownRelease:
        return frozenset(report.page.flags.names)


def _anonymous(report: Report) -> bool | None:
    flags = _flags(report)
    if flags is None or report.page is None:
        return None
    return "swapbacked" in flags and likely_hva(report.page.index) is not None


def _address(report: Report) -> bool | None:
    return None if report.page is None or report.page.index is None else likely_hva(report.page.index) is not None


def _lost(report: Report) -> bool | None:
    page = report.page
    if page is None or page.refcount is None or page.mapcount is None:
        return None
    return page.refcount == 0 and page.mapcount > 0


def _listed(report: Report) -> bool | None:
    raw = None if report.page is None else report.page.raw
    if raw is None or raw.width != 16 or len(raw.words) < 3:
        return None
    names = [name_word(word, _release(report)) for word in raw.words[1:3]]
    return [None if n is None else n.name for n in names] == ["LIST_POISON1", "LIST_POISON2"]


def _not_dirty(report: Report) -> bool | None:
    flags = _flags(report)
    return None if flags is None else "dirty" not in flags


def _consistent(report: Report) -> bool | None:
    """Whether the printed fields stand in the raw words."""
    page = report.page
    if page is None or page.raw is None or page.raw.width != 16 or len(page.raw.words) < 8:
        return None
    words = page.raw.words
    checks = [
        (None if page.flags is None else page.flags.value, words[0]),
        (page.mapping, words[3]),
        (page.index, words[4]),
        (None if page.refcount is None else page.refcount & 0xFFFFFFFF, words[6] >> 32),
    ]
    told = [printed == word for printed, word in checks if printed is not None]
    return all(told) if told else None


def _by_drain(report: Report) -> bool | None:
    functions = _functions(report)
    return None if not functions else bool(_DRAINS.intersection(functions))


def _kvm_put(report: Report) -> bool | None:
    """Whether the last put was KVM's: a fault in KVM directly above the free, without mm in between."""
    functions = _functions(report)
    if not functions:
        return None
    return not _by_drain(report) and "__get_user_pages" not in functions and bool(set(_FAULTIN) & set(functions))


def _either_put(report: Report) -> bool | None:
    drain, put = _by_drain(report), _kvm_put(report)
    return None if drain is None or put is None else drain or put


def _copy_below_kvm(report: Report) -> bool | None:
    functions = _functions(report)
    return None if not functions else "do_wp_page" in functions and bool(set(_FAULTIN) & set(functions))


def _kvm_task(report: Report) -> bool | None:
    functions = _functions(report)
    return None if not functions else any(name.startswith("kvm_") for name in functions)


_TESTS: dict[str, tuple[Callable[[Report], bool | None], str, str, Basis]] = {
    "v11 kernel": (_v11_kernel, "the kernel is eight commits past its tag, as many as the v11 series has patches",
                   "the kernel is not eight commits past a tag", Basis.INFERRED),
    "early-check base": (_early_checks, "its base has the checks without lock (6.8 to 6.12, or later)",
                         "its base lacks the checks without lock", Basis.INFERRED),
    "anonymous page": (_anonymous, "the page is anonymous: swapbacked, with an index that is a user address",
                       "the page is not anonymous", Basis.INFERRED),
    "index is user address": (_address, "the index is an address of user memory", "the index is no user address",
                              Basis.INFERRED),
    "lost while mapped": (_lost, "refcount 0 while mapped", "not refcount 0 with a mapcount above 0", Basis.OBSERVED),
    "was on LRU": (_listed, "the list pointers hold list poison: it had been on an LRU list",
                   "no list poison in the page", Basis.OBSERVED),
    "not dirty": (_not_dirty, "the page is not marked dirty", "the page is marked dirty", Basis.OBSERVED),
    "consistent": (_consistent, "printed fields and raw words agree", "printed fields and raw words differ",
                   Basis.OBSERVED),
    "by drain": (_by_drain, "the last put is that of a batch's drain", "no drain in the stack", Basis.OBSERVED),
    "KVM put": (_kvm_put, "the last put is KVM's own", "the last put is not KVM's own", Basis.OBSERVED),
    "by drain or KVM put": (_either_put, "the last put is a drain's or KVM's own",
                            "the last put is neither a drain's nor KVM's", Basis.OBSERVED),
    "copy below KVM": (_copy_below_kvm, "a copy on write below a fault of KVM triggered it",
                       "no copy on write below a fault of KVM in the stack", Basis.OBSERVED),
    "only KVM tasks": (_kvm_task, "the reporting task was in KVM", "the reporting task was not in KVM", Basis.OBSERVED),
}  # fmt: skip


def _fact(name: str, holds: bool | None) -> Fact:
    _, yes, no, basis = _TESTS[name]
    return Fact(name, holds, "the text does not tell" if holds is None else yes if holds else no, basis)


def report_facts(report: Report) -> dict[str, Fact]:
    """The facts of one report, by id.

    Args:
        report: any report; what it does not hold is not told.
    """
    return {name: _fact(name, test(report)) for name, (test, *_) in _TESTS.items()}


_MAJORITY = frozenset({"copy below KVM"})
# Pages that wait in the activate batch, or in an unfinished one, are reported by whoever drains it later.


def storm_facts(reports: Sequence[Report]) -> dict[str, Fact]:
    """The facts of a storm: those of its pages, and those of groups and order.

    Args:
        reports: all reports of a log, in order; other kinds than bad pages only break groups.
    """
    bad = [report for report in reports if report.kind is Kind.BAD_PAGE]
    facts = {}
    for name, (test, *_) in _TESTS.items():
        told = [answer for report in bad if (answer := test(report)) is not None]
        enough = sum(told) * 2 > len(told) if name in _MAJORITY else all(told)
        facts[name] = _fact(name, enough if told else None)
    put = [report for report in bad if _kvm_put(report)]
    facts["KVM put"] = _fact("KVM put", bool(put) if any(_functions(report) for report in bad) else None)
    groups = batch_groups(reports)
    facts["group limit"] = _group_limit(groups)
    facts["guest order"] = _guest_order(groups)
    facts["survivor"] = _survivor(groups)
    facts["one loop"] = _one_loop(groups)
    facts["report limit"] = _report_limit(reports)
    return facts


def _group_limit(groups: Sequence[BatchGroup]) -> Fact:
    """Whether drains report groups, none larger than a batch without the page that filled it."""
    release = None if not groups else _release(groups[0].first)
    try:
        limit = None if release is None else batch_capacity(release) - 1
    except UnknownRelease:
        limit = None
    sizes = [len(group) for group in groups if _by_drain(group.first)]
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
    for one, other in pairwise(group for group in groups if _by_drain(group.first)):
        last, first = _index(one.reports[-1]), _index(other.reports[0])
        if last is not None and first is not None and len(one) == limit:
            gaps.append(abs(first - last))
    if not gaps:
        return Fact("survivor", None, "no two full groups follow each other", Basis.INFERRED)
    told = f"between full groups {', '.join(str(gap - 1) for gap in gaps)} pages are missing"
    return Fact("survivor", all(gap == 2 for gap in gaps), told, Basis.INFERRED)


_LOOP_NS = 100_000_000
# A slow console puts tens of milliseconds between two reports of one loop (recorded: 25 ms).


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
    drained = [report for report in bad if _by_drain(report) and _lost(report)]
    if not drained:
        return Fact(
            name, None, "no page of this log was lost by the drain of a batch while it was mapped", Basis.INFERRED
        )
    told = (
        f"{len(drained)} of {len(bad)} bad pages reached refcount 0 in the drain of a batch, which drops only what the "
        "batch took; one reference of each was dropped before, by a put that no reported stack shows"
    )
    return Fact(name, True, told, Basis.INFERRED)
