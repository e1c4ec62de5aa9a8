"""The arrays that the page allocator's state consists of, and what each position in them means.

An index is a pfn minus the base of the state, which is a multiple of 1024: buddies keep their alignment. As in
struct page, one pair of links serves whatever list a block is on: free list, per-CPU list, TTM pool, or a buffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_ORDER = 10
NR_ORDERS = 11
PB_ORDER = 9
PB_PAGES = 512
COSTLY = 3
NR_MT = 6
NR_PCPT = 3
FRAME = 1024
NR_KINDS = 4

# A byte for each page (`page`). A free block's head holds its order; every other value is one of these.
PCP = 0x10  # | order | migratetype << 5: head of a block on a per-CPU list
ALLOCATED = 0x80  # | order: head of an allocated block
COMPOUND = 0x10  # of an allocated block: allocated with __GFP_COMP
ON_LRU = 0x20  # of an allocated block: movable, counted as such when a pageblock is claimed
POOLED = 0x40  # of an allocated block: in a TTM pool
ORDER = 0x0F
INNER = 0xFF  # neither a head nor a hole
ABSENT = 0xFE  # a hole, or memory that the allocator never got

# A byte for each pageblock (`block`): migratetype | zone << 3.
MT_MASK = 7
ZONE_SHIFT = 3

# Columns of `zone`.
Z_START, Z_END, Z_NID, Z_KIND, Z_MANAGED, Z_FREE, Z_HIGHATOMIC, Z_RESERVED_HA = 0, 1, 2, 3, 4, 5, 6, 7
Z_MIN, Z_LOW, Z_HIGH, Z_BELOW_HIGH, Z_RESERVE = 8, 9, 10, 11, 12  # Z_RESERVE + kind: lowmem_reserve
ZONE_FIELDS = 16

# Columns of `pcp`.
P_COUNT, P_BATCH, P_HIGH, P_HIGH_MIN, P_HIGH_MAX, P_ALLOC_FACTOR, P_FREE_COUNT, P_PREV_HIGH, P_HIGH_BATCH = range(9)
PCP_FIELDS = 9
PCP_LISTS = 15  # 12 of orders 0-3, and up to 3 of order 9
THP_LIST = 12

# Positions of `rule`: what does not change while the allocator runs.
R_ZONES, R_NODES, R_CPUS, R_PCP, R_MT, R_LOG, R_WMARK, R_CLAIM, R_FREE_CUT, R_REFILL, R_PCP_FREE, R_THP = range(12)
R_TYPE_AT_DRAIN, R_DRAIN, R_NORETRY_STOP, R_DEFRAG, R_BASE_PFN = range(12, 17)
RULES = 20

# Positions of `ctx`: what the next events are stamped with, the log's fill, and counters.
C_NOW, C_BO, C_GFP, C_CPU, C_POOL, C_LOG_N, C_LOST, C_MODE = range(8)
C_CLAIMS, C_STEALS, C_FAILED, C_REFILLS, C_DRAINED, C_DRAIN_ALL, C_EXTFRAG = range(8, 15)
CONTEXT = 16

# Flags of a request.
F_DIRECT, F_NORETRY, F_THISNODE, F_COMP, F_LRU = 1, 2, 4, 8, 16


class State(NamedTuple):
    """Everything that the step functions read and change.

    Args:
        nxt, prv: links, int32; the positions behind the last page are the list heads.
        page: a byte for each page, uint8.
        block: a byte for each pageblock, uint8.
        free: free blocks of a zone by order (`nr_free`), int64 [zone, order].
        zone: numbers of a zone, int64 [zone, ZONE_FIELDS].
        pcp: numbers of a per-CPU page set, int64 [zone * cpus + cpu, PCP_FIELDS].
        zonelist: zones to try, best first, -1 at the end, int32 [nid * 4 + highest zone, zones + 1].
        rule: switches of the release and the machine, int64.
        ctx: context of the next events, and counters, int64.
        log: the event log, a structured array.
    """

    nxt: NDArray[np.int32]
    prv: NDArray[np.int32]
    page: NDArray[np.uint8]
    block: NDArray[np.uint8]
    free: NDArray[np.int64]
    zone: NDArray[np.int64]
    pcp: NDArray[np.int64]
    zonelist: NDArray[np.int32]
    rule: NDArray[np.int64]
    ctx: NDArray[np.int64]
    log: NDArray[np.void]


def list_heads(zones: int, cpus: int) -> int:
    """How many list heads the allocator itself needs; those of TTM pools come behind them."""
    return zones * NR_ORDERS * NR_MT + zones * cpus * PCP_LISTS


def new_state(pages: int, zones: int, nodes: int, cpus: int, extra_lists: int, log_rows: int) -> State:
    """Arrays of the right shapes; every page absent, every list empty.

    Args:
        pages: length of the index space, a multiple of 1024.
        zones, nodes, cpus: how many there are.
        extra_lists: list heads for TTM pools.
        log_rows: capacity of the event log in rows.
    """
    import numpy as np

    heads = list_heads(zones, cpus) + extra_lists
    links = np.arange(pages, pages + heads, dtype=np.int32)
    nxt = np.zeros(pages + heads, dtype=np.int32)
    prv = np.zeros(pages + heads, dtype=np.int32)
    nxt[pages:] = links
    prv[pages:] = links
    return State(
        nxt,
        prv,
        np.full(pages, ABSENT, dtype=np.uint8),
        np.zeros(pages // PB_PAGES, dtype=np.uint8),
        np.zeros((zones, NR_ORDERS), dtype=np.int64),
        np.zeros((zones, ZONE_FIELDS), dtype=np.int64),
        np.zeros((zones * cpus, PCP_FIELDS), dtype=np.int64),
        np.full((nodes * NR_KINDS, zones + 1), -1, dtype=np.int32),
        np.zeros(RULES, dtype=np.int64),
        np.zeros(CONTEXT, dtype=np.int64),
        np.zeros(max(log_rows, 1), dtype=log_dtype()),
    )


def copy_state(s: State) -> State:
    """A copy that shares no array with the original."""
    copies: list[Any] = [a.copy() for a in s]
    return State(*copies)


def log_dtype() -> np.dtype[np.void]:
    """The packed row of the event log: the columns of `kvmlab.kernel.events.EVENT_DTYPES` without `src`."""
    import numpy as np

    from kvmlab.kernel.events import EVENT_DTYPES

    return np.dtype([(name, kind) for name, kind in EVENT_DTYPES.items() if name != "src"])
