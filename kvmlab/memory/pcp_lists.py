"""Per-CPU page lists: which orders have them, refill in batches, allocation from the head.

Source: rmqueue_bulk and nr_pcp_alloc of mm/page_alloc.c, read in 6.1.192, 6.12.117 and 7.3.4.
"""

from __future__ import annotations

from kvmlab.kernel.events import Op
from kvmlab.memory.buddy_core import log_event
from kvmlab.memory.buddy_engine import hot, i64, step, u64
from kvmlab.memory.buddy_fallback import MODE_NORMAL, rmqueue
from kvmlab.memory.buddy_lists import list_add_tail, list_del, list_empty, pcp_list
from kvmlab.memory.buddy_state import (
    C_MODE,
    C_REFILLS,
    COSTLY,
    INNER,
    NR_PCPT,
    P_ALLOC_FACTOR,
    P_BATCH,
    P_COUNT,
    P_FREE_COUNT,
    P_HIGH,
    P_HIGH_MAX,
    P_HIGH_MIN,
    PB_ORDER,
    PCP,
    R_CPUS,
    R_LOG,
    R_PCP,
    R_REFILL,
    R_THP,
    THP_LIST,
    Z_BELOW_HIGH,
    State,
)

SCALE_MAX = 5  # CONFIG_PCP_BATCH_SCALE_MAX
OP_REFILL = int(Op.PCP_REFILL)


@hot
def pcp_order(s: State, order: int) -> bool:
    """Whether blocks of this order go through the per-CPU lists: 0 to 3, and 9 with transparent huge pages."""
    return bool(s.rule[R_PCP] != 0) and (order <= COSTLY or (order == PB_ORDER and bool(s.rule[R_THP] != 0)))


@hot
def pcp_index(s: State, order: int, mt: int) -> int:
    """Number of the per-CPU list of an order and a type; order 9 has one, two or three lists, by release."""
    if order <= COSTLY:
        return NR_PCPT * order + mt
    lists = s.rule[R_THP]
    if lists == 3:
        return THP_LIST + mt
    return THP_LIST + 1 if lists == 2 and mt == 1 else THP_LIST


@hot
def pcp_row(s: State, z: int, cpu: int) -> int:
    """Row of a per-CPU page set."""
    return i64(z * s.rule[R_CPUS] + cpu)


@hot
def clamp(value: int, low: int, high: int) -> int:
    """`value` within low..high; `high` wins where they cross, as min(max()) does."""
    return min(max(value, low), high)


@hot
def refill_blocks(s: State, z: int, row: int, order: int) -> int:
    """How many blocks an empty list asks for at once (nr_pcp_alloc); from 6.7 on this also tunes the list's size."""
    base = s.pcp[u64(row), P_BATCH]
    batch = base
    if s.rule[R_REFILL]:
        high = clamp(s.pcp[u64(row), P_HIGH], s.pcp[u64(row), P_HIGH_MIN], s.pcp[u64(row), P_HIGH_MAX])
        s.pcp[u64(row), P_HIGH] = high
        if high < base:
            return 1
        if order == 0:
            batch = base << s.pcp[u64(row), P_ALLOC_FACTOR]
        if s.pcp[u64(row), P_HIGH_MIN] != s.pcp[u64(row), P_HIGH_MAX] and not s.zone[u64(z), Z_BELOW_HIGH]:
            high = min(high + batch, s.pcp[u64(row), P_HIGH_MAX])
            s.pcp[u64(row), P_HIGH] = high
        if order == 0:
            most = max(high - s.pcp[u64(row), P_COUNT] - base, base)
            if batch <= most and s.pcp[u64(row), P_ALLOC_FACTOR] < SCALE_MAX:
                s.pcp[u64(row), P_ALLOC_FACTOR] += 1
            batch = min(batch, most)
    if batch > 1:
        batch = max(batch >> order, 2)
    return i64(batch)


@step
def refill(s: State, z: int, cpu: int, order: int, mt: int, nofragment: int) -> int:
    """Fill an empty per-CPU list from the buddy lists, in ascending order of arrival; returns the blocks it got."""
    row = pcp_row(s, z, cpu)
    head = pcp_list(s, z, cpu, pcp_index(s, order, mt))
    wanted = refill_blocks(s, z, row, order)
    got = 0
    s.ctx[C_MODE] = MODE_NORMAL
    for _ in range(wanted):
        i = rmqueue(s, z, order, mt, nofragment)
        if i < 0:
            break
        list_add_tail(s, head, i)
        s.page[u64(i)] = PCP | order | (mt << 5)
        got += 1
        if s.rule[R_LOG]:
            log_event(s, i64(OP_REFILL), i, order, mt, z)
    s.ctx[C_MODE] = MODE_NORMAL
    s.ctx[C_REFILLS] += 1
    s.pcp[u64(row), P_COUNT] += got << order
    return got


@hot
def pcp_alloc(s: State, z: int, cpu: int, order: int, mt: int, nofragment: int) -> int:
    """Take the first block of a per-CPU list, refilled if it is empty; -1 if nothing can be had."""
    row = pcp_row(s, z, cpu)
    s.pcp[u64(row), P_FREE_COUNT] >>= 1
    head = pcp_list(s, z, cpu, pcp_index(s, order, mt))
    if list_empty(s, head) and refill(s, z, cpu, order, mt, nofragment) == 0:
        return -1
    i = i64(s.nxt[u64(head)])
    list_del(s, i)
    s.pcp[u64(row), P_COUNT] -= 1 << order
    s.page[u64(i)] = INNER
    return i
