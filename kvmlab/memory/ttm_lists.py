"""Giving blocks to TTM pools, taking them out, and the shrinker.

Source: ttm_pool_select_type, ttm_pool_type_give, ttm_pool_type_take, ttm_pool_shrink of drivers/gpu/drm/ttm/ttm_pool.c,
read in 6.1.192, 6.12.117 and 7.3.4.
"""

from __future__ import annotations

from kvmlab.kernel.events import Op
from kvmlab.memory.buddy_core import log_event
from kvmlab.memory.buddy_engine import entry, hot, i64, step
from kvmlab.memory.buddy_lists import list_add, list_add_tail, list_del
from kvmlab.memory.buddy_state import (
    C_BO,
    C_POOL,
    NR_ORDERS,
    ORDER,
    PB_ORDER,
    POOLED,
    R_LOG,
    Z_NID,
    ZONE_SHIFT,
    State,
)
from kvmlab.memory.ttm_state import (
    CACHED,
    D_DMA32,
    D_DMA_ALLOC,
    D_NID,
    DEVICE_TYPES,
    GLOBAL_TYPES,
    T_FIFO,
    T_HEADS,
    T_NID_POOLS,
    T_NODE_LIMIT,
    T_NODE_LISTS,
    T_NODES,
    T_ROTATE,
    T_SHRINK_N,
    T_SHRUNK,
    T_X86,
    UNCACHED,
    TtmState,
)
from kvmlab.memory.zone_alloc import free_one

OP_ALLOC_POOL = int(Op.ALLOC_POOL)
OP_GIVE_POOL = int(Op.GIVE_POOL)
OP_SHRINK_FREE = int(Op.SHRINK_FREE)
BOUND_UNCACHED, BOUND_ALL = 1, 2


@hot
def select_type(t: TtmState, device: int, caching: int, order: int) -> int:
    """The pool type for a caching mode and an order; -1 if such blocks are not pooled."""
    bound = t.device[device, D_NID] >= 0
    own = t.device[device, D_DMA_ALLOC] != 0
    if bound and t.rule[T_NID_POOLS] >= BOUND_UNCACHED and (caching != CACHED or t.rule[T_NID_POOLS] == BOUND_ALL):
        own = True
    if own and (t.device[device, D_DMA_ALLOC] or t.rule[T_X86]):
        return i64(GLOBAL_TYPES + device * DEVICE_TYPES + caching * NR_ORDERS + order)
    if caching == CACHED or not t.rule[T_X86]:
        return -1
    return i64(4 * order + 2 * t.device[device, D_DMA32] + (1 if caching == UNCACHED else 0))


@hot
def type_order(kind: int) -> int:
    """Order of the blocks of a pool type."""
    if kind < GLOBAL_TYPES:
        return kind >> 2
    return (kind - GLOBAL_TYPES) % NR_ORDERS


@hot
def type_code(kind: int) -> int:
    """The `pool` column of the event log for a pool type: caching * 2 + dma32, device pools from 8 on."""
    if kind < GLOBAL_TYPES:
        return (0 if kind & 1 else 2) + (kind >> 1 & 1)
    return 8 + (kind - GLOBAL_TYPES) // NR_ORDERS


@hot
def pool_list(t: TtmState, kind: int, nid: int) -> int:
    """Head of the list of a pool type; from 6.19 on each node has its own."""
    return i64(t.rule[T_HEADS] + kind * t.rule[T_NODES] + (nid if t.rule[T_NODE_LISTS] else 0))


@hot
def page_nid(s: State, i: int) -> int:
    """Node of a page."""
    return i64(s.zone[i64(s.block[i >> PB_ORDER]) >> ZONE_SHIFT, Z_NID])


@hot
def counter(t: TtmState, nid: int) -> int:
    """Which counter of pooled pages a node has: its own from 7.2 on, the only one before."""
    return nid if t.rule[T_NODE_LIMIT] else 0


@step
def pool_event(s: State, op: int, i: int, order: int, kind: int) -> None:
    """One row of the event log about a pooled block."""
    s.ctx[C_POOL] = type_code(kind)
    log_event(s, op, i, order, i64(-1), i64(s.block[i >> PB_ORDER]) >> ZONE_SHIFT)
    s.ctx[C_POOL] = -1


@hot
def pool_give(s: State, t: TtmState, kind: int, i: int, order: int) -> None:
    """Give a block to a pool: at the head, or at the tail where the lists are first-in-first-out."""
    nid = page_nid(s, i)
    s.page[i] = i64(s.page[i]) | POOLED
    head = pool_list(t, kind, nid)
    if t.rule[T_FIFO]:
        list_add_tail(s, head, i)
    else:
        list_add(s, head, i)
    t.pooled[counter(t, nid)] += 1 << order
    if s.rule[R_LOG]:
        pool_event(s, i64(OP_GIVE_POOL), i, order, kind)


@hot
def pool_take(s: State, t: TtmState, kind: int, nid: int, order: int) -> int:
    """Take the first block of a pool type; -1 if it has none."""
    head = pool_list(t, kind, nid)
    i = i64(s.nxt[head])
    if i == head:
        return -1
    list_del(s, i)
    s.page[i] = i64(s.page[i]) & ~POOLED
    t.pooled[counter(t, page_nid(s, i))] -= 1 << order
    return i


@step
def pool_shrink(s: State, t: TtmState, nid: int, wanted: int) -> int:
    """One shrink step: free blocks of the pool type whose turn it is; returns the pages.

    Until 6.18 one block at most; later as many blocks as pages are wanted, which can be far more pages.
    """
    kinds = t.queue.shape[0]
    kind = i64(t.queue[t.rule[T_ROTATE] % kinds])
    t.rule[T_ROTATE] = (t.rule[T_ROTATE] + 1) % kinds
    order = type_order(kind)
    left = wanted if t.rule[T_SHRINK_N] else 1
    freed = 0
    while left > 0:
        i = pool_take(s, t, kind, nid, order)
        if i < 0:
            break
        if s.rule[R_LOG]:
            pool_event(s, i64(OP_SHRINK_FREE), i, order, kind)
        s.ctx[C_BO] = -1
        free_one(s, i, order)
        freed += 1 << order
        left -= 1
    t.rule[T_SHRUNK] += freed
    return freed


@step
def shrink_to_limit(s: State, t: TtmState, nid: int) -> None:
    """What follows every free: shrink while more pages are pooled than the limit allows."""
    place = counter(t, nid)
    while t.pooled[place] > t.limit[place]:
        pool_shrink(s, t, nid, i64(t.pooled[place] - t.limit[place]))


@entry
def shrinker_scan(s: State, t: TtmState, nid: int, wanted: int) -> int:
    """The shrinker's scan: steps until `wanted` pages are freed or nothing is pooled; returns the pages."""
    freed = pool_shrink(s, t, nid, wanted)
    while freed < wanted and t.pooled[counter(t, nid)] > 0:
        freed += pool_shrink(s, t, nid, wanted)
    return freed


@entry
def pool_fill(s: State, t: TtmState, kind: int, i: int, order: int) -> None:
    """Give an allocated block to one pool type."""
    pool_give(s, t, kind, i, order)


@entry
def pool_fini(s: State, t: TtmState, kind: int, nid: int) -> None:
    """Free every block of one pool type, as ttm_pool_fini() does."""
    i = pool_take(s, t, kind, nid, type_order(kind))
    while i >= 0:
        free_one(s, i, i64(s.page[i]) & ORDER)
        i = pool_take(s, t, kind, nid, type_order(kind))
