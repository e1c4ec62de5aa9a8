"""TTM's debugfs files as the kernel prints them, byte for byte: page_pool, a device's ttm_page_pool, page_pool_shrink.

Source: the debugfs functions of drivers/gpu/drm/ttm/ttm_pool.c, read in 6.1.192, 6.12.117 and 7.3.4.
"""

from __future__ import annotations

from kvmlab.memory import buddy_state as at
from kvmlab.memory import ttm_state as tt
from kvmlab.memory.ttm import TtmPool
from kvmlab.memory.ttm_state import Caching

# The shrinker's sentinel values as an unsigned long.
SHRINK_STOP = (1 << 64) - 1
SHRINK_EMPTY = (1 << 64) - 2

_ROWS = (
    ("wc\t:", Caching.WRITE_COMBINED, False),
    ("uc\t:", Caching.UNCACHED, False),
    ("wc 32\t:", Caching.WRITE_COMBINED, True),
    ("uc 32\t:", Caching.UNCACHED, True),
)


def _header() -> str:
    return "\t " + "".join(f" ---{order:2d}---" for order in range(at.NR_ORDERS)) + "\n"


def _row(label: str, counts: list[int]) -> str:
    return label + "".join(f" {n:8d}" for n in counts) + "\n"


def _footer(pool: TtmPool) -> str:
    t = pool.state
    if pool.features["footer"] == "node":
        return "".join(
            f"\ntotal node{nid}\t: {int(t.pooled[nid]):8d} of {int(t.limit[nid]):8d}\n"
            for nid in range(pool.buddy.nodes)
        )
    return f"\ntotal\t: {int(t.pooled[0]):8d} of {int(t.limit[0]):8d}\n"


def page_pool(pool: TtmPool) -> str:
    """/sys/kernel/debug/ttm/page_pool: blocks in the shared pools by order, pages in all pools and their limit.

    Args:
        pool: the pools.
    """
    rows = [
        _row(label, [pool.count(caching, order, dma32=dma32) for order in range(at.NR_ORDERS)])
        for label, caching, dma32 in _ROWS
    ]
    return _header() + "".join(rows) + _footer(pool)


def device_page_pool(pool: TtmPool, device: int = 0) -> str:
    """/sys/kernel/debug/dri/N/ttm_page_pool: the pools of one device, or `unused` if it has none for DMA.

    Args:
        pool: the pools.
        device: number of the device.
    """
    if not pool.devices[device].dma_alloc:
        return "unused\n"
    labels = {Caching.UNCACHED: "DMA uc\t:", Caching.WRITE_COMBINED: "DMA wc\t:", Caching.CACHED: "DMA \t:"}
    rows = [
        _row(labels[caching], [pool.count(caching, order, device=device) for order in range(at.NR_ORDERS)])
        for caching in Caching
    ]
    return _header() + "".join(rows) + _footer(pool)


def read_page_pool_shrink(pool: TtmPool) -> str:
    """/sys/kernel/debug/ttm/page_pool_shrink. Reading it shrinks the pools: this changes `pool`.

    Until 7.1 the two numbers are arguments of one call, and the compiler of the recorded kernel evaluated the scan
    first: the count is what is left.

    Args:
        pool: the pools.
    """
    batch = int(pool.features["shrink_batch"])
    if pool.features["shrink_text"] == "sentinel":
        freed = pool.shrink(batch)
        left = pool.pooled_pages
        return f"{left or SHRINK_EMPTY}/{freed or SHRINK_STOP}\n"
    lines = []
    for nid in range(pool.buddy.nodes):
        count = int(pool.state.pooled[nid if pool.state.rule[tt.T_NODE_LIMIT] else 0])
        lines.append(f"{nid}: {count}/{pool.shrink(batch, nid=nid)}\n")
    return "".join(lines)
