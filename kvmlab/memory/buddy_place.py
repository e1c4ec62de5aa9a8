"""Positions for free blocks of which only the numbers are known: any that the allocator could have left behind.

No two buddies may be free at once, or they would have been merged. So a block of order k takes an aligned area of twice
its size whose other half never becomes free as a whole. The positions are invented; the numbers are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kvmlab.memory.buddy_state import MAX_ORDER, NR_ORDERS
from kvmlab.memory.zone import ZoneError


class Room:
    """Aligned areas that are not used yet, by order; a restricted area must keep at least one page that is not free.

    Args:
        areas: (first pfn, order) of naturally aligned areas that are no buddies of each other.
    """

    def __init__(self, areas: Iterable[tuple[int, int]]) -> None:
        self._whole: list[list[int]] = [[] for _ in range(NR_ORDERS)]
        self._restricted: list[list[int]] = [[] for _ in range(NR_ORDERS)]
        for pfn, order in sorted(areas, reverse=True):
            self._whole[order].append(pfn)

    def take(self, order: int, count: int) -> list[int]:
        """First pfns of `count` free blocks of one order, lowest areas first; to be called with falling orders.

        Raises:
            ZoneError: the areas cannot hold that many.
        """
        out: list[int] = []
        while len(out) < count:
            if self._whole[order]:
                out.append(self._whole[order].pop())
                continue
            source = self._smallest_above(order)
            if source is None:
                raise ZoneError(f"there is no room for {count} free blocks of order {order}.")
            areas, size = source
            self._cut(areas.pop(), size, order, count - len(out), out)
        return out

    def _smallest_above(self, order: int) -> tuple[list[int], int] | None:
        for size in range(order + 1, NR_ORDERS):
            # A restricted area serves no other purpose, so it goes first.
            for areas in (self._restricted[size], self._whole[size]):
                if areas:
                    return areas, size
        return None

    def _cut(self, pfn: int, size: int, order: int, wanted: int, out: list[int]) -> None:
        pairs = 1 << (size - order - 1)
        if wanted >= pairs:
            out.extend(range(pfn, pfn + (1 << size), 2 << order))
            self._restricted[order].extend(range(pfn + (1 << size) - (1 << order), pfn, -(2 << order)))
            return
        # Halve until one pair is left at the bottom; the upper halves stay as they are.
        while size > order + 1:
            size -= 1
            self._restricted[size].append(pfn + (1 << size))
        out.append(pfn)
        self._restricted[order].append(pfn + (1 << order))


def place_blocks(areas: Iterable[tuple[int, int]], nr_free: Sequence[int]) -> tuple[list[int], list[int]]:
    """Positions for the free blocks of one free area.

    Args:
        areas: (first pfn, order) of naturally aligned areas, no two of them buddies.
        nr_free: free blocks by order, as /proc/buddyinfo prints them.

    Returns:
        First pfns and orders, by falling order and then in the order in which they were placed.

    Raises:
        ZoneError: the areas cannot hold the blocks.

    >>> place_blocks([(1024, 10)], (1, 0, 1))
    ([1024, 1028], [2, 0])
    """
    room = Room(areas)
    pfns: list[int] = []
    orders: list[int] = []
    for order in range(MAX_ORDER, -1, -1):
        wanted = nr_free[order] if order < len(nr_free) else 0
        if wanted:
            found = room.take(order, wanted)
            pfns += found
            orders += [order] * wanted
    return pfns, orders
