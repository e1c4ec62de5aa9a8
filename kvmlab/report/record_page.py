"""The typed facts of a page dump: flags, raw words and the other lines of it as printed, each with its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kvmlab.report.record_trace import Frame
from kvmlab.text.span import Span


@dataclass(frozen=True, slots=True)
class PrintedFlags:
    """The flags line of a page dump, as printed.

    Args:
        value: the word (unsigned long).
        names: the printed names, in the order of the text.
        fields: `section`, `node`, `zone`, `lastcpupid`, `kasantag` as printed, those present.
        unnamed: leftover bits that the kernel itself printed as a number.
        prefix: `anon` or `ksm`, None if absent.
        cma: whether ` CMA` follows.
        span: its line.
    """

    value: int
    names: tuple[str, ...]
    fields: Mapping[str, int]
    unnamed: int
    prefix: str | None
    cma: bool
    span: Span


@dataclass(frozen=True, slots=True)
class PrintedPageType:
    """The `page_type:` line (6.4 and later): the printed number and the printed names.

    Args:
        value: the word shared with `_mapcount` (u32; to 6.11), or its top byte alone (6.12 and later).
        names: the printed names.
        span: its line.
        top_byte: whether only the top byte is printed (`f0(buddy)`).
    """

    value: int
    names: tuple[str, ...]
    span: Span
    top_byte: bool = False


@dataclass(frozen=True, slots=True)
class HeadLine:
    """The `head:` line of a compound page: printed fields by name (counts signed, `pointer` u64)."""

    fields: Mapping[str, int]
    span: Span


@dataclass(frozen=True, slots=True)
class RawWords:
    """A `raw:` or `head:` hex dump of a struct page.

    Args:
        words: the words in memory order (unsigned long).
        width: digits of a word: 16 on 64-bit, 8 on 32-bit.
        span: its lines.
    """

    words: tuple[int, ...]
    width: int
    span: Span


@dataclass(frozen=True, slots=True)
class AddressSpaceLine:
    """The line that names the page's address_space: operations symbol, inode and dentry, as printed."""

    aops: str | None
    ino: int | None
    dentry: str | None
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class PageOwner:
    """The page_owner tail of a page dump.

    Args:
        tracked_as: `allocated` or `freed`, None if not printed.
        order, migratetype, gfp_mask, gfp_names, pid, tgid, comm, ts, free_ts: as printed.
        free_pid, free_tgid: who freed it last.
        allocation_stack, free_stack: symbols with offsets, innermost first.
        migrate_reason: last migrate reason, if printed.
        span: its lines.
        notes: lines that say what is not there (`page_owner free stack trace missing`), as printed.
    """

    tracked_as: str | None
    order: int | None
    migratetype: str | None
    gfp_mask: int | None
    gfp_names: tuple[str, ...]
    pid: int | None
    tgid: int | None
    comm: str | None
    ts: int | None
    free_ts: int | None
    free_pid: int | None
    free_tgid: int | None
    allocation_stack: tuple[Frame, ...]
    free_stack: tuple[Frame, ...]
    migrate_reason: str | None
    span: Span
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageDump:
    """What `dump_page()` printed about one struct page; everything is as printed, nothing decoded.

    Args:
        era: release in which this form of the page line first appeared, e.g. `6.9`.
        pointer: address of the struct page (often hashed), None where the form has none.
        refcount: `_refcount` as printed.
        mapcount: mapcount as printed (`_mapcount` + 1 for an ordinary page).
        mapping: address_space pointer as printed, u64.
        index: page index as printed, unsigned long.
        pfn: page frame number on the page line, None where the form has none.
        head: the compound line.
        memcg: memcg_data as printed.
        address_space: the aops line.
        flags, page_type, raw, head_raw, reason, page_owner: the other lines.
        reason_span: where the reason stands.
        span: all its lines.
        bad_flags: the flags that the kernel names as the reason (`bad because of flags:`, to 5.6).
        notes: other lines of the dump, as printed (`page does not match folio`).
    """

    era: str
    pointer: int | None
    refcount: int | None
    mapcount: int | None
    mapping: int | None
    index: int | None
    pfn: int | None
    page_line: Span | None
    head: HeadLine | None
    memcg: int | None
    address_space: AddressSpaceLine | None
    flags: PrintedFlags | None
    page_type: PrintedPageType | None
    raw: RawWords | None
    head_raw: RawWords | None
    reason: str | None
    reason_span: Span | None
    page_owner: PageOwner | None
    span: Span
    bad_flags: PrintedFlags | None = None
    notes: tuple[str, ...] = ()

    @property
    def order(self) -> int | None:
        """Order of the block as the head line prints it, None if it does not."""
        return None if self.head is None else self.head.fields.get("order")
