"""The buddy lists themselves: splitting the smallest block that fits, and merging on free.

Source: __rmqueue_smallest, expand, __free_one_page, buddy_merge_likely and split_large_buddy of mm/page_alloc.c,
read in 6.1.192, 6.12.117 and 7.3.4.
"""

from __future__ import annotations

from kvmlab.kernel.events import Op
from kvmlab.memory.buddy_engine import entry, hot, i64, u64
from kvmlab.memory.buddy_lists import free_list, list_add, list_add_tail, list_del
from kvmlab.memory.buddy_state import (
    C_BO,
    C_CPU,
    C_GFP,
    C_LOG_N,
    C_LOST,
    C_NOW,
    C_POOL,
    INNER,
    MAX_ORDER,
    MT_MASK,
    NR_ORDERS,
    NR_PCPT,
    PB_ORDER,
    R_BASE_PFN,
    R_CLAIM,
    R_FREE_CUT,
    Z_FREE,
    Z_HIGHATOMIC,
    Z_KIND,
    Z_NID,
    ZONE_SHIFT,
    State,
)

HIGHATOMIC = 3
ISOLATE = 5
OP_SPLIT = int(Op.SPLIT)


@entry
def log_event(s: State, op: int, i: int, order: int, mt: int, z: int) -> None:
    """Append one row to the event log; a full log counts what it loses."""
    n = s.ctx[C_LOG_N]
    if n >= s.log.shape[0]:
        s.ctx[C_LOST] += 1
        return
    row = s.log[n]
    row["t"] = s.ctx[C_NOW]
    row["op"] = op
    row["pfn"] = i + s.rule[R_BASE_PFN] if i >= 0 else 0
    row["order"] = order
    row["pool"] = s.ctx[C_POOL]
    row["bo"] = s.ctx[C_BO]
    row["mt"] = mt
    row["zone"] = s.zone[z, Z_KIND] if z >= 0 else -1
    row["nid"] = s.zone[z, Z_NID] if z >= 0 else -1
    row["cpu"] = s.ctx[C_CPU]
    row["gfp"] = s.ctx[C_GFP]
    s.ctx[C_LOG_N] = n + 1


@hot
def account(s: State, z: int, pages: int, mt: int) -> None:
    """Count free pages of a zone as NR_FREE_PAGES does: isolated ones are not free."""
    if mt < HIGHATOMIC:
        s.zone[u64(z), Z_FREE] += pages
    elif mt != ISOLATE:
        s.zone[u64(z), Z_FREE] += pages
        if mt == HIGHATOMIC:
            s.zone[z, Z_HIGHATOMIC] += pages


@hot
def del_from_free_list(s: State, z: int, i: int, order: int) -> None:
    """Take a free block off its list; its first page is marked by the caller."""
    list_del(s, i)
    s.free[u64(z), u64(order)] -= 1
    s.page[u64(i)] = INNER


@hot
def expand(s: State, z: int, i: int, low: int, high: int, mt: int) -> None:
    """Give back the upper halves of a block of order `high` until its first part has order `low`."""
    while high > low:
        high -= 1
        upper = i + (1 << high)
        list_add(s, free_list(s, z, high, mt), upper)
        s.page[u64(upper)] = high
        s.free[u64(z), u64(high)] += 1


@hot
def rmqueue_smallest(s: State, z: int, order: int, mt: int) -> int:
    """The first block of the smallest sufficient order of one type, cut to `order`; -1 if there is none."""
    for current in range(order, NR_ORDERS):
        head = free_list(s, z, current, mt)
        i = i64(s.nxt[u64(head)])
        if i != head:
            del_from_free_list(s, z, i, current)
            expand(s, z, i, order, current, mt)
            account(s, z, -(1 << order), mt)
            return i
    return -1


@hot
def free_one_block(s: State, z: int, i: int, order: int, mt: int) -> None:
    """Free a block of one migratetype: merge it with free buddies, then link it at the head or the tail."""
    account(s, z, 1 << order, mt)
    pages = s.page.shape[0]
    buddy = i
    while order < MAX_ORDER:
        buddy = i ^ (1 << order)
        if buddy >= pages or i64(s.page[u64(buddy)]) != order:
            break
        if order >= PB_ORDER:
            entry = i64(s.block[u64(buddy >> PB_ORDER)])
            buddy_mt = entry & MT_MASK
            if buddy_mt != mt:
                if buddy_mt >= NR_PCPT or mt >= NR_PCPT:
                    break
                if s.rule[R_CLAIM]:
                    s.block[u64(buddy >> PB_ORDER)] = (entry & ~MT_MASK) | mt
        del_from_free_list(s, z, buddy, order)
        i &= buddy
        order += 1
    s.page[u64(i)] = order
    tail = False
    if order < MAX_ORDER - 1:
        # The parent's buddy is free: this block will probably be merged soon, so it is better not used first.
        parent_buddy = (i & buddy) ^ (1 << (order + 1))
        tail = parent_buddy < pages and i64(s.page[u64(parent_buddy)]) == order + 1
    head = free_list(s, z, order, mt)
    if tail:
        list_add_tail(s, head, i)
    else:
        list_add(s, head, i)
    s.free[u64(z), u64(order)] += 1


@hot
def free_to_buddy(s: State, i: int, order: int) -> None:
    """Free a block to its zone by the type of its pageblock; 6.10 and later cut it into pageblocks first."""
    s.page[u64(i)] = INNER
    size = order
    if order > PB_ORDER and s.rule[R_FREE_CUT]:
        size = PB_ORDER
    part = i
    # No range(): with a step it costs a division to know its length.
    while part < i + (1 << order):
        entry = i64(s.block[u64(part >> PB_ORDER)])
        free_one_block(s, entry >> ZONE_SHIFT, part, size, entry & MT_MASK)
        part += 1 << size
