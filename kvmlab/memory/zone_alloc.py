"""A request from beginning to end: the search, the retry after draining, the block that is handed over, and the free.

Source: __alloc_pages_slowpath, unreserve_highatomic_pageblock, prep_new_page and free_unref_page of mm/page_alloc.c,
read in 6.1.192, 6.12.117 and 7.3.4. Reclaim and compaction free nothing here: of the slow path the model has the drain
of all per-CPU lists that follows a reclaim.
"""

from __future__ import annotations

from kvmlab.kernel.events import Op
from kvmlab.memory.buddy_blocks import move_block, set_block_types
from kvmlab.memory.buddy_core import HIGHATOMIC, ISOLATE, account, free_to_buddy, log_event
from kvmlab.memory.buddy_engine import entry, hot, i64, step, u64
from kvmlab.memory.buddy_lists import free_list, list_add_tail, list_del, list_empty
from kvmlab.memory.buddy_state import (
    ALLOCATED,
    C_BO,
    C_CPU,
    C_FAILED,
    COMPOUND,
    COSTLY,
    F_COMP,
    F_DIRECT,
    F_LRU,
    F_NORETRY,
    F_THISNODE,
    MT_MASK,
    NR_ORDERS,
    NR_PCPT,
    ON_LRU,
    PB_ORDER,
    PB_PAGES,
    R_DEFRAG,
    R_DRAIN,
    R_LOG,
    R_MT,
    R_NORETRY_STOP,
    R_WMARK,
    Z_LOW,
    Z_MIN,
    Z_RESERVED_HA,
    ZONE_SHIFT,
    State,
)
from kvmlab.memory.pcp_free import drain_all, pcp_free
from kvmlab.memory.pcp_lists import pcp_order
from kvmlab.memory.zone_search import avoids_fragmentation, rmqueue_zone, search_zones

MOVABLE = 1
OP_ALLOC = int(Op.ALLOC_SYS)
OP_FREE = int(Op.FREE_SYS)
OP_FAIL = int(Op.FAIL)


@hot
def reaches_reclaim(s: State, order: int, mt: int, flags: int) -> bool:
    """Whether a request that found nothing gets as far as direct reclaim, which drains all per-CPU lists."""
    if not flags & F_DIRECT or not s.rule[R_DRAIN]:
        return False
    compacts_first = order > COSTLY or (order > 0 and mt != MOVABLE)
    if not compacts_first or not flags & F_NORETRY or not flags & F_THISNODE:
        return True
    return s.rule[R_NORETRY_STOP] == 0 and order <= COSTLY


@step
def unreserve_highatomic(s: State, line: int, mt: int) -> None:
    """Give one pageblock of the high-order atomic reserve to `mt`, if the zone has more than one (as reclaim does)."""
    for k in range(s.zonelist.shape[1]):
        z = i64(s.zonelist[line, k])
        if z < 0:
            return
        if s.zone[u64(z), Z_RESERVED_HA] <= PB_PAGES:
            continue
        for order in range(NR_ORDERS):
            head = free_list(s, z, order, HIGHATOMIC)
            if list_empty(s, head):
                continue
            i = i64(s.nxt[u64(head)])
            if order < PB_ORDER:
                start = i & ~(PB_PAGES - 1)
                moved = move_block(s, z, start, start, mt)
                set_block_types(s, start, PB_ORDER, mt)
                size = PB_PAGES
            else:
                list_del(s, i)
                list_add_tail(s, free_list(s, z, order, mt), i)
                set_block_types(s, i, order, mt)
                moved = 1 << order
                size = 1 << order
            account(s, z, -moved, HIGHATOMIC)
            account(s, z, moved, mt)
            s.zone[u64(z), Z_RESERVED_HA] -= min(size, s.zone[u64(z), Z_RESERVED_HA])
            return


@step
def slow_path(s: State, line: int, order: int, mt: int, flags: int) -> int:
    """What the model has of __alloc_pages_slowpath: the min watermark, then a drain of all per-CPU lists."""
    avoid = i64(s.rule[R_DEFRAG] != 0)
    if s.rule[R_WMARK]:
        i = search_zones(s, line, order, mt, flags, avoid, i64(Z_MIN), i64(0))
        if i >= 0:
            return i
    if reaches_reclaim(s, order, mt, flags):
        unreserve_highatomic(s, line, mt)
        drain_all(s)
        return search_zones(s, line, order, mt, flags, avoid, i64(Z_MIN), i64(0))
    return -1


@hot
def prepare(s: State, i: int, order: int, flags: int) -> None:
    """Mark a block as allocated: one reference on its first page, none on the others, owner from the context."""
    mark = ALLOCATED | order
    if flags & F_COMP and order > 0:
        mark |= COMPOUND
    if flags & F_LRU:
        mark |= ON_LRU
    s.page[u64(i)] = mark
    s.nxt[u64(i)] = -1
    s.prv[u64(i)] = s.ctx[C_BO]


@hot
def alloc_block(s: State, line: int, order: int, mt: int, flags: int) -> int:
    """One block for a request; -1 if it fails. `line` is the row of the zonelist: node * 4 + highest zone."""
    first = i64(s.zonelist[u64(line), 0])
    own = mt if s.rule[R_MT] else 0
    i = -1
    if first >= 0:
        avoid = avoids_fragmentation(s, line)
        direct = i64(s.rule[R_WMARK] == 0)
        if direct:
            i = rmqueue_zone(s, first, s.ctx[C_CPU], order, own, avoid)
        if i < 0:
            i = search_zones(s, line, order, own, flags, avoid, i64(Z_LOW), direct)
        if i < 0:
            i = slow_path(s, line, order, own, flags)
    if i < 0:
        s.ctx[C_FAILED] += 1
        if s.rule[R_LOG]:
            log_event(s, i64(OP_FAIL), i64(-1), order, mt, i64(-1))
        return -1
    prepare(s, i, order, flags)
    if s.rule[R_LOG]:
        log_event(s, i64(OP_ALLOC), i, order, mt, i64(s.block[u64(i >> PB_ORDER)]) >> ZONE_SHIFT)
    return i


@hot
def free_block(s: State, i: int, order: int) -> None:
    """Free a block whose last reference is gone: to the per-CPU list of its pageblock's type, or to the buddy lists."""
    entry = i64(s.block[u64(i >> PB_ORDER)])
    z = entry >> ZONE_SHIFT
    mt = entry & MT_MASK
    if s.rule[R_LOG]:
        log_event(s, i64(OP_FREE), i, order, mt, z)
    if pcp_order(s, order) and mt != ISOLATE:
        pcp_free(s, z, s.ctx[C_CPU], i, order, mt if mt < NR_PCPT else MOVABLE)
    else:
        free_to_buddy(s, i, order)


@step
def alloc_one(s: State, line: int, order: int, mt: int, flags: int) -> int:
    """`alloc_block` as a function of its own, for callers that are not inner loops."""
    return alloc_block(s, line, order, mt, flags)


@step
def free_one(s: State, i: int, order: int) -> None:
    """`free_block` as a function of its own."""
    free_block(s, i, order)


@entry
def alloc_step(s: State, line: int, order: int, mt: int, flags: int) -> int:
    """One request, to be called from Python."""
    return alloc_one(s, line, order, mt, flags)


@entry
def free_step(s: State, i: int, order: int) -> None:
    """One free, to be called from Python."""
    free_one(s, i, order)
