"""The facts of one bad page on which hypotheses are weighed, each true, false or not told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kvmlab.errors import UnknownRelease
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.page_kind import likely_hva
from kvmlab.inquiry.replay_cases import V11_PATCHES
from kvmlab.kernel.page_flags import PageFlags
from kvmlab.kernel.poison import name_word
from kvmlab.kernel.release import KernelRelease
from kvmlab.kvm.kernel_names import base_name
from kvmlab.kvm.policies import stock_policy
from kvmlab.report.records import Report

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


def release_of(report: Report) -> KernelRelease | None:
    """The release in a report's CPU line."""
    return None if report.cpu_line is None else report.cpu_line.release


def functions_of(report: Report) -> tuple[str, ...]:
    """Confirmed functions, innermost first, clone suffixes removed."""
    trace = report.call_trace
    return () if trace is None else tuple(base_name(frame.function) for frame in trace.reliable)


def _v11_kernel(report: Report) -> bool | None:
    release = release_of(report)
    if release is None or release.version is None:
        return None
    return release.commits_after_tag == V11_PATCHES


def _early_checks(report: Report) -> bool | None:
    release = release_of(report)
    policy = None if release is None else stock_policy(release.version)
    return None if policy is None else policy.early_checks


def _flags(report: Report) -> frozenset[str] | None:
    release = release_of(report)
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


def lost_mapped(report: Report) -> bool | None:
    """Whether the last reference of a page was dropped while it was mapped."""
    page = report.page
    if page is None or page.refcount is None or page.mapcount is None:
        return None
    return page.refcount == 0 and page.mapcount > 0


def _listed(report: Report) -> bool | None:
    raw = None if report.page is None else report.page.raw
    if raw is None or raw.width != 16 or len(raw.words) < 3:
        return None
    names = [name_word(word, release_of(report)) for word in raw.words[1:3]]
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


def by_drain(report: Report) -> bool | None:
    """Whether the page was reported by the drain of a folio batch."""
    functions = functions_of(report)
    return None if not functions else bool(_DRAINS.intersection(functions))


def put_by_kvm(report: Report) -> bool | None:
    """Whether the last put was KVM's: a fault in KVM directly above the free, without mm in between."""
    functions = functions_of(report)
    if not functions:
        return None
    return not by_drain(report) and "__get_user_pages" not in functions and bool(set(_FAULTIN) & set(functions))


def _either_put(report: Report) -> bool | None:
    drain, put = by_drain(report), put_by_kvm(report)
    return None if drain is None or put is None else drain or put


def _copy_below_kvm(report: Report) -> bool | None:
    functions = functions_of(report)
    return None if not functions else "do_wp_page" in functions and bool(set(_FAULTIN) & set(functions))


def _kvm_task(report: Report) -> bool | None:
    functions = functions_of(report)
    return None if not functions else any(name.startswith("kvm_") for name in functions)


# By id of the fact: what tells it, what it says if it holds and if it does not, how that is known.
TESTS: dict[str, tuple[Callable[[Report], bool | None], str, str, Basis]] = {
    "v11 kernel": (_v11_kernel, "the kernel is eight commits past its tag, as many as the v11 series has patches",
                   "the kernel is not eight commits past a tag", Basis.INFERRED),
    "early-check base": (_early_checks, "its base has the checks without lock (6.8 to 6.12, or later)",
                         "its base lacks the checks without lock", Basis.INFERRED),
    "anonymous page": (_anonymous, "the page is anonymous: swapbacked, with an index that is a user address",
                       "the page is not anonymous", Basis.INFERRED),
    "index is user address": (_address, "the index is an address of user memory", "the index is no user address",
                              Basis.INFERRED),
    "lost while mapped": (lost_mapped, "refcount 0 while mapped", "not refcount 0 with a mapcount above 0",
                          Basis.OBSERVED),
    "was on LRU": (_listed, "the list pointers hold list poison: it had been on an LRU list",
                   "no list poison in the page", Basis.OBSERVED),
    "not dirty": (_not_dirty, "the page is not marked dirty", "the page is marked dirty", Basis.OBSERVED),
    "consistent": (_consistent, "printed fields and raw words agree", "printed fields and raw words differ",
                   Basis.OBSERVED),
    "by drain": (by_drain, "the last put is that of a batch's drain", "no drain in the stack", Basis.OBSERVED),
    "KVM put": (put_by_kvm, "the last put is KVM's own", "the last put is not KVM's own", Basis.OBSERVED),
    "by drain or KVM put": (_either_put, "the last put is a drain's or KVM's own",
                            "the last put is neither a drain's nor KVM's", Basis.OBSERVED),
    "copy below KVM": (_copy_below_kvm, "a copy on write below a fault of KVM triggered it",
                       "no copy on write below a fault of KVM in the stack", Basis.OBSERVED),
    "only KVM tasks": (_kvm_task, "the reporting task was in KVM", "the reporting task was not in KVM", Basis.OBSERVED),
}  # fmt: skip


def fact_of(name: str, holds: bool | None) -> Fact:
    """The fact of a name, in the words for its answer."""
    _, yes, no, basis = TESTS[name]
    return Fact(name, holds, "the text does not tell" if holds is None else yes if holds else no, basis)


def report_facts(report: Report) -> dict[str, Fact]:
    """The facts of one report, by id.

    Args:
        report: any report; what it does not hold is not told.
    """
    return {name: fact_of(name, test(report)) for name, (test, *_) in TESTS.items()}
