"""What kind of page a dump shows: anonymous, file, buddy, slab, ... with what tells it and how it is known."""

from __future__ import annotations

from dataclasses import dataclass

from kvmlab.errors import UnknownRelease
from kvmlab.inquiry.basis import Basis
from kvmlab.kernel.page_flag_aliases import PageKind
from kvmlab.kernel.page_pointers import hva_of_index
from kvmlab.kernel.page_types import decode_page_type, word_of_printed
from kvmlab.kernel.release import KernelRelease
from kvmlab.report.records import PageDump

# Low bits of `mapping`, include/linux/page-flags.h: PAGE_MAPPING_ANON and PAGE_MAPPING_MOVABLE.
MAPPING_ANON = 1
MAPPING_MOVABLE = 2
# User addresses of x86-64 and arm64 with 48 bits begin above the first mappable page and end below this.
USER_END = 1 << 47
# File offsets rarely reach a tebibyte, user mappings of a 64-bit process rarely lie below it.
LOWEST_LIKELY_HVA = 1 << 40


@dataclass(frozen=True, slots=True)
class KindOfPage:
    """The kind of a page, None if nothing tells it, with the reason and how it is known."""

    kind: PageKind | None
    reason: str
    basis: Basis


def likely_hva(index: int | None) -> int | None:
    """The user address that a page index stands for if the page is anonymous, where it looks like one.

    Such a mapping numbers its pages by their address, so that index = hva >> PAGE_SHIFT, unless it was moved by mremap.

    Args:
        index: page index, unsigned long.

    Returns:
        The address, None if it is no user address that a 64-bit process is likely to map.

    >>> hex(likely_hva(0x7FA8117C3))
    '0x7fa8117c3000'
    >>> likely_hva(0x100) is None
    True
    """
    if index is None:
        return None
    address = hva_of_index(index)
    return address if LOWEST_LIKELY_HVA <= address < USER_END else None


def page_kind(page: PageDump, release: KernelRelease | None) -> KindOfPage:
    """Tell the kind of a page from its dump.

    Args:
        page: the dump.
        release: the release that printed it, for the page type; None if not known.
    """
    names = set(page.flags.names) if page.flags else set()
    if page.flags and page.flags.prefix in ("anon", "ksm"):
        return KindOfPage(PageKind.ANON, f"the kernel printed '{page.flags.prefix}' before the flags", Basis.OBSERVED)
    if typed := _typed(page, release):
        return typed
    if "slab" in names:
        return KindOfPage(PageKind.SLAB, "the flag slab is set", Basis.OBSERVED)
    if page.mapping and page.mapping & MAPPING_ANON:
        return KindOfPage(PageKind.ANON, "the lowest bit of mapping marks an anonymous page", Basis.INFERRED)
    if page.mapping and page.mapping & MAPPING_MOVABLE:
        return KindOfPage(PageKind.MOVABLE, "bit 1 of mapping marks a movable page of a driver", Basis.INFERRED)
    if page.address_space is not None and page.address_space.aops:
        kind = PageKind.SHMEM if "shmem" in page.address_space.aops else PageKind.FILE
        return KindOfPage(kind, f"its address_space operations are {page.address_space.aops}", Basis.OBSERVED)
    if "swapbacked" in names and not page.mapping and likely_hva(page.index) is not None:
        reason = (
            "the flag swapbacked is set and the index is a user address shifted right by 12, as in a private "
            "anonymous mapping; "
            "mapping is NULL because the free path clears it on anonymous pages before it checks them"
        )
        return KindOfPage(PageKind.ANON, reason, Basis.INFERRED)
    return KindOfPage(None, "nothing in this dump tells the kind of page", Basis.OBSERVED)


def _typed(page: PageDump, release: KernelRelease | None) -> KindOfPage | None:
    """The kind that the page type shows, if it is one."""
    if page.page_type is None or release is None:
        return None
    try:
        decoded = decode_page_type(word_of_printed(page.page_type.value, release) & 0xFFFFFFFF, release)
    except UnknownRelease:
        return None
    for name in decoded.names:
        if name in (PageKind.BUDDY, PageKind.SLAB):
            return KindOfPage(PageKind(name), f"its page type is {name}", Basis.OBSERVED)
    return None
