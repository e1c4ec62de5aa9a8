"""What an allocation does when the lists of its migratetype are empty: claim whole pageblocks, or steal one block.

Two generations. Until 6.9 the decision is taken at the largest block found, blocks are moved to the new type's lists
even when the pageblock keeps its type, and the allocation then starts again. From 6.10 on a block is always on the list
of its pageblock's type; 6.12 (stable) and later first try to claim at every order, then steal the smallest block.

Source: __rmqueue_fallback and steal_suitable_fallback of 6.1.192; __rmqueue_claim, __rmqueue_steal and
try_to_steal_block of 6.12.117 (try_to_claim_block of 7.3.4 decides alike).
"""

from __future__ import annotations

from kvmlab.kernel.events import Op
from kvmlab.memory.buddy_blocks import MOVABLE, alike_pages, count_block, move_block, set_block_types
from kvmlab.memory.buddy_core import HIGHATOMIC, account, del_from_free_list, expand, log_event, rmqueue_smallest
from kvmlab.memory.buddy_engine import hot, i64, step, u64
from kvmlab.memory.buddy_lists import free_list, list_add_tail, list_del
from kvmlab.memory.buddy_state import (
    C_CLAIMS,
    C_EXTFRAG,
    C_MODE,
    C_STEALS,
    MAX_ORDER,
    MT_MASK,
    NR_ORDERS,
    PB_ORDER,
    PB_PAGES,
    R_CLAIM,
    R_LOG,
    R_MT,
    Z_END,
    Z_START,
    State,
)

CLAIM_FROM_ORDER = PB_ORDER // 2  # movable requests claim a pageblock only from this order on
HALF_BLOCK = PB_PAGES // 2
OP_CLAIM = int(Op.CLAIM)
MODE_NORMAL, MODE_STEAL = 0, 1


@hot
def first_fallback(s: State, z: int, order: int, mt: int) -> int:
    """The first type in the fallback order of `mt` that has a free block of exactly this order; -1 if none."""
    if s.free[u64(z), u64(order)] == 0:
        return -1
    first = 0 if mt == 2 else 2
    second = 0 if mt == 1 else 1
    if i64(s.nxt[u64(free_list(s, z, order, first))]) != free_list(s, z, order, first):
        return first
    if i64(s.nxt[u64(free_list(s, z, order, second))]) != free_list(s, z, order, second):
        return second
    return -1


@hot
def may_claim(order: int, mt: int) -> bool:
    """Whether a fallback from a block of this order may take the whole pageblock."""
    return order >= CLAIM_FROM_ORDER or mt != MOVABLE


@hot
def try_to_claim(s: State, z: int, i: int, current: int, order: int, mt: int) -> int:
    """Take a foreign free block's pageblocks for `mt` and allocate from them; -1 if they stay as they are."""
    start = i & ~(PB_PAGES - 1)
    block_mt = i64(s.block[u64(start >> PB_ORDER)]) & MT_MASK
    if block_mt == HIGHATOMIC:
        return -1
    if current >= PB_ORDER:
        del_from_free_list(s, z, i, current)
        set_block_types(s, i, current, mt)
        expand(s, z, i, order, current, mt)
        account(s, z, -(1 << order), mt)
        return i
    if start < s.zone[u64(z), Z_START] or start + PB_PAGES > s.zone[u64(z), Z_END]:
        return -1
    counted = count_block(s, start)
    if (counted & 0xFFFF) + alike_pages(counted, mt, block_mt) < HALF_BLOCK:
        return -1
    move_block(s, z, start, start, mt)
    s.block[u64(start >> PB_ORDER)] = (i64(s.block[u64(start >> PB_ORDER)]) & ~MT_MASK) | mt
    return rmqueue_smallest(s, z, order, mt)


@step
def rmqueue_claim(s: State, z: int, order: int, mt: int, nofragment: int) -> int:
    """Search from the largest order down for a pageblock to claim; -1 if none can be had."""
    lowest = PB_ORDER if nofragment and order < PB_ORDER else order
    for current in range(MAX_ORDER, lowest - 1, -1):
        fallback = first_fallback(s, z, current, mt)
        if fallback < 0:
            continue
        if not may_claim(current, mt):
            break
        i = try_to_claim(s, z, i64(s.nxt[free_list(s, z, current, fallback)]), current, order, mt)
        if i >= 0:
            s.ctx[C_CLAIMS] += 1
            s.ctx[C_EXTFRAG] += 1
            if s.rule[R_LOG]:
                log_event(s, i64(OP_CLAIM), i, current, mt, z)
            return i
    return -1


@step
def rmqueue_steal(s: State, z: int, order: int, mt: int) -> int:
    """Take the smallest sufficient block of another type; the rest keeps its type. -1 if there is none."""
    for current in range(order, NR_ORDERS):
        fallback = first_fallback(s, z, current, mt)
        if fallback < 0:
            continue
        i = i64(s.nxt[free_list(s, z, current, fallback)])
        del_from_free_list(s, z, i, current)
        expand(s, z, i, order, current, fallback)
        account(s, z, -(1 << order), fallback)
        s.ctx[C_STEALS] += 1
        s.ctx[C_EXTFRAG] += 1
        if s.rule[R_LOG]:
            log_event(s, i64(OP_CLAIM), i, current, mt, z)
        return i
    return -1


@step
def fallback_before_610(s: State, z: int, order: int, mt: int, nofragment: int) -> bool:
    """The older generation: move blocks to the lists of `mt` and say whether it is worth looking there again."""
    lowest = PB_ORDER if nofragment and order < PB_ORDER else order
    found = -1
    fallback = -1
    for current in range(MAX_ORDER, lowest - 1, -1):
        fallback = first_fallback(s, z, current, mt)
        if fallback >= 0:
            found = current
            break
    if found < 0:
        return False
    if not may_claim(found, mt) and mt == MOVABLE and found > order:
        for current in range(order, NR_ORDERS):
            fallback = first_fallback(s, z, current, mt)
            if fallback >= 0:
                found = current
                break
    i = i64(s.nxt[free_list(s, z, found, fallback)])
    steal_suitable(s, z, i, found, mt)
    s.ctx[C_EXTFRAG] += 1
    if s.rule[R_LOG]:
        log_event(s, i64(OP_CLAIM), i, found, mt, z)
    return True


@hot
def steal_suitable(s: State, z: int, i: int, current: int, mt: int) -> None:
    """Until 6.9: move one block, or all free ones of its pageblock, to the lists of `mt`; maybe retype it."""
    start = i & ~(PB_PAGES - 1)
    block_mt = i64(s.block[u64(start >> PB_ORDER)]) & MT_MASK
    if block_mt != HIGHATOMIC and current >= PB_ORDER:
        set_block_types(s, i, current, mt)
        s.ctx[C_CLAIMS] += 1
    elif block_mt != HIGHATOMIC and may_claim(current, mt) and start + PB_PAGES <= s.zone[u64(z), Z_END]:
        counted = count_block(s, start)
        first = start if start >= s.zone[u64(z), Z_START] else i
        if move_block(s, z, start, first, mt):
            if (counted & 0xFFFF) + alike_pages(counted, mt, block_mt) >= HALF_BLOCK:
                s.block[u64(start >> PB_ORDER)] = (i64(s.block[u64(start >> PB_ORDER)]) & ~MT_MASK) | mt
                s.ctx[C_CLAIMS] += 1
            return
    else:
        s.ctx[C_STEALS] += 1
    list_del(s, i)
    list_add_tail(s, free_list(s, z, current, mt), i)


@step
def rmqueue_fallbacks(s: State, z: int, order: int, mt: int, nofragment: int) -> int:
    """Every way to serve a request whose own lists are empty, by the release's rules; -1 if none works."""
    if not s.rule[R_MT] or mt > 2:
        return -1
    if s.rule[R_CLAIM]:
        if s.ctx[C_MODE] != MODE_STEAL:
            i = rmqueue_claim(s, z, order, mt, nofragment)
            if i >= 0:
                s.ctx[C_MODE] = MODE_NORMAL
                return i
        if nofragment:
            return -1
        i = rmqueue_steal(s, z, order, mt)
        if i >= 0:
            s.ctx[C_MODE] = MODE_STEAL
        return i
    while fallback_before_610(s, z, order, mt, nofragment):
        i = rmqueue_smallest(s, z, order, mt)
        if i >= 0:
            return i
    return -1


@hot
def rmqueue(s: State, z: int, order: int, mt: int, nofragment: int) -> int:
    """One block from the buddy lists: own type, then the fallbacks (`C_MODE` remembers a steal in a bulk)."""
    if s.ctx[C_MODE] == MODE_NORMAL:
        i = rmqueue_smallest(s, z, order, mt)
        if i >= 0:
            return i
    return rmqueue_fallbacks(s, z, order, mt, nofragment)
