"""Filling the free lists at once: memory as the boot code hands it over, or any given set of free blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kvmlab.memory.buddy_state import (
    INNER,
    MAX_ORDER,
    NR_MT,
    NR_ORDERS,
    PB_ORDER,
    Z_FREE,
    Z_HIGHATOMIC,
    ZONE_SHIFT,
    State,
)
from kvmlab.memory.migratetype import Migratetype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ZONE_MASK = 0xF8


def blocks_of_range(start: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The blocks in which the boot code frees a range: the largest naturally aligned ones, ascending.

    Args:
        start: first pfn.
        end: pfn behind the last.

    Returns:
        The blocks' first pfns and their orders.

    Source: __free_memory_core of mm/memblock.c, 6.12.117.

    >>> [int(p) for p in blocks_of_range(1, 0x9f)[0]][:5]
    [1, 2, 4, 8, 16]
    """
    import numpy as np

    heads: list[NDArray[np.int64]] = []
    orders: list[NDArray[np.int64]] = []

    def add(first: int, count: int, order: int) -> None:
        heads.append(first + (np.arange(count, dtype=np.int64) << order))
        orders.append(np.full(count, order, dtype=np.int64))

    while start < end:
        order = min(MAX_ORDER, (start & -start).bit_length() - 1 if start else MAX_ORDER)
        order = min(order, (end - start).bit_length() - 1)
        count = (end - start) >> MAX_ORDER if order == MAX_ORDER else 1
        add(start, count, order)
        start += count << order
    return np.concatenate(heads), np.concatenate(orders)


def seed_lists(s: State, index: NDArray[np.int64], order: NDArray[Any], mt: NDArray[Any]) -> None:
    """Link free blocks behind each other, each list in the order of the arguments.

    Args:
        s: a state whose lists are empty and whose `block` bytes hold the zones.
        index: first page of each block.
        order: its order.
        mt: the list that it stands on.
    """
    import numpy as np

    zone = s.block[index >> PB_ORDER].astype(np.int64) >> ZONE_SHIFT
    head = s.page.shape[0] + (zone * NR_ORDERS + order) * NR_MT + mt
    ranked = np.argsort(head, kind="stable")
    chain, heads = index[ranked], head[ranked]
    first = np.ones(len(chain), dtype=bool)
    first[1:] = heads[1:] != heads[:-1]
    last = np.ones(len(chain), dtype=bool)
    last[:-1] = first[1:]
    s.nxt[chain[:-1]] = chain[1:]
    s.prv[chain[1:]] = chain[:-1]
    s.prv[chain[first]] = heads[first]
    s.nxt[heads[first]] = chain[first]
    s.nxt[chain[last]] = heads[last]
    s.prv[heads[last]] = chain[last]
    s.page[index] = order
    np.add.at(s.free, (zone, order), 1)
    # NR_FREE_PAGES does not count isolated pages.
    pages = np.int64(1) << order.astype(np.int64)
    counted = mt != Migratetype.ISOLATE
    np.add.at(s.zone[:, Z_FREE], zone[counted], pages[counted])
    reserved = mt == Migratetype.HIGHATOMIC
    np.add.at(s.zone[:, Z_HIGHATOMIC], zone[reserved], pages[reserved])


def mark_inner(s: State, index: NDArray[np.int64], order: NDArray[np.int64]) -> None:
    """Mark every page of some blocks as the inside of a block.

    Args:
        s: the state.
        index: first page of each block.
        order: its order.
    """
    import numpy as np

    for size in np.unique(order).tolist():
        heads, pages = index[order == size], np.arange(1 << size)
        step = max(1, (1 << 20) >> size)
        for first in range(0, len(heads), step):
            s.page[heads[first : first + step, None] + pages] = INNER


def set_types(s: State, blocks: NDArray[np.int64] | slice, mt: NDArray[Any] | int) -> None:
    """Give pageblocks a migratetype and leave their zone as it is."""
    s.block[blocks] = (s.block[blocks] & ZONE_MASK) | mt
