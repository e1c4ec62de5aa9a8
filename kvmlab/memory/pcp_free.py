"""Freeing to per-CPU page lists: at the head, and from the tail to the buddy lists once there is too much.

Source: nr_pcp_high, nr_pcp_free, free_unref_page_commit and free_pcppages_bulk of mm/page_alloc.c, read in 6.1.192,
6.12.117 and 7.3.4 (there free_frozen_page_commit); the drain of 5.15 is from memory.
"""

from __future__ import annotations

from kvmlab.kernel.events import Op
from kvmlab.memory.buddy_core import free_one_block, log_event
from kvmlab.memory.buddy_engine import entry, hot, i64, step, u64
from kvmlab.memory.buddy_lists import list_add, list_del, list_empty, pcp_list
from kvmlab.memory.buddy_state import (
    C_CPU,
    C_DRAIN_ALL,
    C_DRAINED,
    COSTLY,
    INNER,
    MT_MASK,
    NR_PCPT,
    P_ALLOC_FACTOR,
    P_BATCH,
    P_COUNT,
    P_FREE_COUNT,
    P_HIGH,
    P_HIGH_BATCH,
    P_HIGH_MAX,
    P_HIGH_MIN,
    P_PREV_HIGH,
    PB_ORDER,
    PCP,
    PCP_LISTS,
    R_CPUS,
    R_LOG,
    R_PCP_FREE,
    R_REFILL,
    R_TYPE_AT_DRAIN,
    R_WMARK,
    R_ZONES,
    Z_BELOW_HIGH,
    Z_FREE,
    Z_HIGH,
    Z_HIGHATOMIC,
    State,
)
from kvmlab.memory.pcp_lists import SCALE_MAX, clamp, pcp_index, pcp_row

OP_DRAIN = int(Op.PCP_DRAIN)
FREE_515, FREE_FACTOR, FREE_COUNT, FREE_BATCHED = 0, 1, 2, 3


@hot
def drain_one(s: State, z: int, row: int, head: int) -> int:
    """Free the last block of a per-CPU list to the buddy lists; returns its pages."""
    i = i64(s.prv[u64(head)])
    mark = i64(s.page[u64(i)])
    order = mark & 15
    block_mt = i64(s.block[u64(i >> PB_ORDER)]) & MT_MASK
    mt = block_mt
    if not s.rule[R_TYPE_AT_DRAIN] and block_mt < NR_PCPT:
        mt = mark >> 5 & 3
    list_del(s, i)
    s.page[u64(i)] = INNER
    s.pcp[u64(row), P_COUNT] -= 1 << order
    free_one_block(s, z, i, order, mt)
    s.ctx[C_DRAINED] += 1 << order
    if s.rule[R_LOG]:
        log_event(s, i64(OP_DRAIN), i, order, mt, z)
    return 1 << order


@step
def drain_pages(s: State, z: int, cpu: int, count: int, pindex: int) -> None:
    """Free about `count` pages of a page set, from the tails of its lists, beginning with list `pindex`."""
    row = pcp_row(s, z, cpu)
    count = min(count, s.pcp[u64(row), P_COUNT])
    if s.rule[R_PCP_FREE] == FREE_515:
        drain_pages_515(s, z, cpu, count)
        return
    current = pindex - 1
    while count > 0:
        current += 1
        if current >= PCP_LISTS:
            current = 0
        head = pcp_list(s, z, cpu, current)
        while count > 0 and not list_empty(s, head):
            count -= drain_one(s, z, row, head)


@step
def drain_pages_515(s: State, z: int, cpu: int, count: int) -> None:
    """The drain before 5.18: round-robin over the lists, one block more from each on every further step."""
    row = pcp_row(s, z, cpu)
    current = 0
    run = 0
    while count > 0:
        run += 1
        current = 0 if current + 1 >= PCP_LISTS else current + 1
        head = pcp_list(s, z, cpu, current)
        if list_empty(s, head):
            continue
        left = count if run >= PCP_LISTS else run
        while count > 0 and left > 0 and not list_empty(s, head):
            count -= drain_one(s, z, row, head)
            left -= 1
        run = left


@step
def free_target(s: State, z: int, row: int, free_high: bool) -> int:
    """The page count from which a free drains the page set (nr_pcp_high)."""
    if not s.rule[R_REFILL]:
        return 0 if free_high else i64(s.pcp[u64(row), P_HIGH])
    batch = s.pcp[u64(row), P_BATCH]
    low = s.pcp[u64(row), P_HIGH_MIN]
    top = s.pcp[u64(row), P_HIGH_MAX]
    high = clamp(s.pcp[u64(row), P_HIGH], low, top)
    s.pcp[u64(row), P_HIGH] = high
    if high == 0:
        return 0
    if free_high:
        s.pcp[u64(row), P_HIGH] = max(high - (batch << SCALE_MAX), low)
        return 0
    if low == top:
        return high
    if s.zone[u64(z), Z_BELOW_HIGH]:
        s.pcp[u64(row), P_HIGH] = max(high - max(s.pcp[u64(row), P_FREE_COUNT], batch), low)
        return i64(max(s.pcp[u64(row), P_COUNT], low))
    if s.pcp[u64(row), P_COUNT] >= high:
        need = s.pcp[u64(row), P_FREE_COUNT] + batch
        if high < need:
            s.pcp[u64(row), P_HIGH] = clamp(need, low, top)
    return high


@hot
def drain_size(s: State, row: int, high: int, free_high: bool) -> int:
    """How many pages a free that found the page set full gives back (nr_pcp_free)."""
    batch = s.pcp[u64(row), P_BATCH]
    if free_high:
        return i64(
            s.pcp[u64(row), P_COUNT] if not s.rule[R_REFILL] else min(s.pcp[u64(row), P_COUNT], batch << SCALE_MAX)
        )
    if high < batch:
        return 1
    most = high - batch
    if s.rule[R_REFILL]:
        return clamp(s.pcp[u64(row), P_FREE_COUNT], batch, most)
    size = batch << s.pcp[u64(row), P_FREE_COUNT]
    if size < most and s.pcp[u64(row), P_FREE_COUNT] < SCALE_MAX:
        s.pcp[u64(row), P_FREE_COUNT] += 1
    return clamp(size, batch, most)


@hot
def heavy_high_order_free(s: State, row: int, order: int) -> bool:
    """Whether many blocks of orders 1 to 3 are being freed without allocations between them (free_high)."""
    if order == 0 or order > COSTLY:
        s.pcp[u64(row), P_PREV_HIGH] = 0
        return False
    batch = s.pcp[u64(row), P_BATCH]
    style = s.rule[R_PCP_FREE]
    if style <= FREE_FACTOR:
        return bool(style == FREE_FACTOR and s.pcp[u64(row), P_FREE_COUNT] > 0)
    enough = batch + s.pcp[u64(row), P_HIGH_MIN] // 2 if style == FREE_BATCHED else batch
    heavy = (
        s.pcp[u64(row), P_FREE_COUNT] >= enough
        and s.pcp[u64(row), P_PREV_HIGH] != 0
        and (s.pcp[u64(row), P_HIGH_BATCH] == 0 or s.pcp[u64(row), P_COUNT] >= batch)
    )
    s.pcp[u64(row), P_PREV_HIGH] = 1
    return bool(heavy)


@hot
def pcp_free(s: State, z: int, cpu: int, i: int, order: int, mt: int) -> None:
    """Free a block to a per-CPU list, which is drained if it has become too long."""
    row = pcp_row(s, z, cpu)
    pindex = pcp_index(s, order, mt)
    s.pcp[u64(row), P_ALLOC_FACTOR] >>= 1
    list_add(s, pcp_list(s, z, cpu, pindex), i)
    s.page[u64(i)] = PCP | order | (mt << 5)
    s.pcp[u64(row), P_COUNT] += 1 << order
    free_high = heavy_high_order_free(s, row, order)
    if s.rule[R_REFILL] and s.pcp[u64(row), P_FREE_COUNT] < s.pcp[u64(row), P_BATCH] << SCALE_MAX:
        s.pcp[u64(row), P_FREE_COUNT] += 1 << order
    high = free_target(s, z, row, free_high)
    if s.pcp[u64(row), P_COUNT] >= high:
        drain_full(s, z, cpu, pindex, high, free_high)


@step
def drain_full(s: State, z: int, cpu: int, pindex: int, high: int, free_high: bool) -> None:
    """Drain a page set that a free found full, and see whether the zone is above its high watermark again."""
    row = pcp_row(s, z, cpu)
    size = drain_size(s, row, high, free_high)
    if s.rule[R_PCP_FREE] == FREE_BATCHED:
        batch = s.pcp[u64(row), P_BATCH]
        while size > 0 and s.pcp[u64(row), P_COUNT] > 0:
            drain_pages(s, z, cpu, min(size, batch), pindex)
            size -= min(size, batch)
    else:
        drain_pages(s, z, cpu, size, pindex)
    if (
        s.rule[R_WMARK]
        and s.zone[u64(z), Z_BELOW_HIGH]
        and s.zone[u64(z), Z_FREE] - s.zone[u64(z), Z_HIGHATOMIC] > s.zone[u64(z), Z_HIGH]
    ):
        s.zone[u64(z), Z_BELOW_HIGH] = 0


@entry
def drain_all(s: State) -> None:
    """Give every per-CPU page of every zone back to the buddy lists (drain_all_pages)."""
    stamped = s.ctx[C_CPU]
    for cpu in range(s.rule[R_CPUS]):
        for z in range(s.rule[R_ZONES]):
            row = pcp_row(s, z, cpu)
            s.ctx[C_CPU] = cpu
            while s.pcp[u64(row), P_COUNT] > 0:
                drain_pages(
                    s, z, cpu, min(s.pcp[u64(row), P_COUNT], max(s.pcp[u64(row), P_BATCH], 1) << SCALE_MAX), i64(0)
                )
    s.ctx[C_CPU] = stamped
    s.ctx[C_DRAIN_ALL] += 1
