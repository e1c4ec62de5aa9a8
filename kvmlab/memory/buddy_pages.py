"""What a page of the allocator's state is: the block around it, its references, its pageblock's type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.errors import KvmlabError
from kvmlab.memory import buddy_state as at
from kvmlab.memory.migratetype import Migratetype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# The number of an owner; the bit above it belongs to TTM.
OWNER = (1 << 30) - 1


class BuddyError(KvmlabError):
    """A request that the page allocator cannot be given; its state is unchanged."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block, seen from any of its pages.

    Args:
        pfn: its first page.
        order: its order.
        state: `free`, `pcp`, `allocated`, `pooled` or `absent`.
        migratetype: the type of its pageblock now.
        compound: whether it was allocated with __GFP_COMP.
        owner: buffer that it belongs to, -1 if none.
        refcount: references to its first page; those of the others are 0 unless it was split.
    """

    pfn: int
    order: int
    state: str
    migratetype: Migratetype
    compound: bool
    owner: int
    refcount: int


def block_at(s: at.State, base: int, pfn: int, refs: Mapping[int, int]) -> Block:
    """The block that a page belongs to.

    Args:
        s: the state.
        base: pfn of index 0.
        pfn: the page.
        refs: references of first pages that have another number than 1.

    Raises:
        BuddyError: the pfn lies outside of every zone.
    """
    i = pfn - base
    if not 0 <= i < s.page.shape[0]:
        raise BuddyError(f"pfn {pfn:#x} lies outside of the machine's memory.")
    mt = Migratetype(int(s.block[i >> at.PB_ORDER]) & at.MT_MASK)
    for order in range(at.NR_ORDERS):
        head = i >> order << order
        mark = int(s.page[head])
        if mark in (at.INNER, at.ABSENT) or head + (1 << (mark & at.ORDER)) <= i:
            continue
        size = mark & at.ORDER
        if mark < at.PCP:
            return Block(head + base, size, "free", mt, False, -1, 0)
        if mark < at.ALLOCATED:
            return Block(head + base, size, "pcp", mt, False, -1, 0)
        pooled = bool(mark & at.POOLED)
        owner = -1 if pooled or int(s.prv[head]) < 0 else int(s.prv[head]) & OWNER
        state = "pooled" if pooled else "allocated"
        return Block(head + base, size, state, mt, bool(mark & at.COMPOUND), owner, refs.get(head, 1))
    return Block(pfn, 0, "absent", mt, False, -1, 0)


def refcounts_of(s: at.State, base: int, pfn: int, pages: int, refs: Mapping[int, int]) -> NDArray[np.int64]:
    """References of each page of a range; raises `BuddyError` if it lies outside of the machine.

    Args:
        s, base, refs: as for `block_at`.
        pfn: first page of the range.
        pages: its length.
    """
    import numpy as np

    i = pfn - base
    if i < 0 or pages < 0 or i + pages > s.page.shape[0]:
        raise BuddyError(f"pfns {pfn:#x} to {pfn + pages:#x} lie outside of the machine's memory.")
    mark = s.page[i : i + pages]
    out = ((mark >= at.ALLOCATED) & (mark < at.ABSENT)).astype(np.int64)
    for index, count in refs.items():
        if i <= index < i + pages:
            out[index - i] = count
    return out
