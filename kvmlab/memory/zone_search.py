"""Where a request looks for a block: watermarks, a zone's per-CPU and free lists, and the walk over the zonelist.

Source: get_page_from_freelist, alloc_flags_nofragment and __zone_watermark_ok of mm/page_alloc.c, read in 6.1.192,
6.12.117 and 7.3.4.
"""

from __future__ import annotations

from kvmlab.memory.buddy_engine import hot, i64, step, u64
from kvmlab.memory.buddy_fallback import MODE_NORMAL, rmqueue
from kvmlab.memory.buddy_lists import free_list, list_empty
from kvmlab.memory.buddy_state import (
    C_CPU,
    C_MODE,
    F_THISNODE,
    NR_ORDERS,
    NR_PCPT,
    R_DEFRAG,
    R_MT,
    R_NODES,
    R_WMARK,
    R_ZONES,
    Z_BELOW_HIGH,
    Z_FREE,
    Z_HIGH,
    Z_HIGHATOMIC,
    Z_KIND,
    Z_NID,
    Z_RESERVE,
    State,
)
from kvmlab.memory.pcp_lists import pcp_alloc, pcp_order

ZONE_NORMAL = 2


@hot
def watermark_ok(s: State, z: int, order: int, mark: int, kind: int) -> bool:
    """Whether a zone stays above `mark` after a request, and has a block that fits it."""
    usable = s.zone[u64(z), Z_FREE] - ((1 << order) - 1) - s.zone[u64(z), Z_HIGHATOMIC]
    if usable <= mark + s.zone[u64(z), Z_RESERVE + kind]:
        return False
    if order == 0:
        return True
    for current in range(order, NR_ORDERS):
        if s.free[u64(z), u64(current)]:
            for mt in range(NR_PCPT):
                if not list_empty(s, free_list(s, z, current, mt)):
                    return True
    return False


@hot
def zone_admits(s: State, z: int, order: int, column: int, kind: int) -> bool:
    """The watermark checks of one zone before it is tried; the high one only sets the zone's flag."""
    if not s.zone[u64(z), Z_BELOW_HIGH]:
        if watermark_ok(s, z, order, s.zone[u64(z), Z_HIGH], kind):
            return True
        s.zone[u64(z), Z_BELOW_HIGH] = 1
    return watermark_ok(s, z, order, s.zone[u64(z), column], kind)


@hot
def rmqueue_zone(s: State, z: int, cpu: int, order: int, mt: int, nofragment: int) -> int:
    """One block from one zone: its per-CPU lists first for the orders that have them."""
    if pcp_order(s, order):
        i = pcp_alloc(s, z, cpu, order, mt, nofragment)
        if i >= 0:
            return i
    s.ctx[C_MODE] = MODE_NORMAL
    i = rmqueue(s, z, order, mt, nofragment)
    s.ctx[C_MODE] = MODE_NORMAL
    return i


@step
def search_zones(
    s: State, line: int, order: int, mt: int, flags: int, nofragment: int, column: int, skip_first: int
) -> int:
    """Walk a zonelist; without a hit, once more without fragmentation avoidance. -1 if nothing was found."""
    cpu = s.ctx[C_CPU]
    kind = line & 3
    if s.zonelist[line, 0] < 0:
        return -1
    nid = s.zone[s.zonelist[line, 0], Z_NID]
    avoid = nofragment
    start = skip_first
    while True:
        for k in range(start, s.zonelist.shape[1]):
            z = i64(s.zonelist[line, k])
            if z < 0:
                break
            remote = s.zone[u64(z), Z_NID] != nid
            # Staying on this node matters more than keeping pageblocks unmixed: before a remote zone is tried, the
            # local ones are tried again with mixing allowed.
            if remote and (flags & F_THISNODE or (avoid and not s.rule[R_DEFRAG])):
                break
            if s.rule[R_WMARK] and not zone_admits(s, z, order, column, kind):
                continue
            i = rmqueue_zone(s, z, cpu, order, mt, avoid)
            if i >= 0:
                return i
        if not avoid or s.rule[R_DEFRAG]:
            return -1
        avoid = 0
        start = 0


@hot
def avoids_fragmentation(s: State, line: int) -> int:
    """Whether the first pass leaves smaller foreign blocks alone: the preferred zone is Normal."""
    if not s.rule[R_MT]:
        return 0
    if s.rule[R_DEFRAG]:
        return 1
    first = i64(s.zonelist[line, 0])
    if first < 0 or s.zone[first, Z_KIND] != ZONE_NORMAL:
        return 0
    if s.rule[R_NODES] == 1:
        return 1
    for z in range(s.rule[R_ZONES]):
        if s.zone[u64(z), Z_NID] == s.zone[first, Z_NID] and s.zone[u64(z), Z_KIND] == ZONE_NORMAL - 1:
            return 1
    return 0
