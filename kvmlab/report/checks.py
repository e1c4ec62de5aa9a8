"""Raw words of a page dump against the fields printed beside them, one by one, by release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.page_flags import PageFlags, tables_that_fit
from kvmlab.kernel.page_types import printed_mapcount
from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.struct_page import StructPage, decode_words
from kvmlab.report.arch import report_arch, report_width
from kvmlab.report.records import PageDump, Report

_U32 = (1 << 32) - 1
_TAGS = 3
# Forms of the page line that name the reference count refcount came with or after the struct page layout of 4.19.
_NEW_LAYOUT = ("5.4", "5.8", "5.10", "6.9")


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of two things that the kernel printed about the same page.

    Args:
        check: what is compared, such as `raw[0] == flags`.
        holds: the answer; None if the comparison could not be made.
        detail: the two values, or why the comparison was not made.
    """

    check: str
    holds: bool | None
    detail: str


def page_checks(report: Report) -> tuple[Check, ...]:
    """Every comparison that the page dump of a report allows; those that it does not allow are said to be not made.

    Args:
        report: a report with a page dump; () for one without.

    Source: the layouts of `kvmlab.kernel.struct_page`, the tables of `kvmlab.kernel.page_flags` and `page_types`.
    """
    page = report.page
    if page is None:
        return ()
    release = None if report.cpu_line is None else report.cpu_line.release
    return tuple(_checks(report, page, release))


def _checks(report: Report, page: PageDump, release: KernelRelease | None) -> Iterator[Check]:
    width = report_width(report) or 64
    if page.pfn is not None and report.title is not None and "pfn" in report.fields and report.pfn is not None:
        yield _equal("pfn of the title == pfn of the page line", report.pfn, page.pfn)
    if page.raw is not None:
        if page.flags is not None:
            yield _equal("raw[0] == flags", page.raw.words[0], page.flags.value)
        layout, why = _layout(page, release, width, report_arch(report) or "x86_64")
        if layout is None:
            yield from (Check(name, None, f"not made: {why}") for name in _wanted(page))
        else:
            yield from _word_checks(page, layout, release, why)
    if page.flags is not None and (page.flags.names or page.flags.fields or page.flags.unnamed):
        yield _flag_check(page, release, report_arch(report) or "x86_64", width)


def _layout(page: PageDump, release: KernelRelease | None, width: int, arch: str) -> tuple[StructPage | None, str]:
    """The words with their fields, and what chose the layout or why there is none."""
    words = () if page.raw is None else page.raw.words
    why = "the text holds no kernel release"
    if release is not None:
        try:
            return decode_words(words, release, width=width, arch=arch), f"layout of {release.series_text}"
        except UnknownRelease as error:
            why = str(error)
    if page.era in _NEW_LAYOUT and width == 64:
        try:
            found = decode_words(words, page.era, width=width, arch=arch)
        except UnknownRelease as error:
            return None, str(error)
        return found, f"layout of {page.era}, chosen by the form of the page line ({why})"
    return None, why


def _wanted(page: PageDump) -> Iterator[str]:
    if page.index is not None:
        yield "raw word of index == index"
    if page.mapcount is not None:
        yield "raw word of _mapcount == mapcount"
    if page.refcount is not None:
        yield "raw word of _refcount == refcount"
    if page.page_type is not None:
        yield "raw word of _mapcount == page_type"


def _word_checks(page: PageDump, words: StructPage, release: KernelRelease | None, why: str) -> Iterator[Check]:
    tail = len(words.words) > 1 and words.words[1] & 1 == 1
    other = "the page is a tail page, whose fields are printed from its head" if tail else None
    if page.index is not None and "index" in words:
        field = words["index"]
        yield _maybe(f"raw[{field.word}] == index", field.raw, page.index, other, why)
    if page.mapping is not None and "mapping" in words and words["mapping"].raw & _TAGS == 0:
        field = words["mapping"]
        slab = _is_slab(page)
        name = f"raw[{field.word}] is NULL == mapping is NULL"
        # From 5.8 on the printed pointer is hashed, so only NULL can be compared.
        if (not_made := other or slab) is not None:
            yield Check(name, None, f"not made: {not_made}")
        else:
            holds = (field.raw == 0) == (page.mapping == 0)
            yield Check(name, holds, f"{_shown(field.raw)} and {_shown(page.mapping)}; {why}")
    if "_mapcount" in words:
        yield from _count_checks(page, words, release, other, why)
    if page.refcount is not None and "_refcount" in words:
        field = words["_refcount"]
        where = "high" if field.part == "hi" else "low"
        yield _maybe(f"{where} half of raw[{field.word}] == refcount", field.count, page.refcount, other, why)
    if page.memcg is not None and "memcg_data" in words:
        yield _maybe("raw[7] == memcg", words["memcg_data"].raw, page.memcg, other, why)


def _count_checks(
    page: PageDump, words: StructPage, release: KernelRelease | None, other: str | None, why: str
) -> Iterator[Check]:
    field = words["_mapcount"]
    half = "low" if field.part == "lo" else "high"
    if page.mapcount is not None:
        name = f"{half} half of raw[{field.word}] + 1 == mapcount"
        not_made = other or _is_slab(page)
        if not_made is None and page.head is not None:
            not_made = "the page is compound, so that the printed count adds those of the head"
        shown = field.count
        if field.value < -1:
            # What a page with a type prints changed with 6.10.
            try:
                shown = printed_mapcount(field.raw, release or "")
            except UnknownRelease as error:
                not_made = not_made or str(error)
        yield _maybe(name, shown, page.mapcount, not_made, why)
    if page.page_type is not None:
        name = f"{half} half of raw[{field.word}] == page_type"
        if page.page_type.top_byte:
            yield _maybe(f"top byte of the {name}", field.raw >> 24, page.page_type.value, other, why)
        else:
            yield _maybe(name, field.raw, page.page_type.value & _U32, other, why)


def _flag_check(page: PageDump, release: KernelRelease | None, arch: str, width: int) -> Check:
    flags = page.flags
    assert flags is not None
    printed = set(flags.names)
    name = "names of the flag table == printed names"
    try:
        if release is None:
            raise UnknownRelease("the text holds no kernel release")
        decoded = PageFlags.decode(flags.value, release, arch=arch, width=width)
    except UnknownRelease as error:
        fits = _fitting(flags.value, printed, None, arch, width)
        return Check(name, None, f"not made: {error}" + (f"; the printed names fit the tables {fits}" if fits else ""))
    if set(decoded.names) == printed:
        return Check(name, True, f"table of {decoded.table}: {'|'.join(decoded.names) or 'none'}")
    fits = _fitting(flags.value, printed, release, arch, width)
    detail = f"the table of {decoded.table} gives {'|'.join(decoded.names) or 'none'}"
    return Check(name, False, detail + (f"; the printed names fit the tables {fits}" if fits else "; no table fits"))


def _fitting(value: int, printed: set[str], release: KernelRelease | None, arch: str, width: int) -> str:
    if not printed:
        return ""
    return ", ".join(str(fit.table) for fit in tables_that_fit(value, printed, release=release, arch=arch, width=width))


def _is_slab(page: PageDump) -> str | None:
    names = () if page.flags is None else page.flags.names
    types = () if page.page_type is None else page.page_type.names
    return "the page belongs to a slab, which uses that word itself" if "slab" in names or "slab" in types else None


def _maybe(name: str, raw: int, printed: int, not_made: str | None, why: str) -> Check:
    if not_made is not None:
        return Check(name, None, f"not made: {not_made}")
    found = _equal(name, raw, printed)
    return Check(name, found.holds, f"{found.detail}; {why}")


def _equal(name: str, left: int, right: int) -> Check:
    return Check(name, left == right, f"{_shown(left)} and {_shown(right)}")


def _shown(value: int) -> str:
    return str(value) if -1024 < value < 1024 else f"{value:#x}" if value >= 0 else str(value)
