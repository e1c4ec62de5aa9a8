"""The raw words of a dumped struct page, one by one, against what the kernel printed beside them."""

from __future__ import annotations

from collections.abc import Iterator

from kvmlab.errors import UnknownRelease
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.explanation import Row
from kvmlab.inquiry.page_kind import page_kind
from kvmlab.kernel.page_flag_aliases import PageKind
from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.struct_page import StructKind, StructPage, WordField, decode_words
from kvmlab.report.records import PageDump

TOPIC = "Raw words of struct page"
_KINDS = {PageKind.BUDDY: StructKind.BUDDY, PageKind.SLAB: StructKind.SLAB, PageKind.FIRST_TAIL: StructKind.FIRST_TAIL}
_U32 = 0xFFFFFFFF


def decoded_words(page: PageDump, release: KernelRelease | None, arch: str) -> StructPage | None:
    """The raw words with the field that each one holds; None without words or without a layout for the release."""
    if page.raw is None or release is None:
        return None
    kind = _KINDS.get(page_kind(page, release).kind or PageKind.ANON, StructKind.ANY)
    try:
        return decode_words(page.raw.words, release, kind=kind, width=page.raw.width * 4, arch=arch)
    except UnknownRelease:
        return None


def word_rows(page: PageDump, release: KernelRelease | None, arch: str) -> Iterator[Row]:
    """A statement for each raw word, and one on what the list pointers prove.

    Args:
        page: the dump.
        release: the release that printed it, None if the text does not say.
        arch: architecture, for poison words.
    """
    if page.raw is None:
        return
    decoded = decoded_words(page, release, arch)
    if decoded is None:
        words = " ".join(f"{word:#x}" for word in page.raw.words)
        meaning = "The layout of struct page is not known for this release and word size, so the words are not named."
        yield Row(TOPIC, "raw", words, meaning, Basis.OBSERVED, page.raw.span)
        return
    for index, word in enumerate(page.raw.words):
        fields = [field for field in decoded.fields if field.word == index]
        name = ", ".join(field.field or "no field that a table has" for field in fields)
        meaning = "; ".join(_field_meaning(field, page) for field in fields)
        shown = f"0x{word:0{page.raw.width}x}"
        yield Row(
            TOPIC, f"word {index}: {name}", shown, f"{meaning[:1].upper()}{meaning[1:]}.", Basis.INFERRED, page.raw.span
        )
    if decoded.off_list:
        yield _off_list(page, release)
    if decoded.caveat:
        yield Row(
            TOPIC,
            "layout",
            "in doubt",
            f"{decoded.caveat[:1].upper()}{decoded.caveat[1:]}.",
            Basis.OBSERVED,
            page.raw.span,
        )


def _field_meaning(field: WordField, page: PageDump) -> str:
    """What one field holds, and whether it agrees with the printed value."""
    said = field.meaning or "not in any table"
    if field.poison is not None:
        said = f"{field.poison.name}, {field.poison.poison.meaning}"
    elif field.field in ("_mapcount", "_refcount"):
        said = f"stored as {field.value}, which is a {field.field[1:]} of {field.count}"
    elif field.raw == 0 and field.field not in ("flags", "index"):
        said = f"{said}: 0"
    return said + _agreement(field, page)


def _agreement(field: WordField, page: PageDump) -> str:
    printed: int | None = None
    stored: int | None = None
    if field.field == "flags" and page.flags is not None:
        printed, stored = page.flags.value, field.raw
    elif field.field == "mapping":
        printed, stored = page.mapping, field.raw
    elif field.field == "index":
        printed, stored = page.index, field.raw
    elif field.field == "_refcount":
        printed, stored = page.refcount, field.value
    elif field.field == "_mapcount" and page.page_type is not None and not page.page_type.top_byte:
        printed, stored = page.page_type.value & _U32, field.raw
    elif field.field == "_mapcount":
        printed, stored = page.mapcount, field.count
    if printed is None or stored is None:
        return ""
    if printed == stored:
        return " (agrees with the printed value)"
    # From 5.8 on a mapping is printed as a hash of the pointer, NULL excepted.
    if field.field == "mapping" and printed and stored:
        return f" (printed as {printed:#x}: a hash of the pointer since 5.8)"
    return f" (the kernel printed {printed:#x}: the dump contradicts itself)"


def _off_list(page: PageDump, release: KernelRelease | None) -> Row:
    meaning = "Both list pointers are poison: the page was on a list, was taken off it, and was put on no other one"
    if page.flags is not None and "lru" not in page.flags.names:
        meaning += "; with the lru flag clear, that list was the LRU, and the free path took it off"
    if release is not None and release.at_least("6.9"):
        meaning += (
            ". Before 6.9 freed folios were chained through these pointers; poison here fits freeing by batch arrays "
            "of 6.9 and later"
        )
    return Row(
        TOPIC,
        "list poison",
        "LIST_POISON1, LIST_POISON2",
        f"{meaning}.",
        Basis.INFERRED,
        page.raw.span if page.raw else None,
    )
