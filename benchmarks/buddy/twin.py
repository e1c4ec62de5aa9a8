"""The plain-Python twin of the benchmark: ordered dicts as free lists, the last item is taken first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

MAX_ORDER = 10


class Twin:
    """One zone without migratetypes and per-CPU lists, all of it free.

    Args:
        pages: its size, a multiple of 1024.
    """

    def __init__(self, pages: int) -> None:
        self.free: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(MAX_ORDER + 1)]
        self.order = bytearray(b"\xff") * pages
        for i in range(pages - 1024, -1, -1024):
            self.free[MAX_ORDER][i] = None
            self.order[i] = MAX_ORDER

    def get(self, order: int) -> int:
        """First page of a block, -1 if there is none."""
        free, marks = self.free, self.order
        for current in range(order, MAX_ORDER + 1):
            if free[current]:
                i, _ = free[current].popitem()
                marks[i] = 255
                while current > order:
                    current -= 1
                    upper = i + (1 << current)
                    free[current][upper] = None
                    marks[upper] = current
                return i
        return -1

    def put(self, i: int, order: int) -> None:
        """Free a block: merge, then the end that is taken first, or the other if a merge is likely."""
        free, marks = self.free, self.order
        while order < MAX_ORDER:
            buddy = i ^ (1 << order)
            if buddy >= len(marks) or marks[buddy] != order:
                break
            del free[order][buddy]
            marks[buddy] = 255
            i &= buddy
            order += 1
        free[order][i] = None
        marks[i] = order
        if order < MAX_ORDER - 1:
            other = (i & ~(1 << order)) ^ (2 << order)
            if other < len(marks) and marks[other] == order + 1:
                free[order].move_to_end(i, last=False)

    def churn(self, orders: Sequence[int], picks: Sequence[int], cap: int) -> int:
        """The benchmark's workload; returns the pages that are live in the end."""
        live: list[tuple[int, int]] = []
        used = 0
        for order, pick in zip(orders, picks, strict=True):
            if used < cap and (pick & 3 or not live):
                i = self.get(order)
                if i >= 0:
                    live.append((i, order))
                    used += 1 << order
            else:
                j = pick % len(live)
                i, order = live[j]
                live[j] = live[-1]
                live.pop()
                self.put(i, order)
                used -= 1 << order
        return used

    def nr_free(self) -> list[int]:
        """Free blocks by order."""
        return [len(found) for found in self.free]
