"""What a page dump says about the page: where it lies, who holds it, whose address it was."""

from __future__ import annotations

from collections.abc import Iterator

from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.explanation import Row
from kvmlab.inquiry.page_kind import likely_hva, page_kind
from kvmlab.inquiry.units import binary_size
from kvmlab.kernel.bad_page_reasons import Stage, explain_reason
from kvmlab.kernel.constants import constant
from kvmlab.kernel.functions import FunctionRole, find_function
from kvmlab.kernel.page_flag_aliases import PageKind
from kvmlab.kernel.page_pointers import physical_address
from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.zones import check_zone, zones
from kvmlab.report.jsonable import hex_or_none
from kvmlab.report.records import PageDump, Report

TOPIC = "The page"


def page_rows(report: Report, release: KernelRelease | None, arch: str) -> Iterator[Row]:
    """Statements about place, counters, mapping and index.

    Args:
        report: a report; without a page dump only its pfn is spoken of.
        release: the release that printed it, None if the text does not say.
        arch: architecture, for zones.
    """
    if report.pfn is not None:
        yield from _place(report, report.pfn, release, arch)
    page = report.page
    if page is None:
        return
    yield from _counters(page)
    kind = page_kind(page, release)
    shown = str(kind.kind) if kind.kind else "not shown"
    yield Row(
        TOPIC, "kind of page", shown, f"{_capital(kind.reason)}.", kind.basis, page.flags.span if page.flags else None
    )
    yield from _owner(page, kind.kind)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _place(report: Report, pfn: int, release: KernelRelease | None, arch: str) -> Iterator[Row]:
    size = 1 << constant("PAGE_SHIFT")
    span = report.title_span or (report.page.page_line if report.page else None)
    yield Row(TOPIC, "pfn", f"{pfn:#x}", "Page frame number of the page that failed the check.", Basis.OBSERVED, span)
    address = physical_address(pfn)
    meaning = f"pfn x {size}: {binary_size(address)} up in physical memory."
    # 4 KiB pages are the only choice on x86-64; elsewhere the log does not show the page size.
    sure = Basis.INFERRED if arch == "x86_64" else Basis.ASSUMED
    yield Row(TOPIC, "physical address", f"{address:#x}", meaning, sure, span)
    flags = report.page.flags if report.page else None
    if flags is None or "zone" not in flags.fields:
        return
    number = flags.fields["zone"]
    check = check_zone(pfn, number, arch, release)
    name = check.zone or f"zone {number}"
    if check.fits is None:
        yield Row(TOPIC, "zone", f"{number} ({name})", f"{_capital(check.reason)}.", Basis.ASSUMED, flags.span)
        return
    others = [
        z.name for i, z in enumerate(zones(arch, release)) if i != number and check_zone(pfn, i, arch, release).fits
    ]
    agreement = (
        "and it does"
        if check.fits
        else "and it does not: the dump contradicts itself, or this build numbers its zones otherwise"
    )
    meaning = (
        f"The flags name zone {number}, which is {name} in a build with ZONE_DMA and ZONE_DMA32; a page of it must "
        "lie there, "
        f"{agreement}: {check.reason}."
    )
    if check.fits and others:
        meaning += f" By its place alone it could also be in {' or '.join(others)}."
    yield Row(TOPIC, "zone", f"{number} ({name})", meaning, Basis.INFERRED, flags.span)


def _counters(page: PageDump) -> Iterator[Row]:
    if page.refcount is not None:
        if page.refcount == 0:
            meaning = "Nobody holds the page: its last reference was put, and that put is freeing it."
        elif page.refcount < 0:
            meaning = "More references were put than were ever taken: somebody put one that was not theirs."
        else:
            meaning = f"{page.refcount} reference(s) are still held."
        yield Row(TOPIC, "refcount", str(page.refcount), meaning, Basis.OBSERVED, page.page_line)
    if page.mapcount is not None:
        if page.mapcount > 0:
            meaning = f"{page.mapcount} user page-table entr{'y maps' if page.mapcount == 1 else 'ies map'} the page."
        elif page.mapcount == 0:
            meaning = "No user page-table entry maps the page, or the word holds a page type."
        else:
            meaning = "Below zero: a page type shares the word, or the page was unmapped more often than mapped."
        yield Row(TOPIC, "mapcount", str(page.mapcount), meaning, Basis.OBSERVED, page.page_line)
    if page.refcount is not None and page.mapcount is not None and 0 <= page.refcount < page.mapcount:
        lost = page.mapcount - page.refcount
        meaning = (
            f"Each page-table entry of an ordinary page holds one reference, so {page.mapcount} were due. Either a "
            "reference was put "
            "by somebody who did not hold it, or an entry went away without lowering the mapcount. It happened before "
            "this "
            "report: the stack below is where it was noticed."
        )
        yield Row(TOPIC, "missing references", f"at least {lost}", meaning, Basis.INFERRED, page.page_line)


def _owner(page: PageDump, kind: PageKind | None) -> Iterator[Row]:
    if page.mapping is not None:
        if page.mapping:
            meaning = "Points to the anon_vma or the address_space (its lowest bits tell which)."
            basis = Basis.OBSERVED
        elif kind is PageKind.ANON:
            meaning = "NULL: the free path clears the pointer of an anonymous page before it runs the checks."
            basis = Basis.INFERRED
        else:
            meaning, basis = "NULL: no file and no anonymous memory owns the page now.", Basis.OBSERVED
        yield Row(TOPIC, "mapping", hex_or_none(page.mapping) or "", meaning, basis, page.page_line)
    if page.index is None:
        return
    yield Row(
        TOPIC,
        "index",
        f"{page.index:#x}",
        "Position in what the page belongs to, in pages.",
        Basis.OBSERVED,
        page.page_line,
    )
    hva = likely_hva(page.index)
    if kind is PageKind.ANON and hva is not None:
        meaning = (
            f"index << {constant('PAGE_SHIFT')}: a private anonymous mapping numbers its pages by user address, so "
            "this is where the "
            "process had the page mapped (unless mremap moved the mapping). In a process that runs a guest this is "
            "most "
            "likely guest memory."
        )
        yield Row(TOPIC, "hva", f"{hva:#x}", meaning, Basis.INFERRED, page.page_line)


def _freeing(report: Report) -> bool:
    """Whether the page was being freed; False where only the allocation side of the allocator is on the stack."""
    reliable = report.call_trace.reliable if report.call_trace else ()
    roles = {known.role for frame in reliable if (known := find_function(frame.function))}
    return FunctionRole.FREE in roles or FunctionRole.ALLOC not in roles


def reason_rows(report: Report, release: KernelRelease | None) -> Iterator[Row]:
    """What the printed reason proves, and what it rules out.

    Args:
        report: a report with a page dump.
        release: the release that printed it; without one only the reason itself is stated.
    """
    page = report.page
    if page is None or page.reason is None:
        return
    facts = explain_reason(page.reason, release, freeing=_freeing(report)) if release is not None else None
    if facts is None:
        meaning = "No table has this reason for this release." if release else "Without a release no table applies."
        yield Row(TOPIC, "reason", page.reason, meaning, Basis.OBSERVED, page.reason_span)
        return
    proves = facts.reason.proves
    yield Row(TOPIC, "reason", page.reason, f"{proves[:1].upper()}{proves[1:]}.", Basis.OBSERVED, page.reason_span)
    if facts.printed_by_release is False:
        meaning = f"The release {release} is not known to print this reason: it may carry other patches."
        yield Row(TOPIC, "reason and release", "contradiction", meaning, Basis.OBSERVED, page.reason_span)
    if facts.implied:
        which = "later" if facts.reason.stage is Stage.PAGE else "earlier"
        kept = "last" if facts.reason.stage is Stage.PAGE else "first"
        implied = "; ".join(f"{field} {value}" for field, value in facts.implied.items())
        meaning = f"The kernel prints the {kept} test that fails, so every {which} one passed: {implied}."
        if facts.uncertain:
            meaning += f" Not known for this release: {', '.join(t.text for t in facts.uncertain)}."
        yield Row(
            TOPIC, "what the reason rules out", ", ".join(facts.implied), meaning, Basis.INFERRED, page.reason_span
        )
