"""Independent twins of the page allocator: a bitmap that knows only which pages are free, and lists in plain Python."""

from __future__ import annotations

from collections import OrderedDict


class Bitmap:
    """Which pages are free, and nothing else; block counts follow from the rule that buddies always merge."""

    def __init__(self, base: int, pages: int) -> None:
        self.base = base
        self.free = bytearray(b"\x01" * pages)

    def take(self, pfn: int, order: int) -> None:
        i = pfn - self.base
        assert i % (1 << order) == 0
        assert self.free[i : i + (1 << order)] == b"\x01" * (1 << order), "a block was handed out that was not free"
        self.free[i : i + (1 << order)] = bytes(1 << order)

    def put(self, pfn: int, pages: int) -> None:
        i = pfn - self.base
        assert not any(self.free[i : i + pages]), "a page was freed twice"
        self.free[i : i + pages] = b"\x01" * pages

    def nr_free(self) -> tuple[int, ...]:
        counts = [0] * 11
        i = 0
        while i < len(self.free):
            for order in range(10, -1, -1):
                size = 1 << order
                if i % size == 0 and self.free[i : i + size] == b"\x01" * size:
                    counts[order] += 1
                    i += size
                    break
            else:
                i += 1
        return tuple(counts)


class Lists:
    """One zone, one migratetype, no per-CPU lists: ordered dicts as free lists, the last item is taken first."""

    def __init__(self, base: int, pages: int) -> None:
        self.base, self.pages = base, pages
        self.lists: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(11)]
        self.order: dict[int, int] = {}
        for i in range(0, pages, 1024):
            self._add(i, 10, tail=True)

    def _add(self, i: int, order: int, *, tail: bool) -> None:
        self.lists[order][i] = None
        self.order[i] = order
        if tail:
            self.lists[order].move_to_end(i, last=False)

    def _remove(self, i: int, order: int) -> None:
        del self.lists[order][i]
        del self.order[i]

    def alloc(self, order: int) -> int | None:
        for current in range(order, 11):
            if self.lists[current]:
                i = next(reversed(self.lists[current]))
                self._remove(i, current)
                for part in range(current - 1, order - 1, -1):
                    self._add(i + (1 << part), part, tail=False)
                return i + self.base
        return None

    def release(self, pfn: int, order: int) -> None:
        i = pfn - self.base
        while order < 10 and self.order.get(i ^ (1 << order)) == order:
            self._remove(i ^ (1 << order), order)
            i &= ~(1 << order)
            order += 1
        parent = i & ~(1 << order)
        tail = order < 9 and self.order.get(parent ^ (2 << order)) == order + 1
        self._add(i, order, tail=tail)

    def nr_free(self) -> tuple[int, ...]:
        return tuple(map(len, self.lists))
