"""What a capture says about zones and lists, as plain values: the input of `buddy_capture`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kvmlab.memory.buddy_types import Counts
from kvmlab.memory.zone import Zone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CapturedZone:
    """What a capture says about one zone; None and empty where it says nothing.

    Args:
        zone: name, node, span and ranges of memory.
        nr_free: free blocks by order (/proc/buddyinfo).
        by_type: free blocks by order of each migratetype number (/proc/pagetypeinfo).
        pageblocks: pageblocks by migratetype number (/proc/pagetypeinfo).
        pagesets: per CPU: `count`, `high`, `batch`, `high_min`, `high_max` (/proc/zoneinfo).
        watermarks: `min`, `low`, `high` in pages (/proc/zoneinfo).
    """

    zone: Zone
    nr_free: Counts = ()
    by_type: Mapping[int, Counts] = field(default_factory=dict)
    pageblocks: Mapping[int, int] = field(default_factory=dict)
    pagesets: tuple[Mapping[str, int], ...] = ()
    watermarks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CapturedList:
    """One list of free blocks in list order, first the one that is taken next.

    Args:
        zone: name of its zone.
        nid: node of its zone.
        order: order of its blocks.
        migratetype: number of its type.
        pfns: first pfns.
        cpu: the CPU whose list it is; None for a list of the buddy allocator.
    """

    zone: str
    nid: int
    order: int
    migratetype: int
    pfns: tuple[int, ...]
    cpu: int | None = None


@dataclass(slots=True)
class FreeBlocks:
    """Free blocks of one zone on their way into the lists."""

    pfn: NDArray[np.int64]
    order: NDArray[np.int64]
    types: dict[int, int]  # pageblock number to migratetype
    mt: NDArray[np.int64] | None = None  # of the list, where it was recorded
