"""A driver that lends a page through a PFNMAP mapping: a good one unmaps before it frees, a bad one does not."""

from __future__ import annotations

from kvmlab.kvm.host import NOTHING, invalidate_end, invalidate_start
from kvmlab.kvm.machine import DRIVER_FRAME, UNCOUNTED, Machine, has_reference
from kvmlab.memory.ledger import DRIVER, Ledger
from kvmlab.memory.page import (
    ANON,
    BLOCK_LOST,
    FREE,
    FREED_WHILE_HELD,
    LEAKED,
    put_page,
    raise_alarm,
    refcount,
)
from kvmlab.memory.state import model_code, read, write

# Actions of the driver.
UNMAP_START = 40
UNMAP_CLEAR = 41
UNMAP_END = 42
FREE_BLOCK = 43

# Program counter of the driver; a bad one starts at UNMAPPED.
OWNS = 0
UNMAPPING = 1
CLEARED = 2
UNMAPPED = 3
GONE = 4


@model_code
def next_driver_action(s: int, c: Machine) -> int:
    """The action that the driver takes next, 0 if it is gone or there is none."""
    if c.driver == 0:
        return 0
    pc = read(s, c.driver_pc, 0)
    if pc == OWNS:
        return UNMAP_START
    if pc == UNMAPPING:
        return UNMAP_CLEAR
    if pc == CLEARED:
        return UNMAP_END
    return FREE_BLOCK if pc == UNMAPPED else 0


@model_code
def free_block(s: int, page: int, ledger: Ledger | None, c: Machine) -> int:
    """Free the block that the page belongs to.

    The page of a refcounted mapping, or the head of a compound block, loses the driver's reference. A tail of a
    non-compound block is freed with its block, whatever its count: if somebody still holds it, the test reports
    "nonzero _refcount" and the block is lost.
    """
    m = c.matter
    others = refcount(s, page, m) - has_reference(c)
    if c.driver == 1 and c.driver_kind != UNCOUNTED and others > 0:
        s = raise_alarm(s, FREED_WHILE_HELD if has_reference(c) != 0 else BLOCK_LOST, m)
    if has_reference(c) != 0:
        # The driver gives the page up: if somebody still holds it, his put frees it, and rightly.
        return put_page(write(s, m.use, page, ANON), page, DRIVER, ledger, m)
    bad = c.driver_kind != UNCOUNTED and others != 0 and m.check_pages != 0
    if ledger is not None:
        if bad:
            ledger.bad_page(page, 3, s)
        else:
            ledger.freed(page, 0)
    return write(s, m.use, page, LEAKED if bad else FREE)


@model_code
def driver_step(s: int, action: int, ledger: Ledger | None, c: Machine) -> int:
    """Unmap as unmap_mapping_range() does: notifier's start, clear the PTE, notifier's end; then free."""
    g = c.anon
    if action == UNMAP_START:
        s = invalidate_start(s, g, ledger, c)
        return write(s, c.driver_pc, 0, UNMAPPING)
    if action == UNMAP_CLEAR:
        return write(write(s, c.pte, g, NOTHING), c.driver_pc, 0, CLEARED)
    if action == UNMAP_END:
        return write(invalidate_end(s, g, c), c.driver_pc, 0, UNMAPPED)
    return write(free_block(s, DRIVER_FRAME, ledger, c), c.driver_pc, 0, GONE)
