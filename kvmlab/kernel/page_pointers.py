"""What the pointers and numbers of a struct page point to: mapping, memcg_data, index and page frame number."""

from __future__ import annotations

from dataclasses import dataclass

from kvmlab.kernel.constants import constant
from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.tables import Period, read_table


@dataclass(frozen=True, slots=True)
class TaggedPointer:
    """A pointer whose two low bits say what it points to.

    Args:
        pointer: the address without the low bits, u64.
        tag: the low bits.
        name: what they say, None for a combination that the release does not have.
        meaning: the same as a sentence, None likewise.
    """

    pointer: int
    tag: int
    name: str | None
    meaning: str | None


def decode_mapping(value: int, release: KernelRelease | str) -> TaggedPointer:
    """What `page->mapping` points to; the free path clears that of an anonymous page before it tests the page.

    Args:
        value: the word, u64.
        release: the release.

    >>> decode_mapping(0xffff888012345671, "6.9.12").name
    'anon_vma'
    >>> decode_mapping(0, "6.9.12").name
    'none'
    """
    if value == 0:
        return TaggedPointer(
            0, 0, "none", "no mapping: never had one, or the free path has cleared that of an anonymous page"
        )
    return _tagged(value, release, "page_mapping_tags")


def decode_memcg_data(value: int, release: KernelRelease | str) -> TaggedPointer:
    """What `memcg_data` points to (5.11 and later).

    Args:
        value: the word, u64.
        release: the release.

    >>> decode_memcg_data(0, "6.9.12").meaning
    'no memory cgroup is charged'
    """
    if value == 0:
        return TaggedPointer(0, 0, "none", "no memory cgroup is charged")
    return _tagged(value, release, "memcg_data_tags")


def _tagged(value: int, release: KernelRelease | str, table: str) -> TaggedPointer:
    tag = value & 3
    row = next(
        (r for r in read_table(table) if int(r["bits"]) == tag and Period.of_row(r).covers(release)),
        None,
    )
    return TaggedPointer(value & ~3, tag, None if row is None else row["name"], None if row is None else row["meaning"])


def hva_of_index(index: int) -> int:
    """The user address of an anonymous page with this index, in an ordinary private anonymous mapping.

    After mremap, and for the private pages of a file mapping, the index counts from something else.

    Args:
        index: `page->index`, in pages.

    >>> hex(hva_of_index(0x7fa8117c3))
    '0x7fa8117c3000'
    """
    return index << constant("PAGE_SHIFT")


def physical_address(pfn: int) -> int:
    """The physical address of a page frame.

    Args:
        pfn: page frame number.

    >>> hex(physical_address(0xfb1665))
    '0xfb1665000'
    """
    return pfn << constant("PAGE_SHIFT")
