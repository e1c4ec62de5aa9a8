"""The host's side of a fault: page-table entries, zero page, copy on write, and the MMU notifier that tells KVM."""

from __future__ import annotations

from kvmlab.kvm.machine import Machine
from kvmlab.memory.folio_batch import folio_add_lru, mark_page_accessed
from kvmlab.memory.ledger import ALLOCATION, MMU_GATHER, PTE, Ledger
from kvmlab.memory.page import DIRTY, REUSED_TOUCH, alloc_anon, lowest_free, nobody_holds, raise_alarm, set_flags
from kvmlab.memory.state import Field, model_code, read, write

# What a PTE, an SPTE or a lookup holds: nothing, the zero page, or PAGE + the number of a frame.
NOTHING = 0
ZERO_PAGE = 1
PAGE = 2

# vCPU program counters; the actions that leave them have the same order.
IDLE = 0
PRE_CHECK = 1
LOOKUP = 2
COW_COPY = 3
COW_END = 4
POST_CHECK = 5
LOCKED = 6
RELEASE = 7
EXITED = 8


@model_code
def tlb_of(g: int, c: Machine) -> Field:
    """The field of the cached translations of one gfn."""
    return Field(c.tlb.at + g * c.tlb.width, c.tlb.width, c.tlb.stride)


@model_code
def map_new_page(s: int, g: int, ledger: Ledger | None, c: Machine) -> int:
    """Allocate a page, give it an anonymous rmap, put it into the LRU batch, then set the PTE.

    The order is that of wp_page_copy() and do_anonymous_page(): a drain happens before the PTE is there, but after
    `_mapcount` counts it.
    """
    page = lowest_free(s, c.matter)
    s = alloc_anon(s, page, g, ledger, c.matter)
    s = write(s, c.clean, page, 0)
    s = folio_add_lru(s, page, ledger, c.matter)
    s = write(s, c.pte, g, PAGE + page)
    if ledger is not None:
        ledger.hand_over(page, ALLOCATION, PTE)
    return s


@model_code
def zap_pte(s: int, g: int, ledger: Ledger | None, c: Machine) -> int:
    """Clear a PTE: `_mapcount` goes down, its reference waits in the mmu_gather of the mm thread."""
    was = read(s, c.pte, g)
    s = write(s, c.pte, g, NOTHING)
    if was >= PAGE:
        n = read(s, c.matter.mapcount, was - PAGE)
        if n > 0:
            s = write(s, c.matter.mapcount, was - PAGE, n - 1)
        s = write(s, c.mm_page, 0, was)
        if ledger is not None:
            ledger.hand_over(was - PAGE, PTE, MMU_GATHER)
    return s


@model_code
def zap_spte(s: int, g: int, ledger: Ledger | None, c: Machine) -> int:
    """Remove an SPTE and flush TLBs; older policies push its accessed and dirty bits to the struct page."""
    was = read(s, c.spte, g)
    if was >= PAGE and (c.zap == 0 or (c.zap == 1 and read(s, c.counted, g) != 0)):
        if nobody_holds(s, was - PAGE, c.matter) != 0:
            s = raise_alarm(s, REUSED_TOUCH, c.matter)
        s = mark_page_accessed(s, was - PAGE, ledger, c.matter)
        s = set_flags(s, was - PAGE, DIRTY, c.matter)
    s = write(s, c.spte, g, NOTHING)
    if c.tlbs != 0 and c.flushes != 0:
        for v in range(c.vcpus):
            s = write(s, tlb_of(g, c), v, NOTHING)
    return write(s, c.counted, g, 0)


@model_code
def invalidate_start(s: int, g: int, ledger: Ledger | None, c: Machine) -> int:
    """mmu_notifier_invalidate_range_start(): under mmu_lock, count it in progress and zap the SPTE."""
    s = write(s, c.in_progress, g, read(s, c.in_progress, g) + 1)
    return zap_spte(s, g, ledger, c)


@model_code
def invalidate_end(s: int, g: int, c: Machine) -> int:
    """mmu_notifier_invalidate_range_end(): the VM-wide sequence moves on, so every fault in flight is stale."""
    s = write(s, c.in_progress, g, read(s, c.in_progress, g) - 1)
    for v in range(c.vcpus):
        pc = read(s, c.pc, v)
        if PRE_CHECK <= pc <= RELEASE:
            s = write(s, c.stale, v, 1)
    return s
