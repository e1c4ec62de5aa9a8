"""Pages: what a state keeps of a struct page, get and put, allocation, and what a free does to it."""

from __future__ import annotations

from typing import NamedTuple

from kvmlab.memory.free_checks import free_check
from kvmlab.memory.ledger import ALLOCATION, DRIVER, Ledger
from kvmlab.memory.state import Field, model_code, read, write

# What a page frame is used for.
FREE = 0
ANON = 1
DRIVER_OWNED = 2
LEAKED = 3

# Flags that a tracked page keeps, under the kernel's names.
REFERENCED = 1
UPTODATE = 2
DIRTY = 4
LRU = 8
ACTIVE = 16
WORKINGSET = 32
ANON_EXCLUSIVE = 64
SWAPBACKED = 128

FLAG_NAMES = {
    REFERENCED: "referenced",
    UPTODATE: "uptodate",
    DIRTY: "dirty",
    LRU: "lru",
    ACTIVE: "active",
    WORKINGSET: "workingset",
    ANON_EXCLUSIVE: "anon_exclusive",
    SWAPBACKED: "swapbacked",
}

# What page->lru holds.
NOT_LISTED = 0
LISTED = 1
POISONED = 2

# Alarms: what a step does wrong, or worth telling, and the state after it need not show.
REUSED_TOUCH = 1
ZERO_PAGE_DROPPED = 2
COUNT_OVERFLOW = 3
OWNED_PAGE_FREED = 4
UNGUARDED_ACCESS = 5
WRITE_LOST = 6
REFUSED = 7
FAILED_ON_BAD_PAGE = 8
HUNG = 9
UNEXPECTED_EXIT = 10
FREED_WHILE_HELD = 11
BLOCK_LOST = 12


class Matter(NamedTuple):
    """Where a state keeps its pages, and the rules of this kernel; constant in a run.

    Args:
        pages: page frames; any that is free can be allocated.
        reused: 1 if somebody allocates frames in this configuration, so that a freed one may be somebody else's next.
        tracked: 1 if flags, list pointers, mapping, index and the activate batch are kept (for replays), else 0.
        check_pages: 1 if freed pages are tested (`free_checks.checks_freed_pages`).
        resets_mapcount: 1 if a report resets `_mapcount` to -1 (up to 6.10).
        lru_gen: 1 if MGLRU is on.
        batch_capacity: folios in a per-CPU folio batch.
        use, refcount, mapcount: of each page; refcount is kept with 1 added, so that -1 fits.
        flags, listed, mapping, page_index: of each tracked page; the index is the gfn it was allocated for.
        batch: slots of the lru_add batch, page + 1 or 0; `others`: folios in it that are not modelled.
        activate: entries of each page in the activate batch; `activated`: all its entries.
        zero: references to the zero page above its own, with 4 added; only kept when tracked.
        refcount_max: largest stored refcount that its field holds.
        alarm: what the last step did wrong, 0 if nothing.
    """

    pages: int
    reused: int
    tracked: int
    check_pages: int
    resets_mapcount: int
    lru_gen: int
    batch_capacity: int
    refcount_max: int
    use: Field
    refcount: Field
    mapcount: Field
    flags: Field
    listed: Field
    mapping: Field
    page_index: Field
    batch: Field
    others: Field
    activate: Field
    activated: Field
    zero: Field
    alarm: Field


@model_code
def refcount(s: int, page: int, m: Matter) -> int:
    """`_refcount` of a page."""
    return read(s, m.refcount, page) - 1


@model_code
def raise_alarm(s: int, alarm: int, m: Matter) -> int:
    """The state with an alarm in it; the first one of a step stays."""
    return s if read(s, m.alarm, 0) != 0 else write(s, m.alarm, 0, alarm)


@model_code
def nobody_holds(s: int, page: int, m: Matter) -> int:
    """1 if the frame may be handed out to somebody else: it is free, or anonymous with a count of 0.

    Where nobody allocates, a freed frame keeps its count of 0, and the helper that marks pages refuses that.
    """
    if m.reused == 0:
        return 0
    use = read(s, m.use, page)
    return 1 if use in (FREE, LEAKED) or (use == ANON and read(s, m.refcount, page) <= 1) else 0


@model_code
def set_flags(s: int, page: int, flags: int, m: Matter) -> int:
    """Set flags of a tracked page."""
    if m.tracked == 0:
        return s
    return write(s, m.flags, page, read(s, m.flags, page) | flags)


@model_code
def clear_flags(s: int, page: int, flags: int, m: Matter) -> int:
    """Clear flags of a tracked page."""
    if m.tracked == 0:
        return s
    return write(s, m.flags, page, read(s, m.flags, page) & ~flags)


@model_code
def get_page(s: int, page: int, holder: int, ledger: Ledger | None, m: Matter) -> int:
    """Take a reference, whatever the count was: get_page() on 0 is the bug that f8be156be163 closed."""
    n = read(s, m.refcount, page)
    s = write(s, m.refcount, page, n + 1) if n < m.refcount_max else raise_alarm(s, COUNT_OVERFLOW, m)
    if ledger is not None:
        ledger.get(page, holder, n)
    return s


@model_code
def put_page(s: int, page: int, holder: int, ledger: Ledger | None, m: Matter) -> int:
    """Drop a reference; the put that takes the count from 1 to 0 frees the page.

    A count of -1 stays where it is: what follows an underflow is not modelled.
    """
    n = read(s, m.refcount, page)
    if n > 0:
        s = write(s, m.refcount, page, n - 1)
    if ledger is not None:
        ledger.put(page, holder, n - 2 if n > 0 else -1)
    if n == 2:
        if holder != DRIVER and read(s, m.use, page) == DRIVER_OWNED:
            s = raise_alarm(s, OWNED_PAGE_FREED, m)
        s = free_page(s, page, ledger, m)
    return s


@model_code
def free_page(s: int, page: int, ledger: Ledger | None, m: Matter) -> int:
    """What happens to a page whose last reference is gone: off the LRU, tests, then free or leaked.

    A bad page is skipped by the allocator, so it is leaked; without `check_pages` it is free and may still be mapped.
    Source: folios_put_refs() and free_unref_folios() as the reported stack names them; their order as in 6.12.117:
    taken off the LRU, flags cleared, mapping cleared, tested.
    """
    if m.tracked != 0:
        if read(s, m.flags, page) & LRU:
            s = write(s, m.listed, page, POISONED)
        s = clear_flags(s, page, LRU | ACTIVE, m)
        s = write(s, m.mapping, page, 0)
    bad = free_check(read(s, m.mapcount, page), read(s, m.mapping, page), refcount(s, page, m), 0, 0, 0)
    if bad != 0 and m.check_pages != 0:
        s = write(s, m.use, page, LEAKED)
        if ledger is not None:
            ledger.bad_page(page, bad, s)
        if m.resets_mapcount != 0 and m.tracked != 0:
            s = write(s, m.mapcount, page, 0)
    else:
        s = write(s, m.use, page, FREE)
        if ledger is not None:
            ledger.freed(page, bad)
    return s


@model_code
def lowest_free(s: int, m: Matter) -> int:
    """Number of the lowest free page frame, -1 if there is none."""
    for page in range(m.pages):
        if read(s, m.use, page) == FREE:
            return page
    return -1


@model_code
def alloc_anon(s: int, page: int, gfn: int, ledger: Ledger | None, m: Matter) -> int:
    """Allocate a frame for anonymous memory: refcount 1, uptodate, and an exclusive anonymous mapping of one PTE.

    Source: vma_alloc_folio(), then folio_add_new_anon_rmap(), which sets swapbacked, anon_exclusive and `_mapcount`.
    """
    s = write(s, m.use, page, ANON)
    s = write(s, m.refcount, page, 2)
    s = write(s, m.mapcount, page, read(s, m.mapcount, page) + 1)
    if m.tracked != 0:
        s = write(s, m.flags, page, UPTODATE | ANON_EXCLUSIVE | SWAPBACKED)
        s = write(s, m.listed, page, NOT_LISTED)
        s = write(s, m.mapping, page, 1)
        s = write(s, m.page_index, page, gfn)
    if ledger is not None:
        ledger.get(page, ALLOCATION, 1)
    return s
