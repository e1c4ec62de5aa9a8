"""Who holds which reference, and the history of every get and put: the book beside the count.

The count in a state says how many references there are; the ledger says whose. A put by somebody who holds nothing is
kept as what it is: he took another holder's reference, and the page will be freed under that holder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

# Holders. Those of a vCPU's fault are FAULT + its number.
ALLOCATION = 0
PTE = 1
BATCH = 2
ACTIVATE = 3
MMU_GATHER = 4
DRIVER = 5
NESTED_MAP = 6
INJECTED = 7
FAULT = 8
PFN_CACHE = 24

_NAMES = {
    ALLOCATION: "allocation",
    PTE: "PTE",
    BATCH: "lru_add batch",
    ACTIVATE: "activate batch",
    MMU_GATHER: "mmu_gather",
    DRIVER: "driver",
    NESTED_MAP: "kvm_vcpu_map",
    INJECTED: "injected put",
    PFN_CACHE: "pfn cache",
}


def holder_name(holder: int) -> str:
    """The name of a holder.

    >>> holder_name(FAULT + 1)
    'fault of vcpu1'
    """
    return _NAMES[holder] if holder in _NAMES else f"fault of vcpu{holder - FAULT}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One get, put, hand-over or free in the book.

    Args:
        step: number of the step in which it happened, from 1.
        page: page frame of the model.
        change: +1 for a get, -1 for a put, 0 otherwise.
        holder: who got it, who dropped it, or who received it.
        refcount: `_refcount` afterwards, None for entries that do not change it.
        stray: True for a put by a holder that had no reference.
        what: `get`, `put`, `try` (a try-get that found 0), `hand over`, `bad page` or `free`.
        reason: code of the free check that failed (`free_checks.REASONS`), 0 if none.
    """

    step: int
    page: int
    change: int
    holder: str
    refcount: int | None
    stray: bool = False
    what: str = "put"
    reason: int = 0


@dataclass(slots=True)
class Ledger:
    """The book of one run; the step functions write into it when they are given one.

    Args:
        on_bad_page: called with page, reason code and state when a page is found bad, before anything is reset.

    >>> ledger = Ledger()
    >>> ledger.get(0, ALLOCATION, 0); ledger.hand_over(0, ALLOCATION, PTE); ledger.put(0, FAULT, 0)
    >>> ledger.holders(0), ledger.entries[-1].stray
    (('PTE',), True)
    """

    on_bad_page: Callable[[int, int, int], None] | None = None
    step: int = 0
    entries: list[Entry] = field(default_factory=list)
    _held: dict[int, Counter[int]] = field(default_factory=dict)

    def get(self, page: int, holder: int, refcount: int) -> None:
        """A reference was taken; `refcount` is the count afterwards."""
        held = self._held.setdefault(page, Counter())
        if holder == ALLOCATION:
            held.clear()
        held[holder] += 1
        self.entries.append(Entry(self.step, page, +1, holder_name(holder), refcount, what="get"))

    def tried(self, page: int, holder: int, refcount: int) -> None:
        """A try-get found a count of 0 and took nothing."""
        self.entries.append(Entry(self.step, page, 0, holder_name(holder), refcount, what="try"))

    def put(self, page: int, holder: int, refcount: int) -> None:
        """A reference was dropped by `holder`, whether or not it had one."""
        held = self._held.setdefault(page, Counter())
        stray = held[holder] <= 0
        if not stray:
            held[holder] -= 1
        self.entries.append(Entry(self.step, page, -1, holder_name(holder), refcount, stray))

    def hand_over(self, page: int, giver: int, taker: int) -> None:
        """A reference changed hands without the count changing, such as from the allocation to the PTE."""
        held = self._held.setdefault(page, Counter())
        held[giver] -= 1
        held[taker] += 1
        self.entries.append(Entry(self.step, page, 0, holder_name(taker), None, what="hand over"))

    def bad_page(self, page: int, reason: int, state: int) -> None:
        """A page failed a free check and was reported."""
        self.entries.append(Entry(self.step, page, 0, "allocator", 0, what="bad page", reason=reason))
        if self.on_bad_page is not None:
            self.on_bad_page(page, reason, state)

    def freed(self, page: int, reason: int) -> None:
        """A page went back to the allocator; `reason` tells what a check would have found."""
        self.entries.append(Entry(self.step, page, 0, "allocator", 0, what="free", reason=reason))

    def holders(self, page: int) -> tuple[str, ...]:
        """Who holds a reference to a page according to the book, one name a reference."""
        held = self._held.get(page, Counter())
        return tuple(holder_name(h) for h in sorted(held) for _ in range(held[h]))

    def stray_puts(self, page: int) -> tuple[Entry, ...]:
        """The puts of a page by somebody who held no reference: the answer to "who dropped it"."""
        return tuple(e for e in self.entries if e.page == page and e.stray)
