"""Filling a buffer with pages and giving them back: the order loops of ttm_pool_alloc() in their three generations.

The blocks of a buffer are linked in the order of its page vector: `nxt` is the next block's first page, -1 at the end;
`prv` the buffer's number, with FROM_POOL where a block came from a pool.

Source: ttm_pool_alloc, __ttm_pool_alloc and ttm_pool_free_range of drivers/gpu/drm/ttm/ttm_pool.c: generation A from
the first form of the pool (5.11), B read in 6.1.192 and 6.12.117, C in 7.3.4.
"""

from __future__ import annotations

from kvmlab.kernel.events import Op
from kvmlab.memory.buddy_core import log_event
from kvmlab.memory.buddy_engine import entry, hot, i64, step
from kvmlab.memory.buddy_state import C_BO, C_CPU, C_GFP, C_POOL, MAX_ORDER, ORDER, PB_ORDER, R_LOG, ZONE_SHIFT, State
from kvmlab.memory.ttm_lists import OP_ALLOC_POOL, pool_event, pool_give, pool_take, select_type, shrink_to_limit
from kvmlab.memory.ttm_state import (
    CACHED,
    D_LINE,
    D_NID,
    FROM_POOL,
    LOOP_A,
    LOOP_B,
    T_LOOP,
    T_POOL_HITS,
    T_SET_CACHING_CALLS,
    T_SET_CACHING_PAGES,
    T_SYS_BLOCKS,
    TtmState,
)
from kvmlab.memory.zone_alloc import alloc_one, free_one

OP_SET_CACHING = int(Op.SET_CACHING)


@hot
def fls(value: int) -> int:
    """Number of the highest set bit of a positive number, at most MAX_ORDER."""
    order = 0
    while order < MAX_ORDER and value >> (order + 1):
        order += 1
    return order


@step
def system_block(s: State, t: TtmState, device: int, order: int) -> int:
    """A block from the page allocator with the mask of the device and the order."""
    s.ctx[C_GFP] = t.gfp[device, order]
    return alloc_one(s, t.device[device, D_LINE], order, i64(0), t.flags[device, order])


@hot
def pool_nid(t: TtmState, device: int) -> int:
    """Node whose pool lists serve a device: its own, or that of the CPU (0 here)."""
    return i64(max(t.device[device, D_NID], 0))


@step
def convert(s: State, t: TtmState, first: int, caching: int) -> None:
    """Change the caching of the staged blocks from `first` to the end of the chain: one call for all their pages."""
    if first < 0 or caching == CACHED:
        return
    t.rule[T_SET_CACHING_CALLS] += 1
    i = first
    while i >= 0:
        order = i64(s.page[i]) & ORDER
        t.rule[T_SET_CACHING_PAGES] += 1 << order
        if s.rule[R_LOG]:
            s.ctx[C_POOL] = caching * 2
            log_event(s, i64(OP_SET_CACHING), i, order, i64(-1), i64(s.block[i >> PB_ORDER]) >> ZONE_SHIFT)
            s.ctx[C_POOL] = -1
        i = i64(s.nxt[i])


@step
def free_chain(s: State, t: TtmState, device: int, first: int, stop: int, caching: int) -> None:
    """Give the blocks from `first` up to but not including `stop` to the pool of a caching mode, or to the system."""
    i = first
    while i >= 0 and i != stop:
        following = i64(s.nxt[i])
        order = i64(s.page[i]) & ORDER
        kind = select_type(t, device, caching, order)
        if kind >= 0:
            pool_give(s, t, kind, i, order)
        else:
            free_one(s, i, order)
        i = following


@step
def roll_back(s: State, t: TtmState, device: int, first: int, staged: int, caching: int) -> None:
    """Undo a buffer that could not be filled: what already has its caching goes to the pool, the rest as cached."""
    if t.rule[T_LOOP] == LOOP_A:
        i = first
        while i >= 0:
            following = i64(s.nxt[i])
            free_one(s, i, i64(s.page[i]) & ORDER)
            i = following
        return
    free_chain(s, t, device, first, staged, caching)
    free_chain(s, t, device, staged, i64(-1), i64(CACHED))


@entry
def ttm_alloc(s: State, t: TtmState, device: int, pages: int, caching: int, bo: int, cpu: int) -> int:
    """Fill a buffer; returns the first page of its first block, or -1 after a roll-back.

    `asked` says whether the pool may be asked: in generation C a block from the system closes it until the system
    fails. `draining` is generation B's habit of taking from the system at one order until that fails.
    """
    s.ctx[C_BO] = bo
    s.ctx[C_CPU] = cpu
    loop = t.rule[T_LOOP]
    nid = pool_nid(t, device)
    first = -1
    last = -1
    staged = -1  # first block whose caching is still to be changed
    left = pages
    order = fls(left)
    asked = True
    while left > 0:
        order = min(order, fls(left))
        i = -1
        kind = -1
        if asked:
            kind = select_type(t, device, caching, order)
            if kind >= 0:
                i = pool_take(s, t, kind, nid, order)
        pooled = i >= 0
        if not pooled:
            i = system_block(s, t, device, order)
            if i < 0:
                if order == 0:
                    roll_back(s, t, device, first, staged, caching)
                    s.ctx[C_BO] = -1
                    return -1
                order -= 1
                asked = True
                continue
            t.rule[T_SYS_BLOCKS] += 1
        else:
            t.rule[T_POOL_HITS] += 1
            convert(s, t, staged, caching)
            staged = -1
            if s.rule[R_LOG]:
                pool_event(s, i64(OP_ALLOC_POOL), i, order, kind)
        s.nxt[i] = -1
        s.prv[i] = bo | FROM_POOL if pooled else bo
        if last >= 0:
            s.nxt[last] = i
        else:
            first = i
        last = i
        if not pooled and staged < 0 and caching != CACHED:
            staged = i
        left -= 1 << order
        if not pooled:
            # A asks the pool for every block, B again at every new order, C only after the system has failed.
            asked = loop == LOOP_A or (loop == LOOP_B and left < 1 << order)
    convert(s, t, staged, caching)
    s.ctx[C_BO] = -1
    return first


@entry
def ttm_free(s: State, t: TtmState, device: int, first: int, caching: int, bo: int, cpu: int) -> None:
    """Give a buffer's pages back, block by block in the order of its page vector, then obey the limit."""
    s.ctx[C_BO] = bo
    s.ctx[C_CPU] = cpu
    free_chain(s, t, device, first, i64(-1), caching)
    s.ctx[C_BO] = -1
    shrink_to_limit(s, t, pool_nid(t, device))
