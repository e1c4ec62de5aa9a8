"""The mm thread that takes memory away from the guest or writes it back, and the names of the drain by others."""

from __future__ import annotations

from kvmlab.kvm.host import NOTHING, PAGE, invalidate_end, invalidate_start, zap_pte
from kvmlab.kvm.machine import Machine
from kvmlab.memory.ledger import MMU_GATHER, Ledger
from kvmlab.memory.page import put_page
from kvmlab.memory.state import model_code, read, write

# Actions of the mm thread, and of the LRU drain.
ZAP_START = 20
ZAP_CLEAR = 21
ZAP_PUT = 22
ZAP_END = 23
WRITEBACK_START = 24
WRITEBACK_CLEAN = 25
DRAIN = 30

# Program counter of the mm thread.
MM_IDLE = 0
MM_STARTED = 1
MM_GATHERED = 2
MM_CLEARED = 3
MM_WRITING = 4


@model_code
def next_mm_action(s: int, c: Machine) -> int:
    """The action that an operation in flight takes next, 0 if there is none."""
    pc = read(s, c.mm_pc, 0)
    if pc == MM_STARTED:
        return ZAP_CLEAR
    if pc == MM_GATHERED:
        return ZAP_PUT
    if pc == MM_WRITING:
        return WRITEBACK_CLEAN
    return ZAP_END if pc == MM_CLEARED else 0


@model_code
def zap_start(s: int, g: int, ledger: Ledger | None, c: Machine) -> int:
    """munmap() or MADV_DONTNEED of one page begins: the notifier's start. The VMA stays, so the guest may come back."""
    s = invalidate_start(s, g, ledger, c)
    s = write(s, c.mm_gfn, 0, g)
    s = write(s, c.mm_left, 0, read(s, c.mm_left, 0) - 1)
    return write(s, c.mm_pc, 0, MM_STARTED)


@model_code
def writeback_start(s: int, g: int, ledger: Ledger | None, c: Machine) -> int:
    """Writeback of one page begins: the notifier's start, so that the SPTE goes and a new write faults."""
    s = invalidate_start(s, g, ledger, c)
    s = write(s, c.mm_gfn, 0, g)
    s = write(s, c.wb_left, 0, read(s, c.wb_left, 0) - 1)
    return write(s, c.mm_pc, 0, MM_WRITING)


@model_code
def mm_step(s: int, action: int, ledger: Ledger | None, c: Machine) -> int:
    """Clear the PTE under its lock; then let go of the page; then the notifier's end. Writeback cleans instead."""
    g = read(s, c.mm_gfn, 0)
    if action == ZAP_CLEAR:
        s = zap_pte(s, g, ledger, c)
        return write(s, c.mm_pc, 0, MM_GATHERED if read(s, c.mm_page, 0) != NOTHING else MM_CLEARED)
    if action == ZAP_PUT:
        page = read(s, c.mm_page, 0) - PAGE
        s = put_page(write(s, c.mm_page, 0, NOTHING), page, MMU_GATHER, ledger, c.matter)
        return write(s, c.mm_pc, 0, MM_CLEARED)
    if action == WRITEBACK_CLEAN:
        pte = read(s, c.pte, g)
        if pte >= PAGE:
            s = write(s, c.clean, pte - PAGE, 1)
        return write(s, c.mm_pc, 0, MM_CLEARED)
    s = invalidate_end(s, g, c)
    return write(write(s, c.mm_gfn, 0, 0), c.mm_pc, 0, MM_IDLE)
