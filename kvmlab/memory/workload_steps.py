"""Long rows of requests in one call: for ageing a machine, for workloads and for measuring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvmlab.memory.buddy_engine import entry, i64, u64
from kvmlab.memory.buddy_state import C_BO, C_CPU, Z_FREE, State
from kvmlab.memory.ttm_state import TtmState
from kvmlab.memory.ttm_steps import ttm_alloc, ttm_free
from kvmlab.memory.zone_alloc import alloc_block, alloc_one, free_block, free_one

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@entry
def alloc_many(
    s: State,
    line: int,
    order: NDArray[np.int64],
    mt: NDArray[np.int64],
    flags: NDArray[np.int64],
    spare: int,
    out: NDArray[np.int64],
) -> int:
    """Allocate blocks one after the other; returns how many, fewer if one fails or only `spare` pages are left free.

    `out` gets the index of each block.
    """
    s.ctx[C_BO] = -1
    for k in range(order.shape[0]):
        free = 0
        for z in range(s.zone.shape[0]):
            free += s.zone[z, Z_FREE]
        if free < spare:
            return k
        i = alloc_one(s, line, i64(order[k]), i64(mt[k]), i64(flags[k]))
        if i < 0:
            return k
        out[k] = i
    return i64(order.shape[0])


@entry
def free_many(s: State, index: NDArray[np.int64], order: NDArray[np.int64], cpu: int) -> None:
    """Free blocks one after the other."""
    s.ctx[C_CPU] = cpu
    s.ctx[C_BO] = -1
    for k in range(index.shape[0]):
        free_one(s, i64(index[k]), i64(order[k]))


@entry
def churn(
    s: State,
    line: int,
    mt: int,
    flags: int,
    order: NDArray[np.int64],
    pick: NDArray[np.int64],
    cap: int,
    live: NDArray[np.int32],
    live_order: NDArray[np.uint8],
) -> int:
    """Random requests and frees: a request while less than `cap` pages are live and `pick` & 3, else a random free.

    Returns:
        Pages that are live in the end; `live` and `live_order` hold the blocks.
    """
    s.ctx[C_BO] = -1
    held = 0
    used = 0
    for k in range(order.shape[0]):
        if used < cap and (pick[k] & 3 or held == 0):
            o = i64(order[k])
            i = alloc_block(s, line, o, mt, flags)
            if i >= 0:
                live[u64(held)] = i
                live_order[u64(held)] = o
                held += 1
                used += 1 << o
        else:
            j = pick[k] % held
            i = i64(live[u64(j)])
            o = i64(live_order[u64(j)])
            held -= 1
            live[u64(j)] = live[u64(held)]
            live_order[u64(j)] = live_order[u64(held)]
            free_block(s, i, o)
            used -= 1 << o
    return used


@entry
def ttm_cycle(
    s: State, t: TtmState, pages: NDArray[np.int64], caching: NDArray[np.int64], first: NDArray[np.int64], cpu: int
) -> int:
    """Fill a row of buffers and give them all back in the same order; returns the pages that were filled."""
    filled = 0
    for k in range(pages.shape[0]):
        first[k] = ttm_alloc(s, t, i64(0), i64(pages[k]), i64(caching[k]), k, cpu)
        if first[k] >= 0:
            filled += pages[k]
    for k in range(pages.shape[0]):
        if first[k] >= 0:
            ttm_free(s, t, i64(0), i64(first[k]), i64(caching[k]), k, cpu)
    return filled
