"""The event log that captures and simulations share: one row an event, the same columns and codes for both."""

from __future__ import annotations

from enum import IntEnum


class Op(IntEnum):
    """What an event did to a block of pages (`op` of the event log)."""

    ALLOC_SYS = 0
    """A block was taken from the page allocator."""
    ALLOC_POOL = 1
    """A block was taken from a TTM pool."""
    FREE_SYS = 2
    """A block went back to the page allocator."""
    GIVE_POOL = 3
    """A block was given to a TTM pool."""
    SHRINK_FREE = 4
    """The shrinker freed a pooled block."""
    SPLIT = 5
    """A block was split into order-0 pages."""
    CLAIM = 6
    """A fallback: a block of another migratetype was taken (mm_page_alloc_extfrag)."""
    PCP_REFILL = 7
    """A block moved from the buddy lists to a per-CPU list (mm_page_alloc_zone_locked)."""
    PCP_DRAIN = 8
    """A block moved from a per-CPU list to the buddy lists (mm_page_pcpu_drain)."""
    SET_CACHING = 9
    """The caching attribute of a block changed."""
    FAIL = 10
    """An allocation of this order failed; there is no pfn."""
    KVM_FAULT_OK = 11
    """A guest fault on exactly this page was resolved."""
    KVM_FAULT_EFAULT = 12
    """A guest fault on exactly this page ended in EFAULT."""
    HEAD_PINNED_FREE = 13
    """A non-compound block was freed while somebody held its first page."""


# Column name to dtype, in order. -1 is "none" in signed columns, 0 is "none" in gfp; a row without a page has pfn 0 and
# op FAIL. `t` is nanoseconds (since boot in a capture, simulated otherwise). cpu and nid are 16 bits wide because hosts
# with more than 127 CPUs exist. `src` says where the row is from: sim, ftrace, trace-cmd, perf or page_owner.
EVENT_DTYPES: dict[str, str] = {
    "t": "int64",
    "op": "uint8",
    "pfn": "uint64",
    "order": "int8",
    "pool": "int8",
    "bo": "int32",
    "mt": "int8",
    "zone": "int8",
    "nid": "int16",
    "cpu": "int16",
    "gfp": "uint32",
    "src": "category",
}
