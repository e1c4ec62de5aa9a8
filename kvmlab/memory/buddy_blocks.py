"""Whole pageblocks: what is in one, how much of it suits a type, moving its free blocks, and giving it a type.

Source: prep_move_freepages_block, move_freepages_block and change_pageblock_range of mm/page_alloc.c, read in 6.1.192
and 6.12.117.
"""

from __future__ import annotations

from kvmlab.memory.buddy_engine import hot, i64, step, u64
from kvmlab.memory.buddy_lists import free_list, list_add_tail, list_del
from kvmlab.memory.buddy_state import (
    ALLOCATED,
    MAX_ORDER,
    MT_MASK,
    NR_ORDERS,
    ON_LRU,
    ORDER,
    PB_ORDER,
    PB_PAGES,
    PCP,
    State,
)

MOVABLE = 1


@hot
def set_block_types(s: State, i: int, order: int, mt: int) -> None:
    """Give every pageblock of a block of at least one pageblock a type."""
    for b in range(i >> PB_ORDER, (i + (1 << order)) >> PB_ORDER):
        s.block[b] = (i64(s.block[b]) & ~MT_MASK) | mt


@hot
def count_block(s: State, start: int) -> int:
    """Free pages of a pageblock, and movable ones in units of 65536."""
    free = 0
    movable = 0
    i = start
    while i < start + PB_PAGES:
        mark = i64(s.page[u64(i)])
        if mark < NR_ORDERS:
            free += 1 << mark
            i += 1 << mark
        elif PCP <= mark < ALLOCATED:
            i += 1 << (mark & ORDER)
        elif mark >= ALLOCATED and mark & ORDER <= MAX_ORDER:
            size = 1 << (mark & ORDER)
            if mark & ON_LRU:
                movable += size
            i += size
        else:
            i += 1
    return free + (movable << 16)


@step
def move_block(s: State, z: int, start: int, first: int, mt: int) -> int:
    """Move a pageblock's free blocks, from page `first` on, to the tails of a type's lists; returns the pages."""
    moved = 0
    i = first
    while i < start + PB_PAGES:
        mark = i64(s.page[u64(i)])
        if mark < NR_ORDERS:
            list_del(s, i)
            list_add_tail(s, free_list(s, z, mark, mt), i)
            moved += 1 << mark
            i += 1 << mark
        else:
            i += 1
    return moved


@hot
def alike_pages(counted: int, start_mt: int, block_mt: int) -> int:
    """Pages of a pageblock that suit a request of `start_mt`, free ones not counted."""
    movable = counted >> 16
    if start_mt == MOVABLE:
        return movable
    if block_mt == MOVABLE:
        return PB_PAGES - (counted & 0xFFFF) - movable
    return 0
