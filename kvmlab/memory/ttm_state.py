"""The state of TTM's page pools beside the page allocator's: counters, limits, rules, and the numbering of pool types.

A pool type is one list of blocks for a caching mode and an order. The lists themselves are heads behind those of the
page allocator (`buddy_state`), linked through the pages as the kernel links page->lru.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from kvmlab.memory.buddy_state import NR_ORDERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Caching(IntEnum):
    """Caching mode of a buffer (enum ttm_caching)."""

    UNCACHED = 0
    WRITE_COMBINED = 1
    CACHED = 2


UNCACHED, WRITE_COMBINED, CACHED = 0, 1, 2
GLOBAL_TYPES = 4 * NR_ORDERS
DEVICE_TYPES = 3 * NR_ORDERS

# A block that a buffer got from a pool carries this bit beside the buffer's number.
FROM_POOL = 1 << 30

# Positions of `rule`.
T_HEADS, T_NODES, T_TYPES, T_LOOP, T_FIFO, T_NODE_LISTS, T_NODE_LIMIT, T_SHRINK_N, T_NID_POOLS, T_X86 = range(10)
T_ROTATE, T_SET_CACHING_CALLS, T_SET_CACHING_PAGES, T_POOL_HITS, T_SYS_BLOCKS, T_SHRUNK = range(10, 16)
TTM_RULES = 16
LOOP_A, LOOP_B, LOOP_C = 0, 1, 2

# Columns of `device`.
D_DMA_ALLOC, D_DMA32, D_NID, D_LINE = 0, 1, 2, 3
DEVICE_FIELDS = 4


class TtmState(NamedTuple):
    """What the TTM step functions read and change beside the page allocator's state.

    Args:
        rule: switches of the release, the shrinker's place and counters, int64.
        pooled: pages in the pools of each node (index 0 for all, where there is one counter), int64.
        limit: where freeing starts to shrink the pools, as `pooled`, int64.
        device: one row for each device pool, int64.
        queue: pool types in the order in which the shrinker visits them, int64.
        gfp: allocation mask by order of each device pool, int64 [device, order].
        flags: request flags of `zone_alloc` for these masks, int64 [device, order].
    """

    rule: NDArray[np.int64]
    pooled: NDArray[np.int64]
    limit: NDArray[np.int64]
    device: NDArray[np.int64]
    queue: NDArray[np.int64]
    gfp: NDArray[np.int64]
    flags: NDArray[np.int64]


def global_type(caching: int, dma32: bool, order: int) -> int:
    """Number of a global pool type: four of each order, in the order in which they are registered.

    >>> global_type(Caching.WRITE_COMBINED, False, 9)
    36
    """
    return 4 * order + 2 * dma32 + (caching == UNCACHED)


def device_type(device: int, caching: int, order: int) -> int:
    """Number of a pool type of a device's own pool.

    >>> device_type(0, Caching.CACHED, 0)
    66
    """
    return GLOBAL_TYPES + device * DEVICE_TYPES + caching * NR_ORDERS + order
